"""The photos that say what is ordinary: drawn at random, kept until the collection has doubled."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from steeple.collection import cohort as module
from steeple.collection.cohort import Cohort
from steeple.collection.columns import Columns
from steeple.collection.store import LocalStore
from steeple.collection.votes import refresh_votes


def refresh(store: LocalStore) -> None:
    with store.writing():
        refresh_votes(store, seed=0)


def test_it_is_redrawn_when_the_collection_has_doubled(
    store: LocalStore, put: Any, vectors: Any
) -> None:
    assert Cohort.stored(store) == Cohort()
    refresh(store)
    assert Cohort.stored(store) == Cohort()
    sizes = []
    for number in range(9):
        put(store, [str(number)], vectors(number, 1))
        refresh(store)
        sizes.append(Cohort.stored(store).drawn_from)
    assert sizes == [1, 2, 2, 4, 4, 4, 4, 8, 8]


def test_a_removed_photo_stays_in_it(store: LocalStore, put: Any, vectors: Any) -> None:
    put(store, ["a", "b", "c"], vectors(0, 3))
    refresh(store)
    cohort = Cohort.stored(store)
    with store.transaction():
        store.delete(["b", "c"])
    refresh(store)
    assert Cohort.stored(store) == cohort == Cohort((0, 1, 2), 3)
    np.testing.assert_array_equal(cohort.descriptors(store), vectors(0, 3))


def test_a_sample_of_a_large_collection(
    store: LocalStore, put: Any, vectors: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "COHORT", 10)
    put(store, [str(n) for n in range(50)], vectors(0, 50))
    columns = Columns.read(store.connection, 1)
    cohort = Cohort.draw(columns, seed=4)
    assert len(set(cohort.rows)) == 10
    assert list(cohort.rows) == sorted(cohort.rows)
    assert cohort == Cohort.draw(columns, seed=4)
    assert cohort != Cohort.draw(columns, seed=5)


def test_only_what_is_new_is_measured(
    store: LocalStore, put: Any, vectors: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured: list[int] = []
    real = module.measure_background

    def counting(descriptors: Any, cohort: Any) -> Any:
        measured.append(len(descriptors))
        return real(descriptors, cohort)

    monkeypatch.setattr(module, "measure_background", counting)
    put(store, [str(n) for n in range(10)], vectors(0, 10))
    refresh(store)
    put(store, ["new"], vectors(1, 1))
    refresh(store)
    refresh(store)
    assert measured == [10, 1]
    with store.snapshot() as columns:
        assert not np.isnan(columns.background.medians).any()
