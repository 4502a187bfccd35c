"""An evaluation as a report: its tables, and queries that show what the figures mean."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

from steeple.collection.explaining import Explainer
from steeple.collection.hits import Hit, Recognition
from steeple.datasets.gldv2 import GldV2
from steeple.errors import ImageError
from steeple.evaluation.metrics import mean_average_precision
from steeple.evaluation.results import Evaluation, Run
from steeple.geometry.base import Extractor
from steeple.images import read_image
from steeple.report.matches import show_matches
from steeple.report.model import (
    Curve,
    EvaluationReport,
    Guide,
    Line,
    Mark,
    Row,
    Sample,
    Tile,
    Why,
)
from steeple.report.tables import evaluation_tables
from steeple.retrieval.origins import origins
from steeple.retrieval.reranking.gated import LIKELY
from steeple.retrieval.types import PAD, UNVOTED, Ids

__all__ = ["evaluation_report"]

_LOG = logging.getLogger(__name__)
_TILES = 10  # photos shown of a ranking
_WHY_SIDE = 720  # pixels; a picture of both photos, some 50 kB
_BASE, _BEST = "knn", "default"

_REJECTION_NOTE = (
    "How sure must an answer be to be given? The further to the right, the more is asked for: "
    "fewer queries are named wrongly, and fewer rightly as well. It is best where the first line "
    "is still high and the others are low already. Named rightly and wrongly are shares of the "
    "queries that show a known landmark; the rest of them, up to 100, got no answer. Of the other "
    "queries, which show none, every one that is named is a false alarm. A search gives answers "
    f"that are surer than {LIKELY:g}: the thin upright line."
)


def evaluation_report(
    evaluation: Evaluation,
    run: Run,
    *,
    title: str,
    subtitle: str,
    samples: int = 12,
) -> EvaluationReport:
    """Puts figures and sample queries together.

    Args:
        evaluation: the figures.
        run: what was found; needs the rankings ``knn`` and ``default`` to show samples.
        title: the heading.
        subtitle: the line below it.
        samples: how many queries to show; both photos of a query and its first hit are read again
            to draw what matches.
    """
    sizes = evaluation.sizes
    facts = (
        ("training photos", f"{sizes['training']:,}"),
        ("index photos", f"{sizes['index']:,}"),
        ("queries", f"{sizes['queries']:,}"),
        ("scored queries", f"{sizes['scored']:,}"),
        ("seconds in all", f"{sum(evaluation.seconds.values()):.1f}"),
    )
    shown: tuple[Sample, ...] = ()
    if {_BASE, _BEST} <= set(run.rankings):
        shown = tuple(_sample(run, query, run.extractor) for query in _choose(run, samples))
    curves = _curves(evaluation, run)
    return EvaluationReport(title, subtitle, facts, evaluation_tables(evaluation), shown, curves)


def _curves(evaluation: Evaluation, run: Run) -> tuple[Curve, ...]:
    """The rejection curve; a line that would be a share of no queries at all is left out."""
    points = evaluation.rejection
    if not points:
        return ()
    usage = run.dataset.recognition_usage
    solution = run.dataset.recognition_solution
    known = [bool(shown) for query, shown in solution.items() if usage[query] != "Ignored"]
    lines: list[Line] = []
    if any(known):
        right = tuple((point.threshold, 100 * point.right) for point in points)
        wrong = tuple((point.threshold, 100 * point.wrong) for point in points)
        lines += [Line("named rightly", right, "right"), Line("named wrongly", wrong, "wrong")]
    if not all(known):
        alarms = tuple((point.threshold, 100 * point.false_alarms) for point in points)
        lines.append(Line("named though no landmark is shown", alarms))
    return (
        Curve(
            "Naming or keeping silent",
            "confidence asked for",
            "percent of queries",
            tuple(lines),
            _REJECTION_NOTE,
            Guide(LIKELY, f"search names above {LIKELY:g}"),
        ),
    )


def _choose(run: Run, count: int) -> list[int]:
    """Positions of queries worth seeing: most gained, most lost, typical, and without landmark."""
    solution = run.dataset.retrieval_solution
    scored = [place for place, query in enumerate(run.queries) if solution.get(query)]
    gain = {
        place: _precision(run, place, _BEST) - _precision(run, place, _BASE) for place in scored
    }
    by_gain = sorted(scored, key=lambda place: (-gain[place], place))
    strangers = [place for place in range(len(run.queries)) if not _shown(run, place)]
    part = max(1, count // 6)
    lost = [place for place in reversed(by_gain) if gain[place] < 0][:part]
    unmoved = [place for place in scored if gain[place] == 0]
    typical = unmoved[:: max(1, len(unmoved) // part)][:part]
    chosen = [*by_gain[: count - 3 * part], *lost, *typical, *strangers[:part], *by_gain]
    return list(dict.fromkeys(chosen))[:count]


def _sample(run: Run, place: int, extractor: Extractor | None) -> Sample:
    query = run.queries[place]
    photo = run.dataset.photo("test", query)
    believed = bool(run.beliefs.scores[place] > LIKELY) and run.beliefs.labels[place] != UNVOTED
    truth = _shown(run, place)
    rows = tuple(
        Row(
            name,
            _tiles(run, place, name),
            100 * _precision(run, place, name)
            if run.dataset.retrieval_solution.get(query)
            else None,
        )
        for name in (_BASE, _BEST)
    )
    answer = _readable(run.dataset, run.names[int(run.beliefs.labels[place])]) if believed else None
    confidence = float(run.beliefs.scores[place])
    first = rows[-1].tiles[:1]
    why = _why(photo, Recognition(answer, confidence), first[0], extractor) if first else None
    return Sample(
        photo=photo,
        id=query,
        truth=_readable(run.dataset, truth) if truth else None,
        answer=answer,
        confidence=confidence,
        rows=rows,
        why=why,
    )


def _why(query: Path, shows: Recognition, tile: Tile, extractor: Extractor | None) -> Why | None:
    """What the query and a hit have in common; None where a photo cannot be read."""
    if extractor is None:
        return None
    hit = Hit(
        tile.id,
        tile.score,
        tile.origin,
        tile.landmark,
        tile.probability or 0.0,
        None,
        str(tile.photo),
    )
    try:
        a, b = (
            extractor(read_image(photo, max_side=extractor.max_side))
            for photo in (query, tile.photo)
        )
    except ImageError as error:
        _LOG.warning("the first hit of %s is shown without matches: %s", query, error)
        return None
    explain = Explainer(query, a, lambda _: b, shows, extractor.max_side)
    # The page has the numbers and the landmarks already.
    return replace(show_matches(explain(0, hit), side=_WHY_SIDE), sentences=())


def _tiles(run: Run, place: int, method: str) -> tuple[Tile, ...]:
    before: Ids = run.rankings[_BASE].ids[place]
    ranking = run.rankings[method]
    ids = ranking.ids[place][:_TILES]
    relevant = set(run.dataset.retrieval_solution.get(run.queries[place], []))
    places = {int(image): rank for rank, image in enumerate(before)}
    came = origins(ranking.ids[place], before)
    tiles = []
    for rank, image in enumerate(ids[ids != PAD].tolist()):
        name = run.index[image]
        landmark = run.dataset.index_landmarks.get(name)
        mark: Mark = "right" if name in relevant else "wrong"
        tiles.append(
            Tile(
                photo=run.dataset.photo("index", name),
                id=name,
                score=float(ranking.scores[place, rank]),
                mark=mark,
                origin=came[rank],
                landmark=_readable(run.dataset, landmark) if landmark else None,
                probability=float(run.index_beliefs.scores[image]),
                moved=places[image] - rank if image in places else None,
            )
        )
    return tuple(tiles)


def _precision(run: Run, place: int, method: str) -> float:
    """Average precision of one query, 0..1."""
    query = run.queries[place]
    ids = run.rankings[method].ids[place]
    found = [run.index[image] for image in ids.tolist() if image != PAD]
    return mean_average_precision({query: found}, {query: run.dataset.retrieval_solution[query]})


def _shown(run: Run, place: int) -> str | None:
    """The landmark a query shows, by either solution; None if it shows none."""
    query = run.queries[place]
    if named := run.dataset.recognition_solution.get(query):
        return named[0]
    relevant = run.dataset.retrieval_solution.get(query, [])
    return next((run.dataset.index_landmarks.get(image) for image in relevant), None)


def _readable(dataset: GldV2, landmark: str) -> str:
    return dataset.names.get(landmark, landmark).replace("_", " ")
