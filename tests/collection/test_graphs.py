"""What offline re-rankers compute is kept with the collection, as long as it holds."""

from __future__ import annotations

import logging
import os
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from steeple import Collection
from steeple.collection.graphs import (
    count_repair,
    graph_key,
    graph_shelf,
    remove_graphs,
    repairs,
)
from steeple.collection.indexing import build_index, stored_index
from steeple.collection.store import LocalStore
from steeple.collection.view import View
from steeple.collection.votes import refresh_votes
from steeple.progress import silent
from steeple.retrieval.approximate.effort import Effort
from steeple.retrieval.approximate.recall import recall
from steeple.retrieval.leaving_out import without_self
from steeple.retrieval.neighbors import search_neighbors
from steeple.retrieval.offline.graph import IndexGraph
from steeple.retrieval.offline.search import OwnSearch
from steeple.retrieval.offline.shelf import Arrays
from steeple.retrieval.types import Ranking
from steeple.shelves import FolderShelf

LAYOUT = {"x": ((2,), "int64")}


def nothing(_: Arrays) -> None:
    pass


def graphs(places: Collection) -> list[str]:
    """Where neighbours are kept, and what depends on labels."""
    return sorted(
        f"{path.parent.name}/{path.name.partition('-')[0]}"
        for path in (places.folder / "cache").glob("graph-*/*")
    )


def key_of(places: Collection, **options: Any) -> str:
    with places.view(**options) as view:
        return f"graph-{graph_key(view.rows, view.approximate, view.repaired)}"


@pytest.fixture
def filled(places: Collection, city: Path) -> Collection:
    places.add(city, workers=1)
    return places


def test_neighbours_of_a_view(filled: Collection) -> None:
    told: list[tuple[str, int, int | None]] = []
    with filled.view() as view:
        vectors = view[np.arange(len(view))]
        graph = view.graph(lambda *words: told.append(words))
        assert isinstance(graph, IndexGraph)
        found = graph.neighbours(3)
        context = view.context(vectors[:2])
        assert len(context.need("graph")) == len(view)
    expected = search_neighbors(vectors, vectors, 4)
    np.testing.assert_array_equal(found.scores, expected.scores[:, 1:])
    assert told == [("graph", 14, 14)]
    assert graphs(filled) == [f"{key_of(filled)}/neighbours"]
    assert graph.shelf.names() == {"neighbours-100"}
    with Collection.open(filled.folder) as reader, reader.view() as view:
        again = view.graph(lambda *words: pytest.fail("computed again")).neighbours(3)
    np.testing.assert_array_equal(again.ids, found.ids)


def test_a_search_tells_how_far_it_is(filled: Collection, city: Path) -> None:
    told: list[str] = []
    photo = city / "meadow.jpg"
    filled.search(photo, rerank="egt", progress=lambda stage, done, total: told.append(stage))
    assert told == ["graph"]
    filled.search(photo, rerank="egt", progress=lambda stage, done, total: told.append(stage))
    assert told == ["graph"]


def test_labels_change_and_neighbours_stay(filled: Collection) -> None:
    with filled.view() as view:
        view.graph().neighbours(3)
        view.graph().shelf.once("label-diffusion-abc", LAYOUT, nothing)
    kept = key_of(filled)
    filled.label({"meadow.jpg": "meadow"})
    assert key_of(filled) == kept
    assert graphs(filled) == [f"{kept}/neighbours"]


def test_images_come_or_go_and_all_is_computed_anew(
    filled: Collection, tiny: ModuleType, tmp_path: Path, city: Path
) -> None:
    with filled.view() as view:
        view.graph().neighbours(3)
    filled.add(city, workers=1)  # nothing new
    first = key_of(filled)
    assert graphs(filled) == [f"{first}/neighbours"]
    filled.add(tiny.write(tmp_path / "new" / "new.jpg", 5), workers=1)
    second = key_of(filled)
    assert second != first
    assert graphs(filled) == []
    with filled.view() as view:
        assert view.graph().neighbours(3).ids.shape == (15, 3)
    filled.remove(["new.jpg"])
    assert key_of(filled) == first  # rows, not generations
    assert graphs(filled) == []
    assert [path.name for path in (filled.folder / "cache").iterdir()] != []
    assert not (filled.folder / "cache" / second).exists()


def test_what_is_searched_approximately_has_a_graph_of_its_own(filled: Collection) -> None:
    filled.build_index("HNSW4")
    for exact in (False, True):
        with filled.view(exact=exact) as view:
            view.graph().neighbours(3)
    approximate, exact_ = key_of(filled), key_of(filled, exact=True)
    assert graphs(filled) == sorted([f"{approximate}/neighbours", f"{exact_}/neighbours"])
    filled.label({"meadow.jpg": "meadow"})
    assert len(graphs(filled)) == 2
    filled.build_index("flat")
    assert graphs(filled) == [f"{exact_}/neighbours"]


class TestUnwritable:
    @pytest.fixture
    def forbidden(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Root may write everywhere, so permissions are played."""

        def refuse(*_: object, **__: object) -> None:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK)
        monkeypatch.setattr(Path, "mkdir", refuse)
        monkeypatch.setattr(os, "open", refuse)

    def test_what_it_lacks_stays_in_memory(
        self, tmp_path: Path, forbidden: None, caplog: pytest.LogCaptureFixture
    ) -> None:
        shelf = graph_shelf(tmp_path / "cache", "abc")

        def fill(arrays: Arrays) -> None:
            arrays["x"][:] = 7

        assert shelf.once("n-1", LAYOUT, fill)["x"].tolist() == [7, 7]
        assert shelf.once("n-1", LAYOUT, nothing)["x"].tolist() == [7, 7]
        assert shelf.names() == {"n-1"}
        (record,) = caplog.records
        assert record.levelno == logging.WARNING
        assert "is gone when this command ends" in record.getMessage()
        assert list(tmp_path.iterdir()) == []

    def test_what_it_has_is_used(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        graph_shelf(tmp_path, "abc").once("n-1", LAYOUT, nothing)
        monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK)
        shelf = graph_shelf(tmp_path, "abc")
        found = shelf.once("n-1", LAYOUT, lambda arrays: pytest.fail("computed again"))
        assert isinstance(found["x"], np.memmap)
        assert shelf.names() == {"n-1"}


def test_keys() -> None:
    one = graph_key(np.arange(5), None, 0)
    assert one == graph_key(np.arange(5), None, 0)
    assert one != graph_key(np.arange(6), None, 0)
    assert one != graph_key(np.arange(1, 6), None, 0)
    assert one != graph_key(np.arange(5), None, 1)


def test_the_index_is_part_of_the_key_and_how_hard_queries_are_searched_is_not(
    filled: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled.build_index("HNSW4")
    with filled.view() as view:
        index = view.approximate
        assert index is not None
        key = graph_key(view.rows, index, 0)
        assert key != graph_key(view.rows, None, 0)
        index.about = replace(index.about, probes=7, refine=7)
        assert key == graph_key(view.rows, index, 0)
        index.about = replace(index.about, checksum=7)
        other = graph_key(view.rows, index, 0)
        assert key != other
        monkeypatch.setattr("steeple.collection.graphs.RULE", "all of them")
        assert other != graph_key(view.rows, index, 0)


class TestApproximate:
    """A graph has efforts of its own, whatever the effort that queries get."""

    @pytest.fixture
    def many(self, new_store: Any, put: Any, vectors: Any) -> LocalStore:
        store: LocalStore = new_store()
        put(store, [f"{n:04}" for n in range(900)], vectors(0, 900))
        with store.writing():
            refresh_votes(store, seed=0)
            build_index(store, "IVF32,Flat", None, silent)
        return store

    def view(self, store: LocalStore) -> View:
        with store.snapshot() as columns:
            return View.of(store, columns, stored_index(store))

    def test_is_nearly_complete_at_any_width(self, many: LocalStore, vectors: Any) -> None:
        view, whole, own = self.view(many), vectors(0, 900), np.arange(900)
        assert view.approximate is not None
        least = Effort(1, 1)
        view.approximate.index.effort = least
        told: list[str] = []
        graph = view.graph(lambda stage, done, total: told.append(stage))
        for found, k in (
            (graph.neighbours(100).ids, 100),
            (graph.neighbourhoods(400, 49)[0][:, 1:], 399),
        ):
            assert (np.asarray(found) >= 0).all()
            exact = without_self(search_neighbors(whole, whole, k + 1), own)
            assert recall(Ranking(found, np.full(found.shape, -np.inf)), exact) > 0.93
        assert told == ["recall", "recall", "graph", "recall", "recall", "neighbourhoods"]
        assert view.approximate.index.effort == least

    def test_is_found_exactly_once_the_index_is_not_trusted(
        self, many: LocalStore, vectors: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        view, whole = self.view(many), vectors(0, 900)
        assert view.approximate is not None
        view.approximate.distrust("it is damaged")
        monkeypatch.setattr(OwnSearch, "_tune", lambda *_: pytest.fail("was asked"))
        exact = without_self(search_neighbors(whole, whole, 101), np.arange(900))
        np.testing.assert_array_equal(view.graph().neighbours(100).ids, exact.ids)

    def test_with_images_that_came_and_went(self, many: LocalStore, put: Any, vectors: Any) -> None:
        put(many, ["new-1", "new-2"], vectors(0, 2))  # like the first two
        with many.transaction():
            many.delete([f"{n:04}" for n in range(10, 60)])
        with many.writing():
            refresh_votes(many, seed=0)
        view = self.view(many)
        ids = view.graph().neighbours(20).ids
        assert ids.shape == (852, 20)
        assert ids.max() < 852
        assert [ids[0, 0], ids[1, 0], ids[850, 0], ids[851, 0]] == [850, 851, 0, 1]


def test_repairs_are_counted(new_store: Any) -> None:
    store: LocalStore = new_store()
    assert repairs(store.connection) == 0
    for count in (1, 2):
        with store.transaction() as connection:
            count_repair(connection)
        assert repairs(store.connection) == count
        with store.snapshot() as columns:
            assert View.of(store, columns, None).repaired == count


def test_removing(tmp_path: Path) -> None:
    remove_graphs(tmp_path / "cache", keep=["a"], labels=True)
    for key in "ab":
        for name in ("n-1", "label-x"):
            FolderShelf(tmp_path / f"graph-{key}").once(name, LAYOUT, nothing)
    remove_graphs(tmp_path, keep=["a"], labels=False)
    assert sorted(path.name for path in tmp_path.glob("*/*")) == ["label-x", "n-1"]
    assert [path.name for path in tmp_path.iterdir()] == ["graph-a"]
    remove_graphs(tmp_path, keep=["a"], labels=True)
    assert [path.name for path in tmp_path.glob("*/*")] == ["n-1"]
