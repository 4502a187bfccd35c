"""Verifying the pairs of some images until the rule has decided about each: a worker's part.

An image is decided as soon as enough of its pairs count, or as soon as the pairs it has left can no
longer be enough; the decision is the same as if all had been verified. A pair is verified once, and
counts for both of its images if each has the other on its list.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from steeple.cleaning.rule import Rule
from steeple.geometry.batch import FeatureSource
from steeple.geometry.features import Features
from steeple.geometry.verification import Verification, Verifier
from steeple.retrieval.types import PAD, Ids

__all__ = ["Checked", "Lists", "check"]

_KEPT = 256  # images kept ready: 128 MiB of 1000 RootSIFT features each


@dataclass(frozen=True)
class Lists:
    """Images and whom each is to be verified with.

    Args:
        images: (n,) int64, numbers of images, all different.
        others: (n, m) int64, numbers of images, the most promising first; -1 pads.
        named: (u,) int64, ascending: the numbers of all these images.
        features: the local features of `named`, by place.
    """

    images: Ids
    others: Ids
    named: Ids
    features: FeatureSource


@dataclass(frozen=True)
class Checked:
    """What is known of the pairs of n images.

    Args:
        listed: (n,) int32, pairs there are.
        asked: (n,) int32, pairs verified for this image first; their sum is the work done.
        tried: (n,) int32, pairs verified, for whichever image.
        counted: (n,) int32, pairs that count.
        partner: (n,) int64, the image whose pair is the most surprising; -1 if none was verified.
        inliers: (n,) int32, of that pair.
        surprise: (n,) float32, nats, of that pair.
    """

    listed: npt.NDArray[np.int32]
    asked: npt.NDArray[np.int32]
    tried: npt.NDArray[np.int32]
    counted: npt.NDArray[np.int32]
    partner: Ids
    inliers: npt.NDArray[np.int32]
    surprise: npt.NDArray[np.float32]

    @classmethod
    def nothing(cls, count: int) -> Checked:
        """Before anything is known of so many images."""
        return cls(
            listed=np.zeros(count, dtype=np.int32),
            asked=np.zeros(count, dtype=np.int32),
            tried=np.zeros(count, dtype=np.int32),
            counted=np.zeros(count, dtype=np.int32),
            partner=np.full(count, PAD, dtype=np.int64),
            inliers=np.zeros(count, dtype=np.int32),
            surprise=np.zeros(count, dtype=np.float32),
        )

    def put(self, places: Ids, part: Checked) -> None:
        """Writes what is known of some of the images, in place."""
        for field in fields(self):
            getattr(self, field.name)[places] = getattr(part, field.name)


def check(lists: Lists, rule: Rule, verifier: Verifier, *, everything: bool = False) -> Checked:
    """Verifies pairs, image by image and from the front of each list.

    Args:
        lists: the pairs.
        rule: what counts, and how many pairs decide.
        verifier: how.
        everything: whether to go on when an image is decided.
    """

    @lru_cache(maxsize=_KEPT)
    def ready(image: int) -> Features:
        return lists.features[int(np.searchsorted(lists.named, image))].ready()

    others = [[other for other in row if other != PAD] for row in lists.others.tolist()]
    places = {image: place for place, image in enumerate(lists.images.tolist())}
    on_list = [frozenset(row) for row in others]
    found = Checked.nothing(len(others))
    found.listed[:] = [len(row) for row in others]
    done: set[tuple[int, int]] = set()
    for place, image in enumerate(lists.images.tolist()):
        for other in others[place]:
            if not everything and _decided(found, place, rule):
                break
            # In this order whoever asks, so that the answer does not depend on who asks first.
            pair = (min(image, other), max(image, other))
            if pair in done:
                continue
            done.add(pair)
            found.asked[place] += 1
            result = verifier(ready(pair[0]), ready(pair[1]))
            _note(found, place, other, result, rule)
            there = places.get(other)
            if there is not None and image in on_list[there]:
                _note(found, there, image, result, rule)
    return found


def _decided(found: Checked, place: int, rule: Rule) -> bool:
    left = found.listed[place] - found.tried[place]
    counted = found.counted[place]
    return bool(counted >= rule.pairs or counted + left < rule.pairs)


def _note(found: Checked, place: int, other: int, result: Verification, rule: Rule) -> None:
    found.tried[place] += 1
    found.counted[place] += rule.counts(result)
    if found.partner[place] == PAD or result.surprise > found.surprise[place]:
        found.partner[place] = other
        found.inliers[place] = result.inliers
        found.surprise[place] = result.surprise
