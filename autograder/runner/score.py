"""Scores and labels to accuracy, or another measure: the only place where a submission's answers meet the labels.

Called by `evaluate`, `audit` and `epochs`, outside the sandbox. Takes arrays and gives numbers; knows no points.
"""

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

from autograder.course import measure
from autograder.course.measure import LARGEST_ERROR, Measure
from autograder.errors import KitError
from autograder.files import PARSING

Scores = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]
Pass = Literal["eval", "as_left"]
PASSES: tuple[Pass, ...] = ("eval", "as_left")


class Score(BaseModel):
    """How well a network did on the test images.

    Attributes:
        measure: what these numbers are, as `course/measure.py` has it. Where it is an error they aren't percent.
        eval_percent, as_left_percent: accuracy in eval mode, and in the mode and batch size the script left; None
            for a pass that the network couldn't answer to the end.
        counted: the pass that counts, the better one.
        counted_percent: its accuracy.
        confusion: images of the counted pass, [true class][answered class]; the last column is for images without a
            finite answer, so a row's sum is the number of images of that class. [] of errors.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    eval_percent: float | None
    as_left_percent: float | None
    counted: Pass
    counted_percent: float
    confusion: list[list[int]]
    measure: str = "accuracy"

    @property
    def measured(self) -> Measure:
        """What it is measured by."""
        return measure.of(self.measure)

    @property
    def shown(self) -> str:
        """What counts, as people read it: `81.3%`."""
        return self.measured.shown(self.counted_percent)

    def text(self, value: float | None, digits: int = 1) -> str:
        """A number of this measure as people read it; `-` for None."""
        return "-" if value is None else self.measured.shown(value, digits)

    @property
    def exact(self) -> str:
        """The same with two digits: `81.27%`."""
        return self.measured.shown(self.counted_percent, 2)

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
    return Score(
        eval_percent=percents.get("eval"),
        as_left_percent=percents.get("as_left"),
        counted=counted,
        counted_percent=percents[counted],
        confusion=_confusion(passes[counted], labels),
    )


def _confusion(scores: Scores, labels: Labels) -> list[list[int]]:
    classes = scores.shape[1]
    confusion = np.zeros((classes, classes + 1), dtype=np.int64)
    np.add.at(confusion, (labels, _answers(scores, labels)), 1)
    found: list[list[int]] = confusion.tolist()
    return found


def measured(
    passes: Mapping[str, npt.NDArray[np.float32]], targets: npt.NDArray[Any], asked: Measure, name: str
) -> Score:
    """The same by another measure than accuracy, which is called `name`; by torchmetrics.

    Args:
        passes: (M, classes), or of errors (M, ...) as the targets.
        targets: (M,) int64, or (M, ...) float32.

    Raises ValueError where the shapes don't fit, and when there is no pass; KitError without torchmetrics.
    """
    if asked.kind == "accuracy":
        return score(passes, targets)
    values = {key: _measured(passes[key], targets, asked) for key in PASSES if key in passes}
    if not values:
        raise ValueError("no pass was answered")
    counted = PASSES[0] if PASSES[0] in values else PASSES[1]
    for key, value in values.items():
        if asked.better(value, values[counted]):
            counted = key
    return Score(
        eval_percent=values.get("eval"),
        as_left_percent=values.get("as_left"),
        counted=counted,
        counted_percent=values[counted],
        confusion=[] if asked.is_error else _confusion(passes[counted], targets),
        measure=name,
    )


def _measured(answers: npt.NDArray[np.float32], targets: npt.NDArray[Any], asked: Measure) -> float:
    functional = _torchmetrics()
    import torch

    if asked.is_error:
        if answers.shape != targets.shape or not len(targets):
            raise ValueError(f"answers {answers.shape} and targets {targets.shape} don't belong together")
        exact = np.nan_to_num(
            answers.astype(np.float64), nan=LARGEST_ERROR, posinf=LARGEST_ERROR, neginf=-LARGEST_ERROR
        )
        flat = torch.from_numpy(exact.reshape(-1)), torch.from_numpy(targets.astype(np.float64).reshape(-1))
        mean = functional.mean_squared_error if asked.kind == "mse" else functional.mean_absolute_error
        return min(float(mean(*flat)), LARGEST_ERROR)
    classes = answers.shape[1]
    answered, right = torch.from_numpy(_answers(answers, targets)), torch.from_numpy(np.array(targets))
    if asked.kind == "top":
        finite = answered >= 0  # an image without a finite answer is never right
        most = min(asked.most, classes)
        scores = torch.from_numpy(np.nan_to_num(answers))[finite]
        share = 0.0
        if bool(finite.any()):
            kept = right[finite]
            share = float(
                functional.classification.multiclass_accuracy(
                    scores, kept, num_classes=classes, top_k=most, average="micro"
                )
            )
        return 100 * share * int(finite.sum()) / len(right)
    answered[answered < 0] = classes  # a class of its own, which nothing has
    each = functional.classification.multiclass_f1_score(answered, right, num_classes=classes + 1, average="none")
    return 100 * float(each[:classes].double().mean())


def _torchmetrics() -> Any:
    """torchmetrics.functional. What it imports parses Python, and another thread may run checks."""
    with PARSING:
        try:
            from torchmetrics import functional
        except ImportError as error:
            hint = "pip install torchmetrics"
            raise KitError("this homework's score needs torchmetrics, not installed here", hint) from error
    return functional


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
