"""The search for GPUs, run on the processor: the same ids as FAISS, ties and pads included."""

from __future__ import annotations

import importlib.util
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steeple.errors import InputError, MachineError, MissingExtraError
from steeple.retrieval import gpu, search_neighbors
from steeple.retrieval.gpu import TORCH_CPU, choose_device
from steeple.retrieval.neighbors import search_blocks

torch = pytest.importorskip("torch")


def dyadic(random: np.random.Generator, n: int, d: int) -> npt.NDArray[np.float32]:
    """Descriptors of few, dyadic values: their inner products are exact and often equal."""
    return (random.integers(-2, 3, (n, d)) / 4).astype(np.float32)


def check_same(queries: Any, index: Any, k: int, memory: int) -> None:
    ours = search_neighbors(queries, index, k, memory=memory, device=TORCH_CPU)
    faiss = search_neighbors(queries, index, k, memory=memory)
    np.testing.assert_array_equal(ours.ids, faiss.ids)
    np.testing.assert_array_equal(ours.scores, faiss.scores)


class TestLikeFaiss:
    @given(
        seed=st.integers(0, 2**32 - 1),
        q=st.integers(0, 20),
        n=st.integers(0, 50),
        d=st.integers(1, 4),
        k=st.integers(1, 60),
        memory=st.sampled_from([1, 500, 4096, 1 << 14, 1 << 28]),
    )
    @settings(max_examples=60)
    def test_any_shape_and_budget(
        self, seed: int, q: int, n: int, d: int, k: int, memory: int
    ) -> None:
        random = np.random.default_rng(seed)
        check_same(dyadic(random, q, d), dyadic(random, n, d), k, memory)

    @pytest.mark.parametrize("k", [1, 100])
    def test_ties_across_the_end_of_the_list(self, k: int) -> None:
        random = np.random.default_rng(k)
        check_same(dyadic(random, 30, 2), dyadic(random, 3000, 2), k, 1 << 20)

    def test_ordinary_descriptors(self) -> None:
        random = np.random.default_rng(1)
        index = random.standard_normal((3000, 64)).astype(np.float32)
        index /= np.linalg.norm(index, axis=1, keepdims=True)
        ours = search_neighbors(index[::50], index, 10, memory=1 << 19, device=TORCH_CPU)
        faiss = search_neighbors(index[::50], index, 10)
        np.testing.assert_array_equal(ours.ids, faiss.ids)
        np.testing.assert_allclose(ours.scores, faiss.scores, atol=1e-6)

    def test_an_index_image_of_nan_is_never_found(self) -> None:
        random = np.random.default_rng(2)
        queries, index = dyadic(random, 9, 3), dyadic(random, 12, 3)
        index[[0, 5, 11], [1, 0, 2]] = np.nan
        for k in (3, 9, 12):
            check_same(queries, index, k, 1 << 20)

    def test_types_and_memory_that_cannot_be_written(self) -> None:
        random = np.random.default_rng(3)
        queries, index = dyadic(random, 9, 3), dyadic(random, 80, 3).astype(np.float16)
        for array in (queries, index):
            array.flags.writeable = False
        check_same(queries, index, 5, 1 << 20)

    def test_blocks_with_ids_of_their_own(self) -> None:
        random = np.random.default_rng(4)
        queries, index = dyadic(random, 7, 2), dyadic(random, 90, 2)
        names = np.sort(random.choice(1000, 90, replace=False)).astype(np.int64)
        blocks = [(names[a:b], index[a:b]) for a, b in pairwise([0, 0, 13, 50, 90])]
        ours = search_blocks(queries, blocks, 8, memory=2000, device=TORCH_CPU)
        faiss = search_blocks(queries, blocks, 8)
        np.testing.assert_array_equal(ours.ids, faiss.ids)
        np.testing.assert_array_equal(ours.scores, faiss.scores)

    def test_leaves_pytorch_as_it_was(self) -> None:
        before = torch.get_float32_matmul_precision()
        torch.set_float32_matmul_precision("high")
        try:
            check_same(np.ones((1, 2)), np.ones((3, 2)), 2, 1 << 20)
            assert torch.get_float32_matmul_precision() == "high"
        finally:
            torch.set_float32_matmul_precision(before)


class TestDevice:
    @pytest.fixture
    def sees_gpu(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: True)

    @pytest.fixture
    def sees_none(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: False)

    def test_auto_takes_a_gpu_for_large_work(self, sees_gpu: None) -> None:
        assert choose_device("auto", 1e13) == "cuda"
        assert choose_device("auto", 1e9) == "cpu"
        assert choose_device("cuda", 1) == "cuda"
        assert choose_device("cpu", 1e20) == "cpu"

    def test_without_a_gpu(self, sees_none: None) -> None:
        assert choose_device("auto", 1e13) == "cpu"
        with pytest.raises(MachineError, match="sees no GPU on this machine; use the device cpu"):
            choose_device("cuda", 1)
        with pytest.raises(MachineError, match="no GPU"):
            search_neighbors(np.ones((1, 2)), np.ones((3, 2)), 1, device="cuda")

    def test_auto_goes_by_the_first_piece(
        self, sees_gpu: None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked = []
        monkeypatch.setattr(
            "steeple.retrieval.neighbors.choose_device",
            lambda device, work: asked.append((device, work)) or "cpu",
        )
        queries, index = np.ones((3, 2), dtype=np.float32), np.ones((10, 2), dtype=np.float32)
        blocks = ((np.arange(a, a + 5), index[a : a + 5]) for a in (0, 5))
        found = search_blocks(queries, blocks, 10, device="auto")
        assert asked == [("auto", 3 * 2 * 5)]
        np.testing.assert_array_equal(found.ids, [range(10)] * 3)

    def test_without_pytorch(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
        assert choose_device("auto", 1e13) == "cpu"

        def missing(module: str, extra: str) -> None:
            raise MissingExtraError("pip install 'steeple[torch]'")

        monkeypatch.setattr(gpu, "need", missing)
        with pytest.raises(MissingExtraError):
            choose_device("cuda", 1)

    def test_unknown(self) -> None:
        with pytest.raises(InputError, match="no device 'tpu'; choose one of auto, cpu, cuda"):
            choose_device("tpu", 1)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="PyTorch sees no GPU here")
def test_on_a_gpu() -> None:
    random = np.random.default_rng(5)
    queries, index = dyadic(random, 300, 8), dyadic(random, 5000, 8)
    ours = search_neighbors(queries, index, 100, memory=1 << 20, device="cuda")
    faiss = search_neighbors(queries, index, 100)
    np.testing.assert_array_equal(ours.ids, faiss.ids)
    np.testing.assert_array_equal(ours.scores, faiss.scores)
