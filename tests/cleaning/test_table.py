"""The table of what stays, in both forms."""

from __future__ import annotations

import csv
import shutil
from contextlib import closing

import numpy as np
import pytest

from steeple import Collection
from steeple.cleaning import (
    Decision,
    Form,
    LabelledImages,
    Reason,
    check_ids,
    describe_labelled,
    labelled_photos,
    write_table,
)
from steeple.cleaning import shards as shards_module
from steeple.collection.sources import read_labels
from steeple.collection.store import LocalStore
from steeple.datasets.gldv2 import GldV2
from steeple.errors import InputError, StorageError


@pytest.fixture
def decision(labelled):
    reasons = np.zeros(len(labelled.training), dtype=np.uint8)
    reasons[::3] = Reason.UNVERIFIED
    return Decision(reasons)


def wanted(labelled, decision, described):
    with Collection.open(described) as places:
        everyone = list(places)
    return {
        image.id: image.landmark
        for image, kept in zip(everyone, decision.kept, strict=True)
        if kept
    }


@pytest.mark.parametrize("shard", [4096, 5])
def test_gldv2_reads_it_back(labelled, decision, described, city, tmp_path, monkeypatch, shard):
    monkeypatch.setattr(shards_module, "SHARD", shard)
    root = shutil.copytree(city.root, tmp_path / "city")
    write_table(labelled, decision, root / "train_clean.csv", Form.GLDV2)
    assert GldV2.read(root).train == wanted(labelled, decision, described)
    assert len((root / "train_clean.csv").read_text().splitlines()) == 1 + 3


def test_build_reads_labels_back(labelled, decision, described, city, tmp_path):
    write_table(labelled, decision, tmp_path / "l.csv", Form.LABELS)
    found = read_labels(tmp_path / "l.csv", city.root)
    by_stem = {key.rsplit("/", 1)[-1].removesuffix(".jpg"): name for key, name in found.items()}
    assert by_stem == wanted(labelled, decision, described)


def test_nothing_left_is_an_empty_table(labelled, tmp_path):
    nobody = Decision(np.full(len(labelled.training), Reason.ALONE, dtype=np.uint8))
    write_table(labelled, nobody, tmp_path / "t.csv", Form.GLDV2)
    assert (tmp_path / "t.csv").read_text() == "landmark_id,images\n"


@pytest.mark.parametrize("name", ["town hall", "a\tb", "line\nbreak"])
def test_ids_with_spaces_need_the_other_form(city, tmp_path, name):
    (tmp_path / "photos" / name).mkdir(parents=True)
    for number, photo in enumerate(sorted((city.root / "train").rglob("*.jpg"))[:2]):
        shutil.copy(photo, tmp_path / "photos" / name / f"{number}.jpg")
    describe_labelled(labelled_photos(tmp_path / "photos"), tmp_path / "places", workers=1)
    with closing(LocalStore(tmp_path / "places")) as store:
        images = LabelledImages.read(store)
        with pytest.raises(InputError, match=r"holds a space.*--format labels"):
            check_ids(images, Form.GLDV2)
        check_ids(images, Form.LABELS)
        kept = Decision(np.zeros(2, dtype=np.uint8))
        write_table(images, kept, tmp_path / "t.csv", Form.LABELS)
    with (tmp_path / "t.csv").open(newline="") as file:
        assert list(csv.reader(file))[1:] == [[f"{name}/0.jpg", name], [f"{name}/1.jpg", name]]


def test_ids_without_spaces_pass(labelled):
    check_ids(labelled, Form.GLDV2)


def test_a_place_that_cannot_be_written(labelled, decision, tmp_path):
    with pytest.raises(StorageError, match=r"gone/t\.csv cannot be written"):
        write_table(labelled, decision, tmp_path / "gone" / "t.csv", Form.GLDV2)
    (tmp_path / "t.csv").mkdir()
    with pytest.raises(InputError, match="is a folder"):
        write_table(labelled, decision, tmp_path / "t.csv", Form.GLDV2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["t.csv"]
