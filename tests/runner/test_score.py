"""Accuracy from scores: ties, numbers that aren't finite, and which pass counts."""

import numpy as np
import pytest

from autograder.runner.score import Scores, accuracy_percent, score, surest_mistakes


def one_hot(answers: list[int], classes: int = 4) -> Scores:
    return np.eye(classes, dtype=np.float32)[answers]


def test_accuracy_is_exact_at_the_bounds() -> None:
    for total, right in ((10_000, 7_000), (200, 60), (1_000, 300), (9, 3)):
        labels = np.zeros(total, dtype=np.int64)
        scores = one_hot([0] * right + [1] * (total - right))
        assert accuracy_percent(scores, labels) == 100 * right / total
    assert accuracy_percent(one_hot([0] * 7 + [1] * 3), np.zeros(10, dtype=np.int64)) == 70.0


def test_of_equal_scores_the_first_is_the_answer() -> None:
    assert accuracy_percent(np.zeros((4, 4), np.float32), np.arange(4)) == 25.0
    assert accuracy_percent(np.array([[0, 5, 5]], np.float32), np.array([1])) == 100.0
    assert accuracy_percent(np.array([[0, 5, 5]], np.float32), np.array([2])) == 0.0


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_score_that_is_not_finite_is_never_right(bad: float) -> None:
    for place in range(4):
        scores = one_hot([0, 1, 2, 3])
        scores[:, place] = bad
        result = score({"eval": scores, "as_left": scores}, np.arange(4))
        assert result.counted_percent == 0.0
        assert [row[-1] for row in result.confusion] == [1, 1, 1, 1]


def test_the_better_pass_counts_and_eval_where_equal() -> None:
    labels = np.array([0, 1, 2, 3])
    good, poor = one_hot([0, 1, 2, 0]), one_hot([0, 0, 0, 0])
    first = score({"eval": poor, "as_left": good}, labels)
    assert (first.counted, first.counted_percent, first.eval_percent, first.as_left_percent) == ("as_left", 75, 25, 75)
    assert first.confusion == [[1, 0, 0, 0, 0], [0, 1, 0, 0, 0], [0, 0, 1, 0, 0], [1, 0, 0, 0, 0]]
    assert score({"eval": good, "as_left": poor}, labels).counted == "eval"
    assert score({"eval": good, "as_left": good}, labels).counted == "eval"


def test_a_pass_that_was_not_answered_does_not_count() -> None:
    labels = np.array([0, 1, 2, 3])
    poor = one_hot([0, 0, 0, 0])
    only = score({"as_left": poor}, labels)
    assert (only.counted, only.counted_percent, only.eval_percent) == ("as_left", 25, None)
    with pytest.raises(ValueError, match="no pass"):
        score({}, labels)


def test_accuracy_of_a_class_without_images_is_unknown() -> None:
    scores = one_hot([0, 1, 1])
    result = score({"eval": scores, "as_left": scores}, np.array([0, 0, 1]))
    assert result.class_percent == [50.0, 100.0, None, None]


def test_the_confusion_matrix_counts_every_image_once() -> None:
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(500, 10)).astype(np.float32)
    labels = rng.integers(0, 10, 500)
    result = score({"eval": scores, "as_left": scores[:, ::-1].copy()}, labels)
    assert np.array(result.confusion).sum(axis=1).tolist() == np.bincount(labels, minlength=10).tolist()
    assert sum(result.confusion[k][k] for k in range(10)) == round(result.counted_percent * 5)


@pytest.mark.parametrize(
    ("shape", "labels"),
    [((3, 4), [0, 1]), ((3,), [0, 1, 2]), ((0, 4), []), ((2, 4), [0, 4]), ((2, 4), [-1, 0]), ((1, 0), [0])],
)
def test_arrays_that_do_not_fit_are_an_error(shape: tuple[int, ...], labels: list[int]) -> None:
    with pytest.raises(ValueError, match=r"belong together|classes"):
        accuracy_percent(np.zeros(shape, np.float32), np.array(labels, dtype=np.int64))


def test_the_surest_mistakes_come_first() -> None:
    scores = np.array([[5, 0, 0], [0, 9, 0], [2, 0, 0], [0, 0, 4], [np.nan, 0, 0], [0, 30, -900]], np.float32)
    labels = np.array([0, 0, 1, 1, 0, 0], np.int64)
    found = surest_mistakes(scores, labels, 3)
    assert [(image, answered) for image, answered, _ in found] == [(5, 1), (1, 1), (3, 2)]  # 4 has no answer
    assert [sure for *_, sure in found] == pytest.approx([100, 99.98, 96.47], abs=0.01)
    assert len(surest_mistakes(scores, labels, 99)) == 4
    right = np.eye(3, dtype=np.float32)
    assert surest_mistakes(right, np.arange(3), 5) == []
