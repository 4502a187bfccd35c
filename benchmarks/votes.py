"""Votes against the neighbour search they need, and their memory at the size of GLD-v2.

Speed: `soft_vote` and `search_neighbors` with k = 3 run in turn, in one process.

Memory: fresh processes vote with float32 descriptors in memory-mapped files of the full size, and
are watched from outside. All pairs would be two hours of work on two cores, so one process asks all
index images of few training images, and another few index images of all training images. What
grows with the index is the first one's (results, and the mapped queries); what grows with the
training set is the second one's (the mapped training set); the work space is in both. Their sum
bounds what all against all takes.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from common import alternate, median_ratio, new_parser, print_table, report, run_measured
from neighbors import make_descriptors
from steeple.retrieval import search_neighbors, soft_vote

K = 3  # training images that vote, the paper's number
LANDMARKS = 81_313
FEW_TRAINING = 2_048


def measure_speed(arguments: argparse.Namespace) -> dict[str, float]:
    """Times votes and the search of their neighbours."""
    training = make_descriptors(0, arguments.speed_training, arguments.dimension)
    queries = make_descriptors(1, arguments.speed_queries, arguments.dimension)
    labels = np.random.default_rng(2).integers(0, LANDMARKS, len(training))
    votes, search = alternate(
        arguments.rounds,
        lambda: soft_vote(queries, training, labels, K),
        lambda: search_neighbors(queries, training, K),
    )
    return {
        "votes_s": statistics.median(votes),
        "search_s": statistics.median(search),
        "times_the_search": median_ratio(votes, search),
    }


def write_descriptors(path: Path, seed: int, n: int, d: int) -> None:
    """Random unit vectors in a .npy file, block by block."""
    out = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=(n, d))
    for block, start in enumerate(range(0, n, 1 << 15)):
        stop = min(start + (1 << 15), n)
        out[start:stop] = make_descriptors(1000 * seed + block, stop - start, d)
    out.flush()


def measure_memory(arguments: argparse.Namespace, folder: Path) -> list[dict[str, Any]]:
    """Votes in fresh processes; MB of their own and with the pages of mapped files."""
    write_descriptors(folder / "index.npy", 1, arguments.images, arguments.dimension)
    write_descriptors(folder / "training.npy", 2, arguments.training, arguments.dimension)
    rows = []
    for name, images, training in (
        ("only the files opened", 0, 0),
        ("all index images, few training", arguments.images, FEW_TRAINING),
        ("few index images, all training", arguments.slice, arguments.training),
    ):
        shape = [str(images), str(min(training, arguments.training))]
        done = run_measured([sys.executable, sys.argv[0], "--child", str(folder), *shape])
        if done.code:
            raise SystemExit(f"voting failed: {name}")
        rows.append(
            {
                "votes": name,
                "images": images,
                "training": training,
                "seconds": done.seconds,
                "own_mb": done.own_mb,
                "with_mapped_mb": done.total_mb,
            }
        )
    return rows


def vote_in_child(folder: Path, images: int, training: int) -> None:
    """Votes for the first so many images by the first so many training images."""
    mapped: list[npt.NDArray[np.float32]] = [
        np.load(folder / f"{name}.npy", mmap_mode="r") for name in ("index", "training")
    ]
    labels = np.random.default_rng(2).integers(0, LANDMARKS, len(mapped[1]))
    if images:
        soft_vote(mapped[0][:images], mapped[1][:training], labels[:training], K)


def main() -> None:
    """Runs the benchmark."""
    parser = new_parser(__doc__)
    parser.add_argument("--images", type=int, default=761_757)
    parser.add_argument("--training", type=int, default=1_580_470)
    parser.add_argument("--dimension", type=int, default=512)
    parser.add_argument("--slice", type=int, default=2000, help="index images of the second run")
    parser.add_argument("--speed-queries", type=int, default=2000)
    parser.add_argument("--speed-training", type=int, default=150_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", type=Path, help="for 4.8 GB of files; a temporary one if none")
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        folder, images, training = arguments.child
        vote_in_child(Path(folder), int(images), int(training))
        return

    speed = measure_speed(arguments)
    print(
        f"{arguments.speed_queries:,} images, {arguments.speed_training:,} training images, "
        f"k = {K}: votes {speed['votes_s']:.3f} s, search {speed['search_s']:.3f} s, "
        f"{speed['times_the_search']:.3f} times the search\n"
    )
    with tempfile.TemporaryDirectory(prefix="steeple-votes-", dir=arguments.folder) as folder:
        memory = measure_memory(arguments, Path(folder))
    print_table([name.replace("_", " ") for name in memory[0]], [list(r.values()) for r in memory])
    print(f"bound for all against all: {bound(memory):,.0f} MB, mapped pages included")
    report("votes", {**speed, "memory": memory, "bound_mb": bound(memory)}, arguments.json)


def bound(memory: list[dict[str, Any]]) -> float:
    """MB with everything mapped: both runs, less what every process of this kind has anyway."""
    opened, wide, deep = (row["with_mapped_mb"] for row in memory)
    return float(wide + deep - opened)


if __name__ == "__main__":
    main()
