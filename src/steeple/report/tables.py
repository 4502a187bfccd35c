"""The tables of an evaluation's report."""

from __future__ import annotations

from collections.abc import Mapping

from steeple.evaluation.results import Evaluation, Figures, RevisitedEvaluation
from steeple.report.model import EvaluationReport, Table

__all__ = ["evaluation_tables", "revisited_report"]

_PARTS = ("public", "private", "all")
_RANKS = ("mp@1", "mp@5", "mp@10")

_METHODS_NOTE = (
    "knn: similarity alone; aqe: alpha query expansion; spatial: similarity and inliers; "
    "default: what a search does."
)
_RETRIEVAL_NOTE = (
    "mAP@100 in percent by the GLD-v2 rules, over the queries that have something to find, and of "
    "all of them how many of the first 1, 5 and 10 images are right. "
    "Sort and two-stage: the steps as published. " + _METHODS_NOTE
)
_RECOGNITION_NOTE = (
    "GAP in percent over all queries, those without a landmark included; top-1: how many of those "
    "with a landmark are named rightly. votes: the published "
    "soft vote and its score; inliers: the paper's recognition, votes and inliers together, and "
    "the same with its rule for distractors; default: what a search answers, and its probability."
)
_REVISITED_NOTE = (
    "In percent by the rules of Revisited Oxford and Paris, over the queries that have something "
    "to find; images that are neither right nor wrong are taken out first. "
)


def evaluation_tables(evaluation: Evaluation) -> tuple[Table, ...]:
    """Retrieval and recognition of GLD-v2, a row for each method."""
    retrieval = tuple(
        (
            name,
            (*(of[part] for part in _PARTS), *_all(evaluation.precision.get(name))),
        )
        for name, of in evaluation.retrieval.items()
    )
    recognition = tuple(
        (
            name,
            (of["public"], of["private"], of["gap"], evaluation.accuracy.get(name, {}).get("all")),
        )
        for name, of in evaluation.recognition.items()
    )
    return (
        Table("Retrieval", (*_PARTS, "mP@1", "mP@5", "mP@10"), retrieval, _RETRIEVAL_NOTE),
        Table("Recognition", (*_PARTS, "top-1"), recognition, _RECOGNITION_NOTE),
    )


def revisited_report(
    evaluation: RevisitedEvaluation, *, title: str, subtitle: str
) -> EvaluationReport:
    """Puts the figures of Revisited Oxford or Paris together.

    Args:
        evaluation: the figures.
        title: the heading.
        subtitle: the line below it.
    """
    sizes = evaluation.sizes
    facts = (
        ("index photos", f"{sizes['index']:,}"),
        ("distractors", f"{sizes['distractors']:,}"),
        ("queries", f"{sizes['queries']:,}"),
        ("seconds in all", f"{sum(evaluation.seconds.values()):.1f}"),
    )
    queries = "Queries are cropped. " if evaluation.cropped else "Queries are whole photos. "
    tables = tuple(
        Table(
            name,
            ("easy", "medium", "hard"),
            tuple(
                (method, tuple(of[protocol][key] for protocol in ("easy", "medium", "hard")))
                for method, of in evaluation.retrieval.items()
            ),
            _REVISITED_NOTE + queries + _METHODS_NOTE,
        )
        for name, key in (("mAP", "map"), ("mP@1", "mp@1"), ("mP@5", "mp@5"), ("mP@10", "mp@10"))
    )
    return EvaluationReport(title, subtitle, facts, tables, (), ())


def _all(of_parts: Mapping[str, Figures | None] | None) -> tuple[float | None, ...]:
    figures = None if of_parts is None else of_parts["all"]
    return tuple(None if figures is None else figures[rank] for rank in _RANKS)
