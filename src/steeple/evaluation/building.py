"""The collection that an evaluation asks: the images of the data set, and no others."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from steeple.collection import Collection
from steeple.collection.adding import AddReport
from steeple.collection.creating import discard_if_empty
from steeple.collection.embedders import stored_embedder, stored_extractor
from steeple.collection.intake import take_in
from steeple.collection.sources import Photo, Source
from steeple.collection.store import Image, LocalStore
from steeple.errors import CollectionError, NothingToDoError
from steeple.progress import Progress

__all__ = ["Recipe", "build", "keeps_features"]

_TOGETHER = 4096  # photos looked up at a time


@dataclass(frozen=True)
class Recipe:
    """How a new collection is made.

    Args:
        embedder: what describes its photos.
        local_features: what finds their local features; None keeps none.
        seed: of what it learns.
    """

    embedder: str = "sift-vlad"
    local_features: str | None = "sift"
    seed: int = 0


def build(
    source: Source,
    folder: Path,
    recipe: Recipe,
    *,
    workers: int | None,
    progress: Progress,
) -> AddReport:
    """Makes a collection of a data set, or completes one that an earlier evaluation has begun.

    Args:
        source: the photos.
        folder: where the collection is, or goes.
        recipe: how a new one is made; one that is there stays what it is.
        workers: processes; None takes one per core.
        progress: called with stage, photos done, and their number.

    Raises:
        NothingToDoError: if the data set names no photo.
        CollectionError: if the folder holds something else, or a collection of other images.
        SteepleError: what `Collection.create` and `Collection.add` raise.
    """
    if next(iter(source), None) is None:
        raise NothingToDoError(f"{source.root} names no photo to search; give a whole data set")
    was_there, new = folder.exists(), _is_new(folder)
    if new:
        Collection.create(
            folder,
            embedder=recipe.embedder,
            local_features=recipe.local_features,
            seed=recipe.seed,
        ).close()
    store = LocalStore(folder)
    try:
        with store.writing():
            _refuse_others(store, source)
            report, _ = take_in(
                store,
                stored_embedder(store),
                stored_extractor(store),
                source,
                workers=workers,
                progress=progress,
            )
    except BaseException:
        if new:
            discard_if_empty(store, remove=not was_there)
        raise
    finally:
        store.close()
    return report


def keeps_features(folder: Path, recipe: Recipe) -> bool:
    """Whether the collection that `build` makes or completes keeps local features.

    Args:
        folder: where the collection is, or goes.
        recipe: how a new one is made.

    Raises:
        CollectionError: if the folder holds something else.
    """
    if _is_new(folder):
        return recipe.local_features is not None
    with closing(LocalStore(folder)) as store:
        return store.setting("local_features") is not None


def _is_new(folder: Path) -> bool:
    return not (folder.is_dir() and any(folder.iterdir()))


def _refuse_others(store: LocalStore, source: Source) -> None:
    """Figures of a data set are those of its own images; one more, and they are of another."""
    if not len(store):
        return
    ours = sum(
        1
        for photos in _in_parts(source)
        for photo, image in _known(store, photos)
        if _fits(photo, image)
    )
    others = len(store) - ours
    if others:
        roles = {photo.id: photo for photo in source}
        odd = next(
            image.id
            for image in store
            if image.id not in roles or not _fits(roles[image.id], image)
        )
        raise CollectionError(
            f"{store.folder} is a collection of other images, {others:,} of which {source.root} "
            f"does not have in this role, such as {odd!r}; give another place with --collection"
        )


def _known(store: LocalStore, photos: list[Photo]) -> Iterator[tuple[Photo, Image]]:
    known = store.find([photo.id for photo in photos])
    yield from ((photo, known[photo.id]) for photo in photos if photo.id in known)


def _fits(photo: Photo, image: Image) -> bool:
    return not image.role & ~photo.role


def _in_parts(source: Source) -> Iterator[list[Photo]]:
    photos = iter(source)
    while part := list(islice(photos, _TOGETHER)):
        yield part
