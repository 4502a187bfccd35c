"""A folder in GLD-v2 layout is read as it is written, and every malformed file is told exactly."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steeple.datasets import (
    GldV2,
    is_gldv2,
    read_recognition_submission,
    read_retrieval_submission,
    write_recognition_submission,
    write_retrieval_submission,
)
from steeple.errors import LabelError, StorageError
from steeple.evaluation import mean_average_precision

TABLES = {
    "train.csv": 'id,url,landmark_id\naaa1,http://x/1.jpg,7\nbbb2,"http://x/2,3.jpg",8\n',
    "train_label_to_category.csv": 'landmark_id,category\n7,church\n8,"tower, old"\n',
    "index.csv": "id\nccc3\nddd4\n",
    "index_image_to_landmark.csv": "id,landmark_id\nccc3,7\n",
    "test.csv": "id\neee5\nfff6\nggg7\n",
    "retrieval_solution_v2.1.csv": (
        "id,images,Usage\neee5,ccc3 ddd4,Public\nfff6,None,Ignored\nggg7,ccc3,Private\n"
    ),
    "recognition_solution_v2.1.csv": (
        "id,landmarks,Usage\neee5,7 8,Public\nfff6,,Private\nggg7,8,Private\n"
    ),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in TABLES.items():
        (tmp_path / name).write_text(text)
    for split in ("train", "index", "test"):
        (tmp_path / split).mkdir()
    return tmp_path


class TestRead:
    def test_every_table(self, folder: Path) -> None:
        data = GldV2.read(folder)
        assert data == GldV2(
            root=folder,
            train={"aaa1": "7", "bbb2": "8"},
            index=["ccc3", "ddd4"],
            index_landmarks={"ccc3": "7"},
            test=["eee5", "fff6", "ggg7"],
            retrieval_solution={"eee5": ["ccc3", "ddd4"], "fff6": [], "ggg7": ["ccc3"]},
            recognition_solution={"eee5": ["7", "8"], "fff6": [], "ggg7": ["8"]},
            usage={"eee5": "Public", "fff6": "Ignored", "ggg7": "Private"},
            recognition_usage={"eee5": "Public", "fff6": "Private", "ggg7": "Private"},
            names={"7": "church", "8": "tower, old"},
        )

    def test_the_path_may_be_a_string(self, folder: Path) -> None:
        assert GldV2.read(str(folder)).root == folder

    def test_ignored_queries_do_not_score(self, folder: Path) -> None:
        solution = GldV2.read(folder).retrieval_solution
        rankings = {"eee5": ["ccc3", "ddd4"], "ggg7": ["ccc3"], "fff6": ["ddd4"]}
        assert mean_average_precision(rankings, solution) == 1.0

    def test_without_url_and_with_other_columns(self, folder: Path) -> None:
        (folder / "train.csv").write_text("landmark_id,extra,id\n7,x,aaa1\n")
        assert GldV2.read(folder).train == {"aaa1": "7"}

    @pytest.mark.parametrize("name", sorted(set(TABLES) - {"index.csv"}))
    def test_a_table_that_is_not_there_is_empty(self, folder: Path, name: str) -> None:
        (folder / name).unlink()
        data = GldV2.read(folder)
        emptied = {
            "train.csv": data.train,
            "train_label_to_category.csv": data.names,
            "index_image_to_landmark.csv": data.index_landmarks,
            "test.csv": data.test,
            "retrieval_solution_v2.1.csv": data.retrieval_solution,
            "recognition_solution_v2.1.csv": data.recognition_solution,
        }
        assert not emptied[name]

    def test_the_clean_training_set_comes_first(self, folder: Path) -> None:
        (folder / "train_clean.csv").write_text("landmark_id,images\n7,aaa1 hhh8\n9,iii9\n")
        assert GldV2.read(folder).train == {"aaa1": "7", "hhh8": "7", "iii9": "9"}
        assert GldV2.read(folder, clean=False).train == {"aaa1": "7", "bbb2": "8"}

    def test_a_landmark_of_any_number_of_images(self, folder: Path) -> None:
        ids = [f"{number:016x}" for number in range(20_000)]  # more than the csv module takes
        (folder / "train_clean.csv").write_text(f"landmark_id,images\n7,{' '.join(ids)}\n")
        assert list(GldV2.read(folder).train) == ids

    def test_a_byte_order_mark_line_ends_and_blanks(self, folder: Path) -> None:
        text = "\ufeffid, landmark_id\r\n\r\n aaa1 ,7\r\nbbb2,8"
        (folder / "train.csv").write_bytes(text.encode())
        assert GldV2.read(folder).train == {"aaa1": "7", "bbb2": "8"}

    def test_equal_landmarks_are_one_string(self, folder: Path) -> None:
        (folder / "train.csv").write_text("id,landmark_id\naaa1,70000\nbbb2,70000\n")
        first, second = GldV2.read(folder).train.values()
        assert first is second


class TestIs:
    def test_a_gldv2_folder(self, folder: Path) -> None:
        assert is_gldv2(folder)
        assert is_gldv2(str(folder))
        (folder / "train.csv").unlink()
        assert is_gldv2(folder)

    def test_tables_alone(self, folder: Path) -> None:
        for split in ("train", "index", "test"):
            (folder / split).rmdir()
        assert not is_gldv2(folder)

    def test_folders_alone(self, folder: Path) -> None:
        for name in TABLES:
            (folder / name).unlink()
        assert not is_gldv2(folder)
        with pytest.raises(LabelError, match=r"not a folder in GLD-v2 layout; it needs train\.csv"):
            GldV2.read(folder)

    def test_no_folder_at_all(self, folder: Path) -> None:
        assert not is_gldv2(folder / "away")


class TestPhoto:
    @pytest.mark.parametrize("place", ["index/c/c/c/ccc3", "index/ccc3"])
    @pytest.mark.parametrize("suffix", [".jpg", ".jpeg", ".png"])
    def test_places(self, folder: Path, place: str, suffix: str) -> None:
        path = folder / f"{place}{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        assert GldV2.read(folder).photo("index", "ccc3") == path

    def test_the_place_where_it_should_be(self, folder: Path) -> None:
        assert GldV2.read(folder).photo("train", "aaa1") == folder / "train/a/a/a/aaa1.jpg"


class TestMalformed:
    @pytest.mark.parametrize(
        ("name", "text", "message"),
        [
            ("train.csv", "id,url\na,b\n", "line 1: no column landmark_id among id, url; name the"),
            ("train.csv", "id,landmark_id\na,1\nb\n", "line 3: 1 columns where .* names 2; quote"),
            ("train.csv", "id,landmark_id\na,1,2\n", "line 2: 3 columns where .* names 2; quote"),
            ("train.csv", "id,landmark_id\na,1\na,2\n", "line 3: the id a is there already; keep"),
            ("train.csv", "id,landmark_id\n,1\n", "line 2: the id is empty; fill it in"),
            ("train.csv", "id,landmark_id\na,\n", "line 2: landmark_id is empty; fill it in"),
            ("train.csv", "id,landmark_id\na b,1\n", "line 2: the id 'a b' holds a space"),
            ("train.csv", "id,landmark_id\n../a,1\n", "line 2: the id '../a' holds a .* slash"),
            ("train.csv", 'id,landmark_id\n"a,1\n', "line 2: not CSV .*; close every quote"),
            ("train.csv", "", "line 1: the file is empty; begin it with id,landmark_id"),
            ("train_clean.csv", "landmark_id,images\n7,a\n8,b a\n", "line 3: the id a is there"),
            ("train_clean.csv", "landmark_id,images\n,a\n", "line 2: landmark_id is empty"),
            ("index.csv", "id\na\nb\n\na\n", "line 5: the id a is there already"),
            ("index.csv", "image\na\n", "line 1: no column id among image"),
            ("test.csv", "id\na,\n", "line 2: 2 columns where the first line names 1"),
            (
                "retrieval_solution_v2.1.csv",
                "id,images,Usage\na,b,public\n",
                "line 2: the usage 'public' is unknown; use one of Public, Private, Ignored",
            ),
            (
                "recognition_solution_v2.1.csv",
                "id,landmarks\na,b\n",
                "line 1: no column Usage among id, landmarks",
            ),
        ],
    )
    def test_tables(self, folder: Path, name: str, text: str, message: str) -> None:
        (folder / name).write_text(text)
        with pytest.raises(LabelError, match=message) as caught:
            GldV2.read(folder)
        assert str(caught.value).startswith(f"{folder / name}, line ")
        assert "\n" not in str(caught.value)

    def test_not_utf_8(self, folder: Path) -> None:
        (folder / "train.csv").write_bytes(b"id,landmark_id\na,1\nb,\xe9glise\n")
        with pytest.raises(LabelError, match=r"train\.csv, line 3: not UTF-8 text; save"):
            GldV2.read(folder)


ids = st.text("0123456789abcdef", min_size=1, max_size=16)


class TestSubmissions:
    def test_retrieval(self, tmp_path: Path) -> None:
        path = tmp_path / "out.csv"
        write_retrieval_submission(path, {"q1": ["b", "a"], "q2": []})
        assert path.read_bytes() == b"id,images\nq1,b a\nq2,\n"
        assert read_retrieval_submission(path) == {"q1": ["b", "a"], "q2": []}

    def test_at_most_100_images(self, tmp_path: Path) -> None:
        path = tmp_path / "out.csv"
        many = [str(number) for number in range(150)]
        write_retrieval_submission(path, {"q": many})
        assert read_retrieval_submission(path) == {"q": many[:100]}

    def test_recognition(self, tmp_path: Path) -> None:
        path = tmp_path / "out.csv"
        write_recognition_submission(path, {"q1": ("7", 0.5), "q2": None, "q3": (8, 1e-9)})
        assert path.read_bytes() == b"id,landmarks\nq1,7 0.5\nq2,\nq3,8 1e-09\n"
        assert read_recognition_submission(path) == {
            "q1": ("7", 0.5),
            "q2": None,
            "q3": ("8", 1e-9),
        }

    @given(st.dictionaries(ids, st.lists(ids, max_size=5)))
    def test_retrieval_comes_back(
        self, tmp_path_factory: pytest.TempPathFactory, rankings: dict[str, list[str]]
    ) -> None:
        path = tmp_path_factory.mktemp("submission") / "out.csv"
        write_retrieval_submission(path, rankings)
        assert read_retrieval_submission(path) == rankings

    @given(
        st.dictionaries(
            ids, st.none() | st.tuples(ids, st.floats(allow_nan=False, allow_infinity=False))
        )
    )
    def test_recognition_comes_back(
        self,
        tmp_path_factory: pytest.TempPathFactory,
        predictions: dict[str, tuple[str, float] | None],
    ) -> None:
        path = tmp_path_factory.mktemp("submission") / "out.csv"
        write_recognition_submission(path, predictions)
        assert read_recognition_submission(path) == predictions

    @pytest.mark.parametrize("text", ["7", "7 high", "7 0.5 8 0.4", "7 nan", "7 inf"])
    def test_a_malformed_prediction(self, tmp_path: Path, text: str) -> None:
        path = tmp_path / "out.csv"
        path.write_text(f"id,landmarks\nq1,7 0.5\nq2,{text}\n")
        with pytest.raises(LabelError, match=r"out\.csv, line 3: .* is not a landmark and its"):
            read_recognition_submission(path)

    @pytest.mark.parametrize("bad", ["", "a b", "a\tb", " a"])
    def test_ids_that_cannot_be_written(self, tmp_path: Path, bad: str) -> None:
        path = tmp_path / "out.csv"
        for write in (
            lambda: write_retrieval_submission(path, {bad: ["a"]}),
            lambda: write_retrieval_submission(path, {"q": [bad]}),
            lambda: write_recognition_submission(path, {bad: None}),
            lambda: write_recognition_submission(path, {"q": (bad, 0.5)}),
        ):
            with pytest.raises(LabelError, match="is empty or holds a space"):
                write()
        assert not path.exists()

    @pytest.mark.parametrize("read", [read_retrieval_submission, read_recognition_submission])
    def test_no_such_file(self, tmp_path: Path, read: Callable[[Path], object]) -> None:
        with pytest.raises(LabelError, match=r"away\.csv: no such file; check the path"):
            read(tmp_path / "away.csv")

    def test_a_place_that_cannot_be_written(self, tmp_path: Path) -> None:
        with pytest.raises(StorageError, match="cannot be written"):
            write_retrieval_submission(tmp_path / "away" / "out.csv", {"q": ["a"]})


class TestPhotographs:
    """The small real set beside the checkout."""

    @pytest.fixture
    def data(self, shared: Path) -> GldV2:
        if not is_gldv2(shared / "photos"):
            pytest.skip("the photographs are not there")
        return GldV2.read(shared / "photos")

    def test_its_tables_agree(self, data: GldV2) -> None:
        assert set(data.retrieval_solution) == set(data.recognition_solution) == set(data.test)
        assert set(data.index_landmarks) < set(data.index)
        assert set(data.train.values()) <= set(data.names)
        assert {image for found in data.retrieval_solution.values() for image in found} <= set(
            data.index
        )
        for query, found in data.retrieval_solution.items():
            assert bool(found) == (data.usage[query] != "Ignored")
            # A query whose landmark has no training photo shows none, as far as recognition goes.
            if shown := data.recognition_solution[query]:
                assert all(data.index_landmarks[image] in shown for image in found)

    def test_its_photos_are_there(self, data: GldV2) -> None:
        for split, images in (("train", data.train), ("index", data.index), ("test", data.test)):
            assert all(data.photo(split, image).is_file() for image in images)

    def test_its_own_solution_is_perfect(self, data: GldV2, tmp_path: Path) -> None:
        write_retrieval_submission(tmp_path / "out.csv", data.retrieval_solution)
        rankings = read_retrieval_submission(tmp_path / "out.csv")
        assert mean_average_precision(rankings, data.retrieval_solution) == pytest.approx(1.0)
