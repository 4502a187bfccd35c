"""What is known of a model beside its weights: where it comes from, on what terms, what it learned.

Needs no PyTorch.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from steeple.errors import InputError

__all__ = ["Card"]


@dataclass(frozen=True)
class Card:
    """Where a model comes from.

    Args:
        name: it is called by.
        source: who made the weights, or by what command.
        licence: of the weights; empty where nobody knows.
        landmarks: the names of the landmarks it learned to tell apart, in the order of its classes.
        training: the record of its training: settings, figures.
    """

    name: str
    source: str = ""
    licence: str = ""
    landmarks: tuple[str, ...] = ()
    training: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuses what is no card.

        Raises:
            InputError: if a value is of another type.
        """
        texts = (self.name, self.source, self.licence, *self.landmarks)
        if not all(isinstance(text, str) for text in texts) or not isinstance(self.training, dict):
            raise InputError(
                "a card says in words what a model is called, where it comes from, its licence and "
                "its landmarks; correct it"
            )
