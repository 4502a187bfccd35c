"""The photos of a collection that say what similarity is ordinary."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from steeple.collection.columns import Columns
from steeple.collection.store import LocalStore
from steeple.retrieval.contrast import COHORT, Background, measure_background
from steeple.retrieval.types import Floats

__all__ = ["Cohort"]


@dataclass(frozen=True)
class Cohort:
    """A random sample of a collection's photos.

    A photo stays in the cohort when it is removed: its descriptor stays on disk, and the scale
    everything is measured on does not change under the votes.

    Args:
        rows: where their descriptors lie, ascending.
        drawn_from: how many photos the collection had then.
    """

    rows: tuple[int, ...] = ()
    drawn_from: int = 0

    @classmethod
    def stored(cls, store: LocalStore) -> Cohort:
        """The cohort of a collection; empty before the first photo."""
        setting = store.setting("cohort") or {"rows": [], "drawn_from": 0}
        return cls(tuple(setting["rows"]), setting["drawn_from"])

    def outgrown(self, columns: Columns) -> bool:
        """Whether the collection has doubled since the cohort was drawn, or it has none."""
        return len(columns) > 0 and len(columns) >= 2 * self.drawn_from

    @classmethod
    def draw(cls, columns: Columns, seed: int) -> Cohort:
        """Draws a new cohort from everything a collection holds."""
        random = np.random.default_rng(seed)
        size = min(COHORT, len(columns))
        rows = np.sort(random.choice(columns.rows, size, replace=False))
        return cls(tuple(rows.tolist()), len(columns))

    def to_setting(self) -> dict[str, Any]:
        """What `stored` reads."""
        return {"rows": list(self.rows), "drawn_from": self.drawn_from}

    def descriptors(self, store: LocalStore) -> Floats:
        """(m, D) float32."""
        return store.segments.read(np.array(self.rows, dtype=np.int64))

    def measure(self, store: LocalStore, columns: Columns, *, anew: bool) -> Background:
        """What is ordinary for every image; measures what was not measured yet, or all anew."""
        known = columns.background
        medians, spreads = known.medians.copy(), known.spreads.copy()
        wanted = np.ones(len(columns), dtype=bool) if anew else np.isnan(medians)
        cohort = self.descriptors(store)
        places = np.flatnonzero(wanted)
        for positions, vectors in store.segments.blocks(columns.rows[places]):
            measured = measure_background(vectors, cohort)
            medians[places[positions]] = measured.medians
            spreads[places[positions]] = measured.spreads
        return Background(medians, spreads)
