"""What an evaluation finds: its figures, and what they were computed from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from steeple.datasets.gldv2 import GldV2
from steeple.evaluation.rejection import RejectionPoint
from steeple.geometry.base import Extractor
from steeple.retrieval.types import Ranking, Votes

__all__ = ["Evaluation", "Run"]


@dataclass(frozen=True)
class Evaluation:
    """The figures of one evaluation; scores in percent, None where nothing could be scored.

    Args:
        dataset: the kind of data set.
        sizes: images by part: training, index, queries, and the queries scored for retrieval.
        retrieval: method -> ``public``, ``private``, ``all``: mAP@100.
        recognition: method -> ``gap``, and its public and private parts.
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

    def to_dict(self) -> dict[str, Any]:
        """The same as plain dictionaries, ready for JSON."""
        return {
            "dataset": self.dataset,
            "sizes": self.sizes,
            "retrieval": self.retrieval,
            "recognition": self.recognition,
            "rejection": [point.to_dict() for point in self.rejection],
            "seconds": self.seconds,
            "failed": [list(pair) for pair in self.failed],
        }


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
