"""A whole cleaning of a small collection, and its estimate."""

from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pytest

from steeple.cleaning import Noise, Reason, Rule, Settings, clean, labelled_photos
from steeple.cleaning.estimate import estimate_collection, estimate_photos
from steeple.errors import InputError

SETTINGS = Settings(Rule.of("upright"))


def test_the_rule(labelled, tmp_path):
    cleaned = clean(labelled, SETTINGS, tmp_path / "work", workers=1)
    figures = cleaned.to_dict(labelled)
    assert figures["images"] == len(labelled.training)
    assert figures["kept_images"] + sum(figures["dropped"].values()) == figures["images"]
    assert figures["kept_images"] == cleaned.decision.kept.sum() > 0
    assert figures["kept_landmarks"] <= figures["landmarks"] == 3
    assert figures["settings"]["method"] == "upright"
    assert (tmp_path / "work" / "complete").exists()


def test_what_is_learned(labelled, tmp_path):
    settings = replace(SETTINGS, noise=Noise.LEARNED)
    figures = clean(labelled, settings, tmp_path / "work", workers=1).to_dict(labelled)
    assert 0 < figures["wrong_labels"] < 1
    assert len(figures["weights"]) == 6


def test_published_is_stricter_than_ours(labelled, tmp_path):
    ours = clean(labelled, SETTINGS, tmp_path / "ours", workers=1)
    settings = Settings(Rule.of("upright"), seed=0)
    settings = replace(settings, rule=replace(settings.rule, inliers=30, surprise=0.0))
    theirs = clean(labelled, settings, tmp_path / "theirs", workers=1)
    assert theirs.decision.kept.sum() <= ours.decision.kept.sum()


def test_other_settings_are_not_resumed(labelled, tmp_path):
    clean(labelled, SETTINGS, tmp_path / "work", workers=1)
    other = replace(SETTINGS, rule=replace(SETTINGS.rule, pairs=2))
    with pytest.raises(InputError, match="begun with pairs 3, not 2"):
        clean(labelled, other, tmp_path / "work", resume=True)


def test_other_labels_are_not_resumed(labelled, tmp_path):
    clean(labelled, SETTINGS, tmp_path / "work", workers=1)
    with pytest.raises(InputError, match="begun with collection"):
        clean(replace(labelled, state="other"), SETTINGS, tmp_path / "work", resume=True)


def test_an_unknown_method_leaves_nothing(labelled, tmp_path):
    with pytest.raises(InputError, match="guess"):
        clean(labelled, replace(SETTINGS, method="guess"), tmp_path / "work")
    assert not (tmp_path / "work").exists()


def test_every_reason_has_its_sentence(labelled, tmp_path):
    cleaned = clean(labelled, SETTINGS, tmp_path / "rule", workers=1)
    checked = cleaned.checked
    checked.counted[:3], checked.tried[:3], checked.listed[:3] = 1, 8, (9, 2, 0)
    reasons = np.zeros(len(labelled.training), dtype=np.uint8)
    reasons[:4] = [Reason.UNVERIFIED, Reason.UNVERIFIED, Reason.ALONE, Reason.SMALL]
    told = replace(cleaned, decision=replace(cleaned.decision, reasons=reasons))
    assert told.why(0) == "1 of 8 pairs fit, 3 needed"
    assert told.why(1) == "only 2 of its nearest photos with its label, 3 needed"
    assert told.why(2) == "none of its 1,000 nearest photos has its label"
    assert told.why(3) == "fewer than 2 photos of its landmark would be left"
    assert told.why(4) == ""
    learned = clean(
        labelled, replace(SETTINGS, noise=Noise.LEARNED), tmp_path / "learned", workers=1
    )
    learned.model.wrong[0] = 0.987
    reasons[0] = Reason.DOUBTED
    told = replace(learned, decision=replace(learned.decision, reasons=reasons))
    assert told.why(0) == "its label is wrong with probability 0.99"


def sound(estimate, images):
    assert estimate.images == images
    assert estimate.landmarks == 3
    assert 0 < estimate.pairs <= estimate.most_pairs
    assert estimate.pairs_per_second > 1
    assert 0 < estimate.search_hours < estimate.hours < 1


@pytest.mark.parametrize("noise", list(Noise))
def test_estimate_of_a_collection(labelled, noise):
    found = estimate_collection(labelled, replace(SETTINGS, noise=noise), workers=4)
    sound(found, len(labelled.training))
    assert found.describe_hours == 0
    assert found.workers == 4


def test_estimate_of_photos(city, tmp_path):
    root = shutil.copytree(city.root, tmp_path / "city")
    found = estimate_photos(labelled_photos(root), SETTINGS, workers=2)
    sound(found, city.train)
    assert found.describe_hours > 0
    labels = np.array([int(photo.landmark) for photo in labelled_photos(root)])
    sizes = np.unique(labels, return_counts=True)[1]
    assert found.most_pairs == int((sizes * (sizes - 1)).sum()) // 2
