"""Which photos ask and which are found, and the measure over them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from steeple.datasets.gldv2 import GldV2
from steeple.errors import InputError
from steeple.training.validation import Validation, has_solution, read_validation


class Mean:
    """An embedder by mean colour, around grey."""

    name = kind = "mean"
    dimension, max_side, learned_from = 3, 32, 0

    def __init__(self, wrong: float | None = None) -> None:
        self.wrong = wrong

    prepare = staticmethod(np.asarray)

    def encode(self, prepared: Sequence[Any]) -> Any:
        means = np.stack([image.mean((0, 1)) - 128 for image in prepared])
        means = means / np.linalg.norm(means, axis=1, keepdims=True)
        return np.full_like(means, self.wrong) if self.wrong is not None else means


COLOURS = ((250, 20, 20), (20, 250, 20), (20, 20, 250))


def paint(path: Path, landmark: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(abs(hash(path.name)) % 1000)
    image = np.clip(np.array(COLOURS[landmark]) + random.integers(-20, 20, (16, 20, 3)), 0, 255)
    assert cv2.imwrite(str(path), image.astype(np.uint8))


@pytest.fixture
def gldv2(tmp_path: Path) -> Path:
    """Three queries, one of them ignored, and six index images of three landmarks."""
    root = tmp_path / "gldv2"
    index = {f"abc{n}": n % 3 for n in range(6)}
    for image, landmark in index.items():
        paint(root / "index" / f"{image}.png", landmark)
    for query, landmark in (("q0", 0), ("q1", 1), ("q2", 2)):
        paint(root / "test" / f"{query}.png", landmark)
    solution = {
        query: [image for image, shown in index.items() if shown == landmark]
        for query, landmark in (("q0", 0), ("q1", 1))
    }
    tables = GldV2(
        root=root,
        train={},
        index=list(index),
        index_landmarks={},
        test=["q0", "q1", "q2"],
        retrieval_solution={**solution, "q2": []},
        recognition_solution={},
        usage={"q0": "Public", "q1": "Private", "q2": "Ignored"},
        recognition_usage={},
        names={},
    )
    tables.write(root)
    return root


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    """Nine, two and one photos of a landmark."""
    for landmark, count in enumerate((9, 2, 1)):
        for number in range(count):
            paint(tmp_path / "folders" / f"l{landmark}" / f"{landmark}{number}.png", landmark)
    return tmp_path / "folders"


def test_queries_of_gldv2_by_its_solution(gldv2: Path) -> None:
    assert has_solution(gldv2)
    found = read_validation(gldv2)
    assert [path.stem for path in found.queries] == ["q0", "q1"]
    assert len(found.index) == 6
    assert found.measure(Mean(), workers=1) == 1
    # Turned around: the two right ones come last, at ranks 5 and 6.
    turned = Validation(
        found.queries,
        found.index,
        {
            str(q): [str(p) for p in found.index if p.stem in ("abc2", "abc5")]
            for q in found.queries
        },
    )
    assert turned.measure(Mean(), workers=1) < 0.6


def test_a_quarter_of_the_labelled_photos_asks_for_the_rest(folders: Path) -> None:
    assert not has_solution(folders)
    found = read_validation(folders)
    assert sorted(path.parent.name for path in found.queries) == ["l0", "l0", "l1"]
    assert not set(found.queries) & set(found.index)
    assert len(found.index) == 12 - 3
    for query in found.queries:
        rest = {str(path) for path in found.index if path.parent == query.parent}
        assert set(found.relevant[str(query)]) == rest
    assert found.measure(Mean(), workers=1) == 1
    assert read_validation(folders) == found
    assert any(read_validation(folders, seed=seed) != found for seed in range(1, 9))


def test_photos_that_cannot_be_read(folders: Path) -> None:
    found = read_validation(folders)
    found.index[0].write_bytes(b"")
    said: list[tuple[int, int]] = []
    whole = found.measure(Mean(), workers=1, progress=lambda *word: said.append(word))
    assert said[-1] == (12, 12)
    assert 0.5 < whole < 1  # what cannot be found is missed
    found.queries[0].write_bytes(b"")
    assert found.measure(Mean(), workers=1) == pytest.approx(whole - 1 / 3, abs=0.06)
    for path in found.index:
        path.write_bytes(b"")
    with pytest.raises(InputError, match="none of the validation's photos can be read"):
        found.measure(Mean(), workers=1)


def test_a_network_that_has_diverged(folders: Path) -> None:
    with pytest.raises(InputError, match="the training has diverged"):
        read_validation(folders).measure(Mean(float("nan")), workers=1)


def test_nothing_to_find(tmp_path: Path) -> None:
    for landmark in range(2):
        paint(tmp_path / "few" / f"l{landmark}" / "a.png", landmark)
    with pytest.raises(InputError, match="no landmark has two photos"):
        read_validation(tmp_path / "few")
    with pytest.raises(InputError, match="does not exist"):
        read_validation(tmp_path / "nowhere")
