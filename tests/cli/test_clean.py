"""steeple clean: what it says, what it leaves, and how it fails."""

from __future__ import annotations

import shutil

import pytest

from steeple.collection import Collection
from steeple.datasets.gldv2 import GldV2


@pytest.fixture(scope="module")
def cleaned(city, tmp_path_factory):
    """A folder in which the city has been described already."""
    from steeple.cleaning import describe_labelled, labelled_photos

    folder = tmp_path_factory.mktemp("cleaned")
    describe_labelled(labelled_photos(city.root), folder / "places", workers=1)
    return folder / "places"


@pytest.fixture
def kept(cleaned, tmp_path):
    """A copy of its collection."""
    return shutil.copytree(cleaned, tmp_path / "kept")


def test_cleans_photos_and_says_so(steeple, city, tmp_path):
    out = tmp_path / "train_clean.csv"
    ran = steeple("clean", city.root, "--out", out, "--min-surprise", "5", "--workers", 1)
    assert ran.code == 0
    assert f"{out}: " in ran.out
    assert f"of {city.train} photos" in ran.out
    assert f"the work is kept in {tmp_path / 'train_clean.work'}" in ran.out
    assert "\x1b" not in ran.out + ran.err
    with Collection.open(tmp_path / "train_clean.work" / "collection") as places:
        assert len(places) == city.train


def test_the_table_is_what_gldv2_reads(steeple, city, kept, tmp_path):
    root = shutil.copytree(city.root, tmp_path / "city")
    out = root / "train_clean.csv"
    everything = GldV2.read(root).train
    words = ("--collection", kept, "--min-surprise", 60, "--min-pairs", 1)
    ran = steeple("clean", root, "--out", out, *words, "--json", "--workers", 1)
    left = GldV2.read(root).train
    assert ran.code == 0
    assert 0 < len(left) == ran.json["kept_images"] < ran.json["images"] == len(everything)
    assert left.items() <= everything.items()
    assert ran.json["collection"] == str(kept)
    assert ran.json["settings"]["surprise"] == 60


def test_a_collection_can_be_cleaned(steeple, kept, tmp_path):
    out = tmp_path / "l.csv"
    words = ("--noise", "learned", "--format", "labels", "--json", "--workers", 1)
    ran = steeple("clean", kept, "--out", out, *words)
    assert ran.code == 0
    lines = out.read_text().splitlines()
    assert lines[0] == "id,landmark"
    assert len(lines) == 1 + ran.json["kept_images"]
    assert ran.json["settings"]["noise"] == "learned"
    assert 0 < ran.json["wrong_labels"] < 1


def test_published_thresholds_come_with_the_published_form(steeple, kept, tmp_path):
    words = ("--method", "published", "--json", "--workers", 1, "--same-label", 2, "--min-pairs", 3)
    ran = steeple("clean", kept, "--out", tmp_path / "t.csv", *words)
    assert ran.code == 0
    assert (ran.json["settings"]["inliers"], ran.json["settings"]["surprise"]) == (30, 0)
    assert ran.json["kept_images"] == 0  # two candidates are never three pairs


def test_page(steeple, kept, tmp_path):
    words = ("--html", tmp_path / "page.html", "--min-surprise", 1e6, "--workers", 1)
    assert steeple("clean", kept, "--out", tmp_path / "t.csv", *words).code == 0
    page = (tmp_path / "page.html").read_text()
    assert "t.csv: by the rule, pairs verified by upright" in page
    assert "data:image/jpeg;base64," in page


def test_dry_run_writes_nothing(steeple, city, kept, tmp_path):
    out = tmp_path / "t.csv"
    ran = steeple("clean", kept, "--out", out, "--dry-run", "--json", "--workers", 2)
    assert ran.code == 0
    assert ran.json["images"] == city.train
    assert ran.json["hours"] > 0
    ran = steeple("clean", city.root, "--out", out, "--dry-run", "--workers", 2)
    assert f"{city.train} labelled photos" in ran.out
    assert "pairs to verify" in ran.out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["kept"]


def test_resumes_only_the_same(steeple, kept, tmp_path):
    out = tmp_path / "t.csv"
    assert steeple("clean", kept, "--out", out, "--workers", 1).code == 0
    first = out.read_text()
    out.unlink()
    assert steeple("clean", kept, "--out", out, "--resume").code == 0
    assert out.read_text() == first
    ran = steeple("clean", kept, "--out", out, "--resume", "--min-pairs", 2)
    ran.refused(2, "begun with pairs 3, not 2", "same settings")
    (tmp_path / "t.work" / "shards" / "complete").unlink()
    steeple("clean", kept, "--out", out).refused(2, "did not end", "--resume")


def test_refuses_what_it_cannot_use(steeple, city, kept, photos, tmp_path):
    out = tmp_path / "t.csv"
    steeple("clean", tmp_path / "gone", "--out", out).refused(2, "gone", "does not exist")
    steeple("clean", kept, "--out", tmp_path / "a" / "t.csv").refused(2, "no place for a CSV")
    steeple("clean", kept, "--out", tmp_path).refused(2, "no place for a CSV")
    steeple("clean", kept, "--out", out, "--method", "guess").refused(2, "guess", "upright")
    ran = steeple("clean", kept, "--out", out, "--collection", tmp_path / "c")
    ran.refused(2, "is a collection itself", "--collection")
    (tmp_path / "flat").mkdir()
    shutil.copy(photos[0], tmp_path / "flat")
    steeple("clean", tmp_path / "flat", "--out", out).refused(1, "no labelled photo")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["flat", "kept"]


def test_ids_with_spaces_are_refused_early(steeple, city, tmp_path):
    (tmp_path / "photos" / "town hall").mkdir(parents=True)
    for number, photo in enumerate(sorted((city.root / "train").rglob("*.jpg"))[:3]):
        shutil.copy(photo, tmp_path / "photos" / "town hall" / f"{number}.jpg")
    words = ("clean", tmp_path / "photos", "--out", tmp_path / "t.csv", "--workers", 1)
    steeple(*words).refused(2, "town hall/0.jpg", "--format labels")
    ran = steeple(*words, "--format", "labels")
    assert ran.code == 0
    assert (tmp_path / "t.csv").read_text() == "id,landmark\n"
