"""Batches: every photo once, none squashed, the same ones for the same epoch."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steeple.training.batches import buckets, epoch_batches
from steeple.training.photos import TrainingSet
from steeple.training.settings import Settings


def training_set(sizes):
    targets = np.arange(len(sizes)) % 2
    paths = [str(number) for number in range(len(sizes))]
    return TrainingSet(paths, targets, ("a", "b"), np.array(sizes, dtype=np.int32))


def random_sizes(n, seed=0):
    return np.random.default_rng(seed).integers(40, 200, (n, 2))


def numbers(batches):
    return np.concatenate([batch.numbers for batch in batches])


def listed(batches):
    return [(batch.numbers.tolist(), batch.width, batch.height) for batch in batches]


sizes = st.lists(st.tuples(st.integers(1, 3000), st.integers(1, 3000)), min_size=2, max_size=120)


def test_at_512_pixels_buckets_are_those_of_the_paper():
    assert buckets(512) == ((512, 352), (512, 384), (448, 448), (384, 512), (352, 512))


@pytest.mark.parametrize(
    ("side", "expected"),
    [
        (1024, ((1024, 704), (1024, 768), (896, 896), (768, 1024), (704, 1024))),
        (256, ((256, 160), (256, 192), (224, 224), (192, 256), (160, 256))),
        (160, ((160, 96), (160, 112), (128, 128), (112, 160), (96, 160))),
        (128, ((128, 80), (128, 96), (112, 112), (96, 128), (80, 128))),
        (40, ((32, 16), (32, 32), (16, 32))),
    ],
)
def test_at_other_sides_they_are_in_proportion(side, expected):
    assert buckets(side) == expected


@given(st.integers(32, 4096))
def test_buckets_are_multiples_within_the_side(side):
    stride = 32 if side >= 256 else 16
    shapes = buckets(side)
    assert len(set(shapes)) == len(shapes)
    assert set(shapes) == {(high, wide) for wide, high in shapes}
    assert all(length % stride == 0 and 0 < length <= side for shape in shapes for length in shape)
    ratios = [wide / high for wide, high in shapes]
    assert ratios == sorted(ratios, reverse=True)


@given(sizes, st.integers(2, 40), st.integers(0, 3))
def test_every_photo_is_in_one_batch(sizes, size, epoch):
    batches = epoch_batches(training_set(sizes), Settings().merged(batch=size), epoch)
    assert sorted(numbers(batches).tolist()) == list(range(len(sizes)))
    held = [len(batch.numbers) for batch in batches]
    assert max(held) <= max(size, 3)
    assert min(held) >= min(len(sizes), max(2, size // 2))
    assert {(batch.width, batch.height) for batch in batches} <= set(buckets(512))


@given(sizes)
def test_each_photo_goes_where_its_shape_is_nearest(sizes):
    """Where every bucket has enough photos."""
    shapes = ((640, 400), (640, 480), (500, 500), (480, 640), (400, 640))
    sizes = [*sizes, *(shape for shape in shapes for _ in range(4))]
    batches = epoch_batches(training_set(sizes), Settings().merged(batch=8), 0)
    for batch in batches:
        for number in batch.numbers.tolist():
            wide, high = sizes[number]

            def misfit(shape):
                ratio = wide * shape[1] / (high * shape[0])  # noqa: B023
                return max(ratio, 1 / ratio)

            best = min(misfit(shape) for shape in buckets(512))
            assert misfit((batch.width, batch.height)) == pytest.approx(best)


def test_a_bucket_with_few_photos_hands_them_to_its_fuller_neighbour():
    sizes = [(512, 352)] * 20 + [(512, 384)] * 3 + [(448, 448)] * 30 + [(352, 512)] * 40
    batches = epoch_batches(training_set(sizes), Settings().merged(batch=32), 0)
    shapes = Counter()
    for batch in batches:
        shapes[batch.width, batch.height] += len(batch.numbers)
    assert shapes == {(512, 352): 20, (448, 448): 33, (352, 512): 40}


def test_few_photos_are_one_batch():
    sizes = [(512, 352)] * 3 + [(352, 512)] * 2
    (batch,) = epoch_batches(training_set(sizes), Settings().merged(batch=32), 0)
    assert (batch.width, batch.height, len(batch.numbers)) == (512, 352, 5)


def test_an_epoch_is_known_by_seed_and_number():
    photos = training_set(random_sizes(100))
    settings = Settings().merged(batch=8)
    first = listed(epoch_batches(photos, settings, 0))
    assert first == listed(epoch_batches(photos, settings, 0))
    assert first != listed(epoch_batches(photos, settings, 1))
    assert first != listed(epoch_batches(photos, settings.merged(seed=1), 0))


def test_photos_and_batches_come_in_random_order():
    photos = training_set([(512, 352)] * 500 + [(352, 512)] * 500)
    batches = epoch_batches(photos, Settings().merged(batch=10), 0)
    wide = np.array([batch.width > batch.height for batch in batches])
    assert 30 < (wide[1:] != wide[:-1]).sum() < 70  # of 99 pairs
    order = numbers([batch for batch in batches if batch.width > batch.height])
    assert abs(np.corrcoef(order, np.arange(500))[0, 1]) < 0.2


def test_a_part_of_the_photos_in_each_epoch_until_all_were_seen():
    photos = training_set(random_sizes(100))
    settings = Settings().merged(batch=8, per_epoch=30)
    epochs = [set(numbers(epoch_batches(photos, settings, e)).tolist()) for e in range(6)]
    assert all(len(drawn) == 30 for drawn in epochs)
    assert len(set().union(*epochs[:3])) == 90  # three parts of one pass
    assert len(set().union(*epochs[3:])) == 90
    assert epochs[0] != epochs[3]
    everything = epoch_batches(photos, settings.merged(per_epoch=1000), 0)
    assert sorted(numbers(everything).tolist()) == list(range(100))
