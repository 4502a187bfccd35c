"""What one generation of a collection offers to a search."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from steeple.collection.cohort import Cohort
from steeple.collection.store import LocalStore
from steeple.collection.view import View
from steeple.collection.votes import refresh_votes, stored_calibration
from steeple.retrieval import search_neighbors, soft_vote


@pytest.fixture
def filled(store: LocalStore, put: Any, vectors: Any, image: Any) -> LocalStore:
    """Ten images: a to f labelled, a and b in the training set only; g to j not labelled."""
    labels = ["spire", "arch"] * 3 + [None] * 4
    new = [image(n, landmark) for n, landmark in zip("abcdefghij", labels, strict=True)]
    with store.transaction():
        store.append(new, vectors(0, 10))
        store.label("a", "spire", 1)
        store.label("b", "arch", 1)
    with store.transaction():
        store.delete(["d"])
    with store.writing():
        refresh_votes(store, k=3, seed=0)
    return store


@pytest.fixture
def view(filled: LocalStore) -> View:
    with filled.snapshot() as columns:
        cohort = Cohort.stored(filled).descriptors(filled)
        return View(columns, filled.segments, stored_calibration(filled), cohort, 3)


ROWS = [2, 4, 5, 6, 7, 8, 9]


def test_its_index(view: View, vectors: Any) -> None:
    assert len(view) == 7
    assert view.rows.tolist() == ROWS
    all_of_them = vectors(0, 10)
    np.testing.assert_array_equal(view[np.array([0, 3, 3])], all_of_them[[2, 6, 6]])
    np.testing.assert_array_equal(view[np.array([[0], [6]])], all_of_them[[[2], [9]]])
    assert view[np.empty((0, 4), dtype=np.int64)].shape == (0, 4, 8)


def test_searching_it(view: View, vectors: Any) -> None:
    queries = vectors(5, 4)
    found = view.search(queries, 9)
    expected = search_neighbors(queries, vectors(0, 10)[ROWS], 9)
    np.testing.assert_array_equal(found.ids, expected.ids)
    np.testing.assert_allclose(found.scores, expected.scores, atol=1e-6)


def test_beliefs_are_given_landmarks_first(view: View, filled: LocalStore) -> None:
    spire, arch = (filled.landmark_number(name) for name in ("spire", "arch"))
    assert view.beliefs.labels[:3].tolist() == [spire, spire, arch]
    assert view.beliefs.scores[:3].tolist() == [1, 1, 1]
    np.testing.assert_array_equal(view.beliefs.labels[3:], view.votes.labels[3:])
    assert (view.beliefs.scores[3:] < 1).all()
    assert (view.beliefs.scores[3:] > 0).all()


def test_the_votes_of_queries(view: View, vectors: Any) -> None:
    queries = vectors(6, 5)
    context = view.context(queries)
    training = vectors(0, 10)[[0, 1, 2, 4, 5]]
    labels = view.columns.landmarks[view.columns.training]
    expected = soft_vote(queries, training, labels, 3)
    assert context.query_votes is not None
    assert context.query_beliefs is not None
    np.testing.assert_array_equal(context.query_votes.labels, expected.labels)
    np.testing.assert_allclose(context.query_votes.scores, expected.scores, atol=1e-6)
    np.testing.assert_array_equal(context.query_beliefs.labels, expected.labels)
    for row, label in enumerate(expected.labels):
        similarity = training @ queries[row]
        near = np.argsort(-similarity)[:3]
        best = max(similarity[n] for n in near if labels[n] == label)
        assert context.need("evidence")[row] == pytest.approx(best, abs=1e-6)


def test_an_image_is_told_of_itself_as_a_query_like_any_other(view: View, vectors: Any) -> None:
    """A query is not in the collection, even if a photo of the same content is."""
    context = view.context(vectors(0, 10)[[0]])
    assert context.need("evidence")[0] == pytest.approx(1)
