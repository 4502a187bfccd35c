"""The protocol of Revisited Oxford and Paris: every method on one folder, Easy, Medium and Hard."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from steeple.collection import Collection
from steeple.collection.columns import INDEX
from steeple.collection.sources import Photo, Source
from steeple.datasets.revisited import Query, Revisited
from steeple.embedding.pipeline import Crop
from steeple.errors import InputError, NothingToDoError
from steeple.evaluation.asking import TOGETHER, Asking
from steeple.evaluation.building import Recipe, build, keeps_features
from steeple.evaluation.methods import REVISITED_METHODS, chosen_methods, usual_methods
from steeple.evaluation.metrics.oxford_paris import Hits, find_hits, mean_of_hits
from steeple.evaluation.results import RevisitedEvaluation
from steeple.progress import Progress, Stopwatch, silent
from steeple.retrieval.types import PAD, Ids

__all__ = ["evaluate_revisited"]

DEPTH = 10_000
"""Images that re-rankers see: all there are without distractors, 40 times what is right."""

_CELLS = 1 << 18  # images listed for the queries of a turn: half a GB of descriptors to look at
_DISTRACTORS = "distractors/"  # put before their ids, so that no name in imlist is one of them


@dataclass(frozen=True)
class RevisitedPhotos(Source):
    """The index of Revisited Oxford or Paris, and whatever is to distract from it.

    Args:
        data: the data set.
        distractors: a folder of photos, at any depth.
    """

    data: Revisited | None = None
    distractors: Path | None = None

    @property
    def curated(self) -> bool:
        """The data set itself says which photos it has, doubles included."""
        return True

    def __iter__(self) -> Iterator[Photo]:
        """The photos in a fixed order."""
        if self.data is not None:
            for name in self.data.index:
                yield Photo(name, self.data.photo(name), INDEX, None)
        if self.distractors is not None:
            yield from Source(self.distractors, labels={}, prefix=_DISTRACTORS)


def evaluate_revisited(
    root: Path,
    name: str,
    collection: Path,
    *,
    methods: Sequence[str] | None = None,
    distractors: Path | None = None,
    cropped: bool = True,
    embedder: str = "sift-vlad",
    local_features: str | None = "sift",
    seed: int = 0,
    workers: int | None = None,
    progress: Progress = silent,
) -> RevisitedEvaluation:
    """Builds a collection from a folder of Revisited Oxford or Paris, asks it, and scores.

    Every ranking is one of the whole index: re-rankers see the first `DEPTH` images, the others
    follow in the order of similarity.

    Args:
        root: the folder: ``gnd_NAME.pkl`` or ``.json``, and ``jpg/``.
        name: ``roxford5k`` or ``rparis6k``.
        collection: where the collection goes; one of the same images is completed and used.
        methods: the re-rankers to compare, by name; a chain is joined by ``+``. None takes
            `REVISITED_METHODS`, and ``spatial`` where the collection keeps local features;
            ``all`` alone takes every re-ranker that can run without a training set.
        distractors: a folder of photos that join the index and show nothing that is asked for.
        cropped: whether queries are cropped to their boxes, as the protocol has it.
        embedder: what describes the photos of a new collection.
        local_features: what finds the local features of a new collection; None keeps none.
        seed: of what a new collection learns.
        workers: processes; None takes one per core.
        progress: called with stage, photos done, and their number.

    Raises:
        LabelError: if there is no ground truth or it is malformed.
        InputError: if no method has one of the names, one needs a training set or local features
            that are not there, or the folder of distractors is not there or has to do with that of
            the data set.
        NothingToDoError: if there is no photo in it.
        CollectionError: if the collection has other images.
    """
    data = Revisited.read(root, name)
    recipe = Recipe(embedder, local_features, seed)
    named = chosen_methods(methods, lacking=name, local_features=keeps_features(collection, recipe))
    if distractors is not None:
        _check(distractors, data)
    clock = Stopwatch()
    report = build(
        RevisitedPhotos(root, data=data, distractors=distractors),
        collection,
        recipe,
        workers=workers,
        progress=progress,
    )
    clock.seconds.update({f"index: {stage}": s for stage, s in report.seconds.items()})
    with Collection.open(collection) as places, places.view() as view:
        verifies = places.extractor is not None
        if named is None:
            named = usual_methods(methods, REVISITED_METHODS, labels=False, local_features=verifies)
        asking = Asking(places, view.exactly, named, clock, workers, progress)
        rows = {image: row for row, image in enumerate(places.index_ids())}
        hits, failed = _ask(asking, data, rows, cropped=cropped)
    index = sum(image in rows for image in data.index)
    return RevisitedEvaluation(
        dataset=name,
        sizes={
            "index": index,
            "distractors": len(rows) - index,
            "queries": len(data.queries),
        },
        cropped=cropped,
        retrieval={method: _percent(mean_of_hits(found)) for method, found in hits.items()},
        seconds=clock.seconds,
        failed=(*report.failed, *failed),
    )


def _check(distractors: Path, data: Revisited) -> None:
    if not distractors.is_dir():
        raise InputError(f"{distractors} is no folder; give one of photos with --distractors")
    theirs, ours = distractors.resolve(), (data.root / "jpg").resolve()
    if theirs.is_relative_to(ours) or ours.is_relative_to(theirs):
        raise InputError(
            f"{distractors} holds photos of {data.name} itself, which would be found as "
            "distractors; give another folder with --distractors"
        )
    if next(iter(Source(distractors, labels={})), None) is None:
        raise NothingToDoError(f"{distractors} holds no photo; give a folder that does")


def _ask(
    asking: Asking, data: Revisited, rows: Mapping[str, int], *, cropped: bool
) -> tuple[dict[str, list[dict[str, Hits]]], list[tuple[str, str]]]:
    """Method -> the hits of every query; and the queries that could not be read."""
    # What could not be read is in no ranking, and is to be found all the same.
    row_of = np.array(
        [rows.get(image, len(rows) + place) for place, image in enumerate(data.index)],
        dtype=np.int64,
    )
    photos = [data.photo(query.id) for query in data.queries]
    files = [
        Crop(photo, query.box) if cropped else photo
        for photo, query in zip(photos, data.queries, strict=True)
    ]
    reranked = min(DEPTH, len(rows))
    together = max(1, min(TOGETHER, _CELLS // max(1, reranked)))
    hits: dict[str, list[dict[str, Hits]]] = {name: [] for name in asking.rerankers}
    failed: list[tuple[str, str]] = []
    for answers in asking(files, found=len(rows), reranked=reranked, together=together):
        failed += [(path, str(error)) for path, error in answers.errors]
        for method, ranking in answers.rankings.items():
            for place, ids in enumerate(ranking.ids):
                number = answers.queries.start + place
                whole = _whole(ids, answers.neighbours.ids[place])
                hits[method].append(find_hits(whole, _labels(data.queries[number], row_of), number))
    return hits, failed


def _labels(query: Query, row_of: Ids) -> dict[str, Ids]:
    """The lists of a query, its images by their rows."""
    lists = {"easy": query.easy, "hard": query.hard, "junk": query.junk}
    return {name: row_of[np.array(images, dtype=np.int64)] for name, images in lists.items()}


def _whole(first: Ids, neighbours: Ids) -> Ids:
    """A ranking of everything: what was re-ranked, then the other neighbours in their order."""
    first = first[first != PAD]
    return np.concatenate([first, neighbours[~np.isin(neighbours, first)]])


def _percent(scores: Mapping[str, Mapping[str, float]]) -> dict[str, dict[str, float]]:
    return {
        protocol: {name: 100 * value for name, value in figures.items()}
        for protocol, figures in scores.items()
    }
