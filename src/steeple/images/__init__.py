"""Photos in, pixels out: decoding, upright and in 8-bit RGB, resizing, drawing, thumbnails."""

from steeple.images.decoding import MAX_PIXELS, SUFFIXES, image_size, is_photo, read_image
from steeple.images.drawing import draw_matches
from steeple.images.pixels import THUMBNAIL_QUALITY, Box, crop, resize, thumbnail

__all__ = [
    "MAX_PIXELS",
    "SUFFIXES",
    "THUMBNAIL_QUALITY",
    "Box",
    "crop",
    "draw_matches",
    "image_size",
    "is_photo",
    "read_image",
    "resize",
    "thumbnail",
]
