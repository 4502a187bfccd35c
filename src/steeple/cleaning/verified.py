"""Cleaning by the rule: neighbours, pairs, decisions, shard by shard."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

from steeple.cleaning.candidates import same_label
from steeple.cleaning.checking import Checked, Lists, check
from steeple.cleaning.rule import Decision, Reason, Rule, decide
from steeple.cleaning.shards import SHARD, Shards, cut, shards_of
from steeple.cleaning.training import TrainingSet
from steeple.geometry.verification import Verifier
from steeple.processes import in_processes
from steeple.progress import Progress, silent
from steeple.retrieval.types import PAD, Ids

__all__ = ["Outcome", "clean_by_rule"]

_CHUNK = 64  # images a worker decides at a time
_LARGEST = 512  # images of one landmark a worker decides at a time


@dataclass(frozen=True)
class Outcome:
    """What the rule says about T images.

    Args:
        checked: what was found of each image's pairs.
        decision: what becomes of each image.
    """

    checked: Checked
    decision: Decision


def clean_by_rule(
    training: TrainingSet,
    rule: Rule,
    verifier: Verifier,
    shards: Shards,
    *,
    everything: bool = False,
    workers: int | None = None,
    progress: Progress = silent,
) -> Outcome:
    """Decides which images of a training set stay.

    Each pair is verified once; of landmarks with more than 512 images, some are verified twice.

    Args:
        training: the images.
        rule: the thresholds.
        verifier: how pairs are verified.
        shards: where finished work is kept; what is done already is not done again.
        everything: whether to verify all pairs, not only those that decide.
        workers: processes; None takes one per core.
        progress: called with ``clean``, images done, and their number.

    Raises:
        MachineError: if a worker process is killed.
        StorageError: if the disk is full; finished shards stay.
    """
    found = Checked.nothing(len(training))
    pending = []
    done = 0
    for name, images in shards_of(training.labels):
        if shards.done(name):
            found.put(images, Checked(**shards.load(name)))
            done += len(images)
        else:
            pending.append((name, images))
    progress("clean", done, len(training))
    work = partial(check, rule=rule, verifier=verifier, everything=everything)
    lists = (part for _, images in pending for part in _lists(training, images, rule))
    results = in_processes(work, lists, workers=workers)
    for name, images in pending:
        before = done
        part = _gather(
            results,
            len(images),
            lambda some, before=before: progress("clean", before + some, len(training)),  # type: ignore[misc]
        )
        shards.save(name, vars(part))
        found.put(images, part)
        done += len(images)
    return Outcome(found, _decide(training, found, rule))


def _lists(training: TrainingSet, images: Ids, rule: Rule) -> Iterator[Lists]:
    """The pairs of a shard, in portions for workers."""
    others = np.concatenate(
        [
            same_label(training, images[start : start + SHARD], rule).ids
            for start in range(0, len(images), SHARD)
        ]
    )
    start = 0
    for part in cut(images, training.labels[images], _CHUNK, _LARGEST):
        some = others[start : start + len(part)]
        named = np.union1d(part, some[some != PAD])
        yield Lists(part, some, named, training.features(named))
        start += len(part)


def _gather(results: Iterator[Checked], count: int, report: Callable[[int], None]) -> Checked:
    """Joins the portions of a shard, which come in its order, until they are so many images."""
    found = Checked.nothing(count)
    done = 0
    while done < count:
        part = next(results)
        found.put(np.arange(done, done + len(part.listed)), part)
        done += len(part.listed)
        report(done)
    return found


def _decide(training: TrainingSet, found: Checked, rule: Rule) -> Decision:
    reasons = np.full(len(training), Reason.UNVERIFIED, dtype=np.uint8)
    reasons[found.counted >= rule.pairs] = Reason.KEPT
    reasons[found.listed == 0] = Reason.ALONE
    return decide(reasons, training.labels, rule.images)
