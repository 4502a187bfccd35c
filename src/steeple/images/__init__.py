"""Photos in, pixels out: decoding, upright and in 8-bit RGB, resizing, thumbnails."""

from steeple.images.decoding import MAX_PIXELS, SUFFIXES, image_size, is_photo, read_image
from steeple.images.pixels import THUMBNAIL_QUALITY, resize, thumbnail

__all__ = [
    "MAX_PIXELS",
    "SUFFIXES",
    "THUMBNAIL_QUALITY",
    "image_size",
    "is_photo",
    "read_image",
    "resize",
    "thumbnail",
]
