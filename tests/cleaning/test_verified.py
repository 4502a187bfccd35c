"""Cleaning by the rule, from descriptors to decisions."""

from __future__ import annotations

import numpy as np
import pytest

from steeple.cleaning import Reason, Rule, TrainingSet
from steeple.cleaning import shards as shards_module
from steeple.cleaning import verified as module
from steeple.cleaning.candidates import same_label
from steeple.cleaning.shards import Shards
from steeple.cleaning.verified import clean_by_rule
from steeple.errors import StorageError
from steeple.geometry import Verifier

from .conftest import exchanged, made_up

RULE = Rule(neighbours=20, same_label=4, inliers=1, surprise=25.0)


def literal(descriptors, labels, features, rule):
    """The rule of the paper, word by word."""
    verifier = Verifier()
    good = []
    for image, label in enumerate(labels):
        similar = descriptors @ descriptors[image]
        nearest = [i for i in np.argsort(-similar, kind="stable") if i != image][: rule.neighbours]
        same = [i for i in nearest if labels[i] == label][: rule.same_label]
        pairs = [(min(image, i), max(image, i)) for i in same]
        fits = [rule.counts(verifier(features[a], features[b])) for a, b in pairs]
        good.append(sum(fits) >= rule.pairs)
    return [
        fine and sum(g for g, other in zip(good, labels, strict=True) if other == label) >= 2
        for fine, label in zip(good, labels, strict=True)
    ]


def run(training, folder, **options):
    shards = Shards(folder, {}, resume=options.pop("resume", False))
    return clean_by_rule(training, RULE, Verifier(), shards, workers=1, **options)


@pytest.mark.parametrize("rate", [0.0, 0.3])
def test_decisions_are_those_of_the_paper(tmp_path, rate):
    descriptors, labels, features = made_up(seed=4)
    labels = exchanged(labels, rate)
    training = TrainingSet.of_arrays(descriptors, labels, features)
    kept = literal(descriptors, labels, features, RULE)
    early = run(training, tmp_path / "early")
    everything = run(training, tmp_path / "all", everything=True)
    assert early.decision.kept.tolist() == everything.decision.kept.tolist() == kept
    assert early.checked.asked.sum() <= everything.checked.asked.sum()
    assert 0 < sum(kept) <= len(kept)


def test_wrong_labels_go_and_right_ones_stay(tmp_path):
    descriptors, labels, features = made_up(landmarks=5, photos=8)
    noisy = exchanged(labels, 0.2, seed=3)
    found = run(TrainingSet.of_arrays(descriptors, noisy, features), tmp_path / "work")
    assert (noisy != labels).sum() > 3
    assert found.decision.kept.tolist() == (noisy == labels).tolist()


def test_reasons(tmp_path):
    descriptors, labels, features = made_up(landmarks=3, photos=5)
    labels[0] = 7  # nobody else's
    labels[5] = 2  # verified with those of 2, without success
    found = run(TrainingSet.of_arrays(descriptors, labels, features), tmp_path / "work")
    reasons = found.decision.reasons
    assert reasons[0] == Reason.ALONE
    assert reasons[5] == Reason.UNVERIFIED
    assert (reasons[[1, 2, 3, 4, 6, 7, 8, 9]] == Reason.KEPT).all()


def test_shards_and_workers_change_nothing(tmp_path, training, monkeypatch):
    whole = run(training, tmp_path / "whole")
    monkeypatch.setattr(shards_module, "SHARD", 10)
    monkeypatch.setattr(module, "_CHUNK", 5)
    shards = Shards(tmp_path / "parts", {})
    parts = clean_by_rule(training, RULE, Verifier(), shards, workers=2)
    for name, values in vars(whole.checked).items():
        assert (getattr(parts.checked, name) == values).all(), name


def test_landmarks_cut_in_parts_are_decided_the_same(tmp_path, monkeypatch):
    training = TrainingSet.of_arrays(*made_up(landmarks=2, photos=14))
    whole = run(training, tmp_path / "whole")
    monkeypatch.setattr(module, "_CHUNK", 3)
    monkeypatch.setattr(module, "_LARGEST", 5)
    parts = run(training, tmp_path / "parts")
    assert (parts.decision.reasons == whole.decision.reasons).all()


def test_an_interrupted_run_goes_on(tmp_path, training, monkeypatch):
    monkeypatch.setattr(shards_module, "SHARD", 10)
    whole = run(training, tmp_path / "whole")
    saved = []
    save = Shards.save

    def failing(self, name, arrays):
        if len(saved) == 2:
            raise StorageError("the disk is full")
        saved.append(name)
        save(self, name, arrays)

    monkeypatch.setattr(Shards, "save", failing)
    with pytest.raises(StorageError):
        run(training, tmp_path / "work")
    monkeypatch.setattr(Shards, "save", lambda *a: (saved.append(a[1]), save(*a)))
    told = []
    again = run(training, tmp_path / "work", resume=True, progress=lambda *a: told.append(a))
    assert saved == ["000000", "000001", "000002"]  # nothing was done twice
    assert told[0] == ("clean", 24, 36)
    assert told[-1] == ("clean", 36, 36)
    assert (again.decision.reasons == whole.decision.reasons).all()
    assert (again.checked.surprise == whole.checked.surprise).all()


def test_candidates_are_what_a_loop_finds():
    descriptors, labels, features = made_up()
    labels = exchanged(labels, 0.5)
    training = TrainingSet.of_arrays(descriptors, labels, features)
    rule = Rule(neighbours=12, same_label=3)
    found = same_label(training, np.arange(36), rule)
    for image in range(36):
        similar = descriptors @ descriptors[image]
        near = [i for i in np.argsort(-similar, kind="stable") if i != image][:12]
        wanted = [i for i in near if labels[i] == labels[image]][:3]
        assert found.ids[image].tolist() == wanted + [-1] * (3 - len(wanted))


def test_photos_without_features_are_no_trouble(tmp_path):
    descriptors, labels, features = made_up(landmarks=2, photos=5)
    features[0] = features[0].strongest(0)
    found = run(TrainingSet.of_arrays(descriptors, labels, features), tmp_path / "work")
    assert found.decision.reasons.tolist() == [Reason.UNVERIFIED] + [Reason.KEPT] * 9
