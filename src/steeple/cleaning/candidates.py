"""Which images an image is to be verified with."""

from __future__ import annotations

import numpy as np

from steeple.cleaning.rule import Rule
from steeple.cleaning.training import TrainingSet, first_allowed
from steeple.retrieval.types import PAD, Bools, Ids, Ranking

__all__ = ["has_label", "same_label"]


def same_label(training: TrainingSet, images: Ids, rule: Rule) -> Ranking:
    """The candidates of the rule: of the nearest neighbours, the first that share the label.

    Args:
        training: the images.
        images: (n,) int64, which of them.
        rule: how many neighbours are looked at, and how many candidates there are at most.

    Returns:
        (n, same_label) numbers of images and similarities; -1 pads.
    """
    near = training.nearest(images, rule.neighbours)
    return first_allowed(near, has_label(training, near, training.labels[images]), rule.same_label)


def has_label(training: TrainingSet, near: Ranking, labels: Ids) -> Bools:
    """(n, K) bool, which of the neighbours have a label: that of their row, (n,) int64."""
    named = training.labels[near.ids]  # a pad looks up the last, and is ruled out
    return np.asarray((near.ids != PAD) & (named == labels[:, None]))
