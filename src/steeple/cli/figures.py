"""The figures of an evaluation as tables."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from steeple.cli.console import console, show_left_out, show_table

if TYPE_CHECKING:
    from steeple.evaluation import Evaluation, RevisitedEvaluation

__all__ = [
    "USAGES",
    "gap_by_usage",
    "show_evaluation",
    "show_revisited",
    "show_scores",
    "show_seconds",
]

USAGES = ("public", "private", "all")
"""The parts that the queries of GLD-v2 are scored by."""

_PROTOCOLS = ("easy", "medium", "hard")


def show_evaluation(evaluation: Evaluation) -> None:
    """Prints the figures as tables."""
    sizes = evaluation.sizes
    console.print(
        f"{sizes['training']:,} training photos, {sizes['index']:,} index photos, "
        f"{sizes['queries']:,} queries, {sizes['scored']:,} of them scored for retrieval"
    )
    show_scores("mAP@100", evaluation.retrieval, USAGES)
    precision = {name: of["all"] or {} for name, of in evaluation.precision.items()}
    show_scores("precision", precision, ("mp@1", "mp@5", "mp@10"))
    position = {name: of["all"] or {} for name, of in evaluation.position.items()}
    show_scores("first relevant at", position, ("mean", "median"), best=min)
    named = {
        name: {**gap_by_usage(of), "top-1": evaluation.accuracy[name]["all"]}
        for name, of in evaluation.recognition.items()
    }
    show_scores("GAP", named, (*USAGES, "top-1"))
    _show_rest(evaluation.seconds, evaluation.failed)


def show_revisited(evaluation: RevisitedEvaluation) -> None:
    """Prints the figures as tables."""
    sizes = evaluation.sizes
    console.print(
        f"{sizes['index']:,} index photos, {sizes['distractors']:,} distractors, "
        f"{sizes['queries']:,} queries, {'cropped' if evaluation.cropped else 'whole'}"
    )
    for title, key in (("mAP", "map"), ("mP@1", "mp@1"), ("mP@5", "mp@5"), ("mP@10", "mp@10")):
        scores = {
            method: {protocol: of[protocol][key] for protocol in _PROTOCOLS}
            for method, of in evaluation.retrieval.items()
        }
        show_scores(title, scores, _PROTOCOLS)
    _show_rest(evaluation.seconds, evaluation.failed)


def gap_by_usage(gap: Mapping[str, float | None]) -> dict[str, float | None]:
    """GAP by part: what evaluations call ``gap``, for all queries, as ``all``."""
    return {usage: gap["gap" if usage == "all" else usage] for usage in USAGES}


def show_seconds(seconds: Mapping[str, float]) -> None:
    """Prints how long each stage took."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("stage")
    table.add_column("seconds", justify="right")
    for stage, spent in seconds.items():
        table.add_row(stage, f"{spent:.2f}")
    show_table(table)


def show_scores(
    title: str,
    scores: Mapping[str, Mapping[str, float | None]],
    columns: Sequence[str],
    best: Callable[[Iterable[float]], float] = max,
) -> None:
    """Prints figures by method; the best of each column stands out.

    Args:
        title: what the figures are.
        scores: method -> column -> figure; None, or none, where there is none.
        columns: those shown.
        best: `max`, or `min` where less is better.
    """
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column(Text(title, style="bold"))
    winners = {}
    for column in columns:
        table.add_column(column.replace("mp@", "mP@"), justify="right")
        values = [value for of in scores.values() if (value := of.get(column))]
        winners[column] = best(values) if values else None
    for method, of in scores.items():
        cells = []
        for column in columns:
            value = of.get(column)
            text = "" if value is None else f"{value:.2f}"
            cells.append(Text(text, "bold green" if value and value == winners[column] else ""))
        table.add_row(method, *cells)
    show_table(table)


def _show_rest(seconds: Mapping[str, float], failed: Sequence[tuple[str, str]]) -> None:
    show_seconds(seconds)
    show_left_out(failed)
