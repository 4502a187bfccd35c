"""A running mean of the weights: calmer than the weights of any one step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

__all__ = ["Average"]


class Average:
    """The exponential moving average of a network's weights and buffers.

        a <- d * a + (1 - d) * w,    d = min(decay, (1 + n) / (10 + n)) at step n = 1, 2, ...

    At first d is small, so that the random weights of the beginning are soon forgotten (as
    TensorFlow's ExponentialMovingAverage has it); without that, a short training would be half of
    what it began with. What is no float, such as a counter, is copied.

    Args:
        network: whose weights are averaged; the mean begins with those it has.
        decay: the share that the mean keeps of itself in a step, in the end.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.network = network
        self.decay = decay
        self.updates = 0
        self._mean = {name: value.clone() for name, value in network.state_dict().items()}

    @torch.no_grad()
    def update(self) -> None:
        """Takes the weights of one more step into the mean."""
        self.updates += 1
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        means, values = [], []
        for name, value in self.network.state_dict().items():
            if value.is_floating_point():
                means.append(self._mean[name])
                values.append(value)
            else:
                self._mean[name].copy_(value)
        average: Any = get_ema_multi_avg_fn  # untyped
        average(decay)(means, values, None)

    def state(self) -> dict[str, torch.Tensor]:
        """The mean, by the names of the network's state dict; not copied."""
        return self._mean

    def restore(self, mean: Mapping[str, torch.Tensor], updates: int) -> None:
        """Goes on from a mean that `state` gave.

        Args:
            mean: name -> tensor, of the shapes of the network.
            updates: how many steps are in it.
        """
        for name, value in self._mean.items():
            value.copy_(mean[name])
        self.updates = updates

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Inside, the network has the mean for weights; afterwards its own again, to the bit."""
        own = {name: value.clone() for name, value in self.network.state_dict().items()}
        try:
            self.apply()
            yield
        finally:
            _put(self.network, own)

    def apply(self) -> None:
        """Gives the network the mean for weights, for good."""
        _put(self.network, self._mean)


@torch.no_grad()
def _put(network: nn.Module, weights: Mapping[str, torch.Tensor]) -> None:
    for name, value in network.state_dict().items():
        value.copy_(weights[name])
