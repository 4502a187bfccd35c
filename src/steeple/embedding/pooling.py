"""GeM: from a feature map to one vector. Needs the extra ``torch``.

Radenovic, Tolias and Chum, "Fine-tuning CNN image retrieval with no human annotation", TPAMI 2019,
equation 3.
"""

from __future__ import annotations

import torch
from torch import nn

__all__ = ["GeM"]

EPSILON = 1e-6
"""Values below are taken for this: a power of a negative number, or of 0, is no good to anyone."""


class GeM(nn.Module):
    """Generalised mean over the cells of a map: (mean of x^p)^(1/p), per channel.

    p = 1 is the average; the larger p, the nearer to the maximum. Values are divided by the largest
    of their channel first, and the result multiplied by it, which changes nothing on paper: so high
    powers neither overflow nor vanish, and neither do their gradients.

    Args:
        p: the power to begin with.
        learnable: whether training changes it.
        channels: one power for each of so many channels; None takes one for all.
    """

    def __init__(
        self, p: float = 3.0, *, learnable: bool = False, channels: int | None = None
    ) -> None:
        super().__init__()
        self.p = nn.Parameter(torch.full((channels or 1,), p), requires_grad=learnable)

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """Pools (B, C, h, w) to (B, C), in float32 whatever the maps are in."""
        # A third power of half precision overflows or loses what is small.
        with torch.autocast(maps.device.type, enabled=False):
            p = self.p.float()
            values = maps.float().clamp(min=EPSILON)
            # What one divides by and multiplies with has no gradient of its own.
            largest = values.detach().amax(dim=(2, 3), keepdim=True)
            powers = (values / largest).pow(p[:, None, None])
            return powers.mean(dim=(2, 3)).pow(1 / p) * largest[:, :, 0, 0]
