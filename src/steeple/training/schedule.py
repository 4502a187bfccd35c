"""The rate of learning of every step: a straight line up, then a cosine down."""

from __future__ import annotations

import math

__all__ = ["learning_rate"]


def learning_rate(step: int, steps: int, *, rate: float, last: float, warmup: int = 0) -> float:
    """The rate of one step.

        step < warmup:  rate * (step + 1) / warmup
        otherwise:      last + (rate - last) * (1 + cos(pi * t)) / 2
                        with t = (step - warmup) / (steps - warmup)

    The cosine is that of Loshchilov and Hutter, "SGDR: Stochastic Gradient Descent with Warm
    Restarts", ICLR 2017, equation 5, without restarts.

    Args:
        step: from 0.
        steps: of the whole training.
        rate: the highest.
        last: where the cosine would arrive one step after the end.
        warmup: steps of the straight line; of a shorter training, all.
    """
    if step < warmup:
        return rate * (step + 1) / warmup
    share = (step - warmup) / (steps - warmup)
    return last + (rate - last) * (1 + math.cos(math.pi * share)) / 2
