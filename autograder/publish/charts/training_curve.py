"""The losses of one training, large, over the range of the solution's own runs where that is known.

Called by `feedback_page`. Takes what the proctor saw and gives SVG paths and numbers for the templates.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from autograder.observations import TrainingReport
from autograder.publish import solution_runs
from autograder.publish.charts import drawing
from autograder.publish.solution_runs import Band, Range


@dataclass(frozen=True)
class Row:
    """A part of the training.

    Attributes:
        begin, end: in images served.
        mean: of the losses between; None where none was finite.
        solution: the lowest and the highest of the solution's runs in the middle between; None where nothing is known.
    """

    begin: int
    end: int
    mean: float | None
    solution: Range | None


@dataclass(frozen=True)
class Curve:
    """The loss of each batch over the images served, ready to be drawn.

    Attributes:
        rows: at most `solution_runs.MOST_PARTS`; the line of the means is drawn from the same numbers.
        raw, mean: SVG path data of all losses and of the means.
        band: of the area from the lowest to the highest of the solution's runs; "" where they aren't known. Of runs
            that are equal it is a line.
        x_ticks, y_ticks: (position, label).
        not_finite: how many of the losses are NaN or infinite.
    """

    rows: list[Row]
    raw: str
    mean: str
    band: str
    x_ticks: list[tuple[float, str]]
    y_ticks: list[tuple[float, str]]
    not_finite: int


def of_student(report: TrainingReport, band: Band | None = None) -> Curve | None:
    """The loss curve of a training over `band`, or None when no loss was seen."""
    points: Sequence[tuple[int, float]] = report.losses
    if not points:
        return None
    shade = [] if band is None else band.losses
    rows = [
        Row(begin, end, mean, None if band is None else band.loss_at((begin + end) / 2))
        for begin, end, mean in solution_runs.parts(points)
    ]
    finite = sorted(loss for _, loss in points if math.isfinite(loss))
    # A few huge losses would press everything else flat: the axis ends at what 98 of 100 stay below. But all of the
    # band is within it.
    high = [finite[min(len(finite) - 1, len(finite) * 98 // 100)]] if finite else []
    high += [highest for _, _, highest in shade]
    top = drawing.round_up(max(high)) if high else 1.0
    last = max([1, *(images for images, _ in points), *(math.ceil(images) for images, _, _ in shade)])

    def place(images: float, loss: float) -> tuple[float, float]:
        return drawing.x(images / last), drawing.y(min(max(loss / top, 0.0), 1.0))

    def finite_place(images: float, loss: float | None) -> tuple[float, float] | None:
        return None if loss is None or not math.isfinite(loss) else place(images, loss)

    return Curve(
        rows=rows,
        raw=drawing.path(finite_place(images, loss) for images, loss in points),
        mean=drawing.path(finite_place((row.begin + row.end) / 2, row.mean) for row in rows),
        band=drawing.area(
            [place(images, lowest) for images, lowest, _ in shade],
            [place(images, highest) for images, _, highest in shade],
        ),
        x_ticks=[(drawing.x(images / last), f"{images:,}") for images in range(0, last + 1, drawing.step(last))],
        y_ticks=[(drawing.y(share), f"{top * share:.3g}") for share in (0, 0.25, 0.5, 0.75, 1)],
        not_finite=len(points) - len(finite),
    )
