"""Attention learned from landmarks: what helps to tell them apart is what counts.

The network stays as it is. The features of a photo are added up, each times its attention, and the
sum has to say which landmark it is (section 3.2 of the paper); no box, no pair is ever labelled.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from steeple.errors import ImageError, InputError
from steeple.geometry.delf.attention import attend, new_attention
from steeple.images import read_image
from steeple.networks.backbone import Backbone
from steeple.progress import Progress, silent

if TYPE_CHECKING:
    import torch

__all__ = ["Failures", "Lesson", "train_attention"]

Failures = dict[Path, ImageError]
"""The photos that could not be read, and why."""

_ENLARGED = 1.4  # a photo is up to this much larger than the square cut out of it


@dataclass(frozen=True)
class Lesson:
    """How attention is trained.

    Args:
        epochs: how often every photo is looked at.
        side: of the squares cut out of the photos, in pixels.
        batch: photos at a time.
        rate: of learning, Adam's.
    """

    epochs: int = 10
    side: int = 320
    batch: int = 16
    rate: float = 1e-3


@dataclass
class _Trainee:
    """What is trained, together with what trains it."""

    attention: torch.nn.Module
    classifier: torch.nn.Module
    losses: list[float] = field(default_factory=list)


def train_attention(
    photos: Sequence[tuple[Path, str]],
    backbone: Backbone,
    lesson: Lesson | None = None,
    *,
    seed: int = 0,
    progress: Progress = silent,
) -> tuple[torch.nn.Module, list[float], Failures]:
    """Trains an attention to tell landmarks apart.

    On one processor, the same photos and seed give the same attention.

    Args:
        photos: path and landmark.
        backbone: stays as it is.
        lesson: how it is trained.
        seed: of the first weights, the order and the cuts.
        progress: told of photos.

    Returns:
        The attention, the mean loss of each epoch (cross entropy, in nats), and the photos that
        could not be read.

    Raises:
        InputError: if there are fewer than two landmarks, or no photo can be read.
    """
    import torch

    lesson = lesson or Lesson()
    names = sorted({landmark for _, landmark in photos})
    if len(names) < 2:
        raise InputError(
            f"attention is learned by telling landmarks apart, and there are {len(names)}; label "
            "photos of two or more, or do without training (--no-attention)"
        )
    numbers = {name: number for number, name in enumerate(names)}
    labelled = [(path, numbers[landmark]) for path, landmark in photos]
    failures: Failures = {}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        trainee = _Trainee(
            new_attention(backbone.channels).to(backbone.device),
            torch.nn.Linear(backbone.channels, len(names)).to(backbone.device),
        )
    weights = [*trainee.attention.parameters(), *trainee.classifier.parameters()]
    optimizer = torch.optim.Adam(weights, lr=lesson.rate)
    random = np.random.default_rng(seed)
    for epoch in range(lesson.epochs):
        loss, seen = 0.0, 0
        progress("attention", epoch * len(photos), lesson.epochs * len(photos))
        for done, images, targets in _batches(labelled, lesson, random, failures):
            optimizer.zero_grad()
            error: Any = _error(backbone, trainee, images, torch.from_numpy(targets))
            error.backward()
            optimizer.step()
            loss, seen = loss + float(error.detach()) * len(images), seen + len(images)
            progress("attention", epoch * len(photos) + done, lesson.epochs * len(photos))
        if not seen:
            raise InputError(
                f"none of {len(photos)} photos can be read, the first: {_first(failures)}"
            )
        trainee.losses.append(loss / seen)
    return trainee.attention.eval(), trainee.losses, failures


def _first(failures: Failures) -> ImageError:
    return next(iter(failures.values()))


def _error(
    backbone: Backbone,
    trainee: _Trainee,
    images: npt.NDArray[np.uint8],
    targets: torch.Tensor,
) -> torch.Tensor:
    """The cross entropy of a batch: equation 1 of the paper, and the one before it."""
    import torch
    from torch.nn import functional

    with torch.no_grad():
        maps = backbone.maps(images)
    # Of unit length, as the descriptors are, times what makes a typical value 1.
    features = functional.normalize(maps, dim=1) * maps.shape[1] ** 0.5
    # A mean rather than a sum: how many cells a photo has says nothing of the landmark.
    pooled = (features * attend(trainee.attention, maps)[:, None]).mean(dim=(2, 3))
    return functional.cross_entropy(trainee.classifier(pooled), targets.to(maps.device))


def _batches(
    photos: Sequence[tuple[Path, int]],
    lesson: Lesson,
    random: np.random.Generator,
    failures: Failures,
) -> Iterator[tuple[int, npt.NDArray[np.uint8], npt.NDArray[np.int64]]]:
    """All photos once in random order.

    Yields:
        Photos done; (B, side, side, 3) uint8; (B,) int64, the numbers of the landmarks.
    """
    order = random.permutation(len(photos))
    for start in range(0, len(order), lesson.batch):
        images, targets = [], []
        for number in order[start : start + lesson.batch]:
            path, target = photos[number]
            if path in failures:
                continue
            try:
                # A very long photo is enlarged again, which is better than to decode it in full.
                images.append(_cut(read_image(path, max_side=4 * lesson.side), lesson.side, random))
                targets.append(target)
            except ImageError as error:
                failures[path] = error
        if images:
            done = min(start + lesson.batch, len(order))
            yield done, np.stack(images), np.array(targets, dtype=np.int64)


def _cut(
    image: npt.NDArray[np.uint8], side: int, random: np.random.Generator
) -> npt.NDArray[np.uint8]:
    """A square out of an image, at a random size and place; not mirrored, landmarks are not."""
    import cv2

    factor = side * random.uniform(1, _ENLARGED) / min(image.shape[:2])
    height, width = (max(side, round(length * factor)) for length in image.shape[:2])
    how = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    resized = cv2.resize(image, (width, height), interpolation=how)
    top, left = random.integers(height - side + 1), random.integers(width - side + 1)
    return np.asarray(resized[top : top + side, left : left + side], dtype=np.uint8)
