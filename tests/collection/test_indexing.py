"""Which index a collection gets, and when."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from steeple import Collection
from steeple.collection import indexing
from steeple.collection.approximate import StoredIndex, find_newest
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
    assert numbered(places) is None  # ten of twenty are too many, and there are too few left


def test_when_much_was_removed(
    places: Collection, tiny: ModuleType, tmp_path: Path, chosen: list[Any]
) -> None:
    places.add(photos(tiny, tmp_path / "a", range(40)), workers=1)
    assert numbered(places) == "approximate-000001"
    stages: list[str] = []

    def remove(seeds: range) -> None:
        names = [f"{seed}.jpg" for seed in seeds]
        places.remove(names, progress=lambda stage, done, total: stages.append(stage))

    remove(range(10))
    assert numbered(places) == "approximate-000001"
    assert stages == []
    remove(range(10, 11))  # now it is more than a quarter
    assert numbered(places) == "approximate-000002"
    assert stages[-2:] == ["index", "recall"]
    with places.view() as view:
        assert view.approximate is not None
        assert view.approximate.changed(view.rows) == 0
        assert view.approximate.about.images == 29


def test_what_was_computed_by_a_worn_one_goes_with_it(
    places: Collection, tiny: ModuleType, tmp_path: Path, chosen: list[Any]
) -> None:
    places.add(photos(tiny, tmp_path / "a", range(20)), workers=1)
    places.remove([f"{seed}.jpg" for seed in range(8)])
    with places.view() as view:
        view.graph().neighbours(3)
    places.remove([f"{seed}.jpg" for seed in range(8, 12)])
    from steeple.collection.doctor import check

    assert list(check(places.folder, workers=1).findings) == []


class TestMemory:
    """How much `choose_index` may take is asked anew where it is told, and only there."""

    @pytest.fixture
    def by_memory(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(
            indexing, "choose_index", lambda n, d, memory: "HNSW4" if memory > 10**6 else "IVF2,SQ8"
        )

    def test_adding_with_less(
        self, places: Collection, tiny: ModuleType, tmp_path: Path, by_memory: None
    ) -> None:
        source = photos(tiny, tmp_path / "a", range(8))
        places.add(source, workers=1)
        places.add(source, workers=1)
        assert numbered(places) == "approximate-000001"
        places.add(source, workers=1, memory=10**6)
        index = stored_index(places._store)
        assert index is not None
        assert index.about.factory == "IVF2,SQ8"
        assert Wanted.stored(places._store) == Wanted("auto", 10**6)
        assert numbered(places) == "approximate-000002"
        places.add(source, workers=1)
        assert numbered(places) == "approximate-000002"

    def test_the_kind_stays(
        self, places: Collection, tiny: ModuleType, tmp_path: Path, by_memory: None
    ) -> None:
        source = photos(tiny, tmp_path / "a", range(8))
        places.add(source, workers=1)
        places.build_index("HNSW8")
        generation = places._store.setting("generation")
        places.add(source, workers=1, memory=10**6)
        assert Wanted.stored(places._store) == Wanted("HNSW8", 10**6)
        assert numbered(places) == "approximate-000002"
        places.add(source, workers=1, memory=10**6)
        assert places._store.setting("generation") == generation + 1


class TestVoters:
    """Forty photos; the training set is too large for exact search from twelve on."""

    @pytest.fixture
    def labelled(self, places: Collection, tiny: ModuleType, tmp_path: Path) -> Any:
        def add(count: int) -> Collection:
            source = photos(tiny, tmp_path / "a", range(40))
            labels = tmp_path / "labels.csv"
            lines = [f"{seed}.jpg,place {seed % 3}" for seed in range(count)]
            labels.write_text("\n".join(["id,landmark", *lines]) + "\n")
            places.add(source, labels, workers=1)
            return places

        return add

    def index(self, places: Collection) -> StoredIndex:
        with places.view() as view:
            assert view.approximate is not None
            return view.approximate

    def right(self, places: Collection) -> None:
        """Graphs of so few images find all, so votes are those of exact search."""
        with places.view() as view:
            queries = view[np.arange(len(view))]
            found = view.search_training(queries, 3)
            expected = view.exactly.search_training(queries, 3)
            np.testing.assert_allclose(found.scores, expected.scores, atol=1e-6)
            votes = view.context(queries).need("query_votes")
            exact = view.exactly.context(queries).need("query_votes")
            assert votes.labels.tolist() == exact.labels.tolist()

    @pytest.mark.parametrize(
        ("images", "memory", "factory"),
        [
            (0, MEMORY, "Flat"),
            (9_000, MEMORY, "Flat"),
            (10_000, MEMORY, "HNSW32_SQ8"),
            (10_000, 10**7, "Flat"),
            (761_757, MEMORY, "IVF4096,PQ256x4fs"),
            (1_580_470, MEMORY, "IVF4096,SQ8"),
            (1_000_000_000, MEMORY, "Flat"),
        ],
    )
    def test_what_so_many_get(self, images: int, memory: int, factory: str) -> None:
        assert Wanted("auto", memory).voters_factory(images, 512) == factory
        assert Wanted("HNSW8", memory).voters_factory(images, 512) == factory

    def test_few_are_searched_exactly(self, labelled: Any, chosen: list[Any]) -> None:
        places = labelled(11)
        assert self.index(places).voters is None
        self.right(places)

    def test_an_index_of_their_own(self, labelled: Any, chosen: list[Any]) -> None:
        places = labelled(20)
        assert chosen[-2:] == [(20, 48, MEMORY // 2), (40, 48, MEMORY // 2)]  # half for each
        index = self.index(places)
        own = index.voters
        assert own is not None
        assert (index.about.voters, own.about.voters) == ("own", "exact")
        assert (own.about.images, own.about.recall, own.about.factory) == (20, 1, "HNSW4")
        self.right(places)

    def test_the_same_index_where_they_are_the_same_images(
        self, labelled: Any, chosen: list[Any]
    ) -> None:
        places = labelled(34)
        index = self.index(places)
        assert index.about.voters == "shared"
        assert index.voters is index
        self.right(places)

    @pytest.mark.parametrize("count", [20, 34])
    def test_a_search_compares_with_few(
        self, labelled: Any, chosen: list[Any], count: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Whatever it is re-ranked by: neither index nor training set is searched exactly."""
        from steeple.collection import coverage, view

        places = labelled(count)

        def refuse(*_: object) -> None:
            pytest.fail("searched exactly")

        for module in (coverage, view):
            monkeypatch.setattr(module, "search_blocks", refuse)
        with places.view() as seen:
            queries = seen[np.arange(3)]
        for rerank in ("knn", "default"):
            hits = places.search_descriptors(queries, 10, rerank=rerank)
            assert [len(one) for one in hits] == [10, 10, 10]

    def test_every_change_is_followed(self, labelled: Any, chosen: list[Any]) -> None:
        places = labelled(20)
        places.label({"21.jpg": "place 0", "3.jpg": None})
        assert numbered(places) == "approximate-000001"
        self.right(places)
        places.remove([f"{seed}.jpg" for seed in range(4, 8)])
        assert numbered(places) == "approximate-000001"  # 5 of 20 are no more than a quarter
        self.right(places)
        places.remove(["8.jpg"])
        assert numbered(places) == "approximate-000002"
        assert self.index(places).voters is not None
        self.right(places)

    def test_labels_make_it_stale(
        self, labelled: Any, chosen: list[Any], tiny: ModuleType, tmp_path: Path
    ) -> None:
        places = labelled(20)
        labelled(20)
        assert numbered(places) == "approximate-000001"
        labelled(25)
        assert numbered(places) == "approximate-000002"
        own = self.index(places).voters
        assert own is not None
        assert own.about.images == 25

    def test_one_that_was_built_before_there_were_any(
        self, labelled: Any, chosen: list[Any]
    ) -> None:
        places = labelled(20)
        path = places.folder / "cache" / "approximate-000001" / "about.json"
        about = json.loads(path.read_text())
        del about["voters"]
        path.write_text(json.dumps(about))
        with Collection.open(places.folder) as reader:
            assert self.index(reader).voters is None
            self.right(reader)
        labelled(20)
        assert self.index(places).voters is not None

    def test_naming_photos_is_exact(
        self, labelled: Any, chosen: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from steeple.collection.coverage import Coverage

        places = labelled(20)

        def refuse(*_: object) -> None:
            pytest.fail("searched approximately")

        monkeypatch.setattr(Coverage, "search", refuse)
        photo = tmp_path / "a" / "1.jpg"
        places.recognize([photo], workers=1)
        places.search(photo, 5, exact=True)


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


@pytest.mark.parametrize("kind", ["FLAT", "Flat", "fLaT", "AUTO", "Auto"])
def test_exact_search_and_our_choice_in_any_case(
    tmp_path: Path, tiny: ModuleType, kind: str
) -> None:
    source = photos(tiny, tmp_path / "a", range(4))
    with Collection.create(tmp_path / "places", embedder="tiny", index=kind) as places:
        assert Wanted.stored(places._store).kind == kind.lower()
        places.add(source, workers=1)
        assert places.build_index("HNSW4") is not None
        assert places.build_index(kind) is None
        assert Wanted.stored(places._store).kind == kind.lower()
        assert numbered(places) is None
    with pytest.raises(InputError, match="FAISS knows no index 'hnsw4'"):
        check_kind("hnsw4", 48)


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


def test_what_does_not_fit_the_memory(
    tmp_path: Path,
    tiny: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Nothing of what was added is lost: everything is searched exactly, and adding says so."""

    def choose(images: int, dimension: int, memory: int) -> str:
        raise InputError(f"{images} images need more than {memory} bytes")

    monkeypatch.setattr(indexing, "choose_index", choose)
    source = photos(tiny, tmp_path / "a", range(5))
    with Collection.create(tmp_path / "places", embedder="tiny") as places:
        assert places.add(source, workers=1).added == 5
        assert "searched exactly: 5 images need more than" in caplog.text
        assert "--kind auto" not in caplog.text  # which it is already
        assert len(places) == 5
        assert numbered(places) is None
        with pytest.raises(InputError, match="need more than"):
            places.build_index()


@pytest.mark.parametrize("kind", ["NSG16,Flat", "IDMap,Flat", "HNSW1"])
def test_what_cannot_be_filled_is_refused_at_once(tmp_path: Path, tiny: Any, kind: str) -> None:
    with pytest.raises(InputError):
        Collection.create(tmp_path / "places", embedder="tiny", index=kind)
    assert not (tmp_path / "places").exists()


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

    def test_who_searches_exactly_does_not_read_it(
        self, places: Collection, tiny: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from steeple.collection import approximate

        places.add(photos(tiny, tmp_path / "a", range(6)), workers=1)
        places.build_index("HNSW4")
        read, opened = approximate._read, []

        def noted(*arguments: Any) -> Any:
            opened.append(1)
            return read(*arguments)

        monkeypatch.setattr(approximate, "_read", noted)
        with Collection.open(places.folder) as reader:
            with reader.view(exact=True) as view:
                assert view.approximate is None
            assert opened == []
            with reader.view() as view:
                assert view.approximate is not None
            with reader.view(exact=True) as exact:
                assert exact is view.exactly
            with reader.view() as again:
                assert again is view
            assert opened == [1]

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
        from steeple.collection import storing

        places.add(photos(tiny, tmp_path / "a", range(6)), workers=1)
        places.build_index("HNSW4")

        def full(*_: object) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(storing._Written, "take", full)
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


def test_damage_that_only_the_checksum_shows_is_mended_by_the_next_add(
    places: Collection, tiny: ModuleType, tmp_path: Path
) -> None:
    source = photos(tiny, tmp_path / "a", range(6))
    places.add(source, workers=1)
    places.build_index("HNSW4")
    path = places.folder / "cache" / "approximate-000001" / "index.faiss"
    data = bytearray(path.read_bytes())
    data[-9] ^= 1
    path.write_bytes(data)
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
