"""The training set's own neighbours with something left out: what is known to be right or wrong.

Without itself, a training image stands for a photo of a landmark that others know; without its
whole landmark, for a photo of a landmark that nobody knows.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from steeple.retrieval.neighbors import Block, search_blocks
from steeple.retrieval.types import PAD, Bools, Floats, Ids, Ranking, Votes

__all__ = ["Evidence", "LeftOut", "leave_out", "without_self"]

_WIDEST = 200  # images of one landmark that the search looks past; larger landmarks sit out


@dataclass(frozen=True)
class Evidence:
    """Votes whose rightness is known.

    Args:
        strengths: (n,) float32, above 0.
        right: (n,) bool.
    """

    strengths: Floats
    right: Bools


@dataclass(frozen=True)
class LeftOut:
    """The neighbours of a sample of training images with something left out.

    Args:
        neighbours: (m, k) positions in the training set; -1 pads.
        truth: (m,) int64, the landmarks of the sample.
        usable: (m,) bool, where the list says what it is to say.
    """

    neighbours: Ranking
    truth: Ids
    usable: Bools

    def evidence(self, votes: Votes, strengths: Floats) -> Evidence:
        """What m votes, with their strengths, say; those not cast say nothing."""
        cast = self.usable & (strengths > 0)
        return Evidence(strengths[cast], (votes.labels == self.truth)[cast])


def leave_out(
    training: Floats, labels: Ids, sample: Ids, blocks: Iterable[Block], k: int
) -> tuple[LeftOut, LeftOut]:
    """The k neighbours of a sample without each image itself, and without its whole landmark.

    Args:
        training: (m, D) float32, the descriptors of the sample, m >= 1.
        labels: (T,) int64, the landmarks of the whole training set.
        sample: (m,) int64, which training images these are.
        blocks: the whole training set.
        k: how many neighbours.
    """
    _, landmark, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    width = k + 1 + int(min(sizes.max(), _WIDEST))
    wide = without_self(search_blocks(training, blocks, width), sample)
    truth = labels[sample]
    known = _first(wide, wide.ids != PAD, truth, k)
    others = _first(wide, (wide.ids != PAD) & (labels[wide.ids] != truth[:, None]), truth, k)
    # The only photo of a landmark, left out, is no photo of a landmark that others know.
    return replace(known, usable=known.usable & (sizes[landmark[sample]] > 1)), others


def _first(wide: Ranking, allowed: Bools, truth: Ids, k: int) -> LeftOut:
    """The first k allowed entries of each row."""
    # A stable sort of the disallowed to the end keeps neighbour order.
    order = np.argsort(~allowed, axis=1, kind="stable")[:, :k]
    some = np.take_along_axis(allowed, order, axis=1)
    neighbours = Ranking(
        np.where(some, np.take_along_axis(wide.ids, order, axis=1), PAD),
        np.where(some, np.take_along_axis(wide.scores, order, axis=1), -np.inf),
    )
    # A list cut short by a landmark larger than the search is wide says nothing about outsiders.
    cut_short = (wide.ids != PAD).all(axis=1) & ~some.all(axis=1)
    return LeftOut(neighbours, truth, ~cut_short)


def without_self(ranking: Ranking, own: Ids) -> Ranking:
    """Removes each query's own id from its row; the row becomes one shorter.

    Args:
        ranking: (n, K) ids, K >= 1.
        own: (n,) int64, the id of each query.
    """
    keep = ranking.ids != own[:, None]
    # Where the own id is not in the list, the last entry goes.
    keep[keep.all(axis=1), -1] = False
    shape = (len(ranking), ranking.ids.shape[1] - 1)
    return Ranking(ranking.ids[keep].reshape(shape), ranking.scores[keep].reshape(shape))
