"""An approximate index beside an index that has changed since: right whatever came or went."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steeple.collection.approximate import About, StoredIndex
from steeple.collection.coverage import Coverage, Rows
from steeple.collection.segments import Segments
from steeple.errors import CollectionError, InputError
from steeple.retrieval.approximate.effort import Effort
from steeple.retrieval.approximate.index import ApproximateIndex
from steeple.retrieval.types import PAD, Ids

DIMENSION = 4


def stored_over(vectors: npt.NDArray[np.float32], rows: Ids, factory: str = "Flat") -> StoredIndex:
    index = ApproximateIndex.build(vectors[rows], factory)
    about = About("auto", factory, 0, 1, len(rows), DIMENSION, None, 0.0, 0, 0, 0)
    return StoredIndex(Path("nowhere"), about, index, rows)


def literal(vectors: Any, rows: Ids, query: Any, k: int) -> tuple[list[int], list[float]]:
    """Every inner product, best first, equals by position, padded."""
    scores = [float(vectors[row] @ query) for row in rows]
    order = sorted(range(len(rows)), key=lambda place: (-scores[place], place))[:k]
    pads = k - len(order)
    return order + [PAD] * pads, [scores[place] for place in order] + [-np.inf] * pads


@pytest.fixture(scope="module")
def segments(tmp_path_factory: pytest.TempPathFactory) -> tuple[Segments, Any]:
    """Forty descriptors of small whole numbers, so that scores are exact and many are equal."""
    random = np.random.default_rng(0)
    vectors = random.integers(-2, 3, (40, DIMENSION)).astype(np.float32)
    segments = Segments(tmp_path_factory.mktemp("segments") / "descriptors", DIMENSION)
    segments.write(0, vectors)
    return segments, vectors


rows_of = st.lists(st.integers(0, 39), unique=True, max_size=40).map(
    lambda rows: np.array(sorted(rows), dtype=np.int64)
)


@given(then=rows_of.filter(len), now=rows_of, k=st.integers(1, 60), seed=st.integers(0, 99))
def test_finds_what_exact_search_finds(
    segments: tuple[Segments, Any], then: Ids, now: Ids, k: int, seed: int
) -> None:
    """With an index that proposes everything in the right order, nothing is lost on the way."""
    stored, vectors = segments
    queries = np.random.default_rng(seed).integers(-2, 3, (3, DIMENSION)).astype(np.float32)
    index = stored_over(vectors, then)
    index.index.effort = Effort(0, 64)  # equal scores would else be cut off anywhere
    found = Coverage.of(index, now, stored).search(queries, k)
    for row, query in enumerate(queries):
        ids, scores = literal(vectors, now, query, k)
        assert found.ids[row].tolist() == ids
        assert found.scores[row].tolist() == scores


@given(
    then=rows_of.filter(lambda rows: len(rows) > 8),
    now=rows_of,
    k=st.integers(1, 60),
    seed=st.integers(0, 99),
)
def test_a_rough_index_still_gives_whole_lists_of_exact_scores(
    segments: tuple[Segments, Any], then: Ids, now: Ids, k: int, seed: int
) -> None:
    stored, vectors = segments
    queries = np.random.default_rng(seed).integers(-2, 3, (3, DIMENSION)).astype(np.float32)
    index = stored_over(vectors, then, "IVF4,SQ4")
    index.index.effort = Effort(1, 1)
    found = Coverage.of(index, now, stored).search(queries, k)
    assert found.ids.shape == found.scores.shape == (3, k)
    for row, query in enumerate(queries):
        ids = found.ids[row]
        real = ids[ids != PAD]
        assert len(real) == min(k, len(now)) == len(set(real.tolist()))
        np.testing.assert_array_equal(found.scores[row][: len(real)], vectors[now[real]] @ query)
        assert (np.diff(found.scores[row][: len(real)]) <= 0).all()
        assert (ids[len(real) :] == PAD).all()


def test_what_was_added_is_found_and_what_was_removed_is_not(
    segments: tuple[Segments, Any],
) -> None:
    stored, vectors = segments
    index = stored_over(vectors, np.arange(20))
    assert index.changed(np.arange(20)) == 0
    now = np.array([*range(5, 20), 30])
    assert index.changed(now) == 6
    coverage = Coverage.of(index, now, stored)
    assert coverage.places.tolist() == [PAD] * 5 + list(range(15))
    assert coverage.fresh.tolist() == [15]
    assert 15 in coverage.search(vectors[[30]], 16).ids
    with pytest.raises(InputError, match="k is 0"):
        coverage.search(vectors[:1], 0)


def test_whole_lists_even_where_all_that_was_near_is_gone(
    segments: tuple[Segments, Any],
) -> None:
    stored, vectors = segments
    query = vectors[[3]]
    near, _ = literal(vectors, np.arange(40), query[0], 32)
    now = np.setdiff1d(np.arange(40), near)
    index = stored_over(vectors, np.arange(40))
    found = Coverage.of(index, now, stored).search(query, 2)
    assert found.ids[0].tolist() == literal(vectors, now, query[0], 2)[0]


def test_what_the_index_leaves_out_is_not_made_up_for_by_what_was_added(
    segments: tuple[Segments, Any],
) -> None:
    """One list of four is looked at: too few of those it holds, so the rest is searched exactly."""
    stored, vectors = segments
    index = stored_over(vectors, np.arange(20), "IVF4,Flat")
    index.index.effort = Effort(1, 1)
    query = vectors[[3]]
    found = Coverage.of(index, np.arange(40), stored).search(query, 15)
    ids, scores = literal(vectors, np.arange(40), query[0], 15)
    assert found.ids[0].tolist() == ids
    assert found.scores[0].tolist() == scores


@pytest.mark.parametrize("stray", [20, 10**12, -2, -(10**12)])
def test_an_index_that_names_what_it_does_not_hold(
    segments: tuple[Segments, Any], caplog: pytest.LogCaptureFixture, stray: int
) -> None:
    """As one does whose pages changed after it was compared with its checksum."""
    import faiss

    stored, vectors = segments
    named = np.arange(20)
    named[13] = stray
    held = faiss.IndexIDMap(faiss.IndexFlatIP(DIMENSION))
    held.add_with_ids(vectors[:20], named)
    about = About("auto", "Flat", 0, 1, 20, DIMENSION, None, 0.0, 0, 0, 0)
    index = StoredIndex(Path("nowhere"), about, ApproximateIndex(held, "Flat"), np.arange(20))
    for now in (np.arange(20), np.arange(3, 30)):
        found = Coverage.of(index, now, stored).search(vectors[:5], 20)
        for row, query in enumerate(vectors[:5]):
            assert found.ids[row].tolist() == literal(vectors, now, query, 20)[0]
    (record,) = caplog.records  # once is enough
    said = f"names image {stray}, and it holds 20; build it again: steeple index "
    assert said in record.getMessage()
    assert "until then everything is searched exactly" in record.getMessage()


def test_the_exact_way_is_for_those_that_need_it(
    segments: tuple[Segments, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from steeple.collection import coverage

    def refuse(*_: object) -> None:
        pytest.fail("searched exactly")

    stored, vectors = segments
    index = stored_over(vectors, np.arange(40))
    monkeypatch.setattr(coverage, "search_blocks", refuse)
    for gone in (0, 3):
        Coverage.of(index, np.arange(gone, 40), stored).search(vectors[:5], 3)


def test_stored_rows(segments: tuple[Segments, Any], vectors: Callable[..., Any]) -> None:
    stored, values = segments
    rows = Rows(stored, np.array([3, 9, 20]))
    assert len(rows) == 3
    np.testing.assert_array_equal(rows[np.array([[2, 0], [0, 1]])], values[[[20, 3], [3, 9]]])
    assert rows[np.empty((0, 2), dtype=np.int64)].shape == (0, 2, DIMENSION)
    for stray in (3, -1):
        with pytest.raises(CollectionError, match=f"names image {stray}, and it holds 3"):
            rows[np.array([0, stray])]
    assert rows[np.empty((0, 2), dtype=np.int64)].shape == (0, 2, DIMENSION)
