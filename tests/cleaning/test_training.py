"""Neighbours without oneself, and the first allowed of a row."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from steeple.cleaning.training import TrainingSet, first_allowed
from steeple.retrieval.types import Ranking

from .conftest import made_up


@given(st.integers(0, 5), st.integers(1, 7), st.integers(1, 4), st.integers(0, 2**32 - 1))
def test_first_allowed_is_what_a_loop_finds(rows, columns, most, seed):
    random = np.random.default_rng(seed)
    found = Ranking(random.integers(0, 99, (rows, columns)), random.random((rows, columns)))
    allowed = random.random((rows, columns)) < 0.5
    out = first_allowed(found, allowed, most)
    assert out.ids.shape == (rows, most)
    for row in range(rows):
        wanted = [i for i, good in zip(found.ids[row], allowed[row], strict=True) if good][:most]
        assert out.ids[row].tolist() == wanted + [-1] * (most - len(wanted))
        scores = [s for s, good in zip(found.scores[row], allowed[row], strict=True) if good][:most]
        assert out.scores[row].tolist() == scores + [-np.inf] * (most - len(wanted))


def test_nearest_are_all_others_in_order(training):
    descriptors, _, _ = made_up()
    images = np.array([3, 0, 20])
    near = training.nearest(images, 1000)
    assert near.ids.shape == (3, 35)
    for image, ids in zip(images, near.ids, strict=True):
        similar = descriptors @ descriptors[image]
        similar[image] = -np.inf
        assert ids.tolist() == np.argsort(-similar, kind="stable")[:35].tolist()


def test_copies_do_not_hide_oneself():
    """A photo there many times over is its own neighbour no more than any other."""
    descriptors = np.tile(np.array([[1.0, 0.0]], dtype=np.float32), (5, 1))
    training = TrainingSet.of_arrays(descriptors, np.zeros(5, dtype=np.int64), made_up(1, 5)[2])
    near = training.nearest(np.array([4, 1]), 2)
    assert near.ids.tolist() == [[0, 1], [0, 2]]


def test_a_single_image_has_no_neighbour():
    descriptors, labels, features = made_up(1, 1)
    near = TrainingSet.of_arrays(descriptors, labels, features).nearest(np.array([0]), 10)
    assert near.ids.tolist() == [[-1]]
