"""The pyramid: every cell of every scale, where it lies, and the order of what is found."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from steeple.geometry.delf.attention import new_attention
from steeple.geometry.delf.detection import SCALES, detect


@pytest.fixture(scope="module")
def attention(backbone):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(4)
        return new_attention(backbone.channels).eval()


def literal(backbone, attention, image, scales):
    """Cell by cell, as slowly as it is said in the paper: (attention, keypoint, vector)."""
    found = []
    height, width = image.shape[:2]
    for scale in scales:
        size = (round(width * scale), round(height * scale))
        if min(size) < 32:
            continue
        how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        resized = cv2.resize(image, size, interpolation=how)
        with torch.no_grad():
            maps = backbone.maps(resized[None])
            weights = attention(maps)[0, 0] if attention else (maps[0] ** 2).sum(0).sqrt()
        for row in range(maps.shape[2]):
            for column in range(maps.shape[3]):
                vector = maps[0, :, row, column].numpy()
                fx, fy = width / size[0], height / size[1]
                place = (16 * column + 0.5) * fx - 0.5, (16 * row + 0.5) * fy - 0.5
                keypoint = (*place, 211 * (fx + fy) / 2)
                found.append((float(weights[row, column]), keypoint, vector))
    return sorted(found, key=lambda one: -one[0])


def test_seven_scales_from_a_quarter_to_two():
    np.testing.assert_allclose(SCALES, [0.25, 0.35355, 0.5, 0.70711, 1, 1.41421, 2], rtol=1e-4)


@pytest.mark.parametrize("trained", [True, False])
def test_as_the_paper_says(backbone, attention, draw, trained):
    attention = attention if trained else None
    image = draw(1, 75, 118)
    expected = literal(backbone, attention, image, SCALES)
    found = detect(backbone, attention, image, count=10_000)
    assert len(found) == len(expected) > 100
    np.testing.assert_allclose(found.attention, [one[0] for one in expected], rtol=1e-4)
    # Cells of almost equal attention may change places.
    order = np.lexsort(found.keypoints.T)
    keypoints = np.array([one[1] for one in expected])
    places = np.lexsort(keypoints.T.astype(np.float32))
    np.testing.assert_allclose(found.keypoints[order], keypoints[places], atol=1e-3)
    vectors = np.array([one[2] for one in expected])[places]
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    np.testing.assert_allclose(found.vectors[order], vectors, atol=1e-5)


def test_the_strongest_of_all_scales_in_order(backbone, attention, draw):
    image = draw(2, 96, 128)
    everything = detect(backbone, attention, image, count=10_000)
    some = detect(backbone, attention, image, count=20)
    assert len(some) == 20 < len(everything)
    assert (np.diff(some.attention) <= 0).all()
    np.testing.assert_array_equal(some.keypoints, everything.keypoints[:20])
    assert len(np.unique(everything.keypoints[:, 2])) == 6  # at a quarter, 24 pixels are too few


def test_scale_is_the_side_of_what_a_feature_sees(backbone, draw):
    found = detect(backbone, None, draw(3, 128, 128), scales=(0.5, 2))
    assert set(found.keypoints[:, 2]) == {2 * 211, 211 / 2}


@pytest.mark.parametrize("scale", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("place", [(150, 70), (60, 130)])
def test_a_spot_is_found_where_it_is(backbone, scale, place):
    # On the grey that the network takes for nothing, only the spot excites it.
    image = np.full((200, 240, 3), np.round(np.multiply(backbone.mean, 255)), dtype=np.uint8)
    cv2.circle(image, place, 6, (255, 0, 0), -1)
    found = detect(backbone, None, image, scales=(scale,), count=1)
    assert np.abs(found.keypoints[0, :2] - place).max() <= 16 / scale


@pytest.mark.parametrize(
    ("shape", "sizes"),
    [((1, 1), []), ((15, 200), []), ((16, 16), [211 / 2]), ((16, 300), [211 / 2])],
)
def test_scales_at_which_it_is_too_small_are_skipped(backbone, shape, sizes):
    found = detect(backbone, None, np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8))
    assert sorted(set(found.keypoints[:, 2])) == sizes
    assert found.keypoints.shape == (len(found), 3)
    assert found.vectors.shape == (len(found), backbone.channels)
    assert (len(found) > 0) == bool(sizes)


@pytest.mark.parametrize("colour", [0, 127, 255])
def test_one_colour(backbone, attention, colour):
    image = np.full((80, 80, 3), colour, dtype=np.uint8)
    found = detect(backbone, attention, image, count=50)
    assert len(found) == 50
    assert np.isfinite(found.vectors).all()


def test_cells_that_answer_nothing_are_no_features(backbone, attention, draw):
    weight = backbone.network.conv1.weight
    kept = weight.detach().clone()
    assert len(detect(backbone, attention, draw(4))) > 0
    try:
        with torch.no_grad():
            weight.zero_()
        # The attention of a cell is positive even there; its vector is all zeros.
        assert len(detect(backbone, attention, draw(4))) == 0
        assert len(detect(backbone, None, draw(4))) == 0
    finally:
        with torch.no_grad():
            weight.copy_(kept)
