"""Cleaning by the learned filter: evidence shard by shard, then one model for all."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np

from steeple.cleaning.centrality import centrality
from steeple.cleaning.evidence import Evidence, Gatherer
from steeple.cleaning.noise import NoiseModel, draw_swaps, find_noise
from steeple.cleaning.rule import Decision, Reason, Rule, decide
from steeple.cleaning.shards import Shards, shards_of
from steeple.cleaning.training import TrainingSet
from steeple.geometry.verification import Verifier
from steeple.progress import Progress, silent
from steeple.retrieval.contrast import COHORT

__all__ = ["DOUBTFUL", "Filtered", "clean_by_learning"]

DOUBTFUL = 0.5
"""P(wrong) above which an image is dropped: likelier wrong than right."""

_SWAPPED = "swapped"


@dataclass(frozen=True)
class Filtered:
    """What the learned filter says about T images.

    Args:
        evidence: for the label of each image, image by image.
        model: what was learned, and P(wrong).
        decision: what becomes of each image.
    """

    evidence: Evidence
    model: NoiseModel
    decision: Decision


def clean_by_learning(
    training: TrainingSet,
    rule: Rule,
    verifier: Verifier,
    shards: Shards,
    *,
    seed: int = 0,
    workers: int | None = None,
    progress: Progress = silent,
) -> Filtered:
    """Decides which images of a training set stay; see `steeple.cleaning.noise`.

    Args:
        training: the images; what is kept of the evidence takes some 300 bytes an image.
        rule: how many neighbours are looked at, and how many images a landmark needs.
        verifier: how pairs are verified.
        shards: where finished work is kept; what is done already is not done again.
        seed: of the cohort and of the labels exchanged.
        workers: processes; None takes one per core.
        progress: called with ``clean``, images done, and their number.

    Raises:
        MachineError: if a worker process is killed.
        StorageError: if the disk is full; finished shards stay.
    """
    random = np.random.default_rng(seed)
    drawn = np.sort(random.choice(len(training), min(COHORT, len(training)), replace=False))
    gather = Gatherer(training, rule.neighbours, training.read(drawn), verifier, workers)
    parts = []
    done = 0
    for name, images in shards_of(training.labels):
        if not shards.done(name):

            def report(
                pairs: int, total: int, before: int = done, count: int = len(images)
            ) -> None:
                progress("clean", before + count * pairs // max(total, 1), len(training))

            shards.save(name, gather(images, training.labels[images], report).to_arrays())
        parts.append(shards.load(name))
        done += len(images)
        progress("clean", done, len(training))
    given = _in_order(Evidence.from_arrays(parts))
    if not shards.done(_SWAPPED):
        swaps = draw_swaps(given.near.ids, training.labels, seed=seed)
        shards.save(_SWAPPED, gather(*swaps).to_arrays())
    swapped = Evidence.from_arrays([shards.load(_SWAPPED)])
    model = find_noise(given, swapped, training.labels, partial(centrality, training))
    reasons = np.where(model.wrong > DOUBTFUL, Reason.DOUBTED, Reason.KEPT).astype(np.uint8)
    return Filtered(given, model, decide(reasons, training.labels, rule.images))


def _in_order(evidence: Evidence) -> Evidence:
    """The claims in the order of their images."""
    order = np.argsort(evidence.images)
    return Evidence.from_arrays([{k: v[order] for k, v in evidence.to_arrays().items()}])
