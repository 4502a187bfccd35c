"""Verification of pairs of photos: speed and separation, ours against the paper's form.

The pairs are what verification is for: each query with the index and training images nearest to it
by `sift-vlad`, as many that show its landmark as others, drawn at random. All forms see the same
local features and the same pairs, in turn, on one core.

The paper's form is that of its recipe: the nearest neighbour in a k-d tree if its distance is below
0.8, then an affine map by scikit-image's RANSAC, 3 matches a sample, 20 pixels, 1000 trials. Its
distance was chosen for DELF; so that SIFT is no handicap, it runs at other distances as well.
scikit-image is needed: pip install scikit-image.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

import cv2
import numpy as np
import numpy.typing as npt
from scipy import stats
from scipy.spatial import KDTree

from common import new_parser, print_table, report, restart_with_threads
from steeple.datasets import GldV2
from steeple.embedding import create_embedder
from steeple.embedding.pipeline import prepare_files
from steeple.geometry import VERIFIERS, Features
from steeple.geometry.verification import create_verifier
from steeple.retrieval import search_neighbors

Pair: TypeAlias = tuple[str, str]
Floats: TypeAlias = npt.NDArray[np.float64]
Scores: TypeAlias = tuple[float, float]
Verify: TypeAlias = Callable[[Features, Features], Scores]
"""To inliers and surprise; a form that knows no surprise says its inliers twice."""

INDEX_NEIGHBOURS, TRAINING_NEIGHBOURS = 40, 20
BLOCK = 10  # pairs after which the next form has its turn
PAPER = "paper, d < {:g}"
ACCEPTED = 30  # inliers from which the paper lets a pair count


def paper(distance: float) -> Verify:
    """The paper's form; ``ransac`` is seeded, so that the figures can be had again."""
    from skimage.measure import ransac
    from skimage.transform import AffineTransform

    def verify(a: Features, b: Features) -> Scores:
        if not len(a) or not len(b):
            return 0.0, 0.0
        tree = KDTree(b.descriptors)
        _, nearest = tree.query(a.descriptors, distance_upper_bound=distance)
        matched = np.flatnonzero(nearest < len(b))
        if len(matched) < 3:
            return 0.0, 0.0
        _, inliers = ransac(  # type: ignore[no-untyped-call]
            (a.keypoints[matched, :2], b.keypoints[nearest[matched], :2]),
            AffineTransform,
            min_samples=3,
            residual_threshold=20,
            max_trials=1000,
            rng=0,
        )
        count = 0.0 if inliers is None else float(inliers.sum())
        return count, count

    return verify


def ours(name: str) -> Verify:
    """A verifier of ours by name."""
    verifier = create_verifier(name)

    def verify(a: Features, b: Features) -> Scores:
        found = verifier(a, b)
        return found.inliers, found.surprise

    return verify


def describe(data: GldV2) -> tuple[dict[str, Features], list[Pair], npt.NDArray[np.bool_]]:
    """The local features of all photos, and the candidate pairs with whether they are the same."""
    embedder = create_embedder("sift-vlad")
    splits = {"index": list(data.index), "train": list(data.train), "test": list(data.test)}
    paths = [data.photo(split, image) for split in splits for image in splits[split]]  # type: ignore[arg-type]
    photos = prepare_files(paths, embedder.prepare, embedder.max_side)
    images = [image for split in splits for image in splits[split]]
    features = {i: p.result for i, p in zip(images, photos, strict=True) if p.error is None}
    parts = {split: [i for i in some if i in features] for split, some in splits.items()}
    embedder = embedder.fit([features[i] for i in parts["index"] + parts["train"]], seed=0)
    vectors = {part: embedder.encode([features[i] for i in some]) for part, some in parts.items()}
    landmarks = {**data.index_landmarks, **data.train}
    pairs, same = [], []
    for part, count in (("index", INDEX_NEIGHBOURS), ("train", TRAINING_NEIGHBOURS)):
        rows = search_neighbors(vectors["test"], vectors[part], count).ids
        for query, row in zip(parts["test"], rows.tolist(), strict=True):
            shown = set(data.recognition_solution.get(query, []))
            shown |= {landmarks[i] for i in data.retrieval_solution.get(query, [])}
            pairs += [(query, parts[part][i]) for i in row]
            same += [landmarks.get(parts[part][i]) in shown for i in row]
    return {i: one.ready() for i, one in features.items()}, pairs, np.array(same)


def run(
    forms: dict[str, Verify], features: dict[str, Features], pairs: Sequence[Pair]
) -> tuple[dict[str, float], dict[str, Floats]]:
    """Verifies all pairs by each form, some pairs each in turn.

    Returns:
        Per form its seconds, and (n, 2) inliers and surprises.
    """
    for verify in forms.values():
        verify(features[pairs[0][0]], features[pairs[0][1]])  # loads what it needs
    seconds = dict.fromkeys(forms, 0.0)
    found: dict[str, list[Scores]] = {name: [] for name in forms}
    for start in range(0, len(pairs), BLOCK):
        for name, verify in forms.items():
            begun = time.perf_counter()
            for a, b in pairs[start : start + BLOCK]:
                found[name].append(verify(features[a], features[b]))
            seconds[name] += time.perf_counter() - begun
    return seconds, {name: np.array(scores) for name, scores in found.items()}


def area(scores: Floats, same: npt.NDArray[np.bool_]) -> float:
    """ROC AUC: how often a pair of the same landmark scores above another; equals count half."""
    ranks = stats.rankdata(scores)
    positives = int(same.sum())
    above = ranks[same].sum() - positives * (positives + 1) / 2
    return float(above / (positives * (len(same) - positives)))


def recall(scores: Floats, same: npt.NDArray[np.bool_], false: float) -> float:
    """Share of the same that score above all but a share `false` of the others."""
    return float((scores[same] > np.quantile(scores[~same], 1 - false)).mean())


def agreement(scores: Floats, theirs: Floats) -> float:
    """Share of pairs on which two forms decide alike, both letting equally many count.

    The paper's lets those count that have 30 inliers; ours as many, its best.
    """
    counted = theirs >= ACCEPTED
    order = np.argsort(-scores, kind="stable")
    ours_counted = np.zeros(len(scores), dtype=bool)
    ours_counted[order[: counted.sum()]] = True
    return float((ours_counted == counted).mean())


def main() -> None:
    """Runs the benchmark."""
    parser = new_parser(__doc__)
    parser.add_argument("folder", type=Path, help="photographs in GLD-v2 layout")
    parser.add_argument("--pairs", type=int, default=400, help="half of them of one landmark")
    parser.add_argument("--distances", type=float, nargs="+", default=[0.8, 0.6])
    parser.add_argument("--seed", type=int, default=0, help="of the sample")
    arguments = parser.parse_args()
    restart_with_threads(1)
    cv2.setNumThreads(1)

    features, candidates, shown = describe(GldV2.read(arguments.folder))
    random = np.random.default_rng(arguments.seed)
    chosen = np.concatenate(
        [
            random.permutation(np.flatnonzero(shown == kind))[: arguments.pairs // 2]
            for kind in (True, False)
        ]
    )
    random.shuffle(chosen)
    pairs, same = [candidates[place] for place in chosen], shown[chosen]
    forms = {name: ours(name) for name in VERIFIERS}
    forms |= {PAPER.format(distance): paper(distance) for distance in arguments.distances}
    seconds, scores = run(forms, features, pairs)

    reference = PAPER.format(arguments.distances[0])
    theirs = scores[reference][:, 0]
    figures = {
        name: {
            "ms_per_pair": 1000 * seconds[name] / len(pairs),
            "pairs_per_s": len(pairs) / seconds[name],
            "times_paper": seconds[reference] / seconds[name],
            "auc_inliers": area(scores[name][:, 0], same),
            "auc_surprise": area(scores[name][:, 1], same),
            "recall_at_5_percent_false": recall(scores[name][:, 1], same, 0.05),
            "spearman": float(stats.spearmanr(scores[name][:, 1], theirs).statistic),
            "agreement": agreement(scores[name][:, 1], theirs),
        }
        for name in forms
    }
    counts = f"{int(same.sum())} of one landmark, {int((~same).sum())} not"
    print(f"{len(pairs)} of {len(candidates):,} candidate pairs ({counts}), one core")
    print(f"{int((theirs >= ACCEPTED).sum())} have {ACCEPTED} inliers by {reference}")
    print_table(
        [
            "form",
            "ms/pair",
            "pairs/s",
            "times paper",
            "AUC inl.",
            "AUC sur.",
            "recall",
            "rho",
            "agree",
        ],
        [[name, *values.values()] for name, values in figures.items()],
    )
    report("verification", {"pairs": len(pairs), "forms": figures}, arguments.json)


if __name__ == "__main__":
    main()
