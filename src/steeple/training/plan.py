"""Which batches make which step: the whole training, laid out before it begins."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from steeple.errors import InputError
from steeple.training.batches import Batch, epoch_batches
from steeple.training.photos import TrainingSet
from steeple.training.settings import Settings

__all__ = ["Plan"]


@dataclass(frozen=True)
class Plan:
    """The steps of one of several processes that train together.

    Args:
        photos: what is learned from.
        settings: of the training.
        rank: which of the processes this is, from 0.
        size: how many there are.
    """

    photos: TrainingSet
    settings: Settings
    rank: int = 0
    size: int = 1

    def batches(self, epoch: int) -> list[Batch]:
        """The batches of an epoch, from 0, that are for this process.

        Every process has as many; the few that are left over are not learned from in this epoch.

        Raises:
            InputError: if there are fewer batches than processes.
        """
        batches = epoch_batches(self.photos, self.settings, epoch)
        even = len(batches) // self.size * self.size
        if not even:
            raise InputError(
                f"there are {len(batches)} batches for {self.size} processes; start fewer, or make "
                "schedule.batch smaller"
            )
        return batches[self.rank : even : self.size]

    def steps_of(self, epoch: int) -> int:
        """Steps of an epoch; the last may have fewer batches than the others."""
        return -(-len(self.batches(epoch)) // self.settings.schedule.accumulate)

    @cached_property
    def steps(self) -> int:
        """Steps of the whole training."""
        return sum(map(self.steps_of, range(self.settings.schedule.epochs)))

    @cached_property
    def in_epoch(self) -> int:
        """Photos of an epoch, of all processes."""
        return min(self.settings.data.per_epoch, len(self.photos)) or len(self.photos)
