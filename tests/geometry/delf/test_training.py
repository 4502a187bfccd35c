"""Attention learned from landmarks: it learns, it looks at what tells them apart, reproducibly."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from numpy.random import default_rng

from steeple.errors import InputError
from steeple.geometry.delf.attention import attend
from steeple.geometry.delf.training import Lesson, _cut, train_attention

SIDE = 96
PATCH = 48  # pixels: three cells


def scene(landmark, random):
    """Grey noise that all landmarks share, with a patch that only one has; and where it is."""
    grey = random.integers(90, 170, (SIDE // 4, SIDE // 4, 1)).astype(np.uint8)
    image = cv2.resize(grey, (SIDE, SIDE), interpolation=cv2.INTER_NEAREST)[..., None].repeat(3, 2)
    top, left = random.integers(0, (SIDE - PATCH) // 16 + 1, 2) * 16
    stripes = np.full((PATCH, PATCH, 3), 20, dtype=np.uint8)
    stripes[:, :, landmark] = 235
    stripes[::6] = 255
    image[top : top + PATCH, left : left + PATCH] = stripes
    inside = np.zeros((SIDE, SIDE), dtype=bool)
    inside[top : top + PATCH, left : left + PATCH] = True
    return image, inside


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    """Photos of three landmarks, on disk."""
    folder, random = tmp_path_factory.mktemp("scenes"), default_rng(0)
    listed = []
    for number in range(18):
        path = folder / f"{number}.png"
        image, _ = scene(number % 3, random)
        cv2.imwrite(str(path), image[:, :, ::-1])
        listed.append((path, f"landmark {number % 3}"))
    return listed


LESSON = Lesson(epochs=12, side=96, batch=6)


@pytest.fixture(scope="module")
def learned(scenes, backbone):
    told = []
    attention, losses, failures = train_attention(
        scenes, backbone, LESSON, seed=1, progress=lambda *said: told.append(said)
    )
    assert failures == {}
    return attention, losses, told


def contrast(attention, backbone):
    """Mean attention inside the patch over that outside of it, on scenes nobody trained on."""
    random, inside, outside = default_rng(99), [], []
    for number in range(12):
        image, where = scene(number % 3, random)
        with torch.no_grad():
            found = attend(attention, backbone.maps(image[None]))[0].numpy()
        centres = backbone.receptive.centres(*found.shape).astype(int)
        within = where[centres[:, 1], centres[:, 0]]
        inside.append(found.ravel()[within].mean())
        outside.append(found.ravel()[~within].mean())
    return np.mean(inside) / np.mean(outside)


def test_the_loss_falls(learned):
    _, losses, _ = learned
    assert len(losses) == LESSON.epochs
    assert losses[0] > 0.5
    assert losses[-1] < 0.3 * losses[0]


def test_it_looks_at_what_tells_landmarks_apart(learned, backbone, scenes):
    untrained, _, _ = train_attention(scenes, backbone, Lesson(0), seed=1)
    assert contrast(learned[0], backbone) > 1.5
    assert contrast(learned[0], backbone) > 1.3 * contrast(untrained, backbone)


def test_it_tells_how_far_it_is(learned):
    told = learned[2]
    total = LESSON.epochs * 18
    assert told[0] == ("attention", 0, total)
    assert told[-1] == ("attention", total, total)
    done = [number for _, number, _ in told]
    assert done == sorted(done)


def test_the_same_seed_gives_the_same(scenes, backbone):
    lesson = Lesson(epochs=1, side=64, batch=6)
    state = torch.get_rng_state()
    one, same, other = (
        train_attention(scenes, backbone, lesson, seed=seed)[0][0].weight for seed in (1, 1, 2)
    )
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    assert torch.equal(torch.get_rng_state(), state)


def test_the_network_stays_as_it_is(scenes, backbone):
    before = {name: value.clone() for name, value in backbone.network.state_dict().items()}
    attention, _, _ = train_attention(scenes[:3], backbone, Lesson(1, side=64), seed=1)
    for name, value in backbone.network.state_dict().items():
        assert torch.equal(value, before[name]), name
    assert not attention.training


@pytest.mark.parametrize("count", [0, 1])
def test_one_landmark_cannot_be_told_apart(scenes, backbone, count):
    photos = [(path, "the only one") for path, _ in scenes[: 3 * count]]
    with pytest.raises(InputError, match=rf"there are {count}; .*--no-attention"):
        train_attention(photos, backbone, LESSON)


def test_photos_that_cannot_be_read_are_named(scenes, backbone, tmp_path):
    (tmp_path / "broken.jpg").write_text("no photo")
    photos = [*scenes[:4], (tmp_path / "broken.jpg", "landmark 0")]
    _, losses, failures = train_attention(photos, backbone, Lesson(2, side=64, batch=2), seed=0)
    assert len(losses) == 2
    assert np.isfinite(losses).all()
    assert list(failures) == [tmp_path / "broken.jpg"]
    broken = [(tmp_path / "broken.jpg", name) for name in "ab"]
    with pytest.raises(InputError, match=r"none of 2 photos can be read, .*broken\.jpg"):
        train_attention(broken, backbone, LESSON)


@pytest.mark.parametrize("shape", [(40, 300), (300, 40), (64, 64), (1, 1)])
def test_squares_are_cut_undistorted(shape):
    random = default_rng(0)
    # A wheel of 64 x 64 pixels: whatever is cut out of it, colours tell columns from rows.
    height, width = shape
    image = np.zeros((height, width, 3), dtype=np.uint8)
    image[..., 0] = np.linspace(0, 255, width)
    image[..., 1] = np.linspace(0, 255, height)[:, None]
    for _ in range(5):
        square = _cut(image, 64, random)
        assert square.shape == (64, 64, 3)
        if min(shape) > 1:
            across = np.diff(square[32, [10, 50], 0].astype(float))[0] * width
            down = np.diff(square[[10, 50], 32, 1].astype(float))[0] * height
            assert across > 0
            assert down == pytest.approx(across, rel=0.25)  # not stretched, not mirrored
