"""Landmarks of training images, from every kind of table."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steeple.arrays.files import labels as module
from steeple.arrays.files.labels import read_labels
from steeple.errors import LabelError

IDS = np.array([b"a", b"b", b"c", b"d"])


def named(labels):
    """What each image shows, as text; None for nothing."""
    return [None if n < 0 else labels.landmarks[n].decode() for n in labels.numbers.tolist()]


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("name", "text", "wanted"),
    [
        ("t.csv", "id,url,landmark_id\nd,,7\nb,,12\na,,7\n", ["7", "12", None, "7"]),
        ("t.csv", "id,landmark\na,Big Ben\nb,Türme\nc,x\nd,x\n", ["Big Ben", "Türme", "x", "x"]),
        ("t.csv", "path,landmark\nd,7\nb,12\na,7\n", ["7", "12", None, "7"]),
        ("t.csv", "path,landmark_id,id\nzz,7,d\nzz,12,b\n", [None, "12", None, "7"]),
        ("t.csv", "landmark_id,images\n7,d a\n12,b\n", ["7", "12", None, "7"]),
        ("t.csv", "landmark_id\n7\n12\n7\n8\n", ["7", "12", "7", "8"]),
        ("t.txt", "7\n12\n\n8\n", ["7", "12", None, "8"]),
        ("t.labels", "x y\nz\nx y\nz", ["x y", "z", "x y", "z"]),
        ("t.csv", "id,landmark_id\na,7\na,7\nzz,9\n", ["7", None, None, None]),
        ("t.csv", "id,landmark_id\na,7\nb,-1\nc,-12\n", ["7", None, "-12", None]),
        ("t.csv", "landmark_id,images\n-1,a b\n7,c\n", [None, None, "7", None]),
        ("t.csv", "landmark_id\n7\n-1\n7\n-1\n", ["7", None, "7", None]),
        ("t.txt", "7\n-1\n\n8\n", ["7", None, None, "8"]),
    ],
)
def test_tables_and_texts(tmp_path, name, text, wanted):
    assert named(read_labels(write(tmp_path / name, text), IDS)) == wanted


def test_arrays(tmp_path):
    place = tmp_path / "t.npy"
    np.save(place, np.array([7, -1, 12, 7]))
    assert named(read_labels(place, IDS)) == ["7", None, "12", "7"]
    np.save(place, np.array([7, -2, 12, -1], np.int8))
    assert named(read_labels(place, IDS)) == ["7", None, "12", None]
    np.save(place, np.array([7, 8, 12, 7], np.uint16))
    assert named(read_labels(place, IDS)) == ["7", "8", "12", "7"]
    np.save(place, np.array(["x", "", "é", "x"]))
    assert named(read_labels(place, IDS)) == ["x", None, "é", "x"]


def test_parquet(tmp_path):
    arrow = pytest.importorskip("pyarrow", reason="the arrays extra is not installed")
    import pyarrow.parquet as parquet

    place = tmp_path / "t.parquet"

    def read(columns):
        parquet.write_table(arrow.table(columns), place)
        return named(read_labels(place, IDS))

    assert read({"landmark_id": [7, 8, 12, 7]}) == ["7", "8", "12", "7"]
    assert read({"landmark_id": [7, -1, 12, -1]}) == ["7", None, "12", None]
    assert read({"landmark": ["x", None, "é", ""]}) == ["x", None, "é", None]
    table = {"id": ["d", "zz", "a"], "landmark_id": [3, 4, None], "url": ["", "", ""]}
    assert read(table) == [None, None, None, "3"]
    assert read({"path": ["d", "a"], "landmark": ["x", "y"]}) == ["y", None, None, "x"]
    assert read({"file": ["d", "a"], "landmark_id": [3, 4]}) == ["4", None, None, "3"]
    assert read({"v": [[1.0]] * 4, "landmark_id": [7, 8, 12, 7]}) == ["7", "8", "12", "7"]
    with pytest.raises(LabelError, match="no column of ids among number, landmark_id"):
        read({"number": [4, 3, 2, 1], "landmark_id": [7, 8, 12, 7]})
    with pytest.raises(LabelError, match="no column of ids among a, b, landmark_id"):
        read({"a": ["d", "c"] * 2, "b": ["x", "y"] * 2, "landmark_id": [7, 8, 12, 7]})
    with pytest.raises(LabelError, match=r"t\.parquet: no column landmark_id among id;"):
        read({"id": ["a"]})
    with pytest.raises(LabelError, match="2 landmarks for 4"):
        read({"landmark_id": [7, 8]})


def test_labels_of_others_are_counted(tmp_path):
    table = write(tmp_path / "t.csv", "id,landmark_id\nz1,1\na,2\nz2,3\n")
    labels = read_labels(table, IDS)
    assert labels.strangers == 2
    assert labels.landmarks.tolist() == [b"2"]
    clean = write(tmp_path / "c.csv", "landmark_id,images\n1,z1 z2\n2,a\n")
    assert read_labels(clean, IDS).strangers == 2


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("t.csv", "id,landmark_id\na,1\nb,2\na,3\n", ["line", "a is labelled", "keep one"]),
        ("t.csv", "id,landmark_id\na,\n", ["line 2", "landmark is empty"]),
        ("t.csv", "id,landmark_id\n,3\n", ["line 2", "id is empty"]),
        ("t.csv", "landmark_id,images\n,a\n", ["line 2", "landmark is empty"]),
        ("t.csv", "id,name\na,3\n", ["line 1", "no column landmark_id among id, name"]),
        (
            "t.csv",
            "image_id,landmark_id\nd,1\nc,2\nb,3\na,4\n",
            ["line 1", "no column of ids among image_id, landmark_id", "call it id"],
        ),
        ("t.csv", "ID,landmark\nd,1\nc,2\nb,3\na,4\n", ["among ID, landmark"]),
        ("t.csv", "path,landmark\n,3\n", ["line 2", "path is empty"]),
        ("t.csv", "", ["line 1", "landmark_id"]),
        ("t.csv", "id,landmark_id\nx,3\ny,4\n", ["none of 2 labels", "'a'"]),
        ("t.txt", "1\n2\n", ["2 landmarks for 4 training images"]),
        ("t.csv", "landmark_id\n1\n", ["1 landmarks for 4"]),
        ("t.txt", "\n\n\n\n", ["labels none"]),
    ],
)
def test_refuses(tmp_path, name, text, words):
    with pytest.raises(LabelError) as error:
        read_labels(write(tmp_path / name, text), IDS)
    for word in [name, *words]:
        assert word in str(error.value)


def test_refuses_arrays(tmp_path):
    np.save(tmp_path / "t.npy", np.array([-1, -1, -1, -1]))
    with pytest.raises(LabelError, match="labels none"):
        read_labels(tmp_path / "t.npy", IDS)
    with pytest.raises(LabelError, match="no such file"):
        read_labels(tmp_path / "gone.csv", IDS)


def test_row_numbers_are_told_from_ids(tmp_path):
    table = write(tmp_path / "t.csv", "id,landmark_id\na,1\n")
    with pytest.raises(LabelError, match="numbers of the rows; give --training-ids"):
        read_labels(table, np.array([b"0", b"1"]), numbered=True)


@given(
    st.dictionaries(st.text("abc", min_size=1, max_size=4), st.integers(0, 5), min_size=1),
    st.lists(st.text("abc", min_size=1, max_size=4), min_size=1, max_size=9, unique=True),
    st.integers(1, 5),
)
def test_by_dictionary(tmp_path_factory, given_labels, ids, together):
    table = tmp_path_factory.getbasetemp() / "labels.csv"
    rows = "".join(f"{name},{label}\n" for name, label in given_labels.items())
    table.write_text("id,landmark_id\n" + rows)
    names = np.array([name.encode() for name in ids])
    if not set(ids) & set(given_labels):
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_TOGETHER", together)
        labels = read_labels(table, names)
    wanted = [str(given_labels[name]) if name in given_labels else None for name in ids]
    assert named(labels) == wanted
    assert labels.strangers == len(set(given_labels) - set(ids))
