"""Metrics, and the data sets they are computed on."""

from steeple.evaluation.gldv2 import (
    GldV2,
    is_gldv2,
    read_recognition_submission,
    read_retrieval_submission,
    write_recognition_submission,
    write_retrieval_submission,
)
from steeple.evaluation.metrics import (
    global_average_precision,
    mean_average_precision,
    mean_precision,
    revisited,
)

__all__ = [
    "GldV2",
    "global_average_precision",
    "is_gldv2",
    "mean_average_precision",
    "mean_precision",
    "read_recognition_submission",
    "read_retrieval_submission",
    "revisited",
    "write_recognition_submission",
    "write_retrieval_submission",
]
