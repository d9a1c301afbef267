"""The epochs on the pages: curves of accuracy, their tables, and numbers beside what others reached.

Called by `class_report` and `feedback_page`. Takes results and a homework with a reference, and gives numbers and SVG
paths for the templates. What a student recorded is drawn and never judged: it decides nothing.
"""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from autograder.course.homework import Homework, Reference
from autograder.language import gettext as _
from autograder.observations import Epoch
from autograder.publish.charts import drawing
from autograder.publish.solution_runs import Band, Range
from autograder.results.result import Result
from autograder.runner.epochs import average_error_percent

APART_PERCENT = 3.0  # percentage points between two runs from which on a sentence says what may be the cause
SHORTEST_AXIS = 5  # epochs; a run of one or two would else fill the width
MOST_MARKS = 60  # points of a line; with more, their marks would be a band
KEY_TOP, KEY_ROW, KEY_COLUMN = 290, 22, 340.0  # the key below a plot, in the SVG's own units

Mark = Literal["disc", "square", "diamond", ""]


@dataclass(frozen=True)
class Line:
    """One line of a plot, and its place in the key.

    Attributes:
        name: as the key says it.
        path, marks: SVG path data of the line and of the marks at its points.
        ink: the colour, one of the page's: "accent", "ink" or "soft".
        dash: the dash pattern as SVG has it; "none" for a solid line. Lines of one width differ in it.
        thin: a faint line, of many.
        key_x, key_y: where its sample in the key begins.
        key_mark: SVG path data of the sample's mark.
    """

    name: str
    path: str
    marks: str
    ink: str
    dash: str
    thin: bool
    key_x: float
    key_y: float
    key_mark: str


@dataclass(frozen=True)
class Shade:
    """The area from the lowest to the highest of the solution's runs, and its place in the key; fields as of `Line`."""

    name: str
    path: str
    key_x: float
    key_y: float


@dataclass(frozen=True)
class Plot:
    """Accuracy over epochs, ready to be drawn.

    Attributes:
        lines: in the order in which they are drawn.
        shade: what is drawn behind them; None where nothing is known.
        x_ticks, y_ticks: (position, label).
        height: of the whole, key included.
        cut_after: the epoch at which the axis ends, where the reference goes on; None where all of it is drawn.
    """

    lines: list[Line]
    shade: Shade | None
    x_ticks: list[tuple[float, str]]
    y_ticks: list[tuple[float, str]]
    height: int
    cut_after: int | None


@dataclass(frozen=True)
class Row:
    """One epoch: how the run, the student's own record, the solution's runs (lowest and highest accuracy) and the
    reference did; None where one doesn't have it.
    """

    epoch: int
    run: Epoch | None
    own: Epoch | None
    solution: Range | None
    reference_percent: float | None


@dataclass(frozen=True)
class Average:
    """Average error of one curve, in percent.

    Attributes:
        whose: in words.
        epochs: how many it is over; None for a final result.
        error_percent: the mean of 100 - accuracy.
        reference_percent: the reference's mean error over the same epochs, as far as it has them; None where it has
            none of them.
        reference_epochs: how many it has; None where nothing is set beside it.
    """

    whose: str
    epochs: int | None
    error_percent: float
    reference_percent: float | None = None
    reference_epochs: int | None = None


@dataclass(frozen=True)
class OfStudent:
    """The section of one student's page.

    Attributes:
        reference: what the curves are set beside.
        run_name: what the run is called: "the proctored run", or a preview's.
        compared: whether the run can be compared with the reference: it was a full run on the homework's own data.
        plot: the curves.
        solution: whether the solution's runs are among them.
        rows: all of them by epoch.
        averages: average errors.
        differences: (whose, last accuracy of the run minus theirs, in percentage points).
        last: the run's last epoch.
        apart: the last epoch that both have, as (the run's, the student's own), where their accuracies differ by more
            than `APART_PERCENT`; else None.
    """

    reference: Reference
    run_name: str
    compared: bool
    plot: Plot
    solution: bool
    rows: list[Row]
    averages: list[Average]
    differences: list[tuple[str, float]]
    last: Epoch | None
    apart: tuple[Epoch, Epoch] | None


@dataclass(frozen=True)
class ClassRow:
    """One epoch of the class: how many runs have it, their accuracies in percent, and the reference's."""

    epoch: int
    runs: int
    lowest: float | None
    median: float | None
    highest: float | None
    reference_percent: float | None


@dataclass(frozen=True)
class StudentRow:
    """One student of the class: the run's numbers (None where it has no epochs) and their own record's last."""

    student: str
    epochs: int
    last_percent: float | None
    best_percent: float | None
    average_error: float | None
    own_last: Epoch | None
    notices: list[str]


@dataclass(frozen=True)
class OfClass:
    """The section of the class's page.

    Attributes:
        reference: what the curves are set beside.
        compared: as for a student.
        plot: everybody's curves; None where no run has an epoch.
        rows: them by epoch.
        students: everybody's numbers.
    """

    reference: Reference
    compared: bool
    plot: Plot | None
    rows: list[ClassRow]
    students: list[StudentRow]


def of_student(result: Result, homework: Homework, band: Band | None = None) -> OfStudent | None:
    """The section about the epochs, or None when there are none, or nothing to set them beside.

    `band`: of the solution's runs, which are of the same kind as the result's.
    """
    reference, run, own = homework.reference, result.epochs, result.own_epochs
    if reference is None or not reference.curve or not (run or own):
        return None
    compared = result.comparable
    run_name = _("the proctored run")
    if result.protocol.name != "full":
        run_name = _("the preview's run ({count:,} training images)").format(count=result.dataset.train_images)
    theirs = dict(reference.curve)
    solution = {} if band is None else band.epochs
    by_epoch = ({one.epoch: one for one in run}, {one.epoch: one for one in own})
    return OfStudent(
        reference=reference,
        run_name=run_name,
        compared=compared,
        plot=_plot(_places(run), _places(own), reference, run_name=run_name, solution=solution),
        solution=bool(solution),
        rows=[
            Row(epoch, by_epoch[0].get(epoch), by_epoch[1].get(epoch), solution.get(epoch), theirs.get(epoch))
            for epoch in sorted({*by_epoch[0], *by_epoch[1], *solution, *theirs})
        ],
        averages=_averages(run, run_name, own, reference, compared),
        differences=[(_(whose), run[-1].accuracy_percent - percent) for whose, percent in reference.results]
        if run and compared
        else [],
        last=run[-1] if run else None,
        apart=_apart(*by_epoch) if compared else None,
    )


def of_class(everybody: Sequence[Result], homework: Homework) -> OfClass | None:
    """The section about everybody's epochs, or None when there are none, or nothing to set them beside."""
    reference = homework.reference
    students = [_student_row(result) for result in everybody]
    students = [row for row in students if row.epochs or row.own_last or row.notices]
    if reference is None or not reference.curve or not students:
        return None
    runs = [result.epochs for result in everybody if result.epochs]
    theirs = dict(reference.curve)
    percents: dict[int, list[float]] = {epoch: [] for epoch in theirs}
    for run in runs:
        for one in run:
            percents.setdefault(one.epoch, []).append(one.accuracy_percent)
    rows = [
        ClassRow(
            epoch=epoch,
            runs=len(found),
            lowest=min(found, default=None),
            median=statistics.median(found) if found else None,
            highest=max(found, default=None),
            reference_percent=theirs.get(epoch),
        )
        for epoch, found in sorted(percents.items())
    ]
    middle = [(row.epoch, row.median) for row in rows if row.median is not None]
    plot = None
    if runs:
        plot = _plot(middle, [], reference, run_name="median of the runs", each=[_places(run) for run in runs])
    return OfClass(reference, everybody[0].comparable, plot, rows, students)


Places = list[tuple[int, float]]  # (epoch, accuracy in percent)


def _places(epochs: Sequence[Epoch]) -> Places:
    return [(one.epoch, one.accuracy_percent) for one in epochs]


def _averages(
    run: Sequence[Epoch], run_name: str, own: Sequence[Epoch], reference: Reference, compared: bool
) -> list[Average]:
    """The table of average errors, theirs first. `run` isn't in it where it is not `compared`."""
    theirs = dict(reference.curve)
    table = []
    for whose, epochs in ((run_name, run if compared else []), (_("your own record"), own)):
        if epochs:
            errors = [100 - theirs[one.epoch] for one in epochs if one.epoch in theirs]
            mean = statistics.fmean(errors) if errors else None
            table.append(Average(whose, len(epochs), average_error_percent(epochs), mean, len(errors)))
    if reference.average_error_percent is not None:
        table.append(Average(_(reference.curve_name), reference.average_epochs, reference.average_error_percent))
    return table + [Average(_(whose), None, 100 - percent) for whose, percent in reference.results]


def _apart(run: dict[int, Epoch], own: dict[int, Epoch]) -> tuple[Epoch, Epoch] | None:
    common = run.keys() & own.keys()
    if not common:
        return None
    last = max(common)
    differ = abs(run[last].accuracy_percent - own[last].accuracy_percent) > APART_PERCENT
    return (run[last], own[last]) if differ else None


def _student_row(result: Result) -> StudentRow:
    percents = [one.accuracy_percent for one in result.epochs]
    return StudentRow(
        student=result.student,
        epochs=len(percents),
        last_percent=percents[-1] if percents else None,
        best_percent=max(percents, default=None),
        average_error=average_error_percent(result.epochs) if percents else None,
        own_last=result.own_epochs[-1] if result.own_epochs else None,
        notices=list(result.record_notes),
    )


# --- drawing ---------------------------------------------------------------------------------------------------------


def _plot(
    run: Places,
    own: Places,
    reference: Reference,
    run_name: str,
    each: Sequence[Places] = (),
    solution: Mapping[int, Range] = MappingProxyType({}),
) -> Plot:
    """The curves over one pair of axes. The horizontal one ends with theirs: a reference may go on for long."""
    last = max([SHORTEST_AXIS, *(epoch for places in (run, own, *each) for epoch, _ in places), *solution])
    curve = [(epoch, percent) for epoch, percent in reference.curve if epoch <= last]
    shown = [percent for places in (run, own, curve, *each) for _, percent in places]
    shown += [percent for _, percent in reference.results]
    shown += [lowest for lowest, _ in solution.values()]
    low = min(90, int(min(shown) // 10) * 10)  # a whole ten, and at least one part of the axis
    part = 10
    if low < 40:
        low, part = low // 20 * 20, 20

    def place(epoch: float, percent: float) -> tuple[float, float]:
        return drawing.x(epoch / last), drawing.y((percent - low) / (100 - low))

    lines: list[Line] = []

    def draw(name: str, curves: Sequence[Places], ink: str, dash: str, mark: Mark = "", thin: bool = False) -> None:
        paths = [[place(epoch, percent) for epoch, percent in places] for places in curves]
        points = [point for path in paths for point in path]
        key_x, key_y = _key_place(len(lines))
        lines.append(
            Line(
                name=name,
                path="".join(drawing.path(path) for path in paths),
                marks="".join(_mark(mark, point) for point in points) if len(points) <= MOST_MARKS else "",
                ink=ink,
                dash=dash,
                thin=thin,
                key_x=key_x,
                key_y=key_y,
                key_mark=_mark(mark, (key_x + 20, key_y)),
            )
        )

    if each:
        draw(f"each of {len(each)} run{'s' * (len(each) != 1)}", each, "accent", "none", thin=True)
    if curve:
        draw(_(reference.curve_name), [curve], "soft", "2 4", "diamond")
    if own:
        draw(_("your own record"), [own], "ink", "9 5", "square")
    if run:
        draw(run_name, [run], "accent", "none", "disc")
    for index, (whose, percent) in enumerate(reference.results):
        draw(f"{_(whose)}: {percent:.2f}%", [[(0, percent), (last, percent)]], "soft", f"14 4{' 2 4' * (index + 1)}")
    shade = None
    if solution:
        low_line = [place(epoch, lowest) for epoch, (lowest, _) in solution.items()]
        high_line = [place(epoch, highest) for epoch, (_, highest) in solution.items()]
        path = drawing.area(low_line, high_line)
        shade = Shade(_("the course's own solution"), path, *_key_place(len(lines)))
    return Plot(
        lines=lines,
        shade=shade,
        x_ticks=[(drawing.x(epoch / last), str(epoch)) for epoch in range(0, last + 1, drawing.step(last))],
        y_ticks=[(place(0, percent)[1], f"{percent}%") for percent in range(low, 101, part)],
        height=KEY_TOP + KEY_ROW * ((len(lines) + bool(shade) - 1) // 2) + 14,
        cut_after=last if reference.curve and reference.curve[-1][0] > last else None,
    )


def _key_place(index: int) -> tuple[float, float]:
    """Where the sample of the key's entry with that index begins: two in a row."""
    return drawing.LEFT + KEY_COLUMN * (index % 2), float(KEY_TOP + KEY_ROW * (index // 2))


def _mark(mark: Mark, place: tuple[float, float]) -> str:
    """SVG path data of a mark around a place."""
    x, y = place
    return {
        "": "",
        "disc": f"M{x - 3.5:g} {y:g}a3.5 3.5 0 1 0 7 0a3.5 3.5 0 1 0 -7 0z",
        "square": f"M{x - 3:g} {y - 3:g}h6v6h-6z",
        "diamond": f"M{x:g} {y - 4:g}l4 4l-4 4l-4 -4z",
    }[mark]
