"""Ids of rows: from files of all kinds, found beside the descriptors, looked up."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steeple.arrays.files.ids import check_printable, find_ids, positions_of, read_ids, split_ids
from steeple.arrays.files.opening import open_descriptors
from steeple.errors import InputError, LabelError
from steeple.retrieval.offline.shelf import MemoryShelf

NAMES = st.lists(st.text("abcé", min_size=1, max_size=6), min_size=1, max_size=20, unique=True)


def coded(names):
    return np.array([name.encode() for name in names], dtype=np.bytes_)


def opened(path):
    return open_descriptors(str(path), MemoryShelf())


@given(NAMES, st.lists(st.text("abcé", min_size=1, max_size=6), max_size=20))
def test_positions_by_dictionary(names, wanted):
    place = {name: row for row, name in enumerate(names)}
    found = positions_of(np.array([w.encode() for w in wanted], "S8"), coded(names))
    assert found.tolist() == [place.get(name, -1) for name in wanted]


def test_positions_among_none():
    assert positions_of(coded(["a"]), np.zeros(0, "S1")).tolist() == [-1]


class TestRead:
    @pytest.mark.parametrize(
        ("name", "content"),
        [
            ("x.txt", b"a\nb\xc3\xa9\nc\n"),
            ("x.txt", b"\xef\xbb\xbfa\r\nb\xc3\xa9 \r\nc"),
            ("x.lst", b"a\nb\xc3\xa9\nc\n"),
            ("x.csv", "url,id\nhttp,a\n,bé\n-,c\n".encode()),
        ],
    )
    def test_texts(self, tmp_path, name, content):
        (tmp_path / name).write_bytes(content)
        assert read_ids(tmp_path / name).tolist() == [b"a", "bé".encode(), b"c"]

    def test_arrays(self, tmp_path):
        np.save(tmp_path / "x.npy", np.array(["a", "bé"]))
        assert read_ids(tmp_path / "x.npy").tolist() == [b"a", "bé".encode()]
        np.save(tmp_path / "x.npy", np.array([5, 17]))
        assert read_ids(tmp_path / "x.npy").tolist() == [b"5", b"17"]

    @pytest.mark.parametrize(
        ("name", "content", "words"),
        [
            ("x.txt", b"a\n\nb\n", ["id number 2", "empty"]),
            ("x.txt", b"a\nb\na\n", ["number 1 and 3", "'a'"]),
            ("x.txt", b"", ["no ids"]),
            ("x.txt", b"a\nb\xff\n", ["line 2", "UTF-8"]),
            ("x.txt", b"a\n" + b"b" * 5000 + b"\n", ["entry 2", "5,000 bytes", "right file"]),
            ("x.csv", b"image,landmark\na,1\n", ["line 1", "id"]),
            ("x.csv", b"id\na\nb,c\n", ["line 3", "2 columns"]),
        ],
    )
    def test_refuses(self, tmp_path, name, content, words):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(LabelError) as error:
            read_ids(tmp_path / name)
        for word in [name, *words]:
            assert word in str(error.value)

    @pytest.mark.parametrize("odd", [b"b\xff", "b\udcff"])
    def test_refuses_arrays_that_are_no_utf8(self, tmp_path, odd):
        np.save(tmp_path / "x.npy", np.array([odd[:1], odd]))
        with pytest.raises(InputError, match=r"x\.npy: entry 2 is not UTF-8"):
            read_ids(tmp_path / "x.npy")

    def test_refuses_other_arrays(self, tmp_path):
        for odd in (np.ones(3), np.array([["a"]]), np.zeros(2, complex)):
            np.save(tmp_path / "x.npy", odd)
            with pytest.raises(InputError, match=r"x\.npy"):
                read_ids(tmp_path / "x.npy")
        with pytest.raises(LabelError, match="no such file"):
            read_ids(tmp_path / "gone.txt")


class TestFind:
    def test_beside_given_or_numbers(self, files):
        index = opened(files / "index.npy")
        names, named = find_ids(index, None)
        assert named
        assert names[[0, -1]].tolist() == [b"x000", b"x229"]
        other = files / "other.csv"
        other.write_text("id\n" + "".join(f"o{row}\n" for row in range(230)))
        assert find_ids(index, other)[0][5] == b"o5"
        (files / "index.txt").unlink()
        names, named = find_ids(index, None)
        assert not named
        assert names[[0, 9, 229]].tolist() == [b"0", b"9", b"229"]

    def test_must_be_as_many_as_rows(self, files):
        with pytest.raises(LabelError, match=r"queries.txt: 40 ids, and .*index.npy has 230 rows"):
            find_ids(opened(files / "index.npy"), files / "queries.txt")

    def test_own_ids_are_checked(self, files, toy):
        h5py = pytest.importorskip("h5py", reason="the arrays extra is not installed")
        with h5py.File(files / "index.h5", "w") as file:
            file["x"], file["ids"] = toy.index, ["a"] * 230
        with pytest.raises(LabelError, match="both 'a'"):
            find_ids(opened(files / "index.h5"), None)
        assert find_ids(opened(files / "index.h5"), files / "index.txt")[0][0] == b"x000"


class TestSplit:
    def test_all_ways(self, files):
        three = {part: files / f"{part}.txt" for part in ("queries", "index", "training")}
        paths = [str(path) for path in three.values()]
        assert split_ids([f"{part}={path}" for part, path in three.items()]) == three
        assert split_ids(paths) == three
        assert split_ids([",".join(paths)]) == three
        assert split_ids([str(files)]) == three
        assert split_ids([]) == {}
        assert split_ids([paths[0]]) == {"queries": three["queries"]}
        mixed = [f"training={paths[2]}, {paths[0]}", paths[1]]
        assert split_ids(mixed) == three

    def test_a_folder_may_hold_ids_of_more_parts(self, files):
        some = {part: files / f"{part}.txt" for part in ("queries", "index")}
        assert split_ids([str(files)], some) == some
        (files / "only").mkdir()
        (files / "only/training.txt").write_text("t\n")
        with pytest.raises(InputError, match=r"holds no ids; it needs queries\.txt, index\.txt$"):
            split_ids([str(files / "only")], some)

    def test_a_name_may_hold_a_comma(self, tmp_path):
        (tmp_path / "a,b.txt").write_text("x\n")
        assert split_ids([str(tmp_path / "a,b.txt")]) == {"queries": tmp_path / "a,b.txt"}

    def test_a_gldv2_folder(self, tmp_path):
        for name in ("test.csv", "index.csv", "train.csv"):
            (tmp_path / name).write_text("id\n")
        assert {part: path.name for part, path in split_ids([str(tmp_path)]).items()} == {
            "queries": "test.csv",
            "index": "index.csv",
            "training": "train.csv",
        }

    def test_refuses(self, tmp_path, files):
        with pytest.raises(InputError, match="names 4 files"):
            split_ids(["a,b,c,d"])
        with pytest.raises(InputError, match="ids of queries are given twice"):
            split_ids([str(files), "queries=x.txt"])
        with pytest.raises(InputError, match="holds no ids"):
            split_ids([str(tmp_path)])
        assert split_ids(["other=x.txt"]) == {"queries": Path("other=x.txt")}


@pytest.mark.parametrize(
    ("name", "fault"),
    [("b c", "holds a space"), ("b\tc", "holds a space"), ("b\x01c", "holds a control character")],
)
def test_what_submissions_cannot_say(name, fault):
    place = Path("some/index.txt")
    check_printable(coded(["a", "b/c.jpg"]), "index id", place)
    with pytest.raises(LabelError) as error:
        check_printable(coded(["a", name]), "landmark", place)
    assert str(error.value).startswith(f"some/index.txt: the landmark {name!r} {fault}, which a ")
