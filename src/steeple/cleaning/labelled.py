"""The labelled images of a collection, as cleaning sees them, and how they get there."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from steeple.cleaning.training import TrainingSet
from steeple.collection.adding import AddReport, add_photos
from steeple.collection.creating import create_store, discard_if_empty
from steeple.collection.embedders import keep_embedder, stored_embedder, stored_extractor
from steeple.collection.learning import learn_from
from steeple.collection.schema import DATABASE
from steeple.collection.sources import Photo, Source, read_source
from steeple.collection.store import Image, LocalStore
from steeple.datasets.gldv2 import GldV2
from steeple.embedding.pipeline import Prepared
from steeple.errors import CollectionError, NothingToDoError
from steeple.progress import Progress, silent
from steeple.retrieval.types import Ids

__all__ = [
    "LabelledImages",
    "LabelledPhotos",
    "describe_labelled",
    "is_collection",
    "labelled_photos",
]

_FEATURES = 1000  # per photo; the paper kept as many


@dataclass(frozen=True)
class LabelledImages:
    """The images of a collection that have a landmark and vote, numbered in the order of rows.

    What it shows stays true while another process writes: rows are never used twice.

    Args:
        store: the collection, which has local features.
        rows: (T,) int64, the rows of the images.
        training: the images by number.
        state: changes whenever images, labels or local features do.
    """

    store: LocalStore
    rows: Ids
    training: TrainingSet
    state: str

    @classmethod
    def read(cls, store: LocalStore) -> LabelledImages:
        """Looks at a collection.

        Raises:
            CollectionError: if it keeps no local features.
            NothingToDoError: if it has no labelled image.
        """
        with store.snapshot() as columns:
            features = store.features(columns)
        if features is None:
            raise CollectionError(
                f"{store.folder} keeps no local features, so no pair of its photos can be "
                "verified; build it again without --no-local-features"
            )
        chosen = columns.training
        if not len(chosen):
            raise NothingToDoError(f"{store.folder} has no labelled photo; add some with labels")
        rows, labels = columns.rows[chosen], columns.landmarks[chosen]
        local = features.select(chosen)
        training = TrainingSet(
            labels,
            lambda images: store.segments.read(rows[images]),
            lambda: store.segments.blocks(rows),
            local.select,
        )
        digest = hashlib.blake2b(digest_size=16)
        for array in (rows, labels, local.places, local.counts):
            digest.update(array.tobytes())
        return cls(store, rows, training, digest.hexdigest())

    @cached_property
    def names(self) -> dict[int, str]:
        """Landmark number -> name."""
        return self.store.landmark_names(set(self.training.labels.tolist()))

    def find(self, images: Ids) -> dict[int, Image]:
        """(n,) numbers to what the collection knows of these images now, by number."""
        found = self.store.find_rows(self.rows[images])
        rows = self.rows[images].tolist()
        pairs = zip(images.tolist(), rows, strict=True)
        return {image: found[row] for image, row in pairs if row in found}


@dataclass(frozen=True)
class LabelledPhotos(Source):
    """Those photos of a source that have a landmark.

    Args:
        only: ids, if not all of these are wanted.
    """

    only: frozenset[str] | None = None

    def __iter__(self) -> Iterator[Photo]:
        """The photos in a fixed order."""
        for photo in super().__iter__():
            if photo.landmark is not None and (self.only is None or photo.id in self.only):
                yield photo


def is_collection(folder: Path) -> bool:
    """Whether a folder is a collection, not one of photos."""
    return (folder / DATABASE).is_file()


def labelled_photos(
    root: Path, landmarks: Path | None = None, *, skip_missing: bool = False
) -> LabelledPhotos:
    """The labelled photos of a source; of a GLD-v2 folder those of ``train.csv``, by number.

    Args:
        root: as for `read_source`.
        landmarks: as for `read_source`.
        skip_missing: as for `read_source`.

    Raises:
        InputError: if the folder does not exist.
        LabelError: if the labels are malformed or contradict the photos.
        NothingToDoError: if there is no labelled photo.
    """
    source = read_source(root, landmarks, skip_missing=skip_missing, landmark_ids=True)
    tables = source.gldv2
    if tables is not None:
        # What is to be cleaned is the table before cleaning.
        tables = GldV2.read(root, clean=not (root / "train.csv").is_file())
        tables = replace(tables, index=())
    labelled = LabelledPhotos(source.root, source.labels, tables, landmark_ids=True)
    if next(iter(labelled), None) is None:
        raise NothingToDoError(
            f"{root} holds no labelled photo; put photos into one folder per landmark, or give "
            "a CSV with --landmarks"
        )
    return labelled


def describe_labelled(
    source: Source,
    folder: Path,
    *,
    embedder: str = "sift-vlad",
    local_features: str = "sift",
    seed: int = 0,
    workers: int | None = None,
    progress: Progress = silent,
) -> AddReport:
    """Makes a collection of labelled photos, or adds to it what is new of them.

    Votes are left to the next `add`: cleaning has no use for them.

    Args:
        source: the photos.
        folder: the collection; made if it is not there.
        embedder: what describes the photos of a new collection.
        local_features: what finds the local features of a new collection.
        seed: of everything a new collection learns.
        workers: processes; None takes one per core.
        progress: called with stage, photos done, and their number.

    Raises:
        SteepleError: what `Collection.create` and `Collection.add` raise.
    """
    new = not is_collection(folder)
    was_there = folder.exists()
    store = (
        create_store(folder, embedder, local_features, _FEATURES, seed, index="flat")
        if new
        else LocalStore(folder)
    )
    try:
        return _add(store, source, workers, progress)
    except BaseException:
        if new:
            discard_if_empty(store, remove=not was_there)
        raise
    finally:
        store.close()


def _add(store: LocalStore, source: Source, workers: int | None, progress: Progress) -> AddReport:
    known = stored_embedder(store)
    extractor = stored_extractor(store)
    learned: dict[Path, Prepared] = {}
    with store.writing():
        if known.learned_from is None:
            seed = int(store.setting("seed"))
            known, learned = learn_from(
                known, extractor, source, workers=workers, seed=seed, progress=progress
            )
            keep_embedder(store, known)
        return add_photos(
            store, known, extractor, source, workers=workers, progress=progress, learned=learned
        )
