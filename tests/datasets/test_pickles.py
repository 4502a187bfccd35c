"""Plain data comes through as Python would load it; everything else is refused by name."""

from __future__ import annotations

import datetime
import os
import pickle
import pickletools
import sys
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steeple.datasets import pickles
from steeple.datasets.pickles import read_plain_pickle
from steeple.errors import LabelError

plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner)
        | st.tuples(inner, inner, inner, inner)
        | st.dictionaries(st.text(max_size=3), inner, max_size=4)
    ),
    max_leaves=20,
)


class Command:
    """What runs a command when it is loaded."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("touch pwned",)


@pytest.fixture
def load(tmp_path: Path):
    def load(data: bytes) -> object:
        path = tmp_path / "gnd.pkl"
        path.write_bytes(data)
        return read_plain_pickle(path)

    return load


@given(plain, st.integers(0, pickle.HIGHEST_PROTOCOL))
def test_plain_data_is_what_python_loads(tmp_path_factory, value, protocol):
    path = tmp_path_factory.mktemp("plain") / "a.pkl"
    path.write_bytes(pickle.dumps(value, protocol=protocol))
    assert read_plain_pickle(path) == value


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_lists_that_are_shared_and_long(load, protocol):
    shared = ["a", "b"]
    value = {"one": shared, "two": shared, "many": list(range(5000))}
    loaded = load(pickle.dumps(value, protocol=protocol))
    assert loaded == value
    assert loaded["one"] is loaded["two"]


def test_what_python_2_wrote(load):
    assert load(b"(dp0\nS'gnd'\np1\n(lp2\nI1\naL2L\naF0.5\nas.") == {"gnd": [1, 2, 0.5]}
    assert load(b"\x80\x02U\x02ab.") == "ab"


@pytest.mark.parametrize(
    ("value", "wish"),
    [
        (Command(), "system"),
        ({"gnd": [Command()]}, "system"),
        (datetime.date(2020, 1, 1), "datetime.date"),
        (OrderedDict(a=1), "collections.OrderedDict"),
        (np.float64(1.5), "numpy"),
        (np.arange(3), "numpy"),
        (Path("a"), "pathlib"),
        (print, "print"),
        (complex(1, 2), "complex"),
    ],
    ids=lambda value: type(value).__name__,
)
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_anything_else_is_refused_by_name(load, tmp_path, monkeypatch, value, wish, protocol):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(LabelError, match=rf"gnd\.pkl: the pickle wants to load .*{wish}") as caught:
        load(pickle.dumps(value, protocol=protocol))
    assert "get the file from where it was published" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize(
    ("value", "word"),
    [({1, 2}, "EMPTY_SET"), (frozenset({1}), "FROZENSET"), (b"bytes", "BINBYTES"),
     (bytearray(b"x"), "BYTEARRAY8")],
)  # fmt: skip
def test_data_that_no_ground_truth_has(load, value, word):
    with pytest.raises(LabelError, match=rf"holds \w*{word}, which is more than data"):
        load(pickle.dumps(value, protocol=5))


@pytest.mark.parametrize(
    "data",
    [b"\x82\x01.", b"Pname\n.", b"\x8c\x01aQ.", b"\x97.", b"N2."],
    ids=["extension", "persistent", "persistent too", "buffer", "twice"],
)
def test_words_for_more_than_data(load, data):
    with pytest.raises(LabelError, match="which is more than data"):
        load(data)


def test_no_word_is_forgotten(load):
    """Every word of the language is either one for plain data or refused, not passed over."""
    known = {
        *pickles._VALUES, *pickles._CONSTANTS, *pickles._EMPTY, *pickles._TUPLES,
        *pickles._BUILDING, *pickles._MEMORY, *pickles._NO_WORK, "MARK",
    }  # fmt: skip
    names = {word.name for word in pickletools.opcodes}
    assert known <= names
    assert names - known == {
        *("GLOBAL", "STACK_GLOBAL", "REDUCE", "BUILD", "INST", "OBJ", "NEWOBJ", "NEWOBJ_EX"),
        *("EXT1", "EXT2", "EXT4", "PERSID", "BINPERSID", "NEXT_BUFFER", "READONLY_BUFFER"),
        *("BINBYTES", "BINBYTES8", "SHORT_BINBYTES", "BYTEARRAY8"),
        *("EMPTY_SET", "ADDITEMS", "FROZENSET", "POP", "POP_MARK", "DUP"),
    }


WHOLE = pickle.dumps({"a": [1, 2.5, "b"], "c": (1, 2, 3, 4)}, protocol=2)


@pytest.mark.parametrize("length", range(len(WHOLE)))
def test_truncated(load, length):
    with pytest.raises(LabelError, match=r"gnd\.pkl: not a whole pickle .*; get the file again"):
        load(WHOLE[:length])


@given(st.binary(max_size=60))
def test_noise_is_plain_or_refused_in_one_line(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("noise") / "a.pkl"
    path.write_bytes(data)
    said = ""
    try:
        read_plain_pickle(path)
    except LabelError as error:
        said = str(error)
    assert len(said.splitlines()) <= 1


@pytest.mark.parametrize(
    "data",
    [
        b"a.",  # append to nothing
        b"Na.",
        b"NNa.",  # append to None
        b"}(Ne.",
        b"](Nu.",
        b"}(Nu.",  # a key without a value
        b"}]Ns.",  # a list as a key
        b"}K\x01Ns.",  # a number as a key
        b"h\x05.",  # never remembered
        b"(.",
        b"NN.",
        b".",
        b"e.",
        b"((\x86.",
    ],
)
def test_nonsense(load, data):
    with pytest.raises(LabelError, match="not a whole pickle"):
        load(data)


class TestBombs:
    def test_a_list_nested_a_million_times(self, load):
        loaded = load(b"]" * 1_000_000 + b"a" * 999_999 + b".")
        assert isinstance(loaded, list)
        while loaded:  # taken apart from outside: nobody recurses
            loaded = loaded.pop()

    def test_a_tuple_nested_a_hundred_thousand_times_as_a_key(self, load):
        """Python computes its hash, and dies of it."""
        with pytest.raises(LabelError, match="key that is no text"):
            load(b"}" + b")" + b"\x85" * 100_000 + b"Ns.")

    def test_a_memo_at_four_thousand_million(self, load):
        """Python makes room for all the places before."""
        assert load(b"Nr\xff\xff\xff\xff.") is None

    @pytest.mark.parametrize(
        "data",
        [
            b"X\xff\xff\xff\x7fab.",
            b"\x8d" + b"\xff" * 7 + b"\x7f" + b"ab.",
            b"\x95" + b"\xff" * 8 + b"N",
            b"\x8b\xff\xff\xff\x7f\x01.",
        ],
    )
    def test_sizes_that_are_lies(self, load, data):
        with pytest.raises(LabelError, match="not a whole pickle"):
            load(data)

    def test_digits_without_end(self, load):
        digits = b"9" * (sys.get_int_max_str_digits() + 1)
        with pytest.raises(LabelError, match="not a whole pickle"):
            load(b"I" + digits + b"\n.")

    def test_files_that_are_too_large(self, load, monkeypatch):
        monkeypatch.setattr(pickles, "LARGEST", 1 << 20)
        with pytest.raises(LabelError, match=r"more than 1 MiB, which no ground truth has"):
            load(b"N" * (1 << 20) + b".")


def test_no_such_file(tmp_path):
    with pytest.raises(LabelError, match=r"gone\.pkl: No such file.*; check the path"):
        read_plain_pickle(tmp_path / "gone.pkl")
