"""Votes kept up to date step by step are the votes of a whole pass, read aloud from the method."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from steeple.collection import votes as module
from steeple.collection.cohort import Cohort
from steeple.collection.columns import Columns
from steeple.collection.store import LocalStore
from steeple.collection.voters import Voters
from steeple.collection.votes import outdated_votes, refresh_votes, stored_calibration

K = 3
LANDMARKS = ["abbey", "bridge", "castle"]


def refresh(store: LocalStore) -> int:
    with store.writing():
        return refresh_votes(store, seed=0)


def stored(store: LocalStore) -> dict[str, tuple[str | None, float, float]]:
    """Id -> what the database keeps: voted landmark, score, contrast."""
    rows = store.connection.execute(
        "SELECT id, name, score, contrast FROM image LEFT JOIN landmark ON number = vote"
    )
    return {image: (name, score, contrast) for image, name, score, contrast in rows}


def literal(store: LocalStore) -> dict[str, tuple[str | None, float, float]]:
    """The same by method.md, section 4, and the definition of contrast, one image at a time."""
    images = list(store)
    vectors = {i.row: store.segments.read(np.array([i.row]))[0].astype(float) for i in images}
    voting = [i for i in images if i.landmark is not None and i.role & 1]
    cohort = Cohort.stored(store).descriptors(store).astype(float)
    out = {}
    for image in images:
        own = vectors[image.row]
        near = [(float(own @ vectors[v.row]), -v.row, v) for v in voting if v.row != image.row]
        near = sorted(near, key=lambda entry: entry[:2], reverse=True)[:K]
        totals: dict[str | None, float] = {}
        for similarity, _, voter in near:
            totals[voter.landmark] = totals.get(voter.landmark, 0) + similarity / K
        if not totals:
            out[image.id] = (None, 0.0, 0.0)
            continue
        winner = max(totals, key=lambda name: totals[name])  # the first met of equals
        ordinary = [float(own @ other) for other in cohort]
        median = statistics.median(ordinary)
        spread = 1.4826 * statistics.median([abs(value - median) for value in ordinary])
        above = sum(s - median for s, _, v in near if v.landmark == winner) / K
        contrast = min(max(above / max(spread, 1e-6), 0.05), 100)
        out[image.id] = (winner, totals[winner], contrast)
    return out


def compare(store: LocalStore) -> None:
    found, expected = stored(store), literal(store)
    assert found.keys() == expected.keys()
    for image, (landmark, score, contrast) in expected.items():
        assert found[image][0] == landmark, image
        assert found[image][1] == pytest.approx(score, abs=1e-5)
        assert found[image][2] == pytest.approx(contrast, rel=1e-3, abs=1e-3)
    columns = Columns.read(store.connection, store.setting("generation"))
    assert outdated_votes(store, columns) == (0, 0)
    assert columns.equals_file(store.folder / "cache" / f"columns-{columns.generation}.npy")


@contextmanager
def temporary_store(dimension: int = 8) -> Iterator[LocalStore]:
    with tempfile.TemporaryDirectory() as folder:
        options = {"embedder": "sift-vlad", "dimension": dimension, "seed": 0}
        store = LocalStore.create(Path(folder, "store"), options)
        yield store
        store.close()


STEPS = st.one_of(
    st.tuples(
        st.just("add"), st.lists(st.sampled_from([*LANDMARKS, None]), min_size=1, max_size=14)
    ),
    st.tuples(st.just("remove"), st.sets(st.integers(0, 30), min_size=1, max_size=5)),
    st.tuples(
        st.just("label"),
        st.dictionaries(st.integers(0, 30), st.sampled_from([*LANDMARKS, None]), max_size=4),
    ),
    st.tuples(st.just("refresh"), st.none()),
)


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(steps=st.lists(STEPS, max_size=9))
def test_any_changes_lead_to_the_votes_of_a_whole_pass(
    steps: list[tuple[str, Any]], put: Callable[..., None], vectors: Callable[..., Any]
) -> None:
    with temporary_store() as store:
        made = 0
        for what, details in [*steps, ("refresh", None)]:
            there = [image.id for image in store]
            if what == "add":
                names = [f"{made + place:03}" for place in range(len(details))]
                put(store, names, vectors(made, len(names)), details)
                made += len(names)
            elif what == "remove":
                with store.transaction():
                    store.delete([there[place] for place in details if place < len(there)])
            elif what == "label":
                with store.transaction():
                    for place, landmark in details.items():
                        if place < len(there):
                            store.label(there[place], landmark, 3 if landmark else 2)
            else:
                refresh(store)
                compare(store)


def test_removing_the_last_rows(
    store: LocalStore, put: Callable[..., None], vectors: Callable[..., Any]
) -> None:
    """Their row numbers are beyond the end of every array there is afterwards."""
    put(store, list("abcdef"), vectors(0, 6), ["abbey", "bridge"] * 3)
    refresh(store)
    with store.transaction():
        store.delete(["d", "e", "f"])
    refresh(store)
    compare(store)
    with store.transaction():
        store.delete(["a", "b", "c"])
    refresh(store)
    assert stored(store) == {}


def test_a_photo_does_not_vote_for_itself(store: LocalStore, put: Callable[..., None]) -> None:
    same = np.tile(np.eye(8, dtype=np.float32)[0], (3, 1))
    put(store, ["a", "b", "c"], same, ["abbey", "bridge", "bridge"])
    refresh(store)
    found = stored(store)
    assert found["a"][:2] == ("bridge", pytest.approx(2 / 3))
    assert found["b"][:2] == ("abbey", pytest.approx(1 / 3))  # a tie; the lower row is met first
    voters = Voters.load(store.connection)
    assert not (voters.rows == np.arange(3)[:, None]).any()


def test_a_single_labelled_photo_has_no_vote(
    store: LocalStore, put: Callable[..., None], vectors: Callable[..., Any]
) -> None:
    put(store, ["a"], vectors(0, 1), ["abbey"])
    assert refresh(store) == 1
    assert stored(store) == {"a": (None, 0, 0)}


def test_no_label_at_all(
    store: LocalStore, put: Callable[..., None], vectors: Callable[..., Any]
) -> None:
    put(store, ["a", "b"], vectors(0, 2))
    refresh(store)
    assert stored(store) == {"a": (None, 0, 0), "b": (None, 0, 0)}
    assert refresh(store) == 0


def test_an_empty_collection(store: LocalStore) -> None:
    assert refresh(store) == 0


class TestCost:
    """How many inner products an update takes, which is what it costs."""

    @pytest.fixture
    def products(self, monkeypatch: pytest.MonkeyPatch) -> list[int]:
        counts: list[int] = []
        real = module.search_blocks

        def counting(queries: Any, blocks: Any, k: int) -> Any:
            kept = list(blocks)
            counts.append(len(queries) * sum(len(place) for place, _ in kept))
            return real(queries, kept, k)

        monkeypatch.setattr(module, "search_blocks", counting)
        return counts

    @pytest.fixture
    def large(
        self, store: LocalStore, put: Callable[..., None], vectors: Callable[..., Any]
    ) -> LocalStore:
        names = [f"{n:03}" for n in range(300)]
        labels = [LANDMARKS[n % 3] if n < 100 else None for n in range(300)]
        put(store, names, vectors(0, 300), labels)
        refresh(store)
        return store

    def test_nothing_to_do(self, large: LocalStore, products: list[int]) -> None:
        generation = large.setting("generation")
        assert refresh(large) == 0
        assert sum(products) == 0
        assert large.setting("generation") == generation

    def test_one_new_labelled_photo(
        self,
        large: LocalStore,
        products: list[int],
        put: Callable[..., None],
        vectors: Callable[..., Any],
    ) -> None:
        put(large, ["new"], vectors(9, 1), ["abbey"])
        refresh(large)
        assert sum(products) <= 300 * 1 + 1 * 101
        compare(large)

    def test_one_new_photo_without_a_label(
        self,
        large: LocalStore,
        products: list[int],
        put: Callable[..., None],
        vectors: Callable[..., Any],
    ) -> None:
        put(large, ["new"], vectors(9, 1))
        assert refresh(large) == 1
        assert sum(products) == 100

    def test_one_label_taken_away(self, large: LocalStore, products: list[int]) -> None:
        bereft = int((Voters.load(large.connection).rows == 7).any(axis=1).sum())
        with large.transaction():
            large.label("007", None, 2)
        refresh(large)
        assert sum(products) == bereft * 99
        compare(large)

    def test_a_whole_pass_does_not_first_do_the_steps(
        self, store: LocalStore, products: list[int], put: Callable[..., None], vectors: Any
    ) -> None:
        put(store, list("abcd"), vectors(0, 4), ["abbey", "bridge", None, None])
        refresh(store)
        assert sum(products) == 4 * 2


def test_many_images_in_several_blocks(
    store: LocalStore,
    put: Callable[..., None],
    vectors: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "ROWS", 7)
    names = [f"{n:03}" for n in range(40)]
    put(store, names, vectors(0, 40), [LANDMARKS[n % 4] if n % 4 < 3 else None for n in range(40)])
    refresh(store)
    compare(store)


def test_damaged_voters_are_looked_up_again(
    store: LocalStore, put: Callable[..., None], vectors: Callable[..., Any]
) -> None:
    put(store, list("abcde"), vectors(0, 5), ["abbey", "bridge", "abbey", None, None])
    refresh(store)
    with store.transaction() as connection:
        connection.execute("UPDATE image SET voters = x'0011' WHERE id = 'd'")
        connection.execute("UPDATE image SET score = 9 WHERE id = 'e'")
    columns = Columns.read(store.connection, 0)
    assert outdated_votes(store, columns) == (1, 1)
    assert refresh(store) == 2
    compare(store)


class TestCalibration:
    def test_before_any_photo_it_is_the_prior(self, store: LocalStore) -> None:
        assert stored_calibration(store).sampled == 0

    def test_it_is_learned_from_the_labels(
        self, store: LocalStore, put: Callable[..., None], vectors: Callable[..., Any]
    ) -> None:
        put(store, list("abcd"), vectors(0, 4), ["abbey", "abbey", "bridge", "bridge"])
        refresh(store)
        assert stored_calibration(store).sampled == 4

    def test_of_many_labels_a_few_changes_wait(
        self,
        store: LocalStore,
        put: Callable[..., None],
        vectors: Callable[..., Any],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(module, "_ALWAYS", 50)
        monkeypatch.setattr(module, "_SHARE", 0.04)
        names = [f"{n:03}" for n in range(100)]
        put(store, names, vectors(0, 100), [LANDMARKS[n % 3] for n in range(100)])
        refresh(store)
        first = stored_calibration(store)
        for number in range(4):
            assert stored_calibration(store) == first
            assert store.setting("uncalibrated_changes") == number
            put(store, [f"new {number}"], vectors(100 + number, 1), ["abbey"])
            refresh(store)
        put(store, ["last"], vectors(200, 1), ["abbey"])
        refresh(store)
        assert stored_calibration(store).sampled > first.sampled
        assert store.setting("uncalibrated_changes") == 0
