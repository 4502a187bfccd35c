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

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from steeple.collection.cohort import Cohort
from steeple.collection.columns import Columns
from steeple.collection.schema import put_setting
from steeple.collection.segments import ROWS
from steeple.collection.store import LocalStore
from steeple.collection.voters import VOTERS, VOTING, Voters
from steeple.retrieval.calibration import SAMPLE, Calibration, fit_calibration
from steeple.retrieval.contrast import Background, vote_contrast
from steeple.retrieval.leaving_out import without_self
from steeple.retrieval.neighbors import search_blocks
from steeple.retrieval.types import PAD, UNVOTED, Floats, Ids, Ranking, Votes
from steeple.retrieval.voting import count_votes

__all__ = ["outdated_votes", "refresh_votes", "stored_calibration"]

_ALWAYS = 20_000  # training images up to which every change of labels refits the calibration
_SHARE = 0.01  # of a larger training set that has to change before it does


def refresh_votes(store: LocalStore, *, seed: int) -> int:
    """Brings every vote up to date, and the calibration with them.

    Args:
        store: the collection; the caller holds its write lock.
        seed: of the sample the calibration is learned from.

    Returns:
        How many images have another vote than before.
    """
    with store.snapshot() as columns:
        voters = Voters.load(store.connection)
        labels = _labels_by_row(columns)
        touched = ~voters.known | _lost(voters, labels)
        pending, settled = np.flatnonzero(touched), np.flatnonzero(~touched)
        fresh = columns.training[~columns.counted[columns.training]]
        if len(fresh):
            for some, found in _nearest(store, columns, settled, columns.rows[fresh]):
                touched[some] = voters.merge(some, found.ids, found.scores)
        for some, found in _nearest(store, columns, pending, columns.rows[columns.training]):
            voters.replace(some, found.ids, found.scores)
        cohort = Cohort.stored(store)
        redrawn = cohort.outgrown(columns)
        cohort = Cohort.draw(columns, seed) if redrawn else cohort
        background = cohort.measure(store, columns, anew=redrawn)
        ballot = _count(voters, labels, background)
        touched |= ballot.differs(columns) | redrawn
        settings: dict[str, Any] = {"cohort": cohort.to_setting()} if redrawn else {}
        # Who votes now, less who is new, is what is left of those who voted before.
        before = store.setting("training_size") or 0
        changes = len(fresh) + max(0, before + len(fresh) - len(columns.training))
        if len(columns.training) != before:
            settings["training_size"] = len(columns.training)
        if changes or redrawn:
            settings |= _calibrate(store, columns, background, changes, seed=seed, anew=redrawn)
            if store.feature_files is not None:
                unjudged = int(store.setting("unjudged_changes") or 0)
                settings["unjudged_changes"] = unjudged + changes
    if touched.any() or settings:
        _write(store, ballot, columns.rows, np.flatnonzero(touched), settings)
    with store.snapshot() as columns:
        columns.save(store.folder / "cache")
    return int(touched.sum())


def outdated_votes(store: LocalStore, columns: Columns) -> tuple[int, int]:
    """What `refresh_votes` would have to do.

    Args:
        store: the collection.
        columns: its images, read in the transaction that is open.

    Returns:
        How many images wait for a vote or for their own vote to reach the others, and how many
        others have a vote that is not what their voters say.
    """
    voters = Voters.load(store.connection)
    labels = _labels_by_row(columns)
    pending = ~voters.known | _lost(voters, labels)
    voters.forget(pending)
    different = _count(voters, labels, columns.background).differs(columns) & ~pending
    pending[columns.training] |= ~columns.counted[columns.training]
    return int(pending.sum()), int(different.sum())


def stored_calibration(store: LocalStore) -> Calibration:
    """The calibration a collection has learned, or the one it starts from."""
    stored = store.setting("calibration")
    return Calibration(**stored) if stored else Calibration.prior(0)


def _nearest(
    store: LocalStore, columns: Columns, images: Ids, training: Ids
) -> Iterator[tuple[Ids, Ranking]]:
    """The nearest of some training images, given by row, to images, given by position.

    Yields:
        (m,) int64, some of the positions, and (m, VOTERS) rows of training images for them.
    """
    for start in range(0, len(images), ROWS):
        part = images[start : start + ROWS]
        rows = columns.rows[part]
        found = search_blocks(
            store.segments.read(rows), store.segments.blocks(training), VOTERS + 1
        )
        named = np.where(found.ids == PAD, PAD, training[found.ids] if len(training) else PAD)
        yield part, without_self(Ranking(named, found.scores), rows)


@dataclass(frozen=True)
class _Ballot:
    """The voters of all images, and what follows from them."""

    voters: Voters
    votes: Votes
    background: Background
    contrasts: Floats

    def differs(self, columns: Columns) -> npt.NDArray[np.bool_]:
        """(n,) bool, which images the columns still show with another vote."""
        old = columns.votes
        same = (self.votes.labels == old.labels) & (self.votes.scores == old.scores)
        return np.asarray(~same | (self.contrasts != columns.contrasts))


def _count(voters: Voters, labels: Ids, background: Background) -> _Ballot:
    neighbours = Ranking(voters.rows, voters.scores)
    votes = count_votes(neighbours, labels, VOTING)
    contrasts = vote_contrast(neighbours, labels, votes, background, VOTING)
    return _Ballot(voters, votes, background, contrasts)


def _labels_by_row(columns: Columns) -> Ids:
    """(last row + 2,) int64: the landmark that each row votes for, -1 for one that does not vote.

    The last entry is -1 for good: it is the one that a pad looks up.
    """
    size = int(columns.rows[-1]) + 2 if len(columns) else 1
    labels = np.full(size, UNVOTED, dtype=np.int64)
    labels[columns.rows[columns.training]] = columns.landmarks[columns.training]
    return labels


def _lost(voters: Voters, labels: Ids) -> npt.NDArray[np.bool_]:
    """(n,) bool, which images name a voter that does not vote any more."""
    # A voter may have stood behind the last row there is now; clipped, it looks up the last entry.
    named = labels.take(voters.rows, mode="clip")
    return np.asarray(((voters.rows != PAD) & (named == UNVOTED)).any(axis=1))


def _calibrate(
    store: LocalStore,
    columns: Columns,
    background: Background,
    changes: int,
    *,
    seed: int,
    anew: bool,
) -> dict[str, Any]:
    """What to store of a calibration that knows the labels there are now, or nearly all of them."""
    training = columns.training
    waiting = int(store.setting("uncalibrated_changes") or 0) + changes
    learned = store.setting("calibration") is not None
    few = len(training) > _ALWAYS and waiting < _SHARE * len(training)
    if learned and few and not anew:
        return {"uncalibrated_changes": waiting}
    random = np.random.default_rng(seed)
    size = min(SAMPLE, len(training))
    sample = np.sort(random.choice(len(training), size, replace=False))
    rows = columns.rows[training]
    blocks = store.segments.blocks(rows)
    labels = columns.landmarks[training]
    of_sample = Background(
        background.medians[training[sample]], background.spreads[training[sample]]
    )
    vectors = store.segments.read(rows[sample])
    fitted = fit_calibration(vectors, of_sample, labels, sample, blocks, k=VOTING)
    return {"calibration": asdict(fitted), "uncalibrated_changes": 0}


def _write(
    store: LocalStore,
    ballot: _Ballot,
    rows: Ids,
    touched: Ids,
    settings: dict[str, Any],
) -> None:
    votes = ballot.votes
    with store.transaction() as connection:
        connection.executemany(
            "UPDATE image SET voters = ?, vote = ?, score = ?, ordinary = ?, spread = ?,"
            " contrast = ? WHERE row = ?",
            (
                (
                    ballot.voters.pack(image),
                    None if votes.labels[image] == UNVOTED else int(votes.labels[image]),
                    float(votes.scores[image]),
                    float(ballot.background.medians[image]),
                    float(ballot.background.spreads[image]),
                    float(ballot.contrasts[image]),
                    int(rows[image]),
                )
                for image in touched.tolist()
            ),
        )
        connection.execute(
            "UPDATE image SET counted = 1 WHERE counted = 0 AND landmark IS NOT NULL AND role & 1"
        )
        for key, value in settings.items():
            put_setting(connection, key, value)
