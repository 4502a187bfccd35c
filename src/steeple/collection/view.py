"""One generation of a collection, ready to be searched."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from steeple.collection.columns import Columns
from steeple.collection.feature_files import StoredFeatures
from steeple.collection.segments import Segments
from steeple.collection.verifying import IndexVerifier, ListVerifier
from steeple.collection.voters import VOTING
from steeple.geometry.features import Features
from steeple.retrieval.calibration import Calibration
from steeple.retrieval.contrast import measure_background, vote_contrast, vote_similarity
from steeple.retrieval.neighbors import search_blocks
from steeple.retrieval.recognition import published_recognition
from steeple.retrieval.reranking.base import Context
from steeple.retrieval.types import UNVOTED, Floats, Ids, Ranking, Votes
from steeple.retrieval.verified import CANDIDATES, Judge, likeliest, verified_votes
from steeple.retrieval.voting import count_votes

__all__ = ["View"]


@dataclass(frozen=True)
class View:
    """The index and the training set of a collection at one moment; ids are index positions.

    Args:
        columns: the images.
        segments: their descriptors.
        features: their local features; None if the collection keeps none.
        calibration: from contrast to probability.
        judge: from similarity and geometry to probability, where there are local features.
        cohort: (m, D) float32, the descriptors that say what similarity is ordinary.
    """

    columns: Columns
    segments: Segments
    features: StoredFeatures | None
    calibration: Calibration
    judge: Judge
    cohort: Floats

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
        """N votes whose scores are probabilities: the given landmark, or else the voted one.

        The verified vote where the collection has local features.
        """
        index = self.columns.index
        if self.features is None:
            labels, voted = self.votes.labels, self.calibration.probability(self._contrasts)
        else:
            verified = self.columns.verified
            labels = verified.labels[index]
            voted = self.judge.votes.probability(verified.scores[index])
        given = self.columns.landmarks[index]
        sure = given != UNVOTED
        return Votes(np.where(sure, given, labels), np.where(sure, np.float32(1), voted))

    @property
    def _contrasts(self) -> Floats:
        return self.columns.contrasts[self.columns.index]

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

    def context(
        self,
        queries: Floats,
        features: Sequence[Features | None] | None = None,
        *,
        workers: int | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> Context:
        """Everything a re-ranker may use for some queries.

        Args:
            queries: (Q, D) float32.
            features: their local features; with them, and with those of the collection, votes are
                verified and re-rankers can verify.
            workers: processes that verify; None takes one per core.
            progress: called with queries verified and queries in all.
        """
        training = self.columns.training
        labels = self.columns.landmarks[training]
        blocks = self.segments.blocks(self.columns.rows[training])
        verifies = features is not None and self.features is not None
        neighbours = search_blocks(queries, blocks, CANDIDATES if verifies else VOTING)
        votes = count_votes(neighbours, labels, VOTING)
        background = measure_background(queries, self.cohort)
        contrast = vote_contrast(neighbours, labels, votes, background, VOTING)
        context = Context(
            queries=queries,
            index=self,
            search=self.search,
            query_votes=votes,
            index_votes=self.votes,
            query_beliefs=Votes(votes.labels, self.calibration.probability(contrast)),
            index_beliefs=self.beliefs,
            evidence=vote_similarity(neighbours, labels, votes, VOTING),
            background=background,
        )
        if features is None or self.features is None:
            return context
        verifier = ListVerifier(features, self.features, workers=workers, progress=progress)
        return self._verified(context, neighbours, verifier)

    def _verified(self, context: Context, neighbours: Ranking, verifier: ListVerifier) -> Context:
        """The context with the votes of verified neighbours, (Q, CANDIDATES) training images."""
        training = self.columns.training
        labels = self.columns.landmarks[training]
        found = IndexVerifier(verifier, training)(neighbours.ids)
        background = context.need("background")
        candidates = likeliest(neighbours, found.surprises, background, self.judge.pairs)
        votes = verified_votes(candidates, labels, VOTING)

        return replace(
            context,
            query_beliefs=Votes(votes.labels, self.judge.votes.probability(votes.scores)),
            evidence=vote_similarity(neighbours, labels, votes, CANDIDATES),
            recognitions=published_recognition(neighbours, found.inliers, labels, VOTING),
            verify=IndexVerifier(verifier, self.columns.index),
            pair_model=self.judge.pairs,
        )
