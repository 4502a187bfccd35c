"""From photos to a model: what is reported, what is drawn, what is refused before work begins."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import cv2
import numpy as np
import pytest

from steeple.errors import InputError
from steeple.geometry.delf import open_delf
from steeple.geometry.delf.detection import detect
from steeple.geometry.delf.learning import Recipe, learn_delf, learn_reduction
from steeple.geometry.delf.reduction import Moments
from steeple.geometry.delf.storage import load_delf, read_header
from steeple.geometry.delf.training import Lesson
from steeple.images import read_image

PLAIN = Recipe("resnet18", "random", attention=False)
TRAINED = replace(PLAIN, attention=True, lesson=Lesson(epochs=1, side=64, batch=4))


def test_the_report_and_the_progress(photos, tmp_path):
    told = []
    report = learn_delf(photos, tmp_path / "m", TRAINED, progress=lambda *said: told.append(said))
    assert (report.photos, report.landmarks, report.failed) == (8, 2, [])
    assert len(report.losses) == 1
    assert report.features > 40
    assert list(dict.fromkeys(stage for stage, _, _ in told)) == ["attention", "reduction"]
    assert told[-1] == ("reduction", 8, 8)
    json.dumps(asdict(report))
    header = read_header(tmp_path / "m")
    assert (header.backbone, header.stride, header.attention, header.dimension) == (
        "resnet18",
        16,
        True,
        40,
    )


def test_without_training_labels_are_not_needed(photos, tmp_path):
    report = learn_delf([(path, None) for path, _ in photos], tmp_path / "m", PLAIN)
    assert (report.photos, report.landmarks, report.losses) == (8, 0, [])
    assert load_delf(tmp_path / "m").attention is None


def test_photos_without_a_label_serve_the_reduction(photos, tmp_path):
    labelled = learn_delf(photos[:4], tmp_path / "some", TRAINED)
    unlabelled = [(path, None) for path, _ in photos[4:]]
    everything = learn_delf([*photos[:4], *unlabelled], tmp_path / "all", TRAINED)
    assert (labelled.photos, everything.photos) == (4, 8)
    assert everything.features > labelled.features
    assert everything.losses == labelled.losses


@pytest.mark.parametrize("recipe", [PLAIN, TRAINED], ids=["plain", "trained"])
def test_the_same_seed_gives_the_same_model(photos, tmp_path, recipe):
    for name, seed in (("one", 1), ("same", 1), ("other", 2)):
        learn_delf(photos, tmp_path / name, recipe, seed=seed)
    one, same, other = (read_header(tmp_path / name) for name in ("one", "same", "other"))
    assert one == same
    assert one.digest != other.digest


def test_the_reduction_is_that_of_the_features(photos, backbone):
    paths = [path for path, _ in photos]
    reduction, count, _ = learn_reduction(paths, backbone, None, replace(PLAIN, dimension=3))
    scales = (0.25, 0.5**1.5, 0.5, 0.5**0.5, 1)
    moments = Moments(backbone.channels)
    for path in paths:
        moments.add(detect(backbone, None, read_image(path), scales=scales).vectors)
    assert count == moments.count
    expected = moments.reduction(3, whiten=False)
    np.testing.assert_allclose(reduction.basis, expected.basis, atol=1e-5)


def test_so_many_photos_at_most(photos, tmp_path):
    report = learn_delf(photos, tmp_path / "m", replace(PLAIN, most=3))
    assert report.photos == 3


def test_other_dimensions_and_whitening(photos, tmp_path, draw):
    learn_delf(photos, tmp_path / "m", replace(PLAIN, dimension=24, whiten=True))
    learn_delf(photos, tmp_path / "p", replace(PLAIN, dimension=24))
    white, usual = (open_delf(tmp_path / name)(draw(30)).descriptors for name in "mp")
    assert white.shape == usual.shape
    assert white.shape[1] == 24
    spread = [np.sort(found.astype(float).var(axis=0)) for found in (white, usual)]
    assert spread[0][-1] / spread[0][0] < 0.2 * spread[1][-1] / spread[1][0]


def test_photos_that_cannot_be_read_are_reported(photos, tmp_path):
    (tmp_path / "broken.jpg").write_text("no photo")
    for recipe in (PLAIN, TRAINED):
        listed = [*photos, (tmp_path / "broken.jpg", "a")]
        report = learn_delf(listed, tmp_path / f"m{recipe.attention}", recipe)
        assert report.photos == 8
        ((path, reason),) = report.failed
        assert path == str(tmp_path / "broken.jpg")
        assert "not a photo" in reason


def test_nothing_to_learn_from(tmp_path):
    cv2.imwrite(str(tmp_path / "tiny.png"), np.zeros((8, 8, 3), np.uint8))
    (tmp_path / "broken.jpg").write_text("no photo")
    for names, words in (
        (["tiny.png"], "none of 1 photos"),
        (["broken.jpg"], "not a photo"),
        ([], "0"),
    ):
        with pytest.raises(InputError, match=words):
            learn_delf([(tmp_path / name, "a") for name in names], tmp_path / "m", PLAIN)
    assert not (tmp_path / "m").exists()


def test_a_place_that_is_taken_is_refused_at_once(photos, trained):
    def progress(*said):
        pytest.fail("it began to work")

    with pytest.raises(InputError, match="not empty"):
        learn_delf(photos, trained, PLAIN, progress=progress)
