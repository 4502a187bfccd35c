"""Retrieval and recognition on a folder of photographs in GLD-v2 layout, whole and by city.

The figures asked for: on all scored queries knn at 42 mAP@100 or more, default at 52, and GAP at
75; default never below knn, on the whole and on each city. The layout knows no cities; they are
told apart by the names of their landmarks, which are those of the photographs the figures were
asked for.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from common import new_parser, print_table, report
from steeple.evaluation import Run, evaluate_gldv2, mean_average_precision
from steeple.retrieval.types import PAD, Ranking

CITIES = {
    "San Francisco": ("sf_",),
    "Vietnam": (
        "halong_bay",
        "hochiminh_mausoleum",
        "hoian_town",
        "hue_imperial_city",
        "sapa_rice_terraces",
    ),
    "Berlin": ("",),
}
"""City -> beginnings of its landmarks' names; the first that fits counts."""


def by_city(run: Run) -> dict[str, list[str]]:
    """The scored queries of each city."""
    queries: dict[str, list[str]] = {city: [] for city in CITIES}
    data = run.dataset
    for query, images in data.retrieval_solution.items():
        if images:
            name = data.names[data.index_landmarks[images[0]]]
            city = next(city for city, starts in CITIES.items() if name.startswith(starts))
            queries[city].append(query)
    return {city: some for city, some in queries.items() if some}


def score(run: Run, ranking: Ranking, queries: list[str]) -> float:
    """mAP@100 of some queries, in percent."""
    found = {
        query: [run.index[image] for image in ids if image != PAD]
        for query, ids in zip(run.queries, ranking.ids.tolist(), strict=True)
    }
    solution = {query: run.dataset.retrieval_solution[query] for query in queries}
    return 100 * mean_average_precision(found, solution)


def main() -> None:
    """Evaluates the folder with several seeds and prints one table per seed."""
    parser = new_parser(__doc__)
    parser.add_argument("folder", type=Path, help="photographs in GLD-v2 layout")
    parser.add_argument("--seeds", type=int, default=3, help="how many codebooks to try")
    arguments = parser.parse_args()
    results = []
    for seed in range(arguments.seeds):
        with tempfile.TemporaryDirectory() as scratch:
            evaluation, run = evaluate_gldv2(arguments.folder, Path(scratch, "places"), seed=seed)
        parts = {"all": [query for some in by_city(run).values() for query in some], **by_city(run)}
        table = {
            method: {part: score(run, ranking, some) for part, some in parts.items()}
            for method, ranking in run.rankings.items()
        }
        print_table(
            ["mAP@100", *(f"{part} ({len(some)})" for part, some in parts.items())],
            [
                [method, *(f"{value:.1f}" for value in row.values())]
                for method, row in table.items()
            ],
        )
        gap = {method: row["gap"] for method, row in evaluation.recognition.items()}
        print(f"seed {seed}; GAP: {gap}")
        for point in evaluation.rejection[::2]:
            print(
                f"  above {point.threshold:.1f}: {100 * point.right:.1f} % named rightly, "
                f"{100 * point.wrong:.1f} % wrongly, {100 * point.false_alarms:.1f} % false alarms"
            )
        results.append(
            {
                "seed": seed,
                "retrieval": table,
                "recognition": gap,
                "rejection": [point.to_dict() for point in evaluation.rejection],
            }
        )
    report("photos", {"results": results}, arguments.json)


if __name__ == "__main__":
    main()
