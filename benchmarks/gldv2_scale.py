"""The whole method at the size of GLD-v2, and every rival, on descriptors with its statistics.

Neighbours -> votes of the whole index and of the queries -> beliefs -> every re-ranker, beside the
figures published for photos (Yokoo et al., CVPRW 2020, tables 4 and 5; ResNet-101). `landmarks.py`
says where the descriptors come from. Each stage runs in a process of its own, whose memory is
watched from outside, and leaves what it computed in --folder: what is there is not computed again,
unless --again names it, or something that it depends on. Ends with exit code 1 if a method fails or
a stage takes more than 16 GB of its own; the pages of mapped files, which the system takes back at
will, are listed beside and do not count.

The index and the votes are whole; of the 117,577 queries, by default only the 1,129 are asked that
show a landmark and so count. --queries 117577 asks all.

Votes of the whole index compare 761,757 with 1,580,470 images: 1.2e15 floating-point operations,
hours on two cores. An interrupted run goes on from the last block. `--search auto` makes the
offline stages (votes of the index, neighbours of the index) approximate, as `steeple` would, and
states the recall measured; on these descriptors that is no faster, see `landmarks.Model.spectrum`.
Queries are always compared exactly.

Where the order of methods differs from the published one, the script says so. The column "unknown"
tells most of why: a third of the queries here show a landmark without training images, and whatever
acts on their votes is wrong. How large that share is among real queries is not published.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import sys
from collections.abc import Collection
from pathlib import Path
from typing import Any

from common import Measured, new_parser, print_table, report, run_measured
from gldv2_folder import Folder
from gldv2_stages import Rehearsal
from landmarks import SCORED, Landmarks, describe, make
from steeple.errors import InputError
from steeple.retrieval.reranking import create_reranker

PUBLISHED: dict[str, tuple[float, float]] = {
    "knn": (27.81, 30.22),
    "egt": (28.44, 30.33),
    "diffusion": (29.36, 31.20),
    "aqe": (30.34, 32.21),
    "sort": (30.91, 33.79),
    "two-stage": (34.88, 36.77),
    "aqe,two-stage": (35.50, 37.23),
}
"""mAP@100, public and private, in the order of the private one."""

METHODS = (
    *PUBLISHED,
    "aqe:alpha=0",
    "dba",
    "label-aqe",
    "label-diffusion",
    "gated",
    "label-aqe,two-stage",
)
_NEEDS: dict[str, tuple[str, ...]] = {
    "data": (),
    "neighbours": ("data",),
    "search-training": ("data",),
    "search-index": ("data",),
    "votes-queries": ("data",),
    "votes-index": ("search-training",),
    "beliefs": ("votes-queries", "votes-index"),
    "graph": ("search-index",),
}
"""The offline stages in their order, and what each reads of earlier ones."""

_METHOD_NEEDS = ("neighbours", "beliefs", "graph")
MOST_MB = 16 * 1024
"""No stage may take more memory of its own."""


def run_stage(stage: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """What one stage does, in its own process."""
    data = Landmarks(arguments.folder / "data")
    folder = _folder(arguments)
    rehearsal = Rehearsal(data, Folder(folder), arguments.search)
    name, _, part = stage.partition("-")
    if stage == "data":
        data = make(
            arguments.folder / "data",
            scale=arguments.scale,
            queries=arguments.queries,
            seed=arguments.seed,
        )
        return {"index": len(data.index), "training": len(data.training)}
    if stage in ("neighbours", "beliefs", "graph"):
        figures: dict[str, Any] = getattr(rehearsal, stage)()
        return figures
    if name == "search":
        return rehearsal.prepare(part)
    if name == "votes":
        return rehearsal.votes(part)
    return rehearsal.method(stage.removeprefix("method "))


def run_all(arguments: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """Runs what has not run yet; the figures of all stages."""
    folder = _folder(arguments)
    (folder / "stages").mkdir(parents=True, exist_ok=True)
    stages = (*_NEEDS, *(f"method {method}" for method in arguments.methods))
    again = {stage for stage in stages if stage.split()[-1] in arguments.again}
    begun = again | {stage for stage in stages if not _figures_file(folder, stage).exists()}
    for stage in again | set(depend_on(begun)):
        drop(folder, stage)
    done: dict[str, dict[str, Any]] = {}
    for stage in stages:
        path = _figures_file(folder, stage)
        if path.exists():
            done[stage] = json.loads(path.read_text())
            continue
        print(f"{stage} ...", file=sys.stderr, flush=True)
        done[stage] = _figures(stage, run_measured([sys.executable, *sys.argv, "--stage", stage]))
        if "failed" not in done[stage]:
            path.write_text(json.dumps(done[stage], indent=2) + "\n")
    return done


def depend_on(begun: Collection[str]) -> list[str]:
    """Which stages are outdated by others that run anew; "methods" stands for all of them."""
    outdated: list[str] = []
    for stage, needs in {**_NEEDS, "methods": _METHOD_NEEDS}.items():
        if any(need in begun or need in outdated for need in needs):
            outdated.append(stage)
    return outdated


def drop(folder: Path, stage: str) -> None:
    """Forgets what a stage, or what "methods" that ran at any time, left in the folder of a run."""
    if stage == "methods":
        for path in (folder / "stages").glob("method-*.json"):
            path.unlink()
        return
    _figures_file(folder, stage).unlink(missing_ok=True)
    Folder(folder).marker(stage.replace("votes-", "voters-")).unlink(missing_ok=True)
    if stage == "data":
        (folder.parent / "data" / "landmarks.json").unlink(missing_ok=True)
    if stage == "graph":  # diffusion and its kin are computed from it, and kept there
        shutil.rmtree(folder / "shelf", ignore_errors=True)


def _figures_file(folder: Path, stage: str) -> Path:
    return folder / "stages" / f"{stage.replace(' ', '-').replace(',', '+')}.json"


def _folder(arguments: argparse.Namespace) -> Path:
    """Where what was computed with one way to search lies.

    Raises:
        SystemExit: if the folder holds other data.
    """
    wish = describe(arguments.scale, arguments.queries, arguments.seed)
    marker = arguments.folder / "data" / "landmarks.json"
    if marker.exists() and not wish.items() <= json.loads(marker.read_text()).items():
        raise SystemExit(f"{arguments.folder} holds a run with other data; give another --folder")
    folder: Path = arguments.folder / str(arguments.search)
    return folder


def _figures(stage: str, measured: Measured) -> dict[str, Any]:
    """The figures of a stage that has run; without a method the others go on."""
    took = {
        "seconds": measured.seconds,
        "own_mb": measured.own_mb,
        "total_mb": measured.total_mb,
    }
    if measured.code == 0:
        return {**json.loads(measured.output.splitlines()[-1]), **took}
    if not stage.startswith("method "):
        raise SystemExit(f"stage {stage} ended with exit code {measured.code}; its error is above")
    return {"failed": measured.code, **took}


def print_figures(stages: dict[str, dict[str, Any]]) -> None:
    """Prints both tables, and where the order differs from the published one."""
    print_table(
        ["stage", "seconds", "own MB", "total MB", "what came of it"],
        [
            [stage, f["seconds"], f["own_mb"], f["total_mb"], _remark(f)]
            for stage, f in stages.items()
            if not stage.startswith("method ")
        ],
    )
    print(
        "\nmAP@100 in percent; known: of queries whose landmark has training images, unknown: of "
        "the others\nonce s: what is computed ahead, beyond the stages above; ms a query: beyond "
        "its neighbours and votes"
    )
    rows = []
    methods = {stage.removeprefix("method "): f for stage, f in stages.items() if "method" in stage}
    shown = {"public": "public", "private": "private", "all": "all", "known": "known"}
    shown |= {"unknown": "unknown", "offline_s": "once s", "online_ms": "ms a query"}
    for method, f in methods.items():
        cells = ["failed" if "failed" in f else f[key] for key in shown]
        there = PUBLISHED.get(method, ("", ""))
        rows.append([method, *there, *cells, f["own_mb"], f["total_mb"]])
    heads = ["method", "published public", "private", *shown.values(), "own MB", "total MB"]
    print_table(heads, rows)
    print()
    for line in order_remarks({m: f["all"] for m, f in methods.items() if "all" in f}):
        print(line)
    for key, what in (
        ("own_mb", "of its own, which counts"),
        ("total_mb", "with the pages of mapped files, which does not count"),
    ):
        most = max(stages, key=lambda stage: float(stages[stage][key]))
        print(f"the most memory: {stages[most][key]:,.0f} MB {what}, by {most}")


def faults(stages: dict[str, dict[str, Any]]) -> list[str]:
    """What of the figures ends the run with exit code 1."""
    failed = [
        f"{stage} ended with exit code {figures['failed']}; its error is above"
        for stage, figures in stages.items()
        if "failed" in figures
    ]
    return failed + [
        f"{stage} took {figures['own_mb']:,.0f} MB of its own: MORE THAN 16 GB"
        for stage, figures in stages.items()
        if figures["own_mb"] > MOST_MB
    ]


def order_remarks(scores: dict[str, float]) -> list[str]:
    """Which pairs of published methods stand the other way round here."""
    names = [name for name in PUBLISHED if name in scores]
    if len(names) < 2:
        return ["too few of the published methods ran to compare their order"]
    swapped = [
        f"{worse} {scores[worse]:.2f} is above {better} {scores[better]:.2f}"
        for place, worse in enumerate(names)
        for better in names[place + 1 :]
        if scores[worse] > scores[better]
    ]
    if not swapped:
        return [f"the order of {', '.join(names)} is the published one"]
    return ["other than published (on all scored queries):", *(f"  {line}" for line in swapped)]


def _remark(figures: dict[str, Any]) -> str:
    told = {k: v for k, v in figures.items() if k not in ("seconds", "own_mb", "total_mb")}
    return ", ".join(f"{key} {_round(value)}" for key, value in told.items())


def _round(value: Any) -> str:
    if isinstance(value, dict):
        return " ".join(f"{key} {_round(part)}" for key, part in value.items())
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def check_names(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> None:
    """Refuses methods and stages that do not exist before hours of work, with exit code 2."""
    for method in arguments.methods:
        try:
            create_reranker(method)
        except InputError as error:
            parser.error(f"--methods {method}: {error}")
    for stage in arguments.again:
        if stage not in (*_NEEDS, *arguments.methods):
            known = ", ".join((*_NEEDS, *arguments.methods))
            parser.error(f"--again {stage}: there is no such stage; there are: {known}")


def main() -> None:
    """Runs the benchmark."""
    parser = new_parser(__doc__)
    parser.add_argument("--scale", type=float, default=1.0, help="1 is the size of GLD-v2")
    parser.add_argument("--queries", type=int, default=SCORED, help="those beyond 1,129 show none")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--search",
        default="exact",
        metavar="exact|auto|FACTORY",
        help="of the offline stages: exact, as steeple chooses, or the name of a FAISS index",
    )
    parser.add_argument("--methods", nargs="+", default=list(METHODS), metavar="METHOD")
    parser.add_argument(
        "--again", nargs="+", default=[], metavar="STAGE", help="anew, as aqe or votes-index"
    )
    parser.add_argument("--folder", type=Path, required=True, help="30 GB at full size")
    parser.add_argument("--stage", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    check_names(parser, arguments)
    if arguments.stage:
        print(json.dumps(run_stage(arguments.stage, arguments)))
        return

    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended; the same command goes on from here"))
    stages = run_all(arguments)
    print(
        f"scale {arguments.scale:g}, {arguments.queries:,} queries, offline search "
        f"{arguments.search}, {len(os.sched_getaffinity(0))} cores"
    )
    print_figures(stages)
    shape = {name: getattr(arguments, name) for name in ("scale", "queries", "seed", "search")}
    published = {name: {"public": p, "private": q} for name, (p, q) in PUBLISHED.items()}
    report("gldv2_scale", {**shape, "published": published, "stages": stages}, arguments.json)
    if found := faults(stages):
        sys.exit("\n".join(found))


if __name__ == "__main__":
    main()
