"""The names of the local features."""

from __future__ import annotations

import pickle

import pytest

from steeple.errors import InputError
from steeple.geometry import EXTRACTORS, create_extractor
from steeple.geometry.sift import Sift


def test_sift_is_there_and_travels() -> None:
    extractor = create_extractor("sift")
    assert extractor == Sift()
    assert (extractor.name, extractor.max_side) == ("sift", 640)
    assert pickle.loads(pickle.dumps(extractor)) == extractor


def test_an_unknown_name_names_the_known_ones() -> None:
    with pytest.raises(InputError) as caught:
        create_extractor("surf")
    assert "'surf'" in str(caught.value)
    assert all(name in str(caught.value) for name in EXTRACTORS)
    assert "\n" not in str(caught.value)
