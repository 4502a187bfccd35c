import numpy as np
import pytest

from steeple.demo.render.camera import look_at
from steeple.demo.render.mesh import panel, stack
from steeple.demo.render.scene import NEAR, Canvas, Light, clip
from steeple.demo.render.texture import make_texture

EVEN = Light(
    sun=np.array([0.0, 0.0, 1.0]),
    sun_colour=np.zeros(3),
    ambient=np.full(3, 1.25),
    flood=np.zeros(3),
    glow=np.zeros(3),
)


def plain(colour, **kind):
    pixels = np.zeros((16, 16, 4), np.uint8)
    pixels[:, :, :3] = colour
    return make_texture(pixels, **kind)


def straight(width=64, height=64):
    return look_at((0, -10, 0), (0, 0, 0), focal=64, width=width, height=height)


def wall(y, texture, half=1.0, **more):
    return panel((-half, y, half), (2 * half, 0, 0), (0, 0, -2 * half), texture, **more)


def test_a_wall_covers_the_pixels_its_projection_says():
    canvas = Canvas(straight())
    canvas.draw(stack([wall(0, plain((10, 100, 200)), half=2.0)]), EVEN)
    rows, columns = np.nonzero(canvas.nearness)
    # 2 metres at 10 metres through 64 pixels: 12.8 pixels to each side of the middle.
    assert (rows.min(), rows.max()) == pytest.approx((19, 44), abs=1)
    assert (columns.min(), columns.max()) == pytest.approx((19, 44), abs=1)
    np.testing.assert_array_equal(canvas.pixels[32, 32, :3], [10, 100, 200])
    assert canvas.nearness[32, 32] == pytest.approx(0.1)


def test_what_is_nearer_hides_what_is_farther_whatever_the_order():
    near, far = wall(-2, plain((0, 0, 250))), wall(3, plain((0, 250, 0)), half=4.0)
    for faces in ([near, far], [far, near]):
        canvas = Canvas(straight())
        canvas.draw(stack(faces), EVEN)
        np.testing.assert_array_equal(canvas.pixels[32, 32, :3], [0, 0, 250])
        np.testing.assert_array_equal(canvas.pixels[32, 50, :3], [0, 250, 0])


def test_walls_that_cross_hide_each_other_in_part():
    one = panel((-2, -2, 2), (4, 4, 0), (0, 0, -4), plain((250, 0, 0)))
    other = panel((-2, 2, 2), (4, -4, 0), (0, 0, -4), plain((0, 0, 250)))
    canvas = Canvas(straight())
    canvas.draw(stack([one, other]), EVEN)
    np.testing.assert_array_equal(canvas.pixels[32, 25, :3], [250, 0, 0])
    np.testing.assert_array_equal(canvas.pixels[32, 39, :3], [0, 0, 250])


def test_backs_of_walls_are_not_drawn():
    canvas = Canvas(straight())
    canvas.draw(stack([panel((1, 0, 1), (-2, 0, 0), (0, 0, -2), plain((9, 9, 9)))]), EVEN)
    assert not canvas.nearness.any()


def test_what_is_behind_the_camera_is_not_drawn():
    canvas = Canvas(straight())
    behind = panel((-1, -20, 1), (2, 0, 0), (0, 0, -2), plain((9, 9, 9)))
    canvas.draw(stack([behind]), EVEN)
    assert not canvas.nearness.any()


def test_ground_that_runs_under_the_camera_is_cut_at_the_lens():
    camera = look_at((0, 0, 1.6), (0, 10, 1.6), focal=64, width=64, height=64)
    ground = panel((-50, 50, 0), (100, 0, 0), (0, -100, 0), plain((7, 77, 177)))
    canvas = Canvas(camera)
    canvas.draw(stack([ground]), EVEN)
    assert not canvas.nearness[:32].any()
    assert canvas.nearness[36:].all()
    cut = clip(stack([ground]).corners, camera)
    assert ((cut - camera.position) @ camera.rotation[2] >= NEAR - 1e-9).all()


def test_under_draws_only_where_nothing_is():
    canvas = Canvas(straight())
    canvas.draw(stack([wall(3, plain((0, 250, 0)))]), EVEN)
    canvas.draw(stack([wall(-2, plain((0, 0, 250)), half=3.0)]), EVEN, under=True)
    np.testing.assert_array_equal(canvas.pixels[32, 32, :3], [0, 250, 0])
    np.testing.assert_array_equal(canvas.pixels[32, 48, :3], [0, 0, 250])


def test_a_cutout_leaves_out_what_is_not_there():
    pixels = np.zeros((16, 16, 4), np.uint8)
    pixels[:, 8:] = 200
    canvas = Canvas(straight())
    canvas.draw(stack([wall(0, make_texture(pixels, cutout=True), half=4.0)]), EVEN)
    assert not canvas.nearness[32, 20]
    assert canvas.nearness[32, 44]


def test_a_texture_stands_upright_and_not_mirrored():
    pixels = np.zeros((64, 64, 4), np.uint8)
    pixels[:32, :32] = (255, 0, 0, 0)
    pixels[:32, 32:] = (0, 255, 0, 0)
    pixels[32:, :32] = (0, 0, 255, 0)
    canvas = Canvas(straight())
    canvas.draw(stack([wall(0, make_texture(pixels), half=4.0)]), EVEN)
    assert canvas.pixels[22, 22, :3].tolist() == [255, 0, 0]
    assert canvas.pixels[22, 42, :3].tolist() == [0, 255, 0]
    assert canvas.pixels[42, 22, :3].tolist() == [0, 0, 255]


def test_light_falls_by_the_angle_and_windows_shine_at_night():
    light = Light(
        sun=np.array([0.0, -1.0, 0.0]),
        sun_colour=np.array([0.2, 0.4, 0.6]),
        ambient=np.zeros(3),
        flood=np.zeros(3),
        glow=np.array([0.1, 0.2, 0.3]),
    )
    towards, away = np.array([[0.0, -1.0, 0.0]]), np.array([[0.0, 1.0, 0.0]])
    one, none = np.ones((1, 3)), np.zeros(1)
    lit = light.matrices(towards, one, none)[0]
    np.testing.assert_allclose(np.diag(lit)[:3], [0.2, 0.4, 0.6], rtol=1e-6)
    np.testing.assert_allclose(lit[:3, 3], [0.1, 0.2, 0.3], rtol=1e-6)
    assert not np.diag(light.matrices(away, one, none)[0])[:3].any()
