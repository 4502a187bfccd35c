"""How fast `steeple embed` describes photos on disk, beside a bare loop over the same network.

Ours is what `steeple embed` does: JPEG files are decoded and shrunk in worker processes, sent
through the network in batches of equal shape, and come out as descriptors. The rival does nothing
of the kind: a network of timm's, without classifier, takes tensors that are in memory (and in the
GPU's, where there is one) before the clock starts, in batches of equal size, at equal precision,
channels last, in inference mode, on as many threads as PyTorch takes by itself. The two run in
turn, and the ratio is the median over the turns.

Usage: python benchmarks/embed_rate.py [--backbones resnet18,resnet50] [--side 512] [--photos 128]
"""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from common import alternate, median_ratio, new_parser, print_table, report
from steeple.embedding.card import Card
from steeple.embedding.describing import BATCH
from steeple.embedding.learned import Learned
from steeple.embedding.model import PRECISIONS, Model, on_device
from steeple.embedding.network import Architecture, new_network
from steeple.embedding.pipeline import describe_files

SIZES = (640, 480), (1024, 768), (768, 1024), (800, 600)  # all of the shape 4 : 3


def main() -> None:
    """Measures each backbone and prints a table."""
    parser = new_parser(__doc__)
    parser.add_argument("--backbones", default="resnet18,resnet50", help="timm's names")
    parser.add_argument("--side", type=int, default=512, help="long side of photos, in pixels")
    parser.add_argument("--photos", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=3, help="turns that count")
    parser.add_argument("--precision", choices=PRECISIONS, default="float32")
    parser.add_argument("--batch", type=int, default=0, help="of the bare loop; 0 takes ours")
    parser.add_argument("--workers", type=int, help="processes that decode; one a core if absent")
    given = parser.parse_args()
    rows, figures = [], {}
    with tempfile.TemporaryDirectory() as folder:
        paths = _write_photos(Path(folder), given.photos)
        for backbone in given.backbones.split(","):
            figures[backbone] = found = _measure(backbone, paths, given)
            rows.append((backbone, *found.values()))
    print_table(["network", "device", "batch", "bare / s", "embed / s", "embed / bare"], rows)
    report("embed_rate", {**vars(given), "json": None, "networks": figures}, given.json)


def _measure(backbone: str, paths: list[Path], given: Any) -> dict[str, Any]:
    network = on_device(new_network(Architecture(backbone, dimension=None)))
    model = Model(network, Card(backbone), max_side=given.side)
    embedder = Learned.of(model).looking(side=given.side, precision=given.precision)
    batch = given.batch or (BATCH if model.device.type == "cuda" else min(8, len(paths)))
    bare = _bare_loop(model, backbone, len(paths), batch, given)

    def embed() -> None:
        described = describe_files(paths, embedder, None, workers=given.workers)
        if described.errors:
            raise SystemExit(f"{described.errors[0][1]}")

    theirs, ours = alternate(given.rounds, bare, embed)
    count = len(paths)
    return {
        "device": model.device.type,
        "batch": batch,
        "bare": statistics.median(count / seconds for seconds in theirs),
        "embed": statistics.median(count / seconds for seconds in ours),
        "ratio": median_ratio(theirs, ours),
    }


def _bare_loop(
    model: Model, backbone: str, count: int, batch: int, given: Any
) -> Callable[[], None]:
    """The rival: three of four of its batches are wide and one upright, as are the photos."""
    import timm
    import torch

    network = timm.create_model(backbone, num_classes=0).eval()
    network = network.to(model.device).to(memory_format=torch.channels_last)
    shapes = [(round(given.side * 0.75), given.side)] * 3 + [(given.side, round(given.side * 0.75))]
    tensors = [
        torch.randn(batch, 3, *shape, device=model.device).to(memory_format=torch.channels_last)
        for shape in shapes
    ]
    half = PRECISIONS[given.precision]

    @torch.inference_mode()
    def loop() -> None:
        with torch.autocast(model.device.type, dtype=half, enabled=half != torch.float32):
            for number, start in enumerate(range(0, count, batch)):
                network(tensors[number % len(tensors)][: count - start])
        if model.device.type == "cuda":
            torch.cuda.synchronize()

    return loop


def _write_photos(folder: Path, count: int) -> list[Path]:
    """JPEG files of about the size and detail of photos: coarse shapes and a sensor's noise."""
    random = np.random.default_rng(0)
    paths = [folder / f"{number:05}.jpg" for number in range(count)]
    for number, path in enumerate(paths):
        width, height = SIZES[number % len(SIZES)]
        coarse = random.integers(0, 256, (height // 16, width // 16, 3), dtype=np.uint8)
        photo = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
        noisy = photo + random.normal(0, 6, photo.shape)
        cv2.imwrite(str(path), np.clip(noisy, 0, 255).astype(np.uint8))
    return paths


if __name__ == "__main__":
    main()
