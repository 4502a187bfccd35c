"""Verified votes kept up to date step by step are those of a whole pass, pair by pair."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from steeple.collection import beliefs as module
from steeple.collection import verifying
from steeple.collection.beliefs import outdated_beliefs, refresh_beliefs, stored_judge
from steeple.collection.columns import Columns
from steeple.collection.schema import put_setting
from steeple.collection.store import LocalStore
from steeple.collection.voters import VOTERS, Voters
from steeple.collection.votes import refresh_votes
from steeple.errors import InputError
from steeple.geometry import Verifier
from steeple.geometry import lists as lists_module
from steeple.retrieval.verified import Judge

LANDMARKS = ["abbey", "bridge", "castle"]
FEATURES = {"kind": "squares", "folder": None, "per_photo": 9, "dtype": "int8", "length": 4}


def refresh(store: LocalStore, workers: int = 1, **options: Any) -> None:
    with store.writing():
        refresh_votes(store, seed=0)
        refresh_beliefs(store, seed=0, workers=workers, **options)


def columns_of(store: LocalStore) -> Columns:
    return Columns.read(store.connection, store.setting("generation"))


def stored(store: LocalStore) -> dict[str, tuple[str | None, float]]:
    """Id -> what the database keeps: landmark of the verified vote, strength."""
    rows = store.connection.execute(
        "SELECT id, name, ifnull(strength, 0) FROM image LEFT JOIN landmark ON number = belief"
    )
    return {image: (name, strength) for image, name, strength in rows}


def literal(store: LocalStore) -> dict[str, list[tuple[float, str | None]]]:
    """Id -> the strengths of landmarks, largest first, by the judge that is stored; one by one."""
    columns, judge = columns_of(store), stored_judge(store)
    files = store.features(columns)
    assert files is not None
    images = list(store)
    background = columns.background
    out = {}
    for place, image in enumerate(images):
        own = store.segments.read(np.array([image.row]))[0].astype(float)
        near = []
        for other, voter in enumerate(images):
            if other != place and voter.landmark is not None and voter.role & 1:
                vector = store.segments.read(np.array([voter.row]))[0].astype(float)
                near.append((float(own @ vector), other, voter.landmark))
        near = sorted(near, key=lambda entry: (-entry[0], entry[1]))[:VOTERS]
        odds = []
        for similarity, other, landmark in near:
            above = similarity - float(background.medians[place])
            contrast = min(max(above / max(float(background.spreads[place]), 1e-6), -100), 100)
            nats = Verifier()(files[place], files[other]).surprise
            value = judge.pairs.odds(np.float32([contrast]), np.float32([nats]))[0]
            odds.append((float(value), landmark))
        odds.sort(key=lambda pair: -pair[0])
        totals: dict[str | None, float] = {}
        for value, landmark in odds[:3]:
            weight = max(float(np.logaddexp(0, value)), 1e-6)
            totals[landmark] = totals.get(landmark, 0) + weight / 3
        strengths = [(strength, landmark) for landmark, strength in totals.items()]
        out[image.id] = sorted(strengths, key=lambda pair: -pair[0]) or [(0.0, None)]
    return out


def compare(store: LocalStore) -> None:
    found, expected = stored(store), literal(store)
    assert found.keys() == expected.keys()
    for image, strengths in expected.items():
        landmark, strength = found[image]
        assert strength == pytest.approx(strengths[0][0], rel=1e-3, abs=1e-5), image
        # A rounding may decide between two that are equally strong.
        level = [name for value, name in strengths if math.isclose(value, strength, rel_tol=1e-3)]
        assert landmark in level or landmark == strengths[0][1], image
    voters = Voters.load(store.connection)
    rows = np.array([image.row for image in store], dtype=np.int64)
    assert not (voters.rows == rows[:, None]).any()  # nobody is their own voter
    assert not voters.unverified().any()
    columns = columns_of(store)
    assert outdated_beliefs(store, columns) == (0, 0)
    assert columns.equals_file(store.folder / "cache" / f"columns-{columns.generation}.npy")


@contextmanager
def temporary_store() -> Iterator[LocalStore]:
    with tempfile.TemporaryDirectory() as folder:
        options = {"embedder": "sift-vlad", "dimension": 8, "seed": 0, "local_features": FEATURES}
        store = LocalStore.create(Path(folder, "store"), options)
        yield store
        store.close()


@pytest.fixture
def add(put: Callable[..., None], vectors: Any, features: Any) -> Callable[..., None]:
    """Adds images, numbered from `first` on; image n shows the place n % 4, some show nothing."""

    def run(store: LocalStore, first: int, landmarks: Any) -> None:
        numbers = range(first, first + len(landmarks))
        details = [features(n % 4, 0 if n % 9 == 5 else 8 + n % 3) for n in numbers]
        given = [vectors(n, 1)[0] for n in numbers]
        put(store, [f"{n:03}" for n in numbers], np.array(given), list(landmarks), details)

    return run


@pytest.fixture
def pairs(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many pairs each batch verifies, those of the judge apart (see `untaught`)."""
    counts: list[int] = []
    real = verifying.verify_lists

    def counting(lists: Any, *args: Any, **options: Any) -> Any:
        kept = list(lists)
        counts.append(sum(len(others) for _, others in kept))
        return real(kept, *args, **options)

    monkeypatch.setattr(verifying, "verify_lists", counting)
    return counts


@pytest.fixture
def untaught(monkeypatch: pytest.MonkeyPatch) -> None:
    """The judge learns nothing, and so verifies nothing."""
    monkeypatch.setattr(module, "fit_judge", lambda *given, **options: Judge())


def labels(count: int, every: int = 4) -> list[str | None]:
    """Landmarks of the places that images show; every so many have none."""
    return [[*LANDMARKS, "dome"][n % 4] if n % every else None for n in range(count)]


STEPS = st.one_of(
    st.tuples(
        st.just("add"), st.lists(st.sampled_from([*LANDMARKS, None]), min_size=1, max_size=8)
    ),
    st.tuples(st.just("remove"), st.sets(st.integers(0, 20), min_size=1, max_size=4)),
    st.tuples(
        st.just("label"),
        st.dictionaries(st.integers(0, 20), st.sampled_from([*LANDMARKS, None]), max_size=4),
    ),
    st.tuples(st.just("refresh"), st.none()),
    st.tuples(st.just("stop"), st.integers(0, 3)),
)


@settings(
    deadline=None,
    max_examples=12,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(steps=st.lists(STEPS, min_size=2, max_size=7))
def test_any_changes_lead_to_the_verified_votes_of_a_whole_pass(
    steps: list[tuple[str, Any]], add: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_TOGETHER", 3)
    monkeypatch.setattr(module, "_BLOCK", 5)
    with temporary_store() as store:
        made = 0
        add(store, 0, labels(12))
        made = 12
        for what, details in [*steps, ("refresh", None)]:
            there = [image.id for image in store]
            if what == "add":
                add(store, made, details)
                made += len(details)
            elif what == "remove":
                with store.transaction():
                    store.delete([there[place] for place in details if place < len(there)])
            elif what == "label":
                with store.transaction():
                    for place, landmark in details.items():
                        if place < len(there):
                            store.label(there[place], landmark, 3 if landmark else 2)
            elif what == "stop":
                interrupt(store, details)
            else:
                refresh(store)
                compare(store)


def interrupt(store: LocalStore, batches: int) -> None:
    """A refresh that ends when so many images were verified."""

    def progress(stage: str, done: int, total: int | None) -> None:
        if done > 3 * batches:
            raise KeyboardInterrupt

    with suppress(KeyboardInterrupt):
        refresh(store, progress=progress)
    columns = columns_of(store)
    pending, _ = outdated_beliefs(store, columns)
    assert pending == Voters.load(store.connection).unverified().sum()


@pytest.fixture
def large(detailed: LocalStore, add: Callable[..., None], untaught: None) -> LocalStore:
    """Sixty images, 45 of which vote."""
    add(detailed, 0, labels(60))
    refresh(detailed)
    return detailed


class TestCost:
    """How many pairs an update verifies, which is what it costs."""

    def test_a_whole_pass(
        self, detailed: LocalStore, add: Callable[..., None], pairs: list[int], untaught: None
    ) -> None:
        add(detailed, 0, labels(60))
        refresh(detailed)
        assert sum(pairs) == 60 * VOTERS
        compare(detailed)

    def test_nothing_to_do(self, large: LocalStore, pairs: list[int]) -> None:
        generation = large.setting("generation")
        refresh(large)
        assert pairs == []
        assert large.setting("generation") == generation

    def test_one_new_labelled_photo(
        self, large: LocalStore, add: Callable[..., None], pairs: list[int]
    ) -> None:
        add(large, 60, ["abbey"])
        refresh(large)
        named = int((Voters.load(large.connection).rows == 60).any(axis=1).sum())
        assert named > 0
        assert sum(pairs) == VOTERS + named
        compare(large)

    def test_one_new_photo_without_a_label(
        self, large: LocalStore, add: Callable[..., None], pairs: list[int]
    ) -> None:
        add(large, 60, [None])
        refresh(large)
        assert sum(pairs) == VOTERS
        compare(large)

    def test_one_label_taken_away(self, large: LocalStore, pairs: list[int]) -> None:
        """Whoever loses a voter gets one other; the nine that stay are verified already."""
        bereft = int((Voters.load(large.connection).rows == 7).any(axis=1).sum())
        with large.transaction():
            large.label("007", None, 2)
        refresh(large)
        assert sum(pairs) == bereft > 0
        compare(large)

    def test_one_photo_removed(self, large: LocalStore, pairs: list[int]) -> None:
        bereft = int((Voters.load(large.connection).rows == 7).any(axis=1).sum())
        with large.transaction():
            large.delete(["007"])
        refresh(large)
        # The image itself is gone, and was not its own voter.
        assert sum(pairs) == bereft > 0
        compare(large)

    def test_another_label(self, large: LocalStore, pairs: list[int]) -> None:
        """What lies in a row does not change with its label."""
        with large.transaction():
            large.label("007", "tower", 3)
            large.label("009", "tower", 1)
        refresh(large)
        assert pairs == []
        compare(large)

    def test_another_photo_under_the_same_id(
        self, large: LocalStore, put: Any, vectors: Any, features: Any, pairs: list[int]
    ) -> None:
        with large.transaction():
            large.delete(["007"])
        put(large, ["007"], vectors(7, 1), ["dome"], [features(2, 9)])
        before = int((Voters.load(large.connection).rows == 7).any(axis=1).sum())
        refresh(large)
        # The same descriptor: the same images name it, each once, and it looks all of its own up.
        assert sum(pairs) == VOTERS + before
        compare(large)


@pytest.mark.usefixtures("untaught")
class TestInterruption:
    def test_what_was_verified_stays_verified(
        self,
        detailed: LocalStore,
        add: Callable[..., None],
        pairs: list[int],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(module, "_TOGETHER", 4)
        add(detailed, 0, labels(30, every=2))

        def stop(stage: str, done: int, total: int | None) -> None:
            assert (stage, total) == ("verify", 30)
            if done > 8:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            refresh(detailed, progress=stop)
        waiting = int(Voters.load(detailed.connection).unverified().sum())
        assert waiting == 30 - 8
        columns = columns_of(detailed)
        assert outdated_beliefs(detailed, columns)[0] == waiting
        pairs.clear()
        refresh(detailed)
        assert sum(pairs) == waiting * VOTERS
        compare(detailed)

    def test_in_the_end_nothing_tells_the_difference(
        self,
        new_store: Any,
        add: Callable[..., None],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(module, "_TOGETHER", 4)
        broken, whole = (new_store(local_features=FEATURES) for _ in range(2))
        for store in (broken, whole):
            add(store, 0, labels(20))
        for batches in range(5):
            interrupt(broken, batches)
        refresh(broken)
        refresh(whole)
        query = "SELECT id, voters, belief, strength FROM image ORDER BY id"
        assert [*broken.connection.execute(query)] == [*whole.connection.execute(query)]


class TestJudge:
    def test_before_any_photo_it_is_the_one_to_start_from(self, detailed: LocalStore) -> None:
        assert stored_judge(detailed) == Judge()

    def test_it_is_learned_from_the_labels(
        self, detailed: LocalStore, add: Callable[..., None]
    ) -> None:
        add(detailed, 0, labels(40))
        refresh(detailed)
        judge = stored_judge(detailed)
        assert judge.votes.sampled == 30
        assert judge.pairs.sampled > 200
        assert judge.pairs.per_nat > 0
        compare(detailed)

    def test_a_sample_is_enough(
        self, detailed: LocalStore, add: Callable[..., None], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(module, "_SAMPLE", 12)
        add(detailed, 0, labels(40))
        refresh(detailed)
        assert stored_judge(detailed).votes.sampled == 12
        compare(detailed)

    def test_a_few_changes_wait(self, detailed: LocalStore, add: Callable[..., None]) -> None:
        add(detailed, 0, ["abbey", "bridge"] * 30)
        refresh(detailed)
        first = stored_judge(detailed)
        for number in range(3):  # of sixty, three are a twentieth
            assert stored_judge(detailed) == first
            assert detailed.setting("unjudged_changes") == number
            compare(detailed)
            add(detailed, 60 + number, ["castle"])
            refresh(detailed)
        add(detailed, 63, ["castle"])
        refresh(detailed)
        assert stored_judge(detailed).votes.sampled > first.votes.sampled
        assert detailed.setting("unjudged_changes") == 0
        compare(detailed)

    def test_it_learns_again_on_another_scale(
        self, detailed: LocalStore, add: Callable[..., None]
    ) -> None:
        """Doubled without one new label, contrasts are measured against another cohort."""
        add(detailed, 0, ["abbey", "bridge"] * 6)
        refresh(detailed)
        assert detailed.setting("judge")["scale"] == 12
        add(detailed, 12, [None] * 12)
        refresh(detailed)
        assert detailed.setting("judge")["scale"] == 24
        compare(detailed)

    def test_step_by_step_it_is_the_same_in_the_end(
        self, new_store: Any, add: Callable[..., None]
    ) -> None:
        """Once labels and cohort are all new, nothing remembers the way there."""
        steps, once = (new_store(local_features=FEATURES) for _ in range(2))
        add(steps, 0, labels(15))
        refresh(steps)
        add(steps, 15, labels(45)[15:])
        refresh(steps)
        add(once, 0, labels(45))
        refresh(once)
        one, other = stored_judge(steps), stored_judge(once)
        assert one.pairs.per_nat == pytest.approx(other.pairs.per_nat, rel=1e-3)
        assert one.votes.intercept == pytest.approx(other.votes.intercept, rel=1e-2, abs=1e-2)
        assert one.votes.sampled == other.votes.sampled
        found, expected = stored(steps), stored(once)
        assert found.keys() == expected.keys()
        for image, (landmark, strength) in expected.items():
            assert found[image][0] == landmark
            assert found[image][1] == pytest.approx(strength, rel=1e-3)


def test_the_number_of_workers_makes_no_difference(
    new_store: Any, add: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lists_module, "CHUNK", 60)
    alone, together = (new_store(local_features=FEATURES) for _ in range(2))
    for store, workers in ((alone, 1), (together, 2)):
        add(store, 0, labels(25))
        refresh(store, workers=workers)
    query = "SELECT id, voters, belief, strength FROM image ORDER BY id"
    assert [*alone.connection.execute(query)] == [*together.connection.execute(query)]
    assert alone.setting("judge") == together.setting("judge")


class TestSmall:
    def test_a_collection_without_local_features(
        self, store: LocalStore, put: Any, vectors: Any
    ) -> None:
        put(store, list("abcd"), vectors(0, 4), ["abbey", "abbey", "bridge", None])
        refresh(store)
        generation = store.setting("generation")
        refresh(store)
        assert store.setting("generation") == generation
        assert set(stored(store).values()) == {(None, 0)}
        assert store.setting("judge") is None
        assert store.setting("unjudged_changes") is None
        assert outdated_beliefs(store, columns_of(store)) == (0, 0)

    def test_an_empty_collection(self, detailed: LocalStore) -> None:
        refresh(detailed)
        assert stored(detailed) == {}
        assert stored_judge(detailed) == Judge()
        assert outdated_beliefs(detailed, columns_of(detailed)) == (0, 0)

    @pytest.mark.parametrize("given", [[None] * 4, ["abbey", None], ["abbey"], ["abbey"] * 3])
    def test_next_to_no_labels(
        self, detailed: LocalStore, add: Callable[..., None], given: Any
    ) -> None:
        add(detailed, 0, given)
        refresh(detailed)
        assert stored_judge(detailed) == Judge()
        compare(detailed)
        refresh(detailed)
        compare(detailed)

    def test_all_gone(self, detailed: LocalStore, add: Callable[..., None]) -> None:
        add(detailed, 0, labels(8))
        refresh(detailed)
        with detailed.transaction():
            detailed.delete([image.id for image in detailed])
        refresh(detailed)
        assert stored(detailed) == {}

    def test_no_photo_has_a_feature(
        self, detailed: LocalStore, put: Any, vectors: Any, features: Any
    ) -> None:
        put(detailed, list("abcdef"), vectors(0, 6), labels(6, every=3), [features(0, 0)] * 6)
        refresh(detailed)
        compare(detailed)
        voters = Voters.load(detailed.connection)
        assert (voters.surprises[voters.rows != -1] == 0).all()

    def test_a_feature_file_that_is_gone_is_one_clear_error(
        self, detailed: LocalStore, add: Callable[..., None]
    ) -> None:
        add(detailed, 0, labels(8))
        for path in (detailed.folder / "features").iterdir():
            path.unlink()
        with pytest.raises(Exception, match=r"steeple doctor") as caught:
            refresh(detailed)
        assert "\n" not in str(caught.value)

    def test_features_of_another_kind_do_not_get_in(
        self, detailed: LocalStore, put: Any, vectors: Any, features: Any
    ) -> None:
        with pytest.raises(InputError, match="build it again"):
            put(detailed, ["a"], vectors(0, 1), None, [features(0, 3, 8)])


class TestOutdated:
    """What doctor says of collections in every state a crash can leave."""

    @pytest.fixture
    def filled(self, detailed: LocalStore, add: Callable[..., None]) -> LocalStore:
        add(detailed, 0, labels(12))
        refresh(detailed)
        return detailed

    def test_after_the_change_and_before_the_votes(self, filled: LocalStore) -> None:
        """The last of the training set votes no more, and others still name it."""
        named = Voters.load(filled.connection).rows
        last = columns_of(filled).rows[columns_of(filled).training[-1]]
        with filled.transaction():
            filled.label(f"{last:03}", None, 2)
        pending, different = outdated_beliefs(filled, columns_of(filled))
        assert pending == (named == last).any(axis=1).sum() > 0
        assert different == 0
        refresh(filled)
        compare(filled)

    def test_after_all_labels_are_gone(self, filled: LocalStore) -> None:
        with filled.transaction():
            for image in list(filled):
                filled.label(image.id, None, 2)
        assert outdated_beliefs(filled, columns_of(filled)) == (12, 0)
        refresh(filled)
        assert set(stored(filled).values()) == {(None, 0)}

    def test_after_the_votes_and_before_verification(
        self, filled: LocalStore, add: Callable[..., None]
    ) -> None:
        add(filled, 12, ["abbey", None])
        with filled.writing():
            refresh_votes(filled, seed=0)
        pending, _ = outdated_beliefs(filled, columns_of(filled))
        assert pending == Voters.load(filled.connection).unverified().sum() >= 2
        refresh(filled)
        compare(filled)

    def test_a_verified_vote_that_is_wrong(self, filled: LocalStore) -> None:
        with filled.transaction() as connection:
            connection.execute("UPDATE image SET strength = strength + 1 WHERE id = '003'")
            connection.execute("UPDATE image SET belief = NULL WHERE id = '004'")
        assert outdated_beliefs(filled, columns_of(filled)) == (0, 2)
        refresh(filled)
        compare(filled)

    def test_a_judge_that_is_gone_is_learned_again(self, filled: LocalStore) -> None:
        judge = stored_judge(filled)
        with filled.transaction() as connection:
            put_setting(connection, "judge", None)
        refresh(filled)
        assert stored_judge(filled) == judge
        compare(filled)
