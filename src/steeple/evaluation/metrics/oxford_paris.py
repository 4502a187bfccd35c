"""The metrics of Revisited Oxford and Paris, as fractions 0 to 1.

What counts of a ranking is where it has the few images that somebody labelled. So a ranking of a
million images need not be kept until all queries are answered: `find_hits`, then `mean_of_hits`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from steeple.errors import InputError

__all__ = ["Hits", "find_hits", "mean_of_hits", "revisited"]

# Radenovic et al., "Revisiting Oxford and Paris", CVPR 2018, section 3.3: per protocol the labels
# that are right, and those that are neither right nor wrong.
_PROTOCOLS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "easy": (("easy",), ("junk", "hard")),
    "medium": (("easy", "hard"), ("junk",)),
    "hard": (("hard",), ("junk", "easy")),
}
_RANKS = (1, 5, 10)


@dataclass(frozen=True)
class Hits:
    """Where a ranking has the positives of one query in one protocol.

    Args:
        ranks: (n,) int64, the ranks (from 0) of those it has, ascending, junk not counted.
        positives: how many there are in all.
    """

    ranks: npt.NDArray[np.int64]
    positives: int


def revisited(
    ranks: npt.NDArray[np.integer[Any]],
    ground_truth: Sequence[Mapping[str, Any]] | Mapping[str, Any],
) -> dict[str, dict[str, float]]:
    """Compute mAP and mP@1, @5, @10 of Revisited Oxford or Paris, in its three protocols.

    Junk is taken out of every ranking first. Then, with m positives in all, of which j come before
    the one at rank r (both from 0), and with L the rank of the last of them (from 1),

        AP = 1 / m * sum over positives of (j / r + (j + 1) / (r + 1)) / 2,   j / r = 1 at r = 0
        P@k = positives among the first min(k, L) ranks / min(k, L)

    and both are averaged over the queries that have a positive in the protocol. (Radenovic et al.,
    "Revisiting Oxford and Paris", CVPR 2018, and its published evaluation code.)

    Args:
        ranks: (N, Q) integers; column q holds the image indices for query q, best first. It may
            hold the best N only, and pads of -1 at its end.
        ground_truth: per query the lists ``easy``, ``hard`` and ``junk`` of image indices; or the
            published dictionary that has this list under ``gnd``.

    Returns:
        ``{"easy" | "medium" | "hard": {"map", "mp@1", "mp@5", "mp@10"}}``; 0 where a protocol has
        no query with a positive.

    Raises:
        InputError: the shapes differ, a list is missing, or a ranking has a positive twice.
    """
    queries = ground_truth["gnd"] if isinstance(ground_truth, Mapping) else ground_truth
    ranks = np.asarray(ranks)
    if ranks.ndim != 2 or ranks.shape[1] != len(queries) or ranks.dtype.kind not in "iu":
        raise InputError(
            f"ranks is {ranks.dtype} {ranks.shape}; give integers (N, {len(queries)}), "
            "one column for each query of the ground truth"
        )
    return mean_of_hits(
        [find_hits(ranks[:, query], labels, query) for query, labels in enumerate(queries)]
    )


def find_hits(
    ranking: npt.NDArray[np.integer[Any]], labels: Mapping[str, Any], query: int
) -> dict[str, Hits]:
    """Find the positives of one query in its ranking.

    Args:
        ranking: (N,) integers, images, best first; pads of -1 at its end.
        labels: the lists ``easy``, ``hard`` and ``junk`` of the query.
        query: its number, for errors.

    Returns:
        Protocol -> hits.

    Raises:
        InputError: a list is missing, or the ranking has a positive twice.
    """
    known = {name: _images(labels, name, query) for name in ("easy", "hard", "junk")}
    at = np.flatnonzero(np.isin(ranking, np.concatenate(list(known.values()))))
    images = ranking[at]
    found = {}
    for protocol, (right, neither) in _PROTOCOLS.items():
        positives = np.unique(np.concatenate([known[name] for name in right]))
        junk = np.isin(images, np.concatenate([known[name] for name in neither]))
        hit = np.isin(images, positives) & ~junk
        if np.unique(images[hit]).size < np.count_nonzero(hit):
            raise InputError(f"the ranking of query {query} has an image twice; name each once")
        found[protocol] = Hits((at - np.cumsum(junk))[hit], positives.size)
    return found


def mean_of_hits(queries: Sequence[Mapping[str, Hits]]) -> dict[str, dict[str, float]]:
    """Compute what `revisited` returns from the hits of all queries."""
    names = ["map", *(f"mp@{k}" for k in _RANKS)]
    means = {}
    for protocol in _PROTOCOLS:
        of_queries = [hits[protocol] for hits in queries if hits[protocol].positives]
        rows = [
            [_trapezoid_average_precision(hits), *(_precision_at(hits.ranks, k) for k in _RANKS)]
            for hits in of_queries
        ]
        mean = np.mean(rows, axis=0) if rows else np.zeros(len(names))
        means[protocol] = dict(zip(names, mean.tolist(), strict=True))
    return means


def _images(labels: Mapping[str, Any], name: str, query: int) -> npt.NDArray[np.int64]:
    if name not in labels:
        raise InputError(
            f"the ground truth of query {query} has no list {name!r}; "
            "give the file of Revisited Oxford or Paris"
        )
    return np.asarray(labels[name], dtype=np.int64)


def _trapezoid_average_precision(hits: Hits) -> float:
    ranks = hits.ranks
    found = np.arange(ranks.size)
    before = np.where(ranks == 0, 1.0, found / np.maximum(ranks, 1))
    return float(np.sum(before + (found + 1) / (ranks + 1)) / 2 / hits.positives)


def _precision_at(ranks: npt.NDArray[np.int64], k: int) -> float:
    if not ranks.size:
        return 0.0
    cut = min(k, int(ranks[-1]) + 1)
    return float(np.count_nonzero(ranks < cut) / cut)
