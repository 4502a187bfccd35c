"""The stages of the rehearsal at the size of GLD-v2, each of which runs in a process of its own.

A stage reads the arrays of earlier ones from the run's folder and leaves its own there.
"""

from __future__ import annotations

import time
from dataclasses import astuple, dataclass
from functools import cached_property
from typing import Any

import numpy as np

from gldv2_folder import Folder, StoredGraph, Teller
from landmarks import NOBODY, Landmarks
from steeple.arrays.files.descriptors import FileDescriptors
from steeple.arrays.files.labels import Labels
from steeple.arrays.method.beliefs import Believer, draw_cohort
from steeple.arrays.method.training import TrainingSet
from steeple.evaluation import mean_average_precision
from steeple.retrieval.approximate.effort import Effort
from steeple.retrieval.approximate.index import ApproximateIndex
from steeple.retrieval.approximate.presets import FLAT, choose_index
from steeple.retrieval.approximate.recall import recall
from steeple.retrieval.contrast import Background, measure_background, vote_similarity
from steeple.retrieval.descriptors import Search
from steeple.retrieval.leaving_out import without_self
from steeple.retrieval.neighbors import search_neighbors
from steeple.retrieval.offline.graph import IndexGraph
from steeple.retrieval.reranking import Context, create_reranker
from steeple.retrieval.reranking.gated import LIKELY
from steeple.retrieval.types import Floats, Ids, Ranking, Votes
from steeple.retrieval.voting import count_votes
from steeple.shelves import FolderShelf

__all__ = ["Rehearsal"]

SHORTLIST = 100
VOTERS = 3
MEMORY = 4 << 30  # bytes an approximate index may take
_SPACE = 1 << 28  # bytes of work space
_ROWS = 1 << 13  # images compared with the cohort at a time
_TRIED = 256  # images that tune and check an approximate index


@dataclass(frozen=True)
class Rehearsal:
    """One run: data, and a folder for what the stages make of it.

    Args:
        data: the descriptors and the truth.
        folder: where arrays of this run lie.
        search: how offline stages search: "exact", "auto", or the name of a FAISS index.
    """

    data: Landmarks
    folder: Folder
    search: str = "exact"

    def neighbours(self) -> dict[str, Any]:
        """The nearest index images of the queries, exactly."""
        queries = self.data.queries
        begun = time.perf_counter()
        found = search_neighbors(queries, self.data.index, SHORTLIST)
        seconds = time.perf_counter() - begun
        self.folder.save_ranking("neighbours", found)
        return {"queries": len(queries), "online_ms": 1e3 * seconds / len(queries)}

    def prepare(self, part: str) -> dict[str, Any]:
        """Builds the approximate index of "training" or "index", and finds out how hard to look."""
        import faiss

        descriptors = getattr(self.data, part)
        images, dimension = descriptors.shape
        factory = choose_index(images, dimension, MEMORY) if self.search == "auto" else self.search
        if factory in ("exact", FLAT):
            return {"kind": "exact"}
        begun = time.perf_counter()
        built = ApproximateIndex.build(descriptors, factory, memory=MEMORY, told=Teller())
        seconds = time.perf_counter() - begun
        tried = self._some(self.data.index)
        reached = built.tune(
            np.asarray(self.data.index[tried]),
            VOTERS if part == "training" else SHORTLIST,
            exact=descriptors,
            own=tried if part == "index" else None,
        )
        faiss.write_index(built.index, str(self.folder.path / f"{part}.faiss"))
        np.save(self.folder.path / f"{part}-effort.npy", list(astuple(built.effort)))
        (self.folder.path / f"{part}-factory.txt").write_text(factory)
        return {"kind": factory, "build_s": seconds, "recall": reached, "effort": str(built.effort)}

    def votes(self, part: str) -> dict[str, Any]:
        """The votes of the "queries" or of the "index"; goes on where an earlier run stopped."""
        descriptors = getattr(self.data, part)
        search = self._search("training", exactly=part == "queries")
        begun = time.perf_counter()
        shape = (len(descriptors), VOTERS)

        def compute(own: Ids) -> tuple[Ids, Floats]:
            found = search(np.asarray(descriptors[own[0] : own[-1] + 1]), VOTERS)
            return found.ids, found.scores

        columns = {"ids": (shape, np.int64), "scores": (shape, np.float32)}
        images = self.folder.fill(f"voters-{part}", columns, compute)
        voters = self.folder.ranking(f"voters-{part}")
        counted = count_votes(voters, self.data.training_labels, VOTERS)
        self.folder.save_votes(f"votes-{part}", counted)
        seconds = time.perf_counter() - begun
        truth = getattr(self.data, f"{part.replace('queries', 'query')}_labels")
        shown = truth != NOBODY
        right = float((counted.labels == truth)[shown].mean())
        figures = {"right": right, "images": images, "search_s": seconds}
        if self.search != "exact" and part == "index":
            figures |= {"agree": self._agree(counted)}
        return figures

    def beliefs(self) -> dict[str, Any]:
        """From votes to probabilities, as a collection computes them."""
        data = self.data
        names = np.zeros(0, dtype="S1")  # nobody asks what the landmarks are called
        labels = Labels(data.training_labels, names)
        training = TrainingSet(FileDescriptors(data.training, "training"), labels)
        cohort = draw_cohort(training, FileDescriptors(data.index, "index"), seed=0)
        believer = Believer.learn(training, cohort, k=VOTERS, seed=0, memory=_SPACE)
        quality = {}
        for part in ("queries", "index"):
            voters, votes = (
                self.folder.ranking(f"voters-{part}"),
                self.folder.votes(f"votes-{part}"),
            )
            background = _background(getattr(data, part), cohort)
            beliefs = believer.believe(voters, votes, background)
            self.folder.save_votes(f"beliefs-{part}", beliefs)
            if part == "queries":
                np.save(
                    self.folder.path / "evidence.npy",
                    vote_similarity(voters, data.training_labels, votes, VOTERS),
                )
            truth = data.index_labels if part == "index" else data.query_labels
            believed = beliefs.scores > LIKELY
            quality[part] = {
                "believed": float(believed.mean()),
                "right": float((votes.labels == truth)[believed].mean()) if believed.any() else 0.0,
            }
        learned = believer.calibration
        return {"slope": learned.slope, "intercept": learned.intercept, **quality}

    def graph(self) -> dict[str, Any]:
        """The neighbours that index images have among themselves, as many as any method asks."""
        data = self.data
        images = StoredGraph.store(self.folder, IndexGraph(data.index, self._search("index")))
        found = self._graph.neighbours(min(SHORTLIST, len(data.index) - 1))
        tried = self._some(data.index)
        exact = search_neighbors(data.index[tried], data.index, SHORTLIST + 1)
        want = without_self(exact, tried)
        return {"images": images, "recall_at_100": recall(_rows(found, tried), want)}

    def method(self, name: str) -> dict[str, Any]:
        """Re-ranks with one method: mAP@100 in percent, what it computes once, and per query."""
        ranking = self.folder.ranking("neighbours")
        reranker = create_reranker(name)
        seconds = []
        for asked in (slice(0, 1), slice(0, len(ranking))):
            context = self._context(asked)
            begun = time.perf_counter()
            result = reranker.rerank(ranking[asked], context)
            seconds.append(time.perf_counter() - begun)
        each = seconds[1] / len(ranking)
        np.save(
            self.folder.path / f"result-{name.replace(',', '+').replace(':', '_')}.npy", result.ids
        )
        return {
            **self._score(result.ids),
            "offline_s": max(0.0, seconds[0] - each),
            "online_ms": 1e3 * each,
        }

    @cached_property
    def _graph(self) -> StoredGraph:
        loaded: list[Search] = []

        def search(queries: Floats, k: int) -> Ranking:
            if not loaded:  # as much memory as an approximate index takes, seldom needed
                loaded.append(self._search("index"))
            return loaded[0](queries, k)

        shelf = FolderShelf(self.folder.path / "shelf")
        graph = StoredGraph(self.data.index, search, shelf=shelf, told=Teller())
        return graph.hold(self.folder)

    def _context(self, asked: slice) -> Context:
        """All that a re-ranker may ask for about some of the queries."""
        index = self.data.index
        return Context(
            queries=np.asarray(self.data.queries[asked]),
            index=index,
            search=self._search("index", exactly=True),
            graph=self._graph,
            query_votes=self.folder.votes("votes-queries")[asked],
            index_votes=self.folder.votes("votes-index"),
            query_beliefs=self.folder.votes("beliefs-queries")[asked],
            index_beliefs=self.folder.votes("beliefs-index"),
            evidence=np.load(self.folder.path / "evidence.npy")[asked],
        )

    def _score(self, ids: Ids) -> dict[str, float]:
        """mAP@100 in percent by parts of the scored queries.

        "known" and "unknown" are those whose landmark has training images and those without.
        """
        shows, asked, public = self.data.index_labels, self.data.query_labels, self.data.public
        order = np.argsort(shows, kind="stable")
        ends = np.searchsorted(shows[order], np.stack([asked, asked + 1]))
        out = {}
        scored = asked != NOBODY
        known = scored & np.isin(asked, self.data.training_labels)
        parts = {
            "public": public,
            "private": scored & ~public,
            "all": scored,
            "known": known,
            "unknown": scored & ~known,
        }
        for part, members in parts.items():
            queries = np.flatnonzero(members)
            value = mean_average_precision(
                {str(q): [str(image) for image in ids[q] if image >= 0] for q in queries},
                {str(q): [str(i) for i in order[ends[0, q] : ends[1, q]]] for q in queries},
            )
            out[part] = 100 * value
        return out

    def _search(self, part: str, *, exactly: bool = False) -> Search:
        """Finds neighbours in "training" or "index": approximately, if an index was built."""
        import faiss

        descriptors = getattr(self.data, part)
        path = self.folder.path / f"{part}.faiss"
        if exactly or not path.exists():
            return lambda queries, k: search_neighbors(queries, descriptors, k)
        effort = Effort(*np.load(self.folder.path / f"{part}-effort.npy").tolist())
        factory = (self.folder.path / f"{part}-factory.txt").read_text()
        stored = ApproximateIndex(faiss.read_index(str(path)), factory, effort)
        return lambda queries, k: stored.search(queries, k, exact=descriptors)

    def _some(self, descriptors: Floats) -> Ids:
        """A few images of the index, to tune and to check with."""
        random = np.random.default_rng(1)
        size = min(_TRIED, len(descriptors))
        return np.sort(random.choice(len(descriptors), size, replace=False)).astype(np.int64)

    def _agree(self, votes: Votes) -> float:
        """The share of index images that approximate and exact search give the same vote."""
        tried = self._some(self.data.index)
        exact = search_neighbors(self.data.index[tried], self.data.training, VOTERS)
        right = count_votes(exact, self.data.training_labels, VOTERS)
        return float((right.labels == votes.labels[tried]).mean())


def _rows(ranking: Ranking, rows: Ids) -> Ranking:
    return Ranking(ranking.ids[rows], ranking.scores[rows])


def _background(descriptors: Floats, cohort: Floats) -> Background:
    """What is ordinary for each image, read in blocks."""
    parts = [
        measure_background(np.asarray(descriptors[start : start + _ROWS]), cohort)
        for start in range(0, len(descriptors), _ROWS)
    ]
    return Background(
        np.concatenate([part.medians for part in parts]),
        np.concatenate([part.spreads for part in parts]),
    )
