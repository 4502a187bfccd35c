"""Metrics and the protocols they are computed by."""

from steeple.evaluation.metrics import (
    global_average_precision,
    mean_average_precision,
    mean_precision,
    revisited,
)

__all__ = [
    "global_average_precision",
    "mean_average_precision",
    "mean_precision",
    "revisited",
]
