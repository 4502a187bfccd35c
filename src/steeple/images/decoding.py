"""Photo files to pixels: which format it is, the limits, and every failure as one ImageError.

What kind a file is says its first bytes, never its suffix. The decoders are Pillow's, called one
by one and not through ``Image.open``: so only the formats named here can be reached, and the limit
on pixels is ours (:data:`MAX_PIXELS`). Colour profiles are not applied.
"""

from __future__ import annotations

import io
import stat
import struct
import threading
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import ExifTags, Image, ImageFile
from PIL.AvifImagePlugin import AvifImageFile
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from steeple.errors import ImageError
from steeple.images.pixels import UPRIGHT, Pixels, check_side, resize, to_rgb

__all__ = [
    "MAX_PIXELS",
    "SUFFIXES",
    "image_size",
    "is_photo",
    "read_image",
]

MAX_PIXELS = 200_000_000
"""Photos with more pixels than this (width x height) are refused before they are decoded."""

_JPEG_SUFFIXES = frozenset({".jpg", ".jpeg", ".jpe", ".jfif"})
_HEIF_SUFFIXES = frozenset({".heic", ".heif", ".hif"})
_OTHER_SUFFIXES = frozenset({".png", ".webp", ".tif", ".tiff", ".bmp", ".gif", ".avif"})
SUFFIXES = _JPEG_SUFFIXES | _HEIF_SUFFIXES | _OTHER_SUFFIXES
"""The file suffixes, in lower case, that are taken for photos when a folder is walked."""

_FORMATS = "JPEG, PNG, WebP, TIFF, BMP, GIF, AVIF, HEIC"
_SIGNATURES: tuple[tuple[bytes, type[ImageFile.ImageFile]], ...] = (
    (b"\xff\xd8\xff", JpegImageFile),
    (b"\x89PNG\r\n\x1a\n", PngImageFile),
    (b"GIF87a", GifImageFile),
    (b"GIF89a", GifImageFile),
    (b"II*\0", TiffImageFile),
    (b"MM\0*", TiffImageFile),
    (b"II+\0", TiffImageFile),  # BigTIFF
    (b"MM\0+", TiffImageFile),
    (b"BM", BmpImageFile),
)
# The brands of ISO base media files, ISO/IEC 23008-12 (HEIF) and the AV1 Image File Format.
_AVIF_BRANDS = frozenset({b"avif", b"avis"})
_HEIF_BRANDS = frozenset(
    {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"}
)

# What decoders raise on damaged files. The first five were met when 500,000 samples were cut and
# altered at random; the others are what Pillow itself guards its parsers against, its assertions,
# and warnings, which a caller may have turned into errors.
_DECODER_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    RuntimeError,
    TypeError,
    AttributeError,
    LookupError,
    ArithmeticError,
    AssertionError,
    struct.error,
    zlib.error,
    Warning,
)

_quiet_lock = threading.Lock()


def is_photo(path: Path | str) -> bool:
    """Say from its name alone whether a file is taken for a photo; hidden files are not."""
    path = Path(path)
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".")


def read_image(
    source: Path | str | bytes, *, max_side: int | None = None, name: str | None = None
) -> Pixels:
    """Decode a photo: upright, 8-bit RGB, the first frame if it moves, over white if transparent.

    16-bit samples are scaled to 8 bits. 32-bit and float samples carry no range: 0..1 (floats),
    0..255 and 0..65535 are taken for what they look like, anything else is stretched to fit.

    Args:
        source: a file, or the bytes of one.
        max_side: the long side of the result in pixels, at most; a smaller photo stays as it is.
        name: what to call the photo in messages, instead of its path.

    Returns:
        (H, W, 3) uint8, contiguous and writable.

    Raises:
        ImageError: the photo cannot be decoded; the message names it, the reason and the way out.
        InputError: ``max_side`` is less than 1.
    """
    check_side(max_side)
    with _header(source, name) as (image, orientation):
        if max_side is not None and isinstance(image, JpegImageFile):
            _decode_smaller(image, max_side)
        # Pillow reads the rest of a TIFF's metadata, and warns of it, as late as here.
        with _quiet() if isinstance(image, TiffImageFile) else nullcontext():
            image.load()
        pixels = to_rgb(image)
    if max_side is not None:
        pixels = resize(pixels, max_side)
    return np.ascontiguousarray(UPRIGHT[orientation](pixels))


def image_size(source: Path | str | bytes, *, name: str | None = None) -> tuple[int, int]:
    """Read (width, height) in pixels, upright, from the header alone.

    Raises:
        ImageError: the header cannot be read; the message names the photo and the reason.
    """
    with _header(source, name) as (image, orientation):
        width, height = image.size
    return (height, width) if orientation >= 5 else (width, height)


@contextmanager
def _header(
    source: Path | str | bytes, name: str | None
) -> Iterator[tuple[ImageFile.ImageFile, int]]:
    """Open a photo and yield it, not yet decoded, with its EXIF orientation (1 to 8).

    Whatever Pillow raises, here or while the caller decodes inside the block, becomes ImageError.
    """
    label = name or ("a photo given as bytes" if isinstance(source, bytes) else str(source))
    with _open_stream(source, label) as stream:
        kind = "photo"
        try:
            plugin = _find_plugin(stream, label)
            kind = plugin.format or kind
            with _quiet():
                image = plugin(stream, label)
                orientation = _orientation(image)
            width, height = image.size
            if width * height > MAX_PIXELS:
                raise _error(
                    label,
                    f"{width} x {height} pixels, more than the {MAX_PIXELS // 10**6} megapixels "
                    "that are decoded",
                    "make a smaller copy",
                )
            yield image, orientation
        except ImageError:
            raise
        except (MemoryError, Image.DecompressionBombError) as error:
            raise _error(
                label, f"it takes more memory than the {kind} decoder gets", "make a smaller copy"
            ) from error
        except _DECODER_ERRORS as error:
            raise _error(
                label,
                f"the {kind} data is damaged or cut short ({error or type(error).__name__})",
                "copy the file again from its source, or leave it out",
            ) from error


def _error(label: str, reason: str, way_out: str) -> ImageError:
    # A file name or a decoder's text may hold line breaks; a message is one line.
    return ImageError(" ".join(f"{label}: {reason}; {way_out}".split()))


def _open_stream(source: Path | str | bytes, label: str) -> BinaryIO:
    if isinstance(source, bytes):
        return io.BytesIO(source)
    try:
        # Opening a pipe or a device would wait for ever.
        if not stat.S_ISREG(Path(source).stat().st_mode):
            raise _error(label, "not a file", "give the photos one by one")
        # One large first read: most headers are then in memory before _quiet() is entered.
        return Path(source).open("rb", buffering=1 << 18)
    except FileNotFoundError as error:
        raise _error(label, "no such file", "check the path") from error
    except ImageError:
        raise
    except (OSError, ValueError) as error:  # ValueError: a zero byte, a lone surrogate
        reason = error.strerror if isinstance(error, OSError) else error
        raise _error(
            label, f"cannot be opened ({reason})", "check the path and its permissions"
        ) from error


def _find_plugin(stream: BinaryIO, label: str) -> type[ImageFile.ImageFile]:
    """Tell the format from the first bytes; the stream is left at its start."""
    head = stream.read(256)
    stream.seek(0)
    if not head:
        raise _error(label, "the file is empty", "copy it again from its source, or leave it out")
    for signature, plugin in _SIGNATURES:
        if head.startswith(signature):
            return plugin
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return WebPImageFile
    if head[4:8] == b"ftyp":
        # Box: size, "ftyp", major brand, version, then the compatible brands.
        end = int.from_bytes(head[:4], "big")
        brands = {head[8:12]} | {head[at : at + 4] for at in range(16, min(end, len(head)), 4)}
        if brands & _AVIF_BRANDS:
            return AvifImageFile
        if brands & _HEIF_BRANDS:
            return _heif_plugin(label)
    raise _error(
        label, f"not a photo in a format that is read ({_FORMATS})", "convert it, or leave it out"
    )


def _heif_plugin(label: str) -> type[ImageFile.ImageFile]:
    try:
        from pillow_heif import HeifImageFile
    except ImportError as error:
        raise _error(
            label, "HEIC photos need the heif extra", "install it: pip install 'steeple[heif]'"
        ) from error
    plugin: type[ImageFile.ImageFile] = HeifImageFile
    return plugin


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence Pillow's warnings about odd metadata, which concern nobody who wants the pixels.

    Up to Python 3.13 the warning filters belong to the whole process. So one thread at a time has
    them changed, for as long as a header takes; and as the filter names Pillow alone, another
    library that saves and restores the filters meanwhile can at worst keep that much.
    """
    with _quiet_lock, warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\.")
        yield


def _orientation(image: ImageFile.ImageFile) -> int:
    """Read the EXIF orientation, 1 (upright) where there is none or none that makes sense."""
    if isinstance(image, TiffImageFile):
        return 1  # Pillow turns TIFFs upright by itself
    try:
        # Not PngImageFile.getexif, which would decode the image to look for metadata behind it.
        value = Image.Image.getexif(image).get(ExifTags.Base.Orientation, 1)
    except _DECODER_ERRORS:
        return 1
    return value if isinstance(value, int) and value in UPRIGHT else 1


def _decode_smaller(image: JpegImageFile, max_side: int) -> None:
    """Let libjpeg decode at 1/2, 1/4 or 1/8, where the long side stays ``max_side`` or more.

    The long side is the same before and after the photo is turned upright.
    """
    width, height = image.size
    scale = max(width, height) // max_side
    if scale >= 2:
        image.draft(None, (max(1, width // scale), max(1, height // scale)))
