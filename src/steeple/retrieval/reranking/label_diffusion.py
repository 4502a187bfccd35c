"""Label-aware diffusion: what images are believed to show bars ways, widens and opens them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from hashlib import blake2b

import numpy as np

from steeple.errors import InputError
from steeple.retrieval.offline.affinity import agreement, weigh_by_beliefs
from steeple.retrieval.offline.diffusing import diffuse, spread
from steeple.retrieval.offline.shelf import spell
from steeple.retrieval.reranking.base import Context, need_each
from steeple.retrieval.reranking.diffusion import Diffusion
from steeple.retrieval.reranking.gated import LIKELY
from steeple.retrieval.reranking.two_stage import Members
from steeple.retrieval.types import PAD, Ranking, Votes
from steeple.retrieval.voting import both_right

__all__ = ["LabelAwareDiffusion"]

_STRONGEST = 1000  # more leaves float32 no room for what is not strengthened


@dataclass(frozen=True)
class LabelAwareDiffusion(Diffusion):
    """`Diffusion` whose edges, and whose start, know what images are believed to show.

    Edges: A_ij of `Diffusion` is multiplied by

        1 + g p_i p_j    where i and j are believed to show the same landmark
        1 - p_i p_j      where different ones
        1                where either has no belief

    p are the probabilities of the beliefs, and p_i p_j that of both being right. So an edge between
    two landmarks that are certain vanishes, one between guesses hardly changes. g = 1 is the same
    step in the other direction: agreement adds as much as disagreement takes, and where a belief is
    as likely to agree as not, nothing changes on average.

    Start: diffusion from index image j has the weight max(n_j, b_j), where

        n_j = max(similarity, 0)^gamma * a_j    for the first kq images of the list; 0 for others
        b_j = p_q p_j    where query q and j are believed to show the same landmark and p_q p_j
                         exceeds `likely`, for the first kq images of the list and, of the whole
                         rest of the index, for the kq of largest p_j (equals: lower position
                         first); 0 for others

    a_j is what an edge between q and j would be multiplied by. An image that is certain thus counts
    like a copy of the query, and being near never costs it anything. It is the insert-step taken
    before diffusion: what it inserts brings along what looks like it.

    Source: ours; the published graph is that of `Diffusion`. Cost: as `Diffusion`, with up to 2 kq
    rows added up online; the rows are computed again whenever a belief changes, which is why their
    name on the shelf holds a digest of them. Helps most where views of a landmark share nothing and
    beliefs know that they belong together; less where chains of alike images lead from one landmark
    to another. Needs beliefs that are probabilities, and gains nothing where nobody voted.

    Args:
        kq: images of the list, from its top, that diffusion starts from, and the most that join.
        kd: neighbours of an index image that may become edges.
        truncate: images that diffusion from one image may reach.
        alpha: how far diffusion goes, below 1. The published 0.99 is a walk of a hundred steps on
            average; here labels cover the long way, and 0.8, five steps, does the rest.
        gamma: how fast an edge fades with similarity.
        strength: g, 0 to 1000.
        likely: the probability, between 0 and 1, that an image must exceed to join.

    Raises:
        InputError: if one of them is out of its range.
    """

    alpha: float = 0.8
    strength: float = 1.0
    likely: float = LIKELY

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.strength <= _STRONGEST:
            raise InputError(
                f"strength is {self.strength}; it must be a number from 0 to {_STRONGEST}"
            )
        if not 0 <= self.likely <= 1:
            raise InputError(f"likely is {self.likely}; a probability is between 0 and 1")

    def rerank(self, ranking: Ranking, context: Context) -> Ranking:
        """Re-ranks with graph, beliefs, queries and index; the first time takes long.

        Returns:
            (Q, K) by what arrives at each image, from anywhere in the index.

        Raises:
            InputError: if the context lacks one of them, or they do not fit together.
        """
        queries, index = need_each(ranking, context, "query_beliefs", "index_beliefs")
        near = self._near(self._start(ranking, context), queries, index)
        joined = self._joined(near, queries, index)
        rows = diffuse(
            context.need("graph"),
            f"label-diffusion-{_digest(index)}-{spell(self.strength)}",
            self._edges(),
            weigh=partial(weigh_by_beliefs, beliefs=index, strength=self.strength),
        )
        start = Ranking(
            np.concatenate([near.ids, joined.ids], axis=1),
            np.concatenate([near.scores, joined.scores], axis=1),
        )
        return spread(start, rows, ranking)

    def _near(self, start: Ranking, queries: Votes, index: Votes) -> Ranking:
        """The first kq of the list, each weighing n_j or, if that is more, b_j."""
        if not len(index):
            return start
        labels = np.broadcast_to(queries.labels[:, None], start.ids.shape)
        chances = np.broadcast_to(queries.scores[:, None], start.ids.shape)
        near = start.ids.reshape(-1)
        found = Votes(index.labels[near], index.scores[near])
        similar = start.scores * agreement(labels, chances, found, self.strength)
        both = both_right(start.ids, queries, index)
        believed = np.where(both > np.float32(self.likely), both, 0)
        return Ranking(start.ids, np.maximum(similar, believed))

    def _joined(self, near: Ranking, queries: Votes, index: Votes) -> Ranking:
        """(Q, min(kq, N)) the others that are believed to show what the query shows, with b_j."""
        shape = (len(near), min(self.kq, len(index)))  # no more than there are
        out = Ranking(np.full(shape, PAD), np.zeros(shape, dtype=np.float32))
        members = Members.of(index, queries.labels)
        first = np.searchsorted(members.labels, queries.labels, side="left")
        last = np.searchsorted(members.labels, queries.labels, side="right")
        for query in np.flatnonzero(first < last):
            # Of twice as many, no more than kq are near.
            part = slice(first[query], min(last[query], first[query] + 2 * self.kq))
            ids, chances = members.ids[part], members.scores[part] * queries.scores[query]
            new = (chances > np.float32(self.likely)) & ~np.isin(ids, near.ids[query])
            ids, chances = ids[new][: self.kq], chances[new][: self.kq]
            out.ids[query, : len(ids)], out.scores[query, : len(ids)] = ids, chances
        return out


def _digest(beliefs: Votes) -> str:
    """A name for these beliefs and no others."""
    digest = blake2b(np.ascontiguousarray(beliefs.labels).tobytes(), digest_size=16)
    digest.update(np.ascontiguousarray(beliefs.scores).tobytes())
    return digest.hexdigest()
