"""The table of embedders, and writing and reading them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from steeple.embedding import EMBEDDERS, Embedder, create_embedder
from steeple.embedding.base import (
    READERS,
    TOGETHER,
    load_embedder,
    photos_together,
    save_embedder,
)
from steeple.errors import CollectionError


@pytest.fixture(scope="module")
def fitted(features: Sequence[npt.NDArray[np.uint8]]) -> Embedder:
    return create_embedder("sift-vlad").fit(features[:5], seed=3)


@pytest.fixture
def folder(fitted: Embedder, tmp_path: Path) -> Path:
    save_embedder(fitted, tmp_path / "deep" / "embedder")
    return tmp_path / "deep" / "embedder"


@pytest.mark.parametrize("name", EMBEDDERS)
def test_a_new_embedder_has_its_name_and_nothing_learned(name: str) -> None:
    embedder = create_embedder(name)
    assert embedder.name == name
    assert embedder.dimension > 0
    assert embedder.max_side > 0
    assert embedder.learned_from is None


@pytest.mark.parametrize("name", [*EMBEDDERS, *READERS])
def test_every_kind_has_a_class_that_reads_it(name: str) -> None:
    kind = (EMBEDDERS | READERS)[name]()
    assert callable(kind.load)
    assert kind.__doc__


def test_photos_at_a_time_are_for_the_embedder_to_say(fitted: Embedder) -> None:
    class Greedy:
        together = 7

    greedy: Any = Greedy()
    assert photos_together(greedy) == 7
    assert photos_together(fitted) == TOGETHER


def test_the_table_imports_nothing_before_it_is_asked() -> None:
    code = (
        "import steeple.embedding, sys;"
        "print([name for name in ('cv2', 'faiss', 'torch', 'onnxruntime') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_round_trip_bit_for_bit(
    fitted: Embedder, folder: Path, features: Sequence[npt.NDArray[np.uint8]]
) -> None:
    again = load_embedder(folder)
    assert again.name == fitted.name
    assert again.learned_from == 5
    assert again.prepare == fitted.prepare
    assert again.max_side == fitted.max_side
    np.testing.assert_array_equal(again.encode(features), fitted.encode(features))


def test_saving_over_something_is_refused(fitted: Embedder, folder: Path) -> None:
    with pytest.raises(FileExistsError):
        save_embedder(fitted, folder)


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("embedder.json", None),
        ("embedder.json", b""),
        ("embedder.json", b"[]"),
        ("embedder.json", b'{"name": ["sift-vlad"]}'),
        ("embedder.json", b'{"name": "from-the-future"}'),
        ("embedder.json", b"\xff\xfe\xfa"),
        ("sift-vlad.npz", None),
        ("sift-vlad.npz", b""),
        ("sift-vlad.npz", b"PK\x03\x04 and no more"),
    ],
)
def test_damage_is_one_clear_error(folder: Path, file: str, content: bytes | None) -> None:
    if content is None:
        (folder / file).unlink()
    else:
        (folder / file).write_bytes(content)
    with pytest.raises(CollectionError, match="build the collection again") as caught:
        load_embedder(folder)
    assert str(folder) in str(caught.value)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_a_file_that_is_cut_short(folder: Path, share: float) -> None:
    file = folder / "sift-vlad.npz"
    data = file.read_bytes()
    file.write_bytes(data[: int(share * len(data))])
    with pytest.raises(CollectionError):
        load_embedder(folder)


def test_altered_bytes_are_noticed(folder: Path) -> None:
    file = folder / "sift-vlad.npz"
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 0xFF
    file.write_bytes(bytes(data))
    with pytest.raises(CollectionError):
        load_embedder(folder)
