"""The camera against projections written out by hand."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steeple.demo.render.camera import look_at


def by_hand(camera_at, heading, pitch, roll, focal, size, point):
    """Turn the world step by step: yaw, then pitch, then roll, then divide by depth."""
    x, y, z = (float(p - c) for p, c in zip(point, camera_at, strict=True))
    right = x * math.cos(heading) - y * math.sin(heading)
    ahead = x * math.sin(heading) + y * math.cos(heading)
    depth = ahead * math.cos(pitch) + z * math.sin(pitch)
    up = -ahead * math.sin(pitch) + z * math.cos(pitch)
    u = right * math.cos(roll) - up * math.sin(roll)
    v = -right * math.sin(roll) - up * math.cos(roll)
    return size[0] / 2 + focal * u / depth, size[1] / 2 + focal * v / depth, depth


def test_what_is_straight_ahead_is_in_the_middle():
    camera = look_at((0, -10, 2), (0, 0, 2), focal=100, width=80, height=60)
    pixels, depth = camera.project([(0, 0, 2), (1, 0, 2), (0, 0, 3), (0, -20, 2)])
    np.testing.assert_allclose(pixels[:3], [[40, 30], [50, 30], [40, 20]], atol=1e-9)
    np.testing.assert_allclose(depth, [10, 10, 10, -10], atol=1e-9)


@given(
    heading=st.floats(-3, 3),
    pitch=st.floats(-1.2, 1.2),
    roll=st.floats(-0.5, 0.5),
    side=st.floats(-0.5, 0.5),
    lift=st.floats(-0.5, 0.5),
    far=st.floats(2, 50),
)
def test_projection_agrees_with_rotations_written_out(heading, pitch, roll, side, lift, far):
    at = np.array([3.0, -7.0, 1.6])
    ahead = np.array(
        [
            math.sin(heading) * math.cos(pitch),
            math.cos(heading) * math.cos(pitch),
            math.sin(pitch),
        ]
    )
    camera = look_at(at, at + 5 * ahead, focal=321.0, width=200, height=100, roll=roll)
    aside = np.array([side * math.cos(heading), -side * math.sin(heading), lift * 0.3])
    point = at + far * (ahead + aside)
    pixels, depth = camera.project([point])
    u, v, expected = by_hand(at, heading, pitch, roll, 321.0, (200, 100), point)
    assert depth[0] == pytest.approx(expected, abs=1e-8)
    if expected > 0.1:
        np.testing.assert_allclose(pixels[0], [u, v], rtol=1e-7, atol=1e-6)


def test_scaled_camera_sees_the_same_view():
    camera = look_at((1, -9, 4), (0, 0, 5), focal=90, width=64, height=48, roll=0.1)
    points = [(0.5, 1, 3), (-2, 0, 6)]
    small, large = camera.project(points)[0], camera.scaled(3).project(points)[0]
    np.testing.assert_allclose(large, 3 * small)
