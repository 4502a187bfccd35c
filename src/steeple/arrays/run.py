"""From files to a submission and a table: what ``steeple rerank`` does."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from steeple.arrays.inputs import Inputs, Sources, read_inputs
from steeple.arrays.method.indexing import Built
from steeple.arrays.method.keeping import Keep, work_folder
from steeple.arrays.method.needs import Method, need_labels
from steeple.arrays.method.offline import Settings
from steeple.arrays.method.task import Answers, Task
from steeple.arrays.outputs import (
    Lists,
    Predictions,
    RecognitionSolution,
    RetrievalSolution,
    write_rankings,
    write_votes,
)
from steeple.arrays.wanted import Wanted
from steeple.progress import Progress, Stopwatch, silent
from steeple.retrieval.types import UNVOTED
from steeple.shelves import FolderShelf

__all__ = ["Reranked", "rerank_files"]


@dataclass(frozen=True)
class Reranked:
    """What was found out.

    Args:
        sizes: images by part, landmarks, and the dimension.
        retrieval: method -> ``public``, ``private``, ``all``: mAP@100 in percent; empty without a
            solution.
        recognition: ``public``, ``private``, ``gap``: GAP of the votes in percent; empty without
            a solution.
        notes: what people should know about their files.
        built: approximate indexes that were searched.
        seconds: wall time by stage.
        written: the files that were written, and what they hold.
    """

    sizes: dict[str, int]
    retrieval: dict[str, dict[str, float | None]]
    recognition: dict[str, float | None]
    notes: list[str]
    built: list[Built]
    seconds: dict[str, float]
    written: dict[str, str]

    def to_dict(self) -> dict[str, Any]:
        """The same as plain dictionaries, ready for JSON."""
        return asdict(self)


def rerank_files(
    sources: Sources,
    methods: Sequence[Method],
    wanted: Wanted,
    settings: Settings,
    *,
    keep: Path | None = None,
    progress: Progress = silent,
) -> Reranked:
    """Runs the whole method on files of descriptors.

    Everything that can be wrong with the files is found before the work begins.

    Args:
        sources: the files.
        methods: the re-rankers; the submission is the last one's.
        wanted: what is to come out.
        settings: how to run.
        keep: the folder where votes, graph and diffusion are kept for later runs; None keeps them
            in a folder beside the submission, which is removed in the end.
        progress: called with stage, images done and their number.

    Raises:
        InputError: if a file cannot be used, or files do not fit together.
        MachineError: if the machine lacks what the work needs.
    """
    wanted.check()
    sources.check()
    need_labels(methods, votes=wanted.votes, given=sources.labels is not None)
    wanted.spare(sources)
    retrieval = RetrievalSolution.read(wanted.solution) if wanted.solution else None
    recognition = None
    if wanted.recognition_solution:
        recognition = RecognitionSolution.read(wanted.recognition_solution)
    clock = Stopwatch()
    with _folder(keep, wanted) as folder:
        shelves = Keep(folder, FolderShelf)
        with clock.stage("read"):
            inputs = read_inputs(sources, shelves.shelf("files"), progress)
        notes = _notes(inputs)
        if retrieval is not None:
            notes += _missing(retrieval, inputs)
        if recognition is not None:
            recognition.check(inputs.queries.names)
        task = Task(inputs, settings, shelves, progress)
        answers = task.answer(methods, votes=wanted.votes)
        lists = {
            name: Lists(ranking, inputs.queries.names, inputs.index.names)
            for name, ranking in answers.rankings.items()
        }
        predictions = _predictions(inputs, answers)
        with clock.stage("score"):
            figures = {name: retrieval.score(of) for name, of in lists.items()} if retrieval else {}
            gap = recognition.score(predictions) if recognition and predictions else {}
        written = _write(wanted, methods[-1].name, lists, predictions, inputs)
    seconds = {"read": clock.seconds["read"], **task.clock.seconds, "score": clock.seconds["score"]}
    built = task.offline.built
    return Reranked(_sizes(inputs), figures, gap, notes, built, seconds, written)


def _folder(keep: Path | None, wanted: Wanted) -> AbstractContextManager[Path]:
    """The folder of intermediate results."""
    if keep is not None:
        return nullcontext(keep)
    # Beside the result, because the folder of temporary files is often in memory.
    place = wanted.written[0].absolute().parent if wanted.written else tempfile.gettempdir()
    return work_folder(Path(place))


def _sizes(inputs: Inputs) -> dict[str, int]:
    sizes = {"queries": len(inputs.queries.names), "index": len(inputs.index.names)}
    if inputs.training is not None:
        sizes |= {
            "training": len(inputs.training),
            "landmarks": len(inputs.training.landmarks),
        }
    return sizes | {"dimension": inputs.index.file.descriptors.dimension}


def _notes(inputs: Inputs) -> list[str]:
    parts = {"queries": inputs.queries, "index": inputs.index}
    bare = [part for part, images in parts.items() if not images.named]
    notes = (
        [f"{' and '.join(bare)}: no ids were found, so rows go by their numbers"] if bare else []
    )
    if inputs.unlabelled:
        notes.append(f"{inputs.unlabelled:,} training images have no landmark and do not vote")
    if inputs.strangers:
        notes.append(f"{inputs.strangers:,} labels are of images without a training descriptor")
    if inputs.own is not None:
        both = int((inputs.own != UNVOTED).sum())
        notes.append(f"{both:,} index images are training images, too; none votes for itself")
    return notes


def _missing(solution: RetrievalSolution, inputs: Inputs) -> list[str]:
    queries, images = solution.missing(inputs.queries.names, inputs.index.names)
    notes = []
    if queries:
        notes.append(f"{queries:,} queries of the solution have no descriptor and score 0")
    if images:
        notes.append(f"{images:,} images of the solution are not in the index")
    return notes


def _predictions(inputs: Inputs, answers: Answers) -> Predictions | None:
    if inputs.training is None or answers.votes is None:
        return None
    return Predictions(answers.votes, inputs.queries.names, inputs.training.landmarks)


def _write(
    wanted: Wanted,
    method: str,
    lists: Mapping[str, Lists],
    predictions: Predictions | None,
    inputs: Inputs,
) -> dict[str, str]:
    written = {}
    if wanted.submission is not None:
        write_rankings(wanted.submission, lists[method])
        written[str(wanted.submission)] = method
    if wanted.recognition is not None and predictions is not None:
        write_votes(wanted.recognition, predictions, inputs.queries.names)
        written[str(wanted.recognition)] = "votes"
    return written
