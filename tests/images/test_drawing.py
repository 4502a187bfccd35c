"""Two photos in one picture, looked at pixel by pixel."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steeple.errors import InputError
from steeple.images import draw_matches

RED, BLUE = (255, 0, 0), (0, 0, 255)
GROUND = (128, 128, 128)
NONE = np.zeros((0, 2), dtype=np.float32)


def plain(height, width, colour=RED):
    return np.full((height, width, 3), colour, dtype=np.uint8)


def points(*pairs):
    return np.array(pairs, dtype=np.float32).reshape(-1, 2)


def where(picture, colour):
    """Top, left, height and width of the rectangle that has a colour; it must be filled."""
    rows, columns = np.nonzero((picture == colour).all(axis=2))
    top, left = rows.min(), columns.min()
    height, width = rows.max() - top + 1, columns.max() - left + 1
    assert len(rows) == height * width
    return int(top), int(left), int(height), int(width)


def literal_area(first, second, side):
    """The larger of the areas both photos cover side by side or one above the other.

    Found by trying one pixel after the other.
    """
    gap = max(4, side // 96)
    best = 0.0
    for beside in (True, False):
        for size in range(side, 0, -1):
            sizes = [
                (size, size * w / h) if beside else (size * h / w, size) for h, w in (first, second)
            ]
            heights, widths = zip(*sizes, strict=True)
            high = max(heights) if beside else sum(heights) + gap
            wide = sum(widths) + gap if beside else max(widths)
            if high <= 0.625 * side and wide <= side:
                best = max(best, sum(height * width for height, width in sizes))
                break
    return best


sizes = st.tuples(st.integers(16, 300), st.integers(16, 300))


@settings(max_examples=60, deadline=None)
@given(first=sizes, second=sizes, side=st.integers(200, 700))
def test_both_photos_are_whole_undistorted_and_as_large_as_they_can_be(first, second, side):
    picture = draw_matches((plain(*first), plain(*second, BLUE)), (NONE, NONE), side=side)
    height, width = picture.shape[:2]
    assert picture.dtype == np.uint8
    assert width <= side
    assert height <= 0.625 * side
    places = [where(picture, colour) for colour in (RED, BLUE)]
    for (_, _, high, wide), (h, w) in zip(places, (first, second), strict=True):
        # Each side is cut to whole pixels, and one pixel is left of the narrowest strip.
        assert wide + 1 > high * w / h - 1e-9 or high == 1
        assert high + 1 > wide * h / w - 1e-9 or wide == 1
    (_, _, high, wide), (top, left, high_2, wide_2) = places
    if left:
        assert (top, high) == (0, high_2)
        assert width == wide + wide_2 + (left - wide)
        assert left - wide == max(4, side // 96)
    else:
        assert (wide, top - high) == (wide_2, max(4, side // 96))
    covered = (high + 1) * (wide + 1) + (high_2 + 1) * (wide_2 + 1)
    # The literal reference goes in steps of a pixel, which counts where photos are narrow strips.
    assert covered >= literal_area(first, second, side) * 0.98
    assert (picture == GROUND).all(axis=2).any()


def test_portraits_stand_side_by_side_and_panoramas_lie_on_each_other():
    upright = draw_matches((plain(200, 100), plain(200, 100, BLUE)), (NONE, NONE), side=400)
    assert where(upright, BLUE)[0] == 0
    wide = draw_matches((plain(100, 300), plain(100, 300, BLUE)), (NONE, NONE), side=400)
    assert where(wide, BLUE)[1] == 0
    assert where(wide, RED)[3] > 300


def test_a_photo_that_fits_is_not_touched():
    random = np.random.default_rng(0)
    first, second = (random.integers(0, 256, (96, 98, 3), dtype=np.uint8) for _ in range(2))
    picture = draw_matches((first, second), (NONE, NONE), side=200)
    np.testing.assert_array_equal(picture[:96, :98], first)
    np.testing.assert_array_equal(picture[:96, 102:], second)


def test_a_match_is_two_circles_and_a_line_in_one_colour():
    photos = (plain(96, 98, (0, 0, 0)), plain(96, 98, (255, 255, 255)))
    picture = draw_matches(photos, (points((20, 30)), points((70, 40))), side=200)
    untouched = draw_matches(photos, (NONE, NONE), side=200)
    changed = (picture != untouched).any(axis=2)
    rows, columns = np.nonzero(changed)
    # Radius 4, a dark stroke of 3 pixels and its smooth edge.
    assert columns.min() == pytest.approx(20 - 6, abs=1)
    assert columns.max() == pytest.approx(102 + 70 + 6, abs=1)
    assert rows.min() == pytest.approx(30 - 6, abs=1)
    assert rows.max() == pytest.approx(40 + 6, abs=1)
    line = picture[:, 98:102].astype(int)  # the gap, which only the line crosses
    colours = line.max(axis=2) - line.min(axis=2)
    row = np.unravel_index(colours.argmax(), colours.shape)[0]
    assert colours.max() > 80  # colour on grey
    # Halfway between both circles.
    assert row == pytest.approx(30 + 10 * (100 - 20) / (172 - 20), abs=1)
    for x in (20, 172):
        assert not changed[{20: 30, 172: 40}[x], x]  # what matches is seen inside of its circle


@pytest.mark.parametrize("ground", [0, 255])
def test_strokes_are_seen_on_bright_and_on_dark_ground(ground):
    photos = (plain(96, 98, (ground,) * 3),) * 2
    picture = draw_matches(photos, (points((20, 30)), points((70, 60))), side=200).astype(int)
    light = picture @ [0.2126, 0.7152, 0.0722]
    crossed = light[:, 60]  # across the line
    assert crossed.max() - crossed.min() > 120


def test_colours_follow_the_place_in_the_first_photo():
    """Matches that agree are a rainbow from top to bottom, in whatever order they come."""
    photos = (plain(96, 98, (0, 0, 0)),) * 2
    heights = [12, 36, 60, 84]
    agreeing = points(*((20, height) for height in heights))
    ends = [
        draw_matches(photos, (agreeing[order], agreeing[order]), side=200)
        for order in ([0, 1, 2, 3], [2, 0, 3, 1])
    ]
    np.testing.assert_array_equal(ends[0], ends[1])
    rings = [tuple(ends[0][height - 4, 20]) for height in heights]
    assert len(set(rings)) == 4


def test_many_lines_do_not_hide_the_photos():
    random = np.random.default_rng(0)
    some = random.uniform(5, 90, (300, 2)).astype(np.float32)
    photos = (plain(96, 98),) * 2
    many = draw_matches(photos, (some, some), side=200)
    lines = draw_matches(photos, (some[:40], some[:40]), side=200)
    crossed = [(picture[:, 98:102] != GROUND).any(axis=2) for picture in (many, lines)]
    np.testing.assert_array_equal(*crossed)
    # The others are dots, half as wide as a circle.
    ends = points(*[(20, 20)] * 40, (50, 70))
    picture = draw_matches(photos, (ends, ends), side=200)
    rows, columns = np.nonzero((picture[50:, :98] != RED).any(axis=2))
    assert columns.mean() == pytest.approx(50, abs=0.5)
    assert rows.mean() == pytest.approx(20, abs=0.5)
    assert 3 <= columns.max() - columns.min() + 1 <= 9  # a circle takes 13


def test_what_lies_outside_of_a_photo_stays_in_it():
    """A keypoint of a photo that has since been cut: never drawn on the other photo."""
    photos = (plain(96, 98, (0, 0, 0)),) * 2
    far = points((400, -50), (-1e6, 20), (20, 1e6))
    edge = points((97, 0), (0, 20), (20, 95))
    near = points((90, 20), (90, 50), (90, 80))
    picture = draw_matches(photos, (far, near), side=200)
    np.testing.assert_array_equal(picture, draw_matches(photos, (edge, near), side=200))


def test_an_outline_is_cut_at_the_edge_of_its_photo():
    photos = (plain(96, 98, (0, 0, 0)), plain(96, 98, BLUE))
    frame = points((10, 20), (60, 20), (60, 70), (10, 70))
    beyond = points((-500, 30), (3e7, 30), (3e7, 60), (-500, 60))
    picture = draw_matches(photos, (NONE, NONE), outlines=(frame, beyond), side=200)
    assert (picture[20, 10:60] > 200).all()
    assert (picture[70, 10:60] > 200).all()
    assert (picture[20:70, [10, 60]] > 200).all()
    assert (picture[24:67, 14:57] == 0).all()
    assert (picture[30, 103:-1] > 200).all()
    assert (picture[:, 98:102] == GROUND).all()


def test_points_stay_on_what_they_mark_when_photos_are_scaled():
    """The centre of a pixel is the centre of the block that it becomes."""
    first = plain(50, 50, (0, 0, 0))
    first[30, 10] = 255
    other = plain(50, 50, (0, 0, 0))
    picture = draw_matches((first, other), (NONE, NONE), side=800)
    bright = np.nonzero(picture.sum(axis=2)[:, :394] > 300)
    marked = draw_matches((other, other), (points((10, 30)), points((40, 30))), side=800)
    rows, columns = np.nonzero(marked[:, :88].sum(axis=2) > 300)  # to the right is the line
    radius = (rows.max() - rows.min()) / 2
    assert rows.min() + radius == pytest.approx(bright[0].mean(), abs=1)
    assert columns.min() + radius == pytest.approx(bright[1].mean(), abs=1)


@pytest.mark.parametrize("shape", [(1, 1), (1, 500), (500, 1), (16, 16)])
def test_the_smallest_and_the_narrowest_photos(shape):
    one = points((0, 0))
    for first, second in ((shape, (40, 60)), ((40, 60), shape), (shape, shape)):
        picture = draw_matches((plain(*first), plain(*second)), (one, one), side=64)
        assert picture.shape[0] <= 40
        assert picture.shape[1] <= 64


def test_a_picture_without_room_is_refused():
    with pytest.raises(InputError, match="cannot be 63 pixels; give 64 or more"):
        draw_matches((plain(9, 9), plain(9, 9)), (NONE, NONE), side=63)
