"""Scores and labels to accuracy: the only place where a submission's answers meet the labels.

Called by `evaluate`, `audit` and `epochs`, outside the sandbox. Takes arrays and gives numbers; knows no points.
"""

from collections.abc import Mapping
from typing import Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

Scores = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]
Pass = Literal["eval", "as_left"]
PASSES: tuple[Pass, ...] = ("eval", "as_left")


class Score(BaseModel):
    """How well a network did on the test images.

    Attributes:
        eval_percent, as_left_percent: accuracy in eval mode, and in the mode and batch size the script left; None
            for a pass that the network couldn't answer to the end.
        counted: the pass that counts, the better one.
        counted_percent: its accuracy.
        confusion: images of the counted pass, [true class][answered class]; the last column is for images without a
            finite answer, so a row's sum is the number of images of that class.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    eval_percent: float | None
    as_left_percent: float | None
    counted: Pass
    counted_percent: float
    confusion: list[list[int]]

    @property
    def class_percent(self) -> list[float | None]:
        """Accuracy of each class, in percent; None for one without test images."""
        return [
            100 * row[label] / sum(row) if sum(row) else None  # the diagonal over all images of the class
            for label, row in enumerate(self.confusion)
        ]


def accuracy_percent(scores: Scores, labels: Labels) -> float:
    """Share of images whose highest score is their label's, in percent.

    Of equal highest scores the first is the answer, as argmax has it. An image with a score that isn't finite has no
    answer, and is never right.

    Args:
        scores: (M, classes) float32.
        labels: (M,) int64 in [0, classes).

    Raises ValueError when the shapes don't fit or M is 0.
    """
    # Dividing last keeps bounds exact: 700 of 1000 is 70.0, never 70.00000000000001.
    return 100 * int((_answers(scores, labels) == labels).sum()) / len(labels)


def score(passes: Mapping[str, Scores], labels: Labels) -> Score:
    """Accuracy of the passes there are, "eval" and "as_left", and the confusion matrix of the better one.

    Raises ValueError as `accuracy_percent` does, and when there is no pass.
    """
    percents = {name: accuracy_percent(passes[name], labels) for name in PASSES if name in passes}
    if not percents:
        raise ValueError("no pass was answered")
    counted = max(percents, key=lambda name: percents[name])  # of equal ones the first: eval
    classes = passes[counted].shape[1]
    confusion = np.zeros((classes, classes + 1), dtype=np.int64)
    np.add.at(confusion, (labels, _answers(passes[counted], labels)), 1)
    return Score(
        eval_percent=percents.get("eval"),
        as_left_percent=percents.get("as_left"),
        counted=counted,
        counted_percent=percents[counted],
        confusion=confusion.tolist(),
    )


def surest_mistakes(scores: Scores, labels: Labels, most: int) -> list[tuple[int, int, float]]:
    """(image, class answered, probability of it in percent) of wrong answers, the surest first; at most `most`.

    The probability is the softmax of the scores. Images without a finite answer are none of these.
    """
    answers = _answers(scores, labels)
    wrong = np.flatnonzero((answers != labels) & (answers >= 0))
    finite = scores[wrong].astype(np.float64)
    powers = np.exp(finite - finite.max(axis=1, keepdims=True))
    sure = powers.max(axis=1) / powers.sum(axis=1)
    first = np.argsort(-sure, kind="stable")[:most]
    return [(int(wrong[at]), int(answers[wrong[at]]), round(100 * float(sure[at]), 2)) for at in first]


def _answers(scores: Scores, labels: Labels) -> Labels:
    """(M,) the class answered for each image; -1 for none, which as an index is the confusion matrix's last column."""
    if scores.ndim != 2 or labels.ndim != 1 or len(scores) != len(labels) or len(labels) == 0 or scores.shape[1] == 0:
        raise ValueError(f"scores {scores.shape} and labels {labels.shape} don't belong together")
    if labels.min() < 0 or labels.max() >= scores.shape[1]:
        raise ValueError(f"labels {labels.min()} to {labels.max()} of {scores.shape[1]} classes")
    answers: Labels = scores.argmax(axis=1).astype(np.int64)
    answers[~np.isfinite(scores).all(axis=1)] = -1
    return answers
