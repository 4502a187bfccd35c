"""Metrics and the protocols they are computed by."""

from steeple.evaluation.metrics import (
    global_average_precision,
    mean_average_precision,
    mean_position,
    mean_precision,
    median_position,
    revisited,
    top_1_accuracy,
)
from steeple.evaluation.oxford_paris import evaluate_revisited
from steeple.evaluation.protocol import METHODS, evaluate_gldv2
from steeple.evaluation.rejection import RejectionPoint, rejection_curve
from steeple.evaluation.results import Evaluation, RevisitedEvaluation, Run

__all__ = [
    "METHODS",
    "Evaluation",
    "RejectionPoint",
    "RevisitedEvaluation",
    "Run",
    "evaluate_gldv2",
    "evaluate_revisited",
    "global_average_precision",
    "mean_average_precision",
    "mean_position",
    "mean_precision",
    "median_position",
    "rejection_curve",
    "revisited",
    "top_1_accuracy",
]
