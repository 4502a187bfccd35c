"""Changes of images that a collection has, and the votes after them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from steeple.collection.columns import INDEX, TRAINING
from steeple.collection.intake import bring_votes_up_to_date
from steeple.collection.store import Image, LocalStore
from steeple.errors import InputError

__all__ = ["label_images", "remove_images"]


def remove_images(store: LocalStore, ids: Iterable[str]) -> int:
    """Removes images; takes the write lock.

    Returns:
        How many were removed.

    Raises:
        InputError: if one is not there; nothing is removed then.
    """
    ids = list(dict.fromkeys(ids))
    with _changing(store, ids):
        return store.delete(ids)


def label_images(store: LocalStore, landmarks: dict[str, str | None]) -> None:
    """Gives images a landmark, or takes it away (None); takes the write lock.

    Raises:
        InputError: if an image is not there or a landmark is empty; nothing is changed then.
    """
    for image, landmark in landmarks.items():
        if landmark is not None and not landmark.strip():
            raise InputError(f"the landmark of {image!r} is empty; give a name or None")
    with _changing(store, list(landmarks)) as images:
        for image, landmark in landmarks.items():
            role = images[image].role
            role = role | TRAINING if landmark is not None else INDEX
            store.label(image, landmark, role)


@contextmanager
def _changing(store: LocalStore, ids: list[str]) -> Iterator[dict[str, Image]]:
    """One change of known images under the write lock, and the votes after it."""
    with store.writing():
        with store.transaction():
            images = store.find(ids)
            unknown = [image for image in ids if image not in images]
            if unknown:
                more = f" (and {len(unknown) - 1} more)" if len(unknown) > 1 else ""
                raise InputError(
                    f"{store.folder} has no image {unknown[0]!r}{more}; nothing was changed"
                )
            yield images
        bring_votes_up_to_date(store)
