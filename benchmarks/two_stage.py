"""Two-stage re-ranking at the size of GLD-v2: microseconds per query on one core.

The literal forms do the same one query at a time: "scan" selects the query's landmark among all
votes of the index with a mask, as a data frame would; "grouped" has them grouped and sorted ahead.
Both run on a sample of the queries, and their rankings must equal ours.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from common import alternate, new_parser, print_table, report, restart_with_threads
from steeple.retrieval import Ranking, Votes
from steeple.retrieval.reranking import two_stage
from steeple.retrieval.reranking.two_stage import Members

INDEX, LANDMARKS, QUERIES, WIDTH = 761_757, 81_313, 117_577, 100  # GLD-v2, train clean
THRESHOLD = np.float32(0.6)

Ids = npt.NDArray[np.int64]
Candidates = Callable[[int], Ids]


def make_votes(random: np.random.Generator, images: int, landmarks: int) -> Votes:
    """Landmarks of very uneven size (Zipf, exponent 0.8) with scores in 0.2..1."""
    weights = 1 / np.arange(1, landmarks + 1) ** 0.8
    labels = random.choice(landmarks, images, p=weights / weights.sum())
    return Votes(labels, random.uniform(0.2, 1, images).astype(np.float32))


def make_rankings(random: np.random.Generator, queries: Votes, index: Votes) -> Ranking:
    """Lists that hold between none and all of what the index has of the query's landmark."""
    order = np.argsort(index.labels, kind="stable")
    start = np.searchsorted(index.labels[order], queries.labels)
    size = np.searchsorted(index.labels[order], queries.labels, side="right") - start
    listed = np.minimum(size, random.integers(0, WIDTH + 1, len(queries)))
    column = np.arange(WIDTH)
    ids = np.empty((len(queries), WIDTH), dtype=np.int64)
    for low in range(0, len(queries), 4096):
        part = slice(low, low + 4096)
        place = np.minimum(column, np.maximum(size[part, None] - 1, 0))
        own = order[np.minimum(start[part, None] + place, len(order) - 1)]
        others = (random.integers(len(index), size=(len(own), 1)) + 7919 * column) % len(index)
        mixed = np.where(column < listed[part, None], own, others)
        # An image of the query's landmark may have come in both ways.
        by_id = np.argsort(mixed, axis=1, kind="stable")
        sorted_ids = np.take_along_axis(mixed, by_id, axis=1)
        sorted_ids[:, 1:][sorted_ids[:, 1:] == sorted_ids[:, :-1]] = -1
        ids[part] = random.permuted(sorted_ids, axis=1)
    scores = -np.sort(-random.random(ids.shape, dtype=np.float32), axis=1)
    return Ranking(ids, scores)


def literal(
    ranking: Ranking, queries: Votes, index: Votes, sample: Ids, candidates: Candidates
) -> Ids:
    """One query at a time with Python lists: the rankings of the sample, (len(sample), 100)."""
    out = np.full((len(sample), WIDTH), -1, dtype=np.int64)
    for row, query in enumerate(sample):
        label, vote = int(queries.labels[query]), queries.scores[query]
        listed = [int(image) for image in ranking.ids[query] if image != -1]
        positives = [image for image in listed if index.labels[image] == label]
        negatives = [image for image in listed if index.labels[image] != label]
        there = set(positives)
        inserted: list[int] = []
        for image in candidates(label):
            if vote + index.scores[image] <= THRESHOLD or len(inserted) == WIDTH:
                break  # they descend, and no more than the list's length is shown
            if int(image) not in there:
                inserted.append(int(image))
        result = (positives + inserted + negatives)[:WIDTH]
        out[row, : len(result)] = result
    return out


def scan_candidates(index: Votes) -> Candidates:
    """Selects a landmark's images among all, best vote first, each time it is asked."""

    def candidates(label: int) -> Ids:
        found = np.flatnonzero(index.labels == label)
        return found[np.argsort(-index.scores[found], kind="stable")]

    return candidates


def grouped_candidates(index: Votes) -> Candidates:
    """Groups the images of all landmarks ahead, best vote first."""
    order = np.lexsort((-index.scores, index.labels))
    labels, first = np.unique(index.labels[order], return_index=True)
    groups = dict(zip(labels.tolist(), np.split(order, first[1:]), strict=True))
    nothing = np.zeros(0, dtype=np.int64)
    return lambda label: groups.get(label, nothing)


def main() -> None:
    """Runs the benchmark."""
    parser = new_parser(__doc__)
    parser.add_argument("--scale", type=float, default=1.0, help="of the index; 1 is GLD-v2's")
    parser.add_argument("--queries", type=int, default=QUERIES)
    parser.add_argument("--sample", type=int, default=300, help="queries for the literal forms")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    restart_with_threads(1)

    random = np.random.default_rng(arguments.seed)
    images = max(WIDTH, int(INDEX * arguments.scale))
    index = make_votes(random, images, max(1, int(LANDMARKS * arguments.scale)))
    asked = random.integers(images, size=arguments.queries)  # landmarks as frequent as in the index
    scores = random.uniform(0.2, 1, arguments.queries).astype(np.float32)
    queries = Votes(index.labels[asked], scores)
    ranking = make_rankings(random, queries, index)
    sample = np.sort(random.permutation(arguments.queries)[: arguments.sample])

    scan, grouped = scan_candidates(index), grouped_candidates(index)
    expected = literal(ranking, queries, index, sample, grouped)
    ours = two_stage(ranking, queries, index).ids[sample]
    if not np.array_equal(ours, expected):
        raise SystemExit("two_stage and its literal form disagree")
    seconds = alternate(
        arguments.rounds,
        lambda: two_stage(ranking, queries, index),
        lambda: Members.of(index, queries.labels),
        lambda: literal(ranking, queries, index, sample, scan),
        lambda: literal(ranking, queries, index, sample, grouped),
    )
    counts = [len(ranking), len(ranking), len(sample), len(sample)]
    names = ["two_stage", "of that, grouping the index", "literal, scan", "literal, grouped"]
    figures = {}
    for name, times, count in zip(names, seconds, counts, strict=True):
        figures[name] = {
            "median_us_per_query": 1e6 * statistics.median(times) / count,
            "least_us_per_query": 1e6 * min(times) / count,
        }
    base = figures["two_stage"]["median_us_per_query"]
    print(f"{images:,} index images, {len(ranking):,} queries, lists of {WIDTH}, one core")
    print_table(
        ["form", "median us/query", "least us/query", "times two_stage"],
        [
            [name, *values.values(), figures[name]["median_us_per_query"] / base]
            for name, values in figures.items()
        ],
    )
    report("two_stage", {"images": images, "queries": len(ranking), **figures}, arguments.json)


if __name__ == "__main__":
    main()
