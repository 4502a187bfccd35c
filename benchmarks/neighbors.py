"""Exact search against the bare matrix product of the same shape, and the memory it takes.

The bare product writes all Q x N scores (NumPy, float32) and selects nothing; ours must find the k
best of each row as well. Both run in turn, in one process, with the same number of threads.

Memory: fresh processes search with several budgets, and the growth of their peak resident memory
during the search is compared with the budget, results included. FAISS and BLAS keep some buffers
for themselves whatever the budget; a small search beforehand makes them, so they do not count.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from common import (
    alternate,
    median_ratio,
    new_parser,
    print_table,
    report,
    restart_with_threads,
)
from steeple.retrieval import search_neighbors

MEGABYTE = 1 << 20


def make_descriptors(seed: int, n: int, d: int, kind: str = "float32") -> npt.NDArray[Any]:
    """Random unit vectors, (n, d), made without a second copy."""
    random = np.random.default_rng(seed)
    out = np.empty((n, d), dtype=kind)
    for start in range(0, n, 4096):
        part = random.standard_normal((min(4096, n - start), d), dtype=np.float32)
        out[start : start + 4096] = part / np.linalg.norm(part, axis=1, keepdims=True)
    return out


def measure_speed(arguments: argparse.Namespace) -> dict[str, Any]:
    """Times the search and the bare product; the figures of the first table."""
    index = make_descriptors(0, arguments.images, arguments.dimension)
    queries = make_descriptors(1, arguments.queries, arguments.dimension)
    product = np.empty((len(queries), len(index)), dtype=np.float32)
    ours, bare = alternate(
        arguments.rounds,
        lambda: search_neighbors(queries, index, arguments.k),
        lambda: np.matmul(queries, index.T, out=product),
    )
    operations = 2 * len(queries) * len(index) * arguments.dimension
    return {
        "search_s": statistics.median(ours),
        "product_s": statistics.median(bare),
        "search_gflops": operations / statistics.median(ours) / 1e9,
        "product_gflops": operations / statistics.median(bare) / 1e9,
        "share_of_bare_rate": 1 / median_ratio(ours, bare),
        "share_by_least_times": min(bare) / min(ours),
    }


def measure_memory(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Searches in fresh processes; the figures of the second table."""
    rows = []
    for kind in ("float32", "float16"):
        for megabytes in arguments.budgets:
            command = [sys.executable, *sys.argv, "--child", kind, "--budgets", str(megabytes)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            rows.append({"index": kind, "budget_mb": megabytes, **json.loads(done.stdout)})
    return rows


def search_in_child(arguments: argparse.Namespace) -> dict[str, float]:
    """Runs one search and returns by how many MB the peak of this process grew."""
    index = make_descriptors(0, arguments.memory_images, arguments.dimension, arguments.child)
    queries = make_descriptors(1, arguments.memory_queries, arguments.dimension)
    small = make_descriptors(2, 2000, arguments.dimension)
    search_neighbors(small, small, 3, memory=MEGABYTE)
    before = _peak()
    found = search_neighbors(queries, index, arguments.k, memory=arguments.budgets[0] * MEGABYTE)
    result = found.ids.nbytes + found.scores.nbytes
    grown = _peak() - before
    return {
        "growth_mb": grown / MEGABYTE,
        "result_mb": result / MEGABYTE,
        "work_space_mb": (grown - result) / MEGABYTE,
    }


def _peak() -> int:
    """The highest resident memory of this program so far, in bytes.

    From Linux's VmHWM: getrusage would start from the memory of the process that started this one.
    """
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise SystemExit("this system does not tell peak memory in /proc/self/status")


def main() -> None:
    """Runs the benchmark."""
    parser = new_parser(__doc__)
    parser.add_argument("--images", type=int, default=200_000)
    parser.add_argument("--queries", type=int, default=1000)
    parser.add_argument("--dimension", type=int, default=512)
    parser.add_argument("-k", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--budgets", type=int, nargs="+", default=[32, 128, 512], metavar="MB")
    parser.add_argument("--memory-images", type=int, default=50_000)
    parser.add_argument("--memory-queries", type=int, default=20_000)
    parser.add_argument("--child", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    restart_with_threads(arguments.threads)
    if arguments.child:
        print(json.dumps(search_in_child(arguments)))
        return

    speed = measure_speed(arguments)
    print(
        f"{arguments.images:,} x {arguments.dimension} index, {arguments.queries:,} queries, "
        f"k = {arguments.k}, {arguments.threads} threads"
    )
    print_table(
        ["form", "median s", "GFLOP/s"],
        [
            ["search_neighbors", speed["search_s"], speed["search_gflops"]],
            ["bare product", speed["product_s"], speed["product_gflops"]],
        ],
    )
    print(
        f"share of the bare rate: {speed['share_of_bare_rate']:.1%} (median of the rounds), "
        f"{speed['share_by_least_times']:.1%} (least times)\n"
    )
    memory = measure_memory(arguments)
    print(f"{arguments.memory_queries:,} queries in {arguments.memory_images:,} images")
    print_table([name.replace("_", " ") for name in memory[0]], [list(r.values()) for r in memory])
    shape = {name: getattr(arguments, name) for name in ("images", "queries", "dimension", "k")}
    report("neighbors", {**shape, **speed, "memory": memory}, arguments.json)


if __name__ == "__main__":
    main()
