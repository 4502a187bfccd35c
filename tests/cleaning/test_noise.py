"""The learned filter: its measures, the share of wrong labels, and what it finds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steeple.cleaning import Reason, Rule, TrainingSet
from steeple.cleaning import shards as shards_module
from steeple.cleaning.centrality import centrality
from steeple.cleaning.evidence import NEAR, OWN, Evidence, Gatherer
from steeple.cleaning.learned import clean_by_learning
from steeple.cleaning.noise import MEASURES, _measure, draw_swaps, find_noise, noise_rate
from steeple.cleaning.shards import Shards
from steeple.geometry import Verifier
from steeple.retrieval.contrast import measure_background

from .conftest import exchanged, made_up

RULE = Rule.of("upright")


def learn(training, folder, **options):
    return clean_by_learning(training, RULE, Verifier(), Shards(folder, {}, **options), workers=1)


def noisy(rate, landmarks=8, photos=8, seed=1):
    descriptors, true, features = made_up(landmarks=landmarks, photos=photos, seed=seed)
    labels = exchanged(true, rate, seed)
    return TrainingSet.of_arrays(descriptors, labels, features), labels != true


@pytest.mark.parametrize("rate", [0.1, 0.3])
def test_finds_exchanged_labels(tmp_path, rate):
    training, wrong = noisy(rate)
    found = learn(training, tmp_path / "work")
    doubted = found.decision.reasons == Reason.DOUBTED
    assert (doubted & wrong).sum() >= 0.8 * wrong.sum()
    assert (doubted & wrong).sum() >= 0.9 * doubted.sum()
    assert found.model.rate == pytest.approx(wrong.mean(), abs=0.1)
    assert set(found.model.weights) == set(MEASURES)


def test_right_labels_stay(tmp_path):
    training, _ = noisy(0.0)
    assert learn(training, tmp_path / "work").decision.kept.mean() > 0.95


def test_one_landmark_only(tmp_path):
    """No label can be exchanged, so nothing is learned and nothing dropped."""
    training = TrainingSet.of_arrays(*made_up(landmarks=1))
    found = learn(training, tmp_path / "work")
    assert found.decision.kept.all()
    assert (found.model.wrong == 0).all()


def test_shards_change_nothing_and_are_resumed(tmp_path, monkeypatch):
    training, _ = noisy(0.2)
    whole = learn(training, tmp_path / "whole")
    monkeypatch.setattr(shards_module, "SHARD", 10)
    parts = learn(training, tmp_path / "parts")
    # Matrix products round differently with how many rows they have.
    np.testing.assert_allclose(parts.model.wrong, whole.model.wrong, rtol=1e-4, atol=1e-6)

    def never(*arguments, **options):
        raise AssertionError("was done already")

    monkeypatch.setattr(Gatherer, "__call__", never)
    again = learn(training, tmp_path / "parts", resume=True)
    assert (again.model.wrong == parts.model.wrong).all()


def gathered(training, images, labels):
    return Gatherer(training, 1000, training.read(np.arange(8)), Verifier(), 1)(images, labels)


def test_evidence_is_what_a_loop_finds():
    descriptors, labels, features = made_up(landmarks=3, photos=5)
    training = TrainingSet.of_arrays(descriptors, labels, features)
    images, claimed = np.array([4, 4, 11]), np.array([0, 2, 2])
    found = gathered(training, images, claimed)
    cohort = descriptors[:8]
    verifier = Verifier()
    for row, (image, label) in enumerate(zip(images, claimed, strict=True)):
        background = measure_background(descriptors[[image]], cohort)
        similar = descriptors @ descriptors[image]
        order = [i for i in np.argsort(-similar, kind="stable") if i != image]
        near, own = order[:NEAR], [i for i in order if labels[i] == label][:OWN]
        for ids, ranking, surprises in (
            (near, found.near, found.near_surprise),
            (own, found.own, found.own_surprise),
        ):
            width = ranking.ids.shape[1]
            assert ranking.ids[row].tolist() == ids + [-1] * (width - len(ids))
            contrast = (similar[ids] - background.medians[0]) / background.spreads[0]
            np.testing.assert_allclose(ranking.scores[row, : len(ids)], contrast, rtol=1e-4)
            wanted = [
                verifier(features[min(image, i)], features[max(image, i)]).surprise for i in ids
            ]
            np.testing.assert_allclose(surprises[row, : len(ids)], wanted, rtol=1e-6)
            assert (surprises[row, len(ids) :] == 0).all()


def test_evidence_survives_being_stored():
    training, _ = noisy(0.2, landmarks=3, photos=4)
    found = gathered(training, np.arange(12), training.labels)
    back = Evidence.from_arrays([found.to_arrays()])
    for name, array in found.to_arrays().items():
        assert (back.to_arrays()[name] == array).all(), name


def literal_measures(claims, labels, right, row):
    """The measures of one claim, word by word."""
    own, rivals = [], []
    for kind, ranking, surprises in (
        (own, claims.own, claims.own_surprise),
        (rivals, claims.near, claims.near_surprise),
    ):
        for image, contrast, surprise in zip(
            ranking.ids[row], ranking.scores[row], surprises[row], strict=True
        ):
            if image >= 0:
                trust = right[image]
                kind.append(
                    (labels[image], np.clip(contrast, 0, 20) * trust, np.log1p(surprise) * trust)
                )
    rivals = [one for one in rivals if one[0] != claims.labels[row]]
    thirds = [
        sorted((s for other, _, s in rivals if other == label), reverse=True)[2:3]
        for label in {label for label, _, _ in rivals}
    ]
    return [
        max((z for _, z, _ in own), default=0),
        max((s for _, _, s in own), default=0),
        0.5,
        -max((z for _, z, _ in rivals), default=0),
        -max((s for _, _, s in rivals), default=0),
        -max((third[0] for third in thirds if third), default=0),
    ]


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_measures_are_what_a_loop_finds(seed):
    random = np.random.default_rng(seed)
    training, _ = noisy(0.4, landmarks=3, photos=5, seed=seed % 7)
    claimed = random.integers(0, 3, 15)
    claims = gathered(training, np.arange(15), claimed)
    right = random.random(15)
    found = _measure(claims, training.labels, right, np.full(15, 0.5))
    for row in range(15):
        wanted = literal_measures(claims, training.labels, right, row)
        np.testing.assert_allclose(found[row], wanted, rtol=1e-5, atol=1e-6)


def test_centrality_is_what_a_loop_finds():
    training, _ = noisy(0.3, landmarks=4, photos=5)
    descriptors = training.read(np.arange(20))
    images, claimed = np.arange(20), np.roll(training.labels, 3)
    claims = gathered(training, images, claimed)
    right = np.random.default_rng(0).random(20)
    found = centrality(training, claims, right)
    for row, (image, label) in enumerate(zip(images, claimed, strict=True)):
        others = [i for i in range(20) if training.labels[i] == label and i != image]
        centre = sum(right[i] * descriptors[i] for i in others)
        cosine = descriptors[image] @ centre / np.linalg.norm(centre)
        background = claims.background
        wanted = (cosine - background.medians[row]) / background.spreads[row]
        assert found[row] == pytest.approx(wanted, rel=1e-3)


def test_a_landmark_of_one_has_no_centre():
    descriptors, labels, features = made_up(landmarks=2, photos=4)
    labels[0] = 5
    training = TrainingSet.of_arrays(descriptors, labels, features)
    claims = gathered(training, np.array([0]), np.array([5]))
    assert centrality(training, claims, np.ones(8)).tolist() == [0.0]


@settings(deadline=None)
@given(st.floats(0.0, 0.6), st.integers(0, 1000))
def test_the_share_of_wrong_labels_is_found(rate, seed):
    random = np.random.default_rng(seed)
    false = random.standard_normal(4000)
    given_scores = random.standard_normal(4000) + np.where(random.random(4000) < rate, 0, 5)
    found = noise_rate(given_scores, false, np.ones(4000))
    assert found == pytest.approx(rate, abs=0.08)


def test_swaps_are_false_and_of_both_kinds():
    descriptors, labels, features = made_up()
    training = TrainingSet.of_arrays(descriptors, labels, features)
    near = training.nearest(np.arange(36), 10).ids
    images, claimed = draw_swaps(near, labels, seed=0)
    assert (claimed != labels[images]).all()
    counts = np.bincount(images, minlength=36)
    assert set(counts.tolist()) <= {1, 2}
    for image, label in zip(images[-36:], claimed[-36:], strict=True):
        assert label in labels[near[image]]


def test_what_is_learned_does_not_depend_on_the_order(tmp_path):
    training, _ = noisy(0.3)
    claims = gathered(training, np.arange(64), training.labels)
    swaps = gathered(training, *draw_swaps(claims.near.ids, training.labels, seed=0))
    order = np.random.default_rng(0).permutation(len(swaps))
    mixed = Evidence.from_arrays([{k: v[order] for k, v in swaps.to_arrays().items()}])

    def central(evidence, right):
        return centrality(training, evidence, right)

    first = find_noise(claims, swaps, training.labels, central)
    second = find_noise(claims, mixed, training.labels, central)
    np.testing.assert_allclose(first.wrong, second.wrong, atol=1e-3)
