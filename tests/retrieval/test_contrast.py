"""Contrast against its formula, one image at a time."""

from __future__ import annotations

import math
import statistics
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from steeple.retrieval import Ranking, Votes
from steeple.retrieval import contrast as module
from steeple.retrieval.contrast import (
    Background,
    measure_background,
    vote_contrast,
    vote_similarity,
)
from steeple.retrieval.voting import count_votes

Floats = npt.NDArray[np.float32]


def unit_vectors(seed: int, n: int) -> Floats:
    out = np.random.default_rng(seed).standard_normal((n, 5)).astype(np.float32)
    return out / np.linalg.norm(out, axis=1, keepdims=True)


def random_case(seed: int) -> tuple[Ranking, npt.NDArray[np.int64], int]:
    """Neighbours of six images, some lists short or empty; labels of nine training images."""
    random = np.random.default_rng(seed)
    k, width = int(random.integers(1, 5)), int(random.integers(1, 6))
    ids = np.stack([random.choice(9, width, replace=False) for _ in range(6)])
    scores = -np.sort(-random.uniform(-1, 1, (6, width)), axis=1).astype(np.float32)
    pads = np.arange(width) >= random.integers(0, width + 1, 6)[:, None]
    ranking = Ranking(np.where(pads, -1, ids), np.where(pads, -np.inf, scores))
    return ranking, random.integers(0, 3, 9), k


def near(ranking: Ranking, row: int, k: int) -> list[tuple[int, float]]:
    """The first k neighbours of an image with their similarities, without pads."""
    pairs = zip(ranking.ids[row, :k].tolist(), ranking.scores[row, :k].tolist(), strict=True)
    return [(image, score) for image, score in pairs if image != -1]


class TestBackground:
    @pytest.mark.parametrize("size", [1, 2, 7, 8])
    def test_median_and_median_deviation(self, size: int) -> None:
        images, cohort = unit_vectors(0, 5), unit_vectors(1, size)
        found = measure_background(images, cohort)
        for row, image in enumerate(images):
            similarity = [float(image @ other) for other in cohort]
            median = statistics.median(similarity)
            deviation = statistics.median([abs(value - median) for value in similarity])
            assert found.medians[row] == pytest.approx(median, abs=1e-6)
            assert found.spreads[row] == pytest.approx(1.4826 * deviation, abs=1e-6)

    def test_blocks_join(self, monkeypatch: pytest.MonkeyPatch) -> None:
        images, cohort = unit_vectors(0, 10), unit_vectors(1, 4)
        whole = measure_background(images, cohort)
        monkeypatch.setattr(module, "_BLOCK", 3)
        parts = measure_background(images, cohort)
        np.testing.assert_allclose(parts.medians, whole.medians, atol=1e-6)
        np.testing.assert_allclose(parts.spreads, whole.spreads, atol=1e-6)

    def test_without_a_cohort(self) -> None:
        found = measure_background(unit_vectors(0, 3), unit_vectors(1, 0))
        assert found.medians.tolist() == found.spreads.tolist() == [0, 0, 0]

    def test_of_nothing(self) -> None:
        assert measure_background(unit_vectors(0, 0), unit_vectors(1, 3)).medians.shape == (0,)

    def test_a_few_photos_of_its_own_landmark_count_for_little(self) -> None:
        own = unit_vectors(0, 1)
        cohort = unit_vectors(1, 101)
        cohort[:20] = own
        alone = measure_background(own, cohort[20:])
        found = measure_background(own, cohort)
        assert abs(found.medians[0] - alone.medians[0]) < alone.spreads[0]


class TestContrast:
    def test_the_formula(self) -> None:
        for seed in range(300):
            ranking, labels, k = random_case(seed)
            random = np.random.default_rng(seed)
            background = Background(
                random.uniform(-0.5, 0.5, 6).astype(np.float32),
                random.uniform(0.01, 0.4, 6).astype(np.float32),
            )
            votes = count_votes(ranking, labels, k)
            found = vote_contrast(ranking, labels, votes, background, k)
            assert found.dtype == np.float32
            for row in range(6):
                median, spread = float(background.medians[row]), float(background.spreads[row])
                cast = [
                    (float(score) - median) / spread
                    for image, score in near(ranking, row, k)
                    if labels[image] == votes.labels[row]
                ]
                expected = min(max(math.fsum(cast) / k, 0.05), 100) if cast else 0
                assert found[row] == pytest.approx(expected, rel=1e-4, abs=1e-5)

    def test_no_scale_and_no_offset_changes_it(self) -> None:
        """The same photo described on another scale: every similarity times 0.3 plus 0.2."""
        images, cohort, training = unit_vectors(0, 6), unit_vectors(1, 31), unit_vectors(2, 8)
        labels = np.array([0, 1, 2, 0, 1, 2, 0, 1])
        similarity = images @ training.T
        contrasts = []
        for scale, offset in ((1.0, 0.0), (0.3, 0.2)):
            changed = scale * similarity + offset
            order = np.argsort(-changed, axis=1)[:, :3]
            found = Ranking(order, np.take_along_axis(changed, order, axis=1))
            plain = measure_background(images, cohort)
            background = Background(
                np.float32(scale) * plain.medians + np.float32(offset),
                np.float32(scale) * plain.spreads,
            )
            votes = Votes(labels[order[:, 0]], np.zeros(6, dtype=np.float32))
            cast = labels[order] == votes.labels[:, None]
            scores = np.where(cast, found.scores, 0).sum(axis=1) / 3
            contrasts.append(
                vote_contrast(found, labels, Votes(votes.labels, scores), background, 3)
            )
        np.testing.assert_allclose(contrasts[0], contrasts[1], rtol=1e-4)

    def test_it_is_bounded(self) -> None:
        ranking = Ranking(np.zeros((3, 1)), np.array([[1.0], [-1.0], [0.5]]))
        background = Background(*np.zeros((2, 3), dtype=np.float32))
        votes = count_votes(ranking, np.array([4]), 1)
        assert vote_contrast(ranking, np.array([4]), votes, background, 1).tolist() == [
            100, pytest.approx(0.05), 100,
        ]  # fmt: skip

    @pytest.mark.parametrize(("labels", "width"), [([], 3), ([1, 2], 0)])
    def test_nobody_votes(self, labels: Any, width: int) -> None:
        ranking = Ranking(np.full((2, width), -1), np.full((2, width), -np.inf))
        labels = np.array(labels, dtype=np.int64)
        votes = count_votes(ranking, labels, 3)
        background = Background(*np.ones((2, 2), dtype=np.float32))
        assert vote_contrast(ranking, labels, votes, background, 3).tolist() == [0, 0]
        assert np.isneginf(vote_similarity(ranking, labels, votes, 3)).all()


def test_similarity_of_the_nearest_that_cast_the_vote() -> None:
    for seed in range(300):
        ranking, labels, k = random_case(seed)
        votes = count_votes(ranking, labels, k)
        found = vote_similarity(ranking, labels, votes, k)
        for row in range(6):
            cast = [
                score
                for image, score in near(ranking, row, k)
                if labels[image] == votes.labels[row]
            ]
            assert found[row] == max(cast, default=-np.inf)
