"""The class report's figure of what this machine's GPUs did while the class ran, from nvidia-smi's record.

Called by `grading/class_files.py`, and drawn by `class_report`. Decides nothing.
"""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from autograder.publish.charts import drawing
from autograder.runner.nvidia_smi import EVERY_S, Sample

PARTS = 60  # of a line; the table has tenths
TENTHS = 10


@dataclass(frozen=True)
class Line:
    """One GPU's samples, ready to be drawn.

    Attributes:
        path: SVG path data.
        percent: the mean of all.
        tenths: the mean of each tenth of the time.
        most_mib, total_mib: memory in use at most, of so much.
    """

    gpu: int
    name: str
    path: str
    percent: float
    tenths: list[float]
    most_mib: float
    total_mib: float


@dataclass(frozen=True)
class Use:
    """All GPUs' lines; `seconds` is how long was recorded."""

    seconds: float
    lines: list[Line]


def plot(samples: Sequence[Sample]) -> Use | None:
    """The plot, or None where there are too few samples for a line."""
    by_gpu: dict[int, list[Sample]] = {}
    for sample in samples:
        by_gpu.setdefault(sample.gpu, []).append(sample)
    enough = {gpu: seen for gpu, seen in sorted(by_gpu.items()) if len(seen) >= TENTHS}
    if not enough:
        return None
    return Use(
        seconds=EVERY_S * max(map(len, enough.values())), lines=[_line(gpu, seen) for gpu, seen in enough.items()]
    )


def _line(gpu: int, seen: Sequence[Sample]) -> Line:
    percents = [sample.percent for sample in seen]
    means = _means(percents, min(PARTS, len(seen)))
    return Line(
        gpu=gpu,
        name=seen[-1].name,
        path=drawing.path(
            (drawing.x((part + 0.5) / len(means)), drawing.y(min(mean, 100) / 100)) for part, mean in enumerate(means)
        ),
        percent=statistics.fmean(percents),
        tenths=_means(percents, TENTHS),
        most_mib=max(sample.used_mib for sample in seen),
        total_mib=seen[-1].total_mib,
    )


def _means(values: Sequence[float], parts: int) -> list[float]:
    bounds = [len(values) * part // parts for part in range(parts + 1)]
    return [statistics.fmean(values[begin:end]) for begin, end in pairwise(bounds)]
