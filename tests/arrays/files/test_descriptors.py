"""Descriptors in an array of any float type: what is read, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from steeple.arrays.files.descriptors import FileDescriptors
from steeple.errors import InputError

DTYPES = ("float16", "float32", "float64", ">f4")


def units(seed, rows, dimension):
    out = np.random.default_rng(seed).standard_normal((rows, dimension))
    return out / np.linalg.norm(out, axis=1, keepdims=True)


def exhaust(descriptors):
    return list(descriptors.check())


@given(
    st.integers(0, 99), st.integers(1, 40), st.sampled_from(DTYPES), st.booleans(),
    st.integers(1, 4000),
)  # fmt: skip
def test_blocks_are_the_rows_in_order(seed, rows, dtype, normalize, memory):
    array = (units(seed, rows, 5) * (3 if normalize else 1)).astype(dtype)
    descriptors = FileDescriptors(array, "x.npy", normalize=normalize)
    ids, vectors = zip(*descriptors.blocks(memory), strict=True)
    wanted = array.astype(np.float32)
    if normalize:
        wanted = wanted / np.linalg.norm(wanted, axis=1, keepdims=True)
    assert_array_equal(np.concatenate(ids), np.arange(rows))
    assert_allclose(np.concatenate(vectors), wanted, atol=2e-7)
    for block in vectors:
        assert block.dtype == np.float32
        assert block.flags.c_contiguous
        assert len(block) <= descriptors.block_rows(memory)
    assert exhaust(descriptors)[-1] == rows


@given(st.integers(0, 99), st.integers(1, 40), st.sampled_from(DTYPES))
def test_any_rows_can_be_asked_for(seed, rows, dtype):
    array = units(seed, rows, 5).astype(dtype)
    descriptors = FileDescriptors(array, "x.npy")
    ids = np.random.default_rng(seed).integers(0, rows, (3, 2))
    assert_array_equal(descriptors[ids], array[ids].astype(np.float32))
    assert descriptors[ids].shape == (3, 2, 5)
    assert_array_equal(descriptors[np.arange(1, rows)], array[1:].astype(np.float32))
    assert descriptors[np.zeros(0, dtype=np.int64)].shape == (0, 5)


def test_float32_is_read_in_place():
    array = units(0, 50, 8).astype(np.float32)
    descriptors = FileDescriptors(array, "x.npy")
    assert all(np.shares_memory(block, array) for _, block in descriptors.blocks(1 << 20))
    assert np.shares_memory(descriptors[np.arange(10, 20)], array)
    assert not np.shares_memory(FileDescriptors(array, "x", normalize=True).rows(0, 5), array)


def test_converted_blocks_keep_to_the_memory():
    array = units(0, 1000, 8).astype(np.float64)
    descriptors = FileDescriptors(array, "x.npy")
    for _, block in descriptors.blocks(8000):
        assert 2 * block.nbytes <= 8000


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros(5), ["shape (5,)", "(images, dimension)"]),
        (np.zeros((2, 3, 4)), ["shape (2, 3, 4)"]),
        (np.zeros((2, 3), int), ["int64", "float32"]),
        (np.zeros((2, 3), complex), ["complex128"]),
        (np.zeros((2, 3), bool), ["bool"]),
        (np.zeros((0, 3)), ["no descriptors", "(0, 3)"]),
        (np.zeros((3, 0)), ["no descriptors"]),
    ],
)
def test_refuses_what_is_no_descriptors(array, words):
    with pytest.raises(InputError) as error:
        FileDescriptors(array, "some.npy")
    for word in ["some.npy", *words]:
        assert word in str(error.value)


@pytest.mark.parametrize("odd", [np.nan, np.inf, -np.inf, 1e30])
def test_refuses_odd_numbers_and_says_where(odd):
    array = units(1, 9000, 4)
    array[8500, 2] = odd
    for normalize in (False, True):
        with pytest.raises(InputError, match=r"x\.npy: row 8,500 .*NaN"):
            exhaust(FileDescriptors(array, "x.npy", normalize=normalize))


def test_refuses_other_lengths_than_one_unless_asked_to_normalize():
    array = units(1, 50, 4).astype(np.float32)
    array[7] *= 13
    with pytest.raises(InputError, match=r"row 7 has length 13, .*--normalize"):
        exhaust(FileDescriptors(array, "x.npy"))
    assert exhaust(FileDescriptors(array, "x.npy", normalize=True)) == [50]
    lengths = np.linalg.norm(FileDescriptors(array, "x", normalize=True).rows(0, 50), axis=1)
    assert_allclose(lengths, 1, atol=1e-6)


def test_rounding_to_float16_and_zeros_are_fine():
    array = units(1, 500, 512).astype(np.float16)
    array[3] = array[7] = 0
    descriptors = FileDescriptors(array, "x.npy")
    assert exhaust(descriptors) == exhaust(descriptors) == [500]
    assert descriptors.zeros == 2
    assert not FileDescriptors(array, "x", normalize=True).rows(3, 4).any()
