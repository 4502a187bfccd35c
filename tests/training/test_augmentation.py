"""What varies in a photo, and how much: against torchvision and slow literal maps."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image
from torchvision.transforms.v2 import functional

from steeple.errors import ImageError
from steeple.images import read_image
from steeple.training import augmentation
from steeple.training.augmentation import (
    AMOUNTS,
    Amounts,
    Variation,
    draw_variation,
    read_varied,
)


def ramp(width, height):
    """Red tells x, green y, blue nothing."""
    image = np.full((height, width, 3), 90, dtype=np.uint8)
    image[..., 0] = np.arange(width)[None, :]
    image[..., 1] = np.arange(height)[:, None]
    return image


def saved(folder, image, name="a.png"):
    Image.fromarray(image).save(folder / name)
    return folder / name


def varied(path, width, height, **what):
    with Image.open(path) as image:
        size = image.size
    return read_varied(path, size, width, height, Variation(**what))


def test_amounts_are_those_of_the_recipe():
    assert AMOUNTS["none"] == Amounts()
    assert AMOUNTS["soft"] == Amounts(0.2, moves=True, brightness=0.1)
    shear = math.radians(4)
    middle = Amounts(0.3, moves=True, shear=shear, brightness=0.1, contrast=0.1)
    assert AMOUNTS["middle"] == middle


def test_nothing_varies_where_nothing_is_to():
    assert draw_variation(AMOUNTS["none"], 1, 2, 3) == Variation()


@pytest.mark.parametrize("name", ["soft", "middle"])
def test_variations_fill_their_ranges_evenly(name):
    amounts = AMOUNTS[name]
    drawn = [draw_variation(amounts, 0, epoch, n) for epoch in range(4) for n in range(500)]
    ranges = {
        "scale": (1 - amounts.scale, 1 + amounts.scale),
        "shear": (-amounts.shear, amounts.shear),
        "brightness": (1 - amounts.brightness, 1 + amounts.brightness),
        "contrast": (1 - amounts.contrast, 1 + amounts.contrast),
    }
    columns = {what: [getattr(one, what) for one in drawn] for what in ranges}
    columns |= {f"place {axis}": [one.place[axis] for one in drawn] for axis in (0, 1)}
    ranges |= {"place 0": (0, 1), "place 1": (0, 1)}
    for what, (low, high) in ranges.items():
        values = np.array(columns[what])
        assert low <= values.min() <= values.max() <= high
        quarters = np.histogram(values, bins=4, range=(low, high + 1e-12))[0]
        if high > low:
            assert quarters.min() > 0.8 * len(drawn) / 4, what
    kept = [np.array(columns[what]) for what in ("scale", "brightness", "place 0", "place 1")]
    assert np.abs(np.corrcoef(kept) - np.eye(4)).max() < 0.1


def test_they_depend_on_seed_epoch_and_photo_alone():
    amounts = AMOUNTS["middle"]
    keys = [(s, e, n) for s in range(3) for e in range(3) for n in range(3)]
    drawn = [draw_variation(amounts, *key) for key in keys]
    assert drawn == [draw_variation(amounts, *key) for key in keys]
    assert len({one.scale for one in drawn}) == len(keys)


@pytest.mark.parametrize(("width", "height"), [(64, 48), (48, 64), (64, 64)])
def test_without_variation_the_middle_of_the_shrunken_photo_is_cut_out(tmp_path, width, height):
    random = np.random.default_rng(0)
    image = random.integers(0, 256, (90, 120, 3), dtype=np.uint8)
    path = saved(tmp_path, image)
    # 120 x 90 covers 64 x 48 with a long side of 64, 48 x 64 and 64 x 64 with 86 (85.3 rounded up).
    shrunken = read_image(path, max_side=64 if height == 48 else 86)
    top, left = (
        (have - want) / 2 for have, want in zip(shrunken.shape, (height, width), strict=False)
    )
    top, left = round(top), round(left)
    expected = shrunken[top : top + height, left : left + width]
    np.testing.assert_array_equal(varied(path, width, height), expected)


def test_the_shape_of_what_is_shown_stays(tmp_path):
    """A step in x is as long as a step in y, whatever photo and bucket."""
    for size in ((200, 100), (100, 200), (60, 50), (40, 200)):
        path = saved(tmp_path, ramp(*size))
        for bucket in ((64, 48), (48, 64), (96, 64)):
            for scale in (1.0, 1.2):
                shown = varied(path, *bucket, scale=scale).astype(float)
                step = 1 / (max(bucket[0] / size[0], bucket[1] / size[1]) * scale)
                middle = shown[4:-4, 4:-4]
                along_x = (middle[:, -1, 0] - middle[:, 0, 0]).mean() / (middle.shape[1] - 1)
                along_y = (middle[-1, :, 1] - middle[0, :, 1]).mean() / (middle.shape[0] - 1)
                # Whole greys: the way from edge to edge is one out at most.
                assert along_x == pytest.approx(step, abs=1.1 / (middle.shape[1] - 1))
                assert along_y == pytest.approx(step, abs=1.1 / (middle.shape[0] - 1))
                assert middle[:, 0, 0].std() < 0.6  # no shear, no turn


def test_the_place_says_which_part_is_cut_out(tmp_path):
    path = saved(tmp_path, ramp(200, 50))
    left, right = (varied(path, 50, 50, place=(x, 0.5)) for x in (0.0, 1.0))
    np.testing.assert_array_equal(left[..., 0], np.tile(np.arange(50), (50, 1)))
    np.testing.assert_array_equal(right[..., 0], np.tile(np.arange(150, 200), (50, 1)))
    path = saved(tmp_path, ramp(50, 200))
    lower = varied(path, 50, 50, place=(0.5, 1.0))
    np.testing.assert_array_equal(lower[0, :, 1], np.full(50, 150))


def test_never_flipped(tmp_path):
    path = saved(tmp_path, ramp(120, 90))
    for number in range(50):
        what = draw_variation(AMOUNTS["middle"], 0, 0, number)
        shown = read_varied(path, (120, 90), 64, 48, what).astype(float)
        middle = shown[16:32, 20:44]
        assert (middle[:, -1, 0] > middle[:, 0, 0]).all()
        assert (middle[-1, :, 1] > middle[0, :, 1]).all()


def test_where_it_does_not_cover_the_bucket_it_is_mirrored(tmp_path):
    path = saved(tmp_path, ramp(50, 50))
    shown = varied(path, 50, 50, scale=0.8)  # 40 pixels in the middle of 50
    inside = read_image(path, max_side=40)
    np.testing.assert_array_equal(shown, np.pad(inside, ((5, 5), (5, 5), (0, 0)), mode="reflect"))


@settings(max_examples=30)
@given(st.floats(-0.2, 0.2), st.floats(0, 1), st.floats(0.6, 1.6))
@example(0.1, 0.5, 1.0)
@example(0.0, 0.3, 1.0)
def test_the_map_is_the_literal_one(shear, place, scale):
    """Where each pixel of a smooth picture comes from, one by one in float64."""
    image = 4 * ramp(60, 40)  # a pixel further is four greys more
    width, height, side = 48, 32, round(60 * scale)
    what = Variation(place=(place, place), shear=shear)
    found = augmentation._cut(image, side, width, height, what)
    factor = side / 60
    x0, y0 = place * (60 * factor - width), place * (40 * factor - height)
    if factor == 1:
        x0, y0 = round(x0), round(y0)
    for v in range(0, height, 3):
        for u in range(0, width, 3):
            x = (u + 0.5 + x0 + math.tan(shear) * (v - (height - 1) / 2)) / factor - 0.5
            y = (v + 0.5 + y0) / factor - 0.5
            if 1 < x < 58 and 1 < y < 38:  # inside
                # Half a grey of rounding, and OpenCV knows 32 places within a pixel.
                assert found[v, u, 0] == pytest.approx(4 * x, abs=0.7)
                assert found[v, u, 1] == pytest.approx(4 * y, abs=0.7)


@pytest.mark.parametrize("factor", [0.9, 0.95, 1.05, 1.1])
def test_brightness_and_contrast_are_those_of_torchvision(tmp_path, factor):
    image = np.random.default_rng(1).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    path = saved(tmp_path, image)
    tensor = torch.from_numpy(image).permute(2, 0, 1)
    brighter = functional.adjust_brightness(tensor, factor)
    both = functional.adjust_contrast(brighter, factor)
    for expected, what in ((brighter, {}), (both, {"contrast": factor})):
        shown = varied(path, 64, 48, brightness=factor, **what)
        difference = shown.astype(int) - expected.permute(1, 2, 0).numpy().astype(int)
        assert np.abs(difference).max() <= 2  # torchvision cuts digits off where we round


def test_sizes_that_are_odd_are_no_trouble(tmp_path):
    for size in ((1, 1), (1, 300), (300, 1), (7, 3), (2, 2)):
        path = saved(tmp_path, ramp(*size) if max(size) < 256 else np.zeros((*size[::-1], 3), "u1"))
        for number in range(4):
            what = draw_variation(AMOUNTS["middle"], 0, 0, number)
            assert read_varied(path, size, 64, 48, what).shape == (48, 64, 3)


def test_a_photo_that_has_become_another_meanwhile_is_cut_all_the_same(tmp_path):
    path = saved(tmp_path, ramp(30, 80))
    assert read_varied(path, (200, 100), 64, 48, Variation()).shape == (48, 64, 3)


def test_large_photos_are_decoded_small(tmp_path, monkeypatch):
    asked = []

    def read(path, *, max_side):
        asked.append(max_side)
        return read_image(path, max_side=max_side)

    monkeypatch.setattr(augmentation, "read_image", read)
    path = saved(tmp_path, np.zeros((300, 400, 3), dtype=np.uint8), "a.jpg")
    varied(path, 64, 48)
    varied(path, 64, 48, scale=1.25)
    assert asked == [64, 80]


def test_what_cannot_be_decoded_says_so(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"no photo")
    with pytest.raises(ImageError, match=r"a\.jpg"):
        read_varied(tmp_path / "a.jpg", (64, 48), 64, 48, Variation())
