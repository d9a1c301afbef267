"""What a person decides about one student, and what is known of them: the commands `override` and `show`.

Called by the command line. Changes no result: a decision is a line of the history, and a score in the gradebook.
"""

from pathlib import Path

from rich.console import Console

from autograder import homeworks
from autograder.course.rubric import points_text
from autograder.errors import KitError
from autograder.language import duration
from autograder.publish import nbgrader_gradebook
from autograder.publish.final_points import of_student
from autograder.results import attempts, history, store
from autograder.results.result import Result


def override(out: Path, student: str, points: float | None, reason: str, book: str | None) -> None:
    """Set a student's points, or with None go back to those of the run. They stay when the class is graded again.

    Args:
        book: the gradebook's address; None for none.

    Raises KitError when there is no such student, no reason, or more points than there are.
    """
    if not reason.strip():
        raise KitError("a decision needs a reason", "say it with --reason")
    now = of_student(out, student, book)
    result = now.result
    if points is not None and not 0 <= points <= result.max_points:
        raise KitError(
            f"{points_text(points)} points: the rubric has 0 to {points_text(result.max_points)}",
            "an instructor's points stay within the rubric's",
        )
    if book is not None:
        nbgrader_gradebook.set_score(book, result.homework.name, student, points)
    what: history.What = "override withdrawn" if points is None else "override"
    line = history.add(out, what, student, points=points, former=now.points, reason=reason.strip(), key=result.key)
    console = Console(highlight=False, soft_wrap=True, markup=False)
    words = "the points of the run again" if points is None else f"{points_text(points)} points"
    before = "none" if now.points is None else points_text(now.points)
    console.print(f"{student}: {words}, {before} before; written down as decided by {line.who}")


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
            set_ = "no points" if line.points is None else f"{points_text(line.points)} points"
            if line.what.startswith("settled"):
                set_ = line.file or "no file"
            said = f": {line.reason}" if line.reason else ""
            console.print(f"  {line.time:%Y-%m-%d %H:%M:%S%z}   {line.what}, {set_}, by {line.who}{said}")


def _about(result: Result) -> str:
    reached = "no accuracy" if result.accuracy is None else result.accuracy.exact
    file = "no file" if result.submission is None else f"SHA-256 {result.submission.sha256[:12]}"
    earned = "no points" if result.points is None else f"{points_text(result.points)} points"
    return f"{result.outcome}, {reached}, {earned}, {result.protocol_label}, {file}, result {result.key[:12]}"
