"""Whatever a result depends on is part of the name it is kept under.

Each test answers two tasks that differ in one thing, with one place to keep results in; the second
answer is to be what it is where nothing was kept.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from steeple.arrays import Keep, Settings, Sources, Task, parse_methods, read_inputs
from steeple.arrays.method.beliefs import draw_cohort
from steeple.retrieval.offline.shelf import MemoryShelf
from steeple.retrieval.reranking.chain import Chain
from steeple.shelves import FolderShelf

EXACT = Settings(k=20)
APPROXIMATE = replace(EXACT, approximate="IVF4,Flat")


def task(folder, settings=EXACT, keep=None):
    files = {part: str(folder / f"{part}.npy") for part in ("queries", "index", "training")}
    sources = Sources(files, {}, folder / "training.csv")
    return Task(read_inputs(sources, MemoryShelf()), settings, keep or Keep())


@pytest.fixture(params=["memory", "folder"])
def keep(request, tmp_path):
    return Keep() if request.param == "memory" else Keep(tmp_path / "kept", FolderShelf)


@pytest.fixture(autouse=True)
def one_thread():
    """Tiny searches: on a busy machine threads would wait for each other."""
    import faiss

    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    yield
    faiss.omp_set_num_threads(threads)


@pytest.fixture
def small_cohort(monkeypatch):
    """So that it is a sample of the 380 images, which depends on the seed."""
    monkeypatch.setattr("steeple.arrays.method.beliefs.COHORT", 30)


@pytest.fixture
def careless(monkeypatch):
    """So that approximate indexes differ in what they find."""
    for module in ("retrieval.offline.search", "arrays.method.indexing"):
        monkeypatch.setattr(f"steeple.{module}._WANTED", 0.3)
    for module in ("retrieval.offline.search", "arrays.method.offline"):
        monkeypatch.setattr(f"steeple.{module}._SAMPLE", 40)
    monkeypatch.setattr("steeple.retrieval.offline.graph._WIDTH", 20)  # a list has enough


def voters_of(asked):
    return asked.offline._voters.ids


def graph_of(asked):
    asked.offline.search  # noqa: B018 - as in every run, what queries need comes first
    return np.asarray(asked.offline.graph.neighbours(20).ids)


def beliefs_of(asked):
    return asked.offline.index_beliefs.scores


def ranking_of(asked, method):
    return asked.answer(parse_methods([method])).rankings[method].ids


def shuffled(array):
    return array[np.random.default_rng(0).permutation(len(array))]


def write_labels(folder, toy, rows):
    lines = "".join(f"t{row:03},{toy.labels[row]}\n" for row in rows)
    (folder / "training.csv").write_text("id,landmark_id\n" + lines)


def other_index(folder, toy):
    np.save(folder / "index.npy", shuffled(toy.index))


def other_training_set(folder, toy):
    np.save(folder / "training.npy", shuffled(toy.training))


def other_voting_rows(folder, toy):
    """As many as before."""
    write_labels(folder, toy, range(50, 150))


def other_ids(folder, toy):
    """Other index images than before are training images, too."""
    names = [f"t{row:03}" for row in range(100, 150)] + [f"x{row:03}" for row in range(180)]
    (folder / "index.txt").write_text("\n".join(names) + "\n")


@pytest.mark.parametrize(
    ("change", "answer"),
    [
        (other_index, graph_of),
        (other_index, lambda asked: ranking_of(asked, "diffusion")),
        (other_index, lambda asked: ranking_of(asked, "dba")),
        (other_index, voters_of),
        (other_index, beliefs_of),
        (other_training_set, voters_of),
        (other_training_set, beliefs_of),
        (other_voting_rows, voters_of),
        (other_voting_rows, beliefs_of),
        (other_ids, voters_of),
    ],
)
def test_other_files(files, toy, keep, change, answer):
    write_labels(files, toy, range(100))
    names = [f"t{row:03}" for row in range(50)] + [f"x{row:03}" for row in range(180)]
    np.save(files / "index.npy", np.concatenate([toy.training[:50], toy.index[:180]]))
    (files / "index.txt").write_text("\n".join(names) + "\n")
    before = answer(task(files, keep=keep))
    change(files, toy)
    after = answer(task(files, keep=keep))
    assert_allclose(after, answer(task(files)), rtol=1e-6)
    assert not np.array_equal(after, before)


@pytest.mark.parametrize(
    ("change", "answer"), [({"voters": 2}, voters_of), ({"seed": 1}, beliefs_of)]
)
def test_other_settings(files, keep, small_cohort, change, answer):
    before = answer(task(files, EXACT, keep))
    after = answer(task(files, replace(EXACT, **change), keep))
    assert_array_equal(after, answer(task(files, replace(EXACT, **change))))
    assert not np.array_equal(after, before)


@pytest.mark.parametrize(
    ("change", "answer"),
    [
        ({"approximate": None}, graph_of),
        ({"approximate": None}, voters_of),
        ({"approximate": "IVF5,Flat"}, graph_of),
        ({"approximate": "IVF5,Flat"}, voters_of),
        ({"seed": 1}, graph_of),
        ({"memory": 1 << 12}, graph_of),  # of which the sample depends that is learned from
    ],
)
def test_another_approximate_index(files, keep, careless, change, answer):
    before = answer(task(files, APPROXIMATE, keep))
    for path in keep.folder.glob("*.faiss") if keep.folder else ():
        path.unlink()  # or it would be used, however much memory there is now
    after = answer(task(files, replace(APPROXIMATE, **change), keep))
    assert_array_equal(after, answer(task(files, replace(APPROXIMATE, **change))))
    assert not np.array_equal(after, before)


def test_the_cohort_is_drawn_by_the_seed(files, small_cohort):
    inputs = task(files).inputs
    one, other = (draw_cohort(inputs.training, inputs.index.file.descriptors, s) for s in (0, 1))
    assert one.shape == other.shape == (30, 24)
    assert not np.array_equal(one, other)


class TestTheGraphOfAnApproximateIndex:
    """It depends on the index, however the day's queries are searched."""

    @pytest.fixture
    def files(self, files, toy):
        """Few queries that are easy to answer."""
        np.save(files / "queries.npy", toy.index[:40])
        return files

    @pytest.fixture(autouse=True)
    def narrow(self, monkeypatch):
        """A single list has as many images, so that not everything is searched exactly."""
        monkeypatch.setattr("steeple.retrieval.offline.graph._WIDTH", 20)

    def hard(self, files):
        noise = np.random.default_rng(3).standard_normal((40, 24)).astype(np.float32)
        np.save(files / "queries.npy", noise / np.linalg.norm(noise, axis=1, keepdims=True))

    def test_is_the_same_for_other_queries_and_another_k(self, files, keep):
        first = task(files, replace(APPROXIMATE, k=1), keep)
        graph = graph_of(first)
        self.hard(files)
        for place in (keep, None):
            other = task(files, replace(APPROXIMATE, k=100), place)
            assert_array_equal(graph_of(other), graph)
            effort = other.offline.search.approximate.effort
            assert effort != first.offline.search.approximate.effort

    @pytest.mark.parametrize("k", [1, 100])
    def test_is_nearly_complete_at_any_width(self, files, toy, k):
        asked = task(files, replace(APPROXIMATE, k=k))
        graph = asked.offline.graph
        order = np.argsort(-toy.index @ toy.index.T, axis=1)
        for found in (
            np.asarray(graph.neighbours(20).ids),
            np.asarray(graph.neighbours(100).ids),
            np.asarray(graph.neighbourhoods(40, 9)[0][:, 1:]),
        ):
            assert (found >= 0).all()
            width = found.shape[1]
            right = [
                len(set(row) & set(true[true != image][:width])) / width
                for image, (row, true) in enumerate(zip(found.tolist(), order, strict=True))
            ]
            assert np.mean(right) > 0.93

    def test_is_made_again_with_an_index_that_is_not_the_same(self, files, tmp_path, careless):
        keep = Keep(tmp_path / "kept", FolderShelf)
        graph_of(task(files, APPROXIMATE, keep))
        graph_of(task(files, APPROXIMATE, keep))
        assert len(list(keep.folder.glob("index-*/neighbours-20"))) == 1
        (file,) = keep.folder.glob("*.faiss")
        file.unlink()
        graph_of(task(files, replace(APPROXIMATE, memory=1 << 12), keep))
        assert len(list(keep.folder.glob("index-*/neighbours-20"))) == 2

    def test_voters_are_named_by_their_effort(self, files, tmp_path, monkeypatch):
        keep = Keep(tmp_path / "kept", FolderShelf)
        voters_of(task(files, APPROXIMATE, keep))
        monkeypatch.setattr("steeple.arrays.method.indexing._WANTED", 0.2)
        found = voters_of(task(files, APPROXIMATE, keep))
        assert_array_equal(found, voters_of(task(files, APPROXIMATE)))
        assert len(list(keep.folder.glob("votes-*"))) == 2


def test_memory_and_device_reach_the_re_rankers(files, monkeypatch):
    known, methods = [], parse_methods(["knn"])
    rerank = Chain.rerank
    monkeypatch.setattr(
        Chain, "rerank", lambda chain, *asked: known.append(asked[1]) or rerank(chain, *asked)
    )
    task(files, replace(EXACT, memory=3 << 20, device="auto")).answer(methods)
    assert {(context.memory, context.device) for context in known} == {(3 << 20, "auto")}


def test_an_image_that_is_in_one_set_only_and_a_training_set_of_two(files, toy):
    """The row of the first is not cut by the pads, which have the id that stands for nowhere."""
    write_labels(files, toy, range(2))
    index = np.concatenate([toy.training[:1], toy.index[:4]])
    np.save(files / "index.npy", index)
    (files / "index.txt").write_text("t000\nx000\nx001\nx002\nx003\n")
    found = voters_of(task(files))
    assert found[0].tolist() == [1, -1, -1]
    assert [sorted(row) for row in found[1:].tolist()] == [[-1, 0, 1]] * 4
