"""Measuring the search of a collection against exact search."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from steeple import Collection
from steeple.collection import quality
from steeple.collection.sampling import draw_sample
from steeple.collection.store import LocalStore
from steeple.collection.view import View
from steeple.errors import InputError
from steeple.retrieval.types import Ranking


@pytest.fixture
def filled(places: Collection, city: Path) -> Collection:
    places.add(city, workers=1)
    return places


class TestSample:
    @pytest.fixture
    def filled(self, store: LocalStore, put: Any, vectors: Any) -> LocalStore:
        """Thirty images; every third is in the training set only."""
        put(store, [f"{n:02}" for n in range(30)], vectors(0, 30))
        with store.transaction():
            for number in range(0, 30, 3):
                store.label(f"{number:02}", "spire", 1)
        return store

    def test_photos_outside_the_index_are_preferred(self, filled: LocalStore, vectors: Any) -> None:
        with filled.snapshot() as columns:
            sample = draw_sample(filled.segments, columns, 8, seed=0)
            again = draw_sample(filled.segments, columns, 8, seed=0)
            other = draw_sample(filled.segments, columns, 8, seed=1)
        outside = vectors(0, 30)[::3]
        assert sample.own is None
        assert sample.origin == "training images that are not in the index"
        assert len(np.unique(sample.queries, axis=0)) == 8
        assert all((query == outside).all(axis=1).any() for query in sample.queries)
        np.testing.assert_array_equal(sample.queries, again.queries)
        assert (sample.queries != other.queries).any()

    def test_too_few_of_them(self, filled: LocalStore) -> None:
        with filled.snapshot() as columns:
            sample = draw_sample(filled.segments, columns, 11, seed=0)
            rows = columns.rows[columns.index]
        assert sample.own is not None
        assert len(set(sample.own.tolist())) == 11
        np.testing.assert_array_equal(sample.queries, filled.segments.read(rows[sample.own]))
        assert "each without itself" in sample.origin

    def test_for_the_training_set(self, filled: LocalStore, vectors: Any) -> None:
        """Where that is searched, images without a landmark are outside."""
        with filled.snapshot() as columns:
            training = columns.training
            sample = draw_sample(filled.segments, columns, 8, seed=0, searched=training)
            few = draw_sample(filled.segments, columns, 21, seed=0, searched=training)
        outside = np.delete(vectors(0, 30), np.arange(0, 30, 3), axis=0)
        assert sample.own is None
        assert all((query == outside).all(axis=1).any() for query in sample.queries)
        assert few.own is not None
        inside = vectors(0, 30)[::3]
        np.testing.assert_array_equal(few.queries, inside[few.own])

    def test_of_nothing(self, store: LocalStore) -> None:
        with store.snapshot() as columns:
            assert draw_sample(store.segments, columns, 9, seed=0).queries.shape == (0, 8)


def test_exact_search_finds_everything(filled: Collection) -> None:
    found = filled.measure_search()
    assert (found.factory, found.images, found.queries, found.length) == ("Flat", 14, 14, 13)
    assert (found.recall, found.times_faster, found.whole_times_faster) == (1, 1, 1)
    assert (found.milliseconds > 0, found.whole_milliseconds > 0) == (True, True)
    assert found.voters == "Flat"


def test_an_empty_collection(places: Collection) -> None:
    """Of nothing, nothing is found; a recall of 1 would be said of no measurement."""
    with pytest.raises(InputError, match="has no images to be found; add photos"):
        places.measure_search()


def test_what_is_missed_is_counted(filled: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    """A search that returns every second neighbour twice as fast; the clock is ours."""
    filled.build_index("HNSW4")
    now = [0.0]
    search = View.search

    def half(view: View, queries: Any, k: int) -> Ranking:
        now[0] += 1 if view.approximate is not None else 2
        found = search(view, queries, k)
        if view.approximate is None:
            return found
        found.ids[:, 1::2], found.scores[:, 1::2] = -1, -np.inf
        return found

    monkeypatch.setattr(View, "search", half)
    monkeypatch.setattr(quality, "perf_counter", lambda: now[0])
    found = filled.measure_search(5)
    assert found.factory == "HNSW4"
    assert (found.queries, found.length) == (5, 13)
    # Seven of fourteen are left; the photo itself was the first of them.
    assert found.recall == pytest.approx(6 / 13, abs=0.04)
    assert (found.milliseconds, found.exact_milliseconds) == (1000, 2000)
    assert found.times_faster == 2


def test_a_whole_search_is_timed_beside(
    filled: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neighbours four times as fast, and voters that take as long as before: twice as fast."""
    filled.build_index("HNSW4")
    now = [0.0]
    search, vote = View.search, View.search_training

    def neighbours(view: View, queries: Any, k: int) -> Ranking:
        now[0] += 1 if view.approximate is not None else 4
        return search(view, queries, k)

    def voters(view: View, queries: Any, k: int) -> Ranking:
        now[0] += 2
        return vote(view, queries, k)

    monkeypatch.setattr(View, "search", neighbours)
    monkeypatch.setattr(View, "search_training", voters)
    monkeypatch.setattr(quality, "perf_counter", lambda: now[0])
    found = filled.measure_search(5)
    assert (found.milliseconds, found.exact_milliseconds, found.times_faster) == (1000, 4000, 4)
    assert (found.whole_milliseconds, found.exact_whole_milliseconds) == (3000, 6000)
    assert found.whole_times_faster == 2
    assert found.voters == "Flat"


def test_exact_hits_can_be_asked_for(
    filled: Collection, tiny: ModuleType, city: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from steeple.collection.coverage import Coverage

    photo = city / "meadow.jpg"
    expected = [hit.id for hit in filled.search(photo, 5)]
    filled.build_index("HNSW4")
    assert [hit.id for hit in filled.search(photo, 5)] == expected

    def refuse(*_: object) -> None:
        pytest.fail("searched approximately")

    monkeypatch.setattr(Coverage, "search", refuse)
    assert [hit.id for hit in filled.search(photo, 5, exact=True)] == expected
    vector = filled.embed([photo])
    (found,) = filled.search_descriptors(vector, 5, rerank="knn", exact=True)
    assert found[0].id == "meadow.jpg"
