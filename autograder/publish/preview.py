"""What a preview can know: whether a script runs to its end, whether it learns, how it compares with the solution.

Called by `check --train`, by the pages and by the class's summary. A preview makes a few steps of the optimizer on a
few hundred images: that predicts no tier, so none is named. The course's own solution has been through the same
preview, and its record says how far that came. Decides nothing about points.
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from autograder.language import gettext as _
from autograder.language import ngettext
from autograder.observations import TrainingReport
from autograder.publish.solution_runs import Range
from autograder.results.result import Result

FALLEN = 0.9  # of the loss at its start: what a network that learns comes below; chance moves it by less
FEW_STEPS = 15  # of the optimizer; a solution makes 20 and more in its preview
SHARE = 0.2  # of the losses, at the start and at the end, that are compared

Learns = Literal["learns", "not yet", "too few steps", "not finite", "unknown"]
Beside = Literal["as far", "below", "above"]


@dataclass(frozen=True)
class Preview:
    """What a preview saw.

    Attributes:
        runs_to_end: the script came to its end, or to that of its budget.
        learns: by its loss, the end against the start.
        losses: the loss at the start and at the end; None where they aren't known.
        steps, batch_size: of the training.
        accuracy_percent: on the preview's test images; None where no network could be tested.
        solution: the lowest and the highest accuracy of the course's own solution in the same preview; None where
            there is no record of it.
        beside: how the accuracy compares with that.
    """

    runs_to_end: bool
    learns: Learns
    losses: Range | None
    steps: int
    batch_size: int | None
    accuracy_percent: float | None
    solution: Range | None = None
    beside: Beside | None = None

    @property
    def sentences(self) -> list[str]:
        """The same in words, without points and rows."""
        found = [_("runs to the end") if self.runs_to_end else _("doesn't run to its end")]
        start, end = self.losses or (math.nan, math.nan)
        size = "?" if self.batch_size is None else str(self.batch_size)
        steps = ngettext("{count} step of the optimizer", "{count} steps of the optimizer", self.steps)
        told = steps.format(count=self.steps)
        if self.learns == "learns":
            found.append(_("learns: its loss falls from {start:.2f} to {end:.2f}").format(start=start, end=end))
        elif self.learns == "not yet":
            text = _("doesn't learn yet: its loss goes from {start:.2f} to {end:.2f} in {steps}")
            found.append(text.format(start=start, end=end, steps=told))
        elif self.learns == "too few steps":
            text = _("whether it learns can't be told: batches of {size} make only {steps} in a preview")
            found.append(text.format(size=size, steps=told))
        elif self.learns == "not finite":
            found.append(_("doesn't learn: its loss isn't a finite number"))
        if self.solution is not None and self.beside is not None:
            low, high = self.solution
            span = f"{low:.0f}%" if round(low) == round(high) else f"{low:.0f}-{high:.0f}%"
            text = {
                "as far": _("as far as the course's own solution in the same preview ({span})"),
                "below": _("below the course's own solution in the same preview ({span})"),
                "above": _("above the course's own solution in the same preview ({span})"),
            }[self.beside]
            found.append(text.format(span=span))
        return found

    @property
    def short(self) -> str:
        """A few words, for a table: in English, as tables are."""
        learns = {"learns": "learns", "not yet": "doesn't learn yet", "not finite": "doesn't learn"}.get(
            self.learns, ""
        )
        beside = {"as far": "as far as the solution", "below": "below the solution", "above": "above the solution"}
        words = ["runs to the end" if self.runs_to_end else "doesn't run to its end", learns]
        return ", ".join(one for one in (*words, beside.get(self.beside or "", "")) if one)


def of_result(result: Result, solution: Range | None) -> Preview | None:
    """What the preview saw that a result is of; None for a full run, and where nothing was trained."""
    if result.protocol.name == "full" or result.training is None:
        return None
    percent = None if result.accuracy is None else result.accuracy.counted_percent
    return of(result.training, percent, result.dataset.test_images, solution)


def of(report: TrainingReport, percent: float | None, test_images: int, solution: Range | None) -> Preview:
    """What a preview saw.

    Args:
        percent: the accuracy on `test_images` images; None where no network could be tested.
        solution: of the course's own solution, likewise.
    """
    losses, learns = _learns(report.losses, report.steps)
    return Preview(
        runs_to_end=report.ended_by in ("script", "epochs") or (report.ended_by == "exit" and report.steps > 0),
        learns=learns,
        losses=losses,
        steps=report.steps,
        batch_size=report.train_batch_size,
        accuracy_percent=percent,
        solution=solution,
        beside=None if percent is None or solution is None else _beside(percent, test_images, solution),
    )


def _learns(losses: Sequence[tuple[int, float]], steps: int) -> tuple[Range | None, Learns]:
    values = [loss for _images, loss in losses]
    if not values or steps == 0:
        return None, "unknown"
    if not all(map(math.isfinite, values)):
        return None, "not finite"
    count = max(1, round(SHARE * len(values)))
    start, end = statistics.fmean(values[:count]), statistics.fmean(values[-count:])
    if end < FALLEN * start:
        return (start, end), "learns"
    return (start, end), "too few steps" if steps < FEW_STEPS else "not yet"


def _beside(percent: float, test_images: int, solution: Range) -> Beside:
    """How an accuracy on so many images compares with a range, which is as uncertain as they are few."""
    low, high = solution
    share = min(max((low + high) / 200, 0.05), 0.95)
    margin = 100 * math.sqrt(share * (1 - share) / max(1, test_images))
    if percent < low - margin:
        return "below"
    return "above" if percent > high + margin else "as far"
