"""Metrics and the protocols they are computed by."""

from steeple.evaluation.metrics import (
    global_average_precision,
    mean_average_precision,
    mean_precision,
    revisited,
)
from steeple.evaluation.protocol import METHODS, evaluate_gldv2
from steeple.evaluation.rejection import RejectionPoint, rejection_curve
from steeple.evaluation.results import Evaluation, Run

__all__ = [
    "METHODS",
    "Evaluation",
    "RejectionPoint",
    "Run",
    "evaluate_gldv2",
    "global_average_precision",
    "mean_average_precision",
    "mean_precision",
    "rejection_curve",
    "revisited",
]
