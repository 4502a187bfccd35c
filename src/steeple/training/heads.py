"""Heads: raw embeddings and landmarks in, a loss out.

A head holds a row of weights per class, w_c, and compares every embedding with them. All but
`Softmax` see angles only: cos(theta_c) is the inner product of the embedding and w_c, both
L2-normalised, and a margin makes the class of the photo harder to reach than it is.

What a training loop does with any head, sampled or not::

    head = create_head("arcface", classes, dimension, sampled=0.1).to(device)
    optimizer = SGD([*network.parameters(), *head.parameters()], ...)
    ...
    loss = head(embeddings, targets)  # (B, D) of any float type, (B,) int64 -> () float32
    loss.backward()
    optimizer.step()
    head.step(rate)                   # the rate of this step; a full head does nothing here
    optimizer.zero_grad()

`parameters()` is empty where classes are sampled: such a head updates its rows itself, by SGD with
the momentum and the decay it was made with, in `step`. Until then gradients of several batches add
up, as in `.grad`. Who leaves a step out after `backward` says `head.forget()`. `state_dict` and
`load_state_dict` cover all of it: weights, and where classes are sampled their momentum and the
state of the sampling. In evaluation, or without gradients, the loss is over all classes.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from steeple.errors import InputError
from steeple.training.sampled import AllRows, SampledRows, Sampling, Tables

__all__ = [
    "HEADS",
    "ArcFace",
    "CosFace",
    "CosineHead",
    "Head",
    "Softmax",
    "SubcentreArcFace",
    "create_head",
]


class Head(nn.Module):
    """What all heads share; see the top of this module for how they are used.

    Args:
        tables: what is learned; "weight" is (C, D) or (C, K, D).
        sampling: how classes are sampled. None compares with all of them in every step.
    """

    def __init__(self, tables: Tables, sampling: Sampling | None) -> None:
        super().__init__()
        self.rows = AllRows(tables) if sampling is None else SampledRows(tables, sampling)

    @property
    def weight(self) -> torch.Tensor:
        """(C, D) or (C, K, D) float32, not normalised."""
        return self.rows.tables()["weight"]

    def forward(self, embeddings: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """The loss of a batch.

        Args:
            embeddings: (B, D) of any float type, not normalised.
            targets: (B,) int64, classes from 0.

        Returns:
            Scalar, of the type of the weights (float32, under autocast, too): the mean cross
            entropy, in nats.
        """
        with _unmixed(embeddings):
            if self.training and torch.is_grad_enabled():
                tables, targets = self.rows.draw(targets)
            else:
                tables = self.rows.tables()
            targets = targets.to(embeddings.device)
            logits = self._logits(embeddings.to(tables["weight"].dtype), tables, targets)
            return functional.cross_entropy(logits, targets)

    def logits(self, embeddings: torch.Tensor) -> torch.Tensor:
        """How much an embedding speaks for each class, without a margin.

        Args:
            embeddings: (B, D) of any float type, not normalised.

        Returns:
            (B, C) float32.
        """
        with _unmixed(embeddings):
            tables = self.rows.tables()
            return self._logits(embeddings.to(tables["weight"].dtype), tables, None)

    def step(self, rate: float) -> None:
        """Updates the rows that were sampled since the last step; of a full head, nothing.

        Args:
            rate: of learning, in this step.
        """
        self.rows.step(rate)

    def forget(self) -> None:
        """Drops the gradients of sampled rows, where a step is left out; of a full head, none."""
        self.rows.forget()

    def _logits(
        self, embeddings: torch.Tensor, tables: Tables, targets: torch.Tensor | None
    ) -> torch.Tensor:
        """(B, n) for the n classes of the tables, with the margin where there are targets."""
        raise NotImplementedError


class CosineHead(Head):
    """Logits are s * cos(theta); that of the class of the photo is s * `margined`(cos(theta)).

    Args:
        classes: C.
        dimension: D, of the embeddings.
        scale: s, which the logits lie within.
        margin: m, from 0 to below pi/2; what it means is for the kind to say.
        centres: K, rows per class, the nearest of which counts.
        sampling: how classes are sampled.
        seed: of the first weights.

    Raises:
        InputError: if one of them is out of range.
    """

    def __init__(
        self,
        classes: int,
        dimension: int,
        scale: float = 30.0,
        margin: float = 0.3,
        *,
        centres: int = 1,
        sampling: Sampling | None = None,
        seed: int = 0,
    ) -> None:
        if not 0 < scale < math.inf:
            raise InputError(f"the scale of a head is {scale}; it must be a number above 0")
        if not 0 <= margin < math.pi / 2:
            raise InputError(
                f"the margin of a head is {margin}; it must be 0 or more, and below pi/2 (ArcFace "
                "counts in radians, not degrees)"
            )
        weight = _first_weights(classes, dimension, centres, seed)
        super().__init__({"weight": weight}, sampling)
        self.scale, self.margin = scale, margin

    def cosines(self, embeddings: torch.Tensor) -> torch.Tensor:
        """The cosine of an embedding and each class, the nearest of its centres.

        Args:
            embeddings: (B, D) of any float type, not normalised.

        Returns:
            (B, C) float32.
        """
        with _unmixed(embeddings):
            weight = self.weight
            return _cosines(embeddings.to(weight.dtype), weight)

    def margined(self, cosines: torch.Tensor) -> torch.Tensor:
        """What counts instead of the cosine of the class of the photo: at most as much, rising.

        Args:
            cosines: of any shape, float.

        Returns:
            The same shape.
        """
        raise NotImplementedError

    def _logits(
        self, embeddings: torch.Tensor, tables: Tables, targets: torch.Tensor | None
    ) -> torch.Tensor:
        cosines = _cosines(embeddings, tables["weight"])
        if targets is not None:
            places = targets[:, None]
            cosines = cosines.scatter(1, places, self.margined(cosines.gather(1, places)))
        return self.scale * cosines


class ArcFace(CosineHead):
    """An angle on top: s * cos(theta + m), m in radians.

    Deng et al., "ArcFace: Additive Angular Margin Loss for Deep Face Recognition", CVPR 2019,
    equation 3. Where theta > pi - m that would rise again, and cos(theta) - m * sin(m) takes its
    place, which goes on falling. Arguments: see `CosineHead`.
    """

    def margined(self, cosines: torch.Tensor) -> torch.Tensor:
        """cos(theta + m), or its continuation: see `CosineHead`."""
        cos_m, sin_m = math.cos(self.margin), math.sin(self.margin)
        # (1 - c)(1 + c) loses less than 1 - c * c near +-1. There the sine's slope is infinite;
        # below what the type can tell from 0 it is held, with slope 0, and nothing becomes NaN.
        squares = (1 - cosines) * (1 + cosines)
        sines = squares.clamp(min=torch.finfo(cosines.dtype).eps).sqrt()
        rotated = cosines * cos_m - sines * sin_m
        return torch.where(cosines >= -cos_m, rotated, cosines - self.margin * sin_m)


class CosFace(CosineHead):
    """A cosine less: s * (cos(theta) - m).

    Wang et al., "CosFace: Large Margin Cosine Loss for Deep Face Recognition", CVPR 2018,
    equation 4. Arguments: see `CosineHead`.
    """

    def __init__(
        self,
        classes: int,
        dimension: int,
        scale: float = 30.0,
        margin: float = 0.35,
        *,
        sampling: Sampling | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__(classes, dimension, scale, margin, sampling=sampling, seed=seed)

    def margined(self, cosines: torch.Tensor) -> torch.Tensor:
        """cos(theta) - m: see `CosineHead`."""
        return cosines - self.margin


class SubcentreArcFace(ArcFace):
    """ArcFace with several centres per class, the nearest of which counts.

    A landmark's inside and outside, or its wrong labels, get centres of their own. Deng et al.,
    "Sub-center ArcFace: Boosting Face Recognition by Large-Scale Noisy Web Faces", ECCV 2020,
    section 3.2. Arguments: see `CosineHead`.
    """

    def __init__(
        self,
        classes: int,
        dimension: int,
        scale: float = 30.0,
        margin: float = 0.3,
        *,
        centres: int = 3,
        sampling: Sampling | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__(
            classes, dimension, scale, margin, centres=centres, sampling=sampling, seed=seed
        )


class Softmax(Head):
    """The usual baseline: a linear classifier with bias over the embedding as it is.

    Args:
        classes: C.
        dimension: D, of the embeddings.
        sampling: how classes are sampled.
        seed: of the first weights.

    Raises:
        InputError: if there are too few classes or dimensions.
    """

    def __init__(
        self, classes: int, dimension: int, *, sampling: Sampling | None = None, seed: int = 0
    ) -> None:
        weight = _first_weights(classes, dimension, 1, seed)
        super().__init__({"weight": weight, "bias": torch.zeros(classes)}, sampling)

    def _logits(
        self,
        embeddings: torch.Tensor,
        tables: Tables,
        targets: torch.Tensor | None,  # noqa: ARG002 - no margin, no matter
    ) -> torch.Tensor:
        return functional.linear(embeddings, tables["weight"], tables["bias"])


# Per name: the class, and which of the options of `create_head` it takes.
_KINDS: dict[str, tuple[Callable[..., Head], tuple[str, ...]]] = {
    "arcface": (ArcFace, ("scale", "margin")),
    "cosface": (CosFace, ("scale", "margin")),
    "softmax": (Softmax, ()),
    "subcentre-arcface": (SubcentreArcFace, ("scale", "margin", "centres")),
}

HEADS = tuple(_KINDS)
"""The names that `create_head` knows."""


def create_head(
    name: str,
    classes: int,
    dimension: int,
    *,
    scale: float | None = None,
    margin: float | None = None,
    centres: int | None = None,
    sampled: float | None = None,
    momentum: float = 0.9,
    decay: float = 1e-5,
    seed: int = 0,
) -> Head:
    """A head by name.

    Args:
        name: one of `HEADS`.
        classes: C, two or more.
        dimension: D, of the embeddings.
        scale: of logits; None takes the kind's own, and a kind that has none takes no notice.
        margin: likewise; in radians for ArcFace, a cosine for CosFace.
        centres: per class; likewise.
        sampled: classes a step compares with: up to 1 a share, above 1 a number. None takes all.
        momentum: of sampled rows, see `Sampling`; of others the optimizer's own counts.
        decay: likewise.
        seed: of the first weights and the samples, 0 or more.

    Raises:
        InputError: if there is no such head, or a value is out of range.
    """
    if name not in _KINDS:
        raise InputError(f"there is no head {name!r}; there are {', '.join(HEADS)}")
    kind, takes = _KINDS[name]
    given = {"scale": scale, "margin": margin, "centres": centres}
    options: dict[str, Any] = {
        key: value for key, value in given.items() if key in takes and value is not None
    }
    sampling = None if sampled is None else Sampling(sampled, momentum, decay, seed)
    return kind(classes, dimension, sampling=sampling, seed=seed, **options)


def _cosines(embeddings: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """(B, n): of (B, D) and (n, D), or the largest over K of (n, K, D)."""
    rows = functional.normalize(weight.flatten(end_dim=-2), dim=1)
    cosines = functional.linear(functional.normalize(embeddings, dim=1), rows)
    return cosines.view(-1, *weight.shape[:-1]).amax(2) if weight.ndim == 3 else cosines


def _first_weights(classes: int, dimension: int, centres: int, seed: int) -> torch.Tensor:
    """(C, D), or (C, K, D) where K > 1: even between bounds that keep both ways' variance.

    Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural networks",
    AISTATS 2010, equation 16. Of more classes, each seen more rarely, the rows are shorter, and a
    step turns them farther.
    """
    if classes < 2:
        raise InputError(
            f"a head tells classes apart, and there are {classes}; label photos of two or more"
        )
    if dimension < 1 or centres < 1:
        raise InputError(
            f"a head has {dimension} dimensions and {centres} centres per class; both must be 1 "
            "or more"
        )
    if seed < 0:
        raise InputError(f"the seed of a head is {seed}; it must be 0 or more")
    bound = math.sqrt(6 / (classes * centres + dimension))
    shape = (classes, dimension) if centres == 1 else (classes, centres, dimension)
    return torch.empty(shape).uniform_(-bound, bound, generator=torch.Generator().manual_seed(seed))


def _unmixed(embeddings: torch.Tensor) -> torch.autocast:
    """No autocast inside: a cosine of 8 bits cannot tell the nearest landmarks apart."""
    return torch.autocast(embeddings.device.type, enabled=False)
