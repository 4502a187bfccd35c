"""Local features on disk: what is written is read, and nothing crosses from file to file."""

from __future__ import annotations

import os
import pickle
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steeple.collection import feature_files as module
from steeple.collection.feature_files import FeatureFiles, Record, StoredFeatures
from steeple.errors import CollectionError, InputError
from steeple.geometry.features import Features

LENGTH = 4
BYTES = 6 + LENGTH  # of a feature


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of 100 bytes: ten features."""
    monkeypatch.setattr(module, "FILE", 100)


@pytest.fixture
def files(tmp_path: Path) -> FeatureFiles:
    return FeatureFiles(tmp_path / "features", "int8", LENGTH)


def equal(one: Features, other: Features) -> bool:
    assert one.keypoints.dtype == other.keypoints.dtype == np.float32
    assert one.descriptors.dtype == other.descriptors.dtype
    assert one.keypoints.shape == other.keypoints.shape
    same = one.keypoints.tobytes() == other.keypoints.tobytes()
    return same and one.descriptors.tolist() == other.descriptors.tolist()


class TestFormat:
    @pytest.mark.parametrize(("dtype", "code"), [("uint8", "B"), ("int8", "b")])
    def test_byte_by_byte(self, tmp_path: Path, dtype: str, code: str) -> None:
        """Against `struct`, as docs/formats.md has it."""
        files = FeatureFiles(tmp_path / "features", dtype, 3)
        keypoints = np.array([[1.5, 639.96875, 7.1], [0, 2047.96875, 0.01]], dtype=np.float32)
        descriptors = np.array([[1, 2, 100], [127, 0, 3]], dtype=dtype)
        (record,), end = files.append(7, [Features(keypoints, descriptors)])
        data = (tmp_path / "features" / "000000.bin").read_bytes()[7:]
        assert data == struct.pack(
            f"<6H6{code}", 48, 20479, round(7.1 * 32), 0, 65535, 0, 1, 2, 100, 127, 0, 3
        )
        assert record == Record(7, 2, zlib.crc32(data))
        assert end == 7 + len(data)

    def test_a_sift_feature_takes_134_bytes(self, tmp_path: Path) -> None:
        assert FeatureFiles(tmp_path, "uint8", 128).size(1) == 134

    def test_places_outside_are_the_nearest_inside(self, files: FeatureFiles) -> None:
        far = np.array([[-0.5, -300, 2047.99], [2048, 1e9, 5]], dtype=np.float32)
        (record,), _ = files.append(0, [Features(far, np.zeros((2, LENGTH), dtype=np.int8))])
        stored = files.read(record.place, record.count)
        top = np.float32(65535 / 32)
        assert stored.keypoints.tolist() == [[0, 0, top], [top, top, 5]]

    @given(st.lists(st.floats(0, 2047.5, width=32), min_size=3, max_size=3))
    def test_a_keypoint_moves_by_a_64th_of_a_pixel_at_most(self, keypoint: list[float]) -> None:
        files = FeatureFiles(Path("nowhere"), "int8", LENGTH)
        one = Features(np.array([keypoint], np.float32), np.zeros((1, LENGTH), dtype=np.int8))
        stored = np.frombuffer(files._pack(one)[:6], dtype="<u2") / 32
        assert np.abs(stored - keypoint).max() <= 1 / 64

    @pytest.mark.parametrize(("dtype", "length"), [("uint8", LENGTH), ("int8", 5)])
    def test_another_kind_is_refused(self, files: FeatureFiles, dtype: str, length: int) -> None:
        other = Features(np.zeros((1, 3), np.float32), np.zeros((1, length), dtype=dtype))
        with pytest.raises(InputError, match=f"of {length} {dtype} values do not fit .* 4 int8"):
            files.append(0, [other])


class TestWriteAndRead:
    @given(
        batches=st.lists(st.lists(st.integers(0, 10), max_size=6), max_size=5),
        start=st.integers(0, 250),
    )
    def test_any_numbers_of_features(
        self, tmp_path_factory: pytest.TempPathFactory, batches: list[list[int]], start: int
    ) -> None:
        made = make_features()
        folder = tmp_path_factory.mktemp("files")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(module, "FILE", 100)
            writer, reader = (FeatureFiles(folder / "f", "int8", LENGTH) for _ in range(2))
            kept: list[tuple[Record, Features]] = []
            end = start
            for batch in batches:
                some = [made(len(kept) + number, count) for number, count in enumerate(batch)]
                before = end
                records, end = writer.append(end, some)
                assert end >= before
                kept += zip(records, some, strict=True)
                for record, features in kept:  # a reader sees what is appended while it reads
                    assert equal(reader.read(record.place, record.count), features)
                    data = reader.read_bytes(record.place, record.count)
                    assert data is not None
                    assert zlib.crc32(data) == record.checksum
        at = start
        for record, features in kept:
            assert record.count == len(features)
            assert record.place >= at  # behind all before it
            assert record.place - at < 100  # and not far
            at = record.place + BYTES * record.count
            if record.count:
                assert record.place // 100 == (at - 1) // 100  # in one file
        assert at == end
        assert all(path.stat().st_size <= 100 for path in folder.rglob("*.bin"))

    def test_photos_without_features_need_no_file(self, files: FeatureFiles) -> None:
        records, end = files.append(30, [files.none(), files.none()])
        assert records == [Record(30, 0, 0), Record(30, 0, 0)]
        assert end == 30
        assert not files.folder.exists()
        assert equal(files.read(30, 0), files.none())
        assert files.read_bytes(30, 0) == b""

    def test_over_what_a_crash_left_behind(
        self, files: FeatureFiles, features: Callable[..., Features]
    ) -> None:
        files.append(0, [features(0, 5), features(1, 9)])
        ((record,), _) = files.append(5 * BYTES, [features(2, 3)])
        assert equal(files.read(0, 5), features(0, 5))
        assert equal(files.read(record.place, 3), features(2, 3))

    @pytest.mark.usefixtures("small")
    def test_over_damage(self, files: FeatureFiles, features: Callable[..., Features]) -> None:
        records, _ = files.append(0, [features(n, 6) for n in range(3)])
        content = files.path(1).read_bytes()
        files.path(1).unlink()
        assert files.overwrite(records[1].place, features(1, 6)) == records[1]
        assert files.path(1).read_bytes() == content

    def test_descriptors_are_not_copied_and_cannot_be_spoilt(
        self, files: FeatureFiles, features: Callable[..., Features]
    ) -> None:
        files.append(0, [features(0, 5)])
        found = files.read(0, 5)
        assert not found.descriptors.flags.owndata
        with pytest.raises(ValueError, match="read-only"):
            found.descriptors[0] = 0


class TestDamage:
    @pytest.mark.usefixtures("small")
    @pytest.mark.parametrize("size", [None, 0, 59])
    def test_a_short_or_missing_file_names_the_doctor(
        self, files: FeatureFiles, features: Callable[..., Features], size: int | None
    ) -> None:
        records, _ = files.append(0, [features(n, 6) for n in range(3)])
        assert [record.place for record in records] == [0, 100, 200]
        if size is None:
            files.path(1).unlink()
        else:
            os.truncate(files.path(1), size)
        with pytest.raises(CollectionError, match="steeple doctor --collection") as caught:
            files.read(100, 6)
        assert f"{files.path(1)} holds {size or 0} bytes" in str(caught.value)
        assert "\n" not in str(caught.value)
        assert files.read_bytes(100, 6) is None
        assert equal(files.read(200, 6), features(2, 6))

    def test_a_disk_that_fills_up(
        self,
        files: FeatureFiles,
        features: Callable[..., Features],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        files.append(0, [features(0, 4)])
        real = os.pwrite

        def some(descriptor: int, data: Any, offset: int) -> int:
            if offset >= 60:
                raise OSError(28, "No space left on device")
            return real(descriptor, data[:7], offset)

        monkeypatch.setattr(os, "pwrite", some)
        with pytest.raises(OSError, match="No space"):
            files.append(40, [features(1, 4)])
        monkeypatch.setattr(os, "pwrite", lambda d, data, offset: real(d, data[:7], offset))
        files.append(40, [features(1, 4)])
        assert equal(files.read(0, 4), features(0, 4))
        assert equal(files.read(40, 4), features(1, 4))


class TestStoredFeatures:
    @pytest.fixture
    def stored(self, files: FeatureFiles, features: Callable[..., Features]) -> StoredFeatures:
        records, _ = files.append(0, [features(n, n) for n in range(6)])
        places = np.array([record.place for record in records], dtype=np.int64)
        return StoredFeatures(files, places, np.arange(6, dtype=np.int32))

    def test_by_position(self, stored: StoredFeatures, features: Callable[..., Features]) -> None:
        assert len(stored) == 6
        for position in range(6):
            assert equal(stored[position], features(position, position))
        assert equal(stored[np.int64(3)], features(3, 3))  # type: ignore[index]

    def test_some_of_them(self, stored: StoredFeatures, features: Callable[..., Features]) -> None:
        some = stored.select(np.array([5, 2, 2]))
        assert len(some) == 3
        assert equal(some[0], features(5, 5))
        assert equal(some[2], features(2, 2))

    def test_in_another_process_and_folder(
        self, stored: StoredFeatures, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        stored.files = FeatureFiles(Path("features"), "int8", LENGTH)  # as a user may give it
        expected = stored[4].descriptors.sum(), stored[4].keypoints.sum()
        data = pickle.dumps(stored)
        assert len(data) < 1000  # the maps do not travel
        reading = (
            "import pickle, sys; stored = pickle.load(sys.stdin.buffer)\n"
            "print(stored[4].descriptors.sum(), stored[4].keypoints.sum())"
        )
        done = subprocess.run(
            [sys.executable, "-c", reading], input=data, capture_output=True, check=True, cwd="/"
        )
        assert done.stdout.decode().split() == [str(value) for value in expected]


def make_features() -> Callable[[int, int], Features]:
    """The fixture `features`, for tests that hypothesis calls."""

    def make(seed: int, count: int) -> Features:
        random = np.random.default_rng(seed)
        keypoints = random.integers(0, 65536, (count, 3)).astype(np.float32) / 32
        return Features(keypoints, random.integers(-127, 128, (count, LENGTH), dtype=np.int8))

    return make
