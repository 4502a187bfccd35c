"""The neighbours of an index among itself, against every pair compared."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steeple.errors import InputError
from steeple.retrieval import Ranking, search_neighbors
from steeple.retrieval.offline.graph import IndexGraph
from steeple.retrieval.offline.shelf import MemoryShelf
from steeple.shelves import FolderShelf

Floats = npt.NDArray[np.float32]


class Search:
    """Exact search that remembers what it was asked for."""

    widths: list[int]

    def __init__(self, index: Floats) -> None:
        self.index, self.widths = index, []

    @property
    def asked(self) -> int:
        return len(self.widths)

    def __call__(self, queries: Floats, k: int) -> Ranking:
        self.widths.append(k)
        return search_neighbors(queries, self.index, k)


def unit(seed: int, n: int, d: int = 5) -> Floats:
    out = np.random.default_rng(seed).standard_normal((n, d)).astype(np.float32)
    return np.asarray(out / np.linalg.norm(out, axis=1, keepdims=True), dtype=np.float32)


def literal(index: Floats, image: int, k: int) -> list[int]:
    """The others by descending similarity; equals by position."""
    others = [j for j in range(len(index)) if j != image]
    scores = {j: float(np.float32(index[j] @ index[image])) for j in others}
    return (sorted(others, key=lambda j: -scores[j])[:k] + [-1] * k)[:k]


@given(st.integers(0, 10**6), st.integers(1, 12), st.integers(1, 15))
def test_neighbours_are_the_nearest_others(seed: int, n: int, k: int) -> None:
    # Whole numbers: sums in any order are equal, and there are many ties.
    index = np.random.default_rng(seed).integers(-2, 3, (n, 3)).astype(np.float32)
    graph = IndexGraph(index, Search(index))
    found = graph.neighbours(k)
    assert found.ids.shape == (n, k)
    for image in range(n):
        # An image that others equal or beat may lie beyond the k + 1 found; then the last goes.
        got, want = found.ids[image].tolist(), literal(index, image, k)
        assert image not in got
        similar = [index[j] @ index[image] if j >= 0 else None for j in got]
        assert similar == [index[j] @ index[image] if j >= 0 else None for j in want]
        assert [s for s in found.scores[image].tolist() if s != -np.inf] == similar[: n - 1]


@given(st.integers(0, 10**6), st.integers(1, 12), st.integers(1, 15), st.integers(0, 15))
def test_neighbourhoods_are_the_image_and_its_neighbours(
    seed: int, n: int, size: int, scored: int
) -> None:
    index = unit(seed, n)
    graph = IndexGraph(index, Search(index))
    ids, scores = graph.neighbourhoods(size, scored)
    width = min(size, n)
    assert ids.shape == (n, width)
    assert ids.dtype == np.int32
    assert ids[:, 0].tolist() == list(range(n))
    if width > 1:
        near = graph.neighbours(width - 1)
        np.testing.assert_array_equal(ids[:, 1:], near.ids)
        np.testing.assert_array_equal(scores, near.scores[:, :scored])


def test_duplicates_come_after_the_image_itself() -> None:
    index = np.repeat(unit(1, 3), 4, axis=0)
    graph = IndexGraph(index, Search(index))
    ids, scores = graph.neighbourhoods(4, 3)
    for image, row in enumerate(ids):
        assert row[0] == image
        assert sorted(row) == [4 * (image // 4) + j for j in range(4)]
    np.testing.assert_allclose(scores, 1, atol=1e-6)
    assert (graph.neighbours(3).ids != np.arange(12)[:, None]).all()


def test_a_search_that_misses_the_image_itself() -> None:
    index = unit(2, 9)

    def approximate(queries: Floats, k: int) -> Ranking:
        found = search_neighbors(queries, index, k + 1)
        return Ranking(found.ids[:, 1:], found.scores[:, 1:])

    ids, scores = IndexGraph(index, approximate).neighbourhoods(4, 3)
    exact = IndexGraph(index, Search(index)).neighbours(3)
    assert ids[:, 0].tolist() == list(range(9))
    np.testing.assert_array_equal(ids[:, 1:], exact.ids)
    np.testing.assert_array_equal(scores, exact.scores)


def test_computed_once_in_blocks_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    index = unit(3, 11)
    whole = IndexGraph(index, Search(index))
    monkeypatch.setattr("steeple.retrieval.offline.graph._BLOCK", 4)
    search, heard = Search(index), []
    graph = IndexGraph(index, search, told=lambda *news: heard.append(news))
    for _ in range(2):
        np.testing.assert_array_equal(graph.neighbours(3).ids, whole.neighbours(3).ids)
    assert search.asked == 3
    assert heard == [("graph", 4, 11), ("graph", 8, 11), ("graph", 11, 11)]
    for _ in range(2):
        found, expected = graph.neighbourhoods(5, 2), whole.neighbourhoods(5, 2)
        np.testing.assert_array_equal(found[0], expected[0])
        np.testing.assert_array_equal(found[1], expected[1])
    assert search.asked == 6
    assert heard[3:] == [("neighbourhoods", done, 11) for done in (4, 8, 11)]


def test_narrow_ones_are_cut_from_one_search() -> None:
    index = unit(5, 140)
    search = Search(index)
    graph = IndexGraph(index, search)
    wide = graph.neighbours(100)
    for k in (1, 10, 99):
        np.testing.assert_array_equal(graph.neighbours(k).ids, wide.ids[:, :k])
        np.testing.assert_array_equal(graph.neighbours(k).scores, wide.scores[:, :k])
    assert search.asked == 1
    np.testing.assert_array_equal(graph.neighbours(120).ids[:, :100], wide.ids)
    assert search.asked == 2


class TestNeighbourhoodsAreCutFromKeptOnes:
    @pytest.fixture
    def index(self) -> Floats:
        return unit(6, 160)

    def equal(self, graph: IndexGraph, size: int, scored: int) -> None:
        """To those computed for this alone."""
        found = graph.neighbourhoods(size, scored)
        wanted = IndexGraph(graph.index, Search(np.asarray(graph.index))).neighbourhoods(
            size, scored
        )
        for one, other in zip(found, wanted, strict=True):
            np.testing.assert_array_equal(one, other)
        assert found[0].shape == (160, size)
        assert found[1].shape == (160, min(scored, size - 1))

    @pytest.mark.parametrize("shelf", [MemoryShelf, FolderShelf])
    def test_whatever_is_asked_later(self, index: Floats, tmp_path: Path, shelf: Any) -> None:
        place = () if shelf is MemoryShelf else (tmp_path,)
        kept, search = shelf(*place), Search(index)
        for size, scored in ((150, 49), (150, 29), (150, 100), (120, 49), (30, 29), (1, 0)):
            # Another run: what it finds is on the shelf.
            self.equal(IndexGraph(index, search, shelf=kept), size, scored)
            assert search.widths == [150]
        assert kept.names() == {"neighbourhoods-150-100"}

    def test_nothing_wider_than_asked_is_computed(self, index: Floats) -> None:
        search = Search(index)
        graph = IndexGraph(index, search)
        for size, scored in ((20, 9), (120, 49), (150, 49), (20, 19), (120, 29), (110, 9)):
            self.equal(graph, size, scored)
        # 20 with the first 19, 120 and 150 with the first 100 scores: whatever follows is in them.
        assert search.widths == [20, 120, 150]

    def test_not_from_those_with_too_few_scores(self, index: Floats) -> None:
        search = Search(index)
        graph = IndexGraph(index, search)
        for size, scored in ((150, 49), (140, 120), (140, 110), (150, 130), (140, 49)):
            self.equal(graph, size, scored)
        assert search.widths == [150, 140, 150]

    def test_both_numbers_are_part_of_the_name(self, index: Floats) -> None:
        """Whatever was kept under them is found again, not computed in its place."""
        search = Search(index)
        graph = IndexGraph(index, search)
        asked = ((120, 119), (130, 110), (140, 105))
        for size, scored in (*asked, *asked):
            self.equal(graph, size, scored)
        assert search.widths == [120, 130, 140]


def test_no_images() -> None:
    index = np.zeros((0, 4), dtype=np.float32)
    graph = IndexGraph(index, Search(index))
    assert graph.neighbours(3).ids.shape == (0, 3)
    ids, scores = graph.neighbourhoods(3, 2)
    assert (len(ids), len(scores)) == (0, 0)


@pytest.mark.parametrize("ask", [lambda g: g.neighbours(0), lambda g: g.neighbourhoods(0, 0)])
def test_nothing_asked_for(ask: Any) -> None:
    index = unit(4, 3)
    with pytest.raises(InputError):
        ask(IndexGraph(index, Search(index)))
