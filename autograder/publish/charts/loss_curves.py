"""Everybody's training losses, small: a plot each over one pair of axes, with the class's band behind it.

Called by `class_report`. Takes results and gives SVG paths and numbers for the templates. A class of a thousand has a
thousand of them, so a curve is few points on whole units.
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from autograder.publish.charts import drawing
from autograder.results.result import Result

PARTS = 24  # of the budget's images; a curve has the mean loss of each
QUARTER = PARTS // 4
WIDTH, HEIGHT = 120, 60  # of a plot, in its own units
FEWEST = 5  # runs from which on a band says something about a class

Means = list[float | None]
"""The mean of the finite losses in each of `PARTS` parts of the budget; None where there is none."""


@dataclass(frozen=True)
class Small:
    """One student's plot and numbers.

    Attributes:
        result: whose.
        path: SVG path data.
        quarters: the mean loss of each quarter of the budget; None where there is none.
        not_finite: how many of the losses are NaN or infinite.
    """

    result: Result
    path: str
    quarters: Means
    not_finite: int


@dataclass(frozen=True)
class Losses:
    """All plots.

    Attributes:
        top: the loss at the upper end of the axis; what is above it is drawn there.
        images: at the right end of the axis.
        band, median: SVG path data of what eight of ten runs stay within, and of the median; "" for a few runs.
        each: by student.
    """

    top: float
    images: int
    band: str
    median: str
    each: list[Small]


def of_class(results: Sequence[Result]) -> Losses | None:
    """The plots of those who trained, or None when nobody did."""
    trained = [result for result in results if result.training is not None and result.training.losses]
    if not trained:
        return None
    budget = trained[0].protocol.epochs * trained[0].dataset.train_images
    images = max([budget, *(_losses(result)[-1][0] for result in trained)]) or 1
    curves = [_means(_losses(result), images) for result in trained]
    finite = sorted(mean for curve in curves for mean in curve if mean is not None)
    # As in the large plots: a few huge losses would press everything else flat.
    top = drawing.round_up(finite[min(len(finite) - 1, len(finite) * 98 // 100)]) if finite else 1.0
    columns = [sorted(curve[part] for curve in curves if curve[part] is not None) for part in range(PARTS)]  # type: ignore[type-var]
    low: Means = [column[len(column) // 10] if len(column) >= FEWEST else None for column in columns]
    high: Means = [column[-1 - len(column) // 10] if len(column) >= FEWEST else None for column in columns]
    middle: Means = [statistics.median(column) if len(column) >= FEWEST else None for column in columns]  # type: ignore[type-var]
    return Losses(
        top=top,
        images=images,
        band=_band(low, high, top),
        median=_path(middle, top),
        each=[
            Small(
                result=result,
                path=_path(curve, top),
                quarters=[_mean(curve[start : start + QUARTER]) for start in range(0, PARTS, QUARTER)],
                not_finite=sum(not math.isfinite(loss) for _, loss in _losses(result)),
            )
            for result, curve in zip(trained, curves, strict=True)
        ],
    )


def _losses(result: Result) -> list[tuple[int, float]]:
    return [] if result.training is None else result.training.losses


def _means(losses: Sequence[tuple[int, float]], images: int) -> Means:
    parts: list[list[float]] = [[] for _ in range(PARTS)]
    for served, loss in losses:
        if math.isfinite(loss):
            parts[min(PARTS - 1, max(0, served - 1) * PARTS // images)].append(loss)
    return [_mean(part) for part in parts]


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.fmean(known) if known else None


def _place(part: int, loss: float, top: float) -> tuple[float, float]:
    return round(WIDTH * (part + 0.5) / PARTS), round(HEIGHT * (1 - min(max(loss / top, 0.0), 1.0)))


def _path(means: Means, top: float) -> str:
    path = drawing.path(None if mean is None else _place(part, mean, top) for part, mean in enumerate(means))
    return path and f"{path}h0"  # of a single point a round line end is left


def _band(low: Means, high: Means, top: float) -> str:
    """The area between two curves, over the first parts in a row that both have."""
    known = [part for part in range(PARTS) if low[part] is not None]
    known = [part for at, part in enumerate(known) if part == known[0] + at]
    above = [_place(part, mean, top) for part in known if (mean := high[part]) is not None]
    below = [_place(part, mean, top) for part in known if (mean := low[part]) is not None]
    return drawing.area(below, above) if len(known) > 1 else ""
