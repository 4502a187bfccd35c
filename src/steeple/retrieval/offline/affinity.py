"""The graph that diffusion runs on: which index images hold each other for near, and how near.

Source: Yang et al., "Efficient Image Retrieval via Decoupling Diffusion into Online and Offline
Processing", AAAI 2019, after Iscen et al., "Efficient Diffusion on Region Manifolds", CVPR 2017.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from steeple.errors import InputError
from steeple.retrieval.offline.graph import Neighbourhoods
from steeple.retrieval.types import PAD, UNVOTED, Floats, Ids, Votes

__all__ = ["agreement", "mutual_affinity", "normalise", "weigh_by_beliefs"]

_ALONE = 1e-12  # added to every degree, as in the public code: no image is divided by nothing
_BLOCK = 1 << 16  # images whose edges are weighed at a time: some 100 MB


def mutual_affinity(ids: Neighbourhoods, scores: Floats, gamma: float) -> Any:
    """A_ij = max(similarity, 0)^gamma where each is among the other's neighbours, otherwise 0.

    Args:
        ids: (N, k) int32, the neighbours of each image, without the image itself; -1 pads.
        scores: (N, k) float32, their similarities.
        gamma: how fast an edge fades with similarity; 3 in the paper.

    Returns:
        (N, N) SciPy CSR array, float32, exactly symmetric, nothing on the diagonal.
    """
    from scipy.sparse import csr_array

    size = len(ids)
    edge = (ids != PAD) & (scores > 0)
    ends = np.zeros(size + 1, dtype=np.int64)
    np.cumsum(edge.sum(axis=1), out=ends[1:])
    weights = scores[edge] ** np.float32(gamma)
    directed = csr_array((weights, ids[edge], ends), shape=(size, size))
    directed.sort_indices()
    # What only one of the two holds for near is 0 the other way, and so is the lesser of both.
    # Both ways the similarity may differ in its last bit; the lesser is symmetric.
    return directed.minimum(directed.T.tocsr())


def normalise(affinity: Any) -> Any:
    """S = D^-1/2 A D^-1/2, D the row sums of A; changes A and returns it.

    Args:
        affinity: (N, N) symmetric CSR array.

    Returns:
        The same array; its eigenvalues lie between -1 and 1. An image without edges has none in S.
    """
    root = ((affinity.sum(axis=1, dtype=np.float64) + _ALONE) ** -0.5).astype(np.float32)
    affinity.data *= np.repeat(root, np.diff(affinity.indptr))
    affinity.data *= root[affinity.indices]
    return affinity


def agreement(labels: Ids, chances: Floats, others: Votes, strength: float) -> Floats:
    """By how much an edge counts more, or less, for what both its ends are believed to show.

    Args:
        labels: landmarks of one end, any shape; -1 where there is no belief.
        chances: float32 of that shape, their probabilities.
        others: the beliefs at the other end, flat, as many.
        strength: g, see `weigh_by_beliefs`.

    Returns:
        float32 of that shape: 1 + g p q where the landmarks are equal, 1 - p q where they differ, 1
        where either is unknown.
    """
    other = others.labels.reshape(labels.shape)
    both = chances * others.scores.reshape(labels.shape)
    both[(labels == UNVOTED) | (other == UNVOTED)] = 0
    out: Floats = 1 + np.where(labels == other, np.float32(strength), np.float32(-1)) * both
    return out


def weigh_by_beliefs(affinity: Any, beliefs: Votes, strength: float) -> Any:
    """Weakens edges between different landmarks, strengthens those within one; changes A.

    Args:
        affinity: (N, N) CSR array.
        beliefs: N votes whose scores are probabilities.
        strength: g. With g = 0 edges are weakened only.

    Returns:
        The same array.

    Raises:
        InputError: if there are not N beliefs.
    """
    size = affinity.shape[0]
    if len(beliefs) != size:
        raise InputError(f"{size} index images need as many beliefs, not {len(beliefs)}")
    for start in range(0, size, _BLOCK):
        rows = np.arange(start, min(start + _BLOCK, size))
        part = slice(affinity.indptr[start], affinity.indptr[rows[-1] + 1])
        own = np.repeat(rows, np.diff(affinity.indptr[start : rows[-1] + 2]))
        other = affinity.indices[part]
        far = Votes(beliefs.labels[other], beliefs.scores[other])
        affinity.data[part] *= agreement(beliefs.labels[own], beliefs.scores[own], far, strength)
    return affinity
