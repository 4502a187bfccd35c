"""How much each cell of a feature map counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

__all__ = ["attend", "new_attention"]

_HIDDEN = 512  # channels between the two convolutions; section 3.2.1 of the paper


def new_attention(channels: int) -> torch.nn.Module:
    """An attention that has learned nothing yet: two layers over each cell (section 3.2.1).

    Softplus keeps it positive.

    Args:
        channels: of the feature map.
    """
    from torch import nn

    return nn.Sequential(
        nn.Conv2d(channels, _HIDDEN, kernel_size=1),
        nn.ReLU(),
        nn.Conv2d(_HIDDEN, 1, kernel_size=1),
        nn.Softplus(),
    )


def attend(attention: torch.nn.Module | None, maps: torch.Tensor) -> torch.Tensor:
    """The attention of every cell.

    Args:
        attention: from `new_attention`. None, where nothing was trained, takes the length of the
            activation instead: networks answer strongly to what they learned to tell apart.
        maps: (B, C, h, w) float32.

    Returns:
        (B, h, w) float32, 0 or more.
    """
    if attention is None:
        lengths: torch.Tensor = maps.norm(dim=1)
        return lengths
    found: torch.Tensor = attention(maps)
    return found.squeeze(1)
