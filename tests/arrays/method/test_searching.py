"""Searching in files: what an approximate index does not propose is found all the same."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from steeple.arrays.files.descriptors import FileDescriptors
from steeple.arrays.method.searching import Searcher
from steeple.retrieval import search_neighbors
from steeple.retrieval.approximate.effort import Effort
from steeple.retrieval.approximate.index import ApproximateIndex


@pytest.fixture
def images(toy):
    return FileDescriptors(toy.index, "index.npy")


@pytest.fixture
def approximate(images):
    index = ApproximateIndex.build(images, "IVF8,Flat")
    index.effort = Effort(1, 1)  # one list: some thirty of 230 images
    return index


def test_a_query_with_too_few_candidates_is_searched_exactly(images, approximate, toy):
    told = []
    search = Searcher(images, 1 << 24, approximate=approximate)
    found = search(toy.queries, 100, told.append)
    assert_array_equal(found.ids, search_neighbors(toy.queries, toy.index, 100).ids)
    assert told == [1.0]


def test_and_no_other(images, approximate, toy):
    bare = approximate.search(toy.queries, 25, exact=images)
    short = (bare.ids < 0).any(axis=1)
    assert 0 < short.sum() < len(short)
    found = Searcher(images, 1 << 24, approximate=approximate)(toy.queries, 25)
    exact = search_neighbors(toy.queries, toy.index, 25)
    assert_array_equal(found.ids, np.where(short[:, None], exact.ids, bare.ids))
    assert (found.ids != exact.ids).any()


def test_more_than_there_are(images, approximate, toy, monkeypatch):
    approximate.effort = Effort(8, 1)
    search = Searcher(images, 1 << 24, approximate=approximate)
    monkeypatch.setattr(
        "steeple.arrays.method.searching.search_blocks", lambda *_: pytest.fail("searched exactly")
    )
    found = search(toy.queries, 240)
    assert (found.ids[:, :230] >= 0).all()
    assert (found.ids[:, 230:] == -1).all()
