"""One generation of a collection, ready to be searched."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from steeple.collection.columns import Columns
from steeple.collection.segments import Segments
from steeple.retrieval.calibration import Calibration
from steeple.retrieval.contrast import measure_background, vote_contrast, vote_similarity
from steeple.retrieval.neighbors import search_blocks
from steeple.retrieval.reranking.base import Context
from steeple.retrieval.types import UNVOTED, Floats, Ids, Ranking, Votes
from steeple.retrieval.voting import count_votes

__all__ = ["View"]


@dataclass(frozen=True)
class View:
    """The index and the training set of a collection at one moment; ids are index positions.

    Args:
        columns: the images.
        segments: their descriptors.
        calibration: from contrast to probability.
        cohort: (m, D) float32, the descriptors that say what similarity is ordinary.
        k: neighbours that vote.
    """

    columns: Columns
    segments: Segments
    calibration: Calibration
    cohort: Floats
    k: int

    @cached_property
    def rows(self) -> Ids:
        """(N,) int64, the rows of the index images."""
        return self.columns.rows[self.columns.index]

    @cached_property
    def votes(self) -> Votes:
        """N votes, of the index images, as published: given landmarks are not looked at."""
        votes, index = self.columns.votes, self.columns.index
        return Votes(votes.labels[index], votes.scores[index])

    @cached_property
    def beliefs(self) -> Votes:
        """N votes whose scores are probabilities: the given landmark, or else the voted one."""
        index = self.columns.index
        given = self.columns.landmarks[index]
        voted = self.calibration.probability(self.columns.contrasts[index])
        sure = given != UNVOTED
        return Votes(np.where(sure, given, self.votes.labels), np.where(sure, np.float32(1), voted))

    def __len__(self) -> int:
        """N, the number of index images."""
        return len(self.columns.index)

    def __getitem__(self, ids: Ids) -> Floats:
        """Descriptors of index images: ids of any shape to that shape + (D,), float32."""
        flat = self.segments.read(self.rows[ids.ravel()])
        return flat.reshape(*ids.shape, flat.shape[1])

    def search(self, queries: Floats, k: int) -> Ranking:
        """The k index images nearest to each query: (Q, D) float32 to a (Q, k) ranking."""
        return search_blocks(queries, self.segments.blocks(self.rows), k)

    def context(self, queries: Floats) -> Context:
        """Everything a re-ranker may use for some queries, (Q, D) float32."""
        training = self.columns.training
        labels = self.columns.landmarks[training]
        blocks = self.segments.blocks(self.columns.rows[training])
        neighbours = search_blocks(queries, blocks, self.k)
        votes = count_votes(neighbours, labels, self.k)
        background = measure_background(queries, self.cohort)
        contrast = vote_contrast(neighbours, labels, votes, background, self.k)
        return Context(
            queries=queries,
            index=self,
            search=self.search,
            query_votes=votes,
            index_votes=self.votes,
            query_beliefs=Votes(votes.labels, self.calibration.probability(contrast)),
            index_beliefs=self.beliefs,
            evidence=vote_similarity(neighbours, labels, votes, self.k),
        )
