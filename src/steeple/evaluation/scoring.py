"""From what was found to figures, by the published rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from steeple.evaluation.metrics import global_average_precision, mean_average_precision
from steeple.evaluation.rejection import RejectionPoint, rejection_curve
from steeple.evaluation.results import Evaluation, Run
from steeple.retrieval.types import PAD, UNVOTED, Ranking, Votes

__all__ = ["score"]


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
    scored = [query for query, images in run.dataset.retrieval_solution.items() if images]
    return Evaluation(
        dataset="gldv2",
        sizes={
            "training": training,
            "index": len(run.index),
            "queries": len(run.queries),
            "scored": len(scored),
        },
        retrieval={name: _retrieval(run, ranking) for name, ranking in run.rankings.items()},
        recognition={name: _recognition(run, of) for name, of in votes.items()},
        rejection=_rejection(run),
        seconds=seconds,
        failed=tuple(failed),
    )


def _retrieval(run: Run, ranking: Ranking) -> dict[str, float | None]:
    """mAP@100 in percent of the public, the private and all queries."""
    solution, usage = run.dataset.retrieval_solution, run.dataset.usage
    predictions = {
        query: [run.index[image] for image in ids if image != PAD]
        for query, ids in zip(run.queries, ranking.ids.tolist(), strict=True)
    }

    def part(*usages: str) -> float | None:
        some = {q: images for q, images in solution.items() if images and usage[q] in usages}
        return 100 * mean_average_precision(predictions, some) if some else None

    return {
        "public": part("Public"),
        "private": part("Private"),
        "all": part("Public", "Private"),
    }


def _recognition(run: Run, votes: Votes) -> dict[str, float | None]:
    """GAP in percent of the public, the private and all queries."""
    solution, usage = run.dataset.recognition_solution, run.dataset.recognition_usage
    predictions = _answers(run, votes)

    def part(*usages: str) -> float | None:
        some = {query: shown for query, shown in solution.items() if usage[query] in usages}
        if not any(some.values()):
            return None
        return 100 * global_average_precision(predictions, some)

    return {
        "gap": part("Public", "Private"),
        "public": part("Public"),
        "private": part("Private"),
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
