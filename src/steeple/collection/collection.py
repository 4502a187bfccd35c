"""A photo collection: the one class most programs need."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from steeple.collection.adding import AddReport
from steeple.collection.answers import answer, name_photos
from steeple.collection.cohort import Cohort
from steeple.collection.columns import INDEX, TRAINING
from steeple.collection.embedders import stored_embedder
from steeple.collection.hits import Hits, Recognition
from steeple.collection.intake import bring_votes_up_to_date, take_in
from steeple.collection.sources import list_photos, read_source
from steeple.collection.statistics import describe
from steeple.collection.store import Image, LocalStore, discard_if_empty
from steeple.collection.view import View
from steeple.collection.voters import VOTERS
from steeple.collection.votes import stored_calibration
from steeple.embedding.base import RGB, Embedder, create_embedder
from steeple.embedding.pipeline import embed_files
from steeple.errors import InputError
from steeple.images import read_image, resize
from steeple.progress import Progress, silent
from steeple.retrieval.neighbors import as_descriptors
from steeple.retrieval.reranking import create_reranker
from steeple.retrieval.types import Floats

__all__ = ["Collection"]

_TOGETHER = 4096  # photos recognized at a time, which bounds memory


class Collection:
    """Photos, their descriptors, their labels and their votes, in one folder.

    Made by `create` or `open`; usable as a context manager.

        with Collection.create("places") as places:
            places.add("photos/")
            hits = places.search("query.jpg")
            print(hits.landmark, hits.confidence, hits[0].id)
    """

    def __init__(self, store: LocalStore) -> None:
        self._store = store
        self._embedder: Embedder | None = None
        self._view: View | None = None

    @classmethod
    def create(
        cls, folder: Path | str, *, embedder: str = "sift-vlad", seed: int = 0
    ) -> Collection:
        """Makes an empty collection.

        Args:
            folder: where; must not exist or be empty.
            embedder: what describes its photos.
            seed: of everything the collection learns.

        Raises:
            CollectionError: if something is there already.
            InputError: if no embedder has this name.
            StorageError: if it cannot be written.
        """
        settings = {
            "embedder": embedder,
            "dimension": create_embedder(embedder).dimension,
            "seed": seed,
            "vote_neighbours": VOTERS,
        }
        return cls(LocalStore.create(Path(folder), settings))

    @classmethod
    def build(
        cls,
        source: Path | str,
        folder: Path | str,
        landmarks: Path | str | None = None,
        *,
        embedder: str = "sift-vlad",
        seed: int = 0,
        **options: Any,
    ) -> tuple[Collection, AddReport]:
        """Makes a collection of the photos of a source: `create`, then `add`.

        Where there is nothing to make it of, no empty folder is left behind.

        Args:
            source: as for `add`.
            folder: as for `create`.
            landmarks: as for `add`.
            embedder: as for `create`.
            seed: as for `create`.
            **options: the other arguments of `add`.

        Raises:
            SteepleError: what `create` and `add` raise.
        """
        was_there = Path(folder).exists()
        places = cls.create(folder, embedder=embedder, seed=seed)
        try:
            return places, places.add(source, landmarks, **options)
        except BaseException:
            discard_if_empty(places._store, remove=not was_there)
            raise

    @classmethod
    def open(cls, folder: Path | str) -> Collection:
        """Opens an existing collection; takes the same time whatever its size.

        Raises:
            CollectionError: if it is no collection, or one of another format.
        """
        return cls(LocalStore(Path(folder)))

    def close(self) -> None:
        """Lets go of the collection's files."""
        self._store.close()

    def __enter__(self) -> Collection:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __len__(self) -> int:
        """How many images the collection has."""
        return len(self._store)

    def __iter__(self) -> Iterator[Image]:
        """Every image, without loading them all."""
        return iter(self._store)

    def __contains__(self, image: object) -> bool:
        """Whether the collection has an image of this id."""
        return isinstance(image, str) and image in self._store.find([image])

    def __getitem__(self, image: str) -> Image:
        """The image of an id.

        Raises:
            InputError: if there is none.
        """
        found = self._store.find([image]).get(image)
        if found is None:
            raise InputError(f"{self.folder} has no image {image!r}")
        return found

    @property
    def folder(self) -> Path:
        """Where the collection lies."""
        return self._store.folder

    @property
    def embedder(self) -> Embedder:
        """What describes its photos, as far as it has learned."""
        if self._embedder is None or self._embedder.learned_from is None:
            self._embedder = stored_embedder(self._store)
        return self._embedder

    def add(
        self,
        source: Path | str,
        landmarks: Path | str | None = None,
        *,
        skip_missing: bool = False,
        landmark_ids: bool = False,
        prefix: str = "",
        workers: int | None = None,
        progress: Progress = silent,
    ) -> AddReport:
        """Adds photos; what is there already stays as it is.

        Photos are committed in batches, so an interruption costs the last one only; calling it
        again goes on. Photos that cannot be read are left out and reported.

        Args:
            source: a folder (see `read_source` for how it is read) or one photo.
            landmarks: a CSV of ``id,landmark`` or ``path,landmark``; without one, subfolders name
                landmarks.
            skip_missing: leave out labels of photos that are not there instead of refusing them.
            landmark_ids: in a GLD-v2 folder, use the numbers of landmarks instead of their names.
            prefix: put before every id.
            workers: processes that decode and describe; None takes one per core.
            progress: called with stage, photos done, and their number.

        Raises:
            InputError: if the source does not exist or nothing in it can be learned from.
            LabelError: if the labels are malformed or contradict the photos.
            NothingToDoError: if the source holds no photo.
            CollectionError: if another process is writing.
            StorageError: if the disk is full; what was committed stays.
        """
        photos = read_source(
            Path(source),
            landmarks,
            skip_missing=skip_missing,
            landmark_ids=landmark_ids,
            prefix=prefix,
        )
        with self._store.writing():
            report, self._embedder = take_in(
                self._store, self.embedder, photos, workers=workers, progress=progress
            )
        return report

    def remove(self, ids: Iterable[str]) -> int:
        """Removes images and lets the others vote anew where they have to.

        Args:
            ids: the images; all of them must be there.

        Returns:
            How many were removed.

        Raises:
            InputError: if one is not there; nothing is removed then.
        """
        ids = list(dict.fromkeys(ids))
        with self._changing(ids):
            return self._store.delete(ids)

    def label(self, landmarks: dict[str, str | None]) -> None:
        """Gives images a landmark, or takes it away (None), and refreshes the votes.

        A labelled image votes from then on; one without a landmark is only found.

        Args:
            landmarks: id -> landmark or None.

        Raises:
            InputError: if an image is not there or a landmark is empty; nothing is changed then.
        """
        for image, landmark in landmarks.items():
            if landmark is not None and not landmark.strip():
                raise InputError(f"the landmark of {image!r} is empty; give a name or None")
        with self._changing(list(landmarks)) as images:
            for image, landmark in landmarks.items():
                role = images[image].role
                role = role | TRAINING if landmark is not None else INDEX
                self._store.label(image, landmark, role)

    def search(
        self, query: Path | str | bytes | RGB, k: int = 100, *, rerank: str = "default"
    ) -> Hits:
        """Finds the images that show what a photo shows.

        Args:
            query: a photo: its path, its file's bytes, or (H, W, 3) uint8 RGB.
            k: how many images to find.
            rerank: ``default``, ``knn`` or another re-ranker, or several joined by commas.

        Raises:
            ImageError: if the photo cannot be read.
            InputError: if the collection is empty or no re-ranker has this name.
        """
        return self.search_descriptors(self.embed([query]), k, rerank=rerank)[0]

    def recognize(
        self,
        photos: Iterable[Path | str],
        *,
        workers: int | None = None,
        progress: Progress = silent,
    ) -> tuple[list[tuple[Path, Recognition]], list[tuple[Path, str]]]:
        """Names the landmarks that photos show.

        Args:
            photos: photos, or folders of photos.
            workers: processes that decode and describe; None takes one per core.
            progress: called with stage, photos done, and their number.

        Returns:
            The recognitions by photo, and the photos that cannot be read with the reason.

        Raises:
            InputError: if a path does not exist or the collection is empty.
            NothingToDoError: if there is no photo.
        """
        paths = list_photos(Path(photo) for photo in photos)
        answers: list[tuple[Path, Recognition]] = []
        failed: dict[Path, str] = {}
        for start in range(0, len(paths), _TOGETHER):
            some = paths[start : start + _TOGETHER]
            descriptors, errors = embed_files(
                some,
                self._fitted(),
                workers=workers,
                progress=lambda done, _, before=start: progress(  # type: ignore[misc]
                    "queries", before + done, len(paths)
                ),
            )
            failed.update((path, str(error)) for path, error in errors)
            with self.view() as view:
                named = name_photos(self._store, view, descriptors)
            answers += [(p, n) for p, n in zip(some, named, strict=True) if p not in failed]
        return answers, list(failed.items())

    def search_descriptors(
        self, queries: Floats, k: int = 100, *, rerank: str = "default"
    ) -> list[Hits]:
        """The same for queries that are embedded already: (Q, D) float32 to Q answers.

        Raises:
            InputError: if the shape does not fit or no re-ranker has this name.
        """
        queries = as_descriptors(queries, "queries")
        if queries.shape[1] != self._store.segments.dimension:
            raise InputError(
                f"queries have {queries.shape[1]} dimensions, "
                f"this collection {self._store.segments.dimension}"
            )
        reranker = create_reranker(rerank)
        with self.view() as view:
            return answer(self._store, view, queries, k, reranker)

    def embed(self, photos: Sequence[Path | str | bytes | RGB]) -> Floats:
        """Describes photos as this collection does: (n, D) float32, L2-normalised.

        Raises:
            ImageError: if one cannot be read.
            InputError: if the collection has no photo yet, so its embedder has learned nothing.
        """
        embedder = self._fitted()
        images = (_image(photo, embedder.max_side) for photo in photos)
        return embedder.encode([embedder.prepare(image) for image in images])

    @contextmanager
    def view(self) -> Iterator[View]:
        """One consistent view of the collection; see `View`."""
        with self._store.snapshot() as columns:
            if self._view is None or self._view.columns is not columns:
                self._view = View(
                    columns,
                    self._store.segments,
                    stored_calibration(self._store),
                    Cohort.stored(self._store).descriptors(self._store),
                    self._store.setting("vote_neighbours"),
                )
            yield self._view

    def index_ids(self) -> list[str]:
        """The ids of the index images, in the order that rankings of a `view` count them."""
        return self._store.index_ids()

    def landmark_names(self, numbers: Iterable[int]) -> dict[int, str]:
        """The names of landmarks by the numbers that votes carry."""
        return self._store.landmark_names(numbers)

    def statistics(self) -> dict[str, Any]:
        """Numbers about the collection: images by role, landmarks, bytes, calibration."""
        with self.view() as view:
            return describe(self._store, view, self.embedder)

    @contextmanager
    def _changing(self, ids: list[str]) -> Iterator[dict[str, Image]]:
        """One change of known images under the write lock, and the votes after it."""
        with self._store.writing():
            with self._store.transaction():
                images = self._store.find(ids)
                unknown = [image for image in ids if image not in images]
                if unknown:
                    more = f" (and {len(unknown) - 1} more)" if len(unknown) > 1 else ""
                    raise InputError(
                        f"{self.folder} has no image {unknown[0]!r}{more}; nothing was changed"
                    )
                yield images
            bring_votes_up_to_date(self._store)

    def _fitted(self) -> Embedder:
        if self.embedder.learned_from is None:
            raise InputError(
                f"{self.folder} is empty; add photos with: steeple add {self.folder} PHOTOS"
            )
        return self.embedder


def _image(photo: Path | str | bytes | RGB, max_side: int) -> RGB:
    """A photo, however it was given, as it is to be embedded."""
    if not isinstance(photo, np.ndarray):
        return read_image(photo, max_side=max_side)
    if photo.dtype != np.uint8 or photo.ndim != 3 or photo.shape[2] != 3 or not photo.size:
        raise InputError(
            f"an image array must be (height, width, 3) uint8 RGB, not {photo.shape} {photo.dtype}"
        )
    return resize(photo, max_side)
