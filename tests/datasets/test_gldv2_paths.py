"""Solutions whose ids may be paths."""

from __future__ import annotations

import pytest

from steeple.datasets.gldv2 import read_recognition_solution, read_retrieval_solution
from steeple.datasets.names import word_fault
from steeple.errors import LabelError

READERS = {"images": read_retrieval_solution, "landmarks": read_recognition_solution}


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return path


def test_ids_may_be_paths(tmp_path):
    text = 'id,images,Usage\nchurch/1.jpg,"church/2,3.jpg tower/é.jpg",Public\n'
    assert read_retrieval_solution(write(tmp_path / "s.csv", text), ids=word_fault) == (
        {"church/1.jpg": ["church/2,3.jpg", "tower/é.jpg"]},
        {"church/1.jpg": "Public"},
    )


@pytest.mark.parametrize(
    ("column", "row", "words"),
    [
        ("images", "a,x,Test", ["line 2", "'Test' is unknown", "Public, Private, Ignored"]),
        ("images", "a b,x,Public", ["line 2", "'a b' holds a space"]),
        ("images", ",x,Public", ["line 2", "id is empty"]),
        ("images", "a,x\x01,Public", ["line 2", "answer", "control character"]),
        ("images", "a,x,Public\na,y,Public", ["line 3", "a is there already"]),
        ("landmarks", 'a,"7,8",Public', ["line 2", "holds a comma"]),
    ],
)
def test_refuses(tmp_path, column, row, words):
    path = write(tmp_path / "s.csv", f"id,{column},Usage\n{row}\n")
    with pytest.raises(LabelError) as error:
        READERS[column](path, ids=word_fault)
    for word in ["s.csv", *words]:
        assert word in str(error.value)
