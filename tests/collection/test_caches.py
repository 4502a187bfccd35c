"""What is derived goes when it does not hold any more, and doctor knows."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from steeple import Collection
from steeple.collection.doctor import check
from steeple.retrieval.neighbors import search_neighbors
from steeple.shelves import FolderShelf


@pytest.fixture
def indexed(places: Collection, city: Path) -> Collection:
    """A collection with an approximate index and a graph."""
    places.add(city, workers=1)
    places.build_index("HNSW4")
    with places.view() as view:
        view.graph().neighbours(3)
    return places


def cached(places: Collection) -> list[str]:
    return sorted(path.name.rstrip("0123456789abcdef") for path in cache(places).iterdir())


def cache(places: Collection) -> Path:
    return places.folder / "cache"


def said(places: Collection, *, repair: bool = False) -> list[tuple[str, bool]]:
    """What doctor says of caches, and whether that is mended."""
    diagnosis = check(places.folder, repair=repair, workers=1)
    assert diagnosis.healthy  # a collection works without its caches
    assert {finding.kind for finding in diagnosis.findings} <= {"cache"}
    return [(finding.detail, finding.repaired) for finding in diagnosis.findings]


def test_nothing_to_say(indexed: Collection) -> None:
    assert said(indexed) == []
    assert said(indexed, repair=True) == []
    assert cached(indexed) == ["approximate-", "columns-6.npy", "graph-"]


@pytest.mark.parametrize("damage", ["checksum", "file"])
def test_a_damaged_index(indexed: Collection, damage: str) -> None:
    path = cache(indexed) / "approximate-000001" / "index.faiss"
    data = bytearray(path.read_bytes())
    if damage == "checksum":
        data[-50] ^= 1
    path.write_bytes(data if damage == "checksum" else data[:50])
    found = said(indexed)
    what = {"checksum": "does not match its checksum", "file": "is damaged (index.faiss has"}
    assert what[damage] in found[0][0]
    repaired = said(indexed, repair=True)
    assert repaired[0] == (found[0][0], True)
    assert said(indexed) == []
    with indexed.view() as view:
        assert view.approximate is not None
        assert view.approximate.damage() is None


def test_left_behind(indexed: Collection) -> None:
    (cache(indexed) / "approximate-000002.new").mkdir()
    (cache(indexed) / "columns-2.npy").write_bytes(b"old")
    FolderShelf(cache(indexed) / "graph-0123").once("n", {"x": ((1,), "int8")}, lambda _: None)
    found = said(indexed)
    assert [detail.rpartition("cache/")[2] for detail, _ in found] == [
        "approximate-000002.new was left behind by an interrupted command",
        "columns-2.npy belongs to an earlier state of the collection",
        "graph-0123 belongs to an earlier state of the collection",
    ]
    assert all(repaired for _, repaired in said(indexed, repair=True))
    assert cached(indexed) == ["approximate-", "columns-6.npy", "graph-"]


def test_repaired_descriptors_leave_nothing_that_was_derived_from_damaged_ones(
    places: Collection, city: Path, tiny: ModuleType
) -> None:
    places.add(city, workers=1)
    with places.view() as view:
        vectors = view[np.arange(len(view))]
    (segment,) = (places.folder / "descriptors").iterdir()
    good = segment.read_bytes()
    segment.write_bytes(good[:192] + good[:192] + good[384:])  # the second is the first
    with Collection.open(places.folder) as reader:
        reader.build_index("HNSW4")
        with reader.view() as view:
            view.graph().neighbours(3)
    (old,) = cache(places).glob("graph-*")
    diagnosis = check(places.folder, repair=True, workers=1)
    assert "descriptor" in {finding.kind for finding in diagnosis.findings if finding.repaired}
    assert not old.exists()
    with Collection.open(places.folder) as reader, reader.view() as view:
        assert view.approximate is not None
        expected = search_neighbors(vectors, vectors, 3)
        np.testing.assert_allclose(view.search(vectors, 3).scores, expected.scores, atol=1e-6)
        found = view.graph().neighbours(2).scores
        np.testing.assert_allclose(found, expected.scores[:, 1:], atol=1e-6)


@pytest.mark.parametrize("index", [None, "HNSW4"])
def test_what_was_computed_while_descriptors_were_repaired_is_not_served(
    places: Collection, city: Path, index: str | None
) -> None:
    """It may be of the damaged ones: who computed had read them before."""
    places.add(city, workers=1)
    if index:
        places.build_index(index)
    with places.view() as view:
        vectors = view[np.arange(len(view))]
    (segment,) = (places.folder / "descriptors").iterdir()
    good = segment.read_bytes()
    segment.write_bytes(good[:192] + good[:192] + good[384:])  # the second is the first
    with Collection.open(places.folder) as reader, reader.view() as view:
        graph = view.graph()
        search = graph.search

        def slowly(queries: Any, k: int) -> Any:
            found = search(queries, k)
            assert check(places.folder, repair=True, workers=1).healthy
            return found

        graph.search = slowly
        assert graph.neighbours(2).scores[0, 0] == pytest.approx(1)  # damaged, as it saw them
    expected = search_neighbors(vectors, vectors, 3).scores[:, 1:]
    assert expected[0, 0] < 0.999
    for _ in range(2):
        with Collection.open(places.folder) as reader, reader.view() as view:
            found = view.graph().neighbours(2).scores
            np.testing.assert_allclose(found, expected, atol=1e-6)
    ((detail, _),) = said(places, repair=True)
    assert detail.endswith("belongs to an earlier state of the collection")
    assert said(places) == []


def test_deleted_by_hand(indexed: Collection, city: Path) -> None:
    import shutil

    photo = city / "street.jpg"
    expected = [hit.id for hit in indexed.search(photo, 9, rerank="egt")]
    shutil.rmtree(cache(indexed))
    with Collection.open(indexed.folder) as reader:
        assert [hit.id for hit in reader.search(photo, 9, rerank="egt")] == expected
        assert said(indexed) == []
        reader.add(city, workers=1)
    assert cached(indexed) == ["approximate-", "columns-6.npy", "graph-"]


def test_a_file_of_nobody(indexed: Collection) -> None:
    (cache(indexed) / "notes.txt").write_text("mine")
    ((detail, _),) = said(indexed)
    assert detail.endswith("notes.txt belongs to an earlier state of the collection")


def test_what_labels_say_goes_with_them(indexed: Collection, city: Path) -> None:
    def names() -> list[str]:
        return sorted(path.name.partition("-")[0] for path in cache(indexed).glob("graph-*/*"))

    with indexed.view() as view:
        view.graph().shelf.once("label-x", {"x": ((1,), "int8")}, lambda _: None)
    indexed.add(city, workers=1)  # nothing new
    assert names() == ["label", "neighbours"]
    indexed.label({"street.jpg": "street"})
    assert names() == ["neighbours"]


def stages(places: Collection, **options: Any) -> list[str]:
    told: list[str] = []
    check(places.folder, progress=lambda stage, done, total: told.append(stage), **options)
    return told


def test_rebuilding_is_told(indexed: Collection) -> None:
    (cache(indexed) / "approximate-000001" / "index.faiss").write_bytes(b"")
    assert "index" not in stages(indexed)
    assert stages(indexed, repair=True, workers=1)[-2:] == ["index", "recall"]
