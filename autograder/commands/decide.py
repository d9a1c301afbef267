"""The commands for decisions about one student: `override`, `settle`, `comment`, ...; and `show`, which lists them.

Called by the command line. `grading/decisions.py` makes the decisions; this module prints what was done.
"""

from pathlib import Path

from rich.console import Console

from autograder import homeworks
from autograder.course.rubric import points_text
from autograder.grading.decisions import Decisions
from autograder.language import duration
from autograder.publish.final_points import of_student
from autograder.results import attempts, history, store
from autograder.results.result import Result


def override(decisions: Decisions, student: str, points: float | None, reason: str) -> None:
    """Set a student's points by hand; see `Decisions.points`."""
    line = decisions.points(student, points, reason)
    words = "the points of the run again" if points is None else f"{points_text(points)} points"
    before = "none" if line.former is None else points_text(line.former)
    _say(f"{student}: {words}, {before} before", line)


def settle(decisions: Decisions, student: str, file: str | None, reason: str, *, withdraw: bool = False) -> None:
    """Write down which of a student's files counts; see `Decisions.settle`."""
    line, entry = decisions.settle(student, file, reason, withdraw=withdraw)
    words = "no file counts" if file is None else f"{file} counts, {entry.state}"
    _say(f"{entry.student}: {'the rules decide again' if withdraw else words}", line)


def extend(decisions: Decisions, student: str, until: str | None, reason: str) -> None:
    """Give a student a deadline of their own; see `Decisions.deadline`."""
    line = decisions.deadline(student, until, reason)
    words = (
        "the deadline of the class" if line.until is None else f"a deadline of their own, {line.until:%Y-%m-%d %H:%M}"
    )
    _say(f"{line.student}: {words}", line)


def comment(decisions: Decisions, student: str, text: str, at: int | None) -> None:
    """Say something to a student on their page; see `Decisions.comment`."""
    line = decisions.comment(student, text, at)
    _say(f"{student}: a comment {'on the whole' if at is None else f'on line {at}'}, {line.id}", line)


def take_back_comment(decisions: Decisions, student: str, id_: str) -> None:
    """Withdraw a comment; see `Decisions.take_back_comment`."""
    _say(f"{student}: the comment {id_} is withdrawn", decisions.take_back_comment(student, id_))


def looked_at(decisions: Decisions, student: str, reason: str, *, withdraw: bool) -> None:
    """Write down that a person has looked; see `Decisions.looked_at`."""
    line = decisions.looked_at(student, reason, withdraw=withdraw)
    _say(f"{student}: {'for a person again' if withdraw else 'looked at, nothing to do'}", line)


def _say(words: str, line: history.Line) -> None:
    console = Console(highlight=False, soft_wrap=True, markup=False)
    console.print(f"{words}; written down as decided by {line.who}")
    if line.what in history.FOR_A_RUN:
        console.print("the next run of the class goes by it: autograder regrade --out FOLDER")


def show(out: Path, student: str, book: str | None) -> None:
    """Print all that is known of a student: attempts, the result, its runs and flags, earlier ones, the history.

    Raises KitError when there is no such student.
    """
    mine = of_student(out, student, book)
    result = mine.result
    console = Console(highlight=False, soft_wrap=True, markup=False)
    console.print(f"{student}{f', {result.name}' if result.name else ''}")
    points = "no points" if mine.points is None else f"{points_text(mine.points)} of {points_text(result.max_points)}"
    reason = f": {mine.reason}" if mine.reason else ""
    console.print(f"points     {points}, decided by {mine.decided_by}{reason}")
    console.print(f"the run    {_about(result)}")
    by = homeworks.load(result.homework.name).measure
    for number, run in enumerate(result.runs, start=1):
        reached = "no accuracy" if run.accuracy_percent is None else by.shown(run.accuracy_percent, 2)
        console.print(f"  training {number}: {run.outcome}, {reached}, {duration(run.seconds)}")
    if result.receipt:
        console.print(f"receipt    {result.receipt} (the student's own, which proves nothing)")
    console.print(f"flags      {', '.join(result.flags) or 'none'}")
    for reason in result.for_a_person:
        console.print(f"  for a person: {reason}")
    console.print("attempts")
    for row in attempts.attempts(out):
        if row["student"] != student:
            continue
        came = row["submitted_at"] or "no time known"
        marks = ", ".join(part for part in (row["counts"], row["late"], row["outcome"]) if part)
        console.print(f"  {came}   {row['files'] or 'no files'}{f'   ({marks})' if marks else ''}")
    for path in sorted((out / student / "earlier").glob("*/result.json")):
        if (earlier := store.read(path.parent)) is not None:
            console.print(f"earlier    {path.parent.name}: {_about(earlier)}")
    console.print("history")
    for line in history.read(out):
        if line.student == student:
            said = f": {line.reason}" if line.reason else ""
            console.print(f"  {line.time:%Y-%m-%d %H:%M:%S%z}   {line.words}, by {line.who}{said}")


def _about(result: Result) -> str:
    reached = "no accuracy" if result.accuracy is None else result.accuracy.exact
    file = "no file" if result.submission is None else f"SHA-256 {result.submission.sha256[:12]}"
    earned = "no points" if result.points is None else f"{points_text(result.points)} points"
    return f"{result.outcome}, {reached}, {earned}, {result.protocol_label}, {file}, result {result.key[:12]}"
