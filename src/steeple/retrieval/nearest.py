"""The nearest of one piece of an index: quickly proposed, compared pair by pair.

Three ways propose. All of them name every image that may be among the best, so that it makes no
difference which one does:

- few queries: their inner products with every image are computed as they are compared in the end;
- more: a matrix product, and all that it finds within rounding of the k best;
- many: FAISS multiplies and selects k and some more. Where the last of these is within rounding of
  the k-th, an image that it left out may be as good, and the query goes the way before.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from steeple.retrieval.products import TOGETHER, inner_products, load_faiss, longest, margins
from steeple.retrieval.rescoring import rescore
from steeple.retrieval.types import PAD, Bools, Floats, Ids, Ranking
from steeple.threads import threads_for

__all__ = ["candidates", "improve"]

_FEW = 4  # queries; for more, a product and the lengths of the index take less time
_MANY = 1 << 17  # values of queries from which on FAISS multiplies them together
_SPARE = 16  # candidates beside the k asked for, and
_SPARE_SHARE = 8  # for so many of them one more: ranks lie closer, the longer the list
_BYTES = 160  # of work space for each candidate


def candidates(k: int) -> int:
    """How many images are proposed so that the best k are among them, mostly."""
    return k + _SPARE + k // _SPARE_SHARE


def improve(best: Ranking, queries: Floats, ids: Ids, vectors: Floats, *, memory: int) -> None:
    """Merges the nearest of a piece into the best so far, in place.

    Args:
        best: (Q, k) the best of the pieces before; pads at first.
        queries: (Q, D) float32, C-contiguous.
        ids: (n,) int64, ascending and above those of the pieces before.
        vectors: (n, D) float32, C-contiguous: the piece. What holds NaN is never found.
        memory: bytes of work space.
    """
    if not len(vectors):
        return
    k = best.ids.shape[1]
    # Per query: a row of FAISS's matrix product, and its candidates while they are merged.
    step = max(1, memory // (4 * TOGETHER + _BYTES * candidates(k)))
    with threads_for(queries.size * len(vectors)):
        length = longest(vectors) if len(queries) >= _FEW else 0.0
        piece = _Piece(vectors, k, length, memory // 2)
        for start in range(0, len(queries), step):
            part = slice(start, start + step)
            some, floor = queries[part], best.scores[part, -1]
            if len(queries) < _FEW:
                found = piece.among_all(some, floor, pair_by_pair=True)
            elif some.size < _MANY:
                found = piece.among_all(some, floor)
            else:
                found = piece.among_likely(some, floor)
            _merge(best, part, np.where(found.ids == PAD, PAD, ids[found.ids]), found.scores)


@dataclass(frozen=True)
class _Piece:
    """One piece of an index; the ids of what it finds are positions in it.

    Of an image that scores below the floor of a query, which has k better ones from earlier pieces,
    nothing is asked but that it is not put before others.

    Args:
        vectors: (n, D) float32, n at least 1.
        k: images asked for.
        length: at least that of every vector; of no matter where all is multiplied pair by pair.
        memory: bytes of work space for rough scores.
    """

    vectors: Floats
    k: int
    length: float
    memory: int

    def among_likely(self, queries: Floats, floor: Floats) -> Ranking:
        """The best of what FAISS proposes, where nothing that it leaves out can be as good.

        Args:
            queries: (Q, D) float32.
            floor: (Q,) float32.

        Returns:
            (Q, min(k, n)).
        """
        faiss, k = load_faiss(), min(self.k, len(self.vectors))
        width = min(candidates(k), len(self.vectors))
        with threads_for(queries.size * len(self.vectors)):
            rough, ids = faiss.knn(queries, self.vectors, width, metric=faiss.METRIC_INNER_PRODUCT)
        rough[ids == PAD] = -np.inf  # where only images with NaN were left
        margin = margins(queries, self.length)
        ids[rough < (floor - margin)[:, None]] = PAD
        found = rescore(queries, ids, k, self.vectors)
        if width < len(self.vectors):
            last = rough[:, -1]
            reached = np.maximum(found.scores[:, -1], floor)
            unclear = np.flatnonzero((last > -np.inf) & (last + margin >= reached))
            again = self.among_all(queries[unclear], floor[unclear])
            found.ids[unclear], found.scores[unclear] = again.ids, again.scores
        return found

    def among_all(self, queries: Floats, floor: Floats, *, pair_by_pair: bool = False) -> Ranking:
        """The best of all images whose rough score is within rounding of being among them.

        Args:
            queries: (Q, D) float32.
            floor: (Q,) float32.
            pair_by_pair: multiplies so that there is no rounding to allow for.

        Returns:
            (Q, min(k, n)).
        """
        images, k = len(self.vectors), min(self.k, len(self.vectors))
        out = Ranking(
            np.empty((len(queries), k), dtype=np.int64),
            np.empty((len(queries), k), dtype=np.float32),
        )
        rows = max(1, self.memory // (24 * images))
        for start in range(0, len(queries), rows):
            part = slice(start, start + rows)
            some = queries[part]
            rough = _multiply(some, self.vectors, pair_by_pair=pair_by_pair)
            margin = 0.0 if pair_by_pair else margins(some, self.length)
            kth = np.partition(rough, images - k, axis=1)[:, images - k]
            least = _rounded_down(np.maximum(floor[part], kth - margin) - margin)
            found = _score(some, self.vectors, rough >= least[:, None], k)
            out.ids[part], out.scores[part] = found.ids, found.scores
        return out


def _multiply(queries: Floats, vectors: Floats, *, pair_by_pair: bool) -> Floats:
    """All scores, (Q, n); -inf for NaN."""
    with threads_for(queries.size * len(vectors)), np.errstate(invalid="ignore", over="ignore"):
        if pair_by_pair:
            places = np.broadcast_to(np.arange(len(vectors)), (len(queries), len(vectors)))
            scores = inner_products(queries, vectors, places)
        else:
            scores = queries @ vectors.T
    if np.isnan(scores.max()):
        scores[np.isnan(scores)] = -np.inf
    return scores


def _rounded_down(values: npt.NDArray[np.floating]) -> Floats:
    """As float32, but more than minus infinity, which is the score of what is not to be found."""
    with np.errstate(over="ignore"):
        below = np.nextafter(values.astype(np.float32), np.float32(-np.inf))
    return np.maximum(below, np.finfo(np.float32).min)


def _score(queries: Floats, vectors: Floats, reach: Bools, k: int) -> Ranking:
    """The best k of those in reach, a (Q, n) mask: most queries together, long lists alone."""
    ids = np.full((len(queries), k), PAD, dtype=np.int64)
    scores = np.full((len(queries), k), -np.inf, dtype=np.float32)
    counts = reach.sum(axis=1)
    usual = candidates(k)
    together = [np.flatnonzero(counts <= usual), *np.flatnonzero(counts > usual)[:, None]]
    for some in together:
        if not len(some):
            continue
        rows, places = np.nonzero(reach[some])
        ends = np.cumsum(counts[some])
        listed = np.full((len(some), max(k, int(counts[some].max()))), PAD, dtype=np.int64)
        listed[rows, np.arange(len(rows)) - (ends - counts[some])[rows]] = places
        found = rescore(queries[some], listed, k, vectors)
        ids[some], scores[some] = found.ids, found.scores
    return Ranking(ids, scores)


def _merge(best: Ranking, part: slice, ids: Ids, scores: Floats) -> None:
    """Merges a later piece into the best so far, in place; at equal scores the earlier stays."""
    k = best.ids.shape[1]
    all_ids = np.concatenate([best.ids[part], ids], axis=1)
    all_scores = np.concatenate([best.scores[part], scores], axis=1)
    # Pads score -inf, so they end up last; a stable sort keeps earlier pieces first.
    order = np.argsort(-all_scores, axis=1, kind="stable")[:, :k]
    best.ids[part] = np.take_along_axis(all_ids, order, axis=1)
    best.scores[part] = np.take_along_axis(all_scores, order, axis=1)
