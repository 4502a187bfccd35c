"""From rankings to named hits."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np
import pytest

from steeple import Collection
from steeple.collection import answers as module
from steeple.collection.answers import Question, answer, name_photos
from steeple.collection.beliefs import refresh_beliefs
from steeple.collection.schema import put_setting
from steeple.collection.store import LocalStore
from steeple.collection.votes import refresh_votes
from steeple.errors import InputError
from steeple.geometry import Verifier
from steeple.retrieval.reranking import create_reranker

E = np.eye(8, dtype=np.float32)


def mix(**parts: float) -> Any:
    """A unit vector: x=.8, y=.2 and so on over the axes s, t, u, v, w, x, y, z."""
    out = sum(weight * E["stuvwxyz".index(axis)] for axis, weight in parts.items())
    return (out / np.linalg.norm(out)).astype(np.float32)


@pytest.fixture
def places(store: LocalStore, put: Any) -> Iterator[Collection]:
    """Spire lies about x, arch about y; `far` is a labelled spire that looks like neither."""
    named: dict[str, tuple[Any, str | None]] = {
        "spire 1": (mix(x=1), "spire"),
        "spire 2": (mix(x=1, z=0.1), "spire"),
        "spire 3": (mix(x=1, z=0.2), "spire"),
        "arch 1": (mix(y=1), "arch"),
        "arch 2": (mix(y=1, z=0.1), "arch"),
        "between": (mix(x=0.6, y=0.75), "arch"),
        "far": (mix(w=1, x=0.1), "spire"),
    }
    for first, second in product("stuvwz", repeat=2):
        named[f"other {first}{second}"] = (mix(**{first: 1, second: 0.5}), None)
    vectors = np.stack([vector for vector, _ in named.values()])
    put(store, list(named), vectors, [label for _, label in named.values()])
    with store.writing():
        refresh_votes(store, seed=0)
        with store.transaction() as connection:  # of contrasts: 1.3 and below against 3 and above
            put_setting(connection, "calibration", {"slope": 4.0, "intercept": -3.0, "sampled": 9})
    with Collection.open(store.folder) as collection:
        yield collection


def test_plain_neighbours(places: Collection) -> None:
    query = mix(x=1, y=0.3)
    hits = places.search_descriptors(query[None], 5, rerank="knn")[0]
    vectors = places._store.segments.read(np.arange(len(places)))
    scores = vectors @ query
    order = np.argsort(-scores, kind="stable")[:5]
    assert [hit.id for hit in hits] == [list(places)[n].id for n in order]
    np.testing.assert_allclose([hit.score for hit in hits], scores[order], atol=1e-6)
    assert {hit.origin for hit in hits} == {"retrieved"}
    assert [hit.rank for hit in hits] == [0, 1, 2, 3, 4]
    assert hits[0].path == f"/photos/{hits[0].id}"


def test_the_two_steps_show_in_the_origins(places: Collection) -> None:
    query = mix(x=1, y=0.9)  # closest to `between`, an arch; but votes for the spire
    plain = places.search_descriptors(query[None], 4, rerank="knn")[0]
    assert [hit.id for hit in plain] == ["between", "spire 1", "spire 2", "spire 3"]
    hits = places.search_descriptors(query[None], 6, rerank="two-stage")[0]
    by_id = {hit.id: hit for hit in hits}
    assert [hit.id for hit in hits][:3] == ["spire 1", "spire 2", "spire 3"]
    assert by_id["spire 1"].origin == "sorted"
    assert by_id["spire 1"].rank == 1
    assert [hit.origin for hit in hits].count("sorted") >= 3


def test_few_are_the_first_of_many(places: Collection) -> None:
    """However few are asked for, a hundred are looked at."""
    many = places.search_descriptors(mix(x=1)[None], 40)[0]
    few = places.search_descriptors(mix(x=1)[None], 4)[0]
    assert [hit.id for hit in few] == [hit.id for hit in many][:4]
    assert few[3].id == "far"
    assert few[3].origin == "sorted"
    assert few[3].rank is not None


def test_an_inserted_image(places: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SHORTLIST", 4)
    hits = places.search_descriptors(mix(x=1)[None], 4)[0]
    assert hits.landmark == "spire"
    assert hits.confidence > 0.5
    inserted = [hit for hit in hits if hit.origin == "inserted"]
    assert [hit.id for hit in inserted] == ["far"]
    assert inserted[0].rank is None
    assert inserted[0].landmark == "spire"
    assert inserted[0].probability == 1
    assert inserted[0].score == pytest.approx(float(mix(x=1) @ mix(w=1, x=0.1)), abs=1e-6)


def test_no_known_landmark(places: Collection) -> None:
    hits = places.search_descriptors(mix(s=1, t=1, v=1)[None], 5)[0]
    plain = places.search_descriptors(mix(s=1, t=1, v=1)[None], 5, rerank="knn")[0]
    assert hits.landmark is None
    assert 0 < hits.confidence < 0.5
    assert [hit.id for hit in hits] == [hit.id for hit in plain]
    assert {hit.origin for hit in hits} == {"retrieved"}


def test_a_second_search_finds_it_does_not_insert(places: Collection) -> None:
    hits = places.search_descriptors(mix(x=1, z=1)[None], 8, rerank="aqe")[0]
    assert {hit.origin for hit in hits} == {"retrieved"}
    assert [hit.rank for hit in hits] == list(range(8))


def test_several_queries_are_answered_like_one_by_one(places: Collection) -> None:
    queries = np.stack([mix(x=1), mix(y=1, t=0.1), mix(s=1)])
    together = places.search_descriptors(queries, 7)
    for query, hits in zip(queries, together, strict=True):
        alone = places.search_descriptors(query[None], 7)[0]
        assert [hit.id for hit in alone] == [hit.id for hit in hits]
        assert alone.landmark == hits.landmark


def test_more_than_there_is(places: Collection) -> None:
    assert len(places.search_descriptors(mix(x=1)[None], 500)[0]) == len(places)
    assert places.search_descriptors(np.empty((0, 8), dtype=np.float32)) == []


def test_an_empty_collection(store: LocalStore) -> None:
    with Collection.open(store.folder) as empty:
        hits = empty.search_descriptors(mix(x=1)[None])[0]
        assert (len(hits), hits.landmark, hits.confidence) == (0, None, 0)


@pytest.mark.parametrize("rerank", ["knn", "aqe", "sort", "two-stage", "default", "aqe,default"])
def test_without_any_label(store: LocalStore, put: Any, vectors: Any, rerank: str) -> None:
    put(store, list("abcdef"), vectors(0, 6))
    with Collection.open(store.folder) as unlabelled:
        hits = unlabelled.search_descriptors(vectors(0, 6)[[2]], 4, rerank=rerank)[0]
        assert (hits[0].id, hits.landmark, hits.confidence) == ("c", None, 0)
        assert all(hit.landmark is None and hit.probability == 0 for hit in hits)


def test_queries_that_do_not_fit(places: Collection) -> None:
    with pytest.raises(InputError, match="queries have 3 dimensions, this collection 8"):
        places.search_descriptors(np.ones((1, 3), dtype=np.float32))
    with pytest.raises(InputError, match="no re-ranker is called 'best'"):
        places.search_descriptors(mix(x=1)[None], rerank="best")
    for rerank in ("default", "knn"):
        for k in (0, -3):
            with pytest.raises(InputError, match=f"k is {k}"):
                places.search_descriptors(mix(x=1)[None], k, rerank=rerank)


@pytest.mark.parametrize("rerank", ["knn", "default", "aqe", "two-stage"])
def test_more_than_there_are_costs_nothing(places: Collection, rerank: str) -> None:
    hits = places.search_descriptors(mix(x=1)[None], 1 << 40, rerank=rerank)[0]
    assert sorted(hit.id for hit in hits) == sorted(image.id for image in places)


@pytest.mark.parametrize("rerank", ["spatial", "inliers", "fusion", "spatial,two-stage"])
def test_what_verifies_needs_local_features(places: Collection, rerank: str) -> None:
    with pytest.raises(InputError, match=r"local features.*--no-local-features"):
        places.search_descriptors(mix(x=1)[None], rerank=rerank)


class TestVerified:
    """Three photos of each of ten places, which look like anything and fit each other alone."""

    @pytest.fixture
    def places(
        self, detailed: LocalStore, put: Any, vectors: Any, features: Any
    ) -> Iterator[Collection]:
        labels = [f"place {n // 3}" if n % 3 else None for n in range(30)]
        details = [features(n // 3, 20) for n in range(30)]
        put(detailed, [f"{n:02}" for n in range(30)], vectors(0, 30), labels, details)
        with detailed.writing():
            refresh_votes(detailed, seed=0)
            refresh_beliefs(detailed, seed=0, workers=1)
        with Collection.open(detailed.folder) as collection:
            yield collection

    @staticmethod
    def ask(collection: Collection, asked: Question, k: int, rerank: str = "default") -> Any:
        with collection.view() as view:
            return answer(collection._store, view, asked, k, create_reranker(rerank))

    def test_what_fits_comes_first(self, places: Collection, vectors: Any, features: Any) -> None:
        queries = vectors(8, 3)
        asked = Question(queries, [features(3, 20), features(7, 20), features(88, 20)])
        first, second, third = self.ask(places, asked, 6)
        assert {hit.id for hit in first[:3]} == {"09", "10", "11"}
        assert {hit.id for hit in second[:3]} == {"21", "22", "23"}
        assert first.landmark == "place 3"
        assert second.landmark == "place 7"
        assert third.landmark is None
        assert [len(hits) for hits in (first, second, third)] == [6, 6, 6]

    def test_hits_say_what_was_verified(
        self, places: Collection, vectors: Any, features: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        own = features(3, 20)
        (hits,) = self.ask(places, Question(vectors(8, 1), [own]), 30, "spatial")
        for hit in hits:
            expected = Verifier()(own, features(int(hit.id) // 3, 20))
            assert hit.inliers == expected.inliers
            assert hit.surprise == np.float32(expected.surprise)
        # Of a plain search, those that the vote looked at: the training set.
        (plain,) = self.ask(places, Question(vectors(8, 1), [own]), 30, "knn")
        assert {hit.id for hit in plain if hit.inliers is not None} == {
            f"{n:02}" for n in range(30) if n % 3
        }
        unasked = self.ask(places, Question(vectors(8, 1)), 20)[0]
        assert {hit.inliers for hit in unasked} == {hit.surprise for hit in unasked} == {None}

    def test_a_query_without_a_keypoint_and_one_that_cannot_be_read(
        self, places: Collection, vectors: Any, features: Any
    ) -> None:
        queries = vectors(8, 2)
        blank, unread = self.ask(places, Question(queries, [features(0, 0), None]), 20)
        for hits, query in ((blank, queries[0]), (unread, queries[1])):
            assert {hit.inliers for hit in hits} <= {0, None}
            assert len(hits) == 20
            plain = places.search_descriptors(query[None], 20, rerank="knn")[0]
            assert {hit.id for hit in plain} == {hit.id for hit in hits}

    def test_several_queries_are_answered_like_one_by_one(
        self, places: Collection, vectors: Any, features: Any
    ) -> None:
        queries, details = vectors(8, 4), [features(n, 20) for n in (2, 5, 50, 9)]
        together = self.ask(places, Question(queries, details), 8)
        for row, hits in enumerate(together):
            (alone,) = self.ask(places, Question(queries[[row]], [details[row]]), 8)
            assert [hit.id for hit in alone] == [hit.id for hit in hits]
            assert [hit.surprise for hit in alone] == [hit.surprise for hit in hits]
            assert alone.landmark == hits.landmark
            assert alone.confidence == pytest.approx(hits.confidence, rel=1e-5)

    def test_naming_agrees_with_searching(
        self, places: Collection, vectors: Any, features: Any
    ) -> None:
        asked = Question(vectors(8, 3), [features(1, 20), features(61, 20), None])
        with places.view() as view:
            named = name_photos(places._store, view, asked, workers=1)
        found = self.ask(places, asked, 5)
        assert [one.landmark for one in named] == [hits.landmark for hits in found]
        assert [one.confidence for one in named] == [hits.confidence for hits in found]
        assert named[0].landmark == "place 1"
