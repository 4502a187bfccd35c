"""Diffusion from many images at once, each within its own neighbourhood.

For image i with neighbourhood T (its m nearest, itself first) the system is
(I - alpha S_T) f = e_i, where S_T are the rows and columns of the graph that belong to T. Each is
little work, most of it waiting for memory and for wrongly guessed branches. So:

- A batch of systems reads each row of the graph once, in order; what they have in common is small
  enough to stay near the processor while each takes its part of it. That saves the more, the nearer
  the images of a batch are to each other.
- A few systems become one block-diagonal matrix, and one run of conjugate gradients steps through
  all of them, with scalars of its own for each.
- Its entries are sorted by column and added up one by one. Rows have some six entries, and a loop
  over so few is mispredicted at every end: twice the time and more, measured.
"""

from __future__ import annotations

from collections.abc import Iterator
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

_SYSTEMS = 64  # solved at a time; their matrix and vectors are some 6 MB
_GATHERED = 16  # whose rows are gathered at a time: some 100 kB each
_SETTLED = 2  # systems that are done leave once they are one in so many
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
        from scipy.sparse import csr_array

        size = graph.shape[0]
        # One more row, without edges, stands for pads.
        ends = np.append(graph.indptr, graph.indptr[-1])
        data = np.asarray(-alpha * graph.data, dtype=np.float32)
        self._edges = csr_array((data, graph.indices, ends), shape=(size + 1, size + 1))

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
            systems = list(_extract(*self._shared(neighbourhoods[start : start + BATCH])))
            # Those of a size take about as many steps, and then few wait for the others.
            order = np.argsort([len(system.data) for system in systems])
            for first in range(0, len(order), _SYSTEMS):
                some = order[first : first + _SYSTEMS]
                out[start + some] = _conjugate_gradients([systems[i] for i in some], m)
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
class _System:
    """One symmetric matrix, without its diagonal of ones.

    Args:
        rows: (nnz,).
        columns: (nnz,), ascending; int16 where that is wide enough, like the rows.
        data: (nnz,) float32.
    """

    rows: Places
    columns: Places
    data: Floats


def _extract(shared: Any, members: Places) -> Iterator[_System]:
    """The rows and columns of a graph that belong to each neighbourhood.

    Args:
        shared: symmetric CSR array.
        members: (B, m), which of its rows are in each neighbourhood.
    """
    m = members.shape[1]
    small = np.int16 if m <= np.iinfo(np.int16).max else np.int32
    own = np.arange(m, dtype=small)
    place = np.full(shared.shape[0], _OUTSIDE, dtype=small)
    for start in range(0, len(members), _GATHERED):
        some = members[start : start + _GATHERED]
        rows = shared[some.reshape(-1)]
        owner = np.repeat(np.tile(own, len(some)), np.diff(rows.indptr))
        for i, images in enumerate(some):
            part = slice(rows.indptr[i * m], rows.indptr[(i + 1) * m])
            place[images] = own
            found = place.take(rows.indices[part])
            place[images] = _OUTSIDE
            hits = np.flatnonzero(found != _OUTSIDE)
            # The matrix is symmetric: what is read as rows may be written as columns.
            yield _System(found.take(hits), owner[part].take(hits), rows.data[part].take(hits))


def _conjugate_gradients(systems: list[_System], m: int) -> Floats:
    """(systems, m) float32: solves (I + system) f = e_0 for each."""
    out = np.empty((len(systems), m), dtype=np.float32)
    going = np.arange(len(out))
    matrix = _block_diagonal(systems, m)
    f, residual = np.zeros_like(out), np.zeros_like(out)
    residual[:, 0] = 1
    direction, square = residual.copy(), np.ones(len(out), dtype=np.float32)
    for _ in range(ITERATIONS):
        step = (matrix @ direction.reshape(-1)).reshape(direction.shape)
        step += direction
        length = _ratio(square, np.einsum("sm,sm->s", direction, step))
        f += length * direction
        step *= length
        residual -= step
        before, square = square, np.einsum("sm,sm->s", residual, residual)
        done = np.sqrt(square) < TOLERANCE
        if done.all():
            break
        # What is done stands still; where that is much of it, it leaves.
        residual[done], direction[done], square[done] = 0, 0, 0
        if _SETTLED * done.sum() > len(done):
            out[going[done]] = f[done]
            systems = [system for system, gone in zip(systems, done, strict=True) if not gone]
            matrix = _block_diagonal(systems, m)
            going, f, residual = going[~done], f[~done], residual[~done]
            direction, before, square = direction[~done], before[~done], square[~done]
        direction *= _ratio(square, before)
        direction += residual
    out[going] = f
    return out


def _ratio(above: Floats, below: Floats) -> Floats:
    """(systems, 1): the ratio, 0 for a system that is done."""
    return np.divide(above, below, out=np.zeros_like(above), where=below > 0)[:, None]


def _block_diagonal(systems: list[_System], m: int) -> Any:
    """All systems as one matrix of (systems * m) rows."""
    from scipy.sparse import coo_array

    ends = np.cumsum([0, *(len(system.data) for system in systems)])
    rows, columns = np.empty(ends[-1], dtype=np.int32), np.empty(ends[-1], dtype=np.int32)
    data = np.empty(ends[-1], dtype=np.float32)
    for i, system in enumerate(systems):
        part = slice(ends[i], ends[i + 1])
        np.add(system.rows, np.int32(i * m), out=rows[part])
        np.add(system.columns, np.int32(i * m), out=columns[part])
        data[part] = system.data
    shape = (len(systems) * m, len(systems) * m)
    return coo_array((data, (rows, columns)), shape=shape)
