"""steeple build: what it says, how it fails, and what an interruption leaves."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys

import pytest

from steeple import Collection

# A build that commits every 4 photos, says so, and is then slow enough to be interrupted.
SLOW = """
import signal, sys, time
# A test that itself runs in the background was started with interrupts ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
import steeple.collection.adding as adding
commit = adding._commit
def slowly(*arguments):
    commit(*arguments)
    print("COMMITTED", file=sys.stderr, flush=True)
    time.sleep(60)
adding.COMMIT, adding._commit = 4, slowly
from steeple.cli.app import main
main()
"""


def interrupt(environment, words, when):
    """Runs a slow build, presses Ctrl-C once it has said something, and returns what it left."""
    with subprocess.Popen(
        [sys.executable, "-c", SLOW, *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        start_new_session=True,
    ) as process:
        heard = next((line for line in process.stderr if when in line), None)
        assert heard is not None
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to all of its processes
        out, err = process.communicate(timeout=60)
    return process.returncode, out, err


def test_builds_and_says_so(steeple, city, tmp_path):
    ran = steeple("build", city.root, "--out", tmp_path / "places", "--workers", "1")
    assert ran.code == 0
    assert f"{city.train + city.index} added" in ran.out
    assert f"{city.index} to be found, {city.train} that vote for" in ran.out
    assert f"try: steeple search {tmp_path / 'places'} PHOTO" in ran.out
    assert "describing photos" in ran.err
    assert "\x1b" not in ran.out + ran.err
    with Collection.open(tmp_path / "places") as places:
        assert len(places) == city.train + city.index


class TestLocalFeatures:
    @pytest.fixture
    def folder(self, photos, tmp_path):
        folder = tmp_path / "photos"
        folder.mkdir()
        for number, photo in enumerate(photos[:3]):
            shutil.copy(photo, folder / f"{number}.jpg")
        return folder

    def test_by_default(self, steeple, folder, tmp_path):
        ran = steeple("build", folder, "--out", tmp_path / "p", "--workers", 1)
        with Collection.open(tmp_path / "p") as places:
            kept = places.statistics()["local_features"]
        assert kept["kind"] == "sift"
        assert kept["most"] == 1000
        assert kept["per_photo"] > 20
        assert kept["bytes_per_photo"] == 134 * kept["per_photo"]
        said = f"{kept['per_photo']:,.0f} (sift) a photo, {kept['bytes_per_photo'] / 1024:,.0f} KiB"
        assert f"local features: {said}" in ran.out

    def test_fewer(self, steeple, folder, tmp_path):
        words = ("--local-features", "sift", "--features-per-photo", 20, "--workers", 1)
        assert steeple("build", folder, "--out", tmp_path / "p", *words).code == 0
        with Collection.open(tmp_path / "p") as places:
            assert places.statistics()["local_features"]["per_photo"] == 20

    def test_none(self, steeple, folder, tmp_path):
        words = ("--no-local-features", "--workers", 1)
        ran = steeple("build", folder, "--out", tmp_path / "p", *words)
        assert ran.code == 0
        assert "local features" not in ran.out
        assert not (tmp_path / "p" / "features").exists()
        with Collection.open(tmp_path / "p") as places:
            assert places.extractor is None

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            (("--local-features", "sift", "--no-local-features"), "exclude each other"),
            (("--local-features", "magic"), "no local features are called 'magic'"),
            (("--local-features", "delf"), "make one with: steeple delf"),
        ],
    )
    def test_what_cannot_be(self, steeple, folder, tmp_path, words, said):
        steeple("build", folder, "--out", tmp_path / "p", *words).refused(2, said)
        assert not (tmp_path / "p").exists()

    @pytest.mark.parametrize("number", [0, 1001])
    def test_too_few_or_too_many(self, steeple, folder, tmp_path, number):
        ran = steeple("build", folder, "--out", tmp_path / "p", "--features-per-photo", number)
        ran.refused(2, "--features-per-photo", "than or equal to 1")
        assert not (tmp_path / "p").exists()


def test_json_is_the_report(steeple, photos, tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for number, photo in enumerate(photos[:3]):
        shutil.copy(photo, folder / f"{number}.jpg")
    shutil.copy(photos[0], folder / "double.jpg")
    (folder / "[red]broken[bold].jpg").write_text("no photo")
    ran = steeple("build", folder, "--out", tmp_path / "p", "--json", "--seed", 7, "--workers", 1)
    assert ran.code == 0
    assert ran.json["collection"] == str(tmp_path / "p")
    assert (ran.json["images"], ran.json["added"]) == (3, 3)
    assert ran.json["duplicates"] == [["double.jpg", "0.jpg"]]
    ((path, reason),) = ran.json["failed"]
    assert path == str(folder / "[red]broken[bold].jpg")
    assert "not a photo" in reason


def test_what_is_left_out_is_named_literally(steeple, photos, tmp_path):
    folder = tmp_path / "[bold]photos"
    folder.mkdir()
    shutil.copy(photos[0], folder / "a.jpg")
    shutil.copy(photos[0], folder / "[red]b[bold]:cat:.jpg")
    for number in range(12):
        (folder / f"[i]broken{number}.jpg").write_text(f"no photo {number}")
    out = tmp_path / "[u]places"
    ran = steeple("build", folder, "--out", out, "--prefix", "[x]", "--workers", 1)
    assert ran.code == 0
    assert f"{out}: 1 added" in ran.out
    assert "12 left out:" in ran.out
    assert f"  {folder}/[i]broken0.jpg: not a photo" in ran.out
    assert "  and 2 more; --json names all" in ran.out
    assert "[x][red]b[bold]:cat:.jpg" in ran.out
    assert "the same photo as [x]" in ran.out
    assert f"steeple search {shlex.quote(str(out))} PHOTO" in ran.out


def test_refuses_what_it_cannot_use(steeple, city, built, tmp_path):
    out = tmp_path / "out"
    (tmp_path / "empty").mkdir()
    steeple("build", tmp_path / "gone", "--out", out).refused(2, "gone", "does not exist")
    steeple("build", tmp_path / "empty", "--out", out).refused(1, "empty", "holds no photo")
    steeple("build", city.root, "--out", built).refused(2, "not empty", f"steeple add {built}")
    steeple("build", city.root, "--out", out, "--embedder", "nix").refused(2, "nix", "sift-vlad")
    labels = city.root / "train.csv"
    steeple("build", city.root, "--out", out, "--landmarks", labels).refused(2, "line 1", "header")
    assert not out.exists()


def test_photos_that_nobody_can_read(steeple, tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.jpg").write_text("no photo")
    steeple("build", tmp_path / "photos", "--out", tmp_path / "out").refused(2, "a.jpg")
    assert not (tmp_path / "out").exists()


def test_a_place_that_cannot_be_written_is_3(steeple, city, tmp_path):
    (tmp_path / "file").write_text("")
    steeple("build", city.root, "--out", tmp_path / "file" / "places").refused(3, "file/places")


def test_after_an_interruption_add_goes_on(steeple, environment, city, tmp_path):
    out = tmp_path / "places"
    words = ["build", city.root, "--out", out, "--workers", 1]
    code, said, err = interrupt(environment, words, "COMMITTED")
    assert (code, said) == (130, "")
    assert err.splitlines() == ["interrupted"]
    with Collection.open(out) as places:
        assert len(places) == 4
    steeple("build", city.root, "--out", out).refused(2, f"steeple add {out}")
    ran = steeple("add", out, city.root, "--json", "--workers", 1)
    assert ran.code == 0
    assert (ran.json["added"], ran.json["unchanged"]) == (city.train + city.index - 4, 4)
    assert steeple("doctor", "--collection", out).code == 0


@pytest.mark.parametrize("workers", [1, 2])
def test_an_interruption_before_the_first_commit_leaves_nothing(
    environment, city, tmp_path, workers
):
    out = tmp_path / "places"
    words = ["build", city.root, "--out", out, "--workers", workers]
    code, said, err = interrupt(environment, words, "learning from photos")
    assert (code, said) == (130, "")
    assert "Traceback" not in err
    assert err.splitlines()[-1] == "interrupted"
    assert list(tmp_path.iterdir()) == []


class TestIndex:
    @pytest.fixture
    def folder(self, photos, tmp_path):
        folder = tmp_path / "photos"
        folder.mkdir()
        for number, photo in enumerate(photos[:4]):
            shutil.copy(photo, folder / f"{number}.jpg")
        return folder

    def test_of_a_kind(self, steeple, folder, tmp_path):
        words = ("--no-local-features", "--workers", 1)
        ran = steeple("build", folder, "--out", tmp_path / "p", "--index", "HNSW4", *words)
        assert ran.code == 0
        assert "building the index: 4 of 4" in ran.err
        said = "searched by an approximate index of 4 images, HNSW4, which finds 100.0 % of the "
        assert said in " ".join(ran.out.split())
        again = steeple("add", tmp_path / "p", folder, "--workers", 1)
        assert "approximate" not in again.out
        with Collection.open(tmp_path / "p") as places, places.view() as view:
            assert view.approximate.about.factory == "HNSW4"

    def test_and_memory(self, steeple, folder, tmp_path):
        words = ("--no-local-features", "--workers", 1, "--index", "FLAT")
        for name, more, memory in (("p", (), 4 * 10**9), ("q", ("--memory", "1GB"), 10**9)):
            ran = steeple("build", folder, "--out", tmp_path / name, *words, *more)
            assert ran.code == 0
            with Collection.open(tmp_path / name) as places:
                assert places._store.setting("index") == {"kind": "flat", "memory": memory}

    def test_what_is_no_memory(self, steeple, folder, tmp_path):
        ran = steeple("build", folder, "--out", tmp_path / "p", "--memory", "lots")
        ran.refused(2, "'lots' is no amount of memory; write 512MB, 4GB or 4GiB")
        assert not (tmp_path / "p").exists()

    def test_that_is_none(self, steeple, folder, tmp_path):
        ran = steeple("build", folder, "--out", tmp_path / "p", "--index", "magic")
        ran.refused(2, "FAISS knows no index 'magic'")
        assert not (tmp_path / "p").exists()
