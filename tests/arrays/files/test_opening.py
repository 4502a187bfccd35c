"""Files of descriptors by their ending: what is opened, unpacked, refused."""

from __future__ import annotations

import contextlib
import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from steeple.arrays.files.opening import Where, open_descriptors
from steeple.errors import InputError, MissingExtraError
from steeple.retrieval.offline.shelf import MemoryShelf
from steeple.shelves import FolderShelf


@pytest.fixture
def array(toy):
    return toy.index


@pytest.fixture
def h5py():
    return pytest.importorskip("h5py", reason="the arrays extra is not installed")


@pytest.fixture
def arrow():
    return pytest.importorskip("pyarrow", reason="the arrays extra is not installed")


def write_parquet(arrow, path, columns, **options):
    import pyarrow.parquet

    pyarrow.parquet.write_table(arrow.table(columns), path, **options)


def lists(arrow, array, kind="fixed"):
    if kind == "fixed":
        return arrow.FixedSizeListArray.from_arrays(arrow.array(array.ravel()), array.shape[1])
    return arrow.array(array.tolist(), arrow.list_(arrow.from_numpy_dtype(array.dtype)))


def read(text, **options):
    return open_descriptors(str(text), MemoryShelf(), **options)


def refused(text, *words):
    with pytest.raises(InputError) as error:
        read(text)
    for word in words:
        assert word in str(error.value)
    assert "\n" not in str(error.value)


class TestNpy:
    @pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
    def test_is_mapped(self, tmp_path, array, dtype):
        np.save(tmp_path / "x.npy", array.astype(dtype))
        file = read(tmp_path / "x.npy")
        assert isinstance(file.descriptors.array, np.memmap)
        assert_array_equal(file.descriptors.rows(0, len(array)), array.astype(dtype))
        assert file.ids is None

    def test_column_by_column(self, tmp_path, array):
        np.save(tmp_path / "x.npy", np.asfortranarray(array))
        assert_array_equal(read(tmp_path / "x.npy").descriptors.rows(3, 9), array[3:9])

    def test_refuses_what_is_none(self, tmp_path, array):
        place = tmp_path / "x.npy"
        np.save(place, np.array([{"a": 1}, None], dtype=object), allow_pickle=True)
        refused(place, "x.npy", "pickled Python objects", "np.save")
        np.save(place, array)
        place.write_bytes(place.read_bytes()[:-7])
        refused(place, "no readable .npy file", "np.save")
        place.write_bytes(b"")
        refused(place, "no readable .npy file")
        place.write_text("hello")
        refused(place, "no readable .npy file")
        np.save(place, array[0])
        refused(place, f"shape ({array.shape[1]},)")
        np.save(place, array[:0])
        refused(place, "no descriptors")

    def test_paths(self, tmp_path, array):
        refused(tmp_path / "gone.npy", "gone.npy", "no such file")
        refused(tmp_path, "is a folder")
        np.savez(tmp_path / "x.npz", array)
        refused(tmp_path / "x.npz", ".npy, .h5, .hdf5, .parquet")
        np.save(tmp_path / "a:b.npy", array)
        assert len(read(tmp_path / "a:b.npy").descriptors) == len(array)
        refused(f"{tmp_path}/a:b.npy:c", "no parts")
        np.save(tmp_path / "BIG.NPY.npy", array)
        (tmp_path / "BIG.NPY.npy").rename(tmp_path / "BIG.NPY")
        assert len(read(tmp_path / "BIG.NPY").descriptors) == len(array)


class TestHdf5:
    def test_in_one_piece_is_mapped(self, tmp_path, array, h5py):
        with h5py.File(tmp_path / "x.h5", "w") as file:
            file["deep/down"] = array
            file["deep/ids"] = [f"x{row}" for row in range(len(array))]
            file["other"] = np.arange(4)
        opened = read(tmp_path / "x.h5")
        assert isinstance(opened.descriptors.array, np.memmap)
        assert_array_equal(opened.descriptors.rows(0, len(array)), array)
        assert opened.ids[7] == b"x7"

    @pytest.mark.parametrize("options", [{"chunks": (16, 8)}, {"compression": "gzip"}])
    def test_in_chunks_is_unpacked_once(self, tmp_path, array, h5py, options):
        with h5py.File(tmp_path / "x.h5", "w") as file:
            file.create_dataset("index", data=array.astype("float64"), **options)
        shelf, told = FolderShelf(tmp_path / "shelf"), []
        for _ in range(2):
            opened = open_descriptors(
                str(tmp_path / "x.h5"), shelf, told=lambda *numbers: told.append(numbers)
            )
            assert_array_equal(opened.descriptors.rows(0, len(array)), array)
        assert told == [(len(array), len(array))]

    def test_numbers_beyond_float32_are_refused(self, tmp_path, array, h5py):
        large = array.astype("float64")
        large[3] *= 1e300
        with h5py.File(tmp_path / "x.h5", "w") as file:
            file.create_dataset("index", data=large, chunks=True)
        with pytest.raises(InputError, match="row 3 holds NaN, infinity or numbers beyond"):
            list(read(tmp_path / "x.h5").descriptors.check())

    def test_big_endian_and_a_user_block(self, tmp_path, array, h5py):
        with h5py.File(tmp_path / "x.h5", "w", userblock_size=1024) as file:
            file["x"] = array.astype(">f4")
        assert_array_equal(read(tmp_path / "x.h5").descriptors.rows(0, len(array)), array)

    def test_which_dataset(self, tmp_path, array, h5py):
        place = tmp_path / "x.h5"
        with h5py.File(place, "w") as file:
            file["index"], file["queries"] = array, array[:5]
            file["labels"] = np.arange(3)
        refused(place, "several datasets", "index, queries", "x.h5:index")
        assert len(read(f"{place}:queries").descriptors) == 5
        assert len(read(f"{place}:/index").descriptors) == len(array)
        refused(f"{place}:nix", "'nix'", "index, queries")
        refused(f"{place}:labels", "'labels'")
        with h5py.File(place, "w") as file:
            file["labels"] = np.arange(3)
        refused(place, "no two-dimensional dataset")
        place.write_text("no hdf5")
        refused(place, "no readable HDF5 file")

    def test_ids_must_be_as_many(self, tmp_path, array, h5py):
        with h5py.File(tmp_path / "x.h5", "w") as file:
            file["x"], file["ids"] = array, ["a", "b"]
        refused(tmp_path / "x.h5", "2 ids for 230 descriptors")


class TestParquet:
    @pytest.mark.parametrize("kind", ["fixed", "variable"])
    @pytest.mark.parametrize("dtype", ["float32", "float64"])
    def test_a_column_of_lists(self, tmp_path, array, arrow, kind, dtype):
        names = [f"x{row}" for row in range(len(array))]
        values = lists(arrow, array.astype(dtype), kind)
        write_parquet(arrow, tmp_path / "x.parquet", {"id": names, "v": values}, row_group_size=37)
        opened = read(tmp_path / "x.parquet")
        assert_array_equal(opened.descriptors.rows(0, len(array)), array)
        assert [name.decode() for name in opened.ids] == names

    def test_a_column_per_dimension(self, tmp_path, array, arrow):
        columns = {"image_id": np.arange(len(array)), "file": [f"f{n}" for n in range(len(array))]}
        columns |= {f"d{n}": array[:, n] for n in range(array.shape[1])}
        write_parquet(arrow, tmp_path / "x.parquet", columns)
        opened = read(tmp_path / "x.parquet")
        assert_array_equal(opened.descriptors.rows(0, len(array)), array)
        assert opened.ids[3] == b"f3"

    @pytest.mark.parametrize("stem", ["d", "pca_v2."])
    def test_columns_with_numbers_go_by_these(self, tmp_path, array, arrow, stem):
        order = sorted(range(array.shape[1]), key=str)
        columns = {f"{stem}{n}": array[:, n] for n in order}
        write_parquet(arrow, tmp_path / "x.parquet", columns)
        opened = read(tmp_path / "x.parquet")
        assert_array_equal(opened.descriptors.rows(0, len(array)), array)
        assert opened.columns.names[:3] == (f"{stem}0", f"{stem}1", f"{stem}2")

    def test_columns_go_by_the_names_of_another_file(self, tmp_path, array, arrow):
        def write(name, order):
            columns = {f"{chr(97 + n)}": array[:, n] for n in order}
            write_parquet(arrow, tmp_path / name, columns)

        write("q.parquet", range(24))
        write("x.parquet", reversed(range(24)))
        like = read(tmp_path / "q.parquet").columns
        opened = read(tmp_path / "x.parquet", like=like)
        assert_array_equal(opened.descriptors.rows(0, len(array)), array)
        assert opened.fingerprint != read(tmp_path / "x.parquet").fingerprint
        columns = {f"{chr(97 + n)}": array[:, n] for n in range(23)} | {"width": array[:, 23]}
        write_parquet(arrow, tmp_path / "x.parquet", columns)
        with pytest.raises(
            InputError, match=r"x\.parquet: .* are not those of .*q\.parquet"
        ) as error:
            read(tmp_path / "x.parquet", like=like)
        assert "(only here: width; only there: x)" in str(error.value)

    def test_refuses_columns_of_one_name(self, tmp_path, array, arrow):
        import pyarrow.parquet

        table = arrow.table([arrow.array(array[:, n]) for n in (0, 1)], names=["d", "d"])
        pyarrow.parquet.write_table(table, tmp_path / "x.parquet")
        refused(tmp_path / "x.parquet", "several columns are called d")

    def test_one_dimension_alone(self, tmp_path, arrow):
        write_parquet(arrow, tmp_path / "x.parquet", {"d": np.ones(3, np.float32)})
        assert read(tmp_path / "x.parquet").descriptors.array.shape == (3, 1)

    def test_ids_that_are_numbers(self, tmp_path, array, arrow):
        columns = {"id": np.arange(5) + 100, "v": lists(arrow, array[:5])}
        write_parquet(arrow, tmp_path / "x.parquet", columns)
        assert read(tmp_path / "x.parquet").ids.tolist() == [b"100", b"101", b"102", b"103", b"104"]

    def test_refuses_what_cannot_be_told(self, tmp_path, array, arrow):
        place = tmp_path / "x.parquet"
        two = {"a": lists(arrow, array[:3]), "b": lists(arrow, array[:3])}
        write_parquet(arrow, place, two)
        refused(place, "several columns", "a, b", "x.parquet:a")
        assert len(read(f"{place}:b").descriptors) == 3
        refused(f"{place}:c", "'c'", "a, b")
        write_parquet(arrow, place, {"id": ["a"]})
        refused(place, "neither a column of lists nor")
        write_parquet(arrow, place, {"v": arrow.array([["a"], ["b"]])})
        refused(place, "real numbers")
        write_parquet(arrow, place, {"id": ["a", None], "v": lists(arrow, array[:2])})
        refused(place, "1 rows without an id")
        place.write_text("no parquet")
        refused(place, "no readable Parquet file")

    @pytest.mark.parametrize("odd", [[1.0], None, [1.0, 2.0, 3.0]])
    def test_refuses_lists_of_another_length(self, tmp_path, arrow, odd):
        values = arrow.array([[1.0, 0.0], [0.0, 1.0], odd])
        write_parquet(arrow, tmp_path / "x.parquet", {"v": values})
        refused(tmp_path / "x.parquet", "row 2 holds", "others hold 2")

    def test_refuses_a_first_row_that_is_missing(self, tmp_path, arrow):
        write_parquet(arrow, tmp_path / "x.parquet", {"v": arrow.array([None, [1.0, 0.0]])})
        refused(tmp_path / "x.parquet", "row 0 holds nothing", "others hold 2")

    def test_refuses_a_first_row_that_is_too_short(self, tmp_path, arrow):
        values = arrow.array([[1.0], [1.0, 0.0], [0.0, 1.0]])
        write_parquet(arrow, tmp_path / "x.parquet", {"v": values})
        refused(tmp_path / "x.parquet", "row 0 holds 1 numbers", "others hold 2")

    def test_what_is_missing_is_no_number(self, tmp_path, arrow):
        write_parquet(arrow, tmp_path / "x.parquet", {"v": arrow.array([[1.0, 0.0], [None, 1.0]])})
        with pytest.raises(InputError, match="row 1 holds NaN"):
            list(read(tmp_path / "x.parquet").descriptors.check())

    def test_no_rows(self, tmp_path, arrow):
        empty = arrow.array([], arrow.list_(arrow.float32(), 4))
        write_parquet(arrow, tmp_path / "x.parquet", {"v": empty})
        refused(tmp_path / "x.parquet", "no descriptors")


@pytest.fixture(scope="module")
def whole(toy, tmp_path_factory):
    """One good file of each kind."""
    h5py = pytest.importorskip("h5py", reason="the arrays extra is not installed")
    arrow = pytest.importorskip("pyarrow", reason="the arrays extra is not installed")
    folder, names = tmp_path_factory.mktemp("whole"), [f"x{row}" for row in range(230)]
    np.save(folder / "x.npy", toy.index)
    with h5py.File(folder / "x.h5", "w") as file:
        file.create_dataset("x", data=toy.index, chunks=(16, 24), compression="gzip")
        file["ids"] = names
    write_parquet(arrow, folder / "x.parquet", {"id": names, "v": lists(arrow, toy.index)})
    return folder


@pytest.mark.parametrize("name", ["x.npy", "x.h5", "x.parquet"])
@settings(max_examples=40)
@given(data=st.data())
def test_damaged_files_are_read_or_refused(whole, tmp_path_factory, name, data):
    content = bytearray((whole / name).read_bytes())
    for _ in range(data.draw(st.integers(0, 4))):
        most = len(content) if data.draw(st.booleans()) else 200
        content[data.draw(st.integers(0, most - 1))] = data.draw(st.integers(0, 255))
    if data.draw(st.booleans()):
        content = content[: data.draw(st.integers(0, len(content)))]
    place = tmp_path_factory.getbasetemp() / f"damaged-{name}"
    place.write_bytes(content)
    with contextlib.suppress(InputError):
        list(read(place).descriptors.check())


def test_extras_are_named(tmp_path, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "h5py", None)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    for name in ("x.h5", "x.parquet"):
        (tmp_path / name).write_text("")
        with pytest.raises(MissingExtraError, match=r"steeple\[arrays\]"):
            read(tmp_path / name)


def test_the_fingerprint_changes_with_the_file(tmp_path, array):
    place = tmp_path / "x.npy"
    np.save(place, array)
    about, first = place.stat(), Where.of(str(place)).fingerprint()
    assert Where.of(str(place)).fingerprint() == first
    changed = array.copy()
    changed[-1, -1] += 1
    np.save(place, changed)
    os.utime(place, ns=(about.st_atime_ns, about.st_mtime_ns))
    second = Where.of(str(place)).fingerprint()
    os.utime(place, ns=(about.st_atime_ns, about.st_mtime_ns + 1))
    assert len({first, second, Where.of(str(place)).fingerprint()}) == 3
    assert read(place, normalize=True).fingerprint != read(place).fingerprint
