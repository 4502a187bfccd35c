"""Keeping the votes of a collection up to date.

Every image keeps its nearest training images, its voters. From them follow its vote and the
contrast of the vote, so a change of labels costs little:

- a new training image is compared with every image, and joins the voters of those it is near to;
- an image that is new, or has lost a voter, looks through the whole training set;
- then the votes are counted from the voters again, and what differs is written.

When everything is new the second step is the whole pass, and the first does nothing. An image is
never its own voter.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt

from steeple.collection.columns import Columns
from steeple.collection.schema import put_setting
from steeple.collection.segments import ROWS
from steeple.collection.store import LocalStore
from steeple.collection.voters import Voters
from steeple.retrieval.calibration import SAMPLE, Calibration, fit_calibration, without_self
from steeple.retrieval.contrast import VOTERS, vote_contrast
from steeple.retrieval.neighbors import search_blocks
from steeple.retrieval.types import PAD, UNVOTED, Floats, Ids, Ranking, Votes
from steeple.retrieval.voting import count_votes

__all__ = ["refresh_votes", "stored_calibration"]

_ALWAYS = 20_000  # training images up to which every change of labels refits the calibration
_SHARE = 0.01  # of a larger training set that has to change before it does


def refresh_votes(store: LocalStore, *, k: int, seed: int) -> int:
    """Brings every vote up to date, and the calibration with them.

    Args:
        store: the collection; the caller holds its write lock.
        k: neighbours that vote.
        seed: of the sample the calibration is learned from.

    Returns:
        How many images have another vote than before.
    """
    with store.snapshot() as columns:
        voters = Voters.load(store.connection)
        labels = _labels_by_row(columns)
        lost = ((voters.rows != PAD) & (labels[voters.rows] == UNVOTED)).any(axis=1)
        voters.forget(lost)
        pending = np.flatnonzero(~voters.known)
        fresh = columns.training[~columns.counted[columns.training]]
        settled = np.flatnonzero(voters.known) if len(fresh) else np.empty(0, dtype=np.int64)
        touched = np.zeros(len(columns), dtype=bool)
        touched[settled] = _consult(store, columns, voters, settled, columns.rows[fresh])
        _consult(store, columns, voters, pending, columns.rows[columns.training])
        touched[pending] = True
        ballot = _count(voters, labels, k)
        touched |= ballot.differs(columns)
        changes = len(fresh) + int(lost.sum())
        calibration = _recalibrated(store, columns, changes, k, seed)
    if touched.any() or changes:
        _write(store, ballot, columns.rows, np.flatnonzero(touched), calibration)
    with store.snapshot() as columns:
        columns.save(store.folder / "cache")
    return int(touched.sum())


def stored_calibration(store: LocalStore) -> Calibration:
    """The calibration a collection has learned, or the one it starts from."""
    return Calibration(**(store.setting("calibration") or {}))


def _consult(
    store: LocalStore, columns: Columns, voters: Voters, images: Ids, training: Ids
) -> npt.NDArray[np.bool_]:
    """Lets training images, given by row, join the voters of images, given by position.

    Returns:
        (m,) bool, whose voters have changed.
    """
    changed = np.zeros(len(images), dtype=bool)
    for start in range(0, len(images), ROWS):
        part = images[start : start + ROWS]
        rows = columns.rows[part]
        found = search_blocks(
            store.segments.read(rows), store.segments.blocks(training), VOTERS + 1
        )
        named = np.where(found.ids == PAD, PAD, training[found.ids] if len(training) else PAD)
        others = without_self(Ranking(named, found.scores), rows)
        changed[start : start + ROWS] = voters.merge(part, others.ids, others.scores)
    return changed


@dataclass(frozen=True)
class _Ballot:
    """The voters of all images, and what follows from them."""

    voters: Voters
    votes: Votes
    contrasts: Floats

    def differs(self, columns: Columns) -> npt.NDArray[np.bool_]:
        """(n,) bool, which images the columns still show with another vote."""
        old = columns.votes
        same = (self.votes.labels == old.labels) & (self.votes.scores == old.scores)
        return np.asarray(~same | (self.contrasts != columns.contrasts))


def _count(voters: Voters, labels: Ids, k: int) -> _Ballot:
    neighbours = Ranking(voters.rows, voters.scores)
    votes = count_votes(neighbours, labels, k)
    return _Ballot(voters, votes, vote_contrast(neighbours, labels, votes))


def _labels_by_row(columns: Columns) -> Ids:
    """(last row + 2,) int64: the landmark that each row votes for, -1 for one that does not vote.

    The last entry is -1 for good: it is the one that a pad looks up.
    """
    size = int(columns.rows[-1]) + 2 if len(columns) else 1
    labels = np.full(size, UNVOTED, dtype=np.int64)
    labels[columns.rows[columns.training]] = columns.landmarks[columns.training]
    return labels


def _recalibrated(
    store: LocalStore, columns: Columns, changes: int, k: int, seed: int
) -> tuple[Calibration, int] | None:
    """The calibration to store and the label changes it lacks; None if nothing changed."""
    if not changes:
        return None
    training = columns.training
    waiting = int(store.setting("uncalibrated_changes") or 0) + changes
    learned = store.setting("calibration") is not None
    if learned and len(training) > _ALWAYS and waiting < _SHARE * len(training):
        return stored_calibration(store), waiting
    random = np.random.default_rng(seed)
    size = min(SAMPLE, len(training))
    sample = np.sort(random.choice(len(training), size, replace=False))
    rows = columns.rows[training]
    blocks = store.segments.blocks(rows)
    labels = columns.landmarks[training]
    return fit_calibration(store.segments.read(rows[sample]), labels, sample, blocks, k), 0


def _write(
    store: LocalStore,
    ballot: _Ballot,
    rows: Ids,
    touched: Ids,
    calibration: tuple[Calibration, int] | None,
) -> None:
    votes = ballot.votes
    with store.transaction() as connection:
        connection.executemany(
            "UPDATE image SET voters = ?, vote = ?, score = ?, contrast = ? WHERE row = ?",
            (
                (
                    ballot.voters.pack(image),
                    None if votes.labels[image] == UNVOTED else int(votes.labels[image]),
                    float(votes.scores[image]),
                    float(ballot.contrasts[image]),
                    int(rows[image]),
                )
                for image in touched.tolist()
            ),
        )
        connection.execute(
            "UPDATE image SET counted = 1 WHERE counted = 0 AND landmark IS NOT NULL AND role & 1"
        )
        if calibration is not None:
            put_setting(connection, "calibration", asdict(calibration[0]))
            put_setting(connection, "uncalibrated_changes", calibration[1])
