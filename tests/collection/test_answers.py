"""From rankings to named hits."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np
import pytest

from steeple import Collection
from steeple.collection.schema import put_setting
from steeple.collection.store import LocalStore
from steeple.collection.votes import refresh_votes
from steeple.errors import InputError

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
        refresh_votes(store, k=3, seed=0)
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


def test_an_inserted_image(places: Collection) -> None:
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
    with pytest.raises(InputError, match="k is 0"):
        places.search_descriptors(mix(x=1)[None], 0)
