"""A photo collection: the one class most programs need."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from steeple.collection.adding import AddReport
from steeple.collection.answers import Question, answer, name_photos
from steeple.collection.approximate import About
from steeple.collection.caches import rebuild_index, refresh_caches
from steeple.collection.changing import label_images, remove_images
from steeple.collection.creating import create_store, discard_if_empty
from steeple.collection.describing import PhotoLike, describe_photos
from steeple.collection.hits import Hits, Recognition
from steeple.collection.indexing import AUTO, MEMORY, is_worn, put_memory, refuse_nothing
from steeple.collection.intake import take_in
from steeple.collection.naming import flag_distractors, name_files
from steeple.collection.opened import OpenCollection
from steeple.collection.quality import SearchQuality, measure_search
from steeple.collection.sources import list_photos, read_source
from steeple.collection.statistics import describe
from steeple.collection.view import View
from steeple.embedding.pipeline import Described
from steeple.errors import InputError
from steeple.progress import Progress, silent
from steeple.retrieval.neighbors import as_descriptors
from steeple.retrieval.reranking import create_reranker
from steeple.retrieval.types import Floats

__all__ = ["Collection"]


class Collection(OpenCollection):
    """Photos, their descriptors, their labels and their votes, in one folder.

    Made by `create` or `open`; usable as a context manager.

        with Collection.create("places") as places:
            places.add("photos/")
            hits = places.search("query.jpg")
            print(hits.landmark, hits.confidence, hits[0].id)
    """

    @classmethod
    def create(
        cls,
        folder: Path | str,
        *,
        embedder: str = "sift-vlad",
        local_features: str | None = "sift",
        features_per_photo: int = 1000,
        index: str = AUTO,
        memory: int = MEMORY,
        seed: int = 0,
    ) -> Collection:
        """Makes an empty collection.

        Args:
            folder: where; must not exist or be empty.
            embedder: what describes its photos, as `steeple.embedding.create_embedder` reads it.
            local_features: what finds their local features, by name or as the folder of a model,
                which is copied; None keeps none, and nothing can be verified then.
            features_per_photo: how many local features of a photo are kept, 1 to 1000.
            index: how it is searched: ``flat`` exactly, the name of a FAISS factory approximately,
                ``auto`` by the number of images.
            memory: bytes that an approximate index may take.
            seed: of everything the collection learns.

        Raises:
            CollectionError: if something is there already.
            InputError: if no embedder, no extractor or no index has this name.
            MachineError: if the extractor needs an extra, or weights, that are not there.
            StorageError: if it cannot be written.
        """
        store = create_store(
            Path(folder),
            embedder,
            local_features,
            features_per_photo,
            seed,
            index=index,
            memory=memory,
        )
        return cls(store)

    @classmethod
    def build(
        cls,
        source: Path | str,
        folder: Path | str,
        landmarks: Path | str | None = None,
        *,
        embedder: str = "sift-vlad",
        local_features: str | None = "sift",
        features_per_photo: int = 1000,
        index: str = AUTO,
        memory: int = MEMORY,
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
            local_features: as for `create`.
            features_per_photo: as for `create`.
            index: as for `create`.
            memory: as for `create`.
            seed: as for `create`.
            **options: the other arguments of `add`.

        Raises:
            SteepleError: what `create` and `add` raise.
        """
        was_there = Path(folder).exists()
        places = cls.create(
            folder,
            embedder=embedder,
            local_features=local_features,
            features_per_photo=features_per_photo,
            index=index,
            memory=memory,
            seed=seed,
        )
        try:
            return places, places.add(source, landmarks, **options)
        except BaseException:
            discard_if_empty(places._store, remove=not was_there)
            raise

    def add(
        self,
        source: Path | str,
        landmarks: Path | str | None = None,
        *,
        skip_missing: bool = False,
        landmark_ids: bool = False,
        prefix: str = "",
        memory: int | None = None,
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
            memory: bytes that an approximate index may take; None leaves what was wanted before.
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
            if memory is not None:
                put_memory(self._store, memory)
            report, self._embedder = take_in(
                self._store,
                self.embedder,
                self.extractor,
                photos,
                workers=workers,
                progress=progress,
            )
        return report

    def remove(self, ids: Iterable[str], *, progress: Progress = silent) -> int:
        """Removes images and lets the others vote anew where they have to.

        The approximate index is built again once a quarter of what it holds has gone.

        Args:
            ids: the images; all of them must be there.
            progress: called with stage, images done, and their number, while it is.

        Returns:
            How many were removed.

        Raises:
            InputError: if one is not there; nothing is removed then.
            CollectionError: if another process is writing.
            StorageError: if the disk is full; what was removed stays so.
        """
        removed = remove_images(self._store, ids)
        if is_worn(self._store):
            with self._store.writing():
                since = int(self._store.setting("generation"))
                refresh_caches(self._store, since=since, progress=progress)
        return removed

    def label(self, landmarks: dict[str, str | None]) -> None:
        """Gives images a landmark, or takes it away (None), and refreshes the votes.

        A labelled image votes from then on; one without a landmark is only found.

        Args:
            landmarks: id -> landmark or None.

        Raises:
            InputError: if an image is not there or a landmark is empty; nothing is changed then.
        """
        label_images(self._store, landmarks)

    def build_index(
        self,
        kind: str | None = None,
        *,
        memory: int | None = None,
        progress: Progress = silent,
    ) -> About | None:
        """Builds the approximate index now; `add` does so by itself when it is time.

        Args:
            kind: ``auto``, ``flat`` (exact search, no index) or the name of a FAISS factory, which
                is what is wanted from now on; None leaves what was wanted before.
            memory: bytes that it may take; None leaves what was wanted before.
            progress: called with stage, images done, and their number.

        Returns:
            What was built; None if everything is searched exactly.

        Raises:
            InputError: if FAISS cannot make such an index of these images; the old one stays.
            CollectionError: if another process is writing.
            StorageError: if the disk is full; the old one stays.
        """
        with self._store.writing():
            built = rebuild_index(self._store, kind, memory, progress)
        return None if built is None else built.about

    def measure_search(self, queries: int = 100) -> SearchQuality:
        """Measures what the approximate index finds of what exact search does, and how fast.

        Both the search for neighbours and the whole of `search_descriptors` are timed.

        Args:
            queries: how many are drawn, from the collection itself; see `sampling`.

        Raises:
            InputError: if it has no images to be found.
        """
        with self.view() as view:
            refuse_nothing(self.folder, len(view))
            return measure_search(
                view, queries, seed=int(self._store.setting("seed")) + 1, ask=self._ask
            )

    def search(
        self,
        query: PhotoLike,
        k: int = 100,
        *,
        rerank: str = "default",
        exact: bool = False,
        progress: Progress = silent,
    ) -> Hits:
        """Finds the images that show what a photo shows.

        Args:
            query: a photo: its path, its file's bytes, or (H, W, 3) uint8 RGB.
            k: how many images to find.
            rerank: ``default``, ``knn`` or another re-ranker, or several joined by commas.
            exact: search exactly, even if there is an approximate index.
            progress: told what re-rankers compute for the whole index: stage, images done, and
                their number.

        Raises:
            ImageError: if the photo cannot be read.
            InputError: if the collection is empty or no re-ranker has this name.
        """
        described = self.describe([query])
        side = self.extractor.max_side if self.extractor else self.embedder.max_side
        asked = Question(described.descriptors, described.features, [query], side)
        with self.view(exact=exact) as view:
            chain = create_reranker(rerank)
            return answer(self._store, view, asked, k, chain, told=progress)[0]

    def recognize(
        self,
        photos: Iterable[Path | str],
        *,
        distractors: int | None = None,
        workers: int | None = None,
        progress: Progress = silent,
    ) -> tuple[list[tuple[Path, Recognition]], list[tuple[Path, str]]]:
        """Names the landmarks that photos show; the nearest training images are found exactly.

        Args:
            photos: photos, or folders of photos.
            distractors: flag landmarks that are named for more photos than this; 30 in the paper.
            workers: processes that decode and describe; None takes one per core.
            progress: called with stage, photos done, and their number.

        Returns:
            The recognitions by photo, and the photos that cannot be read with the reason.

        Raises:
            InputError: if a path does not exist or the collection is empty.
            NothingToDoError: if there is no photo.
        """
        paths = list_photos(Path(photo) for photo in photos)
        told = partial(progress, "match")

        def name(described: Described) -> list[Recognition]:
            asked = Question(described.descriptors, described.features)
            with self.view(exact=True) as view:  # a batch of photos takes little longer
                return name_photos(self._store, view, asked, workers=workers, progress=told)

        answers, failed = name_files(
            paths, name, self._fitted(), self.extractor, workers=workers, progress=progress
        )
        return answers if distractors is None else flag_distractors(answers, distractors), failed

    def search_descriptors(
        self, queries: Floats, k: int = 100, *, rerank: str = "default", exact: bool = False
    ) -> list[Hits]:
        """The same for queries that are embedded already: (Q, D) float32 to Q answers.

        Without photos there are no local features, so nothing is verified.

        Raises:
            InputError: if the shape does not fit, no re-ranker has this name, or it verifies.
        """
        queries = as_descriptors(queries, "queries")
        if queries.shape[1] != self._store.segments.dimension:
            raise InputError(
                f"queries have {queries.shape[1]} dimensions, "
                f"this collection {self._store.segments.dimension}"
            )
        with self.view(exact=exact) as view:
            return self._ask(view, queries, k, rerank)

    def _ask(self, view: View, queries: Floats, k: int, rerank: str = "default") -> list[Hits]:
        return answer(self._store, view, Question(queries), k, create_reranker(rerank))

    def embed(self, photos: Sequence[PhotoLike]) -> Floats:
        """Describes photos as this collection does: (n, D) float32, L2-normalised.

        Raises what `describe` raises.
        """
        return describe_photos(photos, self._fitted(), None).descriptors

    def describe(self, photos: Sequence[PhotoLike]) -> Described:
        """The same, and their local features if the collection keeps them.

        Raises:
            ImageError: if one cannot be read.
            InputError: if the collection has no photo yet, so its embedder has learned nothing.
        """
        return describe_photos(photos, self._fitted(), self.extractor)

    def statistics(self) -> dict[str, Any]:
        """Numbers about the collection: images by role, landmarks, bytes, calibration."""
        with self.view() as view:
            return describe(self._store, view, self.embedder)
