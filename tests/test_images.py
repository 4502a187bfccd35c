"""Photos of every kind come out as the same upright RGB; everything else is one ImageError."""

from __future__ import annotations

import builtins
import contextlib
import io
import os
import random
import struct
import sys
import threading
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from steeple import images
from steeple.errors import ImageError, InputError
from steeple.images import (
    MAX_PIXELS,
    SUFFIXES,
    image_size,
    is_photo,
    read_image,
    resize,
    thumbnail,
)

WIDTH, HEIGHT = 40, 24
ORIENTATION = 274


def scene(width: int = WIDTH, height: int = HEIGHT) -> Image.Image:
    """A smooth picture whose four corners differ, so that every turn and flip shows."""
    y, x = np.mgrid[0:height, 0:width]
    channels = (x * 255 / width, y * 255 / height, (x + y) * 127 / (width + height) + 60)
    return Image.fromarray(np.stack(channels, axis=-1).astype(np.uint8))


def encode(image: Image.Image, kind: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def exif(orientation: int) -> Image.Exif:
    tags = Image.Exif()
    tags[ORIENTATION] = orientation
    tags[271] = "maker"
    tags.get_ifd(0x8769)[36867] = "2020:01:01 00:00:00"
    return tags


def heif(image: Image.Image, **options: Any) -> bytes:
    pillow_heif = pytest.importorskip("pillow_heif", reason="the heif extra is not installed")
    stream = io.BytesIO()
    pillow_heif.from_pillow(image).save(stream, quality=95, **options)
    return stream.getvalue()


def close(actual: np.ndarray, expected: np.ndarray, tolerance: float = 4.0) -> bool:
    assert actual.shape == expected.shape
    return float(np.abs(actual.astype(float) - expected.astype(float)).mean()) <= tolerance


SCENE = np.asarray(scene())


class TestFormats:
    @pytest.mark.parametrize("kind", ["PNG", "TIFF", "BMP"])
    def test_lossless(self, kind: str) -> None:
        pixels = read_image(encode(scene(), kind))
        np.testing.assert_array_equal(pixels, SCENE)
        assert pixels.dtype == np.uint8
        assert pixels.flags.c_contiguous
        assert pixels.flags.writeable

    @pytest.mark.parametrize("kind", ["JPEG", "WEBP", "AVIF", "GIF", "MPO"])
    def test_lossy(self, kind: str) -> None:
        assert close(read_image(encode(scene(), kind)), SCENE, 8)

    @pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_adobe_deflate", "packbits"])
    def test_compressed_tiff(self, compression: str) -> None:
        np.testing.assert_array_equal(
            read_image(encode(scene(), "TIFF", compression=compression)), SCENE
        )

    def test_heif(self) -> None:
        assert close(read_image(heif(scene())), SCENE)

    def test_heif_without_the_extra(self, monkeypatch: pytest.MonkeyPatch) -> None:
        data = heif(scene())
        real = builtins.__import__

        def guarded(name: str, *rest: Any, **more: Any) -> Any:
            if name == "pillow_heif":
                raise ImportError(name)
            return real(name, *rest, **more)

        monkeypatch.delitem(sys.modules, "pillow_heif")
        monkeypatch.setattr(builtins, "__import__", guarded)
        with pytest.raises(ImageError, match=r"a\.heic: .*pip install 'steeple\[heif\]'"):
            read_image(data, name="a.heic")

    def test_an_avif_of_the_brand_mif1(self) -> None:
        data = encode(scene(), "AVIF")
        assert data[8:12] == b"avif"
        assert close(read_image(data[:8] + b"mif1" + data[12:]), SCENE)

    def test_the_suffix_does_not_matter(self, tmp_path: Path) -> None:
        path = tmp_path / "really-a-png.jpg"
        path.write_bytes(encode(scene(), "PNG"))
        np.testing.assert_array_equal(read_image(path), SCENE)
        np.testing.assert_array_equal(read_image(str(path)), SCENE)

    @pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP", "TIFF", "BMP", "AVIF"])
    def test_one_pixel(self, kind: str) -> None:
        assert read_image(encode(scene(1, 1), kind)).shape == (1, 1, 3)

    @pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF", "AVIF"])
    def test_the_first_of_several_frames(self, kind: str) -> None:
        black = Image.new("RGB", scene().size)
        data = encode(scene(), kind, save_all=True, append_images=[black])
        assert close(read_image(data), SCENE, 8)


class TestModes:
    def test_grey(self) -> None:
        grey = scene().convert("L")
        expected = np.repeat(np.asarray(grey)[..., None], 3, axis=2)
        np.testing.assert_array_equal(read_image(encode(grey, "PNG")), expected)

    def test_one_bit(self) -> None:
        bits = scene().convert("1")
        np.testing.assert_array_equal(
            read_image(encode(bits, "PNG")), np.asarray(bits.convert("RGB"))
        )

    @pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
    def test_cmyk(self, kind: str) -> None:
        # Pillow writes CMYK JPEGs as Adobe does, inverted.
        data = encode(scene().convert("CMYK"), kind)
        assert close(read_image(data), SCENE)

    @pytest.mark.parametrize("kind", ["PNG", "TIFF"])
    def test_16_bits_are_scaled_and_not_clipped(self, kind: str) -> None:
        grey = np.asarray(scene().convert("L"))
        pixels = read_image(encode(Image.fromarray(grey.astype(np.uint16) * 257), kind))
        np.testing.assert_array_equal(pixels, np.repeat(grey[..., None], 3, axis=2))

    def test_16_bits_round_to_nearest(self) -> None:
        values = np.array([[0, 128, 129, 257, 32767, 32768, 65406, 65407, 65535]], np.uint16)
        pixels = read_image(encode(Image.fromarray(values), "PNG"))
        np.testing.assert_array_equal(pixels[0, :, 0], np.rint(values[0] / 257))

    def test_16_bit_big_endian_tiff(self) -> None:
        grey = np.asarray(scene().convert("L")).astype(">u2") * 257
        image = Image.frombytes("I;16B", (WIDTH, HEIGHT), grey.astype(">u2").tobytes())
        pixels = read_image(encode(image, "TIFF"))
        np.testing.assert_array_equal(pixels[..., 0], np.asarray(scene().convert("L")))

    def test_16_bit_colour(self) -> None:
        data = cv2.imencode(".png", SCENE[..., ::-1].astype(np.uint16) * 257)[1].tobytes()
        np.testing.assert_array_equal(read_image(data), SCENE)

    @pytest.mark.parametrize(
        ("values", "expected"),
        [
            ([0.0, 0.5, 1.0], [0, 128, 255]),
            ([0.0, 100.0, 255.0], [0, 100, 255]),
            ([0.0, 257.0, 65535.0], [0, 1, 255]),
            ([-1.0, 0.0, 1.0], [0, 128, 255]),
            ([1e6, 2e6, 3e6], [0, 128, 255]),
            ([np.nan, 0.25, np.inf], [0, 64, 0]),
            ([np.nan, np.nan, np.nan], [0, 0, 0]),
            ([-3e38, 0.0, 3e38], [0, 128, 255]),
            ([7e9, 7e9, 7e9], [0, 0, 0]),
        ],
    )
    def test_floats(self, values: list[float], expected: list[int]) -> None:
        image = Image.fromarray(np.array([values], np.float32))
        np.testing.assert_array_equal(read_image(encode(image, "TIFF"))[0, :, 1], expected)

    @pytest.mark.parametrize(
        ("values", "expected"),
        [
            ([0, 7, 255], [0, 7, 255]),
            ([0, 257, 65535], [0, 1, 255]),
            ([-(2**31), 0, 2**31 - 1], [0, 128, 255]),
        ],
    )
    def test_32_bit_integers(self, values: list[int], expected: list[int]) -> None:
        image = Image.fromarray(np.array([values], np.int32))
        np.testing.assert_array_equal(read_image(encode(image, "TIFF"))[0, :, 1], expected)

    def test_palette(self) -> None:
        image = scene().quantize(64)
        expected = np.asarray(image.convert("RGB"))
        np.testing.assert_array_equal(read_image(encode(image, "PNG")), expected)

    @pytest.mark.parametrize("kind", ["PNG", "GIF"])
    def test_palette_with_a_transparent_entry(self, kind: str) -> None:
        image = Image.new("P", (2, 1))
        image.putpalette([200, 0, 0, 0, 0, 200])
        image.putpixel((1, 0), 1)
        pixels = read_image(encode(image, kind, transparency=1))
        np.testing.assert_array_equal(pixels, [[[200, 0, 0], [255, 255, 255]]])

    def test_palette_with_alpha_per_entry(self) -> None:
        image = Image.new("P", (2, 1))
        image.putpalette([200, 0, 0, 0, 0, 200])
        image.putpixel((1, 0), 1)
        pixels = read_image(encode(image, "PNG", transparency=b"\xff\x80"))
        np.testing.assert_allclose(pixels, [[[200, 0, 0], [127, 127, 227]]], atol=1)

    @pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF", "AVIF"])
    def test_alpha_goes_over_white(self, kind: str) -> None:
        image = Image.new("RGBA", (16, 16), (200, 0, 0, 255))
        image.paste((0, 0, 0, 0), (8, 0, 16, 16))
        lossless = {"lossless": True} if kind == "WEBP" else {}
        pixels = read_image(encode(image, kind, **lossless))
        assert close(pixels[:, :7], np.full((16, 7, 3), (200, 0, 0)))
        assert close(pixels[:, 9:], np.full((16, 7, 3), 255))

    def test_grey_with_alpha(self) -> None:
        image = Image.new("LA", (2, 1), (100, 255))
        image.putpixel((1, 0), (0, 0))
        pixels = read_image(encode(image, "PNG"))
        np.testing.assert_array_equal(pixels, [[[100, 100, 100], [255, 255, 255]]])

    @pytest.mark.parametrize(("mode", "key"), [("RGB", (200, 0, 0)), ("L", 200), ("1", 1)])
    def test_a_transparent_colour(self, mode: str, key: Any) -> None:
        image = Image.new(mode, (3, 2), key)
        assert read_image(encode(image, "PNG", transparency=key)).min() == 255

    def test_a_transparent_colour_of_16_bits(self) -> None:
        # The keys of 16-bit PNGs have 16 bits, more than Pillow's 8-bit image holds.
        data = cv2.imencode(".png", np.full((2, 2, 3), 5000, np.uint16))[1].tobytes()
        key = struct.pack(">4sHHH", b"tRNS", 5000, 5000, 5000)
        chunk = struct.pack(">I", 6) + key + struct.pack(">I", zlib.crc32(key))
        at = data.index(b"IDAT") - 4
        assert read_image(data[:at] + chunk + data[at:]).shape == (2, 2, 3)

    def test_lab(self) -> None:
        assert close(read_image(encode(scene().convert("LAB"), "TIFF")), SCENE)


class TestOrientation:
    @pytest.mark.parametrize("orientation", range(1, 9))
    @pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
    def test_every_orientation(self, kind: str, orientation: int) -> None:
        options = {"lossless": True} if kind == "WEBP" else {}
        data = encode(scene(), kind, exif=exif(orientation), **options)
        with Image.open(io.BytesIO(data)) as image:
            expected = np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
        pixels = read_image(data)
        assert close(pixels, expected, 0.5)
        assert image_size(data) == (pixels.shape[1], pixels.shape[0])
        assert pixels.flags.c_contiguous

    @pytest.mark.parametrize("orientation", [1, 3, 6])
    def test_heif_is_turned_once(self, orientation: int) -> None:
        data = heif(scene(), exif=exif(orientation).tobytes())
        upright = ImageOps.exif_transpose(tagged(scene(), orientation))
        pixels = read_image(data)
        assert close(pixels, np.asarray(upright))
        assert image_size(data) == (pixels.shape[1], pixels.shape[0])

    @pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
    @pytest.mark.parametrize("tag", [0, 9, 65535])
    def test_a_senseless_orientation_is_none(self, kind: str, tag: int) -> None:
        assert read_image(encode(scene(), kind, exif=exif(tag))).shape == (HEIGHT, WIDTH, 3)

    @pytest.mark.parametrize(
        "bad",
        [
            b"Exif\0\0",
            b"Exif\0\0garbage that is no TIFF header",
            exif(6).tobytes()[:30],
        ],
    )
    def test_damaged_exif_costs_no_photo(self, bad: bytes) -> None:
        pixels = read_image(encode(scene(), "JPEG", exif=bad, quality=95))
        assert sorted(pixels.shape) == [3, HEIGHT, WIDTH]

    def test_the_draft_is_turned_too(self) -> None:
        data = encode(scene(800, 400), "JPEG", exif=exif(6), quality=95)
        pixels = read_image(data, max_side=100)
        assert pixels.shape == (100, 50, 3)
        expected = read_image(encode(scene(100, 50), "JPEG", exif=exif(6), quality=95))
        assert close(pixels, expected)


def tagged(image: Image.Image, orientation: int) -> Image.Image:
    image.getexif()[ORIENTATION] = orientation
    return image


class TestSize:
    @pytest.mark.parametrize("kind", ["JPEG", "PNG"])
    @pytest.mark.parametrize("size", [(301, 200), (200, 301), (1600, 3), (900, 899)])
    @pytest.mark.parametrize("max_side", [1, 37, 100, 150, 300])
    def test_the_long_side_is_exact(self, kind: str, size: tuple[int, int], max_side: int) -> None:
        pixels = read_image(encode(scene(*size), kind), max_side=max_side)
        assert max(pixels.shape[:2]) == max_side
        short = max(1, round(min(size) * max_side / max(size)))
        assert min(pixels.shape[:2]) == pytest.approx(short, abs=1)

    @given(
        st.integers(1, 600), st.integers(1, 600), st.integers(1, 700), st.sampled_from([1, 3, 6, 8])
    )
    @settings(max_examples=40, deadline=None)
    def test_a_draft_has_the_shape_of_a_full_decode(
        self, width: int, height: int, max_side: int, orientation: int
    ) -> None:
        data = encode(Image.new("RGB", (width, height)), "JPEG", exif=exif(orientation))
        expected = resize(read_image(data), max_side).shape
        actual = read_image(data, max_side=max_side).shape
        assert max(actual) == max(expected)
        np.testing.assert_allclose(actual, expected, atol=1)

    def test_nothing_is_enlarged(self) -> None:
        assert read_image(encode(scene(), "JPEG"), max_side=4000).shape == (HEIGHT, WIDTH, 3)

    def test_a_draft_looks_like_a_full_decode(self) -> None:
        data = encode(scene(1000, 700), "JPEG", quality=95)
        assert close(read_image(data, max_side=120), resize(read_image(data), 120), 1.5)

    def test_resize_averages_areas(self) -> None:
        image = np.zeros((4, 4, 3), np.uint8)
        image[:, ::2] = 200
        np.testing.assert_array_equal(resize(image, 2), np.full((2, 2, 3), 100))

    def test_resize_of_a_grey_image(self) -> None:
        assert resize(np.zeros((10, 20), np.uint8), 10).shape == (5, 10)

    def test_resize_leaves_small_images_alone(self) -> None:
        image = np.zeros((4, 6, 3), np.uint8)
        assert resize(image, 6) is image

    def test_resize_of_a_line(self) -> None:
        assert resize(np.zeros((1, 100_000, 3), np.uint8), 10).shape == (1, 10, 3)

    @pytest.mark.parametrize(
        "call",
        [
            lambda: read_image(b"", max_side=0),
            lambda: resize(SCENE, 0),
            lambda: thumbnail(SCENE, -3),
        ],
    )
    def test_a_side_below_one(self, call: Callable[[], object]) -> None:
        with pytest.raises(InputError, match="give 1 or more"):
            call()

    def test_thumbnail(self) -> None:
        data = thumbnail(np.asarray(scene(400, 200)), 100)
        assert data.startswith(b"\xff\xd8\xff")
        assert close(read_image(data), np.asarray(scene(100, 50)))

    def test_image_size_does_not_decode(self) -> None:
        data = encode(scene(300, 200), "JPEG", exif=exif(8))
        assert image_size(data[: data.index(b"\xff\xda") + 14]) == (200, 300)


def png_header(width: int, height: int) -> bytes:
    body = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + struct.pack(">I", 13)
        + body
        + struct.pack(">I", zlib.crc32(body))
        + struct.pack(">I", 9)
        + b"IDAT"
        + bytes(13)
    )


class TestErrors:
    def fails(self, source: Path | bytes, match: str) -> str:
        with pytest.raises(ImageError, match=match) as caught:
            read_image(source)
        message = str(caught.value)
        assert "\n" not in message
        with pytest.raises(ImageError):
            image_size(source)
        return message

    def test_no_such_file(self, tmp_path: Path) -> None:
        message = self.fails(tmp_path / "away.jpg", "no such file; check the path")
        assert str(tmp_path / "away.jpg") in message

    def test_a_folder(self, tmp_path: Path) -> None:
        self.fails(tmp_path, "not a file")

    def test_a_pipe_is_not_waited_for(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe.jpg")
        self.fails(tmp_path / "pipe.jpg", "not a file")

    def test_an_empty_file(self, tmp_path: Path) -> None:
        (tmp_path / "empty.jpg").touch()
        self.fails(tmp_path / "empty.jpg", r"empty\.jpg: the file is empty; copy it again")

    def test_no_bytes(self) -> None:
        self.fails(b"", "a photo given as bytes: the file is empty")

    def test_a_path_that_cannot_be(self) -> None:
        self.fails(Path("a\0b.jpg"), "cannot be opened")

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
    def test_no_permission(self, tmp_path: Path) -> None:
        path = tmp_path / "locked.jpg"
        path.write_bytes(encode(scene(), "JPEG"))
        path.chmod(0)
        self.fails(path, "cannot be opened .*permission")

    @pytest.mark.parametrize(
        "data",
        [
            b"<html><body>404</body></html>",
            b"x",
            b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
            b"\0\0\0\x18ftypisom\0\0\0\0isommp42",
            b"P6 1 1 255 abc",
        ],
    )
    def test_not_a_photo(self, data: bytes) -> None:
        self.fails(data, "not a photo in a format that is read .*JPEG.*; convert it")

    def test_the_name_is_used(self) -> None:
        with pytest.raises(ImageError, match=r"^row 7: "):
            read_image(b"nothing", name="row 7")

    def test_a_line_break_in_a_name(self) -> None:
        with pytest.raises(ImageError, match=r"^one two: ") as caught:
            read_image(b"nothing", name="one\ntwo")
        assert "\n" not in str(caught.value)

    @pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "BMP", "AVIF"])
    def test_cut_short(self, kind: str) -> None:
        data = encode(scene(200, 200), kind)
        with pytest.raises(ImageError, match=f"the {kind} data is damaged or cut short .*; copy"):
            read_image(data[: len(data) // 2])

    @pytest.mark.parametrize("kind", ["PNG", "TIFF", "BMP", "GIF"])
    def test_a_bomb_is_refused_by_its_header(self, kind: str) -> None:
        assert MAX_PIXELS == 200_000_000
        side = 20_000
        if kind == "PNG":
            data = png_header(side, side)
        elif kind == "TIFF":
            small = encode(Image.new("L", (7, 5)), "TIFF")
            data = bytearray(small)
            offset = struct.unpack("<I", small[4:8])[0]
            for entry in range(2):  # ImageWidth and ImageLength come first
                at = offset + 2 + 12 * entry
                data[at + 2 : at + 12] = struct.pack("<HII", 4, 1, side)
        elif kind == "BMP":
            data = bytearray(encode(Image.new("L", (7, 5)), "BMP"))
            data[18:26] = struct.pack("<ii", side, side)
        else:
            data = bytearray(encode(Image.new("L", (7, 5)), "GIF"))
            data[6:10] = struct.pack("<HH", side, side)
        self.fails(bytes(data), "20000 x 20000 pixels, more than the 200 megapixels")

    def test_a_webp_bomb(self) -> None:
        data = bytearray(encode(scene(), "WEBP", exif=exif(6)))
        assert data[12:16] == b"VP8X"
        data[24:30] = (16_382).to_bytes(3, "little") * 2
        self.fails(bytes(data), "more memory than the photo decoder gets|WEBP")

    def test_large_but_allowed_warns_of_nothing(self) -> None:
        # 100 megapixels: Image.open would warn, and pytest turns warnings into errors.
        data = encode(Image.new("1", (10_000, 10_000)), "TIFF", compression="group4")
        assert image_size(data) == (10_000, 10_000)

    def test_pillow_is_left_as_it_was(self) -> None:
        limit, before = Image.MAX_IMAGE_PIXELS, list(warnings.filters)
        read_image(encode(scene(), "JPEG"))
        assert before == warnings.filters
        assert limit == Image.MAX_IMAGE_PIXELS

    def test_odd_metadata_warns_of_nothing_in_any_thread(self) -> None:
        odd = exif(6).tobytes()[:30]
        data = encode(scene(), "JPEG", exif=odd)
        with pytest.warns(UserWarning, match="Truncated"), Image.open(io.BytesIO(data)) as image:
            image.getexif()
        before, failures = list(warnings.filters), []

        def work() -> None:
            try:
                for _ in range(20):
                    read_image(data)
            except BaseException as error:  # noqa: BLE001 - a thread has no other way to tell
                failures.append(error)

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []
        assert before == warnings.filters


def samples() -> dict[str, bytes]:
    """One small valid file of every format and of the kinds within it."""
    image = scene(29, 23)
    grey16 = Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257)
    turned = Image.new("RGB", image.size)
    found = {
        "jpeg": encode(image, "JPEG", exif=exif(6)),
        "jpeg-progressive": encode(image, "JPEG", progressive=True),
        "jpeg-cmyk": encode(image.convert("CMYK"), "JPEG"),
        "png": encode(image, "PNG", exif=exif(6)),
        "png-16": encode(grey16, "PNG"),
        "png-palette": encode(image.quantize(16), "PNG", transparency=b"\x00\x80" * 8),
        "png-animated": encode(image, "PNG", save_all=True, append_images=[turned]),
        "webp": encode(image, "WEBP", exif=exif(6)),
        "webp-lossless": encode(image.convert("RGBA"), "WEBP", lossless=True),
        "webp-animated": encode(image, "WEBP", save_all=True, append_images=[turned]),
        "tiff": encode(image, "TIFF", exif=exif(6)),
        "tiff-lzw": encode(image, "TIFF", compression="tiff_lzw"),
        "tiff-jpeg": encode(image, "TIFF", compression="jpeg"),
        "tiff-float": encode(image.convert("F"), "TIFF"),
        "bmp": encode(image, "BMP"),
        "bmp-palette": encode(image.quantize(16), "BMP"),
        "gif": encode(image, "GIF"),
        "gif-animated": encode(image, "GIF", save_all=True, append_images=[turned], disposal=2),
        "avif": encode(image, "AVIF", exif=exif(6)),
    }
    with contextlib.suppress(pytest.skip.Exception):
        found["heic"] = heif(image)
    return found


SAMPLES = samples()


def damage(data: bytes, seed: int) -> bytes:
    """Alter a few bytes, now and then insert some, now and then cut the end off."""
    rng = random.Random(seed)
    damaged = bytearray(data)
    reach = rng.choice([40, 200, len(damaged)])  # headers are where the interesting bytes are
    for _ in range(rng.choice([0, 1, 1, 2, 4, 30])):
        at = rng.randrange(min(reach, len(damaged)))
        damaged[at] = rng.choice(
            [0, 1, 255, rng.randrange(256), damaged[at] ^ 1 << rng.randrange(8)]
        )
    if rng.random() < 0.1:
        at = rng.randrange(len(damaged))
        damaged[at:at] = rng.randbytes(rng.randrange(9))
    if rng.random() < 0.3:
        del damaged[rng.randrange(len(damaged)) :]
    return bytes(damaged)


class TestDamage:
    @pytest.mark.parametrize("kind", sorted(SAMPLES))
    def test_an_array_or_an_image_error(self, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
        # Small enough that a damaged header cannot make the test slow.
        monkeypatch.setattr(images.decoding, "MAX_PIXELS", 500_000)
        for seed in range(150):
            data = damage(SAMPLES[kind], seed)
            for max_side in (None, 9):
                try:
                    pixels = read_image(data, max_side=max_side)
                except ImageError:
                    continue
                assert pixels.dtype == np.uint8
                assert pixels.shape[2] == 3
                assert pixels.size
                assert max_side is None or max(pixels.shape[:2]) <= max_side

    @given(st.binary(max_size=200), st.sampled_from(["", *SAMPLES]))
    @settings(max_examples=200, deadline=None)
    def test_any_bytes(self, tail: bytes, kind: str) -> None:
        data = SAMPLES[kind][:16] + tail if kind else tail
        with contextlib.suppress(ImageError):
            assert read_image(data).ndim == 3


class TestNames:
    @pytest.mark.parametrize("name", ["a.jpg", "b/c.JPEG", "d.HeIc", "e.tif", "f.avif", "x.y.png"])
    def test_photos(self, name: str) -> None:
        assert is_photo(name)
        assert is_photo(Path(name))

    @pytest.mark.parametrize("name", ["a.txt", "jpg", "b.jpg.part", "._a.jpg", "c.mp4", ".jpg"])
    def test_others(self, name: str) -> None:
        assert not is_photo(name)

    def test_suffixes_are_lower_case(self) -> None:
        assert all(suffix == suffix.lower() and suffix[0] == "." for suffix in SUFFIXES)
