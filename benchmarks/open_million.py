"""Opening a large collection, searching in it, and the memory that takes.

A synthetic collection is written the way `add` writes one, in batches through `LocalStore.append`:
random unit vectors, a third of the images labelled, chosen at random, so that what votes lies
scattered between what does not. Votes cost a pass over images times labelled images, which is not
what is measured here, so random ones are written straight into the rows; everything else is real.

Fresh processes then open it and search with one query, twice: once with the descriptors in the
system's cache, once after the system was asked to drop them. Pages of memory-mapped files count as
resident while there is room for them, so the memory that is really taken (RssAnon) is given too.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from common import new_parser, print_table, report
from steeple.collection.cohort import Cohort
from steeple.collection.schema import put_setting
from steeple.collection.store import LocalStore, NewImage
from steeple.collection.voters import VOTERS

DIMENSION = 512
BATCH = 1 << 15
MEGABYTE = 1 << 20
STAGES = ("start", "open", "first search", "second search")


def unit_vectors(random: np.random.Generator, n: int) -> npt.NDArray[np.float32]:
    """Random unit vectors, (n, DIMENSION)."""
    out = random.standard_normal((n, DIMENSION), dtype=np.float32)
    out /= np.linalg.norm(out, axis=1, keepdims=True)
    return out


def build(folder: Path, images: int, landmarks: int) -> float:
    """Writes the collection and returns the seconds it took."""
    begun = time.perf_counter()
    random = np.random.default_rng(0)
    settings = {"embedder": "sift-vlad", "dimension": DIMENSION, "seed": 0}
    store = LocalStore.create(folder, settings)
    with store.writing():
        for start in range(0, images, BATCH):
            size = min(BATCH, images - start)
            numbers = random.integers(landmarks, size=size)
            labelled = random.random(size) < 1 / 3
            new = [
                _image(start + place, f"landmark {number}" if known else None)
                for place, (number, known) in enumerate(zip(numbers, labelled, strict=True))
            ]
            with store.transaction():
                store.append(new, unit_vectors(random, size))
        with store.snapshot() as columns:
            voting = columns.rows[columns.training]
            rows = columns.rows.tolist()
        known_landmarks = np.unique(columns.landmarks[columns.training])
        with store.transaction() as connection:
            connection.executemany(
                "UPDATE image SET voters = ?, vote = ?, score = ?, ordinary = ?, spread = ?, "
                "contrast = ?, counted = 1 WHERE row = ?",
                _votes(random, rows, voting, known_landmarks),
            )
            put_setting(connection, "calibration", {"slope": 4.0, "intercept": -6.0, "sampled": 1})
            put_setting(connection, "cohort", Cohort.draw(columns, 0).to_setting())
        with store.snapshot() as columns:
            columns.save(store.folder / "cache")
    store.close()
    return time.perf_counter() - begun


def _image(number: int, landmark: str | None) -> NewImage:
    return NewImage(
        id=f"{number // 1000:04}/{number:07}.jpg",
        path=f"/photos/{number // 1000:04}/{number:07}.jpg",
        role=3 if landmark else 2,
        landmark=landmark,
        caption=None,
        hash=hashlib.blake2b(str(number).encode(), digest_size=16).digest(),
        width=640,
        height=480,
        bytes=2_000_000,
    )


def _votes(
    random: np.random.Generator,
    rows: list[int],
    voting: npt.NDArray[np.int64],
    landmarks: npt.NDArray[np.int64],
) -> Iterator[tuple[bytes, int, float, float, float, float, int]]:
    voters = np.empty(VOTERS, dtype=[("row", "<i8"), ("similarity", "<f4"), ("surprise", "<f4")])
    voters["surprise"] = np.nan
    for row in rows:
        voters["row"] = voting[random.integers(len(voting), size=VOTERS)]
        voters["similarity"] = np.sort(random.random(VOTERS, dtype=np.float32))[::-1]
        label = int(landmarks[random.integers(len(landmarks))])
        score, ordinary, spread, contrast = random.random(4).tolist()
        yield voters.tobytes(), label, score, ordinary, spread, 1 + 8 * contrast, row


def measure(folder: Path) -> dict[str, Any]:
    """What one fresh process does: open, search, search again."""
    from steeple import Collection

    random = np.random.default_rng(1)
    queries = [unit_vectors(random, 1) for _ in range(2)]
    seconds: list[float] = []
    memory = [resident()]

    def timed(action: Any) -> Any:
        begun = time.perf_counter()
        result = action()
        seconds.append(time.perf_counter() - begun)
        memory.append(resident())
        return result

    collection = timed(lambda: Collection.open(folder))
    first = timed(lambda: collection.search_descriptors(queries[0]))
    timed(lambda: collection.search_descriptors(queries[1]))
    return {
        "images": len(collection),
        "found": len(first[0]),
        "seconds": dict(zip(STAGES[1:], seconds, strict=True)),
        "memory_mb": dict(zip(STAGES, memory, strict=True)),
    }


def resident() -> dict[str, float]:
    """Resident memory of this process in MB: the peak, all of it now, its own, of files."""
    names = {"VmHWM": "peak", "VmRSS": "now", "RssAnon": "own", "RssFile": "files"}
    out = {}
    for line in Path("/proc/self/status").read_text().splitlines():
        key, _, value = line.partition(":")
        if key in names:
            out[names[key]] = round(int(value.split()[0]) / 1024, 1)
    return out


def drop_from_cache(folder: Path) -> None:
    """Asks the system to forget the pages of a collection's files."""
    for path in folder.rglob("*"):
        if path.is_file():
            descriptor = os.open(path, os.O_RDONLY)
            os.fsync(descriptor)
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(descriptor)


def in_fresh_process(folder: Path) -> dict[str, Any]:
    """Runs `measure` in a process of its own."""
    command = [sys.executable, __file__, "--child", str(folder)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def run(arguments: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Builds and measures; all the figures."""
    built = build(folder, arguments.images, arguments.landmarks)
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    print(
        f"{arguments.images:,} images of {DIMENSION} dimensions, {size / 1e9:.2f} GB, "
        f"written in {built:.0f} s"
    )
    figures: dict[str, Any] = {"images": arguments.images, "bytes": size, "build_s": built}
    in_fresh_process(folder)  # whatever the writing left to do, such as libraries to load
    figures["cached"] = in_fresh_process(folder)
    drop_from_cache(folder)
    figures["uncached"] = in_fresh_process(folder)
    return figures


def main() -> None:
    """Runs the benchmark."""
    parser = new_parser(__doc__)
    parser.add_argument("--images", type=int, default=1_000_000)
    parser.add_argument("--landmarks", type=int, default=20_000)
    parser.add_argument("--directory", type=Path, help="where the temporary collection goes")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        print(json.dumps(measure(arguments.child)))
        return

    with tempfile.TemporaryDirectory(dir=arguments.directory) as temporary:
        figures = run(arguments, Path(temporary, "collection"))
    kinds = ("cached", "uncached")
    print_table(
        ["seconds", *kinds],
        [[stage, *(figures[kind]["seconds"][stage] for kind in kinds)] for stage in STAGES[1:]],
    )
    print()
    memory = figures["cached"]["memory_mb"]
    print_table(
        ["resident MB after", "peak", "now", "own", "files"],
        [[stage, *(memory[stage][k] for k in ("peak", "now", "own", "files"))] for stage in STAGES],
    )
    report("open_million", figures, arguments.json)


if __name__ == "__main__":
    main()
