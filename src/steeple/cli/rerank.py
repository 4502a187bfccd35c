"""steeple rerank: the whole method on files of descriptors, no photo needed."""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from steeple.arrays.files.ids import Part
from steeple.cli import options
from steeple.cli.console import console, emit_json, shown_progress
from steeple.cli.figures import USAGES, gap_by_usage, show_scores, show_seconds
from steeple.errors import InputError

if TYPE_CHECKING:
    from steeple.arrays import Reranked

__all__ = ["rerank"]


class Device(StrEnum):
    """What multiplies."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"


Queries = Annotated[
    str,
    typer.Option(
        "--queries",
        metavar="FILE",
        help="Descriptors of the queries: .npy, .h5 or .parquet; FILE:NAME names a dataset or a "
        "column.",
    ),
]
Index = Annotated[
    str, typer.Option("--index", metavar="FILE", help="Descriptors of the images to be found.")
]
Training = Annotated[
    str | None,
    typer.Option("--training", metavar="FILE", help="Descriptors of the images that vote."),
]
TrainingLabels = Annotated[
    Path | None,
    typer.Option(
        "--training-labels",
        help="Their landmarks: a CSV of id,landmark_id or landmark_id,images (path for id and "
        "landmark for landmark_id will do), or one landmark a line (or .npy) in the order of the "
        "rows.",
    ),
]
Identifiers = Annotated[
    list[str] | None,
    typer.Option(
        "--ids",
        metavar="[PART=]PATH",
        help="Ids of the rows, one a line, or a CSV with a column id: queries=PATH, index=PATH, "
        "training=PATH, or three paths in this order, or a folder that holds queries.txt, "
        "index.txt, training.txt. If not given: the file's own, or those of index.txt beside "
        "index.npy, or row numbers.",
    ),
]
QueryIds = Annotated[
    Path | None, typer.Option("--query-ids", help="The same as --ids queries=PATH.")
]
IndexIds = Annotated[Path | None, typer.Option("--index-ids", help="The same as --ids index=PATH.")]
TrainingIds = Annotated[
    Path | None, typer.Option("--training-ids", help="The same as --ids training=PATH.")
]
Out = Annotated[
    Path | None, typer.Option("--out", help="Write the submission here: a CSV of id,images.")
]
RecognitionOut = Annotated[
    Path | None,
    typer.Option("--recognition-out", help="Write the votes here: a CSV of id,landmarks."),
]
Solution = Annotated[
    Path | None,
    typer.Option("--solution", help="retrieval_solution_v2.1.csv: print mAP@100, in percent."),
]
RecognitionSolutionFile = Annotated[
    Path | None,
    typer.Option("--recognition-solution", help="recognition_solution_v2.1.csv: print GAP."),
]
Rerank = Annotated[
    list[str] | None,
    typer.Option(
        "--rerank",
        metavar="NAME[:PARAMETER=VALUE...][,...]",
        help="two-stage (if not given), knn, aqe, label-aqe, dba, egt, diffusion, label-diffusion, "
        "sort, gated or default. Parameters follow by colons (aqe:alpha=0:n=5), further re-rankers "
        "by commas (aqe,two-stage). Give it several times to compare; the last one is written.",
    ),
]
Length = Annotated[
    int,
    typer.Option(
        "--k",
        min=1,
        help="Length of the rankings; the submission has 100 at most, as Kaggle takes.",
    ),
]
Voters = Annotated[
    int, typer.Option("--neighbours", min=1, help="Training images that vote for an image.")
]
Normalize = Annotated[
    bool, typer.Option("--normalize", help="Divide each descriptor by its length.")
]
Memory = Annotated[
    str,
    typer.Option(
        "--memory",
        metavar="SIZE",
        help="Work space beside what is read and written, such as 512MB.",
    ),
]
DeviceOption = Annotated[Device, typer.Option("--device", help="What multiplies.")]
Approximate = Annotated[
    str,
    typer.Option(
        "--approximate",
        metavar="NAME",
        help="none: exact search. auto, or a FAISS factory name such as IVF4096,SQ8: approximate "
        "search, its recall measured.",
    ),
]
KeepOption = Annotated[
    Path | None,
    typer.Option("--keep", help="Keep votes, graph and diffusion in this folder, for later runs."),
]


def rerank(
    queries: Queries,
    index: Index,
    training: Training = None,
    training_labels: TrainingLabels = None,
    ids: Identifiers = None,
    query_ids: QueryIds = None,
    index_ids: IndexIds = None,
    training_ids: TrainingIds = None,
    out: Out = None,
    recognition_out: RecognitionOut = None,
    solution: Solution = None,
    recognition_solution: RecognitionSolutionFile = None,
    method: Rerank = None,
    k: Length = 100,
    neighbours: Voters = 3,
    normalize: Normalize = False,
    memory: Memory = "4GB",
    device: DeviceOption = Device.AUTO,
    approximate: Approximate = "none",
    keep: KeepOption = None,
    seed: options.Seed = 0,
    json: options.Json = False,
) -> None:
    """Re-rank with descriptors that you have: neighbours, votes, re-ranking, submission.

    No photo is needed. Files are read in place, a piece at a time.
    """
    from steeple.arrays import Settings, Sources, Wanted, parse_methods, rerank_files

    methods = parse_methods(method or ["two-stage"])
    given: dict[Part, str | None] = {"queries": queries, "index": index, "training": training}
    files = {part: file for part, file in given.items() if file is not None}
    id_files: dict[Part, Path | None] = {
        "queries": query_ids,
        "index": index_ids,
        "training": training_ids,
    }
    sources = Sources(
        files,
        _ids(ids or [], id_files, files),
        training_labels,
        normalize=normalize,
    )
    settings = Settings(
        k=k,
        voters=neighbours,
        memory=options.parse_memory(memory),
        device=device.value,
        approximate=None if approximate == "none" else approximate,
        seed=seed,
    )
    wanted = Wanted(out, recognition_out, solution, recognition_solution)
    with shown_progress() as progress:
        found = rerank_files(sources, methods, wanted, settings, keep=keep, progress=progress)
    if json:
        emit_json(found.to_dict())
    else:
        _show(found)


def _ids(
    values: list[str], given: dict[Part, Path | None], parts: Collection[Part]
) -> dict[Part, Path]:
    """All files of ids, however they were given; of folders, those of the parts that there are."""
    from steeple.arrays import split_ids

    found = split_ids(values, parts)
    for part, path in given.items():
        if path is not None and part in found:
            raise InputError(f"the ids of {part} are given twice: {found[part]} and {path}")
        if path is not None:
            found[part] = path
    return found


def _show(found: Reranked) -> None:
    names = {"queries": "queries", "index": "index images", "training": "training images"}
    console.print(
        ", ".join(
            f"{found.sizes[part]:,} {name}" for part, name in names.items() if part in found.sizes
        )
    )
    for note in found.notes:
        console.print(note, style="yellow")
    for built in found.built:
        console.print(
            f"{built.part}: approximate by {built.factory}, {100 * built.recall:.1f} % of the "
            "exact neighbours found"
        )
    if found.retrieval:
        show_scores("mAP@100", found.retrieval, USAGES)
    if found.recognition:
        show_scores("GAP", {"votes": gap_by_usage(found.recognition)}, USAGES)
    show_seconds(found.seconds)
    for path, what in found.written.items():
        console.print(Text.assemble((path, "bold"), f": {what}"))
