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
from steeple.datasets.gldv2.submissions import MAX_RETRIEVED
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
    retrieval, recognition = _solutions(wanted)
    clock = Stopwatch()
    with _folder(keep, wanted) as folder:
        shelves = Keep(folder, FolderShelf)
        with clock.stage("read"):
            inputs = read_inputs(
                sources,
                shelves.shelf("files"),
                progress,
                submission=wanted.submission is not None,
                recognition=wanted.recognition is not None,
            )
        notes = [
            *_notes(inputs),
            *_missing(retrieval, recognition, inputs),
            *_cut(wanted.submission, settings.k, inputs),
        ]
        task = Task(inputs, settings, shelves, progress)
        answers = task.answer(methods, votes=wanted.votes)
        lists = _lists(inputs, answers)
        predictions = _predictions(inputs, answers)
        with clock.stage("score"):
            figures = {name: retrieval.score(of) for name, of in lists.items()} if retrieval else {}
            gap = recognition.score(predictions) if recognition and predictions else {}
        written = _write(wanted, methods[-1].name, lists, predictions, inputs)
    seconds = {"read": clock.seconds["read"], **task.clock.seconds, "score": clock.seconds["score"]}
    return Reranked(_sizes(inputs), figures, gap, notes, task.offline.built, seconds, written)


def _solutions(
    wanted: Wanted,
) -> tuple[RetrievalSolution | None, RecognitionSolution | None]:
    """What is right, where it was given."""
    first, second = wanted.solution, wanted.recognition_solution
    return (
        RetrievalSolution.read(first) if first is not None else None,
        RecognitionSolution.read(second) if second is not None else None,
    )


def _folder(keep: Path | None, wanted: Wanted) -> AbstractContextManager[Path]:
    """The folder of intermediate results."""
    if keep is not None:
        return nullcontext(keep)
    # Beside the result, because the folder of temporary files is often in memory.
    place = wanted.written[0].resolve().parent if wanted.written else tempfile.gettempdir()
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
    notes += [
        f"{part}: {count:,} descriptors are all zeros, which resemble nothing"
        for part, count in inputs.zeros.items()
        if count
    ]
    return notes


def _missing(
    retrieval: RetrievalSolution | None, recognition: RecognitionSolution | None, inputs: Inputs
) -> list[str]:
    """What the solutions ask for and the files do not have."""
    notes = []
    if retrieval is not None:
        queries, images = retrieval.missing(inputs.queries.names, inputs.index.names)
        if queries:
            notes.append(f"{queries:,} queries of the solution have no descriptor and score 0")
        if images:
            notes.append(f"{images:,} images of the solution are not in the index")
    if recognition is not None and inputs.training is not None:
        queries, landmarks = recognition.missing(inputs.queries.names, inputs.training.landmarks)
        if queries:
            notes.append(
                f"{queries:,} queries of the recognition solution that show a landmark have no "
                "descriptor"
            )
        if landmarks:
            notes.append(
                f"{landmarks:,} landmarks of the recognition solution have no training image"
            )
    return notes


def _cut(submission: Path | None, k: int, inputs: Inputs) -> list[str]:
    """Whether rankings are longer than what is written of them."""
    if submission is None or min(k, len(inputs.index.names)) <= MAX_RETRIEVED:
        return []
    return [f"{submission}: the first {MAX_RETRIEVED} images of each query, as Kaggle takes"]


def _lists(inputs: Inputs, answers: Answers) -> dict[str, Lists]:
    return {
        name: Lists(ranking, inputs.queries.names, inputs.index.names)
        for name, ranking in answers.rankings.items()
    }


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
