"""Offline diffusion against the same written down literally: SciPy, one image after another.

The literal form takes the rows and columns of a neighbourhood out of the graph by fancy indexing
and calls `scipy.sparse.linalg.cg`, as the public code of Yang et al. (AAAI 2019) does. Both solve
for the same images in turn, in one process, on one thread; the literal form for a sample of each
batch. Ours is timed on all cores too, as the stage runs.

The index is that of `landmarks.py`, with exact neighbours. The graph can be repeated, with its
images shuffled, until it has the size of GLD-v2: neighbourhoods and edges stay what they are, but
memory is read as at that size. Comparing 761,757 images with each other would take hours.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from common import new_parser, print_table, report, restart_with_threads
from landmarks import make
from steeple.retrieval import search_neighbors
from steeple.retrieval.offline.affinity import mutual_affinity, normalise
from steeple.retrieval.offline.diffusing import together
from steeple.retrieval.offline.graph import IndexGraph
from steeple.retrieval.offline.truncated import BATCH, ITERATIONS, TOLERANCE, TruncatedSolver
from steeple.threads import available_cores, in_threads

ALPHA, GAMMA, KD, TRUNCATE = 0.99, 3.0, 50, 1000

Places = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float32]


def find_neighbours(arguments: argparse.Namespace) -> tuple[Places, Floats]:
    """The neighbourhoods of the index; kept in the folder."""
    kept = arguments.folder / f"near-{arguments.scale:g}.npz"
    if not kept.exists():
        data = make(arguments.folder / "data", scale=arguments.scale, training=False)
        index = np.ascontiguousarray(data.index)
        graph = IndexGraph(index, lambda queries, k: search_neighbors(queries, index, k))
        ids, scores = graph.neighbourhoods(TRUNCATE, KD - 1)
        np.savez(kept, ids=ids, scores=scores)
    with np.load(kept) as arrays:
        return arrays["ids"], arrays["scores"]


def repeat(graph: Any, copies: int, places: Places) -> Any:
    """The graph several times, image i of copy c at places[c * n + i]."""
    from scipy.sparse import csr_array

    n, edges = graph.shape[0], graph.tocoo()
    rows = np.concatenate([places[edges.row + c * n] for c in range(copies)])
    columns = np.concatenate([places[edges.col + c * n] for c in range(copies)])
    data = np.tile(edges.data, copies)
    out = csr_array((data, (rows, columns)), shape=(copies * n, copies * n))
    out.sort_indices()
    return out


class Literal:
    """The public code's way, one image after another."""

    def __init__(self, graph: Any) -> None:
        from scipy.sparse import csr_matrix, eye

        size = graph.shape[0]
        self.laplacian = csr_matrix(eye(size, dtype=np.float32) - np.float32(ALPHA) * graph)

    def solve(self, neighbourhoods: Places) -> npt.NDArray[np.float64]:
        """Diffuses from the first image of each row."""
        from scipy.sparse.linalg import cg

        start = np.zeros(neighbourhoods.shape[1])
        start[0] = 1
        rows = []
        for near in neighbourhoods:
            part = self.laplacian[near][:, near]
            rows.append(cg(part, start, rtol=TOLERANCE, maxiter=ITERATIONS)[0])
        return np.array(rows)


def batches(ids: Places, copies: int, places: Places, wanted: int) -> Iterator[Places]:
    """The neighbourhoods of some batches, drawn from all there would be."""
    every = list(together(ids, BATCH))
    random = np.random.default_rng(1)
    for number, which in enumerate(random.permutation(len(every))[:wanted]):
        yield places[ids[every[which]] + number % copies * len(ids)]


def measure(ids: Places, scores: Floats, copies: int, arguments: argparse.Namespace) -> Any:
    """Both in turn, batch by batch; the figures of one row of the table."""
    graph = normalise(mutual_affinity(ids[:, 1:KD], scores, GAMMA))
    places = np.random.default_rng(0).permutation(copies * len(ids)).astype(np.int32)
    graph = repeat(graph, copies, places)
    solver, literal = TruncatedSolver(graph, ALPHA), Literal(graph)
    ours, on_all, theirs, apart = [], [], [], 0.0
    cores = available_cores()
    wanted = cores * (arguments.batches + 1)
    every = batches(ids, copies, places, wanted)
    for number, several in enumerate(zip(*[every] * cores, strict=True)):
        near = several[0]
        sample = slice(number % 8, None, 8)
        start = time.perf_counter()
        found = solver.solve(near)
        between = time.perf_counter()
        expected = literal.solve(near[sample])
        end = time.perf_counter()
        list(in_threads(solver.solve, several))
        last = time.perf_counter()
        apart = max(apart, float(np.abs(found[sample] - expected).max()))
        if number:  # the first does not count
            ours.append((between - start) / len(near))
            theirs.append((end - between) / len(expected))
            on_all.append((last - end) / sum(len(some) for some in several))
    return {
        "images": graph.shape[0],
        "edges_per_image": graph.nnz / graph.shape[0],
        "ours_us": 1e6 * statistics.mean(ours),
        "literal_us": 1e6 * statistics.mean(theirs),
        "ratio": statistics.mean(theirs) / statistics.mean(ours),
        "all_cores_us": 1e6 * statistics.mean(on_all),
        "ratio_on_all_cores": statistics.mean(theirs) / statistics.mean(on_all),
        "ratio_by_least_times": min(theirs) / min(ours),
        "largest_difference": apart,
    }


def main() -> None:
    """Runs the benchmark."""
    parser = new_parser(__doc__)
    parser.add_argument("--folder", type=Path, help="where neighbours are kept; else nowhere")
    parser.add_argument("--scale", type=float, default=0.08, help="of the index; 1 is GLD-v2's")
    parser.add_argument("--copies", type=int, nargs="+", default=[1, 13])
    parser.add_argument("--batches", type=int, default=12, help=f"of {BATCH} images")
    arguments = parser.parse_args()
    restart_with_threads(1)
    with tempfile.TemporaryDirectory() as temporary:
        arguments.folder = arguments.folder or Path(temporary)
        arguments.folder.mkdir(parents=True, exist_ok=True)
        ids, scores = find_neighbours(arguments)
    rows = [measure(ids, scores, copies, arguments) for copies in arguments.copies]
    print_table([name.replace("_", " ") for name in rows[0]], [list(row.values()) for row in rows])
    report("diffusion", {"kd": KD, "truncate": TRUNCATE, "rows": rows}, arguments.json)


if __name__ == "__main__":
    main()
