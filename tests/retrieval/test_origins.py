"""Where the images of a re-ranked list came from."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steeple.retrieval.origins import origins


def ids(*values: int) -> Any:
    return np.array(values, dtype=np.int64)


@pytest.mark.parametrize(
    ("ranked", "neighbours", "expected"),
    [
        ((), (), ""),
        ((5, 3, 9), (5, 3, 9), "r r r"),
        ((9, 5, 3), (5, 3, 9), "s r r"),
        ((5, 7, 3, 9), (5, 3, 9, -1), "r i r r"),
        ((3, 7, 5), (5, 3, 9), "s i r"),
        ((5, 9, 7), (5, 3, 9), "r s i"),  # 3 was overtaken and fell off the end
        ((7, 8), (5, 3), "i i"),
        ((7,), (-1, -1), "i"),
    ],
)
def test_by_hand(ranked: tuple[int, ...], neighbours: tuple[int, ...], expected: str) -> None:
    found = origins(ids(*ranked), ids(*neighbours))
    assert [origin[0] for origin in found] == expected.split()


@given(st.permutations(range(8)), st.permutations(range(12)), st.integers(0, 8))
def test_sorted_is_what_stands_before_an_earlier_one(
    neighbours: list[int], ranked: list[int], k: int
) -> None:
    ranked = ranked[:k]
    for image, origin in zip(ranked, origins(ids(*ranked), ids(*neighbours)), strict=True):
        if image not in neighbours:
            assert origin == "inserted"
            continue
        earlier = neighbours[: neighbours.index(image)]
        overtook = [other for other in earlier if other not in ranked[: ranked.index(image)]]
        assert origin == ("sorted" if overtook else "retrieved")
