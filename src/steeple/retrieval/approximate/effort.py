"""How hard an approximate index looks, and the least effort that finds enough."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from steeple.retrieval.approximate.knob import Knob

__all__ = ["Effort", "least_effort"]


_REFINES = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32)
_NO_MORE = 0.001  # less recall than this is no gain


@dataclass(frozen=True)
class Effort:
    """How much of an index a search looks at, and how much of what it finds is looked at again.

    An effort suits the number of images that it was tuned for. Who asks for more looks into as many
    times more lists; who asks for fewer looks as hard as before, since the images right at the top
    are no easier to propose than the others.

    Args:
        probes: lists visited (IVF: nprobe), or images kept in view while walking (HNSW: efSearch),
            when k images are asked for.
        refine: candidates per image asked for; their exact scores decide which are kept.
        k: how many images were asked for when this was tuned.
    """

    probes: int = 32
    refine: int = 4
    k: int = 100

    def probes_for(self, k: int) -> int:
        """Probes for k images: in proportion, rounded up, and never fewer than were tuned."""
        return -(-self.probes * max(k, self.k) // self.k)

    def candidates(self, k: int) -> int:
        """How many are looked at again for k images, and never fewer than were tuned."""
        return self.refine * max(k, self.k)


def least_effort(
    knob: Knob, k: int, dimension: int, *, measure: Callable[[Effort], float], wanted: float
) -> tuple[Effort, float]:
    """The cheapest effort that reaches a recall, or the one that comes closest.

    Every number of probes is tried with more and more to refine, until the recall is reached, or
    refining more gains nothing, or it costs more than the best so far.

    Args:
        knob: of the index.
        k: images asked for.
        dimension: of the descriptors.
        measure: the recall of an effort.
        wanted: the recall, between 0 and 1.

    Returns:
        The effort, tuned for k, and its recall.
    """
    best, reached, cheapest = Effort(k=k), -1.0, float("inf")
    for probes in knob.steps(k):
        before = -1.0
        for refine in _REFINES:
            effort = Effort(probes, refine, k)
            cost = knob.cost(probes, effort.candidates(k), dimension)
            if cost >= cheapest:
                break
            value = measure(effort)
            if value >= wanted:
                best, reached, cheapest = effort, value, cost
                break
            if value > reached and cheapest == float("inf"):
                best, reached = effort, value
            if value - before < _NO_MORE:
                break
            before = value
    return best, reached
