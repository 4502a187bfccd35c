"""Batches as images: the same by one worker or two, whatever some photos are like."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from steeple.errors import InputError, MachineError
from steeple.training import loading
from steeple.training.augmentation import AMOUNTS, Variation, draw_variation, read_varied
from steeple.training.batches import Batch, epoch_batches
from steeple.training.loading import load_batches
from steeple.training.photos import read_photos
from steeple.training.settings import Settings

SETTINGS = Settings().merged(side=64, batch=6, augmentation="middle")


@pytest.fixture
def city(tmp_path):
    """24 photos of three landmarks, of noise, wide and tall."""
    random = np.random.default_rng(0)
    for number in range(24):
        shape = (60, 90, 3) if number % 2 else (90, 60, 3)
        path = tmp_path / "city" / "abc"[number % 3] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 256, shape, dtype=np.uint8)).save(path)
    return read_photos(tmp_path / "city", workers=1)


def load(photos, settings=SETTINGS, epoch=0, workers=1, start=0):
    batches = epoch_batches(photos, settings, epoch)[start:]
    return batches, list(load_batches(batches, photos, settings, epoch, workers))


def same(some, others):
    assert len(some) == len(others)
    for one, other in zip(some, others, strict=True):
        np.testing.assert_array_equal(one.images, other.images)
        np.testing.assert_array_equal(one.targets, other.targets)
        assert one.failed == other.failed


def test_every_photo_is_varied_as_it_is_drawn(city):
    batches, loaded = load(city, epoch=2)
    assert len(batches) == len(loaded) == 4
    for batch, got in zip(batches, loaded, strict=True):
        assert got.images.shape == (len(batch.numbers), batch.height, batch.width, 3)
        assert got.images.dtype == np.uint8
        assert got.targets.dtype == np.int64
        assert got.failed == []
        assert len(got) == len(batch.numbers)
        np.testing.assert_array_equal(got.targets, city.targets[batch.numbers])
        for number, image in zip(batch.numbers.tolist(), got.images, strict=True):
            what = draw_variation(AMOUNTS["middle"], 0, 2, number)
            size = tuple(city.sizes[number].tolist())
            expected = read_varied(city.paths[number], size, batch.width, batch.height, what)
            np.testing.assert_array_equal(image, expected)


def test_workers_change_nothing_nor_does_beginning_in_the_middle(city):
    _, alone = load(city)
    same(alone[1:], load(city, workers=2, start=1)[1])


def test_augmentation_and_seed_are_those_of_the_settings(city):
    settings = SETTINGS.merged(augmentation="none")
    (batch, *_), (got, *_) = load(city, settings)
    size = tuple(city.sizes[batch.numbers[0]].tolist())
    path = city.paths[batch.numbers[0]]
    plain = read_varied(path, size, batch.width, batch.height, Variation())
    np.testing.assert_array_equal(got.images[0], plain)
    seeded = SETTINGS.merged(seed=1)
    batches = epoch_batches(city, SETTINGS, 0)[:1]
    (first,), (second,) = (
        list(load_batches(batches, city, s, 0, workers=1)) for s in (SETTINGS, seeded)
    )
    assert (first.images != second.images).mean() > 0.5


def test_photos_lost_in_the_meantime_make_a_batch_smaller(city):
    batches = epoch_batches(city, SETTINGS, 0)
    lost = batches[1].numbers[[0, 3]].tolist()
    Path(city.paths[lost[0]]).unlink()
    Path(city.paths[lost[1]]).write_bytes(Path(city.paths[lost[1]]).read_bytes()[:200])
    whole = [batch for place, batch in enumerate(batches) if place != 1]
    _, loaded = load(city)
    for batch, got in zip(whole, [loaded[0], *loaded[2:]], strict=True):
        assert len(got) == len(batch.numbers)
    got, rest = loaded[1], np.delete(batches[1].numbers, [0, 3])
    assert [path for path, _ in got.failed] == [city.paths[number] for number in lost]
    assert "no such file" in got.failed[0][1]
    assert "cut short" in got.failed[1][1]
    np.testing.assert_array_equal(got.targets, city.targets[rest])
    intact = Batch(rest, batches[1].width, batches[1].height)
    (expected,) = load_batches([intact], city, SETTINGS, 0)
    np.testing.assert_array_equal(got.images, expected.images)


def test_a_batch_of_which_nothing_is_left_is_empty(city):
    batches = epoch_batches(city, SETTINGS, 0)
    for number in batches[1].numbers.tolist():
        Path(city.paths[number]).unlink()
    _, loaded = load(city)
    assert [len(got) for got in loaded] == [6, 0, 6, 6]
    assert loaded[1].images.shape[1:] == (batches[1].height, batches[1].width, 3)
    assert loaded[1].targets.shape == (0,)


def test_when_no_photo_can_be_read_it_ends(city):
    for path in city.paths:
        Path(path).unlink()
    with pytest.raises(InputError, match=r"none of the last 24 photos can be read: .*no such file"):
        load(city)


def test_when_the_disk_goes_away_it_ends_soon(city, monkeypatch):
    monkeypatch.setattr(loading, "_HOPELESS", 12)
    batches = epoch_batches(city, SETTINGS, 0)
    results = load_batches(batches, city, SETTINGS, 0, workers=1)
    assert len(next(results)) == 6
    for path in city.paths:
        Path(path).unlink()
    assert len(next(results)) == 0
    with pytest.raises(InputError, match="none of the last 12 photos can be read"):
        next(results)


def test_losses_here_and_there_do_not_end_it(city, monkeypatch):
    monkeypatch.setattr(loading, "_HOPELESS", 6)
    for batch in epoch_batches(city, SETTINGS, 0):
        for number in batch.numbers[:3].tolist():
            Path(city.paths[number]).unlink()
    assert [len(got) for got in load(city)[1]] == [3, 3, 3, 3]


def test_no_more_is_decoded_than_waits(city):
    """One worker decodes a batch when it is asked for, and none beyond."""
    results = load_batches(epoch_batches(city, SETTINGS, 0), city, SETTINGS, 0, workers=1)
    next(results)
    for path in city.paths:
        Path(path).unlink()
    assert len(next(results).failed) == 6


def test_no_batches_no_images(city):
    assert list(load_batches([], city, SETTINGS, 0)) == []


def _die(order, **settings):
    os._exit(1)


def test_a_killed_worker_is_told(city, monkeypatch, capfd):
    monkeypatch.setattr(loading, "_load", _die)
    with pytest.raises(MachineError, match="worker process was killed"):
        load(city, workers=2)
