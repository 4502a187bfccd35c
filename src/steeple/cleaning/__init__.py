"""Cleaning of a training set: labels that do not fit their photos are found and left out.

The paper's rule keeps an image if enough of its nearest images of the same landmark fit it
geometrically; the learned filter asks whether it looks more like another landmark.
"""

from steeple.cleaning.labelled import (
    LabelledImages,
    LabelledPhotos,
    describe_labelled,
    is_collection,
    labelled_photos,
)
from steeple.cleaning.rule import Decision, Reason, Rule
from steeple.cleaning.run import Cleaned, Noise, Settings, clean
from steeple.cleaning.table import Form, check_ids, write_table
from steeple.cleaning.training import TrainingSet

__all__ = [
    "Cleaned",
    "Decision",
    "Form",
    "LabelledImages",
    "LabelledPhotos",
    "Noise",
    "Reason",
    "Rule",
    "Settings",
    "TrainingSet",
    "check_ids",
    "clean",
    "describe_labelled",
    "is_collection",
    "labelled_photos",
    "write_table",
]
