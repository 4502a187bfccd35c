"""The default embedder: determinism, company, few photos, blank photos, writing and reading."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from steeple.embedding.vlad import SiftVlad
from steeple.errors import InputError
from steeple.geometry.features import Features
from steeple.geometry.sift import Sift

NOTHING = Features(np.zeros((0, 3), dtype=np.float32), np.zeros((0, 128), dtype=np.uint8))


@pytest.fixture(scope="module")
def fitted(features: Sequence[Features]) -> SiftVlad:
    return SiftVlad().fit(features, seed=1)


class TestFit:
    def test_returns_a_fitted_copy(self, features: Any) -> None:
        embedder = SiftVlad(max_side=320)
        fitted = embedder.fit([*features[:3], NOTHING])
        assert embedder.codebook is None
        assert embedder.learned_from is None
        assert fitted.learned_from == 4
        assert fitted.max_side == 320

    def test_the_same_for_the_same_seed(self, fitted: SiftVlad, features: Any) -> None:
        again = SiftVlad().fit(features, seed=1)
        np.testing.assert_array_equal(again.encode(features), fitted.encode(features))
        other = SiftVlad().fit(features, seed=2)
        assert not np.array_equal(other.encode(features), fitted.encode(features))

    def test_from_one_photo(self, features: Any) -> None:
        descriptors = SiftVlad().fit(features[:1]).encode(features)
        np.testing.assert_allclose(np.linalg.norm(descriptors, axis=1), 1, atol=1e-5)
        assert (descriptors[1:] @ descriptors[0] < 0.9).all()

    def test_from_copies_of_one_photo(self, features: Any) -> None:
        descriptors = SiftVlad().fit([features[0]] * 4).encode(features[:3])
        np.testing.assert_allclose(np.linalg.norm(descriptors, axis=1), 1, atol=1e-5)

    def test_from_two_photos(self, features: Any) -> None:
        descriptors = SiftVlad().fit(features[:2]).encode(features)
        np.testing.assert_allclose(np.linalg.norm(descriptors, axis=1), 1, atol=1e-5)

    @pytest.mark.parametrize("prepared", [[], [NOTHING], [NOTHING, NOTHING]])
    def test_blank_photos_alone_are_refused(self, prepared: list[Features]) -> None:
        with pytest.raises(InputError, match="single local feature"):
            SiftVlad().fit(prepared)


class TestEncode:
    def test_shape_type_and_length(self, fitted: SiftVlad, features: Any) -> None:
        descriptors = fitted.encode(features)
        assert descriptors.shape == (len(features), fitted.dimension) == (24, 512)
        assert descriptors.dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(descriptors, axis=1), 1, atol=1e-5)

    def test_a_photo_does_not_depend_on_its_company(self, fitted: SiftVlad, features: Any) -> None:
        together = fitted.encode(features)
        for number, photo in enumerate(features):
            np.testing.assert_array_equal(fitted.encode([photo])[0], together[number])
        for places in (1, 7, 16, 17):
            turned = [*features[places:], *features[:places]]
            expected = np.concatenate([together[places:], together[:places]])
            np.testing.assert_array_equal(fitted.encode(turned), expected)

    def test_a_photo_without_features_resembles_nothing(
        self, fitted: SiftVlad, features: Any
    ) -> None:
        descriptors = fitted.encode([NOTHING, features[0], NOTHING])
        assert not descriptors[[0, 2]].any()
        np.testing.assert_array_equal(descriptors[1], fitted.encode(features[:1])[0])

    def test_where_features_lie_does_not_matter(self, fitted: SiftVlad, features: Any) -> None:
        elsewhere = Features(features[0].keypoints[::-1] + 7, features[0].descriptors)
        np.testing.assert_array_equal(fitted.encode([elsewhere]), fitted.encode(features[:1]))

    def test_no_photo(self, fitted: SiftVlad) -> None:
        assert fitted.encode([]).shape == (0, 512)

    def test_a_photo_finds_its_own_altered_copy(
        self, fitted: SiftVlad, features: Any, draw: Callable[..., Any]
    ) -> None:
        darker = [Sift()((draw(seed) * 0.7).astype(np.uint8)[6:, 9:]) for seed in range(24)]
        similarity = fitted.encode(darker) @ fitted.encode(features).T
        assert (similarity.argmax(axis=1) == np.arange(24)).mean() > 0.9


class TestUnfitted:
    def test_encode(self, features: Any) -> None:
        with pytest.raises(InputError, match="call fit first"):
            SiftVlad().encode(features)

    def test_save(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="call fit first"):
            SiftVlad().save(tmp_path)
        assert not list(tmp_path.iterdir())


def test_round_trip_bit_for_bit(features: Any, tmp_path: Path) -> None:
    fitted = SiftVlad(480, Sift(77, 0.013)).fit(features[:6], seed=5)
    fitted.save(tmp_path)
    again = SiftVlad.load(tmp_path)
    assert (again.max_side, again.sift, again.learned_from) == (480, Sift(77, 0.013), 6)
    np.testing.assert_array_equal(again.encode(features), fitted.encode(features))
    assert again.encode(features).dtype == np.float32
