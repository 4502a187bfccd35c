"""Metrics and the protocols they are computed by."""

from steeple.evaluation.metrics import (
    global_average_precision,
    mean_average_precision,
    mean_precision,
    revisited,
)
from steeple.evaluation.protocol import METHODS, Evaluation, Run, evaluate_gldv2

__all__ = [
    "METHODS",
    "Evaluation",
    "Run",
    "evaluate_gldv2",
    "global_average_precision",
    "mean_average_precision",
    "mean_precision",
    "revisited",
]
