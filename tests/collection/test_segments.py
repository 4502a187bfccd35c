"""Descriptors on disk: what is written is read, whole files or scattered rows."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steeple.collection import segments as module
from steeple.collection.segments import Segments, checksum
from steeple.errors import CollectionError

D = 3


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of 16 rows, runs of 4, copies of 8: every boundary is met within a hundred rows."""
    monkeypatch.setattr(module, "ROWS", 16)
    monkeypatch.setattr(module, "_RUN", 4)
    monkeypatch.setattr(module, "_COPIED", 8)


def ramp(n: int, start: int = 0) -> Any:
    return (np.arange(start * D, (start + n) * D, dtype=np.float32)).reshape(n, D)


def ids(*rows: int) -> Any:
    return np.array(rows, dtype=np.int64)


@pytest.mark.usefixtures("small")
class TestWriteAndRead:
    def test_across_files(self, tmp_path: Path) -> None:
        segments = Segments(tmp_path / "descriptors", D)
        segments.write(0, ramp(50))
        assert sorted(p.name for p in segments.folder.iterdir()) == [
            f"00000{n}.f32" for n in range(4)
        ]
        rows = ids(0, 15, 16, 47, 48, 49)
        np.testing.assert_array_equal(segments.read(rows), ramp(50)[rows])

    def test_rows_in_any_order_and_twice(self, tmp_path: Path) -> None:
        segments = Segments(tmp_path, D)
        segments.write(0, ramp(40))
        rows = ids(33, 2, 2, 17, 0, 39, 33)
        np.testing.assert_array_equal(segments.read(rows), ramp(40)[rows])

    def test_nothing(self, tmp_path: Path) -> None:
        segments = Segments(tmp_path, D)
        segments.write(0, ramp(0))
        assert segments.read(ids()).shape == (0, D)
        assert list(segments.blocks(ids())) == []
        assert list(tmp_path.iterdir()) == []

    def test_what_is_appended_later_is_seen(self, tmp_path: Path) -> None:
        segments = Segments(tmp_path, D)
        segments.write(0, ramp(5))
        assert segments.read(ids(4)).tolist() == ramp(5)[[4]].tolist()
        segments.write(5, ramp(5, start=5))
        np.testing.assert_array_equal(segments.read(ids(4, 9)), ramp(10)[[4, 9]])

    def test_another_reader_sees_what_is_written_over(self, tmp_path: Path) -> None:
        writer, reader = Segments(tmp_path, D), Segments(tmp_path, D)
        writer.write(0, ramp(5))
        reader.read(ids(4))
        writer.write(3, ramp(3, start=90))
        np.testing.assert_array_equal(reader.read(ids(3, 4, 5)), ramp(3, start=90))

    def test_little_endian_float32_at_a_fixed_place(self, tmp_path: Path) -> None:
        segments = Segments(tmp_path, D)
        segments.write(17, ramp(1, start=5))
        data = segments.path(1).read_bytes()
        assert data[1 * D * 4 :] == ramp(1, start=5).astype("<f4").tobytes()

    @pytest.mark.parametrize("size", [0, 7, 4 * D * 3])
    def test_a_short_file_names_the_doctor(self, tmp_path: Path, size: int) -> None:
        segments = Segments(tmp_path / "descriptors", D)
        segments.write(0, ramp(10))
        os.truncate(segments.path(0), size)
        with pytest.raises(CollectionError, match=r"steeple doctor --collection") as caught:
            segments.read(ids(2, 9))
        assert str(segments.path(0)) in str(caught.value)
        assert "\n" not in str(caught.value)

    def test_a_missing_file(self, tmp_path: Path) -> None:
        with pytest.raises(CollectionError, match="holds 0 descriptors of at least 4"):
            Segments(tmp_path, D).read(ids(3))
        with pytest.raises(CollectionError, match="holds 0 descriptors"):
            list(Segments(tmp_path, D).blocks(np.arange(8)))


class TestBlocks:
    @given(st.sets(st.integers(0, 99)), st.data())
    def test_any_rows_come_in_order_and_once(self, chosen: set[int], data: Any) -> None:
        folder = data.draw(st.just(self.folder))
        with pytest.MonkeyPatch.context() as patch:
            for name, value in (("ROWS", 16), ("_RUN", 4), ("_COPIED", 8)):
                patch.setattr(module, name, value)
            segments = Segments(folder, D)
            rows = np.array(sorted(chosen), dtype=np.int64)
            blocks = list(segments.blocks(rows))
            expected = segments.read(rows)
        places = np.concatenate([place for place, _ in blocks] or [ids()])
        np.testing.assert_array_equal(places, np.arange(len(rows)))
        found = np.concatenate([vectors for _, vectors in blocks] or [np.empty((0, D))])
        np.testing.assert_array_equal(found, expected)
        np.testing.assert_array_equal(found, ramp(100)[rows])
        for place, vectors in blocks:
            assert vectors.dtype == np.float32
            assert vectors.flags.c_contiguous
            assert 1 <= len(place) <= 16

    @pytest.fixture(autouse=True)
    def _written(self, tmp_path_factory: pytest.TempPathFactory) -> None:
        type(self).folder = tmp_path_factory.mktemp("segments")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(module, "ROWS", 16)
            Segments(self.folder, D).write(0, ramp(100))

    folder: Path

    @pytest.mark.usefixtures("small")
    def test_a_long_run_is_not_copied(self) -> None:
        segments = Segments(self.folder, D)
        rows = np.concatenate([np.arange(3, 30), ids(40, 42)])
        blocks = list(segments.blocks(rows))
        assert [len(place) for place, _ in blocks] == [13, 14, 2]
        views = [not vectors.flags.owndata for _, vectors in blocks]
        assert views == [True, True, False]


def test_checksum_is_of_the_bytes_on_disk(vectors: Callable[..., Any]) -> None:
    one = vectors(0, 1)[0]
    assert checksum(one) == checksum(one.astype(">f4"))
    assert checksum(one) == checksum(np.stack([one, one], axis=1)[:, 0])
    other = one.copy()
    other[3] = np.nextafter(other[3], 2, dtype=np.float32)
    assert checksum(one) != checksum(other)


@pytest.mark.usefixtures("small")
def test_a_disk_that_fills_up_raises(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    segments = Segments(tmp_path, D)
    segments.write(0, ramp(4))
    real = os.pwrite

    def some(descriptor: int, data: Any, offset: int) -> int:
        if offset >= 6 * D * 4:
            raise OSError(28, "No space left on device")
        return real(descriptor, data[:5], offset)  # a disk may take less than it is given

    monkeypatch.setattr(os, "pwrite", some)
    with pytest.raises(OSError, match="No space"):
        segments.write(4, ramp(4, start=4))
    monkeypatch.setattr(os, "pwrite", lambda d, data, offset: real(d, data[:5], offset))
    segments.write(4, ramp(4, start=4))
    np.testing.assert_array_equal(segments.read(np.arange(8)), ramp(8))
