"""Keeping verified votes up to date, where a collection has local features.

Every image's voters (`steeple.collection.votes`) are verified against it, a batch of images per
transaction, so that an interruption costs the last batch only. What similarity and geometry say
together is learned from a sample of the training set (`steeple.retrieval.verified`), again whenever
a twentieth of the labels has changed; then the verified votes of all images follow from their
voters in one pass.
"""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from typing import Any

import numpy as np

from steeple.collection.cohort import Cohort
from steeple.collection.columns import Columns
from steeple.collection.feature_files import StoredFeatures
from steeple.collection.schema import put_setting
from steeple.collection.store import LocalStore
from steeple.collection.verifying import ListVerifier
from steeple.collection.voters import VOTING, Voters
from steeple.progress import Progress, silent
from steeple.retrieval.calibration import Calibration
from steeple.retrieval.contrast import Background
from steeple.retrieval.pairs import PairModel
from steeple.retrieval.types import PAD, UNVOTED, Floats, Ids, Ranking, Votes
from steeple.retrieval.verified import Judge, fit_judge, likeliest, verified_votes

__all__ = ["outdated_beliefs", "refresh_beliefs", "stored_judge"]

_TOGETHER = 1024  # images whose voters are verified per transaction: some ten seconds of work
_SAMPLE = 256  # training images the judge learns from: some ten thousand pairs
_BLOCK = 1 << 16  # images whose votes are counted at a time: some 50 MB of work space
_SHARE = 0.05  # of the training set that has to change before it learns again


def refresh_beliefs(
    store: LocalStore, *, seed: int, workers: int | None = None, progress: Progress = silent
) -> None:
    """Brings every verified vote up to date; does nothing where there are no local features.

    Args:
        store: the collection, its votes up to date; the caller holds its write lock.
        seed: of the sample the judge learns from.
        workers: processes that verify; None takes one per core.
        progress: called with stage, images done, and their number.
    """
    with store.snapshot() as columns:
        features = store.features(columns)
    if features is None:
        return
    _verify_voters(store, columns, features, workers, progress)
    with store.snapshot() as columns:
        voters = Voters.load(store.connection)
        judge, settings = _judge(
            store, columns, features, seed=seed, workers=workers, progress=progress
        )
        votes = _count(columns, voters, judge)
        old = columns.verified
        changed = np.flatnonzero((votes.labels != old.labels) | (votes.scores != old.scores))
    if len(changed) or settings:
        with store.transaction() as connection:
            connection.executemany(
                "UPDATE image SET belief = ?, strength = ? WHERE row = ?",
                (
                    (
                        None if votes.labels[image] == UNVOTED else int(votes.labels[image]),
                        float(votes.scores[image]),
                        int(columns.rows[image]),
                    )
                    for image in changed.tolist()
                ),
            )
            for key, value in settings.items():
                put_setting(connection, key, value)
    with store.snapshot() as columns:
        columns.save(store.folder / "cache")


def outdated_beliefs(store: LocalStore, columns: Columns) -> tuple[int, int]:
    """What `refresh_beliefs` would have to do.

    Args:
        store: the collection.
        columns: its images, read in the transaction that is open.

    Returns:
        How many images have a voter that was not verified or votes no more, and how many others
        have a verified vote that is not what their voters say.
    """
    if store.features(columns) is None:
        return 0, 0
    voters = Voters.load(store.connection)
    lost = _places(columns.rows[columns.training], voters.rows) == PAD
    pending = voters.unverified() | ((voters.rows != PAD) & lost).any(axis=1)
    votes, old = _count(columns, voters, stored_judge(store)), columns.verified
    different = (votes.labels != old.labels) | (votes.scores != old.scores)
    return int(pending.sum()), int((different & ~pending & voters.known).sum())


def stored_judge(store: LocalStore) -> Judge:
    """The judge a collection has learned, or the one it starts from."""
    stored = store.setting("judge")
    if stored is None:
        return Judge()
    return Judge(PairModel(**stored["pairs"]), Calibration(**stored["votes"]))


def _verify_voters(
    store: LocalStore,
    columns: Columns,
    features: StoredFeatures,
    workers: int | None,
    progress: Progress,
) -> None:
    voters = Voters.load(store.connection)
    waiting = np.flatnonzero(voters.unverified())
    for start in range(0, len(waiting), _TOGETHER):
        some = waiting[start : start + _TOGETHER]
        rows, surprises = voters.rows[some], voters.surprises[some]
        new = (rows != PAD) & np.isnan(surprises)
        positions = np.where(new, _places(columns.rows, rows), PAD)
        verify = ListVerifier(
            [features[int(image)] for image in some],
            features,
            workers=workers,
            progress=lambda done, _, before=start: progress(  # type: ignore[misc]
                "verify", before + done, len(waiting)
            ),
        )
        voters.surprises[some] = np.where(new, verify(positions).surprises, surprises)
        with store.transaction() as connection:
            connection.executemany(
                "UPDATE image SET voters = ? WHERE row = ?",
                ((voters.pack(image), int(columns.rows[image])) for image in some.tolist()),
            )


def _places(among: Ids, rows: Ids) -> Ids:
    """Where rows, of any shape, stand in an ascending array; -1 for what is not there, and pads."""
    if not len(among):
        return np.full(rows.shape, PAD, dtype=np.int64)
    places = np.searchsorted(among, rows)
    return np.where(among.take(places, mode="clip") == rows, places, PAD)


def _judge(
    store: LocalStore,
    columns: Columns,
    features: StoredFeatures,
    *,
    seed: int,
    workers: int | None,
    progress: Progress,
) -> tuple[Judge, dict[str, Any]]:
    """The judge that the labels of now deserve, and what to store where it is a new one."""
    stored = store.setting("judge")
    scale = Cohort.stored(store).drawn_from  # contrasts are measured on the cohort's scale
    waiting = int(store.setting("unjudged_changes") or 0)
    training = columns.training
    few = waiting < max(1, _SHARE * len(training))
    if stored is not None and stored["scale"] == scale and few:
        return stored_judge(store), {}
    random = np.random.default_rng(seed)
    size = min(_SAMPLE, len(training))
    sample = np.sort(random.choice(len(training), size, replace=False))
    places = training[sample]
    verifier = ListVerifier(
        [features[int(place)] for place in places],
        features,
        workers=workers,
        progress=partial(progress, "judge"),
    )

    def verify(candidates: Ids) -> Floats:
        named = np.where(candidates == PAD, PAD, training[candidates])
        return verifier(named).surprises

    rows = columns.rows[training]
    judge = fit_judge(
        store.segments.read(rows[sample]),
        _background(columns, places),
        columns.landmarks[training],
        sample,
        store.segments.blocks(rows),
        verify=verify,
        k=VOTING,
    )
    kept = {"pairs": asdict(judge.pairs), "votes": asdict(judge.votes), "scale": scale}
    return judge, {"judge": kept, "unjudged_changes": 0}


def _background(columns: Columns, places: Ids) -> Background:
    return Background(columns.background.medians[places], columns.background.spreads[places])


def _count(columns: Columns, voters: Voters, judge: Judge) -> Votes:
    """The verified votes of all images."""
    labels = columns.landmarks[columns.training]
    training = columns.rows[columns.training]
    votes = Votes(
        np.full(len(columns), UNVOTED, dtype=np.int64), np.zeros(len(columns), dtype=np.float32)
    )
    for start in range(0, len(columns), _BLOCK):
        part = slice(start, start + _BLOCK)
        neighbours = Ranking(_places(training, voters.rows[part]), voters.scores[part])
        background = Background(columns.background.medians[part], columns.background.spreads[part])
        candidates = likeliest(neighbours, voters.surprises[part], background, judge.pairs)
        counted = verified_votes(candidates, labels, VOTING)
        votes.labels[part], votes.scores[part] = counted.labels, counted.scores
    return votes
