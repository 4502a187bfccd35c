"""What is computed once for index and training set, whatever is asked: searches, votes, beliefs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from steeple.arrays.files.descriptors import FileDescriptors
from steeple.arrays.inputs import Inputs
from steeple.arrays.method.beliefs import Believer, draw_cohort, index_background
from steeple.arrays.method.indexing import Built, build_index
from steeple.arrays.method.keeping import Keep
from steeple.arrays.method.searching import Searched, Searcher
from steeple.arrays.method.training import TrainingSet
from steeple.arrays.method.voters import find_voters
from steeple.errors import InputError
from steeple.progress import Progress
from steeple.retrieval.descriptors import Search
from steeple.retrieval.offline.graph import IndexGraph
from steeple.retrieval.offline.search import OwnSearch
from steeple.retrieval.offline.shelf import Shelf
from steeple.retrieval.types import Floats, Ranking, Votes
from steeple.retrieval.voting import count_votes

__all__ = ["Offline", "Settings"]

_SAMPLE = 200  # images that an approximate index is tuned with


@dataclass(frozen=True)
class Settings:
    """How the method is run.

    Args:
        k: length of the rankings.
        voters: training images that vote for an image (3 in the paper).
        memory: bytes of work space beside the files, which are mapped, and the results.
        device: what multiplies in exact searches: ``cpu``, ``cuda`` or ``auto``.
        approximate: a FAISS factory name, or ``auto``; None searches exactly.
        seed: of the cohort, the calibration's sample, and approximate indexes.
    """

    k: int = 100
    voters: int = 3
    memory: int = 4 * 10**9
    device: str = "cpu"
    approximate: str | None = None
    seed: int = 0


class Offline:
    """Everything that does not depend on the queries; computed when it is first asked for.

    Args:
        inputs: the files.
        settings: how to run.
        keep: where it is kept.
        progress: called with stage, images done and their number.
    """

    def __init__(self, inputs: Inputs, settings: Settings, keep: Keep, progress: Progress) -> None:
        self.inputs, self.settings = inputs, settings
        self.keep, self.progress = keep, progress
        self.built: list[Built] = []

    @property
    def index(self) -> FileDescriptors:
        """The descriptors of the index."""
        return self.inputs.index.file.descriptors

    @property
    def training(self) -> TrainingSet:
        """The training set.

        Raises:
            InputError: if there is none.
        """
        if self.inputs.training is None:
            raise InputError("votes need a training set; give --training and --training-labels")
        return self.inputs.training

    @cached_property
    def search(self) -> Searcher:
        """Finds neighbours in the index."""
        queries = self.inputs.queries.file.descriptors
        sample = queries.rows(0, min(_SAMPLE, len(queries)))
        return self._searcher("index", self.index, self._index_key, sample, self.settings.k)

    @cached_property
    def search_training(self) -> Searcher:
        """Finds voters in the training set."""
        sample = self.index.rows(0, min(_SAMPLE, len(self.index)))
        key = self.inputs.training_key
        return self._searcher("training", self.training, key, sample, self.settings.voters)

    @cached_property
    def graph(self) -> IndexGraph:
        """The neighbours of index images among themselves."""
        shelf = self.keep.shelf(f"index-{self._index_key}{self.search.key}")
        return IndexGraph(self.index, self._search_own, shelf=shelf, told=self.progress)

    @property
    def _search_own(self) -> Search:
        """Finds the neighbours of index images in the index, whatever the queries are."""
        index, settings = self.search.approximate, self.settings
        if index is None:
            return self.search
        return OwnSearch(
            index,
            self.index,
            self.search,
            seed=settings.seed,
            memory=settings.memory,
            told=self.progress,
        )

    @cached_property
    def index_votes(self) -> Votes:
        """N votes."""
        return count_votes(self._voters, self.training.labels, self.settings.voters)

    @cached_property
    def believer(self) -> Believer:
        """Says how likely votes are right."""
        self.progress("judge", 0, None)
        return Believer.learn(
            self.training,
            draw_cohort(self.training, self.index, self.settings.seed),
            k=self.settings.voters,
            seed=self.settings.seed,
            memory=self.settings.memory,
        )

    @cached_property
    def index_beliefs(self) -> Votes:
        """N votes whose scores are probabilities."""
        believer = self.believer
        background = index_background(
            self.index,
            believer.cohort,
            self._pair_shelf,
            f"background-{self.settings.seed}",
            lambda done: self.progress("background", done, len(self.index)),
        )
        return believer.believe(self._voters, self.index_votes, background)

    @property
    def _index_key(self) -> str:
        return self.inputs.index.file.fingerprint

    @cached_property
    def _voters(self) -> Ranking:
        return find_voters(
            self.index,
            self.search_training,
            self.settings.voters,
            own=self.inputs.own,
            shelf=self._pair_shelf,
            told=lambda done, total: self.progress("voters", done, total),
        )

    @property
    def _pair_shelf(self) -> Shelf:
        """The shelf of this index and this training set."""
        search = self.search_training
        effort = search.approximate and search.approximate.effort
        how = f"{search.key}-{effort.probes}-{effort.refine}-{effort.k}" if effort else ""
        return self.keep.shelf(f"votes-{self._index_key}-{self.inputs.training_key}{how}")

    def _searcher(self, part: str, images: Searched, key: str, sample: Floats, k: int) -> Searcher:
        settings = self.settings
        search = Searcher(images, settings.memory, settings.device)
        if settings.approximate is None:
            return search
        place = None if self.keep.folder is None else self.keep.folder / f"{part}-{key}"
        found = build_index(
            images,
            settings.approximate,
            part=part,
            place=place,
            queries=sample,
            k=k,
            memory=settings.memory,
            seed=settings.seed,
            told=self.progress,
        )
        if found is None:
            return search
        index, built, what = found
        self.built.append(built)
        return Searcher(images, settings.memory, settings.device, index, what)
