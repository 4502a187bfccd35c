"""Candidates scored exactly, against a loop: pads, NaN, ties, and wherever the descriptors lie."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steeple.retrieval.rescoring import rescore


def literal(
    queries: Any, ids: Any, k: int, exact: Any
) -> tuple[list[list[int]], list[list[float]]]:
    out_ids, out_scores = [], []
    for query, row in zip(queries, ids, strict=True):
        scored = [(-float(exact[i] @ query), int(i)) for i in row if i >= 0]
        best = sorted(pair for pair in scored if not np.isnan(pair[0]))[:k]
        pads = k - len(best)
        out_ids.append([i for _, i in best] + [-1] * pads)
        out_scores.append([-score for score, _ in best] + [-np.inf] * pads)
    return out_ids, out_scores


class ByPosition:
    """Descriptors as a collection has them: nothing but a length and positions."""

    def __init__(self, array: npt.NDArray[Any]) -> None:
        self._array = array

    def __len__(self) -> int:
        return len(self._array)

    def __getitem__(self, ids: Any) -> npt.NDArray[np.float32]:
        assert not isinstance(ids, slice)
        return self._array[ids].astype(np.float32)


@given(
    seed=st.integers(0, 2**32 - 1),
    q=st.integers(0, 5),
    n=st.integers(1, 20),
    width=st.integers(1, 12),
    data=st.data(),
)
def test_against_a_loop(seed: int, q: int, n: int, width: int, data: st.DataObject) -> None:
    random = np.random.default_rng(seed)
    k = data.draw(st.integers(1, width))
    exact = (random.integers(-2, 3, (n, 3)) / 4).astype(np.float32)
    exact[random.random(n) < 0.1, 1] = np.nan
    queries = (random.integers(-2, 3, (q, 3)) / 4).astype(np.float32)
    ids = np.stack(
        [random.permutation(np.r_[:n, [-1] * 12])[:width] for _ in range(q)]
        or [np.empty(width, dtype=np.int64)]
    )[:q]
    kind = data.draw(st.sampled_from(["float32", "float16", "turned", "by position"]))
    given_as: Any = {
        "float32": exact,
        "float16": exact.astype(np.float16),
        "turned": np.asfortranarray(exact),
        "by position": ByPosition(exact),
    }[kind]
    found = rescore(queries, ids, k, given_as)
    want_ids, want_scores = literal(queries, ids, k, exact)
    np.testing.assert_array_equal(found.ids, np.reshape(want_ids, (q, k)))
    np.testing.assert_array_equal(found.scores, np.reshape(want_scores, (q, k)))


@pytest.mark.parametrize("kind", [np.float16, np.float32])
def test_memory_map(kind: Any, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    exact = (random.integers(-2, 3, (30, 4)) / 4).astype(kind)
    np.save(tmp_path / "index.npy", exact)
    queries, ids = exact[:3].astype(np.float32), random.integers(0, 30, (3, 8))
    ids = np.array([np.unique(row)[[0, -1]] for row in ids])
    found = rescore(queries, ids, 2, np.load(tmp_path / "index.npy", mmap_mode="r"))
    assert (found.ids.tolist(), found.scores.tolist()) == literal(
        queries, ids, 2, exact.astype(np.float32)
    )
