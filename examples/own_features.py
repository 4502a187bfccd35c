"""The method on feature arrays of one's own, without any photo."""

import numpy as np

import steeple


def unit(vectors: np.ndarray) -> np.ndarray:
    """Rows of length one."""
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def main() -> None:
    """Makes descriptors of 50 landmarks, half of them seen from two sides, and re-ranks."""
    random = np.random.default_rng(0)
    sides = random.standard_normal((100, 64))  # side 0 and 1 of landmark 0, of landmark 1, ...

    def photos(count: int) -> tuple[np.ndarray, np.ndarray]:
        side = random.integers(len(sides), size=count)
        noise = 1.1 * random.standard_normal((count, 64))
        return unit(sides[side] + noise).astype(np.float32), side // 2

    training, labels = photos(2000)
    index, shown = photos(3000)
    queries, wanted = photos(200)

    neighbours = steeple.search_neighbors(queries, index, k=100)
    query_votes = steeple.soft_vote(queries, training, labels)
    index_votes = steeple.soft_vote(index, training, labels)
    ranking = steeple.two_stage(neighbours, query_votes, index_votes, threshold=0.6)

    solution = {
        str(q): [str(i) for i in np.flatnonzero(shown == landmark)]
        for q, landmark in enumerate(wanted)
    }
    for name, result in (("k-NN", neighbours), ("two-stage", ranking)):
        found = {str(q): [str(i) for i in ids if i >= 0] for q, ids in enumerate(result.ids)}
        score = steeple.evaluation.mean_average_precision(found, solution)
        print(f"{name:10} mAP@100 {100 * score:.1f}")


if __name__ == "__main__":
    main()
