from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steeple.demo.photo import NO_LANDMARK
from steeple.demo.places.landmarks import kind_of, name_of
from steeple.demo.plan import make_plan


def entries(plan):
    groups = [plan.landmark_entries(landmark) for landmark in range(plan.landmarks)]
    return [*chain.from_iterable(groups), *plan.stranger_entries()]


@given(
    landmarks=st.integers(1, 20),
    more=st.integers(1, 300),
    unlabelled=st.floats(0, 1),
    seed=st.integers(0, 2**40),
)
def test_every_photo_is_planned_once(landmarks, more, unlabelled, seed):
    photos = 2 * landmarks + more
    plan = make_plan(photos, landmarks, seed, unlabelled)
    rows = entries(plan)
    assert len(rows) == photos
    assert sorted(row.photo.number for row in rows) == list(range(photos))
    assert len({row.id for row in rows}) == photos
    assert all(len(row.id) == 16 and int(row.id, 16) >= 0 for row in rows)


@given(landmarks=st.integers(1, 12), more=st.integers(1, 200), unlabelled=st.floats(0, 1))
def test_every_landmark_can_be_asked_for_and_found(landmarks, more, unlabelled):
    plan = make_plan(2 * landmarks + more, landmarks, 7, unlabelled)
    for landmark in range(landmarks):
        splits = [entry.split for entry in plan.landmark_entries(landmark)]
        assert {"index", "test"} <= set(splits)
        if not plan.labelled[landmark]:
            assert "train" not in splits
    assert int((~plan.labelled).sum()) == round(landmarks * unlabelled)


def test_clusters_are_uneven_and_a_quarter_is_inside():
    plan = make_plan(2000, 60, 3, 0.2)
    assert plan.counts.max() > 4 * plan.counts.min()
    rows = [row for row in entries(plan) if row.photo.landmark != NO_LANDMARK]
    assert sum(row.photo.interior for row in rows) / len(rows) == pytest.approx(0.26, abs=0.03)
    for split in ("train", "index", "test"):
        assert any(row.photo.interior and row.split == split for row in rows)


def test_strangers_are_not_for_training():
    rows = list(make_plan(200, 8, 3, 0.2).stranger_entries())
    assert {row.split for row in rows} == {"index", "test"}


def test_a_million_photos_are_planned_without_listing_them():
    plan = make_plan(1_000_000, 55_555, 0, 0.2)
    assert int(plan.counts.sum()) + plan.strangers == 1_000_000
    last = plan.landmark_entries(55_554)
    assert last[-1].photo.number == int(plan.counts.sum()) - 1


def test_landmarks_have_names_of_their_own():
    names = [name_of(5, number) for number in range(3000)]
    assert len(set(names)) == len(names)
    assert len({kind_of(5, number) for number in range(16)}) == 16


def test_a_city_to_train_on_has_nothing_else():
    plan = make_plan(500, 40, 3, 0.0, training_only=True)
    rows = entries(plan)
    assert plan.strangers == 0
    assert plan.labelled.all()
    assert len(rows) == len({row.id for row in rows}) == 500
    assert {row.split for row in rows} == {"train"}
    assert {row.photo.landmark for row in rows} == set(range(40))
