"""Parts of images: the pixels that Pillow's crop takes, as far as the image reaches."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from steeple.errors import InputError
from steeple.images import crop

IMAGE = np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8)
sides = st.floats(-20, 60)


def test_a_part():
    part = crop(IMAGE, (3.4, 5.6, 10.5, 11.5))  # 3, 6, 10, 12: halves to even
    assert (part == IMAGE[6:12, 3:10]).all()
    assert part.flags.c_contiguous
    assert not np.shares_memory(part, IMAGE)


def test_grey_and_whole():
    assert (crop(IMAGE[:, :, 0], (0, 0, 40, 30)) == IMAGE[:, :, 0]).all()


@given(sides, sides, sides, sides)
def test_it_is_what_pillow_cuts_out(x1, y1, x2, y2):
    box = (min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2))
    left, top, right, bottom = (round(side) for side in box)
    if left >= right or top >= bottom or left >= 40 or top >= 30 or right <= 0 or bottom <= 0:
        with pytest.raises(InputError, match="holds no pixel of the image, which has 40 x 30"):
            crop(IMAGE, box)
        return
    # Pillow paints black what lies outside; here it is left out.
    cut = np.asarray(Image.fromarray(IMAGE).crop(box))
    inside = cut[max(0, -top) : 30 - top, max(0, -left) : 40 - left]
    assert (crop(IMAGE, box) == inside).all()
