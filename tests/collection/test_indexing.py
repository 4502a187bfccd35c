"""Which index a collection gets, and when."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from steeple import Collection
from steeple.collection import indexing
from steeple.collection.approximate import find_newest
from steeple.collection.indexing import MEMORY, Wanted, check_kind, stored_index
from steeple.errors import CollectionError, InputError, StorageError
from steeple.retrieval.neighbors import search_neighbors


@pytest.fixture
def chosen(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int, int]]:
    """Small collections get an index as large ones do: HNSW from twelve images on."""
    asked: list[tuple[int, int, int]] = []

    def choose(images: int, dimension: int, memory: int) -> str:
        asked.append((images, dimension, memory))
        return "HNSW4" if images >= 12 else "Flat"

    monkeypatch.setattr(indexing, "choose_index", choose)
    return asked


def numbered(places: Collection) -> str | None:
    newest = find_newest(places.folder / "cache")
    return None if newest is None else newest.name


def photos(tiny: ModuleType, folder: Path, seeds: range) -> Path:
    for seed in seeds:
        tiny.write(folder / f"{seed}.jpg", seed)
    return folder


def test_by_itself(places: Collection, tiny: ModuleType, tmp_path: Path, chosen: list[Any]) -> None:
    """Flat, then built, then left alone, then built again, then flat."""
    stages: list[str] = []
    report = places.add(photos(tiny, tmp_path / "a", range(10)), workers=1)
    assert numbered(places) is None
    assert "index" not in report.seconds
    assert chosen == [(10, 48, MEMORY)]
    report = places.add(
        photos(tiny, tmp_path / "b", range(10, 20)),
        prefix="b/",
        progress=lambda stage, done, total: stages.append(stage),
        workers=1,
    )
    assert numbered(places) == "approximate-000001"
    assert report.seconds["index"] > 0
    assert stages[-2:] == ["index", "recall"]
    places.add(photos(tiny, tmp_path / "c", range(20, 23)), prefix="c/", workers=1)
    assert numbered(places) == "approximate-000001"  # 3 of 20 are no fifth
    places.remove([f"{number}.jpg" for number in range(3)])
    assert numbered(places) == "approximate-000001"  # 6 are, but removing is not the time
    places.add(photos(tiny, tmp_path / "c", range(20, 23)), prefix="c/", workers=1)
    assert numbered(places) == "approximate-000002"
    places.remove([f"b/{number}.jpg" for number in range(10, 20)])
    places.add(photos(tiny, tmp_path / "c", range(20, 23)), prefix="c/", workers=1)
    assert numbered(places) is None


def test_every_state_is_searched_right(
    places: Collection, tiny: ModuleType, tmp_path: Path, chosen: list[Any]
) -> None:
    places.add(photos(tiny, tmp_path / "a", range(20)), workers=1)
    with Collection.open(places.folder) as reader:
        for step in range(3):
            for one in (places, reader):
                with one.view() as view:
                    assert view.approximate is not None
                    vectors = view[np.arange(len(view))]
                    expected = search_neighbors(vectors, vectors, 5)
                    found = view.search(vectors, 5)
                    # Graphs of twenty images find all; what differs is the last bit of a product.
                    np.testing.assert_allclose(found.scores, expected.scores, atol=1e-6)
                    assert (found.ids[:, 0] == np.arange(len(view))).all()
            if step == 0:
                places.add(photos(tiny, tmp_path / "b", range(20, 22)), prefix="b/", workers=1)
            else:
                places.remove(["3.jpg", "b/21.jpg"])
            if step == 1:
                break


@pytest.mark.parametrize("kind", ["HNSW4", "IVF2,SQ8"])
def test_of_a_kind_that_was_asked_for(
    tmp_path: Path, tiny: ModuleType, kind: str, chosen: list[Any]
) -> None:
    source = photos(tiny, tmp_path / "a", range(8))
    with Collection.create(tmp_path / "places", embedder="tiny", index=kind) as places:
        places.add(source, workers=1)
        index = stored_index(places._store)
        assert index is not None
        assert (index.about.kind, index.about.factory) == (kind, kind)
        assert index.about.images == 8
        assert index.about.recall == 1
        assert chosen == []
        places._store.close()


def test_flat_stays_flat(tmp_path: Path, tiny: ModuleType, chosen: list[Any]) -> None:
    source = photos(tiny, tmp_path / "a", range(14))
    with Collection.create(tmp_path / "places", embedder="tiny", index="flat") as places:
        places.add(source, workers=1)
        assert numbered(places) is None
        assert chosen == []


@pytest.mark.parametrize("kind", ["magic", "IVF4,Magic", "", "PQ7"])
def test_what_faiss_does_not_know_is_refused_at_once(tmp_path: Path, tiny: Any, kind: str) -> None:
    with pytest.raises(InputError, match="FAISS knows no index"):
        Collection.create(tmp_path / "places", embedder="tiny", index=kind)
    assert not (tmp_path / "places").exists()
    check_kind("Flat", 48)
    check_kind("auto", 48)


def test_too_few_images_for_what_was_asked(
    tmp_path: Path, tiny: ModuleType, caplog: pytest.LogCaptureFixture
) -> None:
    """Adding goes on, and says that it is searched exactly; asked for by hand it is an error."""
    source = photos(tiny, tmp_path / "a", range(5))
    with Collection.create(tmp_path / "places", embedder="tiny", index="IVF8,SQ8") as places:
        assert places.add(source, workers=1).added == 5
        assert "in 8 lists" in caplog.text
        assert "searched exactly" in caplog.text
        assert f"steeple index {places.folder} --kind auto" in caplog.text
        assert places.statistics()["approximate"] is None
        assert numbered(places) is None
        with pytest.raises(InputError, match="lists"):
            places.build_index()
        assert places.add(photos(tiny, tmp_path / "a", range(5, 10)), workers=1).added == 5
        assert numbered(places) == "approximate-000001"
        found = places.statistics()["approximate"]
        assert (found["factory"], found["images"]) == ("IVF8,SQ8", 10)
        assert 0 < found["recall"] <= 1


class TestByHand:
    def test_built_whatever_is_there(
        self, places: Collection, tiny: ModuleType, tmp_path: Path, chosen: list[Any]
    ) -> None:
        places.add(photos(tiny, tmp_path / "a", range(14)), workers=1)
        stages: list[str] = []
        about = places.build_index(progress=lambda stage, done, total: stages.append(stage))
        assert about is not None
        assert numbered(places) == "approximate-000002"
        assert stages[-1] == "recall"
        assert Wanted.stored(places._store) == Wanted("auto", MEMORY)
        about = places.build_index("IVF2,SQ8", memory=10**7)
        assert about is not None
        assert about.factory == "IVF2,SQ8"
        assert Wanted.stored(places._store) == Wanted("IVF2,SQ8", 10**7)
        places.add(photos(tiny, tmp_path / "a", range(14, 20)), workers=1)
        index = stored_index(places._store)
        assert index is not None
        assert (index.about.factory, len(index.rows)) == ("IVF2,SQ8", 20)
        assert places.build_index("flat") is None
        assert numbered(places) is None
        places.build_index("auto")
        assert chosen[-1] == (20, 48, 10**7)
        assert numbered(places) == "approximate-000001"

    def test_readers_need_not_wait_for_a_change(
        self, places: Collection, tiny: ModuleType, tmp_path: Path
    ) -> None:
        places.add(photos(tiny, tmp_path / "a", range(6)), workers=1)
        with Collection.open(places.folder) as reader:
            with reader.view() as view:
                assert view.approximate is None
            places.build_index("HNSW4")
            with reader.view() as view:
                assert view.approximate is not None
            with reader.view(exact=True) as view:
                assert view.approximate is None
            places.build_index("flat")
            with reader.view() as view:
                assert view.approximate is None

    def test_the_columns_stay_mapped(
        self, places: Collection, tiny: ModuleType, tmp_path: Path
    ) -> None:
        places.add(photos(tiny, tmp_path / "a", range(6)), workers=1)
        places.build_index("HNSW4")
        generation = places._store.setting("generation")
        assert (places.folder / "cache" / f"columns-{generation}.npy").exists()

    def test_what_cannot_be_changes_nothing(
        self, places: Collection, tiny: ModuleType, tmp_path: Path
    ) -> None:
        for kind in ("HNSW4", "flat", None):
            with pytest.raises(InputError, match="has no images to be found; add photos"):
                places.build_index(kind)
        places.add(photos(tiny, tmp_path / "a", range(6)), workers=1)
        places.build_index("HNSW4")
        for kind, said in (("magic", "knows no index"), ("IVF9,SQ8", "in 9 lists")):
            with pytest.raises(InputError, match=said):
                places.build_index(kind)
        assert numbered(places) == "approximate-000001"
        assert Wanted.stored(places._store).kind == "HNSW4"
        with (
            Collection.open(places.folder) as other,
            other._store.writing(),
            pytest.raises(CollectionError, match="is being written by"),
        ):
            places.build_index()

    def test_a_full_disk(
        self,
        places: Collection,
        tiny: ModuleType,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        from steeple.collection import approximate

        places.add(photos(tiny, tmp_path / "a", range(6)), workers=1)
        places.build_index("HNSW4")

        def full(*_: object) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(approximate._Written, "take", full)
        with pytest.raises(StorageError, match="the disk is full"):
            places.build_index("IVF2,SQ8")
        index = stored_index(places._store)
        assert index is not None
        assert index.about.factory == "HNSW4"
        assert Wanted.stored(places._store).kind == "HNSW4"


def test_a_damaged_one_is_built_again_by_the_next_add(
    places: Collection, tiny: ModuleType, tmp_path: Path
) -> None:
    source = photos(tiny, tmp_path / "a", range(6))
    places.add(source, workers=1)
    places.build_index("HNSW4")
    (places.folder / "cache" / "approximate-000001" / "index.faiss").write_bytes(b"nothing")
    assert stored_index(places._store) is None
    places.add(source, workers=1)
    assert numbered(places) == "approximate-000002"


def test_collections_of_before_leave_the_choice_to_us(
    places: Collection, tiny: ModuleType, tmp_path: Path, chosen: list[Any]
) -> None:
    with places._store.transaction() as connection:
        connection.execute("DELETE FROM setting WHERE key = 'index'")
    assert Wanted.stored(places._store) == Wanted("auto", MEMORY)
    places.add(photos(tiny, tmp_path / "a", range(14)), workers=1)
    assert numbered(places) == "approximate-000001"
