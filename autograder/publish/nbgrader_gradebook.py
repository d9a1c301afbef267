"""nbgrader's gradebook: its database, and the files that formgrader shows beside it.

Called by `grade` when a class is done, and by whatever has to know what a person has set in formgrader since. Writes
through nbgrader's own interface, from one process. A score that was set by hand is never touched, and wins.

Under the results' folder: `gradebook.db`, and `formgrader/`, a course directory of nbgrader's: the submissions as they
were handed in, and a notebook of each with the feedback, in cells whose ids are the gradebook's. There is one cell with
the points, `accuracy`, and one of no points for each check.

The first opening of a database runs alembic, 1.5 s on one core; a student takes 15 ms.
"""

import contextlib
import os
import shutil
import sys
import warnings
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autograder.course.homework import Homework
from autograder.course.rubric import points_text
from autograder.errors import KitError, first_line, printable
from autograder.files import PARSING, whole, write_text
from autograder.intake.entry import Entry
from autograder.results.result import Result

if TYPE_CHECKING:
    from nbgrader.api import Gradebook

FOLDER = "formgrader"
DATABASE = "gradebook.db"
CELL = "accuracy"
COURSE = "course"
STARTED_WITH = "AUTOGRADER_GRADEBOOK"  # the variable that names another database to formgrader's configuration


def url_of(out: Path, asked: str | None = None) -> str:
    """The database's address: `asked`, in SQLAlchemy's form, or a file beside the results."""
    return asked or f"sqlite:///{(out / DATABASE).resolve()}"


def prepare(url: str) -> None:
    """Import what `write` needs, and make the database where there is none. A failure is ignored here: `write` reports
    it."""
    with contextlib.suppress(Exception), PARSING:  # alembic's templates are parsed, while somebody's checks may run
        import nbformat.v4  # noqa: F401  four seconds, most of them for what checks the syntax of addresses

        with _opened(url):
            pass


def write(
    out: Path,
    everybody: Sequence[Result],
    entries: Sequence[Entry],
    homework: Homework,
    deadline: datetime | None,
    url: str,
) -> None:
    """Write everybody's result into the database at `url`, and the files for formgrader under `out`.

    Written again, it updates what follows from results, and leaves alone what a person has set.

    Raises KitError where the database can't be opened or written.
    """
    by_student = {entry.student: entry for entry in entries}
    _write_course(out, homework)
    for result in everybody:
        _write_files(out, result, by_student.get(result.student), homework)
    with _opened(url) as book:
        _write_assignment(book, everybody, homework, deadline)
        for result in everybody:
            _write_student(book, result, homework)


def set_by_hand(url: str, assignment: str) -> dict[str, float]:
    """Student -> points, of those that somebody has set in formgrader. Empty where there is no database yet.

    Raises KitError where it can't be opened.
    """
    if _is_missing(url):
        return {}
    with _opened(url) as book:
        return {
            notebook.student.id: float(grade.manual_score) + float(grade.extra_credit or 0)
            for notebook in _notebooks(book, assignment)
            for grade in notebook.grades
            if grade.name == CELL and grade.manual_score is not None
        }


def set_score(url: str, assignment: str, student: str, points: float | None) -> None:
    """Set a student's points as somebody would in formgrader; None takes them back.

    Does nothing where the gradebook doesn't know the student, who then has handed nothing in.

    Raises KitError where the database can't be opened.
    """
    if _is_missing(url):
        return
    with _opened(url) as book:
        for notebook in _notebooks(book, assignment):
            for grade in notebook.grades:
                if grade.name == CELL and notebook.student.id == student:
                    grade.manual_score = points
                    grade.needs_manual_grade = points is None and grade.auto_score is None
        book.db.commit()


def _is_missing(url: str) -> bool:
    return url.startswith("sqlite:///") and not Path(url.removeprefix("sqlite:///")).exists()


def _notebooks(book: "Gradebook", assignment: str) -> list[Any]:
    from nbgrader.api import MissingEntry

    try:
        return [notebook for one in book.assignment_submissions(assignment) for notebook in one.notebooks]
    except MissingEntry:
        return []


@contextlib.contextmanager
def _opened(url: str) -> Iterator["Gradebook"]:
    from nbgrader.api import Gradebook, InvalidEntry
    from sqlalchemy.exc import SAWarning, SQLAlchemyError

    # The first opening calls alembic by its name; without it, tables are left that no later opening repairs.
    path = os.environ.get("PATH", "")
    here = str(Path(sys.executable).parent)
    if here not in path.split(os.pathsep):
        os.environ["PATH"] = os.pathsep.join((here, path))
    if shutil.which("alembic") is None:
        raise KitError("alembic isn't there, and nbgrader needs it", "make setup installs it")
    try:
        # nbgrader makes submissions in a way that later versions of SQLAlchemy warn about.
        with warnings.catch_warnings(), Gradebook(url, COURSE) as book:
            warnings.simplefilter("ignore", SAWarning)
            yield book
    except (SQLAlchemyError, InvalidEntry, ImportError) as error:
        shown = url.rpartition("@")[2]  # what stands before may be a password
        raise KitError(f"the gradebook {shown} can't be used: {first_line(error)[:300]}") from error


def _write_assignment(
    book: "Gradebook", everybody: Sequence[Result], homework: Homework, deadline: datetime | None
) -> None:
    # All cells come before the first submission: nbgrader gives one a grade for each cell that is there.
    most = max((result.max_points for result in everybody), default=0.0)
    due = None if deadline is None else deadline.astimezone(UTC).replace(tzinfo=None)
    book.update_or_create_assignment(homework.name, duedate=due, course_id=COURSE)
    book.update_or_create_notebook(homework.stem, homework.name)
    book.update_or_create_grade_cell(CELL, homework.stem, homework.name, max_score=most, cell_type="code")
    book.update_or_create_solution_cell(CELL, homework.stem, homework.name)
    for check in dict.fromkeys(check.id for result in everybody for check in result.checks):
        book.update_or_create_grade_cell(check, homework.stem, homework.name, max_score=0.0, cell_type="code")


def _write_student(book: "Gradebook", result: Result, homework: Homework) -> None:
    from nbgrader.api import Comment, Grade

    first, _, last = result.name.rpartition(" ")
    book.update_or_create_student(result.student, first_name=first or None, last_name=last or None)
    if result.submission is None:
        _take_back(book, result.student, homework)
        return
    moment = result.submission.submitted_at
    submission = book.update_or_create_submission(
        homework.name, result.student, **({} if moment is None else {"timestamp": moment.astimezone(UTC)})
    )
    (notebook,) = submission.notebooks
    notebook.late_submission_penalty = 0.0
    graded = {grade.name: grade for grade in notebook.grades}
    outcomes = {check.id: check.outcome for check in result.checks}
    for cell in notebook.notebook.grade_cells:
        grade = graded.get(cell.name)
        if grade is None:  # of a check that is newer than this submission
            grade = Grade(cell_id=cell.id, notebook=notebook)
            book.db.add(grade)
        if cell.name == CELL:
            grade.auto_score = result.points
            grade.needs_manual_grade = grade.manual_score is None and result.status == "needs a person"
        else:
            grade.auto_score = 0.0 if cell.name in outcomes else None
            grade.needs_manual_grade = False
    commented = {comment.name: comment for comment in notebook.comments}
    for cell in notebook.notebook.solution_cells:
        comment = commented.get(cell.name)
        if comment is None:
            comment = Comment(cell_id=cell.id, notebook=notebook)
            book.db.add(comment)
        comment.auto_comment = summary(result)
    book.db.commit()


def _take_back(book: "Gradebook", student: str, homework: Homework) -> None:
    """Remove an earlier submission, if there was one, unless a person has set its points: those stay."""
    from nbgrader.api import MissingEntry

    try:
        (notebook,) = book.find_submission(homework.name, student).notebooks
    except MissingEntry:
        return
    if all(grade.manual_score is None for grade in notebook.grades):
        book.remove_submission(homework.name, student)


def summary(result: Result) -> str:
    """A line on what a result came to, as a comment of the gradebook."""
    of = f" of {points_text(result.max_points)}"
    points = "no points yet" if result.points is None else f"{points_text(result.points)}{of} points"
    reached = "" if result.accuracy is None else f", {result.accuracy.exact} {result.accuracy.measured.title}"
    row = f", {result.tier_label}" if result.tier_label else ""
    why = f" ({result.no_points_because})" if result.points is None and result.no_points_because else ""
    late = "" if result.late is None else f", {result.late.percent_off:g}% off for being late"
    return f"{points}{row}{reached}{late}{why}"


# --- the files that formgrader shows ---------------------------------------------------------------------------------

_CONFIGURATION = """\
# nbgrader's configuration of this folder, written by `autograder grade`. Start `jupyter lab` here, and open Formgrader.
import os
from pathlib import Path

c = get_config()
c.CourseDirectory.root = str(Path(__file__).resolve().parent)
c.CourseDirectory.course_id = "{course}"
c.CourseDirectory.db_url = os.environ.get("{variable}") or f"sqlite:///{{Path(__file__).resolve().parent.parent}}/{file}"
"""


def _write_course(out: Path, homework: Homework) -> None:
    text = _CONFIGURATION.format(course=COURSE, variable=STARTED_WITH, file=DATABASE)
    write_text(out / FOLDER / "nbgrader_config.py", text)
    (out / FOLDER / "source" / homework.name).mkdir(parents=True, exist_ok=True)


def _write_files(out: Path, result: Result, entry: Entry | None, homework: Homework) -> None:
    """The submission with its time, and the notebook with the feedback."""
    places = [out / FOLDER / step / result.student / homework.name for step in ("submitted", "autograded")]
    if entry is None or entry.submission is None:
        for place in places:
            shutil.rmtree(place, ignore_errors=True)
        return
    for left_over in (path for place in places for path in place.glob(".*") if path.is_file()):
        left_over.unlink()  # of a run that was killed
    submitted, autograded = places
    with whole(submitted / Path(entry.submission.name).name) as path:
        path.write_bytes(entry.submission.content)
    if entry.submitted_at is not None:
        moment = f"{entry.submitted_at.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f} UTC"
        for place in places:
            write_text(place / "timestamp.txt", moment)
    write_text(autograded / f"{homework.stem}.ipynb", _notebook(result, entry.submission.script))


def _notebook(result: Result, script: bytes) -> str:
    """The feedback as a notebook, with nbgrader's marks in the cells that are grades."""
    import nbformat
    from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

    head = [f"# {result.student}" + (f", {_plain(result.name)}" if result.name else ""), "", _plain(summary(result))]
    head += ["", *(f"- for a person: {_plain(reason)}" for reason in result.for_a_person)]
    cells = [new_markdown_cell("\n".join(head), id="head")]
    points = new_code_cell(
        "# The points of the run. Another score that you set here wins, and stays when the class is graded again.",
        id=CELL,
        outputs=[new_output("stream", name="stdout", text=summary(result) + "\n")],
        metadata={"nbgrader": marks(CELL, result.max_points, solution=True)},
    )
    cells.append(points)
    for check in result.checks:
        seen = "\n".join(part for part in (check.saw, check.expected, check.why) if part)
        said = f"{check.outcome}: {check.title}\n{seen}".rstrip() + "\n"
        cells.append(
            new_code_cell(
                f"# the check {check.id}",
                id=check.id[:64],
                outputs=[new_output("stream", name="stdout", text=said)],
                metadata={"nbgrader": marks(check.id, 0.0)},
            )
        )
    cells.append(new_code_cell(printable(script.decode("utf-8", "replace")), id="script"))
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    text: str = nbformat.writes(new_notebook(cells=cells, metadata=kernel))
    return text + "\n"


def marks(cell: str, points: float | None, *, solution: bool = False) -> dict[str, Any]:
    """nbgrader's metadata of a code cell: a grade, unless `points` is None; locked, unless it is a `solution`."""
    graded = {} if points is None else {"points": points}
    return {
        "schema_version": 3,
        "grade": points is not None,
        "grade_id": cell,
        **graded,
        "solution": solution,
        "locked": not solution,
        "task": False,
        "cell_type": "code",
    }


def _plain(text: str) -> str:
    """Text that Markdown shows as it is."""
    return "".join(f"\\{char}" if char in "\\`*_{}[]<>()#+-.!|~&" else char for char in printable(text))
