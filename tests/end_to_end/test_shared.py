"""The figures on real photographs, where somebody has them."""

from __future__ import annotations

import csv

import numpy as np
import pytest

from steeple.evaluation import evaluate_gldv2, mean_average_precision

VIETNAM = {
    "halong_bay",
    "hochiminh_mausoleum",
    "hoian_town",
    "hue_imperial_city",
    "sapa_rice_terraces",
}
REGIONS = ("Berlin", "Vietnam", "San Francisco")


@pytest.fixture(scope="module")
def evaluated(shared, tmp_path_factory):
    places = tmp_path_factory.mktemp("shared") / "places"
    return evaluate_gldv2(shared / "photos", places)


@pytest.fixture(scope="module")
def regions(shared, evaluated):
    """Region -> the scored queries that show a landmark there."""

    def table(name):
        with (shared / "photos" / name).open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))

    names = {r["landmark_id"]: r["category"] for r in table("train_label_to_category.csv")}
    shows = {r["id"]: names[r["landmark_id"]] for r in table("index_image_to_landmark.csv")}
    found = {region: [] for region in REGIONS}
    for query, images in evaluated[1].dataset.retrieval_solution.items():
        if images:
            name = shows[images[0]]
            if name.startswith("sf_"):
                found["San Francisco"].append(query)
            else:
                found["Vietnam" if name in VIETNAM else "Berlin"].append(query)
    return found


def score(run, method, queries):
    """mAP@100 in percent over some of the queries."""
    solution = {query: run.dataset.retrieval_solution[query] for query in queries}
    predictions = {
        query: [run.index[image] for image in ids if image >= 0]
        for query, ids in zip(run.queries, run.rankings[method].ids.tolist(), strict=True)
    }
    return 100 * mean_average_precision(predictions, solution)


def test_every_photo_is_read_and_counted(evaluated, regions):
    evaluation, _ = evaluated
    assert evaluation.failed == ()
    assert evaluation.sizes == {"training": 154, "index": 287, "queries": 170, "scored": 110}
    assert all(regions.values())
    assert sum(map(len, regions.values())) == 110
    assert len(regions["San Francisco"]) == 51


def test_similarity_alone_is_as_good_as_the_first_experiment(evaluated):
    assert evaluated[0].retrieval["knn"]["all"] >= 42


def test_default_is_not_below_similarity_on_the_whole(evaluated):
    scores = evaluated[0].retrieval
    assert scores["default"]["all"] >= scores["knn"]["all"]


@pytest.mark.parametrize("region", REGIONS)
def test_default_is_not_below_similarity_anywhere(evaluated, regions, region):
    _, run = evaluated
    queries = regions[region]
    assert score(run, "default", queries) >= score(run, "knn", queries) - 1e-9


def test_parts_add_up(evaluated, regions):
    evaluation, run = evaluated
    parts = [(len(queries), score(run, "default", queries)) for queries in regions.values()]
    numbers, scores = np.array(parts).T
    assert np.average(scores, weights=numbers) == pytest.approx(
        evaluation.retrieval["default"]["all"]
    )
