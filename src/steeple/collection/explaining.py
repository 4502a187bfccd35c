"""Why a hit was found, in numbers, in sentences and as a picture."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from steeple.collection.describing import PhotoLike, open_photo
from steeple.collection.hits import Hit, Recognition
from steeple.embedding.base import RGB
from steeple.errors import InputError, StorageError
from steeple.geometry.features import Features
from steeple.geometry.matching import Pairs
from steeple.geometry.verification import Verification, Verifier
from steeple.images import draw_matches
from steeple.images.drawing import Points

__all__ = ["Explainer", "Explanation"]

# Surprise, in nats, of 639 pairs of photos of different landmarks of the toy city (260 photos,
# seed 5; SIFT, verified upright): half of them have 6.4 or less, 90 % 14.5, 95 % 18.3.
_COMMON = 7.0
_RARE = 20.0
_LEAST_FOR_OUTLINE = 8  # inliers; an affine map has six unknowns, three matches
_FARTHEST = 3.0  # sides of the photo by which an outline may stick out of it
_FORMATS = {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG"}
_QUALITY = 90  # JPEG of a picture that is kept; thin lines suffer first

_NOT_KEPT = (
    "This collection keeps no local features, so which details match is not known; to see it, "
    "build the collection again without --no-local-features."
)
_NOT_GIVEN = (
    "The query was given as a descriptor, so which details match is not known; to see it, "
    "search with the photo itself."
)


@dataclass(frozen=True, eq=False)
class _Details:
    """What is compared and drawn: the verification, and keypoints as x and y in pixels."""

    verification: Verification
    matches: int
    points: tuple[Points, Points]

    def outlines(self, shape: tuple[int, ...]) -> tuple[Points, Points] | None:
        """The frame of what matches in the query, and the same on the hit, (4, 2) each.

        None where the geometry rests on too little, or bends the frame beyond the photo, whose
        shape is (H, W, 3).
        """
        found = self.verification
        if found.transform is None or found.inliers < _LEAST_FOR_OUTLINE or found.surprise < _RARE:
            return None
        (left, top), (right, bottom) = self.points[0].min(axis=0), self.points[0].max(axis=0)
        frame = np.array([(left, top), (right, top), (right, bottom), (left, bottom)])
        projected = np.c_[frame, np.ones(4)] @ found.transform.T
        if projected.shape[1] == 3:
            if (projected[:, 2] <= 0).any():  # behind the camera
                return None
            projected = projected[:, :2] / projected[:, 2:]
        far = _FARTHEST * max(shape[:2])
        if not ((projected > -far) & (projected < far)).all():
            return None
        return frame.astype(np.float32), projected.astype(np.float32)


@dataclass(frozen=True, eq=False)
class Explanation:
    """Why one image was found. ``str()`` says it in sentences, `picture` shows it.

    Args:
        id: the image that was found.
        similarity: cosine of both descriptors; 1 for the same picture.
        query: what the query shows, by its vote.
        landmark: what the image shows: the given landmark or else the voted one, or None.
        probability: how likely that landmark is right, 0..1; 1 if it was given.
        origin: ``retrieved``, ``sorted`` or ``inserted``.
        rank: its place before re-ranking, from 0; None if it was not in the list.
        missing: why nothing was verified, and the way out; None where it was.
    """

    id: str
    similarity: float
    query: Recognition
    landmark: str | None
    probability: float
    origin: str
    rank: int | None
    missing: str | None = None
    _details: _Details | None = field(default=None, repr=False)
    _photos: Callable[[], tuple[RGB, RGB]] | None = field(default=None, repr=False)

    @property
    def verification(self) -> Verification | None:
        """How the local features of the query (a) and of the image (b) fit together."""
        return self._details.verification if self._details else None

    @property
    def inliers(self) -> int | None:
        """How many details of both photos agree on one geometry; None if that is not known."""
        return self._details.verification.inliers if self._details else None

    @property
    def matches(self) -> int | None:
        """How many pairs of details were compared; None likewise."""
        return self._details.matches if self._details else None

    @property
    def surprise(self) -> float | None:
        """How unlikely so many inliers are by chance, in nats; None likewise."""
        return self._details.verification.surprise if self._details else None

    @property
    def geometry(self) -> str:
        """What matches, as one sentence."""
        if self._details is None:
            return self.missing or _NOT_KEPT
        found, matches = self._details.verification, self._details.matches
        if not found.inliers:
            return "No detail of one photo is found in the other."
        agree = "agrees" if found.inliers == 1 else "agree"
        details = "detail" if matches == 1 else "details"
        if found.surprise >= _RARE:
            means = "far more than photos of different places usually have"
        elif found.surprise >= _COMMON:
            means = "more than most photos of different places have"
        else:
            means = "no more than photos of different places often have"
        return f"{found.inliers} of {matches} matching {details} {agree} on one geometry, {means}."

    def sentences(self) -> tuple[str, ...]:
        """All there is to say, for people without training."""
        return (
            f"Looks alike: {self.similarity:.2f}, where 1 is the same picture.",
            self.geometry,
            self._query_sentence(),
            self._landmark_sentence(),
            self._place_sentence(),
        )

    def __str__(self) -> str:
        return " ".join(self.sentences())

    def to_dict(self) -> dict[str, Any]:
        """The same as plain dictionaries and lists, ready for JSON."""
        found = self.verification
        transform = None if found is None or found.transform is None else found.transform.tolist()
        return {
            "similarity": self.similarity,
            "inliers": self.inliers,
            "matches": self.matches,
            "surprise": self.surprise,
            "transform": transform,
            "text": list(self.sentences()),
        }

    def picture(self, *, side: int = 1280) -> RGB:
        """Both photos in one picture: the query first, with lines between the inliers.

        Where the geometry is sound, a white frame around what matches is drawn in both. Where
        nothing matches, or nothing was verified, it is the photos alone.

        Args:
            side: width in pixels at most; the height is at most 5/8 of it.

        Returns:
            (h, w, 3) uint8 RGB.

        Raises:
            ImageError: if one of the photos can no longer be read.
            InputError: if the query was given without its photo, or `side` is less than 64.
        """
        if self._photos is None:
            raise InputError(
                f"there is no picture of {self.id!r} and the query, which was given as a "
                "descriptor; search with the photo itself"
            )
        photos = self._photos()
        if self._details is None:
            nothing = np.zeros((0, 2), dtype=np.float32)
            return draw_matches(photos, (nothing, nothing), side=side)
        outlines = self._details.outlines(photos[1].shape)
        return draw_matches(photos, self._details.points, outlines=outlines, side=side)

    def save(self, path: Path | str, *, side: int = 1280) -> Path:
        """Writes the picture as JPEG or PNG, by the suffix of the path.

        Raises:
            ImageError: if one of the photos can no longer be read.
            InputError: if the suffix is another, or there is no picture.
            StorageError: if the file cannot be written.
        """
        path = Path(path)
        kind = _FORMATS.get(path.suffix.lower())
        if kind is None:
            raise InputError(
                f"{path}: a picture is written as {' or '.join(_FORMATS)}; choose one of these"
            )
        from PIL import Image

        stream = io.BytesIO()
        Image.fromarray(self.picture(side=side)).save(stream, kind, quality=_QUALITY)
        try:
            path.write_bytes(stream.getvalue())
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise StorageError(
                f"{path}: the picture cannot be written ({reason}); choose another place"
            ) from error
        return path

    def _query_sentence(self) -> str:
        sure = f"{100 * self.query.confidence:.0f} %"
        if self.query.landmark is not None:
            shown = f"that the query shows {self.query.landmark} ({sure})"
            return f"The nearest labelled photos say {shown}."
        if self.query.confidence > 0:
            return f"The query shows no known landmark; the best guess is too unlikely ({sure})."
        return "The query shows no known landmark; no labelled photo is there to tell."

    def _landmark_sentence(self) -> str:
        if self.landmark is None:
            return "What this photo shows is not known."
        if self.probability >= 1:
            return f"This photo is labelled {self.landmark}."
        sure = f"{100 * self.probability:.0f} %"
        return f"This photo has no label; those nearest to it say {self.landmark} ({sure})."

    def _place_sentence(self) -> str:
        if self.rank is None or self.origin == "inserted":
            return "By likeness alone it would not have been found; re-ranking put it in."
        place = f"By likeness alone it is number {self.rank + 1}"
        return f"{place}; re-ranking moved it ahead." if self.origin == "sorted" else f"{place}."


@dataclass(frozen=True, eq=False)
class Explainer:
    """Explains the hits of one query. Nothing is read or computed before it is called.

    Args:
        photo: the query's photo; None if it was given as a descriptor.
        features: the query's local features; None where the collection keeps none, or without a
            photo.
        stored: the local features of the collection's images, by the number that `of` gets; None
            where it keeps none.
        query: what the query shows.
        max_side: long side, in pixels, at which photos were looked at for local features.
        verifier: how features are compared; as in the search, so that both say the same.
    """

    photo: PhotoLike | None
    features: Features | None
    stored: Callable[[int], Features] | None
    query: Recognition
    max_side: int = 640
    verifier: Verifier = field(default_factory=Verifier)

    def of(self, number: int) -> Callable[[Hit], Explanation]:
        """What a hit carries: explains the hit that is image `number` of the collection."""
        return lambda hit: self(number, hit)

    def __call__(self, number: int, hit: Hit) -> Explanation:
        """Explains one hit.

        Args:
            number: the image, as `stored` counts them.
            hit: the same image as it was found.

        Raises:
            InputError: if the query's features are of another kind than the collection's.
        """
        details = None
        missing: str | None = None
        if self.stored is None:
            missing = _NOT_KEPT
        elif self.features is None:
            missing = _NOT_GIVEN
        else:
            details = self._compare(self.features, self.stored(number))
        return Explanation(
            id=hit.id,
            similarity=hit.score,
            query=self.query,
            landmark=hit.landmark,
            probability=hit.probability,
            origin=hit.origin,
            rank=hit.rank,
            missing=missing,
            _details=details,
            _photos=None if self.photo is None else self._photos(self.photo, hit.path),
        )

    def _photos(self, query: PhotoLike, found: str) -> Callable[[], tuple[RGB, RGB]]:
        # At the size at which they were looked at for local features, so that keypoints fit.
        return lambda: (open_photo(query, self.max_side), open_photo(found, self.max_side))

    def _compare(self, a: Features, b: Features) -> _Details:
        tried: list[Pairs] = []

        def matcher(a: Features, b: Features) -> Pairs:  # counts, so that nothing is matched twice
            tried.append(self.verifier.matcher(a, b))
            return tried[0]

        found = replace(self.verifier, matcher=matcher)(a, b)
        points = (
            a.keypoints[found.matches[:, 0], :2],
            b.keypoints[found.matches[:, 1], :2],
        )
        return _Details(found, len(tried[0]), points)
