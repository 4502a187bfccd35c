"""Data sets from a mirror on this machine."""

from __future__ import annotations

import hashlib
import importlib
import io
import json
import pickle
import random
import shutil
import tarfile
from types import SimpleNamespace

import pytest
from filelock import FileLock

from steeple.datasets.fetching import (
    Options,
    Patience,
    choose,
    download,
    find,
    plan,
    space,
)
from steeple.datasets.gldv2 import GldV2
from steeple.errors import ContentError, InputError, MachineError, StorageError

GLDV2 = find("gldv2")
HTML = b"<!DOCTYPE html>\n<html>please log in, or pay</html>\n"
TRUTH = pickle.dumps(
    {
        "imlist": ["a", "b"],
        "qimlist": ["q"],
        "gnd": [{"bbx": [0.0, 0.0, 9.0, 9.0], "easy": [0], "hard": [], "junk": [1]}],
    }
)


def tar(names, mode="w"):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=mode) as archive:
        for name in names:
            data = random.Random(name).randbytes(20_000)
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return stream.getvalue()


def photos(split, number):
    """The ids in an archive of the small GLD-v2."""
    return [f"{number}{split[0]}{n}{'0' * 12}f" for n in range(3)]


@pytest.fixture
def mirror(served, page):
    """Archives 0 to 2 of every part of GLD-v2, three photos each, and the tables."""
    ids = {}
    for split in ("train", "index", "test"):
        for number in range(3):
            names = photos(split, number)
            ids.setdefault(split, []).extend(names)
            data = tar(f"{name[0]}/{name[1]}/{name[2]}/{name}.jpg" for name in names)
            served.pages[f"{split}/images_00{number}.tar"] = page(data)
            md5 = hashlib.md5(data).hexdigest()
            served.pages[f"md5sum/{split}/md5.images_00{number}.txt"] = page(
                f"{md5}  images_00{number}.tar\n".encode()
            )
    train = "".join(f"{name},http://x,{n}\n" for n, name in enumerate(ids["train"]))
    tables = {
        "metadata/train.csv": "id,url,landmark_id\n" + train,
        "metadata/train_clean.csv": f"landmark_id,images\n1,{ids['train'][0]}\n",
        "metadata/train_label_to_category.csv": "landmark_id,category\n1,x\n",
        "metadata/index.csv": "id\n" + "\n".join(ids["index"]) + "\n",
        "metadata/index_image_to_landmark.csv": "id,landmark_id\n",
        "metadata/test.csv": "id\n" + "\n".join(ids["test"]) + "\n",
        "ground_truth/retrieval_solution_v2.1.csv": "id,images,Usage\n",
        "ground_truth/recognition_solution_v2.1.csv": "id,landmarks,Usage\n",
    }
    for path, text in tables.items():
        served.pages[path] = page(text.encode())
    return served


@pytest.fixture
def out(tmp_path):
    return tmp_path / "gldv2"


@pytest.fixture
def get(mirror, out):
    """Downloads parts of it; returns what was done."""

    def get(*parts, archives=(0, 1, 2), progress=lambda *told: None, **options):
        wanted = Options(
            **{
                "mirror": mirror.url,
                "connections": 3,
                "patience": Patience(attempts=2, pause=0.0, timeout=5.0),
                **options,
            }
        )
        chosen = choose(GLDV2, parts, archives and set(archives))
        what = plan(GLDV2, chosen, out, wanted, progress=progress)
        return download(what, progress=progress)

    return get


def jpegs(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.jpg"))


def room(monkeypatch, free):
    """Makes so many bytes of disk free."""
    monkeypatch.setattr(space.shutil, "disk_usage", lambda path: SimpleNamespace(free=free))


def wrong(served, path):
    """Makes the sum of an archive wrong."""
    served.pages[path].data = f"{'0' * 32}  x".encode()


def test_the_whole_of_it_is_read_as_gldv2(get, out):
    done = get()
    assert (done.files, done.there, done.photos) == (9 + 8, 0, 27)
    found = GldV2.read(out, clean=False)
    assert sorted(found.train) == sorted(name for n in range(3) for name in photos("train", n))
    for split, ids in (("train", found.train), ("index", found.index), ("test", found.test)):
        assert len(ids) == 9
        for name in ids:
            path = found.photo(split, name)
            place = f"{name[0]}/{name[1]}/{name[2]}/{name}.jpg"
            assert path.relative_to(out / split).as_posix() == place
            assert path.read_bytes() == random.Random(place).randbytes(20_000)


def test_nothing_else_stays(get, out):
    get("test")
    assert {path.name for path in out.iterdir()} == {"test", ".downloads"}
    left = {path.name for path in (out / ".downloads").rglob("*") if path.is_file()}
    assert left - {"lock"} == {f"images_00{n}.tar.json" for n in range(3)}


def test_a_second_run_asks_for_nothing(get, mirror):
    get("test", "metadata")
    mirror.asked.clear()
    told = []
    done = get("test", "metadata", progress=lambda *what: told.append(what))
    assert (done.files, done.there, done.bytes) == (0, 11, 0)
    assert mirror.asked == []
    assert told == []


def test_a_second_run_gets_what_was_removed(get, out):
    get("test")
    shutil.rmtree(out / "test" / "1")
    done = get("test")
    assert (done.files, done.there) == (1, 2)
    assert len(jpegs(out)) == 9


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"holds": 3}'])
def test_a_damaged_marker_is_none(get, out, text):
    get("test")
    (out / ".downloads/done/test/images_000.tar.json").write_text(text)
    assert get("test").files == 1


def test_parts_and_archives(get, out):
    get("index", archives=[1])
    assert jpegs(out) == [f"index/{n[0]}/{n[1]}/{n[2]}/{n}.jpg" for n in photos("index", 1)]


def test_archives_are_kept_where_they_are_wanted(get, out, mirror):
    get("test", keep_archives=True)
    kept = out / "archives" / "test" / "images_000.tar"
    assert kept.read_bytes() == mirror.pages["test/images_000.tar"].data
    # And unpacked again without another download.
    shutil.rmtree(out / "test")
    mirror.asked.clear()
    assert get("test").bytes == 0
    assert mirror.got("test/images_000.tar") == []
    assert len(jpegs(out)) == 9
    assert kept.is_file()


def test_a_wrong_sum_is_tried_again(get, mirror, page, out):
    good = mirror.pages["test/images_001.tar"]
    mirror.pages["test/images_001.tar"] = page(good.data[:-1] + b"x")

    def progress(stage, done, total):
        if stage == "download" and done == 2 * len(good.data):
            mirror.pages["test/images_001.tar"] = good

    done = get("test", progress=progress, connections=1)
    assert done.photos == 9
    assert done.bytes == 4 * len(good.data)


def test_a_sum_that_stays_wrong_costs_only_its_archive(get, mirror, out):
    wrong(mirror, "md5sum/test/md5.images_001.txt")
    with pytest.raises(ContentError) as caught:
        get("test")
    for word in ("1 of 3 files", "test/images_001.tar", "MD5", "twice", "run the same again"):
        assert word in str(caught.value)
    assert len(mirror.got("test/images_001.tar")) == 2
    assert len(jpegs(out)) == 6
    assert not list(out.rglob("*.part"))


def test_where_all_fail_no_others_are_said_to_be_there(get, mirror):
    for number in range(3):
        wrong(mirror, f"md5sum/test/md5.images_00{number}.txt")
    with pytest.raises(ContentError, match="3 of 3 files") as caught:
        get("test")
    assert "others" not in str(caught.value)


@pytest.mark.parametrize("text", [b"", b"<html>", b"0123  x", b"g" * 32])
def test_a_sum_that_is_none(get, mirror, text):
    mirror.pages["md5sum/test/md5.images_001.txt"].data = text
    with pytest.raises(ContentError, match="holds no MD5"):
        get("test")


def test_an_archive_that_is_not_there_costs_only_itself(get, mirror, out):
    del mirror.pages["test/images_002.tar"]
    with pytest.raises(InputError, match=r"1 of 3 files .*images_002.tar: 404") as caught:
        get("test")
    assert caught.value.exit_code == 2
    assert len(jpegs(out)) == 6


def test_a_mirror_that_has_nothing_is_told_before_anything_is_done(get, mirror, out):
    with pytest.raises(InputError, match=r"404 .*mirror"):
        get("test", mirror=mirror.url + "elsewhere")
    assert not out.exists()


@pytest.mark.parametrize(
    "url", ["", "elsewhere", "ftp://x/", "file:///etc/", "http://", "http://[x", "http://x:99999/"]
)
def test_what_is_no_mirror(get, url):
    with pytest.raises(InputError, match="is no mirror"):
        get("test", mirror=url)


def test_an_archive_that_means_harm_costs_only_itself(get, mirror, out, tmp_path):
    evil = tar(["../../../planted.jpg"])
    mirror.pages["test/images_001.tar"].data = evil
    md5 = hashlib.md5(evil).hexdigest()
    mirror.pages["md5sum/test/md5.images_001.txt"].data = md5.encode()
    with pytest.raises(ContentError, match=r"1 of 3 .*leads out of it"):
        get("test")
    assert not list(tmp_path.rglob("planted.jpg"))
    assert len(jpegs(out)) == 6
    assert not list((out / ".downloads").rglob("*.tar"))


def test_a_server_that_stops_answering_stops_it(get, mirror, out):
    mirror.pages["test/images_000.tar"].statuses = [500] * 50
    with pytest.raises(MachineError, match="look at the network"):
        get("test", connections=1)
    assert mirror.got("test/images_001.tar") == []


def test_broken_lines_are_gone_on_with_in_the_next_run(get, mirror, out):
    broken = mirror.pages["test/images_000.tar"]
    broken.breaks = [30_000, 0]
    with pytest.raises(MachineError, match="goes on with what is there"):
        get("test", connections=1)
    mirror.asked.clear()
    told = []
    done = get("test", connections=1, progress=lambda *word: told.append(word))
    assert mirror.got("test/images_000.tar") == ["bytes=30000-"]
    size = sum(len(mirror.pages[f"test/images_00{n}.tar"].data) for n in range(3))
    assert done.bytes == size - 30_000
    assert ("download", 30_000, size) in told
    assert told[-1] in (("download", size, size), ("unpack", 3, 3))


def test_progress_never_ends_wrong(get, mirror):
    for page in mirror.pages.values():
        page.ranges = False
    mirror.pages["train/images_000.tar"].breaks = [50_000]
    told = {}
    get(progress=lambda stage, done, total: told.update({stage: (done, total)}))
    sizes = [len(page.data) for path, page in mirror.pages.items() if "md5" not in path]
    assert told["download"] == (sum(sizes), sum(sizes))
    assert told["unpack"] == (9, 9)
    assert told["sizes"] == (17, 17)


def test_sizes_that_nobody_says(get, mirror, out, monkeypatch):
    room(monkeypatch, 10 * 10**9)
    for page in mirror.pages.values():
        page.head = 403
    told = []
    get("test", progress=lambda *word: told.append(word))
    assert ("download", 0, None) in told
    assert len(jpegs(out)) == 9


def test_the_disk_is_looked_at_first(get, mirror, out, monkeypatch):
    room(monkeypatch, 100_000)
    with pytest.raises(StorageError, match=r"this needs 0\.4 MB .*make room.*fewer archives"):
        get("test")
    assert jpegs(out) == []
    assert mirror.got("test/images_000.tar") == []


def test_where_servers_are_mute_the_catalogue_says_how_much_disk(get, mirror, out, monkeypatch):
    room(monkeypatch, 2 * 10**9)
    for page in mirror.pages.values():
        page.head = 405
    with pytest.raises(
        StorageError, match=r"this needs about 3\.0 GB of disk and 2\.0 GB are free"
    ):
        get("test")
    assert mirror.got("test/images_000.tar") == []


def test_archives_that_are_not_there_need_no_disk(get, mirror, out, monkeypatch):
    room(monkeypatch, 2 * 10**9)
    with pytest.raises(InputError, match="17 of 20 files"):
        get("test", archives=None)
    assert len(jpegs(out)) == 9


def test_the_disk_is_looked_at_before_every_file(get, mirror, out, monkeypatch):
    # Others write to it too: there was room for the plan, and there is none any more.
    def progress(stage, done, total):
        if stage == "unpack":
            room(monkeypatch, 10**6 if done == 0 else 1000)

    path = "test/images_001.tar"
    with pytest.raises(StorageError, match=rf"{path} needs 0\.\d MB .*goes on with what is there"):
        get("test", connections=1, progress=progress)
    assert len(jpegs(out)) == 3
    assert len(mirror.got(path)) == 1
    assert not (out / ".downloads" / f"{path}.part").exists()


def test_a_full_disk_keeps_what_came(get, mirror, out, monkeypatch):
    def full(*words, **more):
        raise OSError(28, "No space left on device", str(out / "x"))

    unpacking = importlib.import_module("steeple.datasets.fetching.unpack")
    monkeypatch.setattr(unpacking.shutil, "copyfileobj", full)
    with pytest.raises(StorageError, match="No space left"):
        get("test", connections=1)
    monkeypatch.undo()
    mirror.asked.clear()
    get("test", connections=1)
    assert mirror.got("test/images_000.tar") == []
    assert len(jpegs(out)) == 9


def test_only_one_at_a_time(get, out):
    (out / ".downloads").mkdir(parents=True)
    with (
        FileLock(out / ".downloads" / "lock"),
        pytest.raises(InputError, match="another download"),
    ):
        get("test")


def test_an_interruption_keeps_what_came(get, mirror, out):
    def interrupt(stage, done, total):
        if stage == "unpack" and done == 1:
            raise KeyboardInterrupt

    for page in mirror.pages.values():
        page.pause = 0.01
    with pytest.raises(KeyboardInterrupt):
        get("test", connections=1, progress=interrupt)
    assert not list((out / ".downloads").rglob("unpacking/*/*"))
    mirror.asked.clear()
    done = get("test", connections=1)
    assert done.files + done.there == 3
    assert done.there >= 1
    assert len(jpegs(out)) == 9


def test_revisited_oxford(served, page, tmp_path):
    served.pages["oxbuild_images-v1.tgz"] = page(tar(["all_souls_0.jpg", "x/y_1.jpg"], "w:gz"))
    served.pages["gnd_roxford5k.pkl"] = page(TRUTH)
    dataset = find("roxford5k")
    what = plan(dataset, choose(dataset), tmp_path, Options(mirror=served.url))
    assert download(what).photos == 2
    assert jpegs(tmp_path) == ["jpg/all_souls_0.jpg", "jpg/y_1.jpg"]
    assert (tmp_path / "gnd_roxford5k.pkl").read_bytes() == TRUTH
    marker = tmp_path / ".downloads/done/oxbuild_images-v1.tgz.json"
    assert json.loads(marker.read_text())["photos"] == 2


def test_an_archive_without_a_sum_that_breaks_off_is_got_again(served, page, tmp_path):
    # The server announces too little and sends it: only the archive itself can tell.
    whole = tar(["a.jpg", "b.jpg"], "w:gz")
    served.pages["oxbuild_images-v1.tgz"] = page(whole, length=20_000)
    dataset = find("roxford5k")
    parts = choose(dataset, ["photos"])
    options = Options(mirror=served.url)
    with pytest.raises(ContentError, match=r"damaged .*download it again"):
        download(plan(dataset, parts, tmp_path, options))
    served.pages["oxbuild_images-v1.tgz"] = page(whole)
    assert download(plan(dataset, parts, tmp_path, options)).photos == 2


@pytest.mark.parametrize("head", [200, 405])
@pytest.mark.parametrize("table", [file.path for file in GLDV2.parts[3].files])
def test_what_is_no_table_is_not_kept_as_one(get, mirror, out, table, head):
    mirror.pages[table].data, mirror.pages[table].head = HTML, head
    with pytest.raises(ContentError) as caught:
        get("metadata", archives=None)
    for word in ("1 of 8 files", table, "not this file (line 1: ", "try later, or a mirror"):
        assert word in str(caught.value)
    left = [path for path in out.rglob("*") if path.is_file() and HTML in path.read_bytes()]
    assert left == []
    mirror.pages[table].data = b"id,landmark_id,images,category,landmarks,Usage\n"
    assert get("metadata", archives=None).files == 1


@pytest.mark.parametrize("data", [HTML, b"", TRUTH[:-1], pickle.dumps({"imlist": []})])
def test_what_is_no_ground_truth_is_not_kept_as_one(served, page, tmp_path, data):
    served.pages["gnd_roxford5k.pkl"] = page(data)
    dataset = find("roxford5k")
    what = plan(dataset, choose(dataset, ["metadata"]), tmp_path, Options(mirror=served.url))
    with pytest.raises(ContentError, match=r"gnd_roxford5k\.pkl: what came is not this file \("):
        download(what)
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["lock"]


def test_a_table_that_breaks_off_is_noticed(get, mirror, out):
    # The line ends with the connection, and what came is a table.
    path = "metadata/train.csv"
    mirror.pages[path].closes = True
    mirror.pages[path].breaks = [mirror.pages[path].data.index(b"\n", 100) + 1] * 9
    mirror.pages[path].ranges = False
    mirror.pages[path].head_length = len(mirror.pages[path].data)
    with pytest.raises(MachineError, match="and sent"):
        get("metadata", archives=None, connections=1)
    mirror.pages[path].head = 405  # now nobody knows
    with pytest.raises(ContentError, match="does not say how large it is"):
        get("metadata", archives=None, connections=1)
    assert not (out / "train.csv").exists()


def test_archives_tell_themselves_whether_they_are_whole(served, page, tmp_path, monkeypatch):
    whole = tar(["a.jpg", "b.jpg"], "w:gz")
    dataset = find("roxford5k")
    parts = choose(dataset, ["photos"])
    options = Options(mirror=served.url)
    served.pages["oxbuild_images-v1.tgz"] = page(whole, closes=True, breaks=[30_000])
    with pytest.raises(ContentError, match=r"damaged .*download it again"):
        download(plan(dataset, parts, tmp_path, options))
    assert download(plan(dataset, parts, tmp_path, options)).photos == 2


def test_a_wrong_file_is_a_failed_check_whatever_else_is_not_there(get, mirror, out):
    del mirror.pages["test/images_000.tar"]
    wrong(mirror, "md5sum/test/md5.images_002.txt")
    with pytest.raises(ContentError, match=r"2 of 3 files .*the first: .*images_002.tar") as caught:
        get("test")
    assert caught.value.exit_code == 1
    assert len(jpegs(out)) == 3


def test_names_that_no_disk_takes_cost_only_their_archive(served, page, tmp_path):
    dataset = find("revisitop1m")
    archives = [tar(["1/a.jpg", f"1/{'b' * 300}.jpg"], "w:gz"), tar(["2/a.jpg"], "w:gz")]
    for number, data in enumerate(archives, start=1):
        served.pages[f"jpg/revisitop1m.{number}.tar.gz"] = page(data)
    options = Options(connections=1, mirror=served.url)
    parts = choose(dataset, ["photos"], {1, 2})
    with pytest.raises(ContentError, match=r"1 of 2 files .*no disk takes"):
        download(plan(dataset, parts, tmp_path, options))
    assert jpegs(tmp_path) == ["jpg/2/a.jpg"]
    assert not list((tmp_path / ".downloads").rglob("*.gz"))
    served.pages["jpg/revisitop1m.1.tar.gz"] = page(tar(["1/a.jpg", "1/b.jpg"], "w:gz"))
    assert download(plan(dataset, parts, tmp_path, options)).photos == 2
