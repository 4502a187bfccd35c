"""One generation of a collection, ready to be searched."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from steeple.collection.approximate import StoredIndex
from steeple.collection.beliefs import stored_judge
from steeple.collection.cohort import Cohort
from steeple.collection.columns import Columns
from steeple.collection.coverage import Coverage
from steeple.collection.feature_files import StoredFeatures
from steeple.collection.graphs import GraphShelf, graph_search, repairs
from steeple.collection.segments import Segments
from steeple.collection.store import LocalStore
from steeple.collection.verifying import IndexVerifier, ListVerifier
from steeple.collection.voters import VOTING
from steeple.collection.votes import stored_calibration
from steeple.geometry.features import Features
from steeple.progress import Progress, silent
from steeple.retrieval.calibration import Calibration
from steeple.retrieval.contrast import measure_background, vote_contrast, vote_similarity
from steeple.retrieval.neighbors import search_blocks
from steeple.retrieval.offline.graph import IndexGraph
from steeple.retrieval.offline.shelf import MemoryShelf, Shelf
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
        approximate: what searches the index, and the training set where that is large; None
            searches exactly.
        cache: where what is computed for the index is kept; None keeps it in memory.
        repaired: how often descriptors were rewritten.
    """

    columns: Columns
    segments: Segments
    features: StoredFeatures | None
    calibration: Calibration
    judge: Judge
    cohort: Floats
    approximate: StoredIndex | None = None
    cache: Path | None = None
    repaired: int = 0

    @classmethod
    def of(cls, store: LocalStore, columns: Columns, approximate: StoredIndex | None) -> View:
        """The view of a collection whose snapshot is open.

        Args:
            store: the collection.
            columns: the snapshot's.
            approximate: what searches the index; None searches exactly.
        """
        return cls(
            columns,
            store.segments,
            store.features(columns),
            stored_calibration(store),
            stored_judge(store),
            Cohort.stored(store).descriptors(store),
            approximate,
            store.folder / "cache",
            repairs(store.connection),
        )

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
        """The k index images nearest to each query: (Q, D) float32 to a (Q, k) ranking.

        As far as the approximate index finds them, where there is one; scores are exact anyway.
        """
        if self._coverage is not None:
            return self._coverage.search(queries, k)
        return search_blocks(queries, self.segments.blocks(self.rows), k)

    @cached_property
    def _coverage(self) -> Coverage | None:
        if self.approximate is None:
            return None
        return Coverage.of(self.approximate, self.rows, self.segments)

    def search_training(self, queries: Floats, k: int) -> Ranking:
        """The k training images nearest to each query, by their positions in the training set.

        Args:
            queries: (Q, D) float32.
            k: how many, 1 to CANDIDATES.

        Returns:
            Ranking of shape (Q, k). As far as the approximate index finds them, where there is one
            that has them; scores are exact anyway.
        """
        if self._training_coverage is None:
            rows = self.columns.rows[self.columns.training]
            return search_blocks(queries, self.segments.blocks(rows), k)
        return self._training_coverage.search(queries, k)

    @cached_property
    def _training_coverage(self) -> Coverage | None:
        stored = None if self.approximate is None else self.approximate.voters
        if stored is None:
            return None
        return Coverage.of(stored, self.columns.rows[self.columns.training], self.segments)

    @cached_property
    def exactly(self) -> View:
        """The same without an approximate index."""
        return self if self.approximate is None else replace(self, approximate=None)

    def graph(self, told: Progress = silent) -> IndexGraph:
        """The neighbours of index images among themselves, kept with the collection.

        Args:
            told: called with the stage, images done and their number while anything is computed.
        """
        search = graph_search(self.search, self.approximate, self.segments, told)
        return IndexGraph(self, search, shelf=self._shelf, told=told)

    @cached_property
    def _shelf(self) -> Shelf:
        if self.cache is None:
            return MemoryShelf()
        return GraphShelf(self.cache, self.rows, self.approximate, self.repaired)

    def context(
        self,
        queries: Floats,
        features: Sequence[Features | None] | None = None,
        *,
        workers: int | None = None,
        progress: Callable[[int, int], None] | None = None,
        told: Progress = silent,
    ) -> Context:
        """Everything a re-ranker may use for some queries.

        Args:
            queries: (Q, D) float32.
            features: their local features; with them, and with those of the collection, votes are
                verified and re-rankers can verify.
            workers: processes that verify; None takes one per core.
            progress: called with queries verified and queries in all.
            told: called with the stage, images done and their number while a re-ranker computes
                something for the whole index.
        """
        labels = self.columns.landmarks[self.columns.training]
        verifies = features is not None and self.features is not None
        neighbours = self.search_training(queries, CANDIDATES if verifies else VOTING)
        votes = count_votes(neighbours, labels, VOTING)
        background = measure_background(queries, self.cohort)
        contrast = vote_contrast(neighbours, labels, votes, background, VOTING)
        context = Context(
            queries=queries,
            index=self,
            search=self.search,
            graph=self.graph(told),
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
