"""Diffusion from many images at once, each within its own neighbourhood.

For image i with neighbourhood T (its m nearest, itself first) the system is
(I - alpha S_T) f = e_i, where S_T are the rows and columns of the graph that belong to T. Each is
little work, most of it waiting for memory and for wrongly guessed branches. So:

- A batch of systems reads each row of the graph once, in order; what they have in common is small
  enough to stay near the processor while each takes its part of it. That saves the more, the nearer
  the images of a batch are to each other.
- An edge is kept and looked for in one direction only; the other is written beside it in the end.
- Some systems are one block-diagonal matrix, and one run of conjugate gradients steps through all
  of them, with scalars of its own for each.
- The entries of that matrix are added up one by one. Rows have some six entries, and a loop over so
  few is mispredicted at every end: twice the time and more, measured.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from steeple.retrieval.offline.graph import Neighbourhoods
from steeple.retrieval.types import Floats

__all__ = ["BATCH", "ITERATIONS", "TOLERANCE", "TruncatedSolver"]

TOLERANCE, ITERATIONS = 1e-6, 20
"""When conjugate gradients stop: as in the public code of Yang et al., AAAI 2019."""

BATCH = 512
"""Systems that read the graph together."""

_SYSTEMS = 64  # solved together; their edges and vectors are some 10 MB
_SETTLED = 2  # the edges of systems that are done leave once they are one in so many
_OUTSIDE = -1

Places: TypeAlias = npt.NDArray[Any]
"""Whole numbers of whichever width is enough."""


class TruncatedSolver:
    """Solves (I - alpha S_T) f = e_i for one neighbourhood T after another.

    The rule to stop is that of `scipy.sparse.linalg.cg` with rtol = 1e-6 and maxiter = 20: a system
    is done as soon as the norm of its residual, as the recursion carries it, is below 1e-6 of that
    of its right-hand side, or after 20 steps. The steps are those of plain conjugate gradients
    from 0, so that also a system which the limit cuts off gives what SciPy would give, but for
    rounding: float32 here.

    Args:
        graph: (N, N) symmetric SciPy CSR array S.
        alpha: how far diffusion goes, below 1.
    """

    def __init__(self, graph: Any, alpha: float) -> None:
        from scipy.sparse import csr_array, triu

        size = graph.shape[0]
        edges = triu(graph, 1, format="csr")
        # One more row, without edges, stands for pads.
        ends = np.append(edges.indptr, edges.indptr[-1])
        data = np.asarray(-alpha * edges.data, dtype=np.float32)
        self._edges = csr_array((data, edges.indices, ends), shape=(size + 1, size + 1))

    def solve(self, neighbourhoods: Neighbourhoods) -> Floats:
        """Diffuses from the first image of each neighbourhood.

        Args:
            neighbourhoods: (B, m), without repetitions in a row; fastest if rows that lie together
                have much in common.

        Returns:
            (B, m) float32, f for each image of each neighbourhood; 0 for pads.
        """
        m = neighbourhoods.shape[1]
        out = np.zeros((len(neighbourhoods), m), dtype=np.float32)
        for start in range(0, len(out), BATCH):
            shared, members = self._shared(neighbourhoods[start : start + BATCH])
            # Those of a size take about as many steps, and then few wait for the others.
            order = np.argsort(np.diff(shared.indptr)[members].sum(axis=1))
            for first in range(0, len(order), _SYSTEMS):
                some = order[first : first + _SYSTEMS]
                out[start + some] = _conjugate_gradients(_extract(shared, members[some]))
        return out

    def _shared(self, neighbourhoods: Neighbourhoods) -> tuple[Any, Places]:
        """The graph among all images of a batch, and where in it each neighbourhood lies."""
        from scipy.sparse import csr_array

        size = self._edges.shape[0]
        named = np.where(neighbourhoods < 0, size - 1, neighbourhoods)
        inside = np.zeros(size, dtype=bool)
        inside[named] = True
        images = np.flatnonzero(inside)
        place = np.empty(size, dtype=np.int32)
        place[images] = np.arange(len(images), dtype=np.int32)
        rows = self._edges[images]
        hits = np.flatnonzero(inside.take(rows.indices))
        columns = place.take(rows.indices.take(hits))
        ends = np.searchsorted(hits, rows.indptr).astype(np.int32)
        shape = (len(images), len(images))
        return csr_array((rows.data.take(hits), columns, ends), shape=shape), place[named]


@dataclass(frozen=True)
class _Systems:
    """Symmetric matrices along the diagonal of one, without its diagonal of ones.

    Args:
        shape: how many, and the size m of each.
        one: (edges,) int32, a row of the whole matrix, edges of a system beside each other.
        other: (edges,) int32, a column.
        data: (edges,) float32, what stands there, and at the mirrored place.
        ends: (systems + 1,), where the edges of each begin and end.
    """

    shape: tuple[int, int]
    one: Places
    other: Places
    data: Floats
    ends: Places

    def matrix(self, going: npt.NDArray[np.bool_]) -> Any:
        """The whole matrix, with the edges of systems that are going on."""
        from scipy.sparse import coo_array

        kept = np.repeat(going, np.diff(self.ends))
        one, other, data = self.one[kept], self.other[kept], self.data[kept]
        size = self.shape[0] * self.shape[1]
        places = np.concatenate([one, other]), np.concatenate([other, one])
        return coo_array((np.concatenate([data, data]), places), shape=(size, size))


def _extract(shared: Any, members: Places) -> _Systems:
    """The edges within each neighbourhood.

    Args:
        shared: CSR array, upper triangle.
        members: (systems, m), which of its rows are in each neighbourhood.
    """
    m = members.shape[1]
    number = np.arange(members.size, dtype=np.int32).reshape(members.shape)
    rows = shared[members.reshape(-1)]
    own = np.repeat(number.reshape(-1), np.diff(rows.indptr))
    found = np.empty(len(own), dtype=np.int32)
    place = np.full(shared.shape[0], _OUTSIDE, dtype=np.int32)
    for system, images in enumerate(members):
        part = slice(rows.indptr[system * m], rows.indptr[(system + 1) * m])
        place[images] = number[system]
        found[part] = place.take(rows.indices[part])
        place[images] = _OUTSIDE
    hits = np.flatnonzero(found != _OUTSIDE)
    ends = np.searchsorted(hits, rows.indptr[::m])
    return _Systems(members.shape, found.take(hits), own.take(hits), rows.data.take(hits), ends)


def _conjugate_gradients(systems: _Systems) -> Floats:
    """(systems, m) float32: solves (I + system) f = e_0 for each."""
    f = np.zeros(systems.shape, dtype=np.float32)
    residual = np.zeros_like(f)
    residual[:, 0] = 1
    direction, square = residual.copy(), np.ones(len(f), dtype=np.float32)
    stepping = going = np.ones(len(f), dtype=bool)
    matrix = systems.matrix(stepping)
    for _ in range(ITERATIONS):
        step = (matrix @ direction.reshape(-1)).reshape(direction.shape)
        step += direction
        length = _ratio(square, np.einsum("sm,sm->s", direction, step))
        f += length * direction
        step *= length
        residual -= step
        before, square = square, np.einsum("sm,sm->s", residual, residual)
        going = going & (np.sqrt(square) >= TOLERANCE)
        if not going.any():
            break
        # What is done stands still; where that is much of it, its edges leave.
        residual[~going], direction[~going], square[~going] = 0, 0, 0
        if _SETTLED * going.sum() <= stepping.sum():
            stepping = going
            matrix = systems.matrix(stepping)
        direction *= _ratio(square, before)
        direction += residual
    return f


def _ratio(above: Floats, below: Floats) -> Floats:
    """(systems, 1): the ratio, 0 for a system that is done."""
    return np.divide(above, below, out=np.zeros_like(above), where=below > 0)[:, None]
