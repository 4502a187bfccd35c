import numpy as np

from steeple.demo.render.texture import PAD, make_texture, mix, rgb, shade


def test_every_level_is_half_the_one_before_and_keeps_the_mean():
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (64, 128, 4), np.uint8)
    texture = make_texture(pixels)
    sizes = [(level.shape[1] - 2 * PAD, level.shape[0] - 2 * PAD) for level in texture.levels]
    assert sizes == [(128, 64), (64, 32), (32, 16), (16, 8), (8, 4)]
    assert texture.size == (128, 64)
    np.testing.assert_array_equal(texture.pixels, pixels)
    np.testing.assert_allclose(texture.mean, pixels.mean(axis=(0, 1)), atol=2)


def test_three_channels_get_a_fourth_that_nowhere_shines():
    texture = make_texture(np.full((8, 8, 3), 9, np.uint8))
    assert texture.pixels.shape == (8, 8, 4)
    assert not texture.pixels[:, :, 3].any()


def test_padding_repeats_a_tile_and_prolongs_anything_else():
    pixels = np.zeros((8, 8, 4), np.uint8)
    pixels[:, -1] = 200
    assert make_texture(pixels, tiled=True).levels[0][PAD, PAD - 1, 0] == 200
    assert make_texture(pixels).levels[0][PAD, PAD - 1, 0] == 0


def test_colours():
    assert rgb(0x102030) == (0x30, 0x20, 0x10)
    assert shade((100, 200, 50), 1.5) == (150, 255, 75)
    assert mix((0, 100, 200), (100, 0, 200), 0.25) == (25, 75, 200)
