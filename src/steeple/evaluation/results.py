"""What an evaluation finds: its figures, and what they were computed from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, TypeAlias

from steeple.datasets.gldv2 import GldV2
from steeple.evaluation.rejection import RejectionPoint
from steeple.geometry.base import Extractor
from steeple.retrieval.types import Ranking, Votes

__all__ = ["Evaluation", "Figures", "RevisitedEvaluation", "Run"]

Figures: TypeAlias = dict[str, float]
"""Name of a metric -> its value."""


@dataclass(frozen=True)
class Evaluation:
    """The figures of one evaluation; scores in percent, None where nothing could be scored.

    Args:
        dataset: the kind of data set.
        sizes: images by part: training, index, queries, and the queries scored for retrieval.
        retrieval: method -> ``public``, ``private``, ``all``: mAP@100.
        recognition: method -> ``gap``, and its public and private parts.
        precision: method -> ``public``, ``private``, ``all`` -> ``mp@1``, ``mp@5``, ``mp@10``.
        position: the same -> ``mean``, ``median``: the rank of the first relevant image, from 1;
            101 where the list has none.
        accuracy: way of recognition -> ``public``, ``private``, ``all``: top-1 accuracy over the
            queries that show a landmark.
        rejection: what saying "no known landmark" below a confidence costs and saves, for
            ``default``; as fractions.
        seconds: wall time by stage.
        failed: photos that could not be read, with the reason.
    """

    dataset: str
    sizes: dict[str, int]
    retrieval: dict[str, dict[str, float | None]]
    recognition: dict[str, dict[str, float | None]]
    rejection: tuple[RejectionPoint, ...]
    seconds: dict[str, float]
    failed: tuple[tuple[str, str], ...] = ()
    precision: dict[str, dict[str, Figures | None]] = field(default_factory=dict)
    position: dict[str, dict[str, Figures | None]] = field(default_factory=dict)
    accuracy: dict[str, dict[str, float | None]] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """The same as plain dictionaries, ready for JSON."""
        return {
            "dataset": self.dataset,
            "sizes": self.sizes,
            "retrieval": self.retrieval,
            "recognition": self.recognition,
            "precision": self.precision,
            "position": self.position,
            "accuracy": self.accuracy,
            "rejection": [point.to_dict() for point in self.rejection],
            "seconds": self.seconds,
            "failed": [list(pair) for pair in self.failed],
        }


@dataclass(frozen=True)
class RevisitedEvaluation:
    """The figures of Revisited Oxford or Paris, in percent.

    Args:
        dataset: ``roxford5k`` or ``rparis6k``.
        sizes: images by part: ``index`` and ``distractors`` as far as they could be read, and
            ``queries``.
        cropped: whether queries were cropped to their boxes.
        retrieval: method -> ``easy``, ``medium``, ``hard`` -> ``map``, ``mp@1``, ``mp@5``,
            ``mp@10``.
        seconds: wall time by stage.
        failed: photos that could not be read, with the reason.
    """

    dataset: str
    sizes: dict[str, int]
    cropped: bool
    retrieval: dict[str, dict[str, Figures]]
    seconds: dict[str, float]
    failed: tuple[tuple[str, str], ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The same as plain dictionaries, ready for JSON."""
        return asdict(self) | {"failed": [list(pair) for pair in self.failed]}


@dataclass(frozen=True)
class Run:
    """What an evaluation found, for those who want to look at it.

    Args:
        dataset: the data set.
        index: ids of the index images.
        queries: ids of the queries.
        rankings: method -> (Q, 100) ranking over the index.
        beliefs: Q votes whose scores are probabilities.
        index_beliefs: N such votes.
        names: landmark number of a vote -> landmark of the data set.
        extractor: what found the local features; None where there are none.
    """

    dataset: GldV2
    index: Sequence[str]
    queries: Sequence[str]
    rankings: Mapping[str, Ranking]
    beliefs: Votes
    index_beliefs: Votes
    names: Mapping[int, str]
    extractor: Extractor | None = None
