"""Approximate search at the size of GLD-v2: recall against exact search, and one query's time.

Ours is what `choose_index` picks for two memory budgets, and a graph (HNSW) beside it; next to
them stand usearch and hnswlib (pip install usearch hnswlib; --without leaves them out). Everything
is searched until its recall@100 on tuning queries is what is wanted, by as little effort as that
takes, and measured on other queries. Data are those of landmarks.py: queries that show a landmark
of the index and, in a column of their own, queries that show none, whose neighbours mean little.

Building takes all threads, searching one. Contestants search in turn, some queries at a time, in
one process, and the exact search with them.
"""

from __future__ import annotations

import argparse
import importlib
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

import landmarks
from common import new_parser, print_table, report
from steeple.retrieval import Ranking, search_neighbors
from steeple.retrieval.approximate.index import ApproximateIndex
from steeple.retrieval.approximate.presets import FLAT, choose_index
from steeple.retrieval.approximate.recall import recall
from steeple.retrieval.rescoring import rescore
from steeple.retrieval.types import Floats

K = 100
DEGREE, CONSTRUCTION = 32, 200  # of the graphs of usearch and hnswlib: links, and width of building
AT_A_TIME = 20  # queries that a contestant answers before it is the next one's turn


@dataclass
class Contestant:
    """Something that finds neighbours, built and tuned."""

    name: str
    search: Callable[[Floats], Ranking]
    effort: str
    build_s: float
    tune_s: float
    bytes_per_image: float


def build_ours(
    factory: str, data: landmarks.Landmarks, tuning: Floats, arguments: argparse.Namespace
) -> Contestant:
    """One of FAISS's indexes as steeple builds and tunes it."""
    import faiss

    start = time.perf_counter()
    index = ApproximateIndex.build(data.index, factory, memory=1 << 30, seed=0)
    built = time.perf_counter()
    index.tune(tuning, K, exact=data.index, wanted=arguments.wanted, memory=1 << 30)
    tuned = time.perf_counter()
    return Contestant(
        f"steeple {factory}",
        lambda queries: index.search(queries, K, exact=data.index),
        f"probes {index.effort.probes}, refine {index.effort.refine}",
        built - start,
        tuned - built,
        _size(len(index), lambda path: faiss.write_index(index.index, path)),
    )


def build_hnswlib(
    data: landmarks.Landmarks, tuning: Floats, truth: Ranking, arguments: argparse.Namespace
) -> Contestant:
    """The graph that made them known, float32."""
    hnswlib = _need("hnswlib")
    graph = hnswlib.Index(space="ip", dim=data.index.shape[1])
    graph.init_index(len(data.index), ef_construction=CONSTRUCTION, M=DEGREE, random_seed=0)
    graph.set_num_threads(arguments.threads)
    start = time.perf_counter()
    for first in range(0, len(data.index), 1 << 16):
        graph.add_items(data.index[first : first + (1 << 16)])
    built = time.perf_counter()
    graph.set_num_threads(1)

    def search(queries: Floats) -> Ranking:
        ids, distances = graph.knn_query(queries, K)
        return Ranking(ids.astype(np.int64), 1 - distances)

    width = _least(graph.set_ef, lambda: recall(search(tuning), truth), arguments.wanted)
    tuned = time.perf_counter()
    return Contestant(
        f"hnswlib M {DEGREE}",
        search,
        f"ef {width}",
        built - start,
        tuned - built,
        _size(len(data.index), graph.save_index),
    )


def build_usearch(
    kind: str,
    data: landmarks.Landmarks,
    tuning: Floats,
    truth: Ranking,
    arguments: argparse.Namespace,
) -> Contestant:
    """The same graph by others, of float32 or of shorter numbers."""
    graph = _need("usearch.index").Index(
        ndim=data.index.shape[1],
        metric="ip",
        dtype=kind,
        connectivity=DEGREE,
        expansion_add=CONSTRUCTION,
    )
    start = time.perf_counter()
    for first in range(0, len(data.index), 1 << 16):
        vectors = np.asarray(data.index[first : first + (1 << 16)])
        keys = np.arange(first, first + len(vectors))
        graph.add(keys, vectors, copy=True, threads=arguments.threads)
    built = time.perf_counter()

    def search(queries: Floats) -> Ranking:
        found = graph.search(queries, K, threads=1)
        ids = np.asarray(found.keys).astype(np.int64).reshape(len(queries), K)
        # Of short numbers, the distances are only nearly right; recall compares exact scores.
        return rescore(queries, ids, K, data.index)

    def widen(width: int) -> None:
        graph.expansion_search = width

    width = _least(widen, lambda: recall(search(tuning), truth), arguments.wanted)
    tuned = time.perf_counter()
    return Contestant(
        f"usearch {kind} M {DEGREE}",
        search,
        f"expansion {width}",
        built - start,
        tuned - built,
        _size(len(data.index), graph.save),
    )


def _least(widen: Callable[[int], None], measure: Callable[[], float], wanted: float) -> int:
    """The least width, in steps of a seventh, that reaches the recall; 6,400 at most."""
    width = K
    while True:
        widen(width)
        if measure() >= wanted or width >= 6400:
            return width
        width = width * 8 // 7


def _size(images: int, save: Callable[[str], Any]) -> float:
    with tempfile.TemporaryDirectory(prefix="steeple-approximate-") as folder:
        path = Path(folder) / "index"
        save(str(path))
        return path.stat().st_size / images


def _need(module: str) -> Any:
    import faiss  # noqa: F401 - loaded after the others, it fails in their C++ library

    try:
        return importlib.import_module(module)
    except ImportError as error:
        name = module.partition(".")[0]
        raise SystemExit(
            f"{name} is not installed; pip install {name}, or leave it out by --without {name}"
        ) from error


def measure_times(
    searches: Sequence[Callable[[Floats], Ranking]], queries: Floats, rounds: int
) -> list[list[float]]:
    """Seconds of single queries, per contestant; the first round does not count."""
    seconds: list[list[float]] = [[] for _ in searches]
    for turn in range(rounds + 1):
        for start in range(0, len(queries), AT_A_TIME):
            for search, times in zip(searches, seconds, strict=True):
                for row in range(start, min(start + AT_A_TIME, len(queries))):
                    began = time.perf_counter()
                    search(queries[row : row + 1])
                    if turn:
                        times.append(time.perf_counter() - began)
    return seconds


def build_all(
    data: landmarks.Landmarks, tuning: Floats, truth: Ranking, arguments: argparse.Namespace
) -> list[Contestant]:
    """Builds and tunes everybody, and says so as it goes."""
    images, dimension = data.index.shape
    floats = 4 * images * dimension  # all descriptors fit, their codes fit, or hardly anything
    factories = [
        choose_index(images, dimension, memory) for memory in (2 * floats, floats, floats // 4)
    ] + ["HNSW32_SQ8"]
    lists = 1 << round(np.log2(4 * np.sqrt(images)))
    codes = (f"PQ{dimension // 2}x4fs", "SQ8", "RaBitQ")
    if FLAT in factories:  # at a small scale, what is chosen for more
        factories[:3] = [f"IVF{lists},{code}" for code in codes]
    jobs: list[tuple[str, Callable[[], Contestant]]] = [
        ("steeple", lambda factory=factory: build_ours(factory, data, tuning, arguments))  # type: ignore[misc]
        for factory in arguments.factories or dict.fromkeys(factories)
    ]
    jobs += [
        ("usearch", lambda kind=kind: build_usearch(kind, data, tuning, truth, arguments))  # type: ignore[misc]
        for kind in arguments.usearch
    ]
    jobs.append(("hnswlib", lambda: build_hnswlib(data, tuning, truth, arguments)))
    done = []
    for name, build in jobs:
        if name not in arguments.without:
            done.append(build())
            print(
                f"{done[-1].name}: built in {done[-1].build_s:.0f} s, {done[-1].effort}", flush=True
            )
    return done


def main() -> None:
    """Runs the benchmark."""
    parser = new_parser(__doc__)
    parser.add_argument("--scale", type=float, default=1.0, help="of 761,757 images")
    parser.add_argument("--folder", type=Path, help="where the data lie, or go, and stay")
    model = landmarks.Model()
    parser.add_argument(
        "--spectrum",
        type=float,
        default=1.25,
        help=f"{model.spectrum} is that of gldv2_scale.py, whose neighbourhoods have twice as many "
        "dimensions as is published for learned descriptors",
    )
    parser.add_argument(
        "--noise",
        type=float,
        default=0.55,
        help=f"with which plain search scores as published; {model.noise} for the other spectrum",
    )
    parser.add_argument("--wanted", type=float, default=0.955, help="recall@100 to tune to")
    parser.add_argument("--queries", type=int, default=400, help="to measure with; as many tune")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--factories", nargs="*", help="FAISS indexes instead of the chosen ones")
    parser.add_argument("--usearch", nargs="*", default=["f32"], help="numbers that it stores")
    parser.add_argument("--without", nargs="*", default=[], choices=["usearch", "hnswlib"])
    arguments = parser.parse_args()
    for name in {"usearch", "hnswlib"} - {*arguments.without}:
        _need(name)
    with tempfile.TemporaryDirectory(prefix="steeple-approximate-") as temporary:
        folder = arguments.folder or Path(temporary)
        data = landmarks.make(
            folder,
            scale=arguments.scale,
            queries=landmarks.SCORED + 400,
            model=landmarks.Model(spectrum=arguments.spectrum, noise=arguments.noise),
            training=False,
        )
        run(data, arguments)


def run(data: landmarks.Landmarks, arguments: argparse.Namespace) -> None:
    """Builds, measures and prints."""
    scored = data.queries[data.query_labels != landmarks.NOBODY]
    tuning = np.ascontiguousarray(scored[0::2][: arguments.queries])
    queries = np.ascontiguousarray(scored[1::2][: arguments.queries])
    others = np.ascontiguousarray(data.queries[data.query_labels == landmarks.NOBODY])

    def exact(some: Floats) -> Ranking:
        return search_neighbors(some, data.index, K)

    truth, truth_of_others = exact(queries), exact(others)
    contestants = build_all(data, tuning, exact(tuning), arguments)
    with threadpool_limits(limits=1):
        seconds = measure_times(
            [exact, *(one.search for one in contestants)], queries[:100], arguments.rounds
        )
        recalls = [
            (recall(one.search(queries), truth), recall(one.search(others), truth_of_others))
            for one in contestants
        ]
    exact_ms = statistics.median(seconds[0]) * 1e3
    figures: list[dict[str, Any]] = [
        {
            "contestant": one.name,
            "effort": one.effort,
            "build s": one.build_s,
            "tune s": one.tune_s,
            "bytes per image": one.bytes_per_image,
            "recall@100": found[0],
            "without landmark": found[1],
            "p50 ms": statistics.median(times) * 1e3,
            "times exact": exact_ms / (statistics.median(times) * 1e3),
        }
        for one, found, times in zip(contestants, recalls, seconds[1:], strict=True)
    ]
    print(
        f"\n{len(data.index):,} x {data.index.shape[1]}, {len(queries)} queries, recall on "
        f"{len(tuning)} others tuned to {arguments.wanted}; exact search {exact_ms:.2f} ms a query"
    )
    print_table(list(figures[0]), [list(row.values()) for row in figures])
    shape = {"images": len(data.index), "exact_ms": exact_ms, "wanted": arguments.wanted}
    report("approximate", {**shape, "contestants": figures}, arguments.json)


if __name__ == "__main__":
    main()
