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
from steeple.datasets.gldv2 import read_train_urls
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
            ("train.csv", "id,landmark_id\na,\n", "line 2: the landmark_id is empty; fill it in"),
            ("train.csv", "id,landmark_id\na,1 2\n", "line 2: the landmark_id '1 2' holds a space"),
            ("train.csv", "id,id,landmark_id\na,b,1\n", "line 1: 2 columns are called id; keep"),
            ("train.csv", "id,landmark_id\na b,1\n", "line 2: the id 'a b' holds a space"),
            ("train.csv", "id,landmark_id\n../a,1\n", "line 2: the id '../a' holds a slash"),
            ("train.csv", 'id,landmark_id\n"a,1\n', "line 2: not CSV .*; close every quote"),
            ("train.csv", "", "line 1: the file is empty; begin it with id,landmark_id"),
            ("train_clean.csv", "landmark_id,images\n7,a\n8,b a\n", "line 3: the id a is there"),
            ("train_clean.csv", "landmark_id,images\n,a\n", "line 2: the landmark_id is empty"),
            (
                "train_clean.csv",
                "landmark_id,images\n1 2,a\n",
                "line 2: the landmark_id '1 2' hold",
            ),
            ("train_clean.csv", "landmark_id,images\n7,a\n8,\n", "line 3: landmark 8 has no image"),
            (
                "train_label_to_category.csv",
                "landmark_id,category\n1 2,x\n",
                "line 2: the id '1 2' holds a space",
            ),
            (
                "index_image_to_landmark.csv",
                "id,landmark_id\na,1\nb,1\t2\n",
                r"line 3: the landmark_id '1\\t2' holds a space",
            ),
            ("index.csv", "id\nNone\n", "line 2: the id 'None' is how tables say that there is no"),
            ("index.csv", "id\na\nb\n\na\n", "line 5: the id a is there already"),
            ("index.csv", "image\na\n", "line 1: no column id among image"),
            ("test.csv", "id\na,\n", "line 2: 2 columns where the first line names 1"),
            (
                "retrieval_solution_v2.1.csv",
                "id,images,Usage\na,b,public\n",
                "line 2: the usage 'public' is unknown; use one of Public, Private, Ignored",
            ),
            (
                "retrieval_solution_v2.1.csv",
                "id,images,Usage\na,b c,Public\nd,b,Ignored\n",
                "line 3: an ignored query has images; write None, or another usage",
            ),
            *(
                (
                    "retrieval_solution_v2.1.csv",
                    f"id,images,Usage\na,{answers},Public\n",
                    f"line 2: the answer {reason}; list them as other tables have them, separated",
                )
                for answers, reason in (
                    ('"a,b,c"', "'a,b,c' holds a comma or a semicolon"),
                    ("a;b", "'a;b' holds a comma or a semicolon"),
                    ("None a", "'None' is how tables say that there is nothing"),
                    ("none", "'none' is how tables say that there is nothing"),
                    ("a a/b", "'a/b' holds a slash"),
                )
            ),
            (
                "recognition_solution_v2.1.csv",
                'id,landmarks,Usage\na,"7,8",Public\n',
                "line 2: the answer '7,8' holds a comma or a semicolon; list them",
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

    @pytest.mark.parametrize(
        ("bad", "reason"),
        [
            ("x" * 241, f"'{'x' * 80}' has more than 240 bytes"),
            ("é" * 121, f"'{'é' * 80}' has more than 240 bytes"),
            ("a\0b", r"'a\\x00b' holds a control character"),
            ("a\x1bb", r"'a\\x1bb' holds a control character"),
            ("a\x9bb", r"'a\\x9bb' holds a control character"),
            (".", r"'\.' means a folder"),
            ("..", r"'\.\.' means a folder"),
        ],
    )
    @pytest.mark.parametrize(
        ("name", "text"),
        [
            ("train.csv", "id,landmark_id\n{},1\n"),
            ("train_clean.csv", "landmark_id,images\n1,{}\n"),
            ("index.csv", "id\n{}\n"),
            ("index_image_to_landmark.csv", "id,landmark_id\n{},1\n"),
            ("test.csv", "id\n{}\n"),
            ("retrieval_solution_v2.1.csv", "id,images,Usage\n{},None,Ignored\n"),
            ("retrieval_solution_v2.1.csv", "id,images,Usage\nq,{},Public\n"),
            ("recognition_solution_v2.1.csv", "id,landmarks,Usage\n{},,Public\n"),
        ],
    )
    def test_ids_that_name_no_file(
        self, folder: Path, name: str, text: str, bad: str, reason: str
    ) -> None:
        """Hours later they would be a file that cannot even be looked for."""
        (folder / name).write_text(text.format(bad), encoding="utf-8")
        with pytest.raises(LabelError, match=f"line 2: the (id|answer) {reason}; ") as caught:
            GldV2.read(folder)
        assert str(caught.value).startswith(f"{folder / name}, line ")
        assert str(caught.value).isprintable()

    def test_ids_as_long_as_disks_have_room_for(self, folder: Path) -> None:
        for long in ("x" * 240, "é" * 120):
            (folder / "index.csv").write_text(f"id\n{long}\n", encoding="utf-8")
            data = GldV2.read(folder)
            assert data.index == [long]
            assert not data.photo("index", long).is_file()
            data.photo("index", long).parent.mkdir(parents=True)
            data.photo("index", long).touch()

    def test_urls_come_with_ids(self, folder: Path) -> None:
        (folder / "train.csv").write_text("id,url,landmark_id\na,x,1\nb/c,x,1\n")
        with pytest.raises(LabelError, match=r"train\.csv, line 3: the id 'b/c' holds a slash"):
            list(read_train_urls(folder / "train.csv"))

    def test_a_first_line_that_nobody_could_read(self, folder: Path) -> None:
        (folder / "index.csv").write_bytes(b"id\rabc\rdef\r")  # line ends of old
        with pytest.raises(LabelError, match=r"no column id among 'id\\rabc\\rdef'") as caught:
            GldV2.read(folder)
        assert str(caught.value).isprintable()

    def test_other_columns_may_share_a_name(self, folder: Path) -> None:
        (folder / "train.csv").write_text("id,,,landmark_id\naaa1,x,y,7\n")
        assert GldV2.read(folder).train == {"aaa1": "7"}

    def test_not_utf_8(self, folder: Path) -> None:
        (folder / "train.csv").write_bytes(b"id,landmark_id\na,1\nb,\xe9glise\n")
        with pytest.raises(LabelError, match=r"train\.csv, line 3: not UTF-8 text; save"):
            GldV2.read(folder)


class TestIgnored:
    """What no figure counts has no answer, whatever the published recognition solution says."""

    def test_landmarks_are_left_out(self, folder: Path) -> None:
        (folder / "recognition_solution_v2.1.csv").write_text(
            "id,landmarks,Usage\neee5,0 12,Public\nfff6,100,Ignored\nggg7,,Ignored\n"
        )
        data = GldV2.read(folder)
        assert data.recognition_solution == {"eee5": ["0", "12"], "fff6": [], "ggg7": []}

    @pytest.mark.parametrize("nothing", ["", "None"])
    def test_no_images(self, folder: Path, nothing: str) -> None:
        (folder / "retrieval_solution_v2.1.csv").write_text(
            f"id,images,Usage\neee5,ccc3,Public\nfff6,{nothing},Ignored\n"
        )
        assert GldV2.read(folder).retrieval_solution == {"eee5": ["ccc3"], "fff6": []}


class TestCheckSolutions:
    """Solutions of other queries, or of another index, would be a score of 0."""

    def refused(self, folder: Path, table: str, text: str, message: str) -> None:
        (folder / table).write_text(text)
        with pytest.raises(LabelError, match=message) as caught:
            GldV2.read(folder).check_solutions()
        assert str(caught.value).startswith(f"{folder / table}: none of its ")
        assert "\n" not in str(caught.value)

    def test_they_fit(self, folder: Path) -> None:
        GldV2.read(folder).check_solutions()

    def test_one_query_and_one_image_are_enough(self, folder: Path) -> None:
        (folder / "test.csv").write_text("id\neee5\n")
        (folder / "index.csv").write_text("id\nddd4\n")
        GldV2.read(folder).check_solutions()

    def test_nothing_to_find_and_nothing_shown(self, folder: Path) -> None:
        (folder / "retrieval_solution_v2.1.csv").write_text("id,images,Usage\nx,None,Ignored\n")
        (folder / "recognition_solution_v2.1.csv").write_text("id,landmarks,Usage\nx,,Public\n")
        GldV2.read(folder).check_solutions()

    def test_other_queries(self, folder: Path) -> None:
        self.refused(
            folder,
            "retrieval_solution_v2.1.csv",
            "id,images,Usage\neee5,None,Ignored\nzzz,ccc3,Public\n",
            r"queries with an answer \(zzz, \.\.\.\) is in test\.csv; give files of one data set",
        )

    def test_other_queries_to_recognize(self, folder: Path) -> None:
        self.refused(
            folder,
            "recognition_solution_v2.1.csv",
            "id,landmarks,Usage\neee5,,Private\nzzz,7,Public\n",
            r"queries with an answer \(zzz, \.\.\.\) is in test\.csv",
        )

    def test_other_images(self, folder: Path) -> None:
        """Those of a query that nobody asks help nothing."""
        self.refused(
            folder,
            "retrieval_solution_v2.1.csv",
            "id,images,Usage\nzzz,ccc3,Public\neee5,nope ccc4,Public\n",
            r"images \(nope, \.\.\.\) is in index\.csv; give files of one data set",
        )


ids = st.text("0123456789abcdef", min_size=1, max_size=16)
# What people call photos and folders: anything that can be seen, but for what separates.
_SEEN = st.characters(codec="utf-8", exclude_categories=["Cc", "Zs", "Zl", "Zp"])
paths = st.lists(st.text(_SEEN, min_size=1, max_size=5), min_size=1, max_size=3).map("/".join)
paths = paths.filter(lambda path: path not in (".", ".."))


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

    def test_more_than_100_images(self, tmp_path: Path) -> None:
        path = tmp_path / "out.csv"
        path.write_text(f"id,images\np,a\nq,{'a ' * 101}\n")
        with pytest.raises(
            LabelError, match=r"out\.csv, line 3: 101 images where a query may have 100; keep the"
        ):
            read_retrieval_submission(path)

    def test_a_repeated_image_is_the_metrics_affair(self, tmp_path: Path) -> None:
        path = tmp_path / "out.csv"
        path.write_text(f"id,images\nq,a a a\nr,{'b ' * 100}\n")
        found = read_retrieval_submission(path)
        assert found == {"q": ["a"] * 3, "r": ["b"] * 100}
        assert mean_average_precision(found, {"q": ["a"], "r": ["b"]}) == 1.0

    def test_queries_may_be_paths(self, tmp_path: Path) -> None:
        path = tmp_path / "out.csv"
        write_retrieval_submission(path, {"town/q.jpg": ["town, old/a.jpg".replace(" ", "_")]})
        assert read_retrieval_submission(path) == {"town/q.jpg": ["town,_old/a.jpg"]}
        write_recognition_submission(path, {"town/q.jpg": ("town/hall", 0.5)})
        assert read_recognition_submission(path) == {"town/q.jpg": ("town/hall", 0.5)}

    def test_a_hundred_of_the_longest_ids_come_back(self, tmp_path: Path) -> None:
        """Quotes or not, they fit into what the csv module takes for a field."""
        path = tmp_path / "out.csv"
        longest = [f'{number:02},"{"/" * 1020}' for number in range(100)]
        assert {len(name) for name in longest} == {1024}
        write_retrieval_submission(path, {longest[0]: longest})
        assert read_retrieval_submission(path) == {longest[0]: longest}

    def test_recognition(self, tmp_path: Path) -> None:
        path = tmp_path / "out.csv"
        write_recognition_submission(path, {"q1": ("7", 0.5), "q2": None, "q3": (8, 1e-9)})
        assert path.read_bytes() == b"id,landmarks\nq1,7 0.5\nq2,\nq3,8 1e-09\n"
        assert read_recognition_submission(path) == {
            "q1": ("7", 0.5),
            "q2": None,
            "q3": ("8", 1e-9),
        }

    @given(st.dictionaries(paths, st.lists(paths, max_size=5)))
    def test_retrieval_comes_back(
        self, tmp_path_factory: pytest.TempPathFactory, rankings: dict[str, list[str]]
    ) -> None:
        path = tmp_path_factory.mktemp("submission") / "out.csv"
        write_retrieval_submission(path, rankings)
        assert read_retrieval_submission(path) == rankings

    @given(
        st.dictionaries(
            paths, st.none() | st.tuples(paths, st.floats(allow_nan=False, allow_infinity=False))
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

    @pytest.mark.parametrize(
        "text",
        [
            *("7", "7 high", "7 0.5 8 0.4", "7 nan", "7 inf", "7 1e999", "7 0x1", "7 ."),
            *("7 1_0", "7 \u0663", "7 0.\u0663", "7 1e", "7 --1"),
        ],
    )
    def test_a_malformed_prediction(self, tmp_path: Path, text: str) -> None:
        path = tmp_path / "out.csv"
        path.write_text(f"id,landmarks\nq1,7 0.5\nq2,{text}\n", encoding="utf-8")
        with pytest.raises(LabelError, match=r"out\.csv, line 3: .* is not a landmark and its"):
            read_recognition_submission(path)

    @pytest.mark.parametrize("text", ["1", "-.5", "+2.", "19.0", "1E-3", "5e+2", "0.1 "])
    def test_a_number(self, tmp_path: Path, text: str) -> None:
        path = tmp_path / "out.csv"
        path.write_text(f"id,landmarks\nq,7 {text}\n")
        assert read_recognition_submission(path) == {"q": ("7", float(text))}

    @pytest.mark.parametrize(
        ("bad", "reason"),
        [
            ("", "is empty"),
            ("a b", "holds a space"),
            ("a\tb", "holds a space"),
            (" a", "holds a space"),
            ("a\0", "holds a control character"),
            ("a\x7f", "holds a control character"),
            ("a\ud800", "is not Unicode text"),
            ("..", "means a folder"),
            ("a/" * 513, "has more than 1,024 bytes"),
        ],
    )
    def test_ids_that_cannot_be_written(self, tmp_path: Path, bad: str, reason: str) -> None:
        path = tmp_path / "out.csv"
        for write in (
            lambda: write_retrieval_submission(path, {bad: ["a"]}),
            lambda: write_retrieval_submission(path, {"q": [bad]}),
            lambda: write_recognition_submission(path, {bad: None}),
            lambda: write_recognition_submission(path, {"q": (bad, 0.5)}),
        ):
            with pytest.raises(LabelError, match=f"{reason}; such files cannot say it: rename it"):
                write()
        assert not list(tmp_path.iterdir())

    @pytest.mark.parametrize("column", ["images", "landmarks"])
    @pytest.mark.parametrize("row", ["{},", "q,{}", "q,a {}"])
    @pytest.mark.parametrize("bad", ["a\0", "..", "x" * 1025])
    def test_ids_that_cannot_be_read(self, tmp_path: Path, column: str, row: str, bad: str) -> None:
        path = tmp_path / "out.csv"
        path.write_text(f"id,{column}\np,\n{row.format(bad)}\n")
        read = read_retrieval_submission if column == "images" else read_recognition_submission
        with pytest.raises(LabelError, match=r"out\.csv, line 3: ") as caught:
            read(path)
        assert str(caught.value).isprintable()

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
