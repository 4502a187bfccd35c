"""What is kept once, and what is not kept."""

from __future__ import annotations

import numpy as np
import pytest

from steeple.retrieval.offline.shelf import Arrays, Layout, MemoryShelf, spell

LAYOUT = {"squares": ((3,), "int32"), "halves": ((2, 2), "float32")}


def test_computed_once_in_zeros_of_the_layout() -> None:
    shelf, calls = MemoryShelf(), []

    def fill(arrays: Arrays) -> None:
        calls.append({key: (a.shape, a.dtype.name, float(a.sum())) for key, a in arrays.items()})
        arrays["squares"][:] = [0, 1, 4]

    first = shelf.once("numbers", LAYOUT, fill)
    again = shelf.once("numbers", LAYOUT, fill)
    assert calls == [{"squares": ((3,), "int32", 0.0), "halves": ((2, 2), "float32", 0.0)}]
    assert first["squares"].tolist() == again["squares"].tolist() == [0, 1, 4]
    assert not first["halves"].any()


def test_names_do_not_mix() -> None:
    shelf, layout = MemoryShelf(), {"n": ((1,), "int64")}
    assert shelf.names() == set()
    for number in (1, 2):
        shelf.once(f"n-{number}", layout, lambda a, n=number: a["n"].fill(n))
    assert [int(shelf.once(f"n-{n}", layout, lambda a: None)["n"][0]) for n in (1, 2)] == [1, 2]
    assert shelf.names() == {"n-1", "n-2"}


@pytest.mark.parametrize(
    "layout",
    [
        {"n": ((3,), "int32")},
        {"n": ((2,), "int64")},
        {"m": ((3,), "int64")},
        {"n": ((3,), "int64"), "m": ((3,), "int64")},
    ],
)
def test_what_has_another_layout_is_computed_again(layout: Layout) -> None:
    shelf = MemoryShelf()
    shelf.once("n", {"n": ((3,), "int64")}, lambda arrays: arrays["n"].fill(7))
    for _ in range(2):
        found = shelf.once("n", layout, lambda arrays: None)
        assert {key: (a.shape, a.dtype.name) for key, a in found.items()} == layout
        assert not any(array.any() for array in found.values())


def test_what_fails_is_not_kept() -> None:
    shelf = MemoryShelf()

    def fail(arrays: Arrays) -> None:
        arrays["n"][:] = 7
        raise OSError("in between")

    with pytest.raises(OSError, match="in between"):
        shelf.once("n", {"n": ((1,), "int64")}, fail)
    kept = shelf.once("n", {"n": ((1,), "int64")}, lambda arrays: None)
    np.testing.assert_array_equal(kept["n"], [0])


def test_numbers_are_spelled_with_all_their_digits() -> None:
    numbers = [3.0, 3.0000001, 0.99, 0.9900001, 1e300, 1e-300]
    names = [spell(number) for number in numbers]
    assert len(set(names)) == len(names)
    assert all(set(name) <= set("0123456789.e-") for name in names)
