"""The GLD-v2 protocol on a toy city, against figures counted from the files by hand."""

from __future__ import annotations

import csv
import json
import shutil
from collections import Counter

import numpy as np
import pytest

from steeple import Collection
from steeple.demo import build_city
from steeple.demo.plan import make_plan
from steeple.errors import CollectionError, InputError, LabelError
from steeple.evaluation import METHODS, evaluate_gldv2, protocol
from steeple.retrieval.origins import origins
from steeple.retrieval.reranking import RERANKERS

PHOTOS, LANDMARKS, SEED = 150, 8, 3


def table(root, name):
    with (root / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def city(tmp_path_factory):
    out = tmp_path_factory.mktemp("protocol") / "city"
    return build_city(out, photos=PHOTOS, landmarks=LANDMARKS, seed=SEED, size=200, workers=1)


@pytest.fixture(scope="module")
def told():
    """What the evaluation of the city said on its way."""
    return []


@pytest.fixture(scope="module")
def evaluated(city, told, tmp_path_factory):
    places = tmp_path_factory.mktemp("places") / "places"

    def progress(stage, done, total):
        told.append((stage, done, total))

    evaluation, run = evaluate_gldv2(city.root, places, workers=1, progress=progress)
    return evaluation, run, places


def precision(found, relevant):
    """AP@100, literally: method.md section 8."""
    hits, total, seen = 0, 0.0, set()
    for rank, image in enumerate(found[:100], start=1):
        if image in relevant and image not in seen:
            hits += 1
            total += hits / rank
        seen.add(image)
    return total / min(len(relevant), 100)


def found_by(run, method):
    return {
        query: [run.index[image] for image in ids if image >= 0]
        for query, ids in zip(run.queries, run.rankings[method].ids.tolist(), strict=True)
    }


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("part", ["Public", "Private", "all"])
def test_retrieval_is_the_mean_precision_of_the_files(city, evaluated, method, part):
    evaluation, run, _ = evaluated
    found = found_by(run, method)
    precisions = [
        precision(found[row["id"]], set(row["images"].split()))
        for row in table(city.root, "retrieval_solution_v2.1")
        if row["Usage"] in ({"Public", "Private"} if part == "all" else {part})
    ]
    expected = 100 * sum(precisions) / len(precisions)
    assert evaluation.retrieval[method][part.lower()] == pytest.approx(expected)


@pytest.mark.parametrize("part", ["Public", "Private", "gap"])
def test_recognition_is_the_gap_of_the_files(city, evaluated, part):
    evaluation, run, _ = evaluated
    usages = {"Public", "Private"} if part == "gap" else {part}
    rows = {
        row["id"]: row["landmarks"]
        for row in table(city.root, "recognition_solution_v2.1")
        if row["Usage"] in usages
    }
    guesses = sorted(
        (-score, query, run.names[label])
        for query, label, score in zip(
            run.queries, run.beliefs.labels.tolist(), run.beliefs.scores.tolist(), strict=True
        )
        if label >= 0 and query in rows
    )
    right, total = 0, 0.0
    for rank, (_, query, landmark) in enumerate(guesses, start=1):
        if rows[query] == landmark:
            right += 1
            total += right / rank
    expected = 100 * total / sum(1 for landmark in rows.values() if landmark)
    assert evaluation.recognition["default"][part.lower()] == pytest.approx(expected)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("part", ["Public", "Private", "all"])
def test_first_ranks_are_those_of_the_files(city, evaluated, method, part):
    evaluation, run, _ = evaluated
    found = found_by(run, method)
    rows = [
        (found[row["id"]], set(row["images"].split()))
        for row in table(city.root, "retrieval_solution_v2.1")
        if row["Usage"] in ({"Public", "Private"} if part == "all" else {part})
    ]
    for k in (1, 5, 10):
        shares = [len(relevant.intersection(ids[:k])) / k for ids, relevant in rows]
        assert evaluation.precision[method][part.lower()][f"mp@{k}"] == pytest.approx(
            100 * np.mean(shares)
        )
    positions = [
        next((rank for rank, image in enumerate(ids[:100], start=1) if image in relevant), 101)
        for ids, relevant in rows
    ]
    assert evaluation.position[method][part.lower()] == {
        "mean": pytest.approx(np.mean(positions)),
        "median": pytest.approx(np.median(positions)),
    }


@pytest.mark.parametrize("part", ["Public", "Private", "all"])
def test_accuracy_is_that_of_the_files(city, evaluated, part):
    evaluation, run, _ = evaluated
    named = dict(zip(run.queries, run.beliefs.labels.tolist(), strict=True))
    rows = [
        (row["id"], row["landmarks"])
        for row in table(city.root, "recognition_solution_v2.1")
        if row["landmarks"] and row["Usage"] in ({"Public", "Private"} if part == "all" else {part})
    ]
    right = [run.names.get(named[query]) == landmark for query, landmark in rows]
    assert np.mean(right) > 0
    assert part != "all" or np.mean(right) < 1
    assert evaluation.accuracy["default"][part.lower()] == pytest.approx(100 * np.mean(right))
    assert evaluation.accuracy.keys() == evaluation.recognition.keys()


def test_queries_a_few_at_a_time_are_answered_the_same(city, evaluated, monkeypatch):
    evaluation, run, places = evaluated
    monkeypatch.setattr(protocol, "TOGETHER", 7)
    told = []
    again, other = evaluate_gldv2(
        city.root, places, workers=1, progress=lambda *words: told.append(words)
    )
    for name, ranking in run.rankings.items():
        assert (other.rankings[name].ids == ranking.ids).all(), name
    assert again.retrieval == evaluation.retrieval
    assert again.recognition == evaluation.recognition
    done = [number for stage, number, _ in told if stage == "queries"]
    assert done == sorted(done)
    assert done[-1] == city.test
    assert {total for stage, _, total in told if stage == "queries"} == {city.test}
    assert list(again.seconds) == [name for name in evaluation.seconds if name in again.seconds]


def test_all_is_every_method(city, evaluated):
    _, _, places = evaluated
    evaluation, _ = evaluate_gldv2(city.root, places, methods=["all"], workers=1)
    assert list(evaluation.retrieval) == list(RERANKERS)


class TestOtherImages:
    """Figures of a data set are never those of a collection that holds more."""

    @pytest.fixture
    def places(self, evaluated, tmp_path):
        return shutil.copytree(evaluated[2], tmp_path / "places")

    def refused(self, city, places, *words):
        with pytest.raises(CollectionError, match="is a collection of other images") as caught:
            evaluate_gldv2(city.root, places, methods=["knn"], workers=1)
        for word in (*words, "--collection"):
            assert word in str(caught.value)

    def test_photos_that_the_data_set_lacks(self, city, places, tmp_path):
        photo = next((city.root / "test").rglob("*.jpg"))
        (tmp_path / "mine").mkdir()
        shutil.copy(photo, tmp_path / "mine" / "holiday.jpg")
        with Collection.open(places) as collection:
            collection.add(tmp_path / "mine", workers=1)
        self.refused(city, places, "1 of which", "'holiday.jpg'")

    def test_photos_that_play_another_part(self, city, places):
        """A training photo that can be found as well is one more image in the index."""
        with Collection.open(places) as collection:
            image = next(image for image in collection if image.landmark is None)
            collection.label({image.id: "somewhere"})  # an index image that votes
        self.refused(city, places, repr(image.id))

    def test_a_part_of_the_data_set_is_completed(self, city, places, evaluated):
        with Collection.open(places) as collection:
            collection.remove([image.id for image in list(collection)[::9]])
        evaluation, _ = evaluate_gldv2(city.root, places, methods=["knn"], workers=1)
        assert evaluation.sizes == evaluated[0].sizes
        assert evaluation.retrieval["knn"] == evaluated[0].retrieval["knn"]


def test_default_is_not_below_similarity(evaluated):
    scores = evaluated[0].retrieval
    for part in ("public", "private", "all"):
        assert scores["default"][part] >= scores["knn"][part]
    assert scores["default"]["all"] > scores["knn"]["all"] + 2  # percent points


def test_labels_bring_together_what_looks_different(city, evaluated):
    """A query outside finds the inside of its landmark, and the other way round."""
    _, run, _ = evaluated
    plan = make_plan(PHOTOS, LANDMARKS, SEED, 0.2)
    inside = {
        entry.id: entry.photo.interior
        for landmark in range(plan.landmarks)
        for entry in plan.landmark_entries(landmark)
    }
    relevant = run.dataset.retrieval_solution
    places = {"knn": [], "default": []}
    for method, places_of in places.items():
        for query, found in found_by(run, method).items():
            places_of += [
                place
                for place, image in enumerate(found)
                if image in relevant[query] and inside[image] != inside[query]
            ]
    assert len(places["knn"]) > 20
    assert np.mean(places["default"]) < np.mean(places["knn"]) - 1  # ranks

    moved = Counter()
    for query, before, after in zip(
        run.queries, run.rankings["knn"].ids, run.rankings["default"].ids, strict=True
    ):
        first = after[after >= 0][:5]
        for image, origin in zip(first.tolist(), origins(first, before), strict=True):
            if origin != "retrieved" and relevant.get(query):
                moved[run.index[image] in relevant[query]] += 1
    assert moved[True] > 20
    # What was moved to the front is right more often than what stood there before.
    before = [
        run.index[image] in relevant[query]
        for query, ids in zip(run.queries, run.rankings["knn"].ids, strict=True)
        if relevant.get(query)
        for image in ids[:5]
    ]
    assert moved[True] / moved.total() > np.mean(before)


def test_short_rankings_are_filled_by_the_insert_step(city, evaluated, monkeypatch):
    """The toy index is shorter than 100, so that only a shorter ranking leaves something out."""
    _, _, places = evaluated
    monkeypatch.setattr(protocol, "LENGTH", 8)
    _, run = evaluate_gldv2(city.root, places, methods=("knn", "default"), workers=1)
    assert run.rankings["default"].ids.shape == (city.test, 8)
    right = 0
    for query, before, after in zip(
        run.queries, run.rankings["knn"].ids, run.rankings["default"].ids, strict=True
    ):
        for image in set(after.tolist()) - set(before.tolist()) - {-1}:
            right += run.index[image] in run.dataset.retrieval_solution[query]
    assert right > 0


def test_sizes_stages_and_progress(city, evaluated, told):
    evaluation, run, _ = evaluated
    solution = table(city.root, "retrieval_solution_v2.1")
    assert evaluation.sizes == {
        "training": city.train,
        "index": city.index,
        "queries": city.test,
        "scored": sum(row["images"] != "None" for row in solution),
    }
    assert evaluation.failed == ()
    assert {"index: learn", "index: embed", "index: vote", "queries: embed", "neighbours"} <= set(
        evaluation.seconds
    )
    assert all(seconds >= 0 for seconds in evaluation.seconds.values())
    stages = [stage for stage, *_ in told]
    assert list(dict.fromkeys(stages)) == [
        *("learn", "embed", "vote", "verify", "judge", "queries", "match"),
        *(*METHODS[:-1], "spatial", "default"),
    ]
    assert ("queries", city.test, city.test) in told
    assert list(run.rankings) == [*METHODS[:-1], "spatial", "default"]


def test_it_is_ready_for_json(evaluated):
    text = json.dumps(evaluated[0].to_dict(), allow_nan=False)
    assert json.loads(text)["retrieval"] == evaluated[0].retrieval


def test_the_collection_shows_names(city, evaluated):
    names = {row["category"] for row in table(city.root, "train_label_to_category")}
    with Collection.open(evaluated[2]) as places:
        assert {image.landmark for image in places} - {None} <= names


def test_what_cannot_be_read_finds_nothing(city, evaluated, tmp_path):
    root = shutil.copytree(city.root, tmp_path / "city")
    shutil.copytree(evaluated[2], tmp_path / "places")
    scored = [
        row["id"] for row in table(root, "retrieval_solution_v2.1") if row["Usage"] == "Public"
    ]
    query = next((root / "test").rglob(f"{scored[0]}.jpg"))
    query.write_text("no photo")
    evaluation, run = evaluate_gldv2(root, tmp_path / "places", workers=1)
    ((path, reason),) = evaluation.failed
    assert path == str(query)
    assert "not a photo" in reason
    place = run.queries.index(scored[0])
    for ranking in run.rankings.values():
        assert (ranking.ids[place] == -1).all()
    assert run.beliefs.labels[place] == -1
    others = [q for q in run.queries if q != scored[0]]
    before = found_by(evaluated[1], "knn")
    assert all(found_by(run, "knn")[q] == before[q] for q in others)


def test_without_recognition_there_is_no_gap(city, evaluated, tmp_path):
    root = shutil.copytree(city.root, tmp_path / "city")
    (root / "recognition_solution_v2.1.csv").unlink()
    solution = root / "retrieval_solution_v2.1.csv"
    solution.write_text(solution.read_text().replace(",Public", ",Private"))
    places = shutil.copytree(evaluated[2], tmp_path / "places")
    evaluation, _ = evaluate_gldv2(root, places, methods=["knn"], workers=1)
    assert evaluation.recognition["default"] == {"gap": None, "public": None, "private": None}
    assert evaluation.accuracy["default"] == {"public": None, "private": None, "all": None}
    assert evaluation.retrieval["knn"]["public"] is None
    assert evaluation.precision["knn"]["public"] is None
    assert evaluation.position["knn"]["public"] is None
    assert evaluation.retrieval["knn"]["all"] == evaluation.retrieval["knn"]["private"]


def test_refuses_what_it_cannot_use(city, tmp_path):
    out = tmp_path / "out"
    with pytest.raises(LabelError, match="GLD-v2 layout"):
        evaluate_gldv2(tmp_path, out)
    with pytest.raises(InputError, match="nix"):
        evaluate_gldv2(city.root, out, methods=["knn", "nix"])
    with pytest.raises(InputError, match="spatial compares local features, and the collection"):
        evaluate_gldv2(city.root, out, methods=["spatial"], local_features=None)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    with pytest.raises(CollectionError, match="is not a collection"):
        evaluate_gldv2(city.root, tmp_path / "mine")
    voteless = shutil.copytree(city.root, tmp_path / "voteless")
    for table in ("train.csv", "train_clean.csv"):
        (voteless / table).unlink(missing_ok=True)
    with pytest.raises(InputError, match="two-stage needs a training set with labels, and "):
        evaluate_gldv2(voteless, out, methods=["aqe+two-stage"])
    root = tmp_path / "unsolved"
    (root / "index").mkdir(parents=True)
    shutil.copy(city.root / "index.csv", root)
    with pytest.raises(InputError, match=r"test\.csv"):
        evaluate_gldv2(root, out)
    assert not out.exists()


@pytest.mark.parametrize(
    ("table", "rows", "message"),
    [
        (
            "retrieval_solution_v2.1.csv",
            "id,images,Usage\nzzz,{image},Public\n",
            r"none of its queries with an answer \(zzz, \.\.\.\) is in test\.csv",
        ),
        (
            "retrieval_solution_v2.1.csv",
            "id,images,Usage\n{query},nope,Public\n",
            r"none of its images \(nope, \.\.\.\) is in index\.csv",
        ),
        (
            "recognition_solution_v2.1.csv",
            "id,landmarks,Usage\nzzz,1,Public\n",
            r"none of its queries with an answer \(zzz, \.\.\.\) is in test\.csv",
        ),
    ],
)
def test_a_solution_of_another_data_set_is_no_score_of_0(city, tmp_path, table, rows, message):
    root, out = shutil.copytree(city.root, tmp_path / "city"), tmp_path / "out"
    query, image = (
        next(path.stem for path in (root / part).rglob("*.jpg")) for part in ("test", "index")
    )
    (root / table).write_text(rows.format(query=query, image=image))
    with pytest.raises(InputError, match=message) as caught:
        evaluate_gldv2(root, out, methods=["knn"], workers=1)
    assert str(caught.value).startswith(str(root / table))
    assert not out.exists()
