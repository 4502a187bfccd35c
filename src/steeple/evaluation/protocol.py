"""The GLD-v2 protocol: every method on one folder, scored by the published rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from steeple.collection import Collection
from steeple.collection.view import View
from steeple.datasets.gldv2 import GldV2
from steeple.embedding.pipeline import Described, describe_files
from steeple.errors import InputError
from steeple.evaluation.results import Evaluation, Run
from steeple.evaluation.scoring import score
from steeple.progress import Progress, Stopwatch, silent
from steeple.retrieval.recognition import demote, named_often
from steeple.retrieval.reranking import Chain, Context, create_reranker
from steeple.retrieval.types import PAD, UNVOTED, Ranking, Votes

__all__ = ["METHODS", "evaluate_gldv2"]

Bools: TypeAlias = npt.NDArray[np.bool_]

LENGTH = 100
"""Images per ranking, as the protocol has it."""

METHODS = ("knn", "aqe", "sort", "two-stage", "default")
"""The re-rankers compared unless others are asked for, and, with local features, ``spatial``."""


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

    Retrieval: mAP@100 by method. Recognition: GAP of the published soft vote and its score
    (``votes``), of what `Collection.search` answers (``default``: the landmark and its
    probability), and, where the collection has local features, of the paper's recognition
    (``inliers``) and the same with its rule for distractors (``inliers-distractors``).

    Args:
        root: the folder, in GLD-v2 layout, with its solutions.
        collection: where the collection goes; one that is there is completed and used.
        methods: the re-rankers to compare, by name; a chain is joined by ``+``. None takes
            `METHODS`, and ``spatial`` where the collection keeps local features.
        embedder: what describes the photos of a new collection.
        local_features: what finds the local features of a new collection; None keeps none.
        seed: of what a new collection learns.
        workers: processes; None takes one per core.
        progress: called with stage, photos done, and their number.

    Raises:
        LabelError: if the folder is not in GLD-v2 layout or a table is malformed.
        InputError: if it has no queries or no solution, or no method has one of the names.
    """
    dataset = GldV2.read(root)
    rerankers = _rerankers(METHODS if methods is None else methods)
    if not dataset.test or not (dataset.retrieval_solution or dataset.recognition_solution):
        raise InputError(
            f"{root} has no queries with a solution; it needs test.csv and "
            "retrieval_solution_v2.1.csv or recognition_solution_v2.1.csv"
        )
    clock = Stopwatch()
    with _open_or_create(collection, embedder, local_features, seed) as places:
        if methods is None and places.extractor is not None:
            rerankers = _rerankers((*METHODS[:-1], "spatial", METHODS[-1]))
        ids = _ids_by_name(dataset)
        report = places.add(root, landmark_ids=not ids, workers=workers, progress=progress)
        clock.seconds.update({f"index: {stage}": s for stage, s in report.seconds.items()})
        photos = [dataset.photo("test", query) for query in dataset.test]
        with clock.stage("queries: embed"):
            described = describe_files(
                photos,
                places.embedder,
                places.extractor,
                workers=workers,
                progress=lambda done, total: progress("queries", done, total),
            )
        with places.view() as view:
            context, rankings = _ask(
                view, described, rerankers, clock, workers=workers, progress=progress
            )
            training = len(view.columns.training)
            unread = {path for path, _ in described.errors}
            blind = np.array([photo in unread for photo in photos])
            votes = {name: _vote_for_none(of, blind) for name, of in _recognitions(context).items()}
            voted = np.unique(np.concatenate([of.labels for of in votes.values()]))
            names = places.landmark_names(voted.tolist())
            run = Run(
                dataset,
                places.index_ids(),
                dataset.test,
                {name: _rank_none(ranking, blind) for name, ranking in rankings.items()},
                votes["default"],
                context.need("index_beliefs"),
                {label: ids.get(name, name) for label, name in names.items()},
                places.extractor,
            )
        failed = report.failed + [(str(path), str(error)) for path, error in described.errors]
        return score(run, votes, training, clock.seconds, failed), run


def _ask(
    view: View,
    queries: Described,
    rerankers: Mapping[str, Chain],
    clock: Stopwatch,
    *,
    workers: int | None,
    progress: Progress,
) -> tuple[Context, dict[str, Ranking]]:
    """Every query to every re-ranker."""
    with clock.stage("neighbours"):
        neighbours = view.search(queries.descriptors, LENGTH)
    with clock.stage("queries: vote"):
        context = view.context(
            queries.descriptors,
            queries.features,
            workers=workers,
            progress=lambda done, total: progress("match", done, total),
        )
    rankings = {}
    for name, reranker in rerankers.items():
        progress(name, 0, None)
        with clock.stage(f"re-rank: {name}"):
            rankings[name] = reranker.rerank(neighbours, context)
    return context, rankings


def _recognitions(context: Context) -> dict[str, Votes]:
    """Every way to name the queries."""
    named = {"votes": context.need("query_votes"), "default": context.need("query_beliefs")}
    if context.recognitions is not None:
        often = named_often(context.recognitions.labels)
        named["inliers"] = context.recognitions
        named["inliers-distractors"] = demote(context.recognitions, often)
    return named


def _ids_by_name(dataset: GldV2) -> dict[str, str]:
    """Landmark name -> id, so that the collection shows names; empty if two landmarks share one."""
    ids = {name: landmark for landmark, name in dataset.names.items()}
    return ids if len(ids) == len(dataset.names) else {}


def _rerankers(methods: Sequence[str]) -> dict[str, Chain]:
    return {name: create_reranker(name.replace("+", ",")) for name in methods}


def _open_or_create(
    folder: Path, embedder: str, local_features: str | None, seed: int
) -> Collection:
    if folder.is_dir() and any(folder.iterdir()):
        return Collection.open(folder)
    return Collection.create(folder, embedder=embedder, local_features=local_features, seed=seed)


def _rank_none(ranking: Ranking, blind: Bools) -> Ranking:
    """A ranking without answers to the queries that could not be read: they find nothing."""
    return Ranking(np.where(blind[:, None], PAD, ranking.ids), ranking.scores)


def _vote_for_none(votes: Votes, blind: Bools) -> Votes:
    """Votes without those on the queries that could not be read."""
    return Votes(
        np.where(blind, UNVOTED, votes.labels), np.where(blind, np.float32(0), votes.scores)
    )
