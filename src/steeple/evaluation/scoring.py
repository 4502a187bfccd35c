"""From what was found to figures, by the published rules."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias, TypeVar

from steeple.evaluation.metrics import (
    global_average_precision,
    mean_average_precision,
    mean_position,
    mean_precision,
    median_position,
    top_1_accuracy,
)
from steeple.evaluation.rejection import RejectionPoint, rejection_curve
from steeple.evaluation.results import Evaluation, Figures, Run
from steeple.evaluation.usages import Solution, by_usage
from steeple.retrieval.types import PAD, UNVOTED, Ranking, Votes

__all__ = ["score"]

_RANKS = (1, 5, 10)

_Found: TypeAlias = Mapping[str, Sequence[str]]
_Named: TypeAlias = Mapping[str, tuple[str, float]]
_Predictions = TypeVar("_Predictions")
_Score = TypeVar("_Score")


def score(
    run: Run,
    votes: Mapping[str, Votes],
    training: int,
    seconds: dict[str, float],
    failed: Sequence[tuple[str, str]],
) -> Evaluation:
    """The figures of a run.

    Args:
        run: what was found.
        votes: way of recognition -> Q votes.
        training: how many training images there are.
        seconds: wall time by stage.
        failed: photos that could not be read, with the reason.
    """
    data = run.dataset
    relevant = {query: images for query, images in data.retrieval_solution.items() if images}
    wanted = by_usage(relevant, data.usage)
    shown = by_usage(data.recognition_solution, data.recognition_usage)
    found = {name: _listed(run, ranking) for name, ranking in run.rankings.items()}
    named = {name: _answers(run, some) for name, some in votes.items()}
    gap = _scores(named, shown, _gap)
    return Evaluation(
        dataset="gldv2",
        sizes={
            "training": training,
            "index": len(run.index),
            "queries": len(run.queries),
            "scored": len(relevant),
        },
        retrieval=_scores(found, wanted, _precision_of_lists),
        recognition={
            name: {"gap": of["all"], "public": of["public"], "private": of["private"]}
            for name, of in gap.items()
        },
        rejection=_rejection(run),
        seconds=seconds,
        failed=tuple(failed),
        precision=_scores(found, wanted, _precision_at_ranks),
        position=_scores(found, wanted, _position_of_first),
        accuracy=_scores(named, shown, _accuracy),
    )


def _scores(
    predictions: Mapping[str, _Predictions],
    parts: Mapping[str, Solution | None],
    metric: Callable[[_Predictions, Solution], _Score],
) -> dict[str, dict[str, _Score | None]]:
    """Method -> part -> score."""
    return {
        name: {
            part: None if solution is None else metric(of, solution)
            for part, solution in parts.items()
        }
        for name, of in predictions.items()
    }


def _precision_of_lists(found: _Found, solution: Solution) -> float:
    return 100 * mean_average_precision(found, solution)


def _precision_at_ranks(found: _Found, solution: Solution) -> Figures:
    return {f"mp@{k}": 100 * mean_precision(found, solution, k) for k in _RANKS}


def _position_of_first(found: _Found, solution: Solution) -> Figures:
    return {"mean": mean_position(found, solution), "median": median_position(found, solution)}


def _gap(named: _Named, solution: Solution) -> float:
    return 100 * global_average_precision(named, solution)


def _accuracy(named: _Named, solution: Solution) -> float:
    return 100 * top_1_accuracy(named, solution)


def _listed(run: Run, ranking: Ranking) -> dict[str, list[str]]:
    """Query -> ids of what was found, best first."""
    return {
        query: [run.index[image] for image in ids if image != PAD]
        for query, ids in zip(run.queries, ranking.ids.tolist(), strict=True)
    }


def _answers(run: Run, votes: Votes) -> dict[str, tuple[str, float]]:
    """What is predicted for each query, where something is."""
    return {
        query: (run.names[label], score)
        for query, label, score in zip(
            run.queries, votes.labels.tolist(), votes.scores.tolist(), strict=True
        )
        if label != UNVOTED
    }


def _rejection(run: Run) -> tuple[RejectionPoint, ...]:
    solution, usage = run.dataset.recognition_solution, run.dataset.recognition_usage
    some = {query: shown for query, shown in solution.items() if usage[query] != "Ignored"}
    return tuple(rejection_curve(_answers(run, run.beliefs), some)) if some else ()
