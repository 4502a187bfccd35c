"""Files are read without running what they say."""

from __future__ import annotations

import os
import pickle
import re

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from steeple.embedding.checkpoints.unpickling import read_stored
from steeple.errors import InputError


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("files")


class Evil:
    """Runs a command when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


@pytest.mark.parametrize("zipped", [True, False])
def test_code_is_refused_and_not_run(tmp_path, zipped):
    mark = tmp_path / "mark"
    path = tmp_path / "evil.pth"
    torch.save(
        {"state_dict": {"a": torch.ones(2), "b": Evil(mark)}},
        path,
        _use_new_zipfile_serialization=zipped,
    )
    with pytest.raises(InputError, match=re.escape(f"{path}: holds ")) as error:
        read_stored(path)
    assert "\n" not in str(error.value)
    assert "refused" in str(error.value) or "no checkpoint" in str(error.value)
    assert not mark.exists()
    # It would have run:
    torch.load(path, weights_only=False)
    assert mark.exists()


def test_what_would_run_is_named(tmp_path):
    torch.save({"a": pickle.Unpickler}, tmp_path / "a.pth")
    with pytest.raises(InputError, match=r"holds _?pickle\.Unpickler, which only running code"):
        read_stored(tmp_path / "a.pth")


DTYPES = st.one_of(
    arrays.integer_dtypes(endianness="?"),
    arrays.unsigned_integer_dtypes(endianness="?"),
    arrays.floating_dtypes(endianness="?", sizes=(16, 32, 64)),
    arrays.boolean_dtypes(),
)


@given(
    arrays.arrays(DTYPES, arrays.array_shapes(min_dims=0, max_dims=3, min_side=0)),
    st.booleans(),
    st.booleans(),
)
def test_arrays_come_back(folder, array, columns_first, zipped):
    array = np.asfortranarray(array) if columns_first else array
    content = {"deep": [{"array": (array, 3)}], "tensor": torch.arange(3), "text": "x"}
    torch.save(content, folder / "a.pth", _use_new_zipfile_serialization=zipped)
    found = read_stored(folder / "a.pth")
    (inner,) = found["deep"]
    back, three = inner["array"]
    np.testing.assert_array_equal(back, array)
    assert back.dtype == array.dtype.newbyteorder("=")
    assert (three, found["text"]) == (3, "x")
    assert torch.equal(found["tensor"], torch.arange(3))


@pytest.mark.parametrize("value", [np.float64(0.1), np.float32(2.5), np.int64(-7), np.bool_(True)])
def test_single_numbers_come_back(tmp_path, value):
    torch.save({"a": value}, tmp_path / "a.pth")
    assert read_stored(tmp_path / "a.pth")["a"] == value


@pytest.mark.parametrize(
    "array",
    [
        np.array([{}, None], dtype=object),
        np.zeros(2, dtype=[("a", "<i4"), ("b", "<f8")]),
        np.zeros(2, dtype="V8"),
        np.array(["text"]),
        np.array([1j]),
        np.array(["2020-01-01"], dtype="M8[D]"),
    ],
    ids=lambda array: array.dtype.str,
)
def test_other_arrays_are_refused(tmp_path, array):
    torch.save({"a": array}, tmp_path / "a.pth")
    with pytest.raises(InputError, match=r"no numbers|no checkpoint can be read|holds"):
        read_stored(tmp_path / "a.pth")


class Forged:
    """A made-up pickle of a NumPy array."""

    def __init__(self, dtype, state):
        self.dtype, self.state = dtype, state

    def __reduce__(self):
        function, arguments, _ = np.zeros(1).__reduce__()
        return function, arguments, (1, *self.state[:1], self.dtype, *self.state[1:])


class ForgedDtype:
    def __init__(self, text, state):
        self.text, self.state = text, state

    def __reduce__(self):
        return np.dtype, (self.text, False, True), self.state


PLAIN = (3, "<", None, None, None, -1, -1, 0)


@pytest.mark.parametrize(
    ("dtype", "state"),
    [
        # Eight bytes that NumPy would take for the address of an object.
        (
            ForgedDtype("f8", (3, "|", None, ("a",), {"a": (np.dtype("O"), 0)}, 8, 1, 0)),
            ((1,), False, b"A" * 8),
        ),
        (ForgedDtype("O", PLAIN), ((1,), False, b"A" * 8)),
        (np.dtype("f8"), ((1 << 60,), False, b"A" * 8)),
        (np.dtype("f8"), ((-5, 7), False, b"A" * 8)),
        (np.dtype("f8"), ((1,), False, b"A" * 7)),
        (np.dtype("f8"), ((1,), False, [1.0])),
        ("f8", ((1,), False, b"A" * 8)),
    ],
)
def test_forged_arrays_are_refused(tmp_path, dtype, state):
    torch.save({"a": Forged(dtype, state)}, tmp_path / "a.pth")
    with pytest.raises(InputError):
        read_stored(tmp_path / "a.pth")


@pytest.mark.parametrize("zipped", [True, False])
def test_files_cut_short_are_refused(tmp_path, zipped):
    path = tmp_path / "a.pth"
    content = {"state_dict": {f"layer{n}.weight": torch.randn(20, 20) for n in range(4)}}
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    whole = path.read_bytes()
    for part in np.linspace(0, len(whole) - 2, 60).astype(int):
        path.write_bytes(whole[:part])
        with pytest.raises(InputError, match="download it again"):
            read_stored(path)


def test_what_is_no_checkpoint_is_refused(tmp_path):
    path = tmp_path / "a.pth"
    random = np.random.default_rng(0)
    for content in (b"", b"hello", random.bytes(4000), b"PK\x03\x04" + random.bytes(300)):
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"a\.pth"):
            read_stored(path)
    torch.save([torch.ones(3)], path)
    with pytest.raises(InputError, match="holds list, not a dictionary"):
        read_stored(path)
    with pytest.raises(InputError, match="No such file"):
        read_stored(tmp_path / "b.pth")
    with pytest.raises(InputError, match="irectory"):
        read_stored(tmp_path)
    loop: list = []
    loop.append(loop)
    torch.save({"a": loop}, path)
    with pytest.raises(InputError, match="no checkpoint can be read"):
        read_stored(path)
