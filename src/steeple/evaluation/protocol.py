"""The GLD-v2 protocol: every method on one folder, scored by the published rules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from steeple.collection import Collection
from steeple.collection.sources import Source
from steeple.datasets.gldv2 import GldV2
from steeple.errors import InputError
from steeple.evaluation.asking import TOGETHER, Answers, Asking
from steeple.evaluation.building import Recipe, build, keeps_features
from steeple.evaluation.methods import METHODS, chosen_methods, usual_methods
from steeple.evaluation.results import Evaluation, Run
from steeple.evaluation.scoring import score
from steeple.progress import Progress, Stopwatch, silent
from steeple.retrieval.recognition import demote, named_often
from steeple.retrieval.types import UNVOTED, Ranking, Votes

__all__ = ["METHODS", "evaluate_gldv2"]

LENGTH = 100
"""Images per ranking, as the protocol has it."""


def evaluate_gldv2(
    root: Path,
    collection: Path,
    *,
    methods: Sequence[str] | None = None,
    embedder: str = "sift-vlad",
    local_features: str | None = "sift",
    seed: int = 0,
    workers: int | None = None,
    progress: Progress = silent,
) -> tuple[Evaluation, Run]:
    """Builds a collection from a GLD-v2 folder, asks it every query, and scores the answers.

    Retrieval: mAP@100 by method, with mP@1, mP@5, mP@10 and where the first relevant image stands.
    Recognition: GAP and top-1 accuracy of the published soft vote and its score (``votes``), of
    what `Collection.search` answers (``default``: the landmark and its probability), and, where
    the collection has local features, of the paper's recognition (``inliers``) and the same with
    its rule for distractors (``inliers-distractors``).

    Args:
        root: the folder, in GLD-v2 layout, with its solutions.
        collection: where the collection goes; one of the same images is completed and used.
        methods: the re-rankers to compare, by name; a chain is joined by ``+``. None takes
            `METHODS`, and ``spatial`` where the collection keeps local features; ``all`` alone
            takes every re-ranker that can run.
        embedder: what describes the photos of a new collection.
        local_features: what finds the local features of a new collection; None keeps none.
        seed: of what a new collection learns.
        workers: processes; None takes one per core.
        progress: called with stage, photos done, and their number.

    Raises:
        LabelError: if the folder is not in GLD-v2 layout, a table is malformed, or a solution is of
            other queries or of another index.
        InputError: if it has no queries or no solution, no method has one of the names, or one
            needs a training set or local features that are not there.
        CollectionError: if the collection has other images.
    """
    dataset = GldV2.read(root)
    recipe = Recipe(embedder, local_features, seed)
    named = chosen_methods(
        methods,
        None if dataset.train else str(root),
        local_features=keeps_features(collection, recipe),
    )
    if not dataset.test or not (dataset.retrieval_solution or dataset.recognition_solution):
        raise InputError(
            f"{root} has no queries with a solution; it needs test.csv and "
            "retrieval_solution_v2.1.csv or recognition_solution_v2.1.csv"
        )
    dataset.check_solutions()
    clock = Stopwatch()
    ids = _ids_by_name(dataset)
    report = build(
        Source(root, gldv2=dataset, landmark_ids=not ids),
        collection,
        recipe,
        workers=workers,
        progress=progress,
    )
    clock.seconds.update({f"index: {stage}": s for stage, s in report.seconds.items()})
    with Collection.open(collection) as places, places.view() as view:
        verifies = places.extractor is not None
        if named is None:
            named = usual_methods(
                methods, METHODS, labels=bool(dataset.train), local_features=verifies
            )
        asking = Asking(places, view.exactly, named, clock, workers, progress)
        found = _ask(asking, [dataset.photo("test", query) for query in dataset.test])
        voted = np.unique(np.concatenate([of.labels for of in found.votes.values()]))
        names = places.landmark_names(voted.tolist())
        run = Run(
            dataset,
            places.index_ids(),
            dataset.test,
            found.rankings,
            found.votes["default"],
            view.beliefs,
            {label: ids.get(name, name) for label, name in names.items()},
            places.extractor,
        )
        training = len(view.columns.training)
    return score(run, found.votes, training, clock.seconds, report.failed + found.failed), run


@dataclass(frozen=True)
class _Found:
    """Rankings by method, votes by way of recognition, and the queries that cannot be read."""

    rankings: dict[str, Ranking]
    votes: dict[str, Votes]
    failed: list[tuple[str, str]]


def _ask(asking: Asking, photos: Sequence[Path]) -> _Found:
    rankings: dict[str, list[Ranking]] = {name: [] for name in asking.rerankers}
    votes: dict[str, list[Votes]] = {}
    failed: list[tuple[str, str]] = []
    for answers in asking(photos, found=LENGTH, reranked=LENGTH, together=TOGETHER):
        for name, ranking in answers.rankings.items():
            rankings[name].append(ranking)
        for name, some in _recognitions(answers).items():
            votes.setdefault(name, []).append(some)
        failed += [(path, str(error)) for path, error in answers.errors]
    all_votes = {name: _joined_votes(parts) for name, parts in votes.items()}
    if "inliers" in all_votes:
        named = all_votes["inliers"]
        all_votes["inliers-distractors"] = demote(named, named_often(named.labels))
    joined = {name: _joined_rankings(parts) for name, parts in rankings.items()}
    return _Found(joined, all_votes, failed)


def _recognitions(answers: Answers) -> dict[str, Votes]:
    """Every way to name queries; those that could not be read have no name."""
    context = answers.context
    named = {"votes": context.need("query_votes"), "default": context.need("query_beliefs")}
    if context.recognitions is not None:
        named["inliers"] = context.recognitions
    blind = answers.blind
    return {
        way: Votes(
            np.where(blind, UNVOTED, votes.labels), np.where(blind, np.float32(0), votes.scores)
        )
        for way, votes in named.items()
    }


def _joined_rankings(parts: Sequence[Ranking]) -> Ranking:
    return Ranking(
        np.concatenate([part.ids for part in parts]),
        np.concatenate([part.scores for part in parts]),
    )


def _joined_votes(parts: Sequence[Votes]) -> Votes:
    return Votes(
        np.concatenate([part.labels for part in parts]),
        np.concatenate([part.scores for part in parts]),
    )


def _ids_by_name(dataset: GldV2) -> dict[str, str]:
    """Landmark name -> id, so that the collection shows names; empty if two landmarks share one."""
    ids = {name: landmark for landmark, name in dataset.names.items()}
    return ids if len(ids) == len(dataset.names) else {}
