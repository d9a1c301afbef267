"""Other measures than accuracy: by torchmetrics, and right where one can count on one's fingers."""

import numpy as np
import pytest

from autograder.course import measure
from autograder.errors import KitError
from autograder.runner import score

NAN = float("nan")
LABELS = np.array([0, 1, 2, 2])
SCORES = np.array([[9, 1, 0], [5, 4, 0], [0, 1, 2], [NAN, 1, 2]], dtype=np.float32)


def measured(passes: dict[str, np.ndarray], targets: np.ndarray, name: str) -> score.Score:
    return score.measured(passes, targets, measure.of(name), name)


def test_accuracy_is_as_ever() -> None:
    assert measured({"eval": SCORES}, LABELS, "accuracy") == score.score({"eval": SCORES}, LABELS)


def test_the_class_is_among_the_first_two() -> None:
    found = measured({"eval": SCORES}, LABELS, "top-2")
    assert found.counted_percent == pytest.approx(75.0)  # all but the one without a finite answer
    assert found.confusion[2][3] == 1


def test_f1_is_the_mean_over_the_classes() -> None:
    # Class 0: 1 right, 1 taken for it: 2/3. Class 1: never answered: 0. Class 2: 1 of 2 found, none taken for it: 2/3.
    assert measured({"eval": SCORES}, LABELS, "f1").counted_percent == pytest.approx(100 * (2 / 3 + 0 + 2 / 3) / 3)


def test_errors_are_of_all_numbers_and_the_smaller_one_counts() -> None:
    targets = np.zeros((2, 1, 2), dtype=np.float32)
    passes = {"eval": np.full((2, 1, 2), 2, dtype=np.float32), "as_left": np.full((2, 1, 2), -1, dtype=np.float32)}
    squares, differences = (measured(passes, targets, name) for name in ("mse", "mae"))
    assert (squares.eval_percent, squares.as_left_percent) == (4.0, 1.0)
    assert (differences.eval_percent, differences.as_left_percent) == (2.0, 1.0)
    assert squares.counted == "as_left"
    assert (squares.shown, squares.exact, squares.confusion) == ("1 error", "1 error", [])


def test_answers_that_are_no_numbers_are_the_largest_error() -> None:
    passes = {"eval": np.full((2, 3), NAN, dtype=np.float32)}
    assert measured(passes, np.zeros((2, 3), dtype=np.float32), "mae").counted_percent == measure.LARGEST_ERROR


def test_shapes_have_to_fit() -> None:
    with pytest.raises(ValueError, match="don't belong together"):
        measured({"eval": np.zeros((2, 3), dtype=np.float32)}, np.zeros((2, 1), dtype=np.float32), "mse")


@pytest.mark.parametrize("name", ["", "top-0", "rmse", "top-"])
def test_another_measure_is_refused(name: str) -> None:
    with pytest.raises(KitError, match="is no measure"):
        measure.of(name)
