"""Which classes a step of training compares with: all of them, or a sample.

With 203,094 landmarks the classifier is larger than the network before it, and most of its rows
are far from every photo of a batch. Partial FC (An et al., "Killing Two Birds with One Stone:
Efficient and Robust Training of Face Recognition CNNs by Partial FC", CVPR 2022, section 3.2)
compares with the classes of the batch and a random sample of the others; the cross entropy runs
over these alone, uncorrected. Only their rows are copied out, get a gradient, and are updated.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from steeple.errors import InputError

__all__ = ["AllRows", "SampledRows", "Sampling", "Tables"]

Tables = dict[str, torch.Tensor]
"""What a head learns, by name; every tensor has one row per class: (C, ...) float32."""

_FEWEST = 2  # of one class alone, nothing is learned


@dataclass(frozen=True)
class Sampling:
    """How classes are sampled, and how their rows are learned.

    Args:
        classes: per step: up to 1 a share of all, above 1 a number of them, at most all. Where a
            batch itself shows more, all that it shows are taken, and no others.
        momentum: of SGD, per row: that of a row which is not touched stays as it was.
        decay: of weights (L2, added to the gradient as `torch.optim.SGD` does), of the rows that
            are touched only. A row is therefore decayed as often as it is learned from.
        seed: of the samples, 0 or more.

    Raises:
        InputError: if one of them is out of range.
    """

    classes: float
    momentum: float = 0.9
    decay: float = 1e-5
    seed: int = 0

    def __post_init__(self) -> None:
        whole = self.classes <= 1 or float(self.classes).is_integer()
        if not (self.classes > 0 and whole):
            raise InputError(
                f"cannot sample {self.classes} classes: give a share above 0 and up to 1, or a "
                "whole number of classes"
            )
        if not 0 <= self.momentum < 1:
            raise InputError(f"momentum is {self.momentum}; it must be 0 or more, and below 1")
        if not 0 <= self.decay < float("inf"):
            raise InputError(f"weight decay is {self.decay}; it must be a number, 0 or more")
        if self.seed < 0:
            raise InputError(f"the seed of the sampling is {self.seed}; it must be 0 or more")

    def wanted(self, classes: int) -> int:
        """How many of so many classes a step compares with, where its batch shows no more."""
        number = self.classes if self.classes > 1 else np.ceil(self.classes * classes)
        return min(classes, max(_FEWEST, int(number)))


class AllRows(nn.Module):
    """Every row in every step, as parameters of an ordinary optimizer."""

    def __init__(self, tables: Mapping[str, torch.Tensor]) -> None:
        super().__init__()
        self._names = tuple(tables)
        for name, table in tables.items():
            self.register_parameter(name, nn.Parameter(table))

    def tables(self) -> Tables:
        """All rows."""
        return {name: self.get_parameter(name) for name in self._names}

    def draw(self, targets: torch.Tensor) -> tuple[Tables, torch.Tensor]:
        """All rows, and the targets as they are."""
        return self.tables(), targets

    def step(self, rate: float) -> None:
        """Nothing: the optimizer does it."""

    def forget(self) -> None:
        """Nothing: the optimizer does it."""


@dataclass
class _Draw:
    """Rows copied out for one batch.

    Args:
        index: (n,) int64, ascending: their classes.
        rows: their copies, leaves that collect gradients.
    """

    index: torch.Tensor
    rows: Tables


class SampledRows(nn.Module):
    """A few rows a step, updated by SGD with momentum in place.

    Nothing of it is a parameter, so no optimizer sees it, and neither does clipping of gradients
    or a `GradScaler`; train in float32 or bfloat16. Rows and momentum are float32 on the device of
    the module, and together with the state of the sampling in `state_dict`: a run that is resumed
    from there gives the same rows as one that was never interrupted.

    The samples depend on the seed, the count of draws and the classes of the batch alone, not on
    the device and not on any global state.
    """

    state: torch.Tensor
    """(2,) int64: the seed, and how many samples were drawn."""

    def __init__(self, tables: Mapping[str, torch.Tensor], sampling: Sampling) -> None:
        super().__init__()
        self._names = tuple(tables)
        self._sampling = sampling
        self._draws: list[_Draw] = []
        for name, table in tables.items():
            self.register_buffer(name, table)
            self.register_buffer(_momentum_of(name), torch.zeros_like(table))
        self.register_buffer("state", torch.tensor([sampling.seed, 0]))

    def tables(self) -> Tables:
        """All rows, which get no gradient."""
        return {name: self.get_buffer(name) for name in self._names}

    def draw(self, targets: torch.Tensor) -> tuple[Tables, torch.Tensor]:
        """Draws a sample for a batch, and remembers it until `step`.

        Args:
            targets: (B,) int64, classes.

        Returns:
            The rows of the n sampled classes, which collect gradients, and (B,) int64, the targets
            as places among them. Both on the device of the module.
        """
        tables = self.tables()
        device = self.state.device
        wanted = targets.cpu().numpy()
        classes = self._sample(wanted, len(tables[self._names[0]]))
        places = torch.from_numpy(np.searchsorted(classes, wanted)).to(device)
        index = torch.from_numpy(classes).to(device)
        rows = {
            name: table.index_select(0, index).requires_grad_() for name, table in tables.items()
        }
        self._draws.append(_Draw(index, rows))
        return rows, places

    def step(self, rate: float) -> None:
        """Updates the rows that got a gradient since the last step, and forgets the draws.

        As `torch.optim.SGD`: g + decay * w, v <- momentum * v + that, w <- w - rate * v. Gradients
        of several draws add up first, as they do in `.grad`.

        Args:
            rate: of learning.
        """
        with torch.no_grad():
            for name in self._names:
                found = _gradient(name, self._draws)
                if found is not None:
                    self._update(name, *found, rate)
        self.forget()

    def forget(self) -> None:
        """Drops what was drawn, together with its gradients."""
        self._draws.clear()

    def _update(self, name: str, index: torch.Tensor, grad: torch.Tensor, rate: float) -> None:
        table, momentum = self.get_buffer(name), self.get_buffer(_momentum_of(name))
        rows, velocity = table.index_select(0, index), momentum.index_select(0, index)
        grad.add_(rows, alpha=self._sampling.decay)  # in place: it is forgotten after this
        velocity.mul_(self._sampling.momentum).add_(grad)
        momentum.index_copy_(0, index, velocity)
        table.index_copy_(0, index, rows.sub_(velocity, alpha=rate))

    def _sample(self, targets: npt.NDArray[np.int64], classes: int) -> npt.NDArray[np.int64]:
        """Classes of a batch, and others drawn evenly without putting back; ascending, int64."""
        seed, drawn = self.state.tolist()
        self.state[1] += 1
        # A generator per draw: its whole state is a number, which any format of files can hold.
        random = np.random.default_rng((seed, drawn))
        present = np.unique(targets)
        missing = max(0, self._sampling.wanted(classes) - len(present))
        # Numbers among the absent classes, then moved past the present ones before them: no time
        # goes into the classes that are not drawn.
        others = random.choice(classes - len(present), missing, replace=False, shuffle=False)
        others += np.searchsorted(present - np.arange(len(present)), others, side="right")
        return np.sort(np.concatenate([present, others]))


def _momentum_of(name: str) -> str:
    return f"{name}_momentum"


def _gradient(name: str, draws: list[_Draw]) -> tuple[torch.Tensor, torch.Tensor] | None:
    """Classes without repetition, and the sum of their gradients over draws; None without any."""
    found = [(draw.index, grad) for draw in draws if (grad := draw.rows[name].grad) is not None]
    if len(found) < 2:
        return found[0] if found else None
    index, places = torch.unique(torch.cat([index for index, _ in found]), return_inverse=True)
    grads = torch.cat([grad for _, grad in found])
    return index, grads.new_zeros((len(index), *grads.shape[1:])).index_add_(0, places, grads)
