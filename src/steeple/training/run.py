"""Training from beginning to end: photos in, a model out.

Beside the model's folder ``OUT`` lies that of the run, ``OUT.training``: ``settings.json``,
``log.jsonl`` and ``checkpoints/``. The model appears whole, and when all is done.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from steeple.embedding.card import Card
from steeple.embedding.storage import save_model
from steeple.extras import need
from steeple.networks.folder import check_free
from steeple.progress import Progress, silent
from steeple.training.folder import run_folder, stored_settings
from steeple.training.log import LOG, last_loss, read_log, validations
from steeple.training.photos import read_photos
from steeple.training.settings import Settings

if TYPE_CHECKING:
    from steeple.training.session import Session

__all__ = ["TrainReport", "train"]


@dataclass(frozen=True)
class TrainReport:
    """What became of a training.

    Args:
        model: the folder of the model.
        run: the folder of the run.
        photos: learned from, in an epoch those of them that it draws.
        landmarks: told apart.
        epochs: of the training.
        steps: of the training.
        seconds: it took, all parts of it together.
        loss: mean of the last epoch, in nats; None where nothing was logged.
        validations: (epoch, mAP@100 as a fraction), in the order of epochs.
        without: landmarks with too few photos, and theirs: (landmarks, photos), left out.
        unreadable: how many photos could not be read before the training began.
        failed: photos that could not be read, with the reason: some of those, and all of the
            photos of this part of the training that could not be decoded.
    """

    model: Path
    run: Path
    photos: int
    landmarks: int
    epochs: int
    steps: int
    seconds: float
    loss: float | None
    validations: list[tuple[int, float]]
    without: tuple[int, int] = (0, 0)
    unreadable: int = 0
    failed: list[tuple[str, str]] = field(default_factory=list)


def train(
    source: Path | str,
    out: Path | str,
    settings: Settings | None = None,
    *,
    landmarks: Path | str | None = None,
    skip_missing: bool = False,
    resume: bool = False,
    start_from: Path | str | None = None,
    validation: Path | str | None = None,
    tensorboard: bool = False,
    workers: int | None = None,
    progress: Progress = silent,
) -> TrainReport:
    """Trains a network to tell the landmarks of photos apart, and writes it as a model.

    Args:
        source: labelled photos; see `steeple.training.photos.read_photos`.
        out: the folder of the new model; that of the run lies beside it.
        settings: of the training; None takes the usual ones, or, to go on, those it began with.
        landmarks: a CSV of labels.
        skip_missing: leave out labels of photos that are not there.
        resume: go on from the newest checkpoint of the run. On a processor, with as many workers,
            the weights are in the end the same to the bit as those of a run that never stopped.
        start_from: the folder of a model to begin with, in place of ``model.weights``.
        validation: photos that mAP@100 is measured on; see `steeple.training.validation`. None
            takes the source, if it is a GLD-v2 folder with a solution, and measures nothing
            otherwise.
        tensorboard: write event files, too.
        workers: processes that read photos; None chooses by the machine.
        progress: told of the stages ``sizes``, ``train`` and ``validate``.

    Raises:
        InputError: if photos, settings or a checkpoint cannot be used, or the loss is not finite.
        NothingToDoError: if there is no labelled photo.
        MachineError: if published weights cannot be downloaded, the GPU has too little memory, or
            something cannot be written.
        MissingExtraError: if PyTorch or another library of the extra ``torch`` is not installed.
        Stopped: (a KeyboardInterrupt) if it was interrupted; it can go on.
    """
    for library in ("torch", "timm", "safetensors"):
        need(library, "torch")
    from steeple.training.opening import Job, open_session, prepare
    from steeple.training.team import computing, find_team

    out, folder = Path(out), run_folder(Path(out))
    check_free(out)
    chosen = stored_settings(folder) if resume and settings is None else settings or Settings()
    if start_from is not None:
        chosen = chosen.merged(weights=str(start_from))
    team = find_team()
    if not team.first:
        progress = silent
    workers = workers or team.workers()
    measured = None if validation is None else Path(validation)
    job = Job(Path(source), folder, chosen, resume, measured, tensorboard)
    beginning = prepare(job)  # what cannot be used is refused before photos are read
    team.wait()  # until nobody looks any more whether there is a run already
    photos = read_photos(
        source,
        landmarks,
        clean=chosen.data.clean,
        least=chosen.data.least,
        skip_missing=skip_missing,
        progress=progress,
    )
    with computing(team.device, workers, seed=chosen.run.seed + team.rank):
        session = open_session(job, beginning, photos, team, workers=workers, progress=progress)
        session.train()
        if team.first:
            _write_model(session, out, Path(source))
        team.wait()
    return _report(session, out, folder)


def _write_model(session: Session, out: Path, source: Path) -> None:
    """Writes the network, or the average of its weights, as a model."""
    if session.trainee.average is not None:
        session.trainee.average.apply()
    session.trainee.network.eval()
    lines = read_log(session.folder / LOG)
    settings, photos = session.plan.settings, session.plan.photos
    card = Card(
        name=out.name,
        source=f"steeple train {Path(source).name}",  # where it lay is nobody's business
        licence=settings.run.licence or session.start.licence,
        landmarks=photos.landmarks,
        training={
            "steeple": version("steeple"),
            "settings": settings.to_dict(),
            "photos": len(photos),
            "landmarks": len(photos.landmarks),
            "steps": session.position.step,
            "seconds": round(session.elapsed(), 1),
            "loss": last_loss(lines),
            "validations": validations(lines),
        },
    )
    save_model(session.model(card), out)


def _report(session: Session, out: Path, folder: Path) -> TrainReport:
    photos = session.plan.photos
    left_out, lines = photos.left_out, read_log(folder / LOG)
    return TrainReport(
        model=out,
        run=folder,
        photos=len(photos),
        landmarks=len(photos.landmarks),
        epochs=session.plan.settings.schedule.epochs,
        steps=session.position.step,
        seconds=session.elapsed(),
        loss=last_loss(lines),
        validations=validations(lines),
        without=(left_out.landmarks, left_out.photos),
        unreadable=left_out.unreadable,
        failed=[*left_out.reasons, *session.failed.items()],
    )
