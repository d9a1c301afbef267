"""The way back: points and a line of feedback for everybody, in the file that a learning management system imports.

Called with the folder that `grade` wrote, and best with the file that the instructor has downloaded from the system:
then only the cells concerned change, and every other byte stays. Reads results and that file; writes one other file.
Decides nothing: points are what `final_points` says, and where nobody has decided the cell stays as it is. Nobody whom
the system's file doesn't know is put into it.

Of names that students choose, none may become a formula in whatever opens the file: see `_harmless`.
"""

import csv
import io
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from autograder.course.rubric import points_text
from autograder.errors import KitError, printable
from autograder.files import whole
from autograder.intake import names, roster
from autograder.intake.entry import UNPLACED
from autograder.intake.lms.found import Student
from autograder.intake.roster import Listed, Roster
from autograder.publish.final_points import Final, final
from autograder.publish.grade_file import Cell, GradeFile

NAMES = ("blackboard", "canvas", "moodle", "gradescope", "csv")
FEEDBACK = {"blackboard": "Feedback to Learner", "moodle": "Feedback comments", "csv": "feedback"}
"""The column for a text, of the systems that have one."""

MOODLE_COLUMNS = (
    "Identifier",
    "Full name",
    "Email address",
    "Status",
    "Grade",
    "Maximum grade",
    "Grade can be changed",
    "Last modified (submission)",
    "Last modified (grade)",
    FEEDBACK["moodle"],
)
CSV_COLUMNS = ("student", "name", "points", "max_points", "decided_by", FEEDBACK["csv"])

_FORMULAS = "=+-@\t\r＝＋－＠"  # what a spreadsheet takes for a formula's beginning; the wide ones in East Asia


@dataclass(frozen=True)
class Report:
    """What the export did with everybody. Each student with a result is in one of `written`, `undecided`, `unknown` and
    `ambiguous`, by id.

    Attributes:
        column: the header of the column that has the points.
        feedback_column: the same for the text; "" where the file has no place for one.
        written: their points are in the file.
        undecided: nobody has decided their points; their cells are as they were, or empty.
        unknown: the file to merge into has no row of theirs.
        ambiguous: several rows fit them, or others claim their row; left as it was.
        untouched: who has a row in the file to merge into, and no result: as the file calls them.
    """

    column: str
    feedback_column: str
    written: tuple[str, ...] = ()
    undecided: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    ambiguous: tuple[str, ...] = ()
    untouched: tuple[str, ...] = ()


def export(
    out: Path, lms: str, merge: Path | None, to: Path, *, column: str | None = None, book: str | None = None
) -> Report:
    """Write to `to` what `lms`, one of `NAMES`, imports: the points of everybody who has a result under `out`.

    With `merge`, a roster or grade file of that system, its rows, their order, its encoding and all other cells stay to
    the byte. Without, a new file has the columns that the system needs. Blackboard takes a column for one that it has
    only where `column` is its whole header, with the number; it makes a new one of any other.

    Args:
        column: its header or how it begins, in any case of letters; None: the homework's name, in a Moodle worksheet
            "Grade".
        book: the gradebook's address, for points that were set there; None for none.

    Raises KitError for a system without a name here, for a folder without results, for a file to merge into that can't
    be read, has no such column or several, or is `to` itself, for Canvas without such a file, for Moodle without one
    where an id is no participant's number, and where `to` can't be written.
    """
    if lms not in NAMES:
        raise KitError(f"nothing is known of {lms!r}", f"choose one of {', '.join(NAMES)}")
    everybody = final(out, book)
    homeworks = sorted({one.result.homework.name for one in everybody})
    if len(homeworks) > 1:
        raise KitError(f"{out}: holds results of {', '.join(homeworks)}", "give each homework a folder of its own")
    if merge is None:
        content, report = _new(everybody, lms, column or homeworks[0])
    else:
        if to.resolve() == merge.resolve() or (to.exists() and merge.exists() and to.samefile(merge)):
            raise KitError(f"{to}: is the file to merge into, which is never written", "choose another name")
        content, report = _merged(everybody, lms, GradeFile(merge), column, homeworks[0])
    try:
        with whole(to) as temporary:
            temporary.write_bytes(content)
    except OSError as error:
        raise KitError(f"{to}: can't be written ({error.strerror})", "name a file in a folder of yours") from error
    return report


def participant(id_: str) -> str:
    """The number that Moodle knows a participant by. Raises KitError for an id that is none."""
    if not re.fullmatch(r"[0-9]{1,18}", id_):
        raise KitError(
            f"{id_}: Moodle knows participants by numbers", "grade Moodle's own download, whose names have them"
        )
    return id_


def _feedback(one: Final) -> str:
    """One line: points, why, and where to read more. "" where nobody has decided."""
    if one.points is None:
        return ""
    result = one.result
    if one.decided_by == "run":
        why = "" if result.tier is None else result.tier.label
        why += (
            ""
            if result.accuracy is None
            else f" ({result.accuracy.measured.title.removeprefix('test ')} {result.accuracy.exact})"
        )
        why += "" if result.late is None else f", {result.late.percent_off:g}% off for being late"
    else:
        why = "set by the instructor" + (f": {one.reason}" if one.reason else "")
    points = f"{points_text(one.points)} of {points_text(result.max_points)} points"
    return _harmless(_line(f"{points}{': ' if why else ''}{why}; see the feedback file"))


def _line(text: str) -> str:
    return " ".join(printable(text).split())


def _harmless(text: str) -> str:
    """`text`, with an apostrophe before what a spreadsheet would take for a formula."""
    return f"'{text}" if text[:1] and text[0] in _FORMULAS else text


# --- a new file ------------------------------------------------------------------------------------------------------


def _new(everybody: Sequence[Final], lms: str, column: str) -> tuple[bytes, Report]:
    if lms == "canvas":
        raise KitError(
            "Canvas imports nothing but its own export",
            "Canvas needs its own export to merge into: Grades, Export, Export Entire Gradebook",
        )
    placed = [one for one in everybody if one.result.outcome != UNPLACED or one.points is not None]
    header: tuple[str, ...]
    rows: list[tuple[str, ...]]
    if lms == "blackboard":
        header = ("Username", column, FEEDBACK[lms])
        rows = [(_id(one), _points(one), _feedback(one)) for one in placed]
    elif lms == "moodle":
        column, header = "Grade", MOODLE_COLUMNS
        rows = [_moodle_row(one) for one in placed]
    elif lms == "gradescope":
        header = ("Name", "SID", "Email", column)
        rows = [_gradescope_row(one) for one in placed]
    else:
        column, header = "points", CSV_COLUMNS
        rows = [_csv_row(one) for one in placed]
    text = io.StringIO()
    # Blackboard's manual wants every cell of a file with commas in quotes.
    quoting: Literal[0, 1] = csv.QUOTE_ALL if lms == "blackboard" else csv.QUOTE_MINIMAL
    csv.writer(text, lineterminator="\n", quoting=quoting).writerows([header, *rows])
    report = Report(
        column,
        FEEDBACK.get(lms, ""),
        written=tuple(one.student for one in placed if one.points is not None),
        unknown=tuple(one.student for one in everybody if one not in placed),
        undecided=tuple(one.student for one in placed if one.points is None),
    )
    return text.getvalue().encode("utf-8-sig" if lms == "blackboard" else "utf-8"), report


def _moodle_row(one: Final) -> tuple[str, ...]:
    number, most = participant(one.student), points_text(one.result.max_points)
    return (f"Participant {number}", _name(one), "", "", _points(one), most, "Yes", "-", "-", _feedback(one))


def _gradescope_row(one: Final) -> tuple[str, ...]:
    sid, email = ("", _id(one)) if "@" in one.student else (_id(one), "")  # it knows who has no SID by their address
    return (_name(one), sid, email, _points(one))


def _csv_row(one: Final) -> tuple[str, ...]:
    most = points_text(one.result.max_points)
    return (_id(one), _name(one), _points(one), most, one.decided_by, _feedback(one))


def _id(one: Final) -> str:
    return _harmless(printable(one.student))


def _name(one: Final) -> str:
    return _harmless(_line(one.result.name))


def _points(one: Final) -> str:
    return "" if one.points is None else points_text(one.points)


# --- a file to merge into ---------------------------------------------------------------------------------------------


def _merged(
    everybody: Sequence[Final], lms: str, table: GradeFile, column: str | None, homework: str
) -> tuple[bytes, Report]:
    ids = _id_columns(table, lms)
    feedback = _feedback_columns(table, lms)
    target = _column(table, column or ("Grade" if lms == "moodle" else homework), {*ids, *feedback})
    if len(feedback) > 1:  # Blackboard numbers both, in a file of several columns of points
        number = table.header[target].partition("|")[2].strip()
        feedback = [at for at in feedback if number and table.header[at].partition("|")[2].strip() == number]
    says = feedback[0] if len(feedback) == 1 else None
    owners = _Owners(table, lms, ids, {target, *feedback})
    rows, wrong = owners.rows(everybody)
    claims = Counter(min(found) for student, found in rows.items() if len(found) == 1 and student not in wrong)
    alone = {
        student: min(found)
        for student, found in rows.items()
        if len(found) == 1 == claims[min(found)] and student not in wrong
    }
    claimed = {row for student, found in rows.items() if student not in wrong for row in found}
    cells: list[tuple[Cell, str]] = []
    for one in everybody:
        if one.student in alone and one.points is not None:
            row = alone[one.student]
            cells.append((_cell(table, row, target), points_text(one.points)))
            if says is not None:
                cells.append((_cell(table, row, says), _feedback(one)))
    report = Report(
        table.header[target],
        "" if says is None else table.header[says],
        written=tuple(one.student for one in everybody if one.student in alone and one.points is not None),
        undecided=tuple(one.student for one in everybody if one.student in alone and one.points is None),
        unknown=tuple(student for student, found in rows.items() if not found),
        ambiguous=tuple(student for student, found in rows.items() if found and student not in alone),
        untouched=tuple(name for row, name in owners.names.items() if row not in claimed),
    )
    return table.replaced(cells), report


def _id_columns(table: GradeFile, lms: str) -> list[int]:
    """Where ids stand, the one to call people by first. A column "student" has names, unless it is the only one."""
    lower = [names.key(names.cell(name)) for name in table.header]
    found = [lower.index(name) for name in roster.IDS if name in lower and name != "student"]
    if lms == "moodle":  # "Identifier", in the language of the site
        found = [0, *(at for at in found if at != 0)]
    return found or [at for at, name in enumerate(lower) if name == "student"]


def _feedback_columns(table: GradeFile, lms: str) -> list[int]:
    wanted = FEEDBACK.get(lms, "").casefold()
    lower = [name.casefold().split("|")[0].strip() for name in table.header]
    return [at for at, name in enumerate(lower) if wanted and name == wanted]


def _column(table: GradeFile, wanted: str, taken: set[int]) -> int:
    """The column called `wanted`, or the only one that begins with that word."""
    lower = wanted.strip().casefold()
    begins = re.compile(rf"{re.escape(lower)}(?![0-9a-z])")  # the first homework isn't the tenth
    others = [(at, name) for at, name in enumerate(table.header) if name and at not in taken]
    found = [at for at, name in others if name.casefold() == lower]
    found = found or [at for at, name in others if begins.match(name.casefold())]
    if len(found) == 1:
        return found[0]
    if found:
        names = ", ".join(table.header[at] for at in found)
        raise KitError(f"{table.path}: several columns begin with {wanted!r}: {names}", "name one of them in full")
    names = ", ".join(name for _, name in others) or "none"
    raise KitError(
        f"{table.path}: no column begins with {wanted!r}; there is {names}", "name the column for the points"
    )


def _cell(table: GradeFile, row: int, column: int) -> Cell:
    if column >= len(table.rows[row]):
        raise KitError(
            f"{table.path}:{table.line(row)}: the row ends before {table.header[column]!r}",
            "name the file as the LMS gave it",
        )
    return table.rows[row][column]


class _Owners:
    """Finds the student of each row, by the same forms of ids as in a roster. `names`: of each row that is a student's,
    what the file calls them."""

    def __init__(self, table: GradeFile, lms: str, ids: Sequence[int], written: set[int]) -> None:
        self.names: dict[int, str] = {}
        self._called: dict[int, str] = {}
        self._numbers: dict[int, str] = {}  # of participants
        columns = roster.Columns([names.key(names.cell(name)) for name in table.header], ids[0] if ids else -1)
        columns.ids = set(ids)
        listed: list[Listed] = []
        for number, row in enumerate(table.rows[1:], start=1):
            cells = [names.cell(cell.holds) for cell in row]
            named = [cells[at] for at in ids if at < len(cells) and cells[at]]
            if not (named or (not ids and any(cells))):
                continue  # an empty line, or what Canvas puts between header and students
            self.names[number] = (named or [cell for cell in cells if cell])[0]
            one = columns.of_cells(f"row {number}", cells, written)
            if lms == "moodle" and (found := re.search(r"[0-9]+$", cells[0])):  # "Participant 123", in any language
                self._numbers[number] = found[0]
                one = replace(one, ids=one.ids | {found[0]})
            listed.append(one)
            self._called[number] = one.name
        self._roster = Roster(listed)

    def rows(self, everybody: Sequence[Final]) -> tuple[dict[str, set[int]], set[str]]:
        """Student -> the rows that may be theirs, several where there is no telling; and those whose id is a team's.

        By an id, else by a full name, which never takes a row that an id has found.
        """
        found = {one.student: self._rows(Student(one.student)) for one in everybody}
        teams = {one.student for one in everybody if any(self._is_a_teams(one, row) for row in found[one.student])}
        taken = {row for student, rows in found.items() if student not in teams for row in rows}
        for one in everybody:
            if not found[one.student] and one.result.name:
                found[one.student] = self._rows(Student(one.student, one.result.name)) - taken
        return found, teams

    def _is_a_teams(self, one: Final, row: int) -> bool:
        """Whether a number is a team's: the row that has it in Moodle's worksheet is somebody's of another name."""
        return self._numbers.get(row) == one.student and names.differ(self._called[row], one.result.name)

    def _rows(self, student: Student) -> set[int]:
        return {int(owner.id.removeprefix("row ")) for owner in self._roster.candidates(student)}
