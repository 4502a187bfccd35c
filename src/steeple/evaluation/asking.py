"""Every query to every re-ranker, so many at a time that memory does not grow with the queries."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import numpy as np

from steeple.collection import Collection
from steeple.collection.view import View
from steeple.embedding.pipeline import Crop, File, describe_files
from steeple.errors import ImageError
from steeple.progress import Progress, Stopwatch
from steeple.retrieval.reranking import Chain, Context
from steeple.retrieval.types import PAD, Bools, Ranking

__all__ = ["TOGETHER", "Answers", "Asking"]

TOGETHER = 1024
"""Queries asked at a time; their local features take 140 MB."""


@dataclass(frozen=True)
class Answers:
    """What was found for some of the queries.

    Args:
        queries: which ones.
        neighbours: what a search finds.
        rankings: method -> what its re-ranker makes of the first of them. A query that could not
            be read finds nothing.
        context: what the re-rankers had.
        blind: which of these queries could not be read.
        errors: their photos, and the reason.
    """

    queries: slice
    neighbours: Ranking
    rankings: Mapping[str, Ranking]
    context: Context
    blind: Bools
    errors: Sequence[tuple[str, ImageError]]


@dataclass(frozen=True)
class Asking:
    """A collection, and how it is asked.

    Args:
        places: the collection.
        view: one consistent view of it, which searches exactly: protocols know no other search.
        rerankers: method -> re-ranker.
        clock: times the stages.
        workers: processes; None takes one per core.
        progress: called with stage, photos done, and their number.
    """

    places: Collection
    view: View
    rerankers: Mapping[str, Chain]
    clock: Stopwatch
    workers: int | None
    progress: Progress

    def __call__(
        self, files: Sequence[File], *, found: int, reranked: int, together: int
    ) -> Iterator[Answers]:
        """Asks.

        Args:
            files: the photos of the queries.
            found: images that a search finds.
            reranked: how many of these re-rankers see.
            together: queries asked at a time.
        """
        for start in range(0, len(files), together):
            part = slice(start, min(start + together, len(files)))
            yield self._ask(files, part, found, reranked)

    def _ask(self, files: Sequence[File], part: slice, found: int, reranked: int) -> Answers:
        some = files[part]
        told = partial(self._tell, start=part.start, total=len(files))
        with _added(self.clock, "queries: embed"):
            described = describe_files(
                some,
                self.places.embedder,
                self.places.extractor,
                workers=self.workers,
                progress=partial(told, "queries"),
            )
        with _added(self.clock, "neighbours"):
            neighbours = self.view.search(described.descriptors, found)
        with _added(self.clock, "queries: vote"):
            context = self.view.context(
                described.descriptors,
                described.features,
                workers=self.workers,
                progress=partial(told, "match"),
                told=self.progress,
            )
        unread = {path for path, _ in described.errors}
        blind = np.array([_path(file) in unread for file in some])
        first = Ranking(neighbours.ids[:, :reranked], neighbours.scores[:, :reranked])
        rankings = {}
        for name, reranker in self.rerankers.items():
            self.progress(name, 0, None)
            with _added(self.clock, f"re-rank: {name}"):
                rankings[name] = _none_for(reranker.rerank(first, context), blind)
        errors = [(str(path), error) for path, error in described.errors]
        return Answers(part, _none_for(neighbours, blind), rankings, context, blind, errors)

    def _tell(self, stage: str, done: int, _: int, *, start: int, total: int) -> None:
        self.progress(stage, start + done, total)


def _path(file: File) -> object:
    return file.path if isinstance(file, Crop) else file


def _none_for(ranking: Ranking, blind: Bools) -> Ranking:
    return Ranking(np.where(blind[:, None], PAD, ranking.ids), ranking.scores)


@contextmanager
def _added(clock: Stopwatch, name: str) -> Iterator[None]:
    """Times a stage that is entered again and again."""
    before = clock.seconds.get(name, 0.0)
    with clock.stage(name):
        yield
    clock.seconds[name] += before
