"""Every metric against numbers worked out by hand, a literal slow reference, and its properties."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steeple.datasets.pickles import read_plain_pickle
from steeple.errors import InputError
from steeple.evaluation import (
    global_average_precision,
    mean_average_precision,
    mean_position,
    mean_precision,
    median_position,
    revisited,
    top_1_accuracy,
)

IDS = list("abcdefgh")
QUERIES = ["q1", "q2", "q3", "q4"]
images = st.lists(st.sampled_from(IDS), max_size=12)
predictions_of_images = st.dictionaries(st.sampled_from([*QUERIES, "other"]), images)
predictions_or_none = st.dictionaries(st.sampled_from([*QUERIES, "other"]), images | st.none())
solutions_of_images = st.dictionaries(
    st.sampled_from(QUERIES), st.one_of(images, st.just(["None"]), st.none()), min_size=1
)


def slow_average_precision(predicted: list[str], relevant: set[str], k: int) -> Fraction:
    """The formula read aloud: at each rank look back at all ranks before."""
    total = Fraction(0)
    for r in range(1, k + 1):
        if r > len(predicted):
            break
        item = predicted[r - 1]
        is_new = item not in predicted[: r - 1]
        if item in relevant and is_new:
            found = {other for other in predicted[:r] if other in relevant}
            total += Fraction(len(found), r)
    return total / min(len(relevant), k)


def slow_relevant(solution: dict[str, Any]) -> dict[str, set[str]]:
    kept = {}
    for query, answer in solution.items():
        if answer is None or answer in ([], ["None"]):
            continue
        kept[query] = set(answer)
    return kept


class TestMeanAveragePrecision:
    def test_by_hand(self) -> None:
        # a at rank 1, c at rank 3, of three: (1/1 + 2/3) / 3.
        value = mean_average_precision({"q": ["a", "x", "c"]}, {"q": ["a", "b", "c"]})
        assert value == pytest.approx((1 + 2 / 3) / 3)

    def test_the_mean_over_the_queries_of_the_solution(self) -> None:
        solution = {"q1": ["a"], "q2": ["a"], "q3": ["a"]}
        assert mean_average_precision({"q1": ["a"], "q2": ["x", "a"]}, solution) == 0.5

    def test_k_cuts_the_list_and_the_divisor(self) -> None:
        solution = {"q": ["a", "b", "c"]}
        assert mean_average_precision({"q": ["a", "b", "c"]}, solution, k=2) == 1.0
        assert mean_average_precision({"q": ["x", "y", "a"]}, solution, k=2) == 0.0

    def test_one_hundred_is_the_default(self) -> None:
        many = [str(number) for number in range(150)]
        assert mean_average_precision({"q": many}, {"q": many}) == 1.0
        assert mean_average_precision({"q": ["x"] * 100 + ["a"]}, {"q": ["a"]}) == 0.0

    def test_a_repeated_id_counts_once_and_occupies_its_rank(self) -> None:
        value = mean_average_precision({"q": ["a", "a", "b"]}, {"q": ["a", "b"]})
        assert value == pytest.approx((1 + 2 / 3) / 2)

    def test_a_repeated_id_in_the_solution_counts_once(self) -> None:
        assert mean_average_precision({"q": ["a"]}, {"q": ["a", "a"]}) == 1.0

    @pytest.mark.parametrize("ignored", [[], None, ["None"], [""]])
    def test_ignored_queries_are_left_out(self, ignored: Any) -> None:
        predictions = {"q1": ["a"], "q2": ["a"]}
        assert mean_average_precision(predictions, {"q1": ["a"], "q2": ignored}) == 1.0
        assert mean_average_precision(predictions, {"q2": ignored}) == 0.0

    def test_a_query_without_prediction_scores_0(self) -> None:
        solution = {"q1": ["a"], "q2": ["a"], "q3": ["a"], "q4": ["a"]}
        assert mean_average_precision({"q1": ["a"], "q2": [], "q3": None}, solution) == 0.25

    def test_a_query_outside_the_solution_is_left_out(self) -> None:
        assert mean_average_precision({"q": ["a"], "z": ["x"]}, {"q": ["a"]}) == 1.0

    @pytest.mark.parametrize("k", [0, -1])
    def test_k_below_1(self, k: int) -> None:
        with pytest.raises(InputError, match="give 1 or more"):
            mean_average_precision({}, {}, k=k)

    @given(predictions_of_images, solutions_of_images, st.integers(1, 12))
    def test_against_the_reference(
        self, predictions: dict[str, list[str]], solution: dict[str, Any], k: int
    ) -> None:
        relevant = slow_relevant(solution)
        expected = Fraction(0)
        for query, ids in relevant.items():
            expected += slow_average_precision(predictions.get(query, []), ids, k)
        if relevant:
            expected /= len(relevant)
        assert mean_average_precision(predictions, solution, k) == pytest.approx(float(expected))

    @given(solutions_of_images, st.integers(1, 12))
    def test_a_perfect_ranking_is_1(self, solution: dict[str, Any], k: int) -> None:
        relevant = slow_relevant(solution)
        perfect = {query: sorted(ids) for query, ids in relevant.items()}
        assert mean_average_precision(perfect, solution, k) == pytest.approx(float(bool(relevant)))

    @given(predictions_of_images, solutions_of_images, st.integers(1, 12))
    def test_the_order_of_the_queries_does_not_matter(
        self, predictions: dict[str, list[str]], solution: dict[str, Any], k: int
    ) -> None:
        value = mean_average_precision(predictions, solution, k)
        again = mean_average_precision(
            dict(reversed(predictions.items())), dict(reversed(solution.items())), k
        )
        assert again == pytest.approx(value)
        assert 0 <= value <= 1

    @given(predictions_of_images, solutions_of_images, st.integers(1, 12))
    def test_a_wrong_one_at_the_end_changes_nothing(
        self, predictions: dict[str, list[str]], solution: dict[str, Any], k: int
    ) -> None:
        longer = {query: [*ids, "wrong"] for query, ids in predictions.items()}
        assert mean_average_precision(longer, solution, k) == mean_average_precision(
            predictions, solution, k
        )


class TestMeanPrecision:
    def test_by_hand(self) -> None:
        predictions, solution = (
            {"q1": ["a", "x", "b"], "q2": ["x"]},
            {"q1": ["a", "b"], "q2": ["a"]},
        )
        assert mean_precision(predictions, solution, k=1) == 0.5
        assert mean_precision(predictions, solution, k=3) == pytest.approx((2 / 3 + 0) / 2)

    def test_a_short_list_is_divided_by_k(self) -> None:
        assert mean_precision({"q": ["a"]}, {"q": ["a"]}, k=10) == pytest.approx(0.1)

    def test_a_repeated_id_counts_once(self) -> None:
        assert mean_precision({"q": ["a", "a"]}, {"q": ["a"]}, k=2) == 0.5

    def test_no_query_to_score(self) -> None:
        assert mean_precision({"q": ["a"]}, {"q": []}, k=2) == 0.0

    @given(predictions_or_none, solutions_of_images, st.integers(1, 12))
    def test_against_the_reference(
        self, predictions: dict[str, list[str] | None], solution: dict[str, Any], k: int
    ) -> None:
        relevant = slow_relevant(solution)
        shares = [
            len(set((predictions.get(query) or [])[:k]) & ids) / k
            for query, ids in relevant.items()
        ]
        expected = sum(shares) / len(shares) if shares else 0.0
        assert mean_precision(predictions, solution, k) == pytest.approx(expected)


class TestPosition:
    def test_by_hand(self) -> None:
        solution = {"q1": ["a"], "q2": ["a", "b"], "q3": ["a"], "q4": [], "q5": ["a"]}
        predictions = {"q1": ["a"], "q2": ["x", "y", "b", "a"], "q3": ["x"], "q4": ["x"]}
        # At 1 and 3, and twice not among the first 100.
        assert mean_position(predictions, solution) == (1 + 3 + 101 + 101) / 4
        assert median_position(predictions, solution) == (3 + 101) / 2

    def test_k_cuts_the_list(self) -> None:
        assert mean_position({"q": ["x", "a"]}, {"q": ["a"]}, k=1) == 2
        assert median_position({"q": ["x", "a"]}, {"q": ["a"]}, k=1) == 2
        assert mean_position({"q": ["x", "a"]}, {"q": ["a"]}, k=2) == 2

    def test_no_query_to_score(self) -> None:
        assert mean_position({"q": ["a"]}, {"q": ["None"]}) == 0.0
        assert median_position({"q": ["a"]}, {}) == 0.0

    def test_k_below_1(self) -> None:
        for metric in (mean_position, median_position):
            with pytest.raises(InputError, match="give 1 or more"):
                metric({}, {}, k=0)

    @given(predictions_or_none, solutions_of_images, st.integers(1, 12))
    def test_against_the_reference(
        self, predictions: dict[str, list[str] | None], solution: dict[str, Any], k: int
    ) -> None:
        positions = []
        for query, relevant in slow_relevant(solution).items():
            position, ranking = k + 1, predictions.get(query) or []
            for rank in range(min(k, len(ranking)), 0, -1):
                if ranking[rank - 1] in relevant:
                    position = rank
            positions.append(position)
        if not positions:
            positions = [0]
        assert mean_position(predictions, solution, k) == pytest.approx(np.mean(positions))
        assert median_position(predictions, solution, k) == np.median(positions)


landmarks = st.integers(1, 4)
scores = st.sampled_from([0.0, 0.25, 0.5, 1.0])
predictions_of_landmarks = st.dictionaries(
    st.sampled_from([*QUERIES, "other"]), st.one_of(st.none(), st.tuples(landmarks, scores))
)
solutions_of_landmarks = st.dictionaries(
    st.sampled_from(QUERIES), st.lists(landmarks, max_size=2), min_size=1
)


def slow_global_average_precision(
    predictions: dict[str, Any], solution: dict[str, Any], ignore_non_landmarks: bool
) -> float:
    """Insertion of every prediction at its place, then P(i) counted anew at every i."""
    ordered: list[tuple[str, Any, float]] = []
    for query in sorted(predictions):
        if predictions[query] is None or query not in solution:
            continue
        if ignore_non_landmarks and not solution[query]:
            continue
        landmark, score = predictions[query]
        at = 0
        while at < len(ordered) and ordered[at][2] >= score:
            at += 1
        ordered.insert(at, (query, landmark, score))
    right = [landmark in solution[query] for query, landmark, _ in ordered]
    expected = len([query for query in solution if solution[query]])
    if not expected:
        return 0.0
    return sum(right[i] * sum(right[: i + 1]) / (i + 1) for i in range(len(right))) / expected


class TestGlobalAveragePrecision:
    def test_by_hand(self) -> None:
        predictions = {"q1": (7, 0.9), "q2": (8, 0.8), "q3": (9, 0.7), "q4": (5, 0.1)}
        solution = {"q1": [7], "q2": [], "q3": [9], "q4": [6]}
        # right at ranks 1 and 3, three queries show a landmark.
        assert global_average_precision(predictions, solution) == pytest.approx((1 + 2 / 3) / 3)
        assert global_average_precision(
            predictions, solution, ignore_non_landmarks=True
        ) == pytest.approx((1 + 1) / 3)

    def test_ties_go_by_query_id_and_not_by_insertion(self) -> None:
        solution = {"a": [1], "b": [2]}
        wrong_first = {"b": (2, 0.5), "a": (9, 0.5)}
        right_first = {"b": (9, 0.5), "a": (1, 0.5)}
        assert global_average_precision(wrong_first, solution) == pytest.approx(0.5 / 2)
        assert global_average_precision(right_first, solution) == pytest.approx(1 / 2)

    def test_no_prediction(self) -> None:
        solution = {"a": ["1"], "b": ["1"], "c": ["1"]}
        predictions = {"a": ("1", 0.5), "b": None}
        assert global_average_precision(predictions, solution) == pytest.approx(1 / 3)
        assert global_average_precision({"a": (None, 9.0)}, solution) == 0.0

    @pytest.mark.parametrize("nothing", [[], None, ["None"], [""]])
    def test_a_query_that_shows_no_landmark(self, nothing: Any) -> None:
        solution = {"a": [1], "b": nothing}
        predictions = {"a": (1, 0.5), "b": (1, 0.9)}
        assert global_average_precision(predictions, solution) == 0.5
        assert global_average_precision(predictions, solution, True) == 1.0
        assert global_average_precision(predictions, {"b": nothing}) == 0.0

    @pytest.mark.parametrize("predicted", [12, "12", np.int64(12)])
    @pytest.mark.parametrize("true", [12, "12", np.int64(12)])
    def test_numbers_and_their_digits_are_one_landmark(self, predicted: Any, true: Any) -> None:
        assert global_average_precision({"a": (predicted, 1.0)}, {"a": [3, true]}) == 1.0

    def test_a_query_outside_the_solution_is_left_out(self) -> None:
        assert global_average_precision({"a": (1, 0.5), "z": (1, 0.9)}, {"a": [1]}) == 1.0

    def test_a_score_that_is_not_a_number(self) -> None:
        with pytest.raises(InputError, match="query a is not a number"):
            global_average_precision({"a": (1, float("nan"))}, {"a": [1]})

    @given(predictions_of_landmarks, solutions_of_landmarks, st.booleans())
    def test_against_the_reference(
        self, predictions: dict[str, Any], solution: dict[str, Any], ignore: bool
    ) -> None:
        assert global_average_precision(predictions, solution, ignore) == pytest.approx(
            slow_global_average_precision(predictions, solution, ignore)
        )

    @given(predictions_of_landmarks, solutions_of_landmarks, st.booleans())
    def test_properties(
        self, predictions: dict[str, Any], solution: dict[str, Any], ignore: bool
    ) -> None:
        value = global_average_precision(predictions, solution, ignore)
        assert 0 <= value <= 1
        again = dict(reversed(predictions.items()))
        assert global_average_precision(again, solution, ignore) == value
        later = {**predictions, "zz": (99, -1.0)}
        assert global_average_precision(later, {**solution, "zz": []}, ignore) == value

    @given(solutions_of_landmarks, st.booleans())
    def test_perfect_is_1(self, solution: dict[str, Any], ignore: bool) -> None:
        perfect = {query: (found[0], 0.5) for query, found in solution.items() if found}
        assert global_average_precision(perfect, solution, ignore) == pytest.approx(
            float(bool(perfect))
        )


class TestTop1:
    def test_by_hand(self) -> None:
        solution = {"a": [1, 2], "b": [2], "c": [3], "d": [], "e": None}
        predictions = {"a": ("2", 0.1), "b": (3, 0.9), "d": (1, 0.9), "other": (1, 0.9)}
        assert top_1_accuracy(predictions, solution) == pytest.approx(1 / 3)

    @pytest.mark.parametrize("nothing", [[], None, ["None"], [""]])
    def test_nothing_to_name(self, nothing: Any) -> None:
        assert top_1_accuracy({"a": (1, 0.5)}, {"a": nothing}) == 0.0

    def test_no_prediction_is_a_wrong_one(self) -> None:
        solution = {"a": ["1"], "b": ["1"], "c": ["None", "1"]}
        assert top_1_accuracy({"a": None, "c": (None, 1.0)}, solution) == 0.0

    @given(predictions_of_landmarks, solutions_of_landmarks)
    def test_against_the_reference(
        self, predictions: dict[str, Any], solution: dict[str, Any]
    ) -> None:
        right = [
            predictions.get(query) is not None and predictions[query][0] in shown
            for query, shown in solution.items()
            if shown
        ]
        expected = sum(right) / len(right) if right else 0.0
        assert top_1_accuracy(predictions, solution) == pytest.approx(expected)
        # The scores say nothing, and wrong answers elsewhere do not either.
        others = {query: p and (p[0], -p[1]) for query, p in predictions.items()} | {"no": (1, 1.0)}
        assert top_1_accuracy(others, solution) == pytest.approx(expected)


def slow_revisited(
    ranking: list[int], right: set[int], junk: set[int]
) -> tuple[float, dict[int, float]] | None:
    """AP as the area under straight lines between (recall, precision) before and after each hit."""
    if not right:
        return None
    kept = [image for image in ranking if image not in junk]
    area, precision_before = 0.0, 1.0
    for at, image in enumerate(kept):
        seen = len(right.intersection(kept[: at + 1]))
        precision = seen / (at + 1)
        if image in right:
            # Before the hit the precision is that of the ranks above it, at rank 1 taken as 1.
            area += (precision_before + precision) / 2 / len(right)
        precision_before = precision
    places = [at + 1 for at, image in enumerate(kept) if image in right]
    precisions = {}
    for k in (1, 5, 10):
        cut = min(k, max(places)) if places else k
        precisions[k] = len([place for place in places if place <= cut]) / cut
    return area, precisions


PROTOCOLS = {
    "easy": (["easy"], ["junk", "hard"]),
    "medium": (["easy", "hard"], ["junk"]),
    "hard": (["hard"], ["junk", "easy"]),
}


@st.composite
def revisited_cases(draw: st.DrawFn) -> tuple[np.ndarray, list[dict[str, Any]]]:
    images = draw(st.integers(1, 14))
    columns, truth = [], []
    for _ in range(draw(st.integers(1, 3))):
        columns.append(draw(st.permutations(range(images))))
        labels = draw(st.lists(st.sampled_from("ehj-"), min_size=images, max_size=images))
        truth.append(
            {
                name: [image for image, label in enumerate(labels) if label == letter]
                for name, letter in (("easy", "e"), ("hard", "h"), ("junk", "j"))
            }
        )
    return np.array(columns).T, truth


class TestRevisited:
    def test_by_hand(self) -> None:
        # Ranking 4 0 3 1 2: junk 4 goes, easy 0 and 1 at ranks 0 and 2, hard 3 at rank 1.
        truth = [{"easy": [0, 1], "hard": [3], "junk": [4], "bbx": [0, 0, 1, 1]}]
        result = revisited(np.array([[4], [0], [3], [1], [2]]), truth)
        assert result["easy"] == pytest.approx(
            {"map": 1.0, "mp@1": 1.0, "mp@5": 1.0, "mp@10": 1.0}  # 3 is junk here
        )
        assert result["medium"]["map"] == pytest.approx(1.0)
        assert result["hard"] == pytest.approx({"map": 1.0, "mp@1": 1.0, "mp@5": 1.0, "mp@10": 1.0})

    def test_trapezoids_by_hand(self) -> None:
        # One positive at rank 1: (0/1 + 1/2) / 2 = 1/4; P@5 is cut at rank 2: 1/2.
        truth = [{"easy": [7], "hard": [], "junk": []}]
        result = revisited(np.array([[3], [7], [5]]), truth)
        assert result["easy"] == pytest.approx(
            {"map": 0.25, "mp@1": 0.0, "mp@5": 0.5, "mp@10": 0.5}
        )

    def test_queries_without_positives_are_skipped(self) -> None:
        truth = [{"easy": [0], "hard": [], "junk": []}, {"easy": [], "hard": [0], "junk": []}]
        result = revisited(np.array([[0, 0], [1, 1]]), truth)
        assert [result[name]["map"] for name in PROTOCOLS] == [1.0, 1.0, 1.0]

    def test_a_protocol_without_any_query(self) -> None:
        result = revisited(np.array([[0]]), [{"easy": [0], "hard": [], "junk": []}])
        assert set(result["hard"].values()) == {0.0}

    def test_the_published_dictionary(self) -> None:
        labels = {"easy": [0], "hard": [1], "junk": []}
        truth = {"gnd": [labels], "imlist": ["a", "b"], "qimlist": ["q"]}
        ranks = np.array([[1], [0]])
        assert revisited(ranks, truth) == revisited(ranks, [labels])

    def test_the_best_few_with_pads(self) -> None:
        truth = [{"easy": [0, 9], "hard": [], "junk": []}]
        whole = revisited(np.array([[0], [3]]), truth)
        assert whole == revisited(np.array([[0], [3], [-1], [-1]]), truth)
        assert whole["easy"]["map"] == 0.5

    def test_nothing_found(self) -> None:
        result = revisited(np.array([[5]]), [{"easy": [0], "hard": [], "junk": []}])
        assert set(result["easy"].values()) == {0.0}

    @pytest.mark.parametrize(
        "ranks", [np.zeros(3, np.int64), np.zeros((3, 2), np.int64), np.zeros((3, 1), np.float32)]
    )
    def test_ranks_of_another_shape_or_type(self, ranks: np.ndarray) -> None:
        with pytest.raises(InputError, match=r"give integers \(N, 1\)"):
            revisited(ranks, [{"easy": [0], "hard": [], "junk": []}])

    def test_a_missing_list(self) -> None:
        with pytest.raises(InputError, match="query 0 has no list 'junk'"):
            revisited(np.array([[0]]), [{"easy": [0], "hard": []}])

    def test_an_image_twice(self) -> None:
        with pytest.raises(InputError, match="query 0 has an image twice"):
            revisited(np.array([[0], [0]]), [{"easy": [0], "hard": [], "junk": []}])

    @given(revisited_cases())
    def test_against_the_reference(self, case: tuple[np.ndarray, list[dict[str, Any]]]) -> None:
        ranks, truth = case
        result = revisited(ranks, truth)
        for protocol, (right, junk) in PROTOCOLS.items():
            found = [
                slow_revisited(
                    ranks[:, query].tolist(),
                    {image for name in right for image in labels[name]},
                    {image for name in junk for image in labels[name]},
                )
                for query, labels in enumerate(truth)
            ]
            counted = [each for each in found if each is not None]
            means = {"map": 0.0, "mp@1": 0.0, "mp@5": 0.0, "mp@10": 0.0}
            for area, precisions in counted:
                means["map"] += area / len(counted)
                for k, precision in precisions.items():
                    means[f"mp@{k}"] += precision / len(counted)
            assert result[protocol] == pytest.approx(means)

    @given(revisited_cases())
    def test_properties(self, case: tuple[np.ndarray, list[dict[str, Any]]]) -> None:
        ranks, truth = case
        result = revisited(ranks, truth)
        assert all(0 <= value <= 1 for values in result.values() for value in values.values())
        turned = revisited(ranks[:, ::-1], truth[::-1])
        for protocol, values in result.items():
            assert turned[protocol] == pytest.approx(values)
        perfect = np.array(
            [
                sorted(
                    ranks[:, query],
                    key=lambda image, labels=labels: image not in labels["easy"] + labels["hard"],
                )
                for query, labels in enumerate(truth)
            ]
        ).T
        some = any(labels["easy"] + labels["hard"] for labels in truth)
        assert revisited(perfect, truth)["medium"]["map"] == pytest.approx(float(some))

    @pytest.mark.parametrize("name", ["gnd_roxford5k", "gnd_rparis6k"])
    def test_the_published_ground_truth(self, shared: Path, name: str) -> None:
        path = shared / "groundtruth" / f"{name}.pkl"
        if not path.is_file():
            pytest.skip(f"{path.name} is not there")
        truth = read_plain_pickle(path)
        count = len(truth["imlist"])
        everything = np.arange(count)
        perfect = np.stack(
            [
                np.concatenate([right, np.setdiff1d(everything, right)])
                for labels in truth["gnd"]
                for right in [np.array(labels["easy"] + labels["hard"])]
            ],
            axis=1,
        )
        assert revisited(perfect, truth)["medium"]["map"] == pytest.approx(1.0)
        shuffled = np.random.default_rng(0).permuted(perfect, axis=0)
        for values in revisited(shuffled, truth).values():
            assert 0 < values["map"] < 0.1
