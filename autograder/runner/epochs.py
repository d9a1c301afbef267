"""How a network did after each epoch of a proctored run. Points never come from here.

Called by `evaluate`, and by the pages for the average.
"""

import math
import statistics
from collections.abc import Sequence

import numpy as np

from autograder.observations import Epoch, TrainingReport
from autograder.runner.score import Labels, Scores, accuracy_percent


def proctored(report: TrainingReport, epoch_images: int, scores: Sequence[Scores], labels: Labels) -> list[Epoch]:
    """What the run showed.

    Args:
        report: its losses are those of single batches, by how many images had been served.
        scores: (M, classes) float32 for each epoch from the first on, of the network as it was after it, in eval mode.
        labels: (M,) of the same images.
    """
    epochs = []
    for number, answered in enumerate(scores, 1):
        begin, end = (number - 1) * epoch_images, number * epoch_images
        losses = [loss for images, loss in report.losses if begin < images <= end and math.isfinite(loss)]
        epochs.append(
            Epoch(
                epoch=number,
                train_loss=statistics.fmean(losses) if losses else None,
                test_loss=_cross_entropy(answered, labels),
                accuracy_percent=accuracy_percent(answered, labels),
            )
        )
    return epochs


def average_error_percent(epochs: Sequence[Epoch]) -> float:
    """The mean of 100 - accuracy over `epochs`, of which there is at least one."""
    return statistics.fmean(100 - epoch.accuracy_percent for epoch in epochs)


def _cross_entropy(scores: Scores, labels: Labels) -> float | None:
    """Mean over the images of -log softmax at the label; None when a score isn't finite."""
    if not np.isfinite(scores).all():
        return None
    exact = scores.astype(np.float64)
    shifted = exact - exact.max(axis=1, keepdims=True)
    logs = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return float(-logs[np.arange(len(labels)), labels].mean())
