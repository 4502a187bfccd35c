"""Adding, from the first look at the photos to the last vote."""

from __future__ import annotations

from pathlib import Path

from steeple.collection.adding import AddReport, add_photos
from steeple.collection.beliefs import refresh_beliefs
from steeple.collection.caches import refresh_caches
from steeple.collection.embedders import keep_embedder
from steeple.collection.learning import learn_from
from steeple.collection.sources import Source
from steeple.collection.store import LocalStore
from steeple.collection.votes import refresh_votes
from steeple.embedding.base import Embedder
from steeple.embedding.pipeline import Prepared
from steeple.geometry.strongest import Strongest
from steeple.progress import Progress, Stopwatch

__all__ = ["bring_votes_up_to_date", "take_in"]


def take_in(
    store: LocalStore,
    embedder: Embedder,
    extractor: Strongest | None,
    source: Source,
    *,
    workers: int | None,
    progress: Progress,
) -> tuple[AddReport, Embedder]:
    """Learns where nothing was learned yet, adds what is new, and lets it vote.

    Args:
        store: the collection; the caller holds its write lock.
        embedder: what describes its photos, fitted or not.
        extractor: what finds their local features; None if the collection keeps none.
        source: the photos.
        workers: processes that decode and describe; None takes one per core.
        progress: called with stage, photos done, and their number.

    Returns:
        What became of the photos, and the embedder, fitted.

    Raises:
        InputError: if there is nothing to learn from.
        OSError: if the disk is full or fails; what was committed stays.
    """
    clock, before = Stopwatch(), int(store.setting("generation"))
    learned: dict[Path, Prepared] = {}
    fits = embedder.learned_from is None
    if fits:
        with clock.stage("learn"):
            embedder, learned = learn_from(
                embedder,
                extractor,
                source,
                workers=workers,
                seed=store.setting("seed"),
                progress=progress,
            )
            keep_embedder(store, embedder)
    with clock.stage("embed"):
        report = add_photos(
            store,
            embedder,
            extractor,
            source,
            workers=workers,
            progress=progress,
            learned=learned,
        )
    progress("vote", 0, None)
    with clock.stage("vote"):
        report.revoted = refresh_votes(store, seed=store.setting("seed"))
    if extractor is not None:
        with clock.stage("verify"):
            refresh_beliefs(store, seed=store.setting("seed"), workers=workers, progress=progress)
    with clock.stage("index"):
        built = refresh_caches(store, since=before, progress=progress)
    if not built:
        del clock.seconds["index"]
    report.learned_from = embedder.learned_from if fits else None
    report.seconds = clock.seconds
    return report, embedder


def bring_votes_up_to_date(store: LocalStore) -> int:
    """Refreshes votes and verified votes; returns how many images have another vote."""
    changed = refresh_votes(store, seed=store.setting("seed"))
    refresh_beliefs(store, seed=store.setting("seed"))
    refresh_caches(store, since=None, build=False)
    return changed
