"""What one generation of a collection offers to a search."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from steeple.collection.beliefs import refresh_beliefs, stored_judge
from steeple.collection.cohort import Cohort
from steeple.collection.store import LocalStore
from steeple.collection.view import View
from steeple.collection.votes import refresh_votes, stored_calibration
from steeple.geometry import Features, Verifier
from steeple.retrieval import search_neighbors, soft_vote
from steeple.retrieval.contrast import measure_background
from steeple.retrieval.pairs import pair_contrast
from steeple.retrieval.verified import CANDIDATES, Judge


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
        refresh_votes(store, seed=0)
    return store


@pytest.fixture
def view(filled: LocalStore) -> View:
    with filled.snapshot() as columns:
        cohort = Cohort.stored(filled).descriptors(filled)
        return View(columns, filled.segments, None, stored_calibration(filled), Judge(), cohort)


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


def test_without_local_features_nothing_is_verified(
    view: View, vectors: Any, features: Any
) -> None:
    for given in (None, [features(n, 4) for n in range(5)]):
        context = view.context(vectors(6, 5), given)
        assert context.verify is None
        assert context.pair_model is None
        assert context.recognitions is None
        assert context.background is not None


def test_the_nearest_of_the_training_set(view: View, vectors: Any) -> None:
    queries = vectors(6, 5)
    found = view.search_training(queries, 4)
    expected = search_neighbors(queries, vectors(0, 10)[[0, 1, 2, 4, 5]], 4)
    np.testing.assert_array_equal(found.ids, expected.ids)
    np.testing.assert_allclose(found.scores, expected.scores, atol=1e-6)


def test_an_image_is_told_of_itself_as_a_query_like_any_other(view: View, vectors: Any) -> None:
    """A query is not in the collection, even if a photo of the same content is."""
    context = view.context(vectors(0, 10)[[0]])
    assert context.need("evidence")[0] == pytest.approx(1)


class TestVerified:
    """Twenty places of two photos each, in a collection that keeps local features."""

    @pytest.fixture
    def details(self, features: Any) -> list[Features]:
        return [features(n // 2, 20) for n in range(39)] + [features(0, 0)]

    @pytest.fixture
    def view(self, detailed: LocalStore, put: Any, vectors: Any, details: list[Features]) -> View:
        labels = [f"place {n // 2}" if n < 36 else None for n in range(40)]
        put(detailed, [f"{n:02}" for n in range(40)], vectors(0, 40), labels, details)
        with detailed.transaction():
            detailed.label("01", "place 0", 1)  # in the training set only
        with detailed.writing():
            refresh_votes(detailed, seed=0)
            refresh_beliefs(detailed, seed=0, workers=1)
        with detailed.snapshot() as columns:
            return View(
                columns,
                detailed.segments,
                detailed.features(columns),
                stored_calibration(detailed),
                stored_judge(detailed),
                Cohort.stored(detailed).descriptors(detailed),
            )

    def test_beliefs_are_verified_votes(self, view: View) -> None:
        verified, index = view.columns.verified, view.columns.index
        assert len(view) == 39
        given = view.columns.landmarks[index] != -1
        assert (view.beliefs.scores[given] == 1).all()
        assert view.beliefs.labels[~given].tolist() == verified.labels[index][~given].tolist()
        np.testing.assert_array_equal(
            view.beliefs.scores[~given],
            view.judge.votes.probability(verified.scores[index])[~given],
        )

    def test_the_votes_of_queries(
        self, view: View, vectors: Any, features: Any, details: list[Features]
    ) -> None:
        """Each against its definition: candidates by similarity, the likeliest three vote."""
        queries = vectors(8, 4)
        asked = [features(3, 20), features(99, 20), features(0, 0), None]
        context = view.context(queries, asked, workers=1)
        training = view.columns.training
        labels = view.columns.landmarks[training]
        vectors_of = view.segments.read(view.columns.rows[training])
        near = search_neighbors(queries, vectors_of, CANDIDATES)
        background = measure_background(queries, view.cohort)
        contrasts = pair_contrast(near.scores, background)
        for row, own in enumerate(asked):
            nats, inliers = [], []
            for image in near.ids[row].tolist():
                stored = details[training[image]]
                found = None if own is None else Verifier()(own, stored)
                nats.append(0 if found is None else found.surprise)
                inliers.append(0 if found is None else found.inliers)
            odds = view.judge.pairs.odds(contrasts[row], np.float32(nats))
            order = np.argsort(-odds, kind="stable")[:3]
            totals: dict[int, float] = {}
            for place in order.tolist():
                label = int(labels[near.ids[row, place]])
                totals[label] = totals.get(label, 0) + float(np.logaddexp(0, odds[place]))
            winner = max(totals, key=lambda label: totals[label])
            strength = np.float32([totals[winner] / 3])
            beliefs = context.need("query_beliefs")
            assert beliefs.labels[row] == winner
            probability = view.judge.votes.probability(strength)[0]
            assert beliefs.scores[row] == pytest.approx(probability, rel=1e-3)
            shows = labels[near.ids[row]] == winner
            nearest = near.scores[row][shows].max()
            assert context.need("evidence")[row] == pytest.approx(nearest, abs=1e-6)
            # The paper's: the nearest three, by 2 * similarity - 1 + min(inliers, 70) / 70.
            sums: dict[int, float] = {}
            for place in range(3):
                label = int(labels[near.ids[row, place]])
                bonus = min(inliers[place], 70) / 70
                sums[label] = sums.get(label, 0) + 2 * float(near.scores[row, place]) - 1 + bonus
            named = max(sums, key=lambda label: sums[label])
            assert context.need("recognitions").labels[row] == named
            assert context.need("recognitions").scores[row] == pytest.approx(sums[named], abs=1e-5)
        assert context.need("query_beliefs").labels[0] in view.columns.landmarks[[6, 7]]

    def test_plain_votes_stay_plain(self, view: View, vectors: Any, features: Any) -> None:
        queries = vectors(8, 2)
        plain = view.context(queries)
        context = view.context(queries, [features(0, 20), features(5, 20)], workers=1)
        assert plain.verify is None
        for part in ("query_votes", "index_votes", "index_beliefs"):
            assert getattr(plain, part).labels.tolist() == getattr(context, part).labels.tolist()
            np.testing.assert_array_equal(
                getattr(plain, part).scores, getattr(context, part).scores
            )

    def test_it_verifies_index_images(
        self, view: View, vectors: Any, details: list[Features]
    ) -> None:
        context = view.context(vectors(8, 1), [details[8]], workers=1)
        ids = np.array([[8, 0, -1, 38]])  # the index lacks image 1
        seen = context.need("verify").seen(ids)
        found = context.need("verify")(ids)
        for place, image in ((0, 9), (1, 0), (3, 39)):
            expected = Verifier()(details[8], details[image])
            assert found.inliers[0, place] == expected.inliers
            assert found.surprises[0, place] == np.float32(expected.surprise)
        assert np.isnan(found.surprises[0, 2])
        # What was verified for the vote is known before anybody asks.
        candidates = view.columns.index[ids[0, [0, 1]]]
        near = search_neighbors(
            vectors(8, 1), view.segments.read(view.columns.rows[view.columns.training]), CANDIDATES
        )
        known = np.isin(candidates, view.columns.training[near.ids])
        assert (~np.isnan(seen.surprises[0, [0, 1]])).tolist() == known.tolist()

    def test_no_query(self, view: View) -> None:
        context = view.context(np.zeros((0, 8), dtype=np.float32), [])
        assert len(context.need("query_beliefs")) == 0
        assert context.need("verify")(np.zeros((0, 3), dtype=np.int64)).inliers.shape == (0, 3)


def test_nobody_votes_in_a_collection_with_local_features(
    detailed: LocalStore, put: Any, vectors: Any, features: Any
) -> None:
    put(detailed, list("abc"), vectors(0, 3), None, [features(n, 9) for n in range(3)])
    with detailed.writing():
        refresh_votes(detailed, seed=0)
        refresh_beliefs(detailed, seed=0, workers=1)
    with detailed.snapshot() as columns:
        cohort = Cohort.stored(detailed).descriptors(detailed)
        view = View(
            columns,
            detailed.segments,
            detailed.features(columns),
            stored_calibration(detailed),
            stored_judge(detailed),
            cohort,
        )
        context = view.context(vectors(0, 3)[:2], [features(0, 9), None])
    assert context.need("query_beliefs").labels.tolist() == [-1, -1]
    assert context.need("query_beliefs").scores.tolist() == [0, 0]
    assert np.isneginf(context.need("evidence")).all()
    assert context.need("recognitions").labels.tolist() == [-1, -1]
    assert view.beliefs.labels.tolist() == [-1] * 3
    assert context.need("verify")(np.array([[0, 1], [0, -1]])).inliers[0, 0] == 9
