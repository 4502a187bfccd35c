"""What goes in, what does not, and why: each photo ends up in exactly one place of the report."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from steeple import Collection
from steeple.collection import adding as module
from steeple.collection import learning
from steeple.collection.adding import AddReport, hash_file
from steeple.collection.segments import checksum
from steeple.errors import InputError, NothingToDoError
from steeple.geometry.features import Features

Write = Callable[..., Path]


@pytest.fixture
def write(tiny: ModuleType) -> Write:
    made: Write = tiny.write
    return made


def add(places: Collection, source: Path, *args: Any, **options: Any) -> AddReport:
    return places.add(source, *args, workers=1, **options)


def local_features(places: Collection) -> list[Features]:
    """Of every image, in the order of rows."""
    with places._store.snapshot() as columns:
        stored = places._store.features(columns)
        assert stored is not None
        return [stored[position] for position in range(len(stored))]


def landmarks(places: Collection) -> dict[str, str | None]:
    return {image.id: image.landmark for image in places}


class TestNewPhotos:
    def test_everything_about_them(self, places: Collection, city: Path) -> None:
        report = add(places, city)
        assert (report.added, report.failed, report.learned_from) == (14, [], 14)
        assert report.revoted == 14
        assert report.changed
        assert len(places) == 14
        image = places["abbey/0.jpg"]
        path = city / "abbey" / "0.jpg"
        assert (image.landmark, image.role, image.path) == ("abbey", 3, str(path))
        assert (image.width, image.height) == (48, 36)
        assert (image.hash, image.bytes) == hash_file(path)
        assert places["street.jpg"].role == 2
        rows = np.arange(14)
        vectors = places._store.segments.read(rows)
        stored = places._store.connection.execute("SELECT checksum FROM image ORDER BY row")
        assert [checksum(vector) for vector in vectors] == [row[0] for row in stored]

    def test_a_relative_path_is_stored_absolute(
        self, places: Collection, city: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(city.parent)
        add(places, Path("city"))
        assert places["street.jpg"].path == str(city / "street.jpg")

    @pytest.mark.parametrize("commit", [1, 3, 100])
    def test_the_size_of_a_commit_changes_nothing(
        self, places: Collection, city: Path, monkeypatch: pytest.MonkeyPatch, commit: int
    ) -> None:
        monkeypatch.setattr(module, "COMMIT", commit)
        monkeypatch.setattr(module, "_LOOK_AHEAD", 2)
        monkeypatch.setattr(learning, "FIT_PHOTOS", 5)
        report = add(places, city)
        assert (report.added, report.learned_from) == (14, 5)
        assert [image.row for image in places] == list(range(14))
        assert [image.id for image in places] == [
            path.relative_to(city).as_posix()
            for path in [
                city / "meadow.jpg",
                city / "street.jpg",
                *(
                    city / name / f"{n}.jpg"
                    for name in ("abbey", "bridge", "castle")
                    for n in range(4)
                ),
            ]
        ]

    def test_in_worker_processes(self, tmp_path: Path, tiny: ModuleType) -> None:
        """With the real embedder, which workers can import."""
        import cv2

        root = tmp_path / "photos"
        root.mkdir()
        for seed in range(40):
            pixels = np.random.default_rng(seed).integers(0, 256, (12, 16, 3), dtype=np.uint8)
            large = cv2.resize(pixels, (96, 72), interpolation=cv2.INTER_NEAREST)
            cv2.imwrite(str(root / f"{seed:02}.png"), large)
        (root / "17.png").write_bytes(b"no photo")
        with Collection.create(tmp_path / "one") as one, Collection.create(tmp_path / "two") as two:
            reports = one.add(root, workers=1), two.add(root, workers=2)
            assert reports[0].failed == reports[1].failed
            assert len(reports[0].failed) == 1
            assert [i.id for i in one] == [i.id for i in two]
            rows = np.arange(39)
            np.testing.assert_array_equal(
                one._store.segments.read(rows), two._store.segments.read(rows)
            )
            for mine, other in zip(local_features(one), local_features(two), strict=True):
                assert len(mine) > 20
                np.testing.assert_array_equal(mine.keypoints, other.keypoints)
                np.testing.assert_array_equal(mine.descriptors, other.descriptors)
            hit = one.search(root / "05.png", k=1)[0]
            assert (hit.id, hit.origin, round(hit.score, 4)) == ("05.png", "retrieved", 1)

    def test_progress(self, places: Collection, city: Path) -> None:
        told: list[tuple[str, int, int | None]] = []
        add(places, city, progress=lambda *args: told.append(args))
        stages = [stage for stage, _, _ in told]
        assert sorted(set(stages), key=stages.index) == [
            "learn", "embed", "vote", "verify", "judge",
        ]  # fmt: skip
        embedded = [done for stage, done, total in told if stage == "embed"]
        assert embedded == sorted(embedded)
        assert embedded[-1] == 14
        assert ("learn", 14, 14) in told


class TestLocalFeatures:
    @pytest.fixture
    def squares(self, tmp_path: Path, tiny: ModuleType) -> Iterator[Collection]:
        with Collection.create(
            tmp_path / "squares", embedder="tiny", local_features="squares", features_per_photo=60
        ) as collection:
            yield collection

    @pytest.mark.parametrize("commit", [3, 100])
    @pytest.mark.parametrize("learned", [5, 100])
    def test_each_photo_has_its_own(
        self,
        squares: Collection,
        city: Path,
        tiny: ModuleType,
        monkeypatch: pytest.MonkeyPatch,
        commit: int,
        learned: int,
    ) -> None:
        """Whether the embedder learned from it, and wherever a commit ends."""
        from steeple.images import read_image

        monkeypatch.setattr(module, "COMMIT", commit)
        monkeypatch.setattr(learning, "FIT_PHOTOS", learned)
        (city / "blank.jpg").write_bytes(one_colour())
        (city / "cut.jpg").write_bytes((city / "street.jpg").read_bytes()[:60])
        add(squares, city)
        found = local_features(squares)
        assert len(found) == len(squares) == 15
        for image, features in zip(squares, found, strict=True):
            expected = tiny.Squares()(read_image(image.path)).strongest(60)
            assert features.descriptors.tolist() == expected.descriptors.tolist()
            assert features.keypoints.tolist() == expected.keypoints.tolist()
            assert len(features) == (0 if image.id == "blank.jpg" else 60)

    def test_a_replaced_photo(self, squares: Collection, city: Path, write: Write) -> None:
        add(squares, city)
        before = local_features(squares)
        write(city / "street.jpg", 900)
        add(squares, city)
        after = local_features(squares)
        row = [image.id for image in squares].index("street.jpg")
        assert row == 13  # the last
        assert after[row].descriptors.tolist() not in [one.descriptors.tolist() for one in before]
        size = (squares.folder / "features" / "000000.bin").stat().st_size
        assert size == 15 * 60 * 18  # the old ones are a hole

    def test_a_collection_without(self, tmp_path: Path, city: Path, tiny: ModuleType) -> None:
        with Collection.create(tmp_path / "plain", embedder="tiny", local_features=None) as places:
            add(places, city)
            assert places.extractor is None
            assert places.describe([city / "street.jpg"]).features is None
            assert places.statistics()["local_features"] is None
            assert not (places.folder / "features").exists()

    def test_they_are_said(self, squares: Collection, city: Path) -> None:
        assert squares.statistics()["local_features"] == {
            "kind": "squares", "most": 60, "per_photo": 0, "bytes_per_photo": 0,
        }  # fmt: skip
        (city / "blank.jpg").write_bytes(one_colour())
        add(squares, city)
        assert squares.statistics()["local_features"] == {
            "kind": "squares", "most": 60, "per_photo": 56, "bytes_per_photo": 56 * 18,
        }  # fmt: skip


def one_colour() -> bytes:
    import cv2

    grey = np.full((36, 48, 3), 90, dtype=np.uint8)
    return bytes(cv2.imencode(".png", grey)[1].tobytes())


class TestASecondTime:
    def test_nothing_happens(self, places: Collection, city: Path) -> None:
        add(places, city)
        before = list(places)
        report = add(places, city)
        assert (report.added, report.unchanged, report.learned_from) == (0, 14, None)
        assert not report.changed
        assert report.revoted == 0
        assert list(places) == before

    def test_only_what_is_new(self, places: Collection, city: Path, write: Write) -> None:
        add(places, city)
        write(city / "abbey" / "new.jpg", 500, like=0)
        report = add(places, city)
        assert (report.added, report.unchanged) == (1, 14)
        assert places["abbey/new.jpg"].landmark == "abbey"

    def test_the_same_content_under_another_name(
        self, places: Collection, city: Path, write: Write
    ) -> None:
        (city / "copy.jpg").write_bytes((city / "street.jpg").read_bytes())
        report = add(places, city)
        assert report.duplicates == [("street.jpg", "copy.jpg")]
        (city / "another.jpg").write_bytes((city / "abbey" / "0.jpg").read_bytes())
        report = add(places, city)
        assert report.duplicates == [("another.jpg", "abbey/0.jpg"), ("street.jpg", "copy.jpg")]
        assert len(places) == 14

    def test_a_replaced_file(self, places: Collection, city: Path, write: Write) -> None:
        add(places, city)
        old = places["street.jpg"]
        write(city / "street.jpg", 900)
        report = add(places, city)
        assert (report.added, report.replaced, report.unchanged) == (0, 1, 13)
        assert report.changed
        new = places["street.jpg"]
        assert new.hash != old.hash
        assert new.row == 14
        assert len(places) == 14
        hits = places.search(city / "street.jpg", k=1)
        assert hits[0].id == "street.jpg"
        assert hits[0].score > 0.999

    def test_a_moved_folder(self, places: Collection, city: Path, tmp_path: Path) -> None:
        add(places, city)
        elsewhere = city.rename(tmp_path / "elsewhere")
        report = add(places, elsewhere)
        assert (report.added, report.unchanged, report.moved) == (0, 14, 14)
        assert report.changed  # of place, which is worth a zero exit code
        assert places["abbey/0.jpg"].path == str(elsewhere / "abbey" / "0.jpg")
        assert add(places, elsewhere).moved == 0

    def test_a_moved_and_replaced_file(
        self, places: Collection, city: Path, tmp_path: Path, write: Write
    ) -> None:
        add(places, city)
        elsewhere = city.rename(tmp_path / "elsewhere")
        write(elsewhere / "street.jpg", 900)
        report = add(places, elsewhere)
        assert (report.replaced, report.moved) == (1, 13)
        assert places["street.jpg"].path == str(elsewhere / "street.jpg")

    def test_a_renamed_file(self, places: Collection, city: Path) -> None:
        add(places, city)
        (city / "street.jpg").rename(city / "lane.jpg")
        report = add(places, city)
        assert (report.added, report.moved) == (0, 1)
        assert report.duplicates == [("lane.jpg", "street.jpg")]
        assert places["street.jpg"].path == str(city / "lane.jpg")  # the id never changes
        assert add(places, city).moved == 0

    def test_a_copied_folder_stays_where_it_was(
        self, places: Collection, city: Path, tmp_path: Path
    ) -> None:
        import shutil

        add(places, city)
        shutil.copytree(city, tmp_path / "copy")
        report = add(places, tmp_path / "copy")
        assert (report.unchanged, report.moved) == (14, 0)
        assert places["street.jpg"].path == str(city / "street.jpg")

    def test_through_a_link_it_is_the_same_file(
        self, places: Collection, city: Path, tmp_path: Path, write: Write
    ) -> None:
        add(places, city)
        (tmp_path / "link").symlink_to(city)
        write(city / "street.jpg", 900)
        report = add(places, tmp_path / "link")
        assert (report.unchanged, report.replaced, report.failed) == (13, 1, [])

    def test_labels_come_later(self, places: Collection, tiny: ModuleType, tmp_path: Path) -> None:
        root = tmp_path / "flat"
        for seed in range(6):
            tiny.write(root / f"{seed}.jpg", seed, like=seed // 3)
        add(places, root)
        assert set(landmarks(places).values()) == {None}
        table = tmp_path / "labels.csv"
        table.write_text("id,landmark\n0,abbey\n1,abbey\n4.jpg,bridge\n")
        report = add(places, root, table)
        assert (report.relabelled, report.unchanged, report.added) == (3, 3, 0)
        assert report.changed
        assert landmarks(places)["4.jpg"] == "bridge"
        assert places["0.jpg"].role == 3
        assert add(places, root, table).relabelled == 0
        # A table that says nothing of a photo takes nothing away.
        table.write_text("id,landmark\n0,tower\n")
        assert add(places, root, table).relabelled == 1
        assert landmarks(places) == {
            "0.jpg": "tower", "1.jpg": "abbey", "2.jpg": None,
            "3.jpg": None, "4.jpg": "bridge", "5.jpg": None,
        }  # fmt: skip
        assert places.search(root / "2.jpg", k=3)[0].id == "2.jpg"


class TestWhatDoesNotGoIn:
    def test_unreadable_photos(self, places: Collection, city: Path) -> None:
        whole = (city / "abbey" / "0.jpg").read_bytes()
        (city / "abbey" / "cut.jpg").write_bytes(whole[:60])
        (city / "text.jpg").write_text("no photo")
        (city / "empty.jpg").touch()
        (city / "gone.jpg").symlink_to(city / "nowhere.jpg")
        os.mkfifo(city / "pipe.jpg")
        report = add(places, city)
        assert report.added == 14
        reasons = dict(report.failed)
        assert sorted(Path(path).name for path in reasons) == [
            "cut.jpg", "empty.jpg", "gone.jpg", "pipe.jpg", "text.jpg",
        ]  # fmt: skip
        assert reasons[str(city / "gone.jpg")] == "cannot be read: No such file or directory"
        assert reasons[str(city / "pipe.jpg")] == "cannot be read: not a regular file"
        assert all("\n" not in reason for reason in reasons.values())
        again = add(places, city)
        assert (again.added, again.unchanged, len(again.failed)) == (0, 14, 5)

    def test_a_name_that_is_no_text(self, places: Collection, city: Path) -> None:
        name = os.fsencode(city) + b"/caf\xe9.jpg"
        Path(os.fsdecode(name)).write_bytes((city / "street.jpg").read_bytes() + b"x")
        report = add(places, city)
        assert report.added == 14
        ((path, reason),) = report.failed
        path.encode()  # it can be printed
        assert path.endswith("caf\ufffd.jpg")
        assert "not UTF-8; rename it" in reason

    def test_nothing_can_be_read(self, places: Collection, tmp_path: Path) -> None:
        root = tmp_path / "photos"
        root.mkdir()
        for name in ("a.jpg", "b.jpg"):
            (root / name).write_text("no photo")
        with pytest.raises(InputError, match=r"none of 2 photos can be read, the first: .*a\.jpg"):
            add(places, root)
        assert len(places) == 0

    def test_an_empty_folder(self, places: Collection, tmp_path: Path) -> None:
        (tmp_path / "none").mkdir()
        with pytest.raises(NothingToDoError):
            add(places, tmp_path / "none")

    def test_two_photos_of_one_id(self, places: Collection, city: Path, write: Write) -> None:
        add(places, city)
        other = city.parent / "other"
        write(other / "street.jpg", 901)
        write(other / "abbey" / "9.jpg", 902)
        report = add(places, other)
        assert report.added == 1
        ((path, reason),) = report.failed
        assert path == str(other / "street.jpg")
        assert f"its id 'street.jpg' already belongs to {city / 'street.jpg'}" in reason
        assert "--prefix" in reason
        report = add(places, other, prefix="other/")
        assert report.added == 1
        assert report.duplicates == [("other/abbey/9.jpg", "abbey/9.jpg")]

    def test_one_id_in_two_parts_of_a_data_set(
        self, places: Collection, tmp_path: Path, write: Write
    ) -> None:
        root = tmp_path / "gldv2"
        write(root / "train" / "a" / "b" / "c" / "abc.jpg", 1)
        write(root / "index" / "a" / "b" / "c" / "abc.jpg", 2)
        write(
            root / "index" / "d" / "e" / "f" / "def.jpg", 1
        )  # a double, which a data set may have
        (root / "train.csv").write_text("id,landmark_id\nabc,7\ngone,7\n")
        (root / "index.csv").write_text("id\nabc\ndef\n")
        report = add(places, root)
        assert report.added == 2
        assert report.duplicates == []
        assert [reason for _, reason in report.failed] == [
            "cannot be read: No such file or directory",
            (
                "its id 'abc' already belongs to another photo of this source; "
                "give this source a --prefix"
            ),
        ]
        assert {i.id: i.role for i in places} == {"abc": 1, "def": 2}
        assert [hit.id for hit in places.search(root / "train/a/b/c/abc.jpg")] == ["def"]


class TestInterrupted:
    def test_what_was_committed_stays_and_the_rest_follows(
        self, places: Collection, city: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(module, "COMMIT", 4)

        def stop(stage: str, done: int, total: int | None) -> None:
            if (stage, done) == ("embed", 10):
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            add(places, city, progress=stop)
        assert len(places) == 8
        assert len(places.search(city / "street.jpg")) == 8  # no votes yet, but found
        report = add(places, city)
        assert (report.added, report.unchanged, report.revoted) == (6, 8, 14)

    def test_ids_and_contents_are_forgotten_once_committed(
        self, places: Collection, city: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(module, "COMMIT", 1)
        monkeypatch.setattr(module, "_LOOK_AHEAD", 1)
        monkeypatch.setattr(learning, "FIT_PHOTOS", 1)
        monkeypatch.setattr(module, "_UNCOMMITTED", 1)
        (city / "abbey" / "1.jpg").write_bytes((city / "abbey" / "0.jpg").read_bytes())
        report = add(places, city)
        assert report.added == 13
        assert report.duplicates == [("abbey/1.jpg", "abbey/0.jpg")]


class TestLabelsAgain:
    def test_the_name_of_a_folder_does_not_undo_a_given_label(
        self, places: Collection, city: Path, tmp_path: Path
    ) -> None:
        table = tmp_path / "labels.csv"
        table.write_text("id,landmark\nabbey/0.jpg,cathedral\n")
        add(places, city, table)
        add(places, city)
        assert landmarks(places)["abbey/0.jpg"] == "cathedral"
        assert landmarks(places)["abbey/1.jpg"] == "abbey"  # it had none, a folder is better

    def test_a_table_does(self, places: Collection, city: Path, tmp_path: Path) -> None:
        add(places, city)
        table = tmp_path / "labels.csv"
        table.write_text("id,landmark\nabbey/0.jpg,cathedral\n")
        assert add(places, city, table).relabelled == 1
        assert landmarks(places)["abbey/0.jpg"] == "cathedral"


def test_doubles_of_an_unreadable_photo_are_unreadable_too(places: Collection, city: Path) -> None:
    for name in ("broken.jpg", "copy.jpg"):
        (city / name).write_bytes(b"\xff\xd8\xff no photo")
    report = add(places, city)
    assert report.duplicates == []
    assert [Path(path).name for path, _ in report.failed] == ["broken.jpg", "copy.jpg"]


class TestLabelsOfDoublesAndChanges:
    def test_a_changed_file_keeps_its_given_label(
        self, places: Collection, city: Path, tmp_path: Path, write: Write
    ) -> None:
        table = tmp_path / "labels.csv"
        table.write_text("id,landmark\nstreet.jpg,market\n")
        add(places, city, table)
        write(city / "street.jpg", 999)
        assert add(places, city).replaced == 1
        assert landmarks(places)["street.jpg"] == "market"
        assert places["street.jpg"].role == 3

    def test_sorting_photos_into_folders_labels_them(self, places: Collection, city: Path) -> None:
        add(places, city)
        (city / "market").mkdir()
        (city / "street.jpg").rename(city / "market" / "street.jpg")
        report = add(places, city)
        assert (report.relabelled, report.moved, report.changed) == (1, 1, True)
        assert landmarks(places)["street.jpg"] == "market"
        assert places["street.jpg"].role == 3

    def test_a_copy_in_a_folder_labels_an_original_of_the_same_call(
        self, places: Collection, city: Path
    ) -> None:
        (city / "market").mkdir()
        (city / "market" / "copy.jpg").write_bytes((city / "street.jpg").read_bytes())
        report = add(places, city)
        assert report.duplicates == [("market/copy.jpg", "street.jpg")]
        assert landmarks(places)["street.jpg"] == "market"

    def test_a_copy_does_not_overrule_a_label(self, places: Collection, city: Path) -> None:
        (city / "market").mkdir()
        (city / "market" / "copy.jpg").write_bytes((city / "abbey" / "0.jpg").read_bytes())
        add(places, city)
        assert landmarks(places)["abbey/0.jpg"] == "abbey"
