"""Visual words: the PCA under them, VLAD against a loop, and learning from little."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from steeple.embedding.codebook import Codebook
from steeple.geometry.features import Features, comparable

Descriptors = npt.NDArray[np.uint8]


@pytest.fixture(scope="module")
def features(features: Sequence[Features]) -> list[Descriptors]:
    """Of the drawn photos, what words are made of."""
    return [photo.descriptors for photo in features]


def learn(photos: Sequence[Descriptors], seed: int = 0) -> Codebook:
    return Codebook.learn(photos, np.random.default_rng(seed))


@pytest.fixture(scope="module")
def codebook(features: Sequence[Descriptors]) -> Codebook:
    return learn(features)


def literal_vlad(codebook: Codebook, features: Descriptors) -> npt.NDArray[np.float64]:
    """One feature at a time, in float64."""
    words = codebook.words.astype(np.float64)
    total = np.zeros(words.shape)
    for feature in features:
        values = feature.astype(np.float64)
        values = np.sqrt(values / max(values.sum(), 1.0))
        local = (values - codebook.mean) @ codebook.basis.astype(np.float64)
        nearest = min(range(len(words)), key=lambda word: ((local - words[word]) ** 2).sum())
        total[nearest] += local - words[nearest]
    flat = np.array([np.sign(value) * abs(value) ** 0.5 for value in total.ravel()])
    return flat / max(np.sqrt((flat**2).sum()), 1e-12)


class TestAggregate:
    def test_against_the_loop(self, codebook: Codebook, features: Any) -> None:
        for photo in features[:6]:
            np.testing.assert_allclose(
                codebook.aggregate(photo), literal_vlad(codebook, photo), atol=2e-4
            )

    def test_one_feature(self, codebook: Codebook, features: Any) -> None:
        for row in range(5):
            one = features[0][row : row + 1]
            np.testing.assert_allclose(
                codebook.aggregate(one), literal_vlad(codebook, one), atol=2e-4
            )

    def test_unit_length_and_type(self, codebook: Codebook, features: Any) -> None:
        vlad = codebook.aggregate(features[1])
        assert vlad.dtype == np.float32
        assert vlad.shape == (codebook.length,)
        assert np.linalg.norm(vlad) == pytest.approx(1, abs=1e-5)

    def test_no_feature_gives_zeros(self, codebook: Codebook) -> None:
        vlad = codebook.aggregate(np.zeros((0, 128), dtype=np.uint8))
        assert vlad.dtype == np.float32
        assert vlad.shape == (codebook.length,)
        assert not vlad.any()

    def test_the_order_of_features_hardly_matters(self, codebook: Codebook, features: Any) -> None:
        backwards = np.ascontiguousarray(features[2][::-1])
        np.testing.assert_allclose(
            codebook.aggregate(backwards), codebook.aggregate(features[2]), atol=1e-3
        )


class TestLearn:
    def test_the_same_for_the_same_seed(self, codebook: Codebook, features: Any) -> None:
        again = learn(features)
        np.testing.assert_array_equal(again.words, codebook.words)
        np.testing.assert_array_equal(again.basis, codebook.basis)
        np.testing.assert_array_equal(again.mean, codebook.mean)

    def test_the_seed_chooses_the_words(self, codebook: Codebook, features: Any) -> None:
        other = learn(features, seed=1)
        np.testing.assert_array_equal(other.basis, codebook.basis)
        assert not np.array_equal(other.words, codebook.words)

    def test_forty_features_per_word(self, codebook: Codebook, features: Any) -> None:
        total = sum(len(photo) for photo in features)
        assert codebook.words.shape == (total // 40, 80)
        assert codebook.words.dtype == np.float32

    def test_components_are_uncorrelated_and_half_whitened(
        self, codebook: Codebook, features: Any
    ) -> None:
        sample = comparable(np.concatenate(features)).astype(np.float64)
        variance = np.linalg.eigvalsh(np.cov(sample.T, bias=True))[::-1][:80]
        local = (sample - codebook.mean) @ codebook.basis
        np.testing.assert_allclose(
            np.cov(local.T, bias=True), np.diag(np.sqrt(variance)), atol=1e-4
        )

    @pytest.mark.parametrize("count", [1, 2, 39, 40, 79, 81])
    def test_from_little(self, features: Any, count: int) -> None:
        some = features[0][:count]
        codebook = learn([some])
        assert codebook.words.shape == (max(1, count // 40), min(80, count))
        assert np.isfinite(codebook.aggregate(features[1])).all()

    def test_photos_without_features_among_them(self, features: Any) -> None:
        nothing = np.zeros((0, 128), dtype=np.uint8)
        some = learn([nothing, features[0], nothing, features[1]])
        without = learn(features[:2])
        np.testing.assert_array_equal(some.words, without.words)

    def test_a_sample_of_many(self, features: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("steeple.embedding.codebook._SAMPLE", 500)
        codebook = learn(features)
        assert codebook.words.shape == (500 // 40, 80)
        np.testing.assert_array_equal(learn(features).words, codebook.words)
        # The sample is drawn from all photos: its mean is near the mean of all.
        everything = comparable(np.concatenate(features))
        np.testing.assert_allclose(codebook.mean, everything.mean(axis=0), atol=0.03)
