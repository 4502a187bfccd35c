"""Sizes, scales and colours: both conventions, and the literal formulas."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from steeple.embedding.preprocessing import GLDV2, ONE, REVISITED, SCALES, Colours, Scales
from steeple.errors import InputError

sides = st.integers(1, 2000)


def _image(height: int, width: int) -> npt.NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


@given(sides, sides, st.sampled_from([0.75, 1.0, 1.25]))
def test_the_paper_floors_to_multiples_of_32_and_stops_at_128(
    width: int, height: int, factor: float
) -> None:
    for side, found in zip((width, height), GLDV2.size(width, height, factor), strict=True):
        # Quarters are exact in whole numbers.
        assert found == max(128, int(4 * factor) * side // 4 // 32 * 32)


@pytest.mark.parametrize(
    ("photo", "expected"),
    [
        ((512, 384), [(384, 288), (512, 384), (640, 480)]),
        ((512, 341), [(384, 224), (512, 320), (640, 416)]),
        ((160, 512), [(128, 384), (160, 512), (192, 640)]),
        ((100, 90), [(128, 128)] * 3),
    ],
)
def test_three_scales_of_the_paper(photo: tuple[int, int], expected: list[tuple[int, int]]) -> None:
    width, height = photo
    found = GLDV2(_image(height, width))
    assert [image.shape[1::-1] for image in found] == expected
    assert not GLDV2.normalise
    assert GLDV2.power == 1


@given(st.integers(50, 1024), st.integers(50, 1024))
def test_revisited_keeps_the_shape(width: int, height: int) -> None:
    for factor in REVISITED.factors:
        wide, high = REVISITED.size(width, height, factor)
        assert abs(wide - width * factor) <= 1
        assert abs(high - height * factor) <= 1
    assert REVISITED.size(width, height, 1.0) == (width, height)


def test_revisited_as_published() -> None:
    assert REVISITED.normalise
    np.testing.assert_allclose(REVISITED.factors, [1 / np.sqrt(2), 1, np.sqrt(2)])
    assert [REVISITED.size(1024, 768, f) for f in REVISITED.factors] == [
        (724, 543),
        (1024, 768),
        (1448, 1086),
    ]


def test_a_photo_as_it_is_is_not_even_copied() -> None:
    image = _image(70, 101)
    assert ONE(image)[0] is image


@given(sides, sides, st.sampled_from(sorted(SCALES)))
def test_no_side_is_less_than_a_network_takes(width: int, height: int, name: str) -> None:
    scales = SCALES[name]
    for factor in scales.factors:
        assert min(scales.size(width, height, factor)) >= scales.least >= 32


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (40, 2)])
def test_the_smallest_photos(shape: tuple[int, int]) -> None:
    for scales in SCALES.values():
        for image in scales(_image(*shape)):
            assert image.dtype == np.uint8
            assert image.ndim == 3


def test_shrinking_takes_the_mean_of_areas() -> None:
    image = _image(64, 96)
    (small,) = Scales("half", (0.5,))(image)
    exact = image.reshape(32, 2, 48, 2, 3).mean(axis=(1, 3))
    assert np.abs(small - exact).max() <= 0.5 + 1e-6


def test_workers_get_the_same() -> None:
    image = _image(90, 120)
    for scales in SCALES.values():
        again = pickle.loads(pickle.dumps(scales))
        assert again == scales
        for a, b in zip(scales(image), again(image), strict=True):
            np.testing.assert_array_equal(a, b)


found_at_scales = arrays(np.float32, (4, 3, 5), elements=st.floats(-5, 5, width=32))


@given(found_at_scales)
def test_the_ordinary_mean(found: npt.NDArray[np.float32]) -> None:
    mean = GLDV2.mean(found)
    assert mean.dtype == np.float32
    np.testing.assert_allclose(mean, found.astype(np.float64).mean(axis=1), atol=1e-5)


@given(found_at_scales, st.floats(1, 5))
def test_the_power_mean_of_signed_numbers(found: npt.NDArray[np.float32], p: float) -> None:
    mean = Scales("power", (1.0, 2.0, 3.0), power=p).mean(found)
    for photo in range(4):
        for place in range(5):
            total = 0.0
            for x in found[photo, :, place].astype(np.float64):
                total += np.sign(x) * abs(x) ** p / 3
            expected = np.sign(total) * abs(total) ** (1 / p)
            # Powers that cancel each other leave what rounding has done to them, and its root.
            slack = float((1e-6 * np.abs(found[photo, :, place]).max() ** p) ** (1 / p))
            assert mean[photo, place] == pytest.approx(expected, rel=1e-4, abs=slack + 1e-6)


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": 3},
        {"normalise": 1},
        {"factors": ()},
        {"factors": (0.0,)},
        {"factors": (-1.0,)},
        {"factors": (float("nan"),)},
        {"factors": ("1",)},
        {"factors": (1e9,)},
        {"factors": (1.0,) * 17},
        {"multiple": 0},
        {"multiple": 1.5},
        {"least": 0},
        {"least": True},
        {"power": 0},
        {"power": float("inf")},
        {"power": "1"},
    ],
)
def test_what_are_no_scales(wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        Scales(**{"name": "mine"} | wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        {"channels": "GBR"},
        {"channels": None},
        {"mean": (0.5, 0.5)},
        {"mean": (0.5, 0.5, float("nan"))},
        {"mean": ("a", 0.5, 0.5)},
        {"std": (0.5, 0.5, 0.0)},
        {"std": (1.0, 1.0, float("inf"))},
        {"std": (1.0, 1.0, 10**400)},
    ],
)
def test_what_are_no_colours(wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        Colours(**wrong)


@pytest.mark.parametrize("channels", ["RGB", "BGR"])
def test_colours_by_hand(channels: str) -> None:
    mean, std = (0.4, 0.5, 0.6), (0.2, 0.3, 0.1)
    images = _image(6, 7)[None]
    found = Colours(mean, std, channels).normalise(images)
    assert found.shape == (1, 3, 6, 7)
    assert found.dtype == np.float32
    for place in range(3):
        pixels = images[0, :, :, place if channels == "RGB" else 2 - place] / 255
        np.testing.assert_allclose(found[0, place], (pixels - mean[place]) / std[place], atol=1e-5)
