"""One student's page: points, one next step, what the checks saw, curves, layers, classes.

Called by `grade` for each result, and when a person has decided something that the student may read. The same results
make the same bytes, beside the same file, decisions and records of the solution's own runs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autograder import checks, homeworks
from autograder.checks.places import place, told_of
from autograder.course.rubric import Rubric
from autograder.files import write_text
from autograder.intake.submission import Submission
from autograder.language import duration, spoken
from autograder.language import gettext as _
from autograder.observations import TrainingReport
from autograder.publish import code_view, preview, solution_runs
from autograder.publish.banner import STATUS_WORDS, banner, others
from autograder.publish.charts import epoch_curves, layer_figure, training_curve
from autograder.publish.html import render
from autograder.results import history, store
from autograder.results.history import Line
from autograder.results.result import Result

FILE = "feedback.html"


@dataclass(frozen=True)
class Step:
    """What to do next, as the page says it."""

    title: str
    text: str
    check: checks.CheckResult | None = None


def feedback(result: Result, rubric: Rubric, handed_in: Submission | None = None, decided: Sequence[Line] = ()) -> str:
    """The page of one student, in the language that was chosen; sentences of the result stay as they were made.

    Args:
        handed_in: the file, to show its code; None for none.
        decided: the lines of the history about the student: comments, and points that a person has set.
    """
    with told_of([] if result.observations is None else result.observations.cells):
        return render("feedback.html", **values(result, rubric, handed_in, decided))


def write(out: Path, result: Result, rubric: Rubric, language: str) -> None:
    """Write a student's page into their folder under `out`, with their code and what persons have said."""
    folder = out / result.student
    with history.held(out), spoken(language):  # whoever comments meanwhile writes it again after this
        page = feedback(result, rubric, store.handed_in(folder, result), history.about(out, result.student))
        write_text(folder / FILE, page)


def values(
    result: Result, rubric: Rubric, handed_in: Submission | None = None, decided: Sequence[Line] = ()
) -> dict[str, Any]:
    """What the parts of a student's page are made from."""
    homework = homeworks.load(result.homework.name)
    rows = [] if result.observations is None else checks.layer_table(result.observations, homework)
    band = solution_runs.find(result)
    said = history.comments(decided)
    return {
        "result": result,
        "set_points": history.overrides(decided).get(result.student),
        "remarks": [line for line in said if line.at is None or handed_in is None or line.sha256 != handed_in.sha256],
        "code": None if handed_in is None else code_view.of(handed_in, result, said),
        "stem": homework.stem,
        "rubric": rubric,
        "banner": banner(result, [*result.notices, *result.notes], result.record_notes),
        "status": _(STATUS_WORDS[result.status]),
        "step": next_step(result, rubric),
        "failed": result.failed_checks,
        "advice": [check for check in result.checks if check.outcome == "advice"],
        "ended": _ended(result),
        "curve": None if result.training is None else training_curve.of_student(result.training, band),
        "band": band,
        "seen": preview.of_result(result, None if band is None else band.record.accuracies),
        "epochs": epoch_curves.of_student(result, homework, band),
        "reached": None
        if result.accuracy is None or rubric.by_error
        else others(homework, [result], [(_("this run"), result.accuracy.counted_percent)]),
        "entries": [] if result.observations is None else checks.entry_table(result.observations, homework),
        "classes": _classes(result),
        "answers": [*result.dataset.classes, _("no finite answer")],
        "ladder": rows,
        "ladder_figure": layer_figure.figure(rows),
        "rubric_rows": [*rubric.tiers, rubric.no_accuracy, rubric.no_file],
        "titles": {check.id: check.title for check in result.checks},
    }


def next_step(result: Result, rubric: Rubric) -> Step:
    """The one thing to do next."""
    stem = homeworks.load(result.homework.name).stem
    if result.status == "needs a person":
        return Step(_("Nothing for now"), _("A person looks at this hand-in before anything is decided."))
    if result.status == "absent":
        return Step(_("Hand in a file"), _("There is no {stem}.py or {stem}.ipynb.").format(stem=stem))
    if result.status == "late":
        return Step(_("Nothing for this homework"), _("The file came after the deadline, so it was not run."))
    if result.failed_checks:
        check = result.failed_checks[0]
        return Step(check.title, "", check)
    failure = None if result.training is None else result.training.failure
    if failure is not None:
        text = _("It stopped in {place} with {error}") if failure.line else _("It stopped with {error}")
        words = text.format(place=place(failure.line), error=failure.words)
        return Step(_("Make the script run to its end"), words)
    if result.accuracy is None:
        return Step(_("Make a network that can be tested"), result.message)
    if result.protocol.name == "preview":
        return Step(
            _("Nothing is left to do here"),
            _("Every check passes. How accurate the network becomes is seen in a full training, not in a preview."),
        )
    better = [tier for tier in rubric.tiers if tier.points > (result.would_earn or 0)]
    if better:
        nearest = better[-1]
        if rubric.by_error:
            return Step(
                _("Reach the row '{row}'").format(row=nearest.label),
                _(
                    "Every check passes, so the network is the one that was asked for. What is left is how much it "
                    "learns in its epochs: see below whether its loss was still falling when training ended, or jumped "
                    "about."
                ),
            )
        return Step(
            _("Reach the row '{row}'").format(row=nearest.label),
            _(
                "Every check passes, so the network is the one that was asked for. {missing:.1f} percentage points of "
                "accuracy are missing. What is left is how much it learns in its epochs: see below whether its loss "
                "was still falling when training ended, or jumped about."
            ).format(missing=nearest.low - result.accuracy.counted_percent),
        )
    advice = [check for check in result.checks if check.outcome == "advice"]
    if advice:
        return Step(advice[0].title, _("Nothing has to be done; this would still make it better."), advice[0])
    return Step(_("Nothing is left to do"), _("Every check passes, and no row of the rubric gives more."))


def _classes(result: Result) -> list[dict[str, Any]]:
    """Accuracy of each class, and what its images were most often taken for instead."""
    if result.accuracy is None or not result.accuracy.confusion:
        return []
    names = [*result.dataset.classes, _("no finite answer")]
    rows = []
    for label, (percent, row) in enumerate(zip(result.accuracy.class_percent, result.accuracy.confusion, strict=True)):
        wrong = [(count, -index) for index, count in enumerate(row) if index != label and count]
        most, index = max(wrong, default=(0, 0))
        taken = f"{names[-index]} ({most})" if most else ""
        rows.append({"name": names[label], "percent": percent, "right": row[label], "of": sum(row), "taken": taken})
    return rows


def _ended(result: Result) -> str:
    """What ended the training, as a sentence."""
    report = result.training
    if report is None:
        return ""
    if report.ended_by == "crash":
        return _crashed(report)
    return {
        "script": _("The script ended by itself."),
        "epochs": _("The budget ended it: all images of {epochs} epochs had been served."),
        "time": _("The time box of {box} ended it."),
        "exit": _("The script ended itself (sys.exit)."),
        "stopped": _("It was stopped: the script asked for ever more epochs without taking an image."),
    }[report.ended_by].format(epochs=result.protocol.epochs, box=duration(result.protocol.time_box_s))


def _crashed(report: TrainingReport) -> str:
    failure = report.failure
    if failure is None:
        return _("The script crashed")
    text = _("The script crashed in {place}: {error}") if failure.line else _("The script crashed: {error}")
    return text.format(place=place(failure.line), error=failure.words)
