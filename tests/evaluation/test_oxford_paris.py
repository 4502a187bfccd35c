"""The Revisited protocol on drawn photos, against figures counted by hand from the collection."""

from __future__ import annotations

import importlib.util
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from steeple import Collection, evaluation
from steeple.errors import CollectionError, InputError, LabelError, NothingToDoError
from steeple.evaluation import evaluate_revisited, oxford_paris
from steeple.evaluation.methods import REVISITED_METHODS
from steeple.images import read_image

_spec = importlib.util.spec_from_file_location("oxford", Path(__file__).parents[1] / "oxford.py")
oxford = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(oxford)

METHODS = [*REVISITED_METHODS[:-1], "spatial", "default"]
RULES = {
    "easy": (["easy"], ["hard", "junk"]),
    "medium": (["easy", "hard"], ["junk"]),
    "hard": (["hard"], ["easy", "junk"]),
}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return oxford.make_oxford(tmp_path_factory.mktemp("oxford") / "roxford5k")


@pytest.fixture(scope="module")
def distractors(tmp_path_factory):
    return oxford.make_distractors(tmp_path_factory.mktemp("distractors") / "photos", 5)


def evaluate(root, places, **options):
    return evaluate_revisited(root, "roxford5k", places, workers=1, **options)


@pytest.fixture(scope="module")
def told():
    return []


@pytest.fixture(scope="module")
def evaluated(root, told, tmp_path_factory):
    places = tmp_path_factory.mktemp("places") / "places"
    found = evaluate(root, places, progress=lambda *words: told.append(words))
    return found, places


@pytest.fixture
def places(evaluated, tmp_path):
    """A copy of the collection, to be changed."""
    return shutil.copytree(evaluated[1], tmp_path / "places")


def rank_all(places, root, *, cropped):
    """Per query the names of all images of the collection, most similar first."""
    truth = oxford.ground_truth()
    photos = [read_image(root / "jpg" / f"{name}.jpg") for name in truth["qimlist"]]
    if cropped:
        photos = [np.ascontiguousarray(photo[40:200, 60:260]) for photo in photos]
    with Collection.open(places) as collection, collection.view() as view:
        names = collection.index_ids()
        descriptors = collection.embed(photos)
        index = view[np.arange(len(view))]
    return [
        [names[row] for row in np.argsort(-(index @ query), kind="stable")] for query in descriptors
    ]


def literal(rankings):
    """mAP and mP@k in percent, as method.md 8 has them, in plain Python."""
    truth = oxford.ground_truth()
    out = {}
    for rule, (right, neither) in RULES.items():
        rows = []
        for ranking, labels in zip(rankings, truth["gnd"], strict=True):
            positives = {truth["imlist"][i] for name in right for i in labels[name]}
            junk = {truth["imlist"][i] for name in neither for i in labels[name]}
            if not positives:
                continue
            kept = [name for name in ranking if name not in junk]
            area, found = 0.0, 0
            for rank, name in enumerate(kept):
                if name in positives:
                    before = found / rank if rank else 1.0
                    found += 1
                    area += (before + found / (rank + 1)) / 2
            last = max((rank + 1 for rank, name in enumerate(kept) if name in positives), default=0)
            row = {"map": area / len(positives)}
            for k in (1, 5, 10):
                cut = min(k, last)
                row[f"mp@{k}"] = sum(n in positives for n in kept[:cut]) / cut if cut else 0.0
            rows.append(row)
        out[rule] = {name: 100 * sum(row[name] for row in rows) / len(rows) for name in rows[0]}
    return out


def close(figures, expected):
    assert figures.keys() == expected.keys()
    for rule, of in expected.items():
        assert figures[rule] == pytest.approx(of), rule


def test_similarity_is_what_is_counted_by_hand(root, evaluated):
    found, places = evaluated
    expected = literal(rank_all(places, root, cropped=True))
    close(found.retrieval["knn"], expected)
    assert 50 < expected["hard"]["map"] < 99  # not a test that everything passes


def test_whole_queries_are_others(root, evaluated, places):
    whole = evaluate(root, places, methods=["knn"], cropped=False)
    close(whole.retrieval["knn"], literal(rank_all(places, root, cropped=False)))
    assert whole.retrieval["knn"] != evaluated[0].retrieval["knn"]
    assert (evaluated[0].cropped, whole.cropped) == (True, False)


def test_every_method_and_what_comes_with_it(evaluated, told):
    found, _ = evaluated
    assert found.dataset == "roxford5k"
    assert found.sizes == {"index": 20, "distractors": 0, "queries": oxford.LANDMARKS}
    assert list(found.retrieval) == METHODS
    for figures in found.retrieval.values():
        assert list(figures) == ["easy", "medium", "hard"]
        for of in figures.values():
            assert list(of) == ["map", "mp@1", "mp@5", "mp@10"]
            assert all(0 <= value <= 100 for value in of.values())
    assert found.failed == ()
    assert {"index: embed", "queries: embed", "neighbours", "re-rank: aqe"} <= set(found.seconds)
    assert json.loads(json.dumps(found.to_dict(), allow_nan=False))["sizes"] == found.sizes
    stages = list(dict.fromkeys(stage for stage, *_ in told))
    assert stages[:2] == ["learn", "embed"]
    assert [stage for stage in stages if stage in METHODS] == METHODS
    assert ("queries", oxford.LANDMARKS, oxford.LANDMARKS) in told


def test_queries_are_no_part_of_the_index(evaluated):
    with Collection.open(evaluated[1]) as places:
        assert {image.id for image in places} == set(oxford.ground_truth()["imlist"])
        assert {image.landmark for image in places} == {None}


def test_all_is_every_method_that_needs_no_training_set(root, places):
    found = evaluate(root, places, methods=["all"])
    assert {*METHODS, "dba", "diffusion", "egt", "inliers", "fusion"} <= set(found.retrieval)
    assert not {"sort", "two-stage", "gated", "label-aqe"} & set(found.retrieval)


def test_queries_one_at_a_time_are_answered_the_same(root, evaluated, places, monkeypatch):
    monkeypatch.setattr(oxford_paris, "_CELLS", 1)
    again = evaluate(root, places)
    assert again.retrieval == evaluated[0].retrieval


class TestDistractors:
    def test_they_join_the_index(self, root, distractors, tmp_path):
        found = evaluate(root, tmp_path / "places", methods=["knn"], distractors=distractors)
        assert found.sizes == {"index": 20, "distractors": 5, "queries": 4}
        with Collection.open(tmp_path / "places") as places:
            assert "distractors/more/1.png" in places
        close(found.retrieval["knn"], literal(rank_all(tmp_path / "places", root, cropped=True)))

    def test_what_no_re_ranker_sees_follows_by_similarity(
        self, root, evaluated, places, monkeypatch
    ):
        monkeypatch.setattr(oxford_paris, "DEPTH", 3)
        found = evaluate(root, places, methods=["knn", "spatial"])
        assert found.retrieval["knn"] == evaluated[0].retrieval["knn"]
        assert found.retrieval["spatial"]["hard"]["map"] > 0

    def test_a_collection_with_others_is_refused(self, root, distractors, places):
        evaluate(root, places, methods=["knn"], distractors=distractors)
        with pytest.raises(
            CollectionError, match=r"other images, 5 of which .*'distractors/"
        ) as no:
            evaluate(root, places, methods=["knn"])
        assert "--collection" in str(no.value)

    def test_there_must_be_a_folder(self, root, tmp_path):
        with pytest.raises(InputError, match="gone is no folder"):
            evaluate(root, tmp_path / "places", distractors=tmp_path / "gone")
        (tmp_path / "empty").mkdir()
        with pytest.raises(NothingToDoError, match="empty holds no photo"):
            evaluate(root, tmp_path / "places", distractors=tmp_path / "empty")
        for folder in (root, root / "jpg", root.parent, root / "jpg" / ".." / "jpg"):
            with pytest.raises(InputError, match="holds photos of roxford5k itself"):
                evaluate(root, tmp_path / "places", distractors=folder)
        assert not (tmp_path / "places").exists()


def test_what_cannot_be_read_is_not_found(root, evaluated, tmp_path):
    broken = shutil.copytree(root, tmp_path / "roxford5k")
    (broken / "jpg" / "near_1.jpg").unlink()
    (broken / "jpg" / "dark_1.jpg").write_text("no photo")
    (broken / "jpg" / "query_2.jpg").write_text("no photo")
    found = evaluate(broken, tmp_path / "places", methods=["knn"])
    assert found.sizes["index"] == 18
    assert sorted(Path(path).name for path, _ in found.failed) == [
        "dark_1.jpg",
        "near_1.jpg",
        "query_2.jpg",
    ]
    rankings = rank_all(tmp_path / "places", root, cropped=True)
    rankings[2] = []
    close(found.retrieval["knn"], literal(rankings))
    assert found.retrieval["knn"]["easy"]["map"] <= 50  # two of four queries have something


def test_a_box_outside_the_photo_is_said_of_the_photo(root, places, tmp_path):
    other = shutil.copytree(root, tmp_path / "roxford5k")
    truth = oxford.ground_truth()
    truth["gnd"][1]["bbx"] = [400, 300, 500, 400]
    (other / "gnd_roxford5k.pkl").unlink()
    (other / "gnd_roxford5k.json").write_text(json.dumps(truth))
    found = evaluate(other, tmp_path / "new", methods=["knn"])
    ((path, reason),) = found.failed
    assert Path(path).name == "query_1.jpg"
    assert (
        "box from 400, 300 to 500, 400 holds no pixel of the image, which has 320 x 240" in reason
    )


def test_json_ground_truth_is_the_same(root, evaluated, places, tmp_path):
    other = shutil.copytree(root, tmp_path / "roxford5k")
    (other / "gnd_roxford5k.pkl").unlink()
    oxford.make_oxford(other, as_json=True)
    assert (
        evaluate(other, places, methods=["knn"]).retrieval["knn"] == evaluated[0].retrieval["knn"]
    )


@pytest.mark.parametrize("method", ["sort", "two-stage:threshold=0.5", "aqe+gated", "label-aqe"])
def test_methods_that_need_labels_are_refused_before_anything_is_built(root, tmp_path, method):
    with pytest.raises(
        InputError, match="needs a training set with labels, and roxford5k has none"
    ):
        evaluate(root, tmp_path / "places", methods=["knn", method])
    assert not (tmp_path / "places").exists()


@pytest.mark.parametrize("method", ["spatial:n=5", "knn+inliers", "fusion"])
def test_methods_that_verify_are_refused_before_anything_is_built(root, tmp_path, method):
    asked = {"methods": ["knn", method], "local_features": None}
    with pytest.raises(InputError, match="compares local features, and the collection keeps none"):
        evaluate(root, tmp_path / "places", **asked)
    assert not (tmp_path / "places").exists()


def test_a_collection_that_is_there_says_whether_it_can_verify(root, places):
    found = evaluate(root, places, methods=["inliers"], local_features=None)
    assert list(found.retrieval) == ["inliers"]


def test_refuses_what_it_cannot_use(root, tmp_path):
    with pytest.raises(LabelError, match="no ground truth of rparis6k"):
        evaluate_revisited(root, "rparis6k", tmp_path / "places")
    with pytest.raises(InputError, match="nix"):
        evaluate(root, tmp_path / "places", methods=["nix"])
    shutil.copytree(root / "jpg", tmp_path / "mine" / "jpg")
    with pytest.raises(CollectionError, match="is not a collection"):
        evaluate(root, tmp_path / "mine")
    bare = tmp_path / "bare"
    bare.mkdir()
    shutil.copy(root / "gnd_roxford5k.pkl", bare)
    with pytest.raises(InputError, match="none of 20 photos can be read"):
        evaluate(bare, tmp_path / "places")
    assert not (tmp_path / "places").exists()


def test_the_public_names():
    assert {"evaluate_revisited", "RevisitedEvaluation"} <= set(evaluation.__all__)
