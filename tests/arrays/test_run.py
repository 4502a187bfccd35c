"""From files to a submission and a table."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from dataclasses import replace

import numpy as np
import pytest

from steeple.arrays import Settings, Sources, Wanted, parse_methods, rerank_files
from steeple.arrays.method.keeping import work_folder
from steeple.arrays.outputs import Lists, Predictions
from steeple.datasets import read_recognition_submission, read_retrieval_submission
from steeple.errors import InputError, LabelError, StorageError
from steeple.evaluation import global_average_precision, mean_average_precision
from steeple.retrieval import Ranking, Votes, search_neighbors, soft_vote
from steeple.retrieval.reranking import two_stage

SETTINGS = Settings(k=20)


@pytest.fixture
def solved(files, toy):
    """The files with solutions: relevant is what lies near, and every third query is ignored."""
    near = search_neighbors(toy.queries, toy.index, 4).ids
    lines, shown = ["id,images,Usage"], ["id,landmarks,Usage"]
    for row, images in enumerate(near.tolist()):
        usage = ("Public", "Private", "Ignored")[row % 3]
        names = " ".join(f"x{image:03}" for image in images[1:])
        lines.append(f"q{row:03},{'None' if usage == 'Ignored' else names},{usage}")
        shown.append(f"q{row:03},{row % 20 if row % 2 else ''},{('Public', 'Private')[row % 2]}")
    (files / "retrieval.csv").write_text("\n".join(lines) + "\n")
    (files / "recognition.csv").write_text("\n".join(shown) + "\n")
    return files


def sources(folder, **changes):
    files = {part: str(folder / f"{part}.npy") for part in ("queries", "index", "training")}
    return replace(Sources(files, {}, folder / "training.csv"), **changes)


def run(folder, *names, keep=None, **wanted):
    methods = parse_methods(names or ["two-stage"])
    return rerank_files(sources(folder), methods, Wanted(**wanted), SETTINGS, keep=keep)


def test_the_submission_is_the_last_method_s(solved, toy, tmp_path):
    out = tmp_path / "submission.csv"
    found = run(solved, "knn", "two-stage", submission=out)
    lists = read_retrieval_submission(out)
    wanted = two_stage(
        search_neighbors(toy.queries, toy.index, 20),
        soft_vote(toy.queries, toy.training, toy.labels),
        soft_vote(toy.index, toy.training, toy.labels),
        k=20,
    )
    assert lists == {
        f"q{row:03}": [f"x{image:03}" for image in ids if image >= 0]
        for row, ids in enumerate(wanted.ids.tolist())
    }
    assert found.written == {str(out): "two-stage"}
    assert found.retrieval == {}
    assert found.sizes == {
        "queries": 40, "index": 230, "training": 150, "landmarks": 20, "dimension": 24,
    }  # fmt: skip
    assert sorted(path.name for path in tmp_path.iterdir()) == ["features", "submission.csv"]


def test_all_formats_give_one_submission(solved, toy, tmp_path):
    h5py = pytest.importorskip("h5py", reason="the arrays extra is not installed")
    arrow = pytest.importorskip("pyarrow", reason="the arrays extra is not installed")
    import pyarrow.parquet as parquet

    def ids(letter, count):
        return [f"{letter}{row:03}" for row in range(count)]

    with h5py.File(tmp_path / "q.h5", "w") as file:
        file["queries/x"], file["queries/ids"] = toy.queries, ids("q", 40)
        file.create_dataset("other/x", data=toy.index, compression="gzip")
        file["other/ids"] = ids("x", 230)
    lists = arrow.FixedSizeListArray.from_arrays(arrow.array(toy.training.ravel()), 24)
    table = {"id": ids("t", 150), "v": lists, "landmark_id": toy.labels}
    parquet.write_table(arrow.table(table), tmp_path / "t.parquet")
    mixed = Sources(
        {
            "queries": f"{tmp_path}/q.h5:queries/x",
            "index": f"{tmp_path}/q.h5:other/x",
            "training": f"{tmp_path}/t.parquet",
        },
        {},
        tmp_path / "t.parquet",
    )
    methods = parse_methods(["gated", "two-stage"])
    rerank_files(mixed, methods, Wanted(submission=tmp_path / "one.csv"), SETTINGS)
    run(solved, "gated", "two-stage", submission=tmp_path / "two.csv")
    assert (tmp_path / "one.csv").read_text() == (tmp_path / "two.csv").read_text()


def test_a_link_stays_where_it_is(solved, tmp_path):
    (tmp_path / "far").mkdir()
    (tmp_path / "link.csv").symlink_to(tmp_path / "far" / "s.csv")
    run(solved, "knn", submission=tmp_path / "link.csv")
    assert (tmp_path / "link.csv").is_symlink()
    assert [path.name for path in (tmp_path / "far").iterdir()] == ["s.csv"]
    assert len(read_retrieval_submission(tmp_path / "far" / "s.csv")) == 40


def test_own_photos_are_scored_and_submitted(solved, tmp_path):
    """Their ids are paths, as `embed` writes them."""
    wanted = {
        "solution": solved / "retrieval.csv",
        "recognition_solution": solved / "recognition.csv",
    }
    before = run(solved, "knn", **wanted)
    for letter, names in (
        ("q", ("queries.txt", "retrieval.csv", "recognition.csv")),
        ("x", ("index.txt", "retrieval.csv")),
    ):
        for name in names:
            text = re.sub(rf"\b{letter}(\d)", rf"town/{letter}-\1", (solved / name).read_text())
            (solved / name).write_text(text)
    found = run(solved, "knn", submission=tmp_path / "s.csv", **wanted)
    assert found.retrieval == before.retrieval
    assert found.recognition == before.recognition
    assert found.notes == []
    assert next(iter(read_retrieval_submission(tmp_path / "s.csv"))) == "town/q-000"


def test_ids_with_spaces_are_scored_as_long_as_nothing_is_written(solved, tmp_path):
    text = (solved / "index.txt").read_text().replace("x229", "x 229")
    (solved / "index.txt").write_text(text)
    found = run(solved, "knn", solution=solved / "retrieval.csv")
    assert found.retrieval["knn"]["all"] > 0
    with pytest.raises(LabelError, match=r"index\.txt: the index id 'x 229' holds a space"):
        run(solved, "knn", solution=solved / "retrieval.csv", submission=tmp_path / "s.csv")


def test_figures_are_those_of_the_metrics(solved, toy, tmp_path):
    found = run(
        solved, "knn", "aqe",
        submission=tmp_path / "s.csv",
        recognition=tmp_path / "r.csv",
        solution=solved / "retrieval.csv",
        recognition_solution=solved / "recognition.csv",
    )  # fmt: skip
    near = search_neighbors(toy.queries, toy.index, 20).ids
    lists = {row: near[row].tolist() for row in range(40)}
    for part, rows in (("public", range(0, 40, 3)), ("private", range(1, 40, 3))):
        solution = {row: near[row, 1:4].tolist() for row in rows}
        wanted = 100 * mean_average_precision(lists, solution)
        assert found.retrieval["knn"][part] == pytest.approx(wanted)
    assert found.retrieval["knn"]["all"] > found.retrieval["aqe"]["all"]
    predictions = read_recognition_submission(tmp_path / "r.csv")
    votes = soft_vote(toy.queries, toy.training, toy.labels)
    assert predictions["q000"][0] == str(votes.labels[0])
    solution = {f"q{row:03}": [str(row % 20)] if row % 2 else [] for row in range(40)}
    wanted = 100 * global_average_precision(predictions, solution)
    assert found.recognition["gap"] == pytest.approx(wanted, rel=1e-3)
    assert found.recognition["public"] is None  # of its queries, none shows a landmark
    assert next(iter(found.seconds)) == "read"
    assert list(found.seconds)[-1] == "score"


def test_nothing_of_the_work_is_left(solved, tmp_path):
    run(solved, "egt", submission=tmp_path / "s.csv")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["features", "s.csv"]
    run(solved, "egt", submission=tmp_path / "s.csv", keep=tmp_path / "kept")
    assert any((tmp_path / "kept").iterdir())


def test_what_a_killed_run_left_is_removed(solved, tmp_path):
    """A run that lives keeps its folder."""
    code = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from steeple.arrays.method.keeping import work_folder\n"
        "with work_folder(Path(sys.argv[1])) as folder:\n"
        "    (folder / 'much.npy').write_text('descriptors')\n"
        "    os._exit(9)\n"
    )
    assert subprocess.run([sys.executable, "-c", code, tmp_path], check=False).returncode == 9
    assert len(list(tmp_path.glob(".steeple-*"))) == 1
    with work_folder(tmp_path) as living:
        run(solved, "knn", submission=tmp_path / "s.csv")
        assert list(tmp_path.glob(".steeple-*")) == [living]
    assert not list(tmp_path.glob(".steeple-*"))


def test_other_ids_find_other_voters_kept(solved, toy, tmp_path):
    """Which images are in both sets is known by their ids, so kept voters depend on these."""
    np.save(solved / "index.npy", toy.training)
    ids = (solved / "training.txt").read_text()
    (solved / "index.txt").write_text(ids.replace("t", "x"))
    run(solved, submission=tmp_path / "apart.csv", keep=tmp_path / "kept")
    (solved / "index.txt").write_text(ids)
    run(solved, submission=tmp_path / "kept.csv", keep=tmp_path / "kept")
    run(solved, submission=tmp_path / "fresh.csv")
    assert (tmp_path / "kept.csv").read_text() == (tmp_path / "fresh.csv").read_text()
    apart = (tmp_path / "apart.csv").read_text().replace("x", "t")
    assert apart != (tmp_path / "fresh.csv").read_text()


class TestNotes:
    def test_of_labels(self, solved, tmp_path):
        rows = (solved / "training.csv").read_text().splitlines()
        (solved / "training.csv").write_text("\n".join([*rows[:-20], "z1,4", "z2,4"]) + "\n")
        found = run(solved, submission=tmp_path / "s.csv")
        assert found.notes == [
            "20 training images have no landmark and do not vote",
            "2 labels are of images without a training descriptor",
        ]

    def test_of_rows_without_ids(self, solved, tmp_path):
        (solved / "queries.txt").unlink()
        assert run(solved, submission=tmp_path / "s.csv").notes == [
            "queries: no ids were found, so rows go by their numbers"
        ]
        assert list(read_retrieval_submission(tmp_path / "s.csv"))[-1] == "39"

    def test_of_images_in_both(self, solved, tmp_path):
        ids = (solved / "index.txt").read_text().replace("x00", "t00")
        (solved / "index.txt").write_text(ids)
        (note,) = run(solved, submission=tmp_path / "s.csv").notes
        assert note.startswith("10 index images are training images, too")

    def test_of_the_solution(self, solved, toy, tmp_path):
        more = "strange1,x001 x002,Public\nq0001,y1 y2 x003,Private\n"
        with (solved / "retrieval.csv").open("a") as file:
            file.write(more)
        assert run(solved, "knn", solution=solved / "retrieval.csv").notes == [
            "2 queries of the solution have no descriptor and score 0",
            "2 images of the solution are not in the index",
        ]

    def test_of_the_recognition_solution(self, solved):
        with (solved / "recognition.csv").open("a") as file:
            file.write("strange1,3,Public\nstrange2,,Public\n")
        text = (solved / "recognition.csv").read_text().replace("q001,1,", "q001,1 Tower,")
        (solved / "recognition.csv").write_text(text)
        found = run(solved, "knn", recognition_solution=solved / "recognition.csv")
        assert found.notes == [
            "1 queries of the recognition solution that show a landmark have no descriptor",
            "1 landmarks of the recognition solution have no training image",
        ]

    def test_of_zeros(self, solved, toy, tmp_path):
        some = toy.index.copy()
        some[[3, 5]] = 0
        np.save(solved / "index.npy", some)
        assert run(solved, submission=tmp_path / "s.csv").notes == [
            "index: 2 descriptors are all zeros, which resemble nothing"
        ]

    def test_of_longer_rankings_than_are_written(self, solved, tmp_path):
        out, methods = tmp_path / "s.csv", parse_methods(["knn"])

        def notes(k, wanted):
            return rerank_files(sources(solved), methods, wanted, replace(SETTINGS, k=k)).notes

        cut = [f"{out}: the first 100 images of each query, as Kaggle takes"]
        assert notes(101, Wanted(submission=out)) == cut
        assert {len(images) for images in read_retrieval_submission(out).values()} == {100}
        assert notes(100, Wanted(submission=out)) == []
        assert notes(200, Wanted(solution=solved / "retrieval.csv")) == []


class TestRefuses:
    def test_nothing_wanted(self, solved):
        with pytest.raises(InputError, match=r"--out submission\.csv, or --solution"):
            run(solved)

    def test_no_place(self, solved, tmp_path):
        (tmp_path / "link.csv").symlink_to(tmp_path / "gone" / "s.csv")
        for place in (tmp_path / "gone" / "s.csv", tmp_path / "link.csv"):
            with pytest.raises(InputError, match="no place for a CSV"):
                run(solved, submission=place)
            with pytest.raises(InputError, match="no place for a CSV"):
                run(solved, recognition=place)

    @pytest.mark.parametrize("wanted", ["submission", "recognition"])
    def test_what_is_no_file_before_anything_is_read(self, tmp_path, wanted):
        os.mkfifo(tmp_path / "pipe")
        (tmp_path / "link").symlink_to(tmp_path / "pipe")
        missing = Sources({"queries": "gone.npy", "index": "gone.npy"}, {})
        for name in ("pipe", "link", "."):
            with pytest.raises(InputError, match="no file can replace"):
                rerank_files(
                    missing,
                    parse_methods(["knn"]),
                    Wanted(**{wanted: tmp_path / name}),
                    SETTINGS,
                )
        assert (tmp_path / "pipe").is_fifo()

    def test_names_that_cannot_be_written_before_the_work(self, solved, tmp_path):
        text = (solved / "training.csv").read_text()
        (solved / "training.csv").write_text(text.replace(",7\n", ",Big Ben\n"))
        out, named = tmp_path / "s.csv", tmp_path / "r.csv"
        with pytest.raises(
            LabelError, match=r"training\.csv: the landmark 'Big Ben' holds a space"
        ):
            run(solved, submission=out, recognition=named)
        assert not out.exists()
        assert run(solved, submission=out).written == {str(out): "two-stage"}

    @pytest.mark.parametrize("kind", ["solution", "recognition_solution"])
    def test_solutions_that_score_nothing(self, solved, kind):
        column = "images" if kind == "solution" else "landmarks"
        (solved / "right.csv").write_text(f"id,{column},Usage\nq000,None,Ignored\nq001,,Public\n")
        with pytest.raises(LabelError, match=r"right\.csv: no query has a .*nothing is scored"):
            run(solved, "knn", **{kind: solved / "right.csv"})

    def test_a_recognition_solution_of_other_landmarks(self, solved):
        text = "id,landmarks,Usage\nq000,Tower,Public\nq001,,Public\nstrange,3,Public\n"
        (solved / "right.csv").write_text(text)
        with pytest.raises(
            LabelError, match=r"right\.csv: none of the landmarks .*\(Tower, \.\.\.\)"
        ):
            run(solved, "knn", recognition_solution=solved / "right.csv")

    def test_a_recognition_solution_whose_queries_here_show_nothing(self, solved):
        text = "id,landmarks,Usage\nq000,,Public\nstrange,3,Public\n"
        (solved / "right.csv").write_text(text)
        with pytest.raises(LabelError, match=r"none of its queries ids \(strange, "):
            run(solved, "knn", recognition_solution=solved / "right.csv")

    def test_no_way_to_write(self, solved, tmp_path, monkeypatch):
        def refuse(**_):
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
        with pytest.raises(StorageError, match=r"s\.csv: nothing can be written there \(Perm"):
            run(solved, submission=tmp_path / "s.csv", keep=tmp_path / "kept")

    def test_two_results_in_one_file(self, solved, tmp_path):
        one, same = tmp_path / "s.csv", solved / ".." / "s.csv"
        with pytest.raises(InputError, match="two results"):
            run(solved, submission=one, recognition=same)

    @pytest.mark.parametrize("name", ["index.npy", "queries.txt", "training.csv", "retrieval.csv"])
    def test_results_over_what_is_read(self, solved, name):
        before = (solved / name).read_bytes()
        for wanted in ("submission", "recognition"):
            with pytest.raises(InputError, match=f"{name} is read, and would be replaced"):
                run(solved, solution=solved / "retrieval.csv", **{wanted: solved / name})
        assert (solved / name).read_bytes() == before

    def test_labels_that_are_needed_before_anything_is_read(self, tmp_path):
        missing = Sources({"queries": "gone.npy", "index": "gone.npy"}, {})
        for names, wanted in (
            (["two-stage"], Wanted(submission=tmp_path / "s.csv")),
            (["knn"], Wanted(recognition=tmp_path / "s.csv")),
        ):
            with pytest.raises(InputError, match="needs votes"):
                rerank_files(missing, parse_methods(names), wanted, SETTINGS)

    def test_solutions_of_other_images(self, solved):
        (solved / "queries.txt").unlink()
        with pytest.raises(LabelError, match=r"none of its queries ids \(q000, .*\(0, .*--ids qu"):
            run(solved, "knn", solution=solved / "retrieval.csv")
        with pytest.raises(LabelError, match="none of its queries ids"):
            run(solved, "knn", recognition_solution=solved / "recognition.csv")

    def test_a_solution_of_another_index(self, solved):
        (solved / "index.txt").unlink()
        with pytest.raises(LabelError, match="none of its index ids"):
            run(solved, "knn", solution=solved / "retrieval.csv")


def test_lists_leave_out_pads():
    ranking = Ranking(np.array([[2, 0, -1]]), np.zeros((1, 3)))
    lists = Lists(ranking, np.array([b"q"]), np.array([b"a", b"b", "é".encode()]))
    assert dict(lists) == {"q": ["é", "a"]}
    assert len(lists) == 1
    assert lists.get("other") is None


def test_predictions_leave_out_who_is_not_named():
    votes = Votes(np.array([1, -1]), np.array([0.5, 0.0]))
    predictions = Predictions(votes, np.array([b"p", b"q"]), np.array([b"a", b"b"]))
    assert dict(predictions) == {"p": ("b", 0.5)}
