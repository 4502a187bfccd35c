import numpy as np
import pytest

from steeple.demo.inside.interiors import build_room
from steeple.demo.places.landmarks import build_landmark, kind_of


@pytest.mark.parametrize("number", range(16))
def test_every_kind_of_landmark_stands_on_the_ground(number):
    landmark = build_landmark(2, number)
    corners = landmark.mesh.corners
    assert np.isfinite(corners).all()
    assert -0.01 <= corners[:, 2].min() < 0.5
    assert corners[:, 2].max() > 5
    assert np.isfinite(landmark.mesh.normals).all()
    assert landmark.details


def test_the_same_numbers_build_the_same_walls():
    one, two = build_landmark(1, 3), build_landmark(1, 3)
    np.testing.assert_array_equal(one.mesh.corners, two.mesh.corners)
    for first, second in zip(one.mesh.textures, two.mesh.textures, strict=True):
        np.testing.assert_array_equal(first.pixels, second.pixels)


def test_the_inside_shares_no_texture_with_the_outside():
    outside, inside = build_landmark(1, 3), build_room(1, 3, kind_of(1, 3))
    front = {texture.pixels.tobytes() for texture in outside.mesh.textures}
    assert front.isdisjoint(texture.pixels.tobytes() for texture in inside.mesh.textures)


def test_every_kind_of_room_is_built_and_can_be_stood_in():
    kinds = set()
    for number in range(24):
        room = build_room(4, number, "gate")
        kinds.add(room.kind)
        x0, x1, y0, y1 = room.stand
        assert x0 < x1
        assert y0 < y1
        assert room.targets
        if len(kinds) == 6:
            break
    assert kinds == {"ballroom", "cellar", "gallery", "library", "nave", "rotunda"}
