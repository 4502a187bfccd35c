"""How well a network finds landmarks while it still learns: mAP@100 on photos put aside.

Which photos ask, and which are found, depends on what the folder is:

- of GLD-v2 layout with a solution of the retrieval challenge: its ``test`` photos ask for those of
  its ``index``, and the solution says what is right;
- anything else with labels (folders of landmarks, a CSV, a collection, the training photos of
  GLD-v2): of every landmark with two photos or more, a quarter of the photos, at least one, ask
  for the rest of all; right is what shows the same landmark. Photos of other landmarks are there to
  be wrong.

Photos are looked at once, with the long side that the network is trained at.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from steeple.datasets.gldv2 import GldV2, is_gldv2
from steeple.embedding.base import Embedder
from steeple.embedding.pipeline import describe_files
from steeple.errors import InputError
from steeple.evaluation.metrics import mean_average_precision
from steeple.retrieval.neighbors import search_neighbors
from steeple.retrieval.types import PAD
from steeple.training.photos import read_photos

__all__ = ["Validation", "has_solution", "read_validation"]

_RANKS = 100  # of the lists that are judged
_ASKING = 4  # of so many photos of a landmark, one asks


@dataclass(frozen=True)
class Validation:
    """Photos that ask, photos that are found, and what is right.

    Args:
        queries: photos that ask.
        index: photos that are found.
        relevant: query, as text -> the right photos of the index, as text.
    """

    queries: tuple[Path, ...]
    index: tuple[Path, ...]
    relevant: dict[str, list[str]]

    def measure(
        self,
        embedder: Embedder,
        *,
        workers: int | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> float:
        """mAP@100, as a fraction. A photo that cannot be read finds nothing and is not found.

        Args:
            embedder: describes photos.
            workers: processes that decode them; None takes one per core.
            progress: called with photos done and photos in all.

        Raises:
            InputError: if no photo can be read, or descriptors are not finite.
        """
        photos = [*self.queries, *self.index]
        described = describe_files(photos, embedder, None, workers=workers, progress=progress)
        unreadable = {path for path, _ in described.errors}
        vectors = described.descriptors
        if not np.isfinite(vectors).all():
            raise InputError(
                "the network gives descriptors that are not finite: the training has diverged; "
                "begin again with a smaller schedule.rate, a warmup, or clip"
            )
        asking = [n for n, path in enumerate(self.queries) if path not in unreadable]
        first = len(self.queries)
        found = [n for n, path in enumerate(self.index) if path not in unreadable]
        if not asking or not found:
            raise InputError(
                f"none of the validation's photos can be read: {described.errors[0][1]}"
            )
        shelf = vectors[first + np.array(found)]
        ranking = search_neighbors(vectors[asking], shelf, min(_RANKS, len(found)))
        predictions = {
            str(self.queries[n]): [str(self.index[found[i]]) for i in ids if i != PAD]
            for n, ids in zip(asking, ranking.ids.tolist(), strict=True)
        }
        return mean_average_precision(predictions, self.relevant, _RANKS)


def has_solution(folder: Path) -> bool:
    """Whether a folder is of GLD-v2 layout and has queries with something to find."""
    return is_gldv2(folder) and bool(_solved(GldV2.read(folder)))


def read_validation(folder: Path, *, seed: int = 0, workers: int | None = None) -> Validation:
    """Finds the photos of a validation.

    Args:
        folder: of GLD-v2 layout, of labelled photos, or a collection.
        seed: which photos of a landmark ask, where no solution says so.
        workers: processes that read the sizes of labelled photos; None takes one per core.

    Raises:
        InputError: if there is nothing to find.
    """
    if is_gldv2(folder):
        tables = GldV2.read(folder)
        solved = _solved(tables)
        if solved:
            return _of_solution(tables, solved)
    return _of_labels(folder, seed, workers)


def _solved(tables: GldV2) -> list[str]:
    """The queries that have something to find."""
    return [query for query in tables.test if tables.retrieval_solution.get(query)]


def _of_solution(tables: GldV2, solved: Sequence[str]) -> Validation:
    tables.check_solutions()
    queries = {query: tables.photo("test", query) for query in solved}
    index = {image: tables.photo("index", image) for image in tables.index}
    relevant = {
        str(path): [str(index[i]) for i in tables.retrieval_solution[query] if i in index]
        for query, path in queries.items()
    }
    return Validation(tuple(queries.values()), tuple(index.values()), relevant)


def _of_labels(folder: Path, seed: int, workers: int | None) -> Validation:
    photos = read_photos(folder, least=1, workers=workers)
    paths = [Path(path) for path in photos.paths]
    random = np.random.default_rng(seed)
    asking: list[int] = []
    for landmark in range(len(photos.landmarks)):
        own = random.permutation(np.flatnonzero(photos.targets == landmark))
        if len(own) > 1:
            asking += own[: max(1, len(own) // _ASKING)].tolist()
    if not asking:
        raise InputError(
            f"{folder}: no landmark has two photos, so there is nothing to find; give a folder "
            "for the validation that has more"
        )
    rest = np.setdiff1d(np.arange(len(paths)), asking)
    relevant = {
        str(paths[n]): [str(paths[i]) for i in rest[photos.targets[rest] == photos.targets[n]]]
        for n in sorted(asking)
    }
    return Validation(
        tuple(paths[n] for n in sorted(asking)), tuple(paths[i] for i in rest), relevant
    )
