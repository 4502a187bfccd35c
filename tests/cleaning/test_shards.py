"""Shards are whole or not there; only the same work is resumed."""

from __future__ import annotations

import errno
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steeple.cleaning import shards as module
from steeple.cleaning.shards import Shards, cut, shards_of
from steeple.errors import InputError, StorageError

ARRAYS = {"a": np.arange(3), "b": np.array([0.5, np.inf], dtype=np.float32)}


@given(st.lists(st.integers(1, 9), max_size=12), st.integers(1, 8), st.integers(1, 8))
def test_parts_are_whole_landmarks_where_they_can_be(sizes, least, more):
    labels = np.repeat(np.arange(len(sizes)), sizes)
    images = np.arange(len(labels)) + 7
    most = least + more
    parts = list(cut(images, labels, least, most))
    assert [i for part in parts for i in part.tolist()] == images.tolist()
    assert all(0 < len(part) <= most for part in parts)
    for before, after in pairwise(parts):
        split = labels[before[-1] - 7] == labels[after[0] - 7]
        assert len(before) == most if split else len(before) >= least


def test_shards_are_landmark_by_landmark(monkeypatch):
    monkeypatch.setattr(module, "SHARD", 3)
    labels = np.array([4, 0, 4, 0, 4, 2, 0])
    shards = {name: images.tolist() for name, images in shards_of(labels)}
    assert shards == {"000000": [1, 3, 6], "000001": [5, 0, 2, 4]}


def test_what_is_saved_comes_back(tmp_path):
    shards = Shards(tmp_path / "work", {"k": 3})
    assert not shards.done("x")
    shards.save("x", ARRAYS)
    assert shards.done("x")
    back = shards.load("x")
    assert back.keys() == ARRAYS.keys()
    assert all((back[key] == ARRAYS[key]).all() for key in ARRAYS)


def test_resuming_needs_the_same_settings(tmp_path):
    Shards(tmp_path / "work", {"k": 3, "t": (1, 2)}).save("x", ARRAYS)
    assert Shards(tmp_path / "work", {"k": 3, "t": (1, 2)}, resume=True).done("x")
    with pytest.raises(InputError, match=r"begun with k 3, not 4.*same settings"):
        Shards(tmp_path / "work", {"k": 4, "t": (1, 2)}, resume=True)
    with pytest.raises(InputError, match="begun with new None, not 1"):
        Shards(tmp_path / "work", {"k": 3, "t": (1, 2), "new": 1}, resume=True)


def test_unfinished_work_is_not_thrown_away(tmp_path):
    shards = Shards(tmp_path / "work", {"k": 3})
    shards.save("x", ARRAYS)
    with pytest.raises(InputError, match=r"did not end.*--resume"):
        Shards(tmp_path / "work", {"k": 3})
    shards.complete()
    assert not Shards(tmp_path / "work", {"k": 4}).done("x")


def test_resuming_nothing_is_beginning(tmp_path):
    assert not Shards(tmp_path / "work", {}, resume=True).done("x")


def test_what_a_killed_run_left_half_is_removed(tmp_path):
    Shards(tmp_path / "work", {})
    (tmp_path / "work" / ".0123.part").write_bytes(b"half")
    Shards(tmp_path / "work", {}, resume=True)
    assert sorted(path.name for path in (tmp_path / "work").iterdir()) == ["settings.json"]


def test_a_folder_of_others_is_left_alone(tmp_path):
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "thesis.tex").write_text("years of work")
    for resume in (False, True):
        with pytest.raises(InputError, match="not from a cleaning"):
            Shards(tmp_path / "work", {}, resume=resume)
    assert (tmp_path / "work" / "thesis.tex").exists()


@pytest.mark.parametrize("content", [b"", b"no zip", b"PK\x03\x04 cut off"])
def test_a_damaged_shard_is_one_clear_error(tmp_path, content):
    shards = Shards(tmp_path / "work", {})
    (tmp_path / "work" / "x.npz").write_bytes(content)
    with pytest.raises(InputError, match=r"x\.npz is damaged.*--resume"):
        shards.load("x")


def test_damaged_settings_are_one_clear_error(tmp_path):
    Shards(tmp_path / "work", {})
    (tmp_path / "work" / "settings.json").write_text("{")
    with pytest.raises(InputError, match="damaged"):
        Shards(tmp_path / "work", {}, resume=True)


def test_a_full_disk_leaves_nothing_half(tmp_path, monkeypatch):
    shards = Shards(tmp_path / "work", {})

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(module.os, "fsync", full)
    with pytest.raises(StorageError, match=r"No space left.*--resume"):
        shards.save("x", ARRAYS)
    assert sorted(path.name for path in (tmp_path / "work").iterdir()) == ["settings.json"]
