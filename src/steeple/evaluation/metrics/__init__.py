"""The metrics of landmark retrieval and recognition, the formula in each docstring."""

from steeple.evaluation.metrics.oxford_paris import revisited
from steeple.evaluation.metrics.recognition import global_average_precision, top_1_accuracy
from steeple.evaluation.metrics.retrieval import (
    mean_average_precision,
    mean_position,
    mean_precision,
    median_position,
)

__all__ = [
    "global_average_precision",
    "mean_average_precision",
    "mean_position",
    "mean_precision",
    "median_position",
    "revisited",
    "top_1_accuracy",
]
