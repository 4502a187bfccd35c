"""The GLD-v2 protocol: every method on one folder, scored by the published rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from steeple.collection import Collection
from steeple.datasets.gldv2 import GldV2
from steeple.embedding.pipeline import embed_files
from steeple.errors import InputError
from steeple.evaluation.metrics import global_average_precision, mean_average_precision
from steeple.progress import Progress, Stopwatch, silent
from steeple.retrieval.reranking import create_reranker
from steeple.retrieval.types import PAD, UNVOTED, Ranking, Votes

__all__ = ["METHODS", "Evaluation", "Run", "evaluate_gldv2"]

Bools: TypeAlias = npt.NDArray[np.bool_]

LENGTH = 100
"""Images per ranking, as the protocol has it."""

METHODS = ("knn", "aqe", "sort", "two-stage", "default")
"""The re-rankers compared unless others are asked for."""


@dataclass(frozen=True)
class Evaluation:
    """The figures of one evaluation; scores in percent, None where nothing could be scored.

    Args:
        dataset: the kind of data set.
        sizes: images by part: training, index, queries, and the queries scored for retrieval.
        retrieval: method -> ``public``, ``private``, ``all``: mAP@100.
        recognition: method -> ``gap``, and its public and private parts.
        seconds: wall time by stage.
        failed: photos that could not be read, with the reason.
    """

    dataset: str
    sizes: dict[str, int]
    retrieval: dict[str, dict[str, float | None]]
    recognition: dict[str, dict[str, float | None]]
    seconds: dict[str, float]
    failed: tuple[tuple[str, str], ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The same as plain dictionaries, ready for JSON."""
        return {
            "dataset": self.dataset,
            "sizes": self.sizes,
            "retrieval": self.retrieval,
            "recognition": self.recognition,
            "seconds": self.seconds,
            "failed": [list(pair) for pair in self.failed],
        }


@dataclass(frozen=True)
class Run:
    """What an evaluation found, for those who want to look at it.

    Args:
        dataset: the data set.
        index: ids of the index images.
        queries: ids of the queries.
        rankings: method -> (Q, 100) ranking over the index.
        beliefs: Q votes whose scores are probabilities.
        index_beliefs: N such votes.
        names: landmark number of a vote -> landmark of the data set.
    """

    dataset: GldV2
    index: Sequence[str]
    queries: Sequence[str]
    rankings: Mapping[str, Ranking]
    beliefs: Votes
    index_beliefs: Votes
    names: Mapping[int, str]


def evaluate_gldv2(
    root: Path,
    collection: Path,
    *,
    methods: Sequence[str] = METHODS,
    embedder: str = "sift-vlad",
    seed: int = 0,
    workers: int | None = None,
    progress: Progress = silent,
) -> tuple[Evaluation, Run]:
    """Builds a collection from a GLD-v2 folder, asks it every query, and scores the answers.

    Retrieval: mAP@100 by method. Recognition: GAP of the published vote (``votes``: the vote and
    its score) and of what `Collection.search` answers (``default``: the vote and its probability).

    Args:
        root: the folder, in GLD-v2 layout, with its solutions.
        collection: where the collection goes; one that is there is completed and used.
        methods: the re-rankers to compare, by name; a chain is joined by ``+``.
        embedder: what describes the photos of a new collection.
        seed: of what a new collection learns.
        workers: processes; None takes one per core.
        progress: called with stage, photos done, and their number.

    Raises:
        LabelError: if the folder is not in GLD-v2 layout or a table is malformed.
        InputError: if it has no queries or no solution, or no method has one of the names.
    """
    dataset = GldV2.read(root)
    rerankers = {name: create_reranker(name.replace("+", ",")) for name in methods}
    if not dataset.test or not (dataset.retrieval_solution or dataset.recognition_solution):
        raise InputError(
            f"{root} has no queries with a solution; it needs test.csv and "
            "retrieval_solution_v2.1.csv or recognition_solution_v2.1.csv"
        )
    clock = Stopwatch()
    with _open_or_create(collection, embedder, seed) as places:
        ids = _ids_by_name(dataset)
        report = places.add(root, landmark_ids=not ids, workers=workers, progress=progress)
        clock.seconds.update({f"index: {stage}": s for stage, s in report.seconds.items()})
        photos = [dataset.photo("test", query) for query in dataset.test]
        with clock.stage("queries: embed"):
            queries, errors = embed_files(
                photos,
                places.embedder,
                workers=workers,
                progress=lambda done, total: progress("queries", done, total),
            )
        unread = {path for path, _ in errors}
        blind = np.array([photo in unread for photo in photos])
        with places.view() as view:
            with clock.stage("neighbours"):
                neighbours = view.search(queries, LENGTH)
            with clock.stage("queries: vote"):
                context = view.context(queries)
            rankings = {}
            for name, reranker in rerankers.items():
                progress(name, 0, None)
                with clock.stage(f"re-rank: {name}"):
                    rankings[name] = _rank_none(reranker.rerank(neighbours, context), blind)
            voted = np.unique(context.need("query_votes").labels)
            names = places.landmark_names(voted.tolist())
            run = Run(
                dataset,
                places.index_ids(),
                dataset.test,
                rankings,
                _vote_for_none(context.need("query_beliefs"), blind),
                context.need("index_beliefs"),
                {label: ids.get(name, name) for label, name in names.items()},
            )
            votes = {
                "votes": _vote_for_none(context.need("query_votes"), blind),
                "default": run.beliefs,
            }
        failed = report.failed + [(str(path), str(error)) for path, error in errors]
        return _score(run, votes, len(view.columns.training), clock.seconds, failed), run


def _ids_by_name(dataset: GldV2) -> dict[str, str]:
    """Landmark name -> id, so that the collection shows names; empty if two landmarks share one."""
    ids = {name: landmark for landmark, name in dataset.names.items()}
    return ids if len(ids) == len(dataset.names) else {}


def _open_or_create(folder: Path, embedder: str, seed: int) -> Collection:
    if folder.is_dir() and any(folder.iterdir()):
        return Collection.open(folder)
    return Collection.create(folder, embedder=embedder, seed=seed)


def _rank_none(ranking: Ranking, blind: Bools) -> Ranking:
    """A ranking without answers to the queries that could not be read: they find nothing."""
    return Ranking(np.where(blind[:, None], PAD, ranking.ids), ranking.scores)


def _vote_for_none(votes: Votes, blind: Bools) -> Votes:
    """Votes without those on the queries that could not be read."""
    return Votes(
        np.where(blind, UNVOTED, votes.labels), np.where(blind, np.float32(0), votes.scores)
    )


def _score(
    run: Run,
    votes: Mapping[str, Votes],
    training: int,
    seconds: dict[str, float],
    failed: Sequence[tuple[str, str]],
) -> Evaluation:
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
    predictions = {
        query: (run.names[label], score)
        for query, label, score in zip(
            run.queries, votes.labels.tolist(), votes.scores.tolist(), strict=True
        )
        if label != UNVOTED
    }

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
