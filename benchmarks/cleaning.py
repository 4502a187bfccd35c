"""Cleaning: pairs per second, seconds by stage, and how well wrong labels are found.

Speed: a toy city's labelled photos are described, then cleaned by the rule with and without early
decisions, and by what is learned. Rendering does not count.

Noise: 10, 30 and 50 % of the labels of a smaller city, and of the training photos of a folder in
GLD-v2 layout where one is given, are exchanged: at random, or for that of a photo that looks alike
(one of the 20 nearest of other landmarks). Found is what is dropped. Nothing was chosen on the
folder; the threshold of the rule was chosen on the city of seed 21.
"""

from __future__ import annotations

import csv
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from common import new_parser, print_table, report
from steeple.cleaning import LabelledImages, Rule, TrainingSet, describe_labelled, labelled_photos
from steeple.cleaning.learned import clean_by_learning
from steeple.cleaning.shards import Shards
from steeple.cleaning.verified import clean_by_rule
from steeple.collection.store import LocalStore
from steeple.datasets.gldv2 import GldV2
from steeple.demo import build_city
from steeple.geometry import Verifier
from steeple.retrieval.types import Ids

RATES = (0.1, 0.3, 0.5)
KINDS = ("random", "confused")
METHODS = ("rule", "learned")
STRANGERS = 0.17  # share of a city's photos that show no landmark


def render(folder: Path, photos: int, seed: int) -> Path:
    """A city with so many photos of landmarks, unless it is there; returns a CSV of all labels."""
    if not folder.exists():
        build_city(folder, photos=round(photos / (1 - STRANGERS)), seed=seed, unlabelled=0.0)
    data = GldV2.read(folder)
    labels = {**data.train, **data.index_landmarks}
    labels |= {query: shown[0] for query, shown in data.recognition_solution.items() if shown}
    table = folder.with_name(f"{folder.name}.csv")
    with table.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("id", "landmark"))
        writer.writerows(labels.items())
    return table


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    """What it returns, and its seconds."""
    start = time.perf_counter()
    result = work()
    return result, time.perf_counter() - start


def measure_speed(training: TrainingSet, scratch: Path, workers: int | None) -> dict[str, float]:
    """Seconds and pairs of each way to clean."""
    figures: dict[str, float] = {"images": len(training)}
    everyone = np.arange(len(training), dtype=np.int64)
    _, figures["neighbours_s"] = timed(lambda: training.nearest(everyone, 1000))
    rule = Rule.of("upright")
    kept = []
    for name, everything in (("decided", False), ("all_pairs", True)):
        shards = Shards(scratch / name, {})
        found, seconds = timed(
            lambda shards=shards, everything=everything: clean_by_rule(  # type: ignore[misc]
                training, rule, Verifier(), shards, everything=everything, workers=workers
            )
        )
        pairs = int(found.checked.asked.sum())
        figures |= {f"{name}_s": seconds, f"{name}_pairs": pairs}
        figures[f"{name}_pairs_per_s"] = pairs / max(seconds - figures["neighbours_s"], 1e-9)
        kept.append(found.decision.kept)
    assert (kept[0] == kept[1]).all(), "early decisions differ"
    shards = Shards(scratch / "learned", {})
    _, figures["learned_s"] = timed(
        lambda: clean_by_learning(training, rule, Verifier(), shards, workers=workers)
    )
    return figures


def corrupt(training: TrainingSet, rate: float, kind: str, seed: int) -> Ids:
    """The labels, some of them exchanged."""
    random = np.random.default_rng([seed, round(100 * rate), KINDS.index(kind)])
    labels = training.labels.copy()
    wrong = np.flatnonzero(random.random(len(labels)) < rate)
    near = training.nearest(wrong, 300).ids
    landmarks = np.unique(labels)
    for image, row in zip(wrong.tolist(), near, strict=True):
        true = training.labels[image]
        named = training.labels[row[row >= 0]]
        others = landmarks if kind == "random" else named
        others = others[others != true][: None if kind == "random" else 20]
        labels[image] = random.choice(others)
    return labels


def measure_noise(
    training: TrainingSet, scratch: Path, workers: int | None
) -> list[dict[str, Any]]:
    """Precision and recall of what is dropped, for all kinds and rates."""
    rows = []
    for kind in KINDS:
        for rate in RATES:
            labels = corrupt(training, rate, kind, 0)
            wrong = labels != training.labels
            noisy = replace(training, labels=labels)
            for method in METHODS:
                clean = clean_by_rule if method == "rule" else clean_by_learning
                shards = Shards(scratch / f"{kind}-{rate}-{method}", {})
                found = clean(noisy, Rule.of("upright"), Verifier(), shards, workers=workers)
                dropped = ~found.decision.kept
                hits = int((dropped & wrong).sum())
                rows.append(
                    {
                        "kind": kind,
                        "rate": rate,
                        "method": method,
                        "precision": 100 * hits / max(int(dropped.sum()), 1),
                        "recall": 100 * hits / int(wrong.sum()),
                        "wrong_left": 100 * (wrong & ~dropped).sum() / max((~dropped).sum(), 1),
                        "right_lost": 100 * (dropped & ~wrong).sum() / (~wrong).sum(),
                    }
                )
    return rows


def show_noise(title: str, rows: list[dict[str, Any]]) -> None:
    """Prints one line per kind, rate and method."""
    print(f"\n{title}")
    heads = ["labels exchanged", "method", "precision", "recall", "wrong left", "right lost"]
    keys = ("precision", "recall", "wrong_left", "right_lost")
    print_table(
        heads,
        [
            [
                f"{row['rate']:.0%} {row['kind']}",
                row["method"],
                *(f"{row[key]:.1f}" for key in keys),
            ]
            for row in rows
        ],
    )


def draw(rows: list[dict[str, Any]], out: Path) -> None:
    """Precision and recall over the share of wrong labels, as an SVG."""
    width, height, left, top, size = 720, 350, 52, 44, 250
    titles = {"random": "labels exchanged at random", "confused": "for one that looks alike"}
    colours = {"rule": "#a8643c", "learned": "#2456a6"}
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}">',
        '<g font-family="sans-serif" font-size="13">',
        "<title>Precision and recall of wrong labels found, by share of wrong labels</title>",
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
    ]
    for panel, kind in enumerate(KINDS):
        x0 = left + panel * 345
        parts.append(f'<text x="{x0}" y="26" font-weight="bold">{titles[kind]}</text>')
        for tick in range(0, 101, 25):
            y = top + size - size * tick / 100
            parts.append(f'<path d="M{x0} {y}h270" stroke="#ddd"/>')
            parts.append(f'<text x="{x0 - 8}" y="{y + 4}" text-anchor="end">{tick}</text>')
        for place, rate in enumerate(RATES):
            x = x0 + 20 + 115 * place
            parts.append(
                f'<text x="{x}" y="{top + size + 20}" text-anchor="middle">{rate:.0%}</text>'
            )
        for method in METHODS:
            some = [row for row in rows if row["kind"] == kind and row["method"] == method]
            for key, dash in (("precision", ""), ("recall", "6 4")):
                points = " ".join(
                    f"{x0 + 20 + 115 * place},{top + size - size * row[key] / 100:.1f}"
                    for place, row in enumerate(some)
                )
                parts.append(
                    f'<polyline points="{points}" fill="none" stroke="{colours[method]}" '
                    f'stroke-width="2.5" stroke-dasharray="{dash}"/>'
                )
    legend = "blue: learned; brown: the rule. Solid: precision; dashed: recall (%)"
    parts.append(f'<text x="{left}" y="{height - 4}" fill="#555">{legend}</text></g></svg>')
    out.write_text("\n".join(parts) + "\n", encoding="utf-8")


def main() -> None:
    """Runs the parts that are asked for."""
    parser = new_parser(__doc__)
    parser.add_argument("--photos", type=int, default=2000, help="for the speed; 0 leaves it out")
    parser.add_argument("--noisy", type=int, default=2000, help="for the noise; 0 leaves it out")
    parser.add_argument("--folder", type=Path, help="photographs in GLD-v2 layout")
    parser.add_argument("--keep", type=Path, help="where cities are kept, or are already")
    parser.add_argument("--plot", type=Path, help="write the figure of the toy city here, as SVG")
    parser.add_argument("--workers", type=int, help="processes; one per core if not given")
    arguments = parser.parse_args()
    figures: dict[str, Any] = {}
    with TemporaryDirectory() as temporary:
        scratch = Path(temporary)
        keep = arguments.keep or scratch

        def described(source: Path, table: Path | None, name: str) -> LocalStore:
            photos = labelled_photos(source, table, skip_missing=True)
            _, seconds = timed(
                lambda: describe_labelled(photos, scratch / name, workers=arguments.workers)
            )
            figures[f"{name}_describe_s"] = seconds
            return LocalStore(scratch / name)

        if arguments.photos:
            city = keep / f"city-22-{arguments.photos}"
            table = render(city, arguments.photos, 22)
            with closing(described(city, table, "speed")) as store:
                training = LabelledImages.read(store).training
                figures |= measure_speed(training, scratch / "speed-work", arguments.workers)
            print_table(["speed", "value"], [[key, value] for key, value in figures.items()])
        cities: list[tuple[str, str, Path, Path | None]] = []
        if arguments.noisy:
            city = keep / f"city-23-{arguments.noisy}"
            cities.append(("toy city", "city", city, render(city, arguments.noisy, 23)))
        if arguments.folder:
            cities.append(("photographs", "folder", arguments.folder, None))
        for title, name, source, given in cities:
            with closing(described(source, given, name)) as store:
                training = LabelledImages.read(store).training
                rows = measure_noise(training, scratch / f"{name}-work", arguments.workers)
            show_noise(f"{title}, {len(training)} photos", rows)
            figures[name] = rows
            if arguments.plot and name == "city":
                draw(rows, arguments.plot)
    report("cleaning", figures, arguments.json)


if __name__ == "__main__":
    main()
