"""The ground truth of Revisited Oxford and Paris, read, written, and malformed in every place."""

from __future__ import annotations

import copy
import json
import os
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steeple.datasets import REVISITED, Query, Revisited, write_ground_truth
from steeple.errors import LabelError, StorageError

TRUTH: dict[str, Any] = {
    "imlist": ["a", "b", "c", "d"],
    "qimlist": ["q", "r"],
    "gnd": [
        {"bbx": [1, 2.5, 30, 40], "easy": [0, 2], "hard": [1], "junk": [3]},
        {"bbx": [0.0, 0.0, 9.5, 9.5], "easy": [], "hard": [3], "junk": []},
    ],
}


def write(root: Path, truth: Any, kind: str = "pkl") -> Path:
    root.mkdir(exist_ok=True)
    path = root / f"gnd_roxford5k.{kind}"
    if kind == "pkl":
        path.write_bytes(pickle.dumps(truth, protocol=2))
    else:
        path.write_text(json.dumps(truth))
    return root


@pytest.mark.parametrize("kind", ["pkl", "json"])
def test_read(tmp_path, kind):
    assert Revisited.read(str(write(tmp_path, TRUTH, kind)), "roxford5k") == Revisited(
        tmp_path,
        "roxford5k",
        ("a", "b", "c", "d"),
        (
            Query("q", (1, 2.5, 30, 40), (0, 2), (1,), (3,)),
            Query("r", (0, 0, 9.5, 9.5), (), (3,), ()),
        ),
    )


def test_the_published_file_comes_first(tmp_path):
    write(tmp_path, {**TRUTH, "imlist": ["w", "x", "y", "z"]}, "json")
    write(tmp_path, TRUTH)
    assert Revisited.read(tmp_path, "roxford5k").index == ("a", "b", "c", "d")


def test_tuples_and_other_fields_are_fine(tmp_path):
    truth = copy.deepcopy(TRUTH) | {"dataset": "roxford5k"}
    truth["imlist"] = tuple(truth["imlist"])
    truth["gnd"][0]["bbx"] = (1, 2.5, 30, 40)
    found = Revisited.read(write(tmp_path, truth), "roxford5k")
    assert found.queries[0].box == (1, 2.5, 30, 40)


def test_lists_as_the_metric_takes_them(tmp_path):
    data = Revisited.read(write(tmp_path, TRUTH), "roxford5k")
    assert data.ground_truth == [
        {"easy": (0, 2), "hard": (1,), "junk": (3,)},
        {"easy": (), "hard": (3,), "junk": ()},
    ]


@st.composite
def data_sets(draw: st.DrawFn) -> Revisited:
    names = st.text("abc_0189é ", min_size=1, max_size=6).filter(str.strip)
    images = draw(st.lists(names, min_size=2, max_size=8, unique=True))
    queries = draw(st.integers(1, len(images) - 1))
    index = images[queries:]
    corner = st.floats(-1000, 1000)
    side = st.floats(0.5, 1000)
    found = []
    for name in images[:queries]:
        kinds = draw(st.lists(st.sampled_from("ehj-"), min_size=len(index), max_size=len(index)))
        x, y, width, height = draw(st.tuples(corner, corner, side, side))
        lists = [tuple(n for n, kind in enumerate(kinds) if kind == one) for one in "ehj"]
        found.append(Query(name, (x, y, x + width, y + height), *lists))
    return Revisited(Path("nowhere"), "rparis6k", tuple(index), tuple(found))


@given(data_sets())
def test_what_is_written_comes_back(tmp_path_factory, data):
    root = tmp_path_factory.mktemp("written")
    write_ground_truth(root / "gnd_rparis6k.json", data)
    assert Revisited.read(root, "rparis6k") == replace(data, root=root)


def test_photos(tmp_path):
    data = Revisited.read(write(tmp_path, TRUTH), "roxford5k")
    assert data.photo("a") == tmp_path / "jpg" / "a.jpg"
    (tmp_path / "jpg").mkdir()
    (tmp_path / "jpg" / "a.png").touch()
    assert data.photo("a") == tmp_path / "jpg" / "a.png"
    (tmp_path / "jpg" / "a.jpg").touch()
    assert data.photo("a") == tmp_path / "jpg" / "a.jpg"


def changed(*path: Any, to: Any) -> Any:
    truth: Any = copy.deepcopy(TRUTH)
    place = truth
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = to
    return truth


def without(*path: Any) -> Any:
    truth: Any = copy.deepcopy(TRUTH)
    place = truth
    for step in path[:-1]:
        place = place[step]
    del place[path[-1]]
    return truth


MALFORMED = [
    ([], "the file is a list, no dictionary"),
    (None, "the file is a NoneType, no dictionary"),
    (without("imlist"), "the file has no imlist"),
    (without("gnd"), "the file has no gnd"),
    (changed("imlist", to="abcd"), "imlist is a str, no list"),
    (changed("imlist", to=[]), "imlist is empty"),
    (changed("imlist", 1, to=7), r"imlist\[1\] is a int, no text"),
    (changed("imlist", 1, to=""), r"imlist\[1\] is empty"),
    (changed("imlist", 1, to=".."), r"imlist\[1\] means a folder: '\.\.'"),
    (changed("imlist", 1, to="a\n"), r"imlist\[1\] holds a control character: 'a\\n'"),
    (changed("imlist", 1, to="a\x9b"), r"imlist\[1\] holds a control character"),
    (changed("qimlist", 1, to="a\ud800"), r"qimlist\[1\] is not Unicode text: 'a\\ud800'"),
    (changed("imlist", 1, to="x" * 241), r"imlist\[1\] has more than 240 bytes: 'x{80}'; get"),
    (changed("qimlist", 1, to="é" * 121), r"qimlist\[1\] has more than 240 bytes: 'é{80}'; get"),
    (changed("imlist", 1, to="../../etc/passwd"), r"imlist\[1\] is a path: '\.\./\.\./etc/passwd'"),
    (changed("imlist", 1, to="a\\b"), r"imlist\[1\] is a path"),
    (changed("qimlist", 0, to="a\0b"), r"qimlist\[0\] holds a control character: 'a\\x00b'"),
    (changed("imlist", 1, to="a"), r"imlist\[1\] is 'a', which is there already"),
    (changed("qimlist", 1, to="a"), "qimlist names 'a', which imlist has as well"),
    (changed("qimlist", to=["q"]), "gnd has 2 entries, but qimlist names 1 queries"),
    (changed("gnd", 1, to=[1]), r"gnd\[1\] is a list, no dictionary"),
    (without("gnd", 1, "bbx"), r"gnd\[1\] has no bbx"),
    (without("gnd", 1, "easy"), r"gnd\[1\] has no easy"),
    (changed("gnd", 0, "bbx", to=[1, 2, 3]), r"gnd\[0\]\['bbx'\] is not x1, y1, x2, y2"),
    (changed("gnd", 0, "bbx", 0, to="1"), r"gnd\[0\]\['bbx'\] is not x1, y1, x2, y2"),
    (changed("gnd", 0, "bbx", 0, to=True), r"gnd\[0\]\['bbx'\] is not x1, y1, x2, y2"),
    (changed("gnd", 0, "bbx", 0, to=float("nan")), r"gnd\[0\]\['bbx'\] is not x1"),
    (changed("gnd", 0, "bbx", 2, to=float("inf")), r"gnd\[0\]\['bbx'\] is not x1"),
    (changed("gnd", 0, "bbx", 2, to=10**400), r"gnd\[0\]\['bbx'\] is not x1"),
    (changed("gnd", 0, "bbx", to=[5, 2, 5, 9]), r"gnd\[0\]\['bbx'\] is empty: 5, 2 to 5, 9"),
    (changed("gnd", 0, "easy", to={}), r"gnd\[0\]\['easy'\] is a dict, no list"),
    (changed("gnd", 0, "easy", 1, to=4), r"gnd\[0\]\['easy'\]\[1\] points outside imlist, .* 4 n"),
    (changed("gnd", 0, "hard", 0, to=-1), r"gnd\[0\]\['hard'\]\[0\] points outside imlist"),
    (changed("gnd", 0, "hard", 0, to=10**5000), r"gnd\[0\]\['hard'\]\[0\] points outside imlist"),
    (changed("gnd", 0, "junk", 0, to=3.0), r"gnd\[0\]\['junk'\]\[0\] is a float, no number"),
    (changed("gnd", 0, "junk", 0, to=True), r"gnd\[0\]\['junk'\]\[0\] is a bool, no number"),
    (changed("gnd", 0, "junk", 0, to=[[3]]), r"gnd\[0\]\['junk'\]\[0\] is a list, no number"),
    (changed("gnd", 0, "junk", 0, to=2), r"gnd\[0\] has an image in two of its lists"),
    (changed("gnd", 0, "easy", 1, to=0), r"gnd\[0\] has an image in two of its lists"),
]  # fmt: skip


@pytest.mark.parametrize(("truth", "message"), MALFORMED)
def test_malformed(tmp_path, truth, message):
    with pytest.raises(LabelError, match=message) as caught:
        Revisited.read(write(tmp_path, truth), "roxford5k")
    said = str(caught.value)
    assert said.startswith(f"{tmp_path / 'gnd_roxford5k.pkl'}: ")
    assert said.endswith("get the file from where it was published")
    assert "\n" not in said


def test_one_list_for_all_queries(tmp_path):
    """Pickles say once what is there a thousand times; read, it would be there a thousand times."""
    images, queries = 6000, 1000
    answer = {"bbx": [0, 0, 9, 9], "easy": list(range(images)), "hard": [], "junk": []}
    truth = {
        "imlist": [f"{n}" for n in range(images)],
        "qimlist": [f"q{n}" for n in range(queries)],
        "gnd": [answer] * queries,
    }
    write(tmp_path, truth)
    assert (tmp_path / "gnd_roxford5k.pkl").stat().st_size < 150_000
    with pytest.raises(LabelError, match="gnd lists more than 4,194,304 images in all; get the"):
        Revisited.read(tmp_path, "roxford5k")


@pytest.mark.parametrize("kind", ["pkl", "json"])
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("x" * 20_000, r"imlist\[0\] has more than 240 bytes"),
        ("x" * 200, r"imlist\[1\] is 'x{200}', which is there already"),
    ],
)
def test_one_name_for_all_images(tmp_path, kind, name, message):
    """The same with names: looked through as often as it is there, this one takes half a minute."""
    if kind == "pkl":
        write(tmp_path, changed("imlist", to=[name] * 40_000))
        assert (tmp_path / "gnd_roxford5k.pkl").stat().st_size < 120_000
    else:
        write(tmp_path, changed("imlist", to=[name] * 300), "json")
    with pytest.raises(LabelError, match=message):
        Revisited.read(tmp_path, "roxford5k")


def test_a_pickle_that_wants_more(tmp_path, monkeypatch):
    class Command:
        def __reduce__(self) -> Any:
            return os.system, ("touch pwned",)

    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        LabelError, match=r"gnd_roxford5k\.pkl: the pickle wants to load '.*system'"
    ):
        Revisited.read(write(tmp_path, changed("gnd", 0, to=Command())), "roxford5k")
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, "\xff", "9" * 5000])
def test_json_that_is_none(tmp_path, text):
    (tmp_path / "gnd_roxford5k.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(LabelError, match=r"gnd_roxford5k\.json: (not JSON|the file)"):
        Revisited.read(tmp_path, "roxford5k")


def test_no_ground_truth(tmp_path):
    write(tmp_path, TRUTH)
    with pytest.raises(
        LabelError, match=r"no ground truth of rparis6k; it needs gnd_rparis6k\.pkl"
    ):
        Revisited.read(tmp_path, "rparis6k")
    with pytest.raises(LabelError, match="no ground truth"):
        Revisited.read(tmp_path / "gone", "roxford5k")


def test_a_place_that_cannot_be_written(tmp_path):
    data = Revisited.read(write(tmp_path, TRUTH), "roxford5k")
    with pytest.raises(StorageError, match="cannot be written"):
        write_ground_truth(tmp_path / "gone" / "a.json", data)


def test_a_full_disk_leaves_the_old_one(tmp_path, monkeypatch):
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    data = Revisited.read(write(tmp_path, TRUTH), "roxford5k")
    path = tmp_path / "gnd_roxford5k.json"
    path.write_text("precious")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match=r"\.json cannot be written: No space left on device"):
        write_ground_truth(path, data)
    assert path.read_text() == "precious"
    assert {file.name for file in tmp_path.iterdir()} == {path.name, "gnd_roxford5k.pkl"}


@pytest.mark.parametrize(("name", "images"), [*zip(REVISITED, (4993, 6322), strict=True)])
def test_the_published_ground_truth(shared, tmp_path, name, images):
    if not (shared / "groundtruth" / f"gnd_{name}.pkl").is_file():
        pytest.skip("the ground truth is not there")
    data = Revisited.read(shared / "groundtruth", name)
    assert (len(data.index), len(data.queries)) == (images, 70)
    write_ground_truth(tmp_path / f"gnd_{name}.json", data)
    again = Revisited.read(tmp_path, name)
    assert (again.index, again.queries) == (data.index, data.queries)
