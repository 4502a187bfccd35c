"""The whole method on arrays: neighbours, votes, re-rankers, from files and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import numpy as np

from steeple.arrays.inputs import Inputs
from steeple.arrays.method.keeping import Keep
from steeple.arrays.method.needs import Method, need_labels
from steeple.arrays.method.offline import Offline, Settings
from steeple.progress import Progress, Stopwatch, silent
from steeple.retrieval.contrast import measure_background, vote_similarity
from steeple.retrieval.reranking.base import Context
from steeple.retrieval.types import Floats, Ranking, Votes
from steeple.retrieval.voting import count_votes

__all__ = ["Answers", "Task"]

_QUERIES = 1 << 14  # queries answered together: their lists take 20 MB a method


@dataclass(frozen=True)
class Answers:
    """What was found for Q queries.

    Args:
        rankings: method -> (Q, k), positions in the index.
        votes: Q votes, as published; None where nothing needed them.
    """

    rankings: dict[str, Ranking]
    votes: Votes | None = None


@dataclass
class Task:
    """Queries, an index and perhaps a training set, ready to be asked.

    Args:
        inputs: the files.
        settings: how to run.
        keep: where intermediate results lie.
        progress: called with stage, images done and their number.
    """

    inputs: Inputs
    settings: Settings = field(default_factory=Settings)
    keep: Keep = field(default_factory=Keep)
    progress: Progress = silent

    def __post_init__(self) -> None:
        self.clock = Stopwatch()
        self.offline = Offline(self.inputs, self.settings, self.keep, self.progress)

    def answer(self, methods: Sequence[Method], *, votes: bool = False) -> Answers:
        """Ranks the index for every query by every method.

        Args:
            methods: the re-rankers.
            votes: name the landmarks of the queries, even if no method asks for it.

        Raises:
            InputError: if a method needs labels and there is no training set.
        """
        need_labels(methods, votes=votes, given=self.inputs.training is not None)
        context = self._prepare(
            any(method.votes for method in methods), any(method.beliefs for method in methods)
        )
        queries = self.inputs.queries.file.descriptors
        step = int(np.clip(self.settings.memory // (16 * queries.dimension), 1, _QUERIES))
        parts = [
            self._ask(start, min(start + step, len(queries)), methods, context, votes)
            for start in range(0, len(queries), step)
        ]
        return _joined(parts)

    def _prepare(self, votes: bool, beliefs: bool) -> Context:
        """What no query changes."""
        offline = self.offline
        with self._timed("prepare search"):
            context = Context(
                index=offline.index,
                search=offline.search,
                graph=offline.graph,
                memory=self.settings.memory,
                device=self.settings.device,
            )
        if votes:
            with self._timed("index votes"):
                context = replace(context, index_votes=offline.index_votes)
        if beliefs:
            with self._timed("index beliefs"):
                context = replace(context, index_beliefs=offline.index_beliefs)
        return context

    def _ask(
        self, start: int, stop: int, methods: Sequence[Method], context: Context, votes: bool
    ) -> Answers:
        """Some of the queries to all methods."""
        queries = self.inputs.queries.file.descriptors.rows(start, stop)
        total = len(self.inputs.queries.names)

        def told(stage: str) -> Callable[[float], None]:
            return lambda share: self.progress(stage, start + int(share * (stop - start)), total)

        with self._timed("neighbours"):
            neighbours = self.offline.search(queries, self.settings.k, told("neighbours"))
        context = replace(context, queries=queries)
        if votes or context.index_votes is not None:
            with self._timed("query votes"):
                context = self._with_votes(context, queries, told("query-voters"))
        rankings = {}
        for method in methods:
            # Not its bare name, which may be that of what it computes offline.
            stage = f"queries by {method.name}"
            self.progress(stage, start, total)
            with self._timed(f"re-rank: {method.name}"):
                rankings[method.name] = method.chain.rerank(neighbours, context)
            self.progress(stage, stop, total)
        return Answers(rankings, context.query_votes)

    def _with_votes(
        self, context: Context, queries: Floats, told: Callable[[float], None]
    ) -> Context:
        """The context with what the training set says of some queries."""
        offline, k = self.offline, self.settings.voters
        labels = offline.training.labels
        voters = offline.search_training(queries, k, told)
        votes = count_votes(voters, labels, k)
        context = replace(context, query_votes=votes)
        if context.index_beliefs is None:
            return context
        believer = offline.believer
        background = measure_background(queries, believer.cohort)
        return replace(
            context,
            query_beliefs=believer.believe(voters, votes, background),
            evidence=vote_similarity(voters, labels, votes, k),
            background=background,
        )

    @contextmanager
    def _timed(self, stage: str) -> Iterator[None]:
        """Adds to the time of a stage that comes several times."""
        before = self.clock.seconds.get(stage, 0.0)
        with self.clock.stage(stage):
            yield
        self.clock.seconds[stage] += before


def _joined(parts: Sequence[Answers]) -> Answers:
    """The answers to all queries."""
    rankings = {
        name: Ranking(
            np.concatenate([part.rankings[name].ids for part in parts]),
            np.concatenate([part.rankings[name].scores for part in parts]),
        )
        for name in parts[0].rankings
    }
    votes = [part.votes for part in parts if part.votes is not None]
    if not votes:
        return Answers(rankings)
    return Answers(
        rankings,
        Votes(
            np.concatenate([some.labels for some in votes]),
            np.concatenate([some.scores for some in votes]),
        ),
    )
