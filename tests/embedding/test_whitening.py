"""PCA and whitening against the long way in float64, and what few or odd photos do to them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steeple.embedding.whitening import (
    Spectrum,
    Whitening,
    learn_pca,
    learn_supervised,
    matching_pairs,
    oas_shrinkage,
)

seeds = st.integers(0, 2**32 - 1)


def unit(rows):
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def photos(seed, n, length, *, landmarks=0):
    """Unit vectors around landmarks, with a few directions that tell nothing of them."""
    random = np.random.default_rng(seed)
    spread = random.uniform(0.05, 1, length)
    rows = random.standard_normal((n, length)) * spread + 0.3
    labels = [str(int(label)) for label in random.integers(0, landmarks or 1, n)]
    if landmarks:
        centres = random.standard_normal((landmarks, length))
        rows = 0.5 * rows + centres[[int(label) for label in labels]]
    return unit(rows), labels


def gram(whitening: Whitening, rows):
    """Similarities of descriptors: they do not depend on signs or rotations of directions."""
    found = whitening.apply(rows)
    return found @ found.T


def literal_shrunk(covariance, degrees):
    """(1 - s) S + s tr(S)/p I with the shrinkage of Chen et al., equation 23, from the matrix."""
    p = len(covariance)
    trace, squares = np.trace(covariance), np.trace(covariance @ covariance)
    above = (1 - 2 / p) * squares + trace**2
    below = (degrees + 1 - 2 / p) * (squares - trace**2 / p)
    share = 1.0 if below <= 1e-12 * squares else min(1.0, above / below)
    return (1 - share) * covariance + share * trace / p * np.eye(p)


def literal_apply(rows, mean, matrix):
    out = (rows.astype(float) - mean) @ matrix
    return out / np.linalg.norm(out, axis=1, keepdims=True)


def literal_pca(rows, dimension, power):
    rows = rows.astype(float)
    mean = rows.mean(axis=0)
    covariance = np.cov(rows.T, bias=True).reshape(rows.shape[1], rows.shape[1])
    values, vectors = np.linalg.eigh(covariance)
    order = np.argsort(-values)[:dimension]
    shrunk = vectors.T @ literal_shrunk(covariance, len(rows) - 1) @ vectors
    return mean, vectors[:, order] * np.diag(shrunk)[order] ** -power


def literal_supervised(rows, pairs, dimension):
    """As Radenovic et al.: the Cholesky factor of the differences, then PCA of what it makes."""
    rows = rows.astype(float)
    mean = rows.mean(axis=0)
    differences = (rows[pairs[:, 0]] - rows[pairs[:, 1]]) / np.sqrt(2)
    within = differences.T @ differences / len(pairs)
    within = 0.9 * within + 0.1 * np.trace(within) / len(within) * np.eye(len(within))
    projection = np.linalg.inv(np.linalg.cholesky(within))
    white = (rows - mean) @ projection.T
    values, vectors = np.linalg.eigh(white.T @ white)
    order = np.argsort(-values)[:dimension]
    return mean, projection.T @ vectors[:, order]


@given(seeds, st.integers(2, 9), st.sampled_from([0.0, 0.25, 0.5]), st.booleans())
def test_pca_is_the_literal_one(seed, length, power, whole):
    rows, _ = photos(seed, 12 * length, length)
    dimension = length if whole else max(1, length // 2)
    learned = learn_pca(rows, dimension, power, np.random.default_rng(0))
    expected = literal_apply(rows, *literal_pca(rows, dimension, power))
    np.testing.assert_allclose(gram(learned, rows), expected @ expected.T, atol=2e-4)


@given(seeds, st.integers(3, 9), st.booleans())
def test_supervised_is_the_literal_one(seed, length, whole):
    rows, labels = photos(seed, 10 * length, length, landmarks=5)
    pairs = matching_pairs(labels, np.random.default_rng(1))
    dimension = length if whole else length - 2
    learned = learn_supervised(rows, pairs, dimension, np.random.default_rng(0))
    expected = literal_apply(rows, *literal_supervised(rows, pairs, dimension))
    np.testing.assert_allclose(gram(learned, rows), expected @ expected.T, atol=2e-4)


@given(seeds, st.integers(1, 60), st.integers(1, 12))
def test_the_smaller_matrix_has_the_same_spectrum(seed, n, length):
    random = np.random.default_rng(seed)
    centred = random.standard_normal((n, length))
    spectrum = Spectrum.of(centred, n)
    values = np.sort(np.linalg.eigvalsh(centred.T @ centred / n))[::-1]
    rank = min(n, length)
    np.testing.assert_allclose(spectrum.variances, values[:rank], atol=1e-9)
    directions = spectrum.directions
    np.testing.assert_allclose(directions.T @ directions, np.eye(rank), atol=1e-7)
    again = directions * spectrum.variances @ directions.T
    np.testing.assert_allclose(again, centred.T @ centred / n, atol=1e-9)


@given(seeds, st.integers(1, 30), st.integers(1, 12))
def test_shrinkage_is_a_share_and_that_of_the_matrix(seed, degrees, length):
    random = np.random.default_rng(seed)
    factors = random.standard_normal((degrees, length))
    covariance = factors.T @ factors / degrees
    share = oas_shrinkage(np.linalg.eigvalsh(covariance), length, degrees)
    assert 0 < share <= 1
    shrunk = (1 - share) * covariance + share * np.trace(covariance) / length * np.eye(length)
    np.testing.assert_allclose(shrunk, literal_shrunk(covariance, degrees), atol=1e-9)


def test_shrinkage_falls_with_photos_and_is_whole_for_one():
    values = np.linspace(1, 10, 20)
    shares = [oas_shrinkage(values, 20, n) for n in (5, 50, 500, 5000)]
    assert shares == sorted(shares, reverse=True)
    assert shares[-1] < 0.02
    assert oas_shrinkage(np.array([3.0]), 20, 1) == 1
    assert oas_shrinkage(np.full(20, 2.0), 20, 100) == 1  # a ball has nothing to shrink


@pytest.mark.parametrize("power", [0.0, 0.5])
def test_whitening_evens_variances_out(power):
    rows, _ = photos(0, 4000, 6)
    learned = learn_pca(rows, 6, power, np.random.default_rng(0))
    spread = ((rows - learned.mean) @ learned.matrix).std(axis=0)
    assert spread.max() / spread.min() < 1.05 if power else spread.max() / spread.min() > 3


@given(seeds, st.integers(1, 6), st.integers(7, 12), st.sampled_from([0.0, 0.5]))
def test_few_photos(seed, n, length, power):
    """Fewer photos than numbers: finite, of length 1, and strangers still find room to differ."""
    rows, _ = photos(seed, n, length)
    learned = learn_pca(rows, length, power, np.random.default_rng(0))
    found = learned.apply(rows)
    assert np.isfinite(found).all()
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    assert np.linalg.matrix_rank(learned.matrix) == length
    others, _ = photos(seed + 1, 3, length)
    assert np.linalg.matrix_rank(learned.apply(others)) == 3
    if not power:  # a rotation: nothing is lost
        expected = rows - learned.mean
        expected = expected / np.linalg.norm(expected, axis=1, keepdims=True)
        np.testing.assert_allclose(found @ found.T, expected @ expected.T, atol=2e-3)


@pytest.mark.parametrize("rows", [np.ones((1, 4)), np.ones((5, 4))])
@pytest.mark.parametrize("power", [0.0, 0.5])
def test_photos_all_alike(rows, power):
    rows = unit(rows)
    learned = learn_pca(rows, 3, power, np.random.default_rng(0))
    np.testing.assert_allclose(np.linalg.norm(learned.apply(rows), axis=1), 1, atol=1e-6)
    pairs = np.array([[0, 0]])
    supervised = learn_supervised(rows, pairs, 3, np.random.default_rng(0))
    np.testing.assert_allclose(np.linalg.norm(supervised.apply(rows), axis=1), 1, atol=1e-6)


def test_copies_are_no_differences():
    """Pairs that are copies of each other: nothing to whiten, so it is PCA."""
    rows, _ = photos(3, 30, 5)
    pairs = np.repeat(np.arange(30), 2).reshape(-1, 2)
    learned = learn_supervised(rows, pairs, 5, np.random.default_rng(0))
    pca = learn_pca(rows, 5, 0.0, np.random.default_rng(0))
    np.testing.assert_allclose(gram(learned, rows), gram(pca, rows), atol=1e-5)


def test_one_pair_takes_one_direction():
    """The two become alike; what does not have their difference is as similar as by PCA."""
    rows, _ = photos(4, 60, 40)
    learned = learn_supervised(rows, np.array([[0, 1]]), 40, np.random.default_rng(0))
    pca = learn_pca(rows, 40, 0.0, np.random.default_rng(0))
    one, two = gram(learned, rows), gram(pca, rows)
    assert one[0, 1] > 0.99 > two[0, 1] + 0.1
    assert np.corrcoef(one[2:, 2:].ravel(), two[2:, 2:].ravel())[0, 1] > 0.97


def test_supervised_forgets_what_says_nothing_of_landmarks():
    random = np.random.default_rng(5)
    labels = np.repeat(np.arange(40), 6)
    rows = 0.4 * random.standard_normal((40, 16))[labels]
    rows[:, :3] += 3 * random.standard_normal((240, 3))  # weather
    rows = unit(rows + 0.05 * random.standard_normal(rows.shape))
    pairs = matching_pairs([str(label) for label in labels], random)

    def precision(found):
        similarity = found @ found.T
        np.fill_diagonal(similarity, -2)
        nearest = np.argsort(-similarity, axis=1)[:, :5]
        return (labels[nearest] == labels[:, None]).mean()

    supervised = learn_supervised(rows, pairs, 8, np.random.default_rng(0)).apply(rows)
    plain = learn_pca(rows, 8, 0.0, np.random.default_rng(0)).apply(rows)
    assert precision(plain) < 0.4
    assert precision(supervised) > 0.8


@pytest.mark.parametrize("rotate", [1, 5])
def test_a_row_does_not_depend_on_the_others(rotate):
    rows, _ = photos(0, 20, 64)
    learned = learn_pca(rows, 32, 0.5, np.random.default_rng(0))
    together = learned.apply(rows)
    np.testing.assert_array_equal(
        learned.apply(np.roll(rows, rotate, 0)), np.roll(together, rotate, 0)
    )
    np.testing.assert_array_equal(learned.apply(rows[3:4])[0], together[3])


def test_zeros_stay_zeros():
    rows, _ = photos(0, 20, 6)
    learned = learn_pca(rows, 4, 0.5, np.random.default_rng(0))
    rows[2] = 0
    found = learned.apply(rows)
    assert not found[2].any()
    assert found[1].any()


def test_the_same_seed_gives_the_same():
    rows, labels = photos(0, 5, 12, landmarks=2)
    one, two = (learn_pca(rows, 12, 0.5, np.random.default_rng(3)) for _ in range(2))
    np.testing.assert_array_equal(one.matrix, two.matrix)
    pairs = [matching_pairs(labels, np.random.default_rng(3)).tolist() for _ in range(2)]
    assert pairs[0] == pairs[1]


@given(st.lists(st.one_of(st.none(), st.sampled_from("abcdef")), max_size=40), seeds)
def test_pairs_are_rings(landmarks, seed):
    pairs = matching_pairs(landmarks, np.random.default_rng(seed))
    assert pairs.shape[1] == 2
    for one, two in pairs:
        assert one != two
        assert landmarks[one] is not None
        assert landmarks[one] == landmarks[two]
    counts = {name: landmarks.count(name) for name in set(landmarks) - {None}}
    expected = sum(1 if n == 2 else n for n in counts.values() if n >= 2)
    assert len(pairs) == expected
    assert len({frozenset(pair) for pair in pairs.tolist()}) == expected
    for name, count in counts.items():
        if count > 2:
            mine = [p for pair in pairs.tolist() for p in pair if landmarks[pair[0]] == name]
            assert all(mine.count(place) == 2 for place in mine)
