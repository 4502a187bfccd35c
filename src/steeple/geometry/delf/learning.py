"""Photos to a DELF model: attention if it is wanted, the reduction, and the folder."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from steeple.errors import ImageError, InputError
from steeple.geometry.delf.detection import SCALES, detect
from steeple.geometry.delf.reduction import Moments, Reduction
from steeple.geometry.delf.storage import Model, save_delf
from steeple.geometry.delf.training import Failures, Lesson, train_attention
from steeple.images import read_image
from steeple.networks.backbone import Backbone, load_backbone
from steeple.networks.folder import check_free
from steeple.progress import Progress, silent

if TYPE_CHECKING:
    import torch

__all__ = ["DelfReport", "Recipe", "learn_delf", "learn_reduction"]

_REDUCTION_PHOTOS = 256  # some 100,000 features and more: enough for 40 directions of 1024
_MAX_SIDE = 640  # pixels, as `Delf` sees photos
_SMALL_SCALES = tuple(scale for scale in SCALES if scale <= 1)  # a quarter of the time of all


@dataclass(frozen=True)
class Recipe:
    """What a model is made of.

    Args:
        backbone: timm's name of the network.
        weights: ``imagenet``, ``random``, or a file of them; see `load_backbone`.
        attention: whether it is trained; if not, the length of the activation stands for it.
        most: photos learned from at most, drawn at random.
        dimension: of the descriptors; the paper's is 40.
        whiten: whether every direction of the descriptors counts the same.
        lesson: how attention is trained.
    """

    backbone: str = "resnet50"
    weights: str = "imagenet"
    attention: bool = True
    most: int = 2000
    dimension: int = 40
    whiten: bool = False
    lesson: Lesson = Lesson()  # noqa: RUF009 - frozen


@dataclass(frozen=True)
class DelfReport:
    """What became of the photos.

    Args:
        photos: learned from, those that could not be read aside.
        landmarks: told apart; 0 without training.
        features: the reduction was learned from.
        losses: mean cross entropy of each epoch, in nats; empty without training.
        failed: photos that could not be read, with the reason.
    """

    photos: int
    landmarks: int
    features: int
    losses: list[float]
    failed: list[tuple[str, str]]


def learn_delf(
    photos: Iterable[tuple[Path, str | None]],
    out: Path,
    recipe: Recipe | None = None,
    *,
    seed: int = 0,
    progress: Progress = silent,
) -> DelfReport:
    """Makes a DELF model from photos and writes it into a new folder.

    Args:
        photos: path and landmark; those without one serve the reduction only.
        out: the folder.
        recipe: what the model is made of.
        seed: of everything that is drawn.
        progress: told of the stages ``attention`` and ``reduction``.

    Raises:
        InputError: if something is at `out`, the network or the weights cannot be used, no photo
            can be read, or attention is wanted and there are fewer than two landmarks.
        MachineError: if weights cannot be downloaded, or the model cannot be written.
        MissingExtraError: if PyTorch or timm is not installed.
    """
    recipe = recipe or Recipe()
    check_free(out)
    backbone = load_backbone(recipe.backbone, weights=recipe.weights, seed=seed)
    random = np.random.default_rng(seed)
    used = _sample(photos, recipe.most, random)
    attention: torch.nn.Module | None = None
    losses: list[float] = []
    failures: Failures = {}
    labelled = [(path, landmark) for path, landmark in used if landmark is not None]
    if recipe.attention:
        attention, losses, failures = train_attention(
            labelled, backbone, recipe.lesson, seed=seed, progress=progress
        )
    readable = [(path, landmark) for path, landmark in used if path not in failures]
    sample = [path for path, _ in _sample(readable, _REDUCTION_PHOTOS, random)]
    reduction, features, more = learn_reduction(
        sample, backbone, attention, recipe, progress=progress
    )
    failures |= more
    save_delf(Model(backbone, attention, reduction), out)
    return DelfReport(
        photos=len({path for path, _ in used} - set(failures)),
        landmarks=len({landmark for _, landmark in labelled}) if recipe.attention else 0,
        features=features,
        losses=losses,
        failed=[(str(path), str(error)) for path, error in failures.items()],
    )


def learn_reduction(
    photos: Sequence[Path],
    backbone: Backbone,
    attention: torch.nn.Module | None,
    recipe: Recipe,
    *,
    progress: Progress = silent,
) -> tuple[Reduction, int, Failures]:
    """Learns PCA from the features that would be found in photos.

    Returns:
        The reduction, how many features it was learned from, and the photos that could not be read.

    Raises:
        InputError: if no photo has a feature.
    """
    moments, failures = Moments(backbone.channels), Failures()
    for done, path in enumerate(photos):
        progress("reduction", done, len(photos))
        try:
            image = read_image(path, max_side=_MAX_SIDE)
        except ImageError as error:
            failures[path] = error
            continue
        moments.add(detect(backbone, attention, image, scales=_SMALL_SCALES).vectors)
    progress("reduction", len(photos), len(photos))
    if not moments.count:
        first = f", the first: {next(iter(failures.values()))}" if failures else ""
        raise InputError(
            f"none of {len(photos)} photos has a single feature (are they tiny?){first}; "
            "give photos of 32 pixels or more"
        )
    return moments.reduction(recipe.dimension, whiten=recipe.whiten), moments.count, failures


def _sample(
    photos: Iterable[tuple[Path, str | None]], size: int, random: np.random.Generator
) -> list[tuple[Path, str | None]]:
    """A uniform sample without replacement, in the order given (reservoir sampling)."""
    kept: list[tuple[int, tuple[Path, str | None]]] = []
    for number, photo in enumerate(photos):
        if number < size:
            kept.append((number, photo))
        elif (place := int(random.integers(number + 1))) < size:
            kept[place] = (number, photo)
    return [photo for _, photo in sorted(kept, key=lambda one: one[0])]
