"""Approximate search against exact search, for every kind of index and kind of array."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import numpy.typing as npt
import pytest

from steeple.errors import InputError
from steeple.retrieval import search_neighbors
from steeple.retrieval.approximate.effort import Effort
from steeple.retrieval.approximate.index import ApproximateIndex
from steeple.retrieval.approximate.recall import recall

Floats = npt.NDArray[np.float32]
FACTORIES = [
    "Flat",
    "SQ8",
    "HNSW16",
    "HNSW16_SQ8",
    "IVF16,Flat",
    "IVF16,SQ8",
    "IVF16_HNSW8,SQ8",
    "IVF16,RaBitQ",
    "IVF16_HNSW8,RaBitQ",
    "RR32,IVF16,RaBitQ",
    "IVF16,PQ16x4fs",
    "PCA16,IVF16,SQ8",
    "SQ4,Refine(SQ8)",
]


@pytest.fixture(scope="module")
def clusters() -> tuple[Floats, Floats]:
    """2,000 images around 100 landmarks, and 60 new photos of them; 32 dimensions."""
    random = np.random.default_rng(0)
    centres = random.standard_normal((100, 32))
    made = centres[random.integers(0, 100, 2060)] + 0.7 * random.standard_normal((2060, 32))
    made /= np.linalg.norm(made, axis=1, keepdims=True)
    return made[:2000].astype(np.float32), made[2000:].astype(np.float32)


@pytest.fixture
def built(clusters: Any) -> ApproximateIndex:
    return ApproximateIndex.build(clusters[0], "IVF16,SQ8")


class ByPosition:
    """Descriptors as a collection has them: nothing but a length and positions."""

    def __init__(self, array: npt.NDArray[Any]) -> None:
        self._array = array

    def __len__(self) -> int:
        return len(self._array)

    def __getitem__(self, ids: Any) -> Floats:
        assert not isinstance(ids, slice)
        return np.asarray(self._array[ids])


class TestEveryKind:
    @pytest.mark.parametrize("factory", FACTORIES)
    def test_reaches_the_recall_it_is_tuned_to(self, factory: str, clusters: Any) -> None:
        index, queries = clusters
        built = ApproximateIndex.build(index, factory)
        assert len(built) == 2000
        reached = built.tune(queries[:30], 10, exact=index, wanted=0.95)
        assert reached >= 0.95
        found = built.search(queries[30:], 10, exact=index)
        exact = search_neighbors(queries[30:], index, 10)
        assert recall(found, exact) >= 0.88

    @pytest.mark.parametrize("factory", FACTORIES)
    def test_scores_are_exact_and_in_order(self, factory: str, clusters: Any) -> None:
        index, queries = clusters
        found = ApproximateIndex.build(index, factory).search(queries, 10, exact=index)
        assert found.ids.shape == (60, 10)
        scores = np.einsum("qkd,qd->qk", index[found.ids], queries)
        np.testing.assert_allclose(found.scores, scores, atol=1e-6)
        assert (np.diff(found.scores, axis=1) <= 0).all()
        assert all(len(set(row)) == 10 for row in found.ids.tolist())

    @pytest.mark.parametrize("factory", ["Flat", "IVF16,Flat", "SQ8"])
    def test_with_all_effort_it_is_exact(self, factory: str, clusters: Any) -> None:
        index, queries = clusters
        built = ApproximateIndex.build(index, factory)
        built.effort = Effort(probes=16, refine=200)
        found, exact = built.search(queries, 10, exact=index), search_neighbors(queries, index, 10)
        np.testing.assert_array_equal(found.ids, exact.ids)
        np.testing.assert_array_equal(found.scores, exact.scores)  # to the last bit


class TestSearch:
    @pytest.mark.parametrize("memory", [1, 10_000, 1 << 20])
    def test_the_budget_changes_nothing(
        self, built: ApproximateIndex, clusters: Any, memory: int
    ) -> None:
        index, queries = clusters
        found = built.search(queries, 10, exact=index, memory=memory)
        want = built.search(queries, 10, exact=index)
        np.testing.assert_array_equal(found.ids, want.ids)
        np.testing.assert_array_equal(found.scores, want.scores)

    @pytest.mark.parametrize("kind", ["memory map", "float16", "by position"])
    def test_wherever_the_descriptors_lie(
        self, built: ApproximateIndex, clusters: Any, kind: str, tmp_path: Path
    ) -> None:
        index, queries = clusters
        np.save(tmp_path / "index.npy", index.astype(np.float16))
        exact = {
            "memory map": np.load(tmp_path / "index.npy", mmap_mode="r"),
            "float16": index.astype(np.float16),
            "by position": ByPosition(index),
        }[kind]
        again = ApproximateIndex.build(exact, "IVF16,SQ8", memory=1 << 22)
        found = again.search(queries, 10, exact=exact)
        want = built.search(queries, 10, exact=index)
        assert recall(found, want) > 0.95
        assert again.tune(queries, 10, exact=exact, wanted=0.9) >= 0.9

    def test_more_than_there_are(self, clusters: Any) -> None:
        index, queries = clusters
        built = ApproximateIndex.build(index[:50], "IVF4,SQ8")
        built.effort = Effort(4, 1)
        found = built.search(queries, 60, exact=index[:50])
        assert (found.ids[:, 50:] == -1).all()
        assert (found.scores[:, 50:] == -np.inf).all()
        np.testing.assert_array_equal(np.sort(found.ids[:, :50], axis=1), [range(50)] * 60)
        built.effort = Effort(1, 1)  # one list does not hold so many
        assert (built.search(queries, 50, exact=index[:50]).ids == -1).any()

    def test_equals_come_in_the_order_of_the_index(self, clusters: Any) -> None:
        index = np.repeat(clusters[0][:40], 5, axis=0)
        built = ApproximateIndex.build(index, "IVF4,SQ8")
        built.effort = Effort(4, 8)
        found = built.search(clusters[1], 10, exact=index)
        assert (found.ids[:, :5] == found.ids[:, :1] + np.arange(5)).all()
        assert (found.ids[:, 0] % 5 == 0).all()

    @pytest.mark.parametrize("factory", ["IVF4,SQ8", "HNSW8", "IVF4,RaBitQ"])
    def test_an_image_of_nan_is_never_found(self, clusters: Any, factory: str) -> None:
        index, queries = clusters[0][:300].copy(), clusters[1]
        index[7, 3], index[11, 0], index[13] = np.nan, np.inf, np.nan
        built = ApproximateIndex.build(index, factory)
        built.effort = Effort(300, 4)
        found = built.search(queries, 300, exact=index)
        assert not {7, 13} & set(found.ids.ravel().tolist())

    def test_no_query(self, built: ApproximateIndex, clusters: Any) -> None:
        assert built.search(np.empty((0, 32)), 5, exact=clusters[0]).ids.shape == (0, 5)


class TestAnotherK:
    """An index is tuned for one k and searched for many."""

    @pytest.mark.parametrize("factory", ["IVF64,SQ8", "HNSW16", "IVF64,PQ16x4fs", "IVF64,RaBitQ"])
    @pytest.mark.parametrize("k", [2, 10, 20, 60, 200])
    def test_finds_as_much_as_for_the_k_it_was_tuned_for(
        self, factory: str, k: int, clusters: Any
    ) -> None:
        index, queries = clusters
        built = ApproximateIndex.build(index, factory)
        reached = built.tune(queries, 10, exact=index, wanted=0.95)
        assert built.effort.k == 10
        found = built.search(queries, k, exact=index)
        assert recall(found, search_neighbors(queries, index, k)) >= reached - 0.08

    def test_few_are_chosen_from_as_many_candidates(self, clusters: Any) -> None:
        """Codes of two bits: of five candidates they would hardly propose the nearest."""
        index, queries = clusters
        built = ApproximateIndex.build(index, "IVF16,PQ8x4fs")
        built.effort = Effort(probes=16, refine=1, k=200)
        wide = built.search(queries, 200, exact=index)
        few = built.search(queries, 5, exact=index)
        np.testing.assert_array_equal(few.ids, wide.ids[:, :5])
        np.testing.assert_array_equal(few.scores, wide.scores[:, :5])

    def test_tuning_disturbs_no_search(self, clusters: Any) -> None:
        index, queries = clusters
        built = ApproximateIndex.build(index, "IVF64,SQ8")
        built.effort = Effort(probes=64, refine=10, k=10)
        exact = search_neighbors(queries, index, 10)

        def search(_: int) -> bool:
            found = built.search(queries, 10, exact=index)
            return bool((found.ids == exact.ids).all()) or built.effort.probes < 64

        with ThreadPoolExecutor(2) as pool:
            searches = pool.map(search, range(30))
            built.tune(queries, 10, exact=index, wanted=0.6)
            assert all(searches)


class TestTune:
    def test_takes_the_least_that_is_enough(self, clusters: Any) -> None:
        index, queries = clusters
        built = ApproximateIndex.build(index, "IVF16,SQ8")
        little = built.tune(queries, 10, exact=index, wanted=0.5)
        modest = built.effort
        much = built.tune(queries, 10, exact=index, wanted=0.99)
        assert little >= 0.5
        assert much >= 0.99
        assert modest.probes < built.effort.probes

    def test_what_cannot_be_reached_comes_as_close_as_it_can(self, clusters: Any) -> None:
        index, queries = clusters
        built = ApproximateIndex.build(index, "IVF16,PQ2x4")
        reached = built.tune(queries, 10, exact=index, wanted=1.1)
        assert 0.9 < reached <= 1
        found = built.search(queries, 10, exact=index)
        assert recall(found, search_neighbors(queries, index, 10)) == pytest.approx(reached)

    def test_index_images_are_left_out_of_their_own_lists(self, clusters: Any) -> None:
        index = np.random.default_rng(1).standard_normal((2000, 32), dtype=np.float32)
        own = np.arange(0, 2000, 40)
        built = ApproximateIndex.build(index, "IVF16,SQ8")
        assert built.tune(index[own], 1, exact=index, wanted=0.9) >= 0.9
        apart = built.effort.probes
        assert built.tune(index[own], 1, exact=index, wanted=0.9, own=own) >= 0.9
        assert apart == 1  # everybody finds himself at once
        assert built.effort.probes > 1

    def test_gives_the_same_effort_again(self, clusters: Any) -> None:
        index, queries = clusters
        efforts = []
        for _ in range(2):
            built = ApproximateIndex.build(index, "IVF16,RaBitQ", seed=3)
            built.tune(queries, 10, exact=index)
            efforts.append(built.effort)
        assert efforts[0] == efforts[1]


class TestBuild:
    def test_same_seed_same_index(self, clusters: Any) -> None:
        def built(seed: int) -> bytes:
            index = ApproximateIndex.build(clusters[0], "IVF16,SQ8", seed=seed).index
            return bytes(faiss.serialize_index(index))

        assert built(1) == built(1)
        assert built(1) != built(2)

    def test_says_how_far_it_is(self, clusters: Any) -> None:
        told: list[tuple[str, int, int]] = []
        ApproximateIndex.build(
            clusters[0],
            "IVF16,SQ8",
            memory=16 * 32 * 600,
            told=lambda what, done, total: told.append((what, done, total)),
        )
        assert told[:2] == [("lists", 0, 1), ("lists", 1, 1)]
        assert [done for _, done, _ in told[2:]] == [600, 1200, 1800, 2000]
        assert {(what, total) for what, _, total in told[2:]} == {("index", 2000)}

    def test_is_what_faiss_stores(self, clusters: Any, tmp_path: Path) -> None:
        index, queries = clusters
        built = ApproximateIndex.build(index, "IVF16,SQ8")
        faiss.write_index(built.index, str(tmp_path / "index"))
        again = ApproximateIndex(
            faiss.read_index(str(tmp_path / "index")), built.factory, built.effort
        )
        np.testing.assert_array_equal(
            again.search(queries, 10, exact=index).ids, built.search(queries, 10, exact=index).ids
        )

    @pytest.mark.parametrize(
        ("factory", "reason"),
        [
            ("nonsense", "could not parse index string nonsense"),
            ("", "could not parse"),
            ("IVF0,Flat", "puts 2000 images in 0 lists; give 1 to 2000"),
            ("IVF4000,Flat", "2000 images in 4000 lists; give 1 to 2000"),
            ("PQ5", "multiple of the number of subquantizers"),
            ("LSH", "metric == METRIC_L2"),
            ("IDMap,Flat", "^'IDMap,Flat' gives images numbers of its own.*; leave IDMap out$"),
            ("NSG1", "^'NSG1' is a graph .*; take another graph, for example HNSW32$"),
            ("NSG32", "made of all images at once"),
            ("IVF256_NSG8,SQ8", "made of all images at once"),
            ("IVF16(IVF4,Flat),SQ8", "finds its lists by lists"),
            ("IVF-1,Flat", "could not parse"),
            ("HNSW0", "asks for 0 links an image; give 2 to 1024, for example HNSW32"),
            ("HNSW1", "asks for 1 links"),
            ("HNSW99999", "asks for 99999 links"),
            ("IVF4_HNSW0,Flat", "asks for 0 links"),
        ],
    )
    def test_what_faiss_cannot_make(self, factory: str, reason: str, clusters: Any) -> None:
        with pytest.raises(InputError, match=reason) as caught:
            ApproximateIndex.build(clusters[0], factory)
        assert "\n" not in str(caught.value)

    def test_nothing_of_faisss_source_is_said(self, clusters: Any) -> None:
        for factory in ("nonsense", "PQ5", "LSH"):
            with pytest.raises(InputError) as caught:
                ApproximateIndex.build(clusters[0], factory)
            assert not re.search(r"faiss::|\.cpp|Error in", str(caught.value))

    def test_too_little_memory_to_learn_the_lists(self, clusters: Any) -> None:
        with pytest.raises(
            InputError,
            match=r"'IVF64,SQ8' learns 64 lists .* and 10000 bytes .* hold 39; give 638976 bytes, "
            r"or ask for fewer lists",
        ):
            ApproximateIndex.build(clusters[0], "IVF64,SQ8", memory=10_000)

    def test_learning_from_fewer_than_the_lists_ask_for_is_said(
        self, clusters: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        ApproximateIndex.build(clusters[0], "IVF16,SQ8", memory=8 * 32 * 39 * 16)
        assert not caplog.messages
        ApproximateIndex.build(clusters[0], "IVF16,SQ8", memory=8 * 32 * 100)
        assert "IVF16,SQ8 learns 16 lists from 100 images" in caplog.text
        assert "give 159744 bytes" in caplog.text

    def test_of_no_image(self) -> None:
        with pytest.raises(InputError, match="no images"):
            ApproximateIndex.build(np.empty((0, 4), dtype=np.float32), "IVF4,SQ8")


class TestRefusals:
    def test_arrays_that_do_not_fit(self, built: ApproximateIndex, clusters: Any) -> None:
        index, queries = clusters
        with pytest.raises(InputError, match="2000 images and there are 1999 descriptors; build"):
            built.search(queries, 3, exact=index[1:])
        with pytest.raises(InputError, match="of 32 dimensions, the queries have 31"):
            built.search(queries[:, 1:], 3, exact=index)
        with pytest.raises(InputError, match="NaN"):
            built.search(queries * np.nan, 3, exact=index)
        with pytest.raises(InputError, match="k is 0"):
            built.search(queries, 0, exact=index)
        with pytest.raises(InputError, match="at least one"):
            built.tune(queries[:0], 3, exact=index)

    @pytest.mark.parametrize("effort", [Effort(-1, 1), Effort(1, 0), Effort(1, 1, 0)])
    def test_no_effort(self, built: ApproximateIndex, effort: Effort) -> None:
        with pytest.raises(InputError, match="at least"):
            built.effort = effort
