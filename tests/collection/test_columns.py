"""The columns of a generation: a cache that may be missing, stale or spoilt, and never matters."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from steeple.collection.columns import Columns
from steeple.collection.store import LocalStore


@pytest.fixture
def filled(store: LocalStore, vectors: Callable[..., Any], put: Callable[..., None]) -> LocalStore:
    put(store, ["a", "b", "c", "d"], vectors(0, 4), ["spire", None, "arch", None])
    with store.transaction() as connection:
        connection.execute("UPDATE image SET role = 1 WHERE id = 'c'")
        connection.execute("UPDATE image SET vote = 2, score = .5, contrast = 4 WHERE id = 'b'")
        connection.execute("UPDATE image SET ordinary = .25, spread = .125 WHERE id = 'b'")
        connection.execute("UPDATE image SET counted = 1 WHERE id = 'a'")
    with store.transaction():
        store.delete(["d"])
    return store


def read(store: LocalStore) -> Columns:
    return Columns.read(store.connection, store.setting("generation"))


def test_what_they_show(filled: LocalStore) -> None:
    columns = read(filled)
    assert len(columns) == 3
    assert columns.rows.tolist() == [0, 1, 2]
    assert columns.roles.tolist() == [3, 2, 1]
    names = filled.landmark_names(columns.landmarks.tolist())
    assert [names.get(int(n)) for n in columns.landmarks] == ["spire", None, "arch"]
    assert columns.counted.tolist() == [True, False, False]
    assert columns.votes.labels.tolist() == [-1, 2, -1]
    assert columns.votes.scores.tolist() == [0, 0.5, 0]
    assert columns.contrasts.tolist() == [0, 4, 0]
    assert columns.background.medians[1] == 0.25
    assert columns.background.spreads[1] == 0.125
    assert np.isnan(columns.background.medians[[0, 2]]).all()
    assert columns.training.tolist() == [0, 2]
    assert columns.index.tolist() == [0, 1]


def test_where_local_features_lie(
    detailed: LocalStore, vectors: Any, put: Any, features: Any
) -> None:
    put(detailed, list("abc"), vectors(0, 3), None, [features(n, 2 - n) for n in range(3)])
    columns = read(detailed)
    assert columns.places.dtype == np.int64
    assert columns.places.tolist() == [0, 20, 30]
    assert columns.counts.dtype == np.int32
    assert columns.counts.tolist() == [2, 1, 0]


def test_an_empty_collection(store: LocalStore) -> None:
    columns = read(store)
    assert len(columns) == len(columns.training) == len(columns.index) == 0
    columns.save(store.folder / "cache")
    with store.snapshot() as loaded:
        assert len(loaded) == 0


def test_saved_and_mapped(filled: LocalStore) -> None:
    cache = filled.folder / "cache"
    columns = read(filled)
    columns.save(cache)
    path = cache / f"columns-{columns.generation}.npy"
    assert [p.name for p in cache.iterdir()] == [path.name]
    assert columns.equals_file(path)
    mapped = Columns.load(filled.connection, cache, columns.generation)
    assert isinstance(mapped._table, np.memmap)
    assert mapped.places.tolist() == [-1, -1, -1]  # where no local features are kept
    assert mapped.counts.tolist() == [0, 0, 0]
    for name in ("rows", "roles", "landmarks", "counted", "contrasts", "training", "index"):
        np.testing.assert_array_equal(getattr(mapped, name), getattr(columns, name))


def test_a_newer_generation_takes_the_place_of_older_ones(filled: LocalStore) -> None:
    cache = filled.folder / "cache"
    read(filled).save(cache)
    (cache / "columns-99.new").write_text("left behind")
    with filled.transaction():
        filled.delete(["a"])
    with filled.snapshot() as columns:  # none lie there for this generation
        assert columns.rows.tolist() == [1, 2]
        columns.save(cache)
    generation = filled.setting("generation")
    assert [p.name for p in cache.iterdir()] == [f"columns-{generation}.npy"]


@pytest.mark.parametrize("spoil", ["empty", "cut", "noise", "another kind", "folder"])
def test_a_spoilt_file_is_not_used(filled: LocalStore, spoil: str) -> None:
    cache = filled.folder / "cache"
    columns = read(filled)
    columns.save(cache)
    path = cache / f"columns-{columns.generation}.npy"
    whole = path.read_bytes()
    if spoil == "another kind":
        np.save(path, np.zeros((3, 2)))
    elif spoil == "folder":
        path.unlink()
        path.mkdir()
    else:
        path.write_bytes({"empty": b"", "cut": whole[:-20], "noise": b"x" * 300}[spoil])
    assert not columns.equals_file(path)
    loaded = Columns.load(filled.connection, cache, columns.generation)
    np.testing.assert_array_equal(loaded.rows, columns.rows)


def test_a_full_disk_leaves_no_half_of_it(
    filled: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Any, table: Any) -> None:
        path.write(b"some")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "save", full)
    cache: Path = filled.folder / "cache"
    with pytest.raises(OSError, match="No space"):
        read(filled).save(cache)
    assert list(cache.iterdir()) == []
