import math

import numpy as np

from steeple.demo.render.mesh import Sprite, join, panel, stack
from steeple.demo.render.solids import box, frustum, gable_roof, turned
from steeple.demo.render.texture import make_texture

PLAIN = make_texture(np.zeros((8, 8, 4), np.uint8))


def test_a_wall_seen_from_the_front_points_to_the_front():
    mesh = stack([panel((-1, 0, 2), (2, 0, 0), (0, 0, -2), PLAIN)])
    np.testing.assert_allclose(mesh.normals, [[0, -1, 0]])
    np.testing.assert_allclose(mesh.corners, [(-1, 0, 2), (1, 0, 2), (1, 0, 0), (-1, 0, 0)])


def test_moving_turns_about_the_vertical_then_shifts():
    mesh = stack([panel((0, 0, 1), (2, 0, 0), (0, 0, -1), PLAIN)])
    moved = mesh.moved((10, 0, 0), math.pi / 2)
    np.testing.assert_allclose(moved.corners[1], (10, 2, 1), atol=1e-12)
    np.testing.assert_allclose(moved.normals, [[1, 0, 0]], atol=1e-12)


def test_joining_keeps_every_face_apart():
    one = stack([panel((0, 0, 1), (1, 0, 0), (0, 0, -1), PLAIN, outline=[(0, 0), (1, 0), (1, 1)])])
    two = stack([panel((5, 0, 1), (1, 0, 0), (0, 0, -1), PLAIN)])
    whole = join([one, two, one])
    assert whole.starts.tolist() == [0, 3, 7, 10]
    np.testing.assert_array_equal(whole.corners[3:7], two.corners)
    assert len(whole.textures) == 3


def test_solids_show_their_outside():
    solids = [
        *box((0, 0), (2, 2, 2), (PLAIN, PLAIN), top=PLAIN),
        *frustum((0, 0), (2, 2), (1, 1), (2, 3), PLAIN),
        *gable_roof((0, 0), (2, 2, 1), 3, PLAIN, PLAIN),
        *turned((0, 0), [(1, 0), (2, 1), (0.1, 3)], PLAIN),
    ]
    mesh = stack(solids)
    for face, normal in enumerate(mesh.normals):
        corners = mesh.corners[mesh.starts[face] : mesh.starts[face + 1]]
        outwards = corners.mean(axis=0) - [0, 0, 0.4]
        assert normal @ outwards > 0


def test_a_room_turned_inwards_shows_its_inside():
    mesh = stack(turned((0, 0), [(3, 0), (3, 2)], PLAIN, inward=True))
    middles = mesh.corners.reshape(-1, 4, 3).mean(axis=1) - [0, 0, 1]
    assert (np.einsum("ij,ij->i", mesh.normals, middles) < 0).all()


def test_a_sprite_turns_to_the_camera_and_stands_on_its_foot():
    face = Sprite((1.0, 2.0, 0.5), 2.0, 3.0, PLAIN).facing(np.array([4.0, -2.0, 9.0]))
    mesh = stack([face])
    np.testing.assert_allclose(mesh.normals[0], np.array([3, -4, 0]) / 5, atol=1e-12)
    np.testing.assert_allclose(mesh.corners.mean(axis=0), [1, 2, 2])
