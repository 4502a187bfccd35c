"""The whole method on arrays, against the same method on arrays in memory."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from steeple.arrays import Keep, Settings, Sources, Task, parse_methods, read_inputs
from steeple.arrays.files.descriptors import FileDescriptors
from steeple.arrays.files.labels import Labels
from steeple.arrays.method import task
from steeple.arrays.method.training import TrainingSet
from steeple.arrays.method.voters import find_voters
from steeple.errors import InputError, StorageError
from steeple.retrieval import search_neighbors, soft_vote
from steeple.retrieval.offline.shelf import MemoryShelf
from steeple.retrieval.reranking import two_stage
from steeple.retrieval.reranking.chain import RERANKERS
from steeple.retrieval.types import Ranking
from steeple.shelves import FolderShelf

SETTINGS = Settings(k=20)
FREE = ("knn", "aqe", "dba", "egt", "diffusion")
PHOTOS = ("spatial", "inliers", "fusion")


def sources(folder, **changes):
    files = {part: str(folder / f"{part}.npy") for part in ("queries", "index", "training")}
    return replace(Sources(files, {}, folder / "training.csv"), **changes)


def unlabelled(folder):
    files = {part: str(folder / f"{part}.npy") for part in ("queries", "index")}
    return Sources(files, {})


def ask(inputs, *names, settings=SETTINGS, keep=None, **options):
    return Task(inputs, settings, keep or Keep()).answer(parse_methods(names), **options)


def same(found, wanted):
    assert_array_equal(found.ids, wanted.ids)
    assert_allclose(found.scores, wanted.scores, rtol=1e-5, atol=1e-6)


def expected(toy, settings=SETTINGS):
    """The same by the public functions."""
    neighbours = search_neighbors(toy.queries, toy.index, settings.k)
    query = soft_vote(toy.queries, toy.training, toy.labels, settings.voters)
    index = soft_vote(toy.index, toy.training, toy.labels, settings.voters)
    return neighbours, query, index


def test_two_stage_is_what_the_public_functions_make(files, toy):
    neighbours, query, index = expected(toy)
    answers = ask(read_inputs(sources(files), MemoryShelf()), "knn", "two-stage", "sort")
    same(answers.rankings["knn"], neighbours)
    same(answers.rankings["two-stage"], two_stage(neighbours, query, index, k=20))
    same(answers.rankings["sort"], two_stage(neighbours, query, index, k=20, insert=False))
    assert not np.array_equal(answers.rankings["two-stage"].ids, neighbours.ids)


@pytest.mark.parametrize("memory", [1 << 20, 3 << 20, 4 * 10**9])
@pytest.mark.parametrize("dtype", ["float16", "float64"])
def test_memory_and_type_change_nothing(files, toy, monkeypatch, memory, dtype):
    names = ("two-stage", "gated", "aqe")
    for part in ("queries", "index", "training"):
        rounded = getattr(toy, part).astype("float16")
        np.save(files / f"{part}.npy", rounded.astype("float32"))
    whole = ask(read_inputs(sources(files), MemoryShelf()), *names)
    for part in ("queries", "index", "training"):
        np.save(files / f"{part}.npy", getattr(toy, part).astype("float16").astype(dtype))
    monkeypatch.setattr(task, "_QUERIES", 7)
    settings = replace(SETTINGS, memory=memory)
    pieces = ask(read_inputs(sources(files), MemoryShelf()), *names, settings=settings)
    for name, wanted in whole.rankings.items():
        same(pieces.rankings[name], wanted)


@pytest.mark.parametrize("name", [name for name in RERANKERS if name not in PHOTOS])
def test_every_reranker_that_needs_no_photos(files, toy, name):
    inputs = read_inputs(unlabelled(files) if name in FREE else sources(files), MemoryShelf())
    ranking = ask(inputs, name).rankings[name]
    assert ranking.ids.shape == (40, 20)
    for ids in ranking.ids:
        found = ids[ids >= 0].tolist()
        assert len(set(found)) == len(found) > 0
        assert max(found) < len(toy.index)


@pytest.mark.parametrize("name", [name for name in RERANKERS if name not in (*FREE, *PHOTOS)])
def test_labels_are_asked_for_where_they_are_needed(files, name):
    with pytest.raises(InputError, match=f"^{name} needs votes; give --training"):
        ask(read_inputs(unlabelled(files), MemoryShelf()), name)


@pytest.mark.parametrize("name", PHOTOS)
def test_photos_are_not_to_be_had(name):
    with pytest.raises(InputError, match=f"{name}: compares local features"):
        parse_methods(["knn", f"two-stage,{name}"])


def test_each_method_once():
    with pytest.raises(InputError, match="names one method twice"):
        parse_methods(["knn", "aqe", "knn"])


def test_votes_can_be_asked_for(files, toy):
    inputs = read_inputs(sources(files), MemoryShelf())
    assert ask(inputs, "knn").votes is None
    votes = ask(inputs, "knn", votes=True).votes
    _, query, _ = expected(toy)
    landmarks = inputs.training.landmarks[votes.labels]
    assert [int(name) for name in landmarks] == query.labels.tolist()
    assert_allclose(votes.scores, query.scores, rtol=1e-5)


def test_rows_without_a_label_do_not_vote(files, toy):
    labelled = np.arange(len(toy.labels)) % 3 > 0
    rows = "".join(
        f"t{row:03},{label}\n"
        for row, label in enumerate(toy.labels)
        if labelled[row]
    )  # fmt: skip
    (files / "training.csv").write_text("id,landmark_id\n" + rows)
    inputs = read_inputs(sources(files), MemoryShelf())
    assert inputs.unlabelled == int((~labelled).sum())
    part = replace(toy, training=toy.training[labelled], labels=toy.labels[labelled])
    neighbours, query, index = expected(part)
    found = ask(inputs, "two-stage").rankings["two-stage"]
    same(found, two_stage(neighbours, query, index, k=20))


def test_an_index_image_does_not_vote_for_itself(files, toy):
    """Half of the index is in the training set, by its ids."""
    index = np.concatenate([toy.index[:50], toy.training[:60]])
    names = [f"x{row:03}" for row in range(50)] + [f"t{row:03}" for row in range(60)]
    np.save(files / "index.npy", index)
    (files / "index.txt").write_text("\n".join(names) + "\n")
    inputs = read_inputs(sources(files), MemoryShelf())
    votes = Task(inputs, SETTINGS).offline.index_votes
    for row in range(110):
        others = np.ones(len(toy.training), dtype=bool)
        if row >= 50:
            others[row - 50] = False
        alone = soft_vote(index[[row]], toy.training[others], toy.labels[others])
        assert votes.scores[row] == pytest.approx(alone.scores[0], rel=1e-5)
        assert int(inputs.training.landmarks[votes.labels[row]]) == alone.labels[0]


def test_row_numbers_are_nobody_s_ids(files):
    """Row 5 of the index and row 5 of the training set are not one image."""
    for part in ("queries", "index", "training"):
        (files / f"{part}.txt").unlink()
    rows = (files / "training.csv").read_text().splitlines()[1:]
    landmarks = "\n".join(row.split(",")[1] for row in rows)
    (files / "labels.txt").write_text(landmarks + "\n")
    inputs = read_inputs(sources(files, labels=files / "labels.txt"), MemoryShelf())
    assert inputs.own is None


def test_what_was_kept_is_not_computed_again(files, tmp_path, monkeypatch):
    def keep():
        return Keep(tmp_path / "kept", FolderShelf)

    first = ask(read_inputs(sources(files), MemoryShelf()), "gated", "egt", keep=keep())
    calls = []
    monkeypatch.setattr(
        "steeple.arrays.method.searching.search_blocks",
        lambda queries, *rest, **options: calls.append(len(queries)) or Ranking(
            np.full((len(queries), rest[1]), -1), np.zeros((len(queries), rest[1]))
        ),
    )  # fmt: skip
    task = Task(read_inputs(sources(files), MemoryShelf()), SETTINGS, keep())
    votes, graph = task.offline.index_votes, task.offline.graph
    assert calls == []
    assert len(votes) == 230
    assert (graph.neighbours(100).ids >= 0).all()
    assert first.rankings["egt"].ids.shape == (40, 20)


def test_other_files_are_not_mistaken_for_those_kept(files, toy, tmp_path):
    keep = Keep(tmp_path / "kept", FolderShelf)
    ask(read_inputs(sources(files), MemoryShelf()), "two-stage", keep=keep)
    rows = np.random.default_rng(0).permutation(len(toy.training))
    np.save(files / "training.npy", toy.training[rows])
    changed = replace(toy, training=toy.training[rows])
    neighbours, query, index = expected(changed)
    found = ask(read_inputs(sources(files), MemoryShelf()), "two-stage", keep=keep)
    same(found.rankings["two-stage"], two_stage(neighbours, query, index, k=20))


def test_other_labels_need_no_new_search(files, toy, tmp_path):
    """Which landmark a training image shows does not change whose neighbour it is."""
    keep = Keep(tmp_path / "kept", FolderShelf)
    ask(read_inputs(sources(files), MemoryShelf()), "two-stage", keep=keep)
    kept = sorted(path.name for path in (tmp_path / "kept").iterdir())
    labels = np.roll(toy.labels, 3)
    rows = "".join(f"t{row:03},{label}\n" for row, label in enumerate(labels))
    (files / "training.csv").write_text("id,landmark_id\n" + rows)
    found = ask(read_inputs(sources(files), MemoryShelf()), "two-stage", keep=keep)
    neighbours, query, index = expected(replace(toy, labels=labels))
    same(found.rankings["two-stage"], two_stage(neighbours, query, index, k=20))
    assert sorted(path.name for path in (tmp_path / "kept").iterdir()) == kept


def test_progress_tells_of_every_stage(files):
    told = {}
    inputs = read_inputs(sources(files), MemoryShelf(), lambda *said: told.update({said[0]: said}))
    task = Task(inputs, SETTINGS, progress=lambda *said: told.update({said[0]: said}))
    task.answer(parse_methods(["gated"]))
    assert told["read"] == ("read", 420, 420)
    assert told["voters"] == ("voters", 230, 230)
    assert told["neighbours"] == ("neighbours", 40, 40)
    assert told["query-voters"] == ("query-voters", 40, 40)
    assert told["queries by gated"] == ("queries by gated", 40, 40)
    assert {"prepare search", "index votes", "neighbours", "re-rank: gated"} <= set(
        task.clock.seconds
    )


class TestApproximate:
    SETTINGS = replace(SETTINGS, approximate="IVF4,Flat")

    def test_finds_nearly_the_same_and_says_so(self, files, toy):
        task = Task(read_inputs(sources(files), MemoryShelf()), self.SETTINGS)
        found = task.answer(parse_methods(["two-stage"])).rankings["two-stage"]
        built = {one.part: one for one in task.offline.built}
        assert set(built) == {"index", "training"}
        assert all(one.recall >= 0.95 and one.seconds > 0 for one in built.values())
        neighbours, query, index = expected(toy)
        wanted = two_stage(neighbours, query, index, k=20)
        assert np.mean(found.ids == wanted.ids) > 0.7

    def test_is_kept(self, files, tmp_path):
        def built():
            keep = Keep(tmp_path / "kept", FolderShelf)
            task = Task(read_inputs(sources(files), MemoryShelf()), self.SETTINGS, keep)
            task.answer(parse_methods(["knn"]))
            return task.offline.built[0]

        assert built().seconds > 0
        assert built().seconds == 0
        (file,) = (tmp_path / "kept").glob("*.faiss")
        file.write_bytes(file.read_bytes()[:100])
        assert built().seconds > 0

    def test_another_seed_is_another_index(self, files, tmp_path):
        keep = Keep(tmp_path / "kept", FolderShelf)
        for seed in (0, 1, 1):
            settings = replace(self.SETTINGS, seed=seed)
            task = Task(read_inputs(sources(files), MemoryShelf()), settings, keep)
            task.answer(parse_methods(["two-stage"]))
        assert len(list((tmp_path / "kept").glob("*.faiss"))) == 4  # of index and training set
        assert len(list((tmp_path / "kept").glob("votes-*"))) == 2

    def test_no_room_for_it(self, files, tmp_path, monkeypatch):
        import faiss

        def full(index, path):
            Path(path).write_bytes(b"half")
            raise RuntimeError("Error in write at io.cpp:1: write error in x: 1 != 2 (Disk full)")

        monkeypatch.setattr(faiss, "write_index", full)
        keep = Keep(tmp_path / "kept", FolderShelf)
        task = Task(read_inputs(sources(files), MemoryShelf()), self.SETTINGS, keep)
        with pytest.raises(StorageError, match=r"faiss: the index cannot be kept \(Disk full\)"):
            task.answer(parse_methods(["knn"]))
        assert list((tmp_path / "kept").iterdir()) == []

    def test_auto_is_exact_for_few(self, files, toy):
        settings = replace(SETTINGS, approximate="auto")
        task = Task(read_inputs(sources(files), MemoryShelf()), settings)
        same(task.answer(parse_methods(["knn"])).rankings["knn"], expected(toy)[0])
        assert task.offline.built == []

    def test_refuses_what_faiss_does_not_know(self, files):
        settings = replace(SETTINGS, approximate="Nix42")
        with pytest.raises(InputError, match="Nix42"):
            ask(read_inputs(sources(files), MemoryShelf()), "knn", settings=settings)


class TestInputs:
    def test_files_that_do_not_fit(self, files, toy):
        np.save(files / "index.npy", toy.index[:, :10])
        with pytest.raises(InputError, match=r"differ in dimension: .*queries\.npy 24, .*index"):
            read_inputs(sources(files), MemoryShelf())

    def test_what_belongs_together(self, files):
        with pytest.raises(InputError, match="belong together"):
            read_inputs(sources(files, labels=None), MemoryShelf())
        ids = {"training": files / "training.txt"}
        with pytest.raises(InputError, match="give --training"):
            read_inputs(replace(unlabelled(files), ids=ids), MemoryShelf())

    def test_ids_with_spaces(self, files):
        text = (files / "index.txt").read_text()
        (files / "index.txt").write_text(text.replace("x007", "x 007"))
        with pytest.raises(InputError, match=r"index\.txt: the index id 'x 007' holds a space"):
            read_inputs(sources(files), MemoryShelf(), submission=True)
        for recognition in (False, True):  # which writes no ids of the index
            read_inputs(sources(files), MemoryShelf(), recognition=recognition)

    def test_query_ids_with_control_characters(self, files):
        text = (files / "queries.txt").read_text()
        (files / "queries.txt").write_text(text.replace("q007", "q\x07"))
        for written in ({"submission": True}, {"recognition": True}):
            with pytest.raises(InputError, match=r"queries\.txt: the queries id .* control char"):
                read_inputs(sources(files), MemoryShelf(), **written)
        read_inputs(sources(files), MemoryShelf())

    def test_landmarks_with_spaces(self, files):
        text = (files / "training.csv").read_text()
        (files / "training.csv").write_text(text.replace(",7\n", ",Big Ben\n"))
        with pytest.raises(
            InputError, match=r"training\.csv: the landmark 'Big Ben' holds a space"
        ):
            read_inputs(sources(files), MemoryShelf(), recognition=True)
        read_inputs(sources(files), MemoryShelf(), submission=True)

    def test_columns_in_another_order(self, files, toy):
        arrow = pytest.importorskip("pyarrow", reason="the arrays extra is not installed")
        import pyarrow.parquet as parquet

        wanted = ask(read_inputs(sources(files), MemoryShelf()), "two-stage")
        files_of = {}
        for part, order in (("queries", range(24)), ("index", sorted(range(24), key=str))):
            table = arrow.table({f"d{n}": getattr(toy, part)[:, n] for n in order})
            files_of[part] = str(files / f"{part}.parquet")
            parquet.write_table(table, files_of[part])
        mixed = replace(sources(files), descriptors=sources(files).descriptors | files_of)
        found = ask(read_inputs(mixed, MemoryShelf()), "two-stage")
        assert_array_equal(found.rankings["two-stage"].ids, wanted.rankings["two-stage"].ids)
        table = table.append_column("score", arrow.array([0.5] * 230))
        parquet.write_table(table, files_of["index"])
        with pytest.raises(InputError, match=r"index\.parquet: .* \(only here: score\)"):
            read_inputs(mixed, MemoryShelf())

    def test_lengths_are_checked_in_all_files(self, files, toy):
        np.save(files / "training.npy", toy.training * 2)
        with pytest.raises(InputError, match=r"training\.npy: row 0 has length 2"):
            read_inputs(sources(files), MemoryShelf())
        found = ask(read_inputs(sources(files, normalize=True), MemoryShelf()), "two-stage")
        neighbours, query, index = expected(toy)
        same(found.rankings["two-stage"], two_stage(neighbours, query, index, k=20))


@given(st.integers(0, 99), st.integers(1, 30), st.integers(1, 5))
def test_a_training_set_is_its_labelled_rows(seed, rows, memory):
    random = np.random.default_rng(seed)
    array = random.standard_normal((rows, 3)).astype(np.float32)
    numbers = random.integers(-1, 3, rows)
    training = TrainingSet(
        FileDescriptors(array, "t.npy"), Labels(numbers, np.array([b"a", b"b", b"c"]))
    )
    wanted = array[numbers >= 0]
    assert len(training) == len(wanted)
    assert_array_equal(training.labels, numbers[numbers >= 0])
    blocks = list(training.blocks(64 * memory))
    if len(wanted):
        assert_array_equal(np.concatenate([ids for ids, _ in blocks]), np.arange(len(wanted)))
        assert_array_equal(np.concatenate([vectors for _, vectors in blocks]), wanted)
        some = random.integers(0, len(wanted), (2, 2))
        assert_array_equal(training[some], wanted[some])


def test_voters_found_before_an_interruption_are_kept(files, toy, monkeypatch):
    monkeypatch.setattr("steeple.arrays.method.voters._BLOCK", 100)
    inputs, shelf, asked = read_inputs(sources(files), MemoryShelf()), MemoryShelf(), []

    def find(most):
        search = Task(inputs, SETTINGS).offline.search_training

        def counted(queries, k, told):
            if len(asked) == most:
                raise KeyboardInterrupt
            asked.append(len(queries))
            return search(queries, k, told)

        images = inputs.index.file.descriptors
        return find_voters(images, counted, 3, own=None, shelf=shelf, told=lambda *_: None)

    with pytest.raises(KeyboardInterrupt):
        find(2)
    assert_array_equal(find(9).ids, search_neighbors(toy.index, toy.training, 3).ids)
    assert asked == [100, 100, 30]
