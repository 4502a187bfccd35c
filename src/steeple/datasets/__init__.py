"""Public data sets: their files, read and written."""

from steeple.datasets.gldv2 import (
    MAX_RETRIEVED,
    GldV2,
    is_gldv2,
    read_recognition_submission,
    read_retrieval_submission,
    write_recognition_submission,
    write_retrieval_submission,
)
from steeple.datasets.revisited import REVISITED, Query, Revisited, write_ground_truth

__all__ = [
    "MAX_RETRIEVED",
    "REVISITED",
    "GldV2",
    "Query",
    "Revisited",
    "is_gldv2",
    "read_recognition_submission",
    "read_retrieval_submission",
    "write_ground_truth",
    "write_recognition_submission",
    "write_retrieval_submission",
]
