"""The default embedder against bare OpenCV SIFT on the same photos.

Ours: `prepare_files` with the embedder's `prepare` (decoding included), then `encode`. Bare: the
same decoding to the same size and ``cv2.SIFT.create().detectAndCompute``, nothing else, in as many
processes. Learning the codebook happens once per collection and is timed apart.
"""

from __future__ import annotations

import statistics
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from common import alternate, median_ratio, new_parser, print_table, report
from steeple.embedding import create_embedder
from steeple.embedding.pipeline import prepare_files
from steeple.images import is_photo
from steeple.threads import available_cores


def bare_sift(image: npt.NDArray[np.uint8]) -> cv2.typing.MatLike | None:
    """OpenCV's SIFT with its own settings, but no more than 1000 features, as ours."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    _, descriptors = cv2.SIFT.create(nfeatures=1000).detectAndCompute(grey, None)
    return descriptors


def main() -> None:
    """Runs the benchmark."""
    parser = new_parser(__doc__)
    parser.add_argument("folder", type=Path, help="photos, in folders of any depth")
    parser.add_argument("--limit", type=int, default=300, help="photos to take, evenly spread")
    parser.add_argument("--processes", type=int, default=available_cores())
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()

    paths = sorted(path for path in arguments.folder.rglob("*") if is_photo(path))
    paths = paths[:: max(1, len(paths) // arguments.limit)][: arguments.limit]
    if not paths:
        raise SystemExit(f"no photo in {arguments.folder}")
    if arguments.processes == 1:
        cv2.setNumThreads(1)
    embedder = create_embedder("sift-vlad")

    def prepare(function: Any) -> list[Any]:
        photos = prepare_files(paths, function, embedder.max_side, workers=arguments.processes)
        return [photo.result for photo in photos if photo.error is None]

    features = prepare(embedder.prepare)
    start = time.perf_counter()
    fitted = embedder.fit(features, seed=0)
    fit = time.perf_counter() - start
    ours, prepared, bare = alternate(
        arguments.rounds,
        lambda: fitted.encode(prepare(embedder.prepare)),
        lambda: prepare(embedder.prepare),
        lambda: prepare(bare_sift),
    )
    figures = {
        "bare_s": statistics.median(bare),
        "prepare_s": statistics.median(prepared),
        "prepare_and_encode_s": statistics.median(ours),
        "fit_s": fit,
        "fit_prepare_and_encode_s": fit + statistics.median(ours),
    }
    ratio = median_ratio(ours, bare)
    with_fit = median_ratio([fit + seconds for seconds in ours], bare)
    print(f"{len(features)} photos, long side {embedder.max_side}, {arguments.processes} processes")
    print_table(
        ["part", "s", "ms/photo", "times bare"],
        [
            [
                name[:-2].replace("_", " "),
                value,
                1000 * value / len(features),
                value / figures["bare_s"],
            ]
            for name, value in figures.items()
        ],
    )
    print(f"ratio to bare: {ratio:.2f} (median of the rounds), with fit {with_fit:.2f}")
    figures |= {"photos": len(features), "processes": arguments.processes}
    report("sift_vlad", {**figures, "ratio": ratio, "ratio_with_fit": with_fit}, arguments.json)


if __name__ == "__main__":
    main()
