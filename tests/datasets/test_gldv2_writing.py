"""What is written comes back, for every file; what a file cannot say is refused."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steeple.datasets import gldv2
from steeple.datasets.gldv2 import GldV2, write_rows
from steeple.errors import LabelError, StorageError

ids = st.text("0123456789abcdef", min_size=1, max_size=5)
landmarks = st.integers(0, 999).map(str)
texts = st.text(min_size=1, max_size=12).filter(
    lambda text: text == text.strip() and not {"\n", "\r"} & set(text)
)
words = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Zs", "Zl", "Zp"]), min_size=1
).filter(lambda word: word not in (".", ".."))  # landmarks: solutions separate them by spaces
usages = st.sampled_from(["Public", "Private", "Ignored"])


@st.composite
def solutions(draw: st.DrawFn, answers: Any) -> tuple[dict[str, list[str]], dict[str, Any]]:
    usage = draw(st.dictionaries(ids, usages, max_size=5))
    return {
        query: [] if part == "Ignored" else draw(st.lists(answers, max_size=3))
        for query, part in usage.items()
    }, usage


@st.composite
def data_sets(draw: st.DrawFn) -> GldV2:
    retrieval, usage = draw(solutions(ids))
    recognition, recognition_usage = draw(solutions(landmarks))
    return GldV2(
        root=Path("nowhere"),
        train=draw(st.dictionaries(ids, landmarks, max_size=6)),
        index=draw(st.lists(ids, unique=True, max_size=6)),
        index_landmarks=draw(st.dictionaries(ids, landmarks, max_size=4)),
        test=draw(st.lists(ids, unique=True, max_size=6)),
        retrieval_solution=retrieval,
        recognition_solution=recognition,
        usage=usage,
        recognition_usage=recognition_usage,
        names=draw(st.dictionaries(landmarks, texts, max_size=4)),
    )


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gldv2")
    (folder / "train").mkdir()
    return folder


@given(data_sets())
def test_a_whole_data_set_comes_back(place, data):
    data.write(place)
    assert GldV2.read(place) == replace(data, root=place)


@given(st.dictionaries(ids, words, max_size=6))
def test_the_clean_table_comes_back_landmark_by_landmark(place, train):
    gldv2.write_train_clean(place / "t.csv", train)
    assert gldv2.read_train_clean(place / "t.csv") == train
    lines = (place / "t.csv").read_text(encoding="utf-8").count("\n")
    assert lines == 1 + len(set(train.values()))


@given(st.dictionaries(ids, st.tuples(landmarks, texts | st.just("")), max_size=6))
def test_urls_come_back(place, table):
    urls = {image: url for image, (_, url) in table.items()}
    train = {image: landmark for image, (landmark, _) in table.items()}
    gldv2.write_train(place / "t.csv", train, urls)
    assert dict(gldv2.read_train_urls(place / "t.csv")) == urls
    assert gldv2.read_train(place / "t.csv") == train


@given(st.dictionaries(words, texts, max_size=6))
def test_others_read_it_as_csv(place, names):
    gldv2.write_categories(place / "t.csv", names)
    with (place / "t.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    assert rows == [["landmark_id", "category"], *map(list, names.items())]
    assert gldv2.read_categories(place / "t.csv") == names


def test_the_bytes_of_every_file(tmp_path):
    (tmp_path / "index").mkdir()
    data = GldV2(
        root=tmp_path,
        train={"a1": "7", "b2": "8", "c3": "7"},
        index=["d4", "e5"],
        index_landmarks={"d4": "7"},
        test=["f6", "g7", "h8"],
        retrieval_solution={"f6": ["d4", "e5"], "g7": []},
        recognition_solution={"f6": ["7", "8"], "g7": []},
        usage={"f6": "Public", "g7": "Ignored"},
        recognition_usage={"f6": "Public", "g7": "Private"},
        names={"7": "Town, hall", "8": 'The "Old" mill'},
    )
    data.write(tmp_path)
    assert {path.name: path.read_text() for path in tmp_path.glob("*.csv")} == {
        "train.csv": "id,landmark_id\na1,7\nb2,8\nc3,7\n",
        "train_label_to_category.csv": (
            'landmark_id,category\n7,"Town, hall"\n8,"The ""Old"" mill"\n'
        ),
        "index.csv": "id\nd4\ne5\n",
        "index_image_to_landmark.csv": "id,landmark_id\nd4,7\n",
        "test.csv": "id\nf6\ng7\nh8\n",
        "retrieval_solution_v2.1.csv": "id,images,Usage\nf6,d4 e5,Public\ng7,None,Ignored\n",
        "recognition_solution_v2.1.csv": "id,landmarks,Usage\nf6,7 8,Public\ng7,,Private\n",
    }
    gldv2.write_train_clean(tmp_path / "train_clean.csv", data.train)
    assert (tmp_path / "train_clean.csv").read_text() == "landmark_id,images\n7,a1 c3\n8,b2\n"
    gldv2.write_train(tmp_path / "train.csv", data.train, {"b2": "http://x/1,2.jpg"})
    assert (tmp_path / "train.csv").read_text() == (
        'id,url,landmark_id\na1,,7\nb2,"http://x/1,2.jpg",8\nc3,,7\n'
    )


def test_images_may_be_paths_in_a_submission_only(tmp_path):
    """Own photos go by their path; tables of the data set are of ids."""
    gldv2.write_retrieval_submission(tmp_path / "s.csv", {"q": ["town/1.jpg"]})
    assert gldv2.read_retrieval_submission(tmp_path / "s.csv") == {"q": ["town/1.jpg"]}
    with pytest.raises(LabelError, match="holds a slash"):
        gldv2.write_ids(tmp_path / "index.csv", ["town/1.jpg"])


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda path: gldv2.write_ids(path, ["a b"]), "holds a space"),
        (lambda path: gldv2.write_ids(path, [""]), "is empty"),
        (lambda path: gldv2.write_ids(path, ["None"]), "is how tables say that there is nothing"),
        (lambda path: gldv2.write_train(path, {"a": ""}), "the id '' is empty"),
        (lambda path: gldv2.write_train(path, {"a": "7 8"}), "'7 8' holds a space"),
        (lambda path: gldv2.write_train(path, {"a": "7"}, {"a": " x"}), "has spaces around it"),
        (lambda path: gldv2.write_train(path, {"a": "7"}, {"a": "\udc80"}), "is not Unicode text"),
        (lambda path: gldv2.write_train(path, {"a\udc80": "7"}), "is not Unicode text"),
        (lambda path: gldv2.write_train_clean(path, {"a": "7 8"}), "'7 8' holds a space"),
        (lambda path: gldv2.write_categories(path, {"7": ""}), "the text '' is empty"),
        (lambda path: gldv2.write_categories(path, {"7": "a \udc80 b"}), "is not Unicode text"),
        (lambda path: gldv2.write_ids(path, ["none"]), "is how tables say that there is nothing"),
        (lambda path: gldv2.write_ids(path, ["x" * 241]), "has more than 240 bytes"),
        (lambda path: gldv2.write_ids(path, ["a\0"]), "holds a control character"),
        (lambda path: gldv2.write_ids(path, ["a,b"]), "holds a comma or a semicolon"),
        (lambda path: gldv2.write_train(path, {"a": "7"}, {"a": "x\ny"}), "a line break"),
        (lambda path: gldv2.write_train_clean(path, {"a b": "7"}), "holds a space"),
        (lambda path: gldv2.write_categories(path, {"7": "x\ry"}), "a line break"),
        (lambda path: gldv2.write_index_landmarks(path, {"a": ""}), "is empty"),
        (
            lambda path: gldv2.write_retrieval_solution(path, {"q": ["a"]}, {}),
            "query q has no usage; give one of Public, Private, Ignored",
        ),
        (
            lambda path: gldv2.write_retrieval_solution(path, {"q": ["a"]}, {"q": "Ignored"}),
            "query q is ignored and has an answer",
        ),
        (
            lambda path: gldv2.write_recognition_solution(path, {"q": ["a b"]}, {"q": "Public"}),
            "holds a space",
        ),
        (
            lambda path: gldv2.write_recognition_solution(path, {"q": ["7,8"]}, {"q": "Public"}),
            "holds a comma",
        ),
        (
            lambda path: gldv2.write_recognition_submission(path, {"q": ("7", float("nan"))}),
            "the score of query q is nan",
        ),
    ],
)
def test_what_a_file_cannot_say_is_refused_and_leaves_the_old_one(tmp_path, write, message):
    path = tmp_path / "t.csv"
    path.write_text("old")
    with pytest.raises(LabelError, match=message):
        write(path)
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [("t.csv", "old")]


@pytest.mark.parametrize(
    "read",
    [
        gldv2.read_train,
        lambda path: list(gldv2.read_train_urls(path)),
        gldv2.read_train_clean,
        gldv2.read_categories,
        gldv2.read_ids,
        gldv2.read_index_landmarks,
        gldv2.read_retrieval_solution,
        gldv2.read_recognition_solution,
    ],
)
def test_each_can_be_read_by_itself_and_must_be_there(tmp_path, read):
    with pytest.raises(LabelError, match=r"away\.csv: no such file; check the path"):
        read(tmp_path / "away.csv")
    (tmp_path / "t.csv").write_text("nothing\n1\n")
    with pytest.raises(LabelError, match=r"t\.csv, line 1: no column"):
        read(str(tmp_path / "t.csv"))


def test_a_write_that_fails_midway_leaves_nothing(tmp_path):
    def rows():
        yield ("a",)
        raise OSError(28, "No space left on device")

    with pytest.raises(StorageError, match=r"t\.csv cannot be written: No space left on device"):
        write_rows(tmp_path / "t.csv", ("id",), rows())
    assert list(tmp_path.iterdir()) == []
