"""A whole cleaning: settings in, decisions and what they rest on out."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np

from steeple.cleaning.checking import Checked
from steeple.cleaning.evidence import Evidence
from steeple.cleaning.labelled import LabelledImages
from steeple.cleaning.learned import Filtered, clean_by_learning
from steeple.cleaning.noise import NoiseModel
from steeple.cleaning.rule import Decision, Reason, Rule
from steeple.cleaning.shards import SHARD, Shards
from steeple.cleaning.verified import Outcome, clean_by_rule
from steeple.geometry.verification import create_verifier
from steeple.progress import Progress, silent

__all__ = ["Cleaned", "Noise", "Settings", "clean"]


class Noise(StrEnum):
    """What decides whether a label is wrong."""

    RULE = "rule"
    """The paper's rule."""
    LEARNED = "learned"
    """The filter of `steeple.cleaning.noise`."""


@dataclass(frozen=True)
class Settings:
    """Everything that decides about a cleaning.

    Args:
        rule: the thresholds.
        method: how pairs are verified, by name.
        noise: what decides.
        all_pairs: for the rule, whether to verify pairs that no longer decide.
        seed: of what is drawn.
    """

    rule: Rule
    method: str = "upright"
    noise: Noise = Noise.RULE
    all_pairs: bool = False
    seed: int = 0

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return {**asdict(self.rule), **{k: v for k, v in asdict(self).items() if k != "rule"}}


@dataclass(frozen=True)
class Cleaned:
    """What became of T labelled images, and why.

    Args:
        settings: that decided.
        decision: what becomes of each image.
        checked: the pairs of each image, after the rule.
        evidence: the claim of each label, after the learned filter.
        model: what the learned filter has learned.
    """

    settings: Settings
    decision: Decision
    checked: Checked | None = None
    evidence: Evidence | None = None
    model: NoiseModel | None = None

    def to_dict(self, images: LabelledImages) -> dict[str, Any]:
        """The figures, as JSON has them."""
        kept = self.decision.kept
        labels = images.training.labels
        out: dict[str, Any] = {
            "images": len(kept),
            "landmarks": len(np.unique(labels)),
            "kept_images": int(kept.sum()),
            "kept_landmarks": len(np.unique(labels[kept])),
            "dropped": {
                reason.name.lower(): self.decision.count(reason)
                for reason in Reason
                if reason is not Reason.KEPT
            },
            "settings": self.settings.to_dict(),
        }
        if self.model is not None:
            out["wrong_labels"] = self.model.rate
            out["weights"] = self.model.weights
        return out

    def why(self, image: int) -> str:
        """Why an image was dropped, in a sentence; empty for one that stays."""
        rule = self.settings.rule
        reason = Reason(self.decision.reasons[image])
        if reason is Reason.ALONE:
            return f"none of its {rule.neighbours:,} nearest photos has its label"
        if reason is Reason.UNVERIFIED and self.checked is not None:
            counted, listed = int(self.checked.counted[image]), int(self.checked.listed[image])
            if listed < rule.pairs:
                return f"only {listed} of its nearest photos with its label, {rule.pairs} needed"
            tried = int(self.checked.tried[image])
            return f"{counted} of {tried} pairs fit, {rule.pairs} needed"
        if reason is Reason.DOUBTED and self.model is not None:
            wrong = min(float(self.model.wrong[image]), 0.99)  # nobody is surer than that
            return f"its label is wrong with probability {wrong:.2f}"
        if reason is Reason.SMALL:
            return f"fewer than {rule.images} photos of its landmark would be left"
        return ""


def clean(
    images: LabelledImages,
    settings: Settings,
    work: Path,
    *,
    resume: bool = False,
    workers: int | None = None,
    progress: Progress = silent,
) -> Cleaned:
    """Decides which labelled images of a collection stay.

    Args:
        images: of the collection.
        settings: that decide.
        work: the folder that finished shards are kept in.
        resume: whether to go on with what an earlier run has left there.
        workers: processes; None takes one per core.
        progress: called with ``clean``, images done, and their number.

    Raises:
        InputError: if no verifier has this name, or the folder holds other work.
        MachineError: if a worker process is killed.
        StorageError: if the disk is full; finished shards stay.
    """
    verifier = create_verifier(settings.method)
    shards = Shards(
        work, {**settings.to_dict(), "shard": SHARD, "collection": images.state}, resume=resume
    )
    found: Filtered | Outcome
    if settings.noise is Noise.LEARNED:
        found = clean_by_learning(
            images.training,
            settings.rule,
            verifier,
            shards,
            seed=settings.seed,
            workers=workers,
            progress=progress,
        )
        cleaned = Cleaned(settings, found.decision, evidence=found.evidence, model=found.model)
    else:
        found = clean_by_rule(
            images.training,
            settings.rule,
            verifier,
            shards,
            everything=settings.all_pairs,
            workers=workers,
            progress=progress,
        )
        cleaned = Cleaned(settings, found.decision, checked=found.checked)
    shards.complete()
    return cleaned
