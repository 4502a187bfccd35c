"""Every kind of damage is found, what can be derived is repaired, and the rest is said."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from steeple import Collection
from steeple.collection import damage as damage_module
from steeple.collection.cohort import Cohort
from steeple.collection.doctor import Diagnosis, Finding, check
from steeple.collection.schema import DATABASE, put_setting
from steeple.collection.segments import ROWS, checksum
from steeple.collection.store import LocalStore
from steeple.errors import CollectionError, MissingExtraError, StorageError

D = 48


@pytest.fixture
def full(places: Collection, city: Path) -> Path:
    """The folder of a sound collection of 14 tiny photos, closed."""
    places.add(city, workers=1)
    places.close()
    return places.folder


def diagnose(folder: Path, **options: Any) -> Diagnosis:
    return check(folder, workers=1, **options)


def kinds(diagnosis: Diagnosis) -> list[str]:
    return [finding.kind for finding in diagnosis.findings]


def rows(folder: Path) -> dict[str, int]:
    store = LocalStore(folder)
    found = {image.id: image.row for image in store}
    store.close()
    return found


def votes(folder: Path) -> list[tuple[Any, ...]]:
    store = LocalStore(folder)
    found = store.connection.execute(
        "SELECT row, vote, score, contrast, ordinary, spread, checksum FROM image ORDER BY row"
    ).fetchall()
    store.close()
    return found


def overwrite(folder: Path, row: int, values: Any) -> None:
    with (folder / "descriptors" / "000000.f32").open("r+b") as file:
        file.seek(row * D * 4)
        file.write(np.broadcast_to(np.asarray(values, dtype="<f4"), D).tobytes())


def execute(folder: Path, sql: str) -> None:
    store = LocalStore(folder)
    with store.transaction() as connection:
        connection.execute(sql)
    store.close()


def test_a_sound_collection(full: Path) -> None:
    before = sorted(path.name for path in full.rglob("*"))
    diagnosis = diagnose(full)
    assert diagnosis == Diagnosis(14, ())
    assert diagnosis.healthy
    assert sorted(path.name for path in full.rglob("*")) == before
    content = votes(full)
    assert diagnose(full, repair=True) == Diagnosis(14, ())
    assert votes(full) == content


def test_an_empty_one(places: Collection) -> None:
    assert diagnose(places.folder) == Diagnosis(0, ())
    assert diagnose(places.folder, repair=True) == Diagnosis(0, ())


def test_progress(full: Path) -> None:
    told: list[tuple[str, int, int | None]] = []
    diagnose(full, progress=lambda *args: told.append(args))
    assert [stage for stage, _, _ in told] == ["database", "descriptors", "photos", "vote"]
    assert ("descriptors", 14, 14) in told


class TestDescriptors:
    DAMAGE: tuple[tuple[Any, str], ...] = (
        (0.3, "does not match its checksum"),
        (np.nan, "does not match its checksum"),
        (0.0, "does not match its checksum"),
    )

    @pytest.mark.parametrize(("values", "reason"), DAMAGE)
    def test_it_is_made_again_from_its_photo(
        self, full: Path, city: Path, values: Any, reason: str
    ) -> None:
        before = votes(full)
        overwrite(full, rows(full)["abbey/2.jpg"], values)
        found = diagnose(full)
        assert found.findings[0] == Finding("descriptor", "abbey/2.jpg", f"its descriptor {reason}")
        assert kinds(found).count("descriptor") == 1
        assert not found.healthy

        diagnosis = diagnose(full, repair=True)
        assert next((f.kind, f.id, f.repaired) for f in diagnosis.findings) == (
            "descriptor",
            "abbey/2.jpg",
            True,
        )
        assert diagnosis.healthy
        assert diagnose(full) == Diagnosis(14, ())
        after = votes(full)
        for old, new in zip(before, after, strict=True):
            assert new == pytest.approx(old, rel=1e-5)
        with Collection.open(full) as places:
            assert places.search(city / "abbey" / "2.jpg", k=1)[0].id == "abbey/2.jpg"

    def test_one_bit(self, full: Path) -> None:
        path = full / "descriptors" / "000000.f32"
        data = bytearray(path.read_bytes())
        data[rows(full)["street.jpg"] * D * 4 + 77] ^= 4
        path.write_bytes(data)
        assert [f.id for f in diagnose(full).findings] == ["street.jpg"]
        assert diagnose(full, repair=True).healthy

    def test_a_wrong_one_of_the_right_checksum(self, full: Path) -> None:
        """As a faulty embedder would have left them."""
        for image, values, reason in (
            ("abbey/0.jpg", np.inf, "is not finite"),
            ("abbey/1.jpg", 0.5, "has length 3.464, neither 1 nor 0"),
        ):
            row = rows(full)[image]
            overwrite(full, row, values)
            crc = checksum(np.full(D, values, dtype=np.float32))
            execute(full, f"UPDATE image SET checksum = {crc} WHERE row = {row}")
            found = [f for f in diagnose(full).findings if f.kind == "descriptor"]
            assert [(f.id, f.detail) for f in found] == [(image, f"its descriptor {reason}")]
            assert diagnose(full, repair=True).healthy

    def test_a_photo_without_features_has_a_descriptor_of_zeros(
        self, full: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        row = rows(full)["street.jpg"]
        overwrite(full, row, 0)
        crc = checksum(np.zeros(D, dtype=np.float32))
        execute(full, f"UPDATE image SET checksum = {crc} WHERE row = {row}")
        assert "descriptor" not in kinds(diagnose(full))

    @pytest.mark.parametrize("fate", ["gone", "changed", "resized", "unreadable"])
    def test_its_photo_is_not_what_it_was(self, full: Path, city: Path, fate: str) -> None:
        photo = city / "abbey" / "2.jpg"
        content = photo.read_bytes()
        photo.unlink()
        reason = "is gone"
        if fate == "changed":
            photo.write_bytes(content[:-1] + b"?")
            reason = "has another content now"
        elif fate == "resized":
            photo.write_bytes(content + b"?")
            reason = "has another size now"
        elif fate == "unreadable":
            photo.mkdir()
            reason = "has another size now"
        overwrite(full, rows(full)["abbey/2.jpg"], np.nan)
        diagnosis = diagnose(full, repair=True)
        assert not diagnosis.healthy
        (finding,) = (f for f in diagnosis.findings if f.kind == "descriptor")
        assert not finding.repaired
        assert f"its photo {photo} {reason}; bring the photo back, or: steeple remove" in (
            finding.detail
        )
        (note,) = (f for f in diagnosis.findings if f.kind == "photo")
        assert (note.id, note.detail, note.harmless) == ("abbey/2.jpg", f"{photo} {reason}", True)
        # The rest works: what cannot be repaired is found by nobody.
        with Collection.open(full) as places:
            hits = places.search(city / "abbey" / "1.jpg")
            assert hits[0].id == "abbey/1.jpg"
            assert all(np.isfinite(hit.score) for hit in hits)
        assert not diagnose(full).healthy  # it is not forgotten

        if fate in ("gone", "changed", "resized"):
            photo.write_bytes(content)
            assert diagnose(full, repair=True).healthy
            assert diagnose(full) == Diagnosis(14, ())

    def test_the_way_out(self, full: Path, city: Path) -> None:
        (city / "abbey" / "2.jpg").unlink()
        overwrite(full, rows(full)["abbey/2.jpg"], 0.5)
        assert not diagnose(full, repair=True).healthy
        with Collection.open(full) as places:
            places.remove(["abbey/2.jpg"])
        assert diagnose(full, repair=True).healthy
        assert diagnose(full) == Diagnosis(13, ())

    def test_a_plausible_one_is_left_alone_if_it_cannot_be_made_again(
        self, full: Path, city: Path
    ) -> None:
        """One flipped bit of little weight is better than nothing."""
        (city / "abbey" / "2.jpg").unlink()
        row = rows(full)["abbey/2.jpg"]
        path = full / "descriptors" / "000000.f32"
        data = bytearray(path.read_bytes())
        data[row * D * 4] ^= 1
        path.write_bytes(data)
        assert not diagnose(full, repair=True).healthy
        assert path.read_bytes() == data

    def test_many_at_once_in_worker_processes(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from steeple.collection import doctor

        monkeypatch.setattr(doctor, "_TOGETHER", 25)
        monkeypatch.setattr(damage_module, "_PAGE", 7)
        import cv2

        root = tmp_path / "photos"
        root.mkdir()
        for seed in range(30):
            pixels = np.random.default_rng(seed).integers(0, 256, (12, 16, 3), dtype=np.uint8)
            large = cv2.resize(pixels, (96, 72), interpolation=cv2.INTER_NEAREST)
            cv2.imwrite(str(root / f"{seed:02}.png"), large)
        with Collection.create(tmp_path / "places") as places:
            places.add(root, workers=1)
        paths = [
            tmp_path / "places" / "descriptors" / "000000.f32",
            tmp_path / "places" / "features" / "000000.bin",
        ]
        contents = [path.read_bytes() for path in paths]
        for path, content in zip(paths, contents, strict=True):
            path.write_bytes(b"\xff" * len(content))
        diagnosis = check(tmp_path / "places", repair=True, workers=2)
        assert diagnosis.healthy
        assert kinds(diagnosis).count("descriptor") == kinds(diagnosis).count("features") == 30
        assert [path.read_bytes() for path in paths] == contents  # bit by bit what they were


class TestSegments:
    @pytest.mark.parametrize("keep", [None, 0, 5 * D * 4 + 17])
    def test_a_short_or_missing_file(self, full: Path, city: Path, keep: int | None) -> None:
        path = full / "descriptors" / "000000.f32"
        content = path.read_bytes()
        if keep is None:
            path.unlink()
        else:
            os.truncate(path, keep)
        missing = 14 if keep in (None, 0) else 9
        with Collection.open(full) as places:  # it opens
            assert len(places) == 14
            with pytest.raises(CollectionError, match="steeple doctor --collection"):
                places.search(city / "street.jpg")
        diagnosis = diagnose(full)
        assert kinds(diagnosis).count("descriptor") == missing
        (segment,) = (f for f in diagnosis.findings if f.kind == "segment")
        assert segment.detail == f"{path} lacks {missing} descriptors"
        assert not diagnosis.healthy
        assert diagnose(full, repair=True).healthy
        assert path.read_bytes() == content
        assert diagnose(full) == Diagnosis(14, ())

    def test_without_the_photos_too(self, full: Path, city: Path) -> None:
        (full / "descriptors" / "000000.f32").unlink()
        (city / "meadow.jpg").unlink()
        (city / "castle" / "3.jpg").unlink()
        diagnosis = diagnose(full, repair=True)
        lost = [f.id for f in diagnosis.findings if f.kind == "descriptor" and not f.repaired]
        assert lost == ["meadow.jpg", "castle/3.jpg"]
        with Collection.open(full) as places:
            assert len(places.search(city / "street.jpg")) == 14
            places.remove(lost)
        assert diagnose(full, repair=True).healthy

    def test_rows_of_several_files(
        self, store: LocalStore, put: Callable[..., None], vectors: Callable[..., Any]
    ) -> None:
        with store.transaction():
            put_setting(store.connection, "next_row", ROWS - 2)
        put(store, list("abcd"), vectors(0, 4))
        store.close()
        store.segments.path(1).unlink()
        found = check(store.folder).findings
        assert [(f.kind, f.id) for f in found if f.kind in ("segment", "descriptor")] == [
            ("segment", None),
            ("descriptor", "c"),
            ("descriptor", "d"),
        ]

    def test_photos_of_the_cohort_that_were_removed(self, full: Path, city: Path) -> None:
        with Collection.open(full) as places:
            places.remove(["castle/3.jpg"])  # its row was the last
            assert 13 in Cohort.stored(places._store).rows
        os.truncate(full / "descriptors" / "000000.f32", 13 * D * 4)
        with Collection.open(full) as places, pytest.raises(CollectionError):
            places.search(city / "street.jpg")
        assert kinds(diagnose(full)) == ["votes"]
        assert diagnose(full, repair=True).healthy
        assert diagnose(full) == Diagnosis(13, ())
        with Collection.open(full) as places:
            assert places.search(city / "street.jpg")[0].id == "street.jpg"


class TestLocalFeatures:
    """Of 14 tiny photos, 40 features of 18 bytes each."""

    SIZE = 40 * 18

    @pytest.fixture
    def detailed(self, tmp_path: Path, city: Path, tiny: ModuleType) -> Path:
        with Collection.create(
            tmp_path / "detailed", embedder="tiny", local_features="squares", features_per_photo=40
        ) as places:
            places.add(city, workers=1)
        assert self.file(places.folder).stat().st_size == 14 * self.SIZE
        return places.folder

    def file(self, folder: Path) -> Path:
        return folder / "features" / "000000.bin"

    def spoil(self, folder: Path, row: int, offset: int = 5) -> None:
        with self.file(folder).open("r+b") as file:
            file.seek(row * self.SIZE + offset)
            file.write(b"\x55")

    def test_sound(self, detailed: Path) -> None:
        content = votes(detailed)
        assert diagnose(detailed) == Diagnosis(14, ())
        assert diagnose(detailed, repair=True) == Diagnosis(14, ())
        assert votes(detailed) == content

    def test_they_are_found_again_in_their_photo(self, detailed: Path) -> None:
        content, before = self.file(detailed).read_bytes(), votes(detailed)
        row = rows(detailed)["abbey/2.jpg"]
        self.spoil(detailed, row)
        assert diagnose(detailed).findings == (
            Finding("features", "abbey/2.jpg", "its local features do not match their checksum"),
        )
        diagnosis = diagnose(detailed, repair=True)
        assert diagnosis.healthy
        assert (diagnosis.findings[0].kind, diagnosis.findings[0].repaired) == ("features", True)
        assert self.file(detailed).read_bytes() == content  # bit by bit what it was
        assert diagnose(detailed) == Diagnosis(14, ())
        assert votes(detailed) == before

    def test_with_its_descriptor_in_one_pass(
        self, detailed: Path, tiny: ModuleType, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        seen: list[Path] = []
        prepare = damage_module.prepare_files

        def watch(paths: Any, *args: Any, **options: Any) -> Any:
            seen.extend(paths)
            return prepare(paths, *args, **options)

        monkeypatch.setattr(damage_module, "prepare_files", watch)
        self.spoil(detailed, 3)
        overwrite(detailed, 3, 0.5)
        overwrite(detailed, 7, 0.5)
        self.spoil(detailed, 9)
        found = [(f.kind, f.repaired) for f in diagnose(detailed, repair=True).findings[:4]]
        assert found == [
            ("descriptor", True), ("features", True), ("descriptor", True), ("features", True),
        ]  # fmt: skip
        assert len(seen) == 3
        assert diagnose(detailed) == Diagnosis(14, ())

    @pytest.mark.parametrize("keep", [None, 0, 5 * 40 * 18 + 17])
    def test_a_short_or_missing_file(self, detailed: Path, city: Path, keep: int | None) -> None:
        path = self.file(detailed)
        content, before = path.read_bytes(), votes(detailed)
        if keep is None:
            path.unlink()
        else:
            os.truncate(path, keep)
        missing = 9 if keep else 14
        with Collection.open(detailed) as places, places._store.snapshot() as columns:  # it opens
            stored = places._store.features(columns)
            assert stored is not None
            with pytest.raises(CollectionError, match="steeple doctor --collection"):
                stored[13]
        diagnosis = diagnose(detailed)
        assert kinds(diagnosis) == ["segment"] + ["features"] * missing
        detail = f"{path} lacks the local features of {missing} photos"
        assert diagnosis.findings[0].detail == detail
        assert diagnosis.findings[-1].detail == "its local features are missing"
        assert diagnose(detailed, repair=True).healthy
        assert path.read_bytes() == content
        assert diagnose(detailed) == Diagnosis(14, ())
        assert votes(detailed) == before

    def test_without_the_photo_there_are_none_until_it_is_back(
        self, detailed: Path, city: Path
    ) -> None:
        photo = city / "abbey" / "2.jpg"
        content = photo.read_bytes()
        photo.unlink()
        row = rows(detailed)["abbey/2.jpg"]
        os.truncate(self.file(detailed), row * self.SIZE + 30)
        diagnosis = diagnose(detailed, repair=True)
        assert not diagnosis.healthy
        (lost,) = (f for f in diagnosis.findings if not f.repaired and not f.harmless)
        assert (lost.kind, lost.id) == ("features", "abbey/2.jpg")
        assert f"are missing, and its photo {photo} is gone; bring the photo back" in lost.detail
        with Collection.open(detailed) as places:  # the rest works
            assert places.search(city / "abbey" / "1.jpg")[0].id == "abbey/1.jpg"
        assert not diagnose(detailed).healthy  # it is not forgotten
        photo.write_bytes(content)
        assert diagnose(detailed, repair=True).healthy
        assert diagnose(detailed) == Diagnosis(14, ())
        with Collection.open(detailed) as places, places.view() as view:
            stored = places._store.features(view.columns)
            assert stored is not None
            found = places.describe([photo]).features
            assert found is not None
            assert found[0] is not None
            assert stored[row].descriptors.tolist() == found[0].descriptors.tolist()

    def test_wrong_ones_are_left_if_they_cannot_be_found_again(
        self, detailed: Path, city: Path
    ) -> None:
        (city / "abbey" / "2.jpg").unlink()
        self.spoil(detailed, rows(detailed)["abbey/2.jpg"])
        content = self.file(detailed).read_bytes()
        assert not diagnose(detailed, repair=True).healthy
        assert self.file(detailed).read_bytes() == content

    def test_a_next_byte_that_is_taken(self, detailed: Path, city: Path, tiny: ModuleType) -> None:
        execute(detailed, "UPDATE setting SET value = '77' WHERE key = 'next_byte'")
        assert diagnose(detailed).findings[0].detail == "the next free byte is taken"
        assert not diagnose(detailed).healthy
        assert diagnose(detailed, repair=True).healthy
        tiny.write(city / "new.jpg", 800)
        with Collection.open(detailed) as places:
            places.add(city, workers=1)
        assert diagnose(detailed) == Diagnosis(15, ())

    def test_a_place_that_was_lost(self, detailed: Path) -> None:
        execute(detailed, "UPDATE image SET place = NULL WHERE row = 3")
        assert [f.detail for f in diagnose(detailed).findings] == [
            f"{next(detailed.glob('cache/*'))} belongs to an earlier state of the collection",
            "its local features are missing",
        ]
        assert diagnose(detailed, repair=True).healthy
        assert diagnose(detailed) == Diagnosis(14, ())

    def test_a_damaged_embedder_does_not_keep_them_from_repair(self, detailed: Path) -> None:
        (folder,) = detailed.glob("embedder-*")
        (folder / "tiny.json").unlink()
        self.spoil(detailed, 3)
        overwrite(detailed, 3, 0.5)
        found = [(f.kind, f.repaired) for f in diagnose(detailed, repair=True).findings[:3]]
        assert found == [("embedder", False), ("descriptor", False), ("features", True)]

    @pytest.mark.parametrize("error", [CollectionError("no model"), MissingExtraError("no torch")])
    def test_what_finds_them_is_not_there(
        self, detailed: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
    ) -> None:
        from steeple.collection import doctor

        def refuse(store: LocalStore) -> None:
            raise error

        monkeypatch.setattr(doctor, "stored_extractor", refuse)
        diagnosis = diagnose(detailed)
        (finding,) = diagnosis.findings
        assert str(error) in finding.detail
        damaged = not isinstance(error, MissingExtraError)  # the machine lacks something, if not
        assert finding.kind == ("extractor" if damaged else "machine")
        assert diagnosis.healthy is not damaged
        self.spoil(detailed, 3)
        overwrite(detailed, 3, 0.5)
        diagnosis = diagnose(detailed, repair=True)
        assert [(f.kind, f.repaired) for f in diagnosis.findings[1:3]] == [
            ("descriptor", True), ("features", False),
        ]  # fmt: skip
        assert "cannot be described again" in diagnosis.findings[2].detail


class TestVotes:
    @pytest.mark.parametrize(
        ("sql", "detail"),
        [
            ("UPDATE image SET voters = NULL WHERE row < 3", "3 images wait for a vote"),
            ("UPDATE image SET voters = x'00' WHERE row = 1", "1 images wait for a vote"),
            ("UPDATE image SET counted = 0 WHERE row = 5", "1 images wait for a vote"),
            ("UPDATE image SET vote = vote % 3 + 1 WHERE row = 4", "1 votes differ from a recount"),
            ("UPDATE image SET score = 7 WHERE row >= 12", "2 votes differ from a recount"),
            ("UPDATE image SET contrast = 7 WHERE row = 0", "1 votes differ from a recount"),
        ],
    )
    def test_pending_or_wrong(self, full: Path, sql: str, detail: str) -> None:
        before = votes(full)
        execute(full, sql)
        diagnosis = diagnose(full)
        # The columns lie there for an older generation, which is a cache and no damage.
        found = [f for f in diagnosis.findings if f.kind == "votes"]
        assert found[0] == Finding("votes", None, detail)
        assert all("verified" in f.detail for f in found[1:])  # what follows from the voters
        assert not diagnosis.healthy
        assert diagnose(full, repair=True).healthy
        assert diagnose(full) == Diagnosis(14, ())
        assert votes(full) == before

    def test_named_by_a_voter_that_is_gone(self, full: Path) -> None:
        row = rows(full)["abbey/0.jpg"]
        execute(full, f"DELETE FROM image WHERE row = {row}")
        found = [f.detail for f in diagnose(full).findings if f.kind == "votes"]
        assert "images wait for a vote" in found[0]
        assert all("verified" in text for text in found[1:])  # what follows from the voters
        assert diagnose(full, repair=True).healthy
        assert diagnose(full) == Diagnosis(13, ())


class TestFiles:
    def test_left_overs(self, full: Path) -> None:
        generation = next((full / "cache").glob("columns-*.npy"))
        (full / "cache" / "columns-1.npy").write_bytes(b"x")
        (full / "cache" / "columns-9.new").write_bytes(b"x")
        (full / "embedder-1-abc").mkdir()
        (full / "embedder-1-abc" / "tiny.json").touch()
        diagnosis = diagnose(full)
        assert kinds(diagnosis) == ["cache", "cache", "leftover"]
        assert diagnosis.healthy
        assert all(f.harmless and not f.repaired for f in diagnosis.findings)
        diagnosis = diagnose(full, repair=True)
        assert all(f.repaired for f in diagnosis.findings)
        assert list((full / "cache").iterdir()) == [generation]
        assert len(list(full.glob("embedder-*"))) == 1
        assert diagnose(full) == Diagnosis(14, ())

    def test_a_cache_that_lies(self, full: Path, city: Path) -> None:
        (path,) = (full / "cache").glob("columns-*.npy")
        table = np.load(path)
        table["row"] = table["row"][::-1]
        np.save(path, table)
        (finding,) = diagnose(full).findings
        assert finding.kind == "cache"
        assert finding.detail == f"{path} does not show what the database holds"
        assert diagnose(full, repair=True).healthy
        assert diagnose(full) == Diagnosis(14, ())
        with Collection.open(full) as places:
            assert places.search(city / "street.jpg")[0].id == "street.jpg"

    def test_the_embedder(self, full: Path, city: Path) -> None:
        (folder,) = full.glob("embedder-*")
        (folder / "tiny.json").unlink()
        overwrite(full, 3, np.nan)
        diagnosis = diagnose(full, repair=True)
        assert not diagnosis.healthy
        assert kinds(diagnosis)[:2] == ["embedder", "descriptor"]
        assert "build the collection again" in diagnosis.findings[0].detail
        assert "it cannot be described again" in diagnosis.findings[1].detail


class TestPhotos:
    def test_gone_and_changed_ones_are_notes(self, full: Path, city: Path) -> None:
        (city / "street.jpg").unlink()
        content = (city / "meadow.jpg").read_bytes()
        (city / "meadow.jpg").write_bytes(content[:-1] + b"?")
        diagnosis = diagnose(full)
        assert {(f.id, f.detail) for f in diagnosis.findings} == {
            ("street.jpg", f"{city / 'street.jpg'} is gone"),
            ("meadow.jpg", f"{city / 'meadow.jpg'} has another content now"),
        }
        assert diagnosis.healthy
        assert diagnose(full, repair=True) == diagnosis

    def test_one_that_cannot_be_reached(self, full: Path, city: Path) -> None:
        (city / "abbey").rename(city / "elsewhere")
        (city / "abbey").touch()
        details = [finding.detail for finding in diagnose(full).findings]
        assert len(details) == 4
        assert all(detail.endswith("cannot be read: Not a directory") for detail in details)


class TestDatabase:
    def test_not_a_collection(self, tmp_path: Path) -> None:
        with pytest.raises(CollectionError, match="is not a collection"):
            check(tmp_path)

    def test_damaged_beyond_opening(self, full: Path) -> None:
        (full / DATABASE).write_bytes(b"x" * 10_000)
        with pytest.raises(CollectionError, match="restore it from a backup") as caught:
            check(full)
        assert "\n" not in str(caught.value)

    def test_damaged_further_in(
        self, store: LocalStore, put: Callable[..., None], vectors: Callable[..., Any]
    ) -> None:
        put(store, [f"{n:05}" for n in range(3000)], vectors(0, 3000))
        store.close()
        with (store.folder / DATABASE).open("r+b") as file:
            for page in range(20, 40):
                file.seek(page * 4096)
                file.write(b"\xff" * 4096)
        for repair in (False, True):
            with pytest.raises(CollectionError, match="restore it from a backup") as caught:
                check(store.folder, repair=repair)
            assert "\n" not in str(caught.value)

    def test_an_index_that_misses_a_row(self, full: Path) -> None:
        connection = sqlite3.connect(full / DATABASE)
        connection.execute("PRAGMA writable_schema = ON")
        sql = "CREATE INDEX image_hash ON image (hash) WHERE row > 4"
        connection.execute("UPDATE sqlite_schema SET sql = ? WHERE name = 'image_hash'", (sql,))
        connection.commit()
        connection.close()
        diagnosis = diagnose(full, repair=True)
        assert set(kinds(diagnosis)) == {"database"}
        assert not diagnosis.healthy
        assert "restore the collection from a backup" in diagnosis.findings[0].detail

    def test_a_landmark_that_is_missing(self, full: Path) -> None:
        connection = sqlite3.connect(full / DATABASE)
        connection.execute("DELETE FROM landmark WHERE name = 'abbey'")
        connection.commit()
        connection.close()
        diagnosis = diagnose(full, repair=True)
        assert set(kinds(diagnosis)) == {"database"}
        assert "refers to a missing row of table landmark" in diagnosis.findings[0].detail
        assert not diagnosis.healthy

    def test_a_next_row_that_is_taken(self, full: Path, city: Path, tiny: ModuleType) -> None:
        execute(full, "UPDATE setting SET value = '4' WHERE key = 'next_row'")
        assert not diagnose(full).healthy
        assert diagnose(full, repair=True).healthy
        tiny.write(city / "new.jpg", 800)
        with Collection.open(full) as places:
            places.add(city, workers=1)
            assert places["new.jpg"].row == 14


class TestBesideAWriter:
    def test_a_check_says_what_it_left_out(self, full: Path) -> None:
        writer = LocalStore(full)
        with writer.writing():
            diagnosis = diagnose(full)
            with pytest.raises(CollectionError, match="is being written by process"):
                diagnose(full, repair=True)
        writer.close()
        (finding,) = diagnosis.findings
        assert finding.kind == "busy"
        assert "were not checked" in finding.detail
        assert diagnosis.healthy

    def test_on_a_disk_that_takes_nothing(
        self, full: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(self: LocalStore, **options: Any) -> None:
            raise StorageError("read-only")

        monkeypatch.setattr(LocalStore, "writing", refuse)
        assert diagnose(full) == Diagnosis(14, ())
