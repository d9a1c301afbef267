"""The way back: points and a line of feedback for everybody, in the file that a learning management system imports.

Called with the folder that `grade` wrote, and best with the file that the instructor has downloaded from the system:
then only the cells concerned change, and every other byte stays. Reads results and that file; writes one other file.
Decides nothing: points are what `final_points` says, and where nobody has decided the cell stays as it is. Nobody whom
the system's file doesn't know is put into it.

Of names that students choose, none may become a formula in whatever opens the file: see `_harmless`.
"""

import codecs
import csv
import io
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from autograder.course.rubric import points_text
from autograder.errors import KitError, printable
from autograder.files import whole
from autograder.intake import roster
from autograder.publish.final_points import Final, final

NAMES = ("blackboard", "canvas", "moodle", "gradescope", "csv")
LARGEST = 16 * 2**20  # bytes of a file to merge into
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

_MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_FORMULAS = "=+-@\t\r＝＋－＠"  # what a spreadsheet takes for a formula's beginning; the wide ones in East Asia


@dataclass(frozen=True)
class Report:
    """What became of everybody. A student of ours is in one of the first four, by id.

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
        content, report = _merged(everybody, lms, _Table(merge), column, homeworks[0])
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
        why += "" if result.accuracy is None else f" (accuracy {result.accuracy.counted_percent:.2f}%)"
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
    header: tuple[str, ...]
    rows: list[tuple[str, ...]]
    if lms == "blackboard":
        header = ("Username", column, FEEDBACK[lms])
        rows = [(_id(one), _points(one), _feedback(one)) for one in everybody]
    elif lms == "moodle":
        column, header = "Grade", MOODLE_COLUMNS
        rows = [_moodle_row(one) for one in everybody]
    elif lms == "gradescope":
        header = ("Name", "SID", "Email", column)
        rows = [_gradescope_row(one) for one in everybody]
    else:
        column, header = "points", CSV_COLUMNS
        rows = [_csv_row(one) for one in everybody]
    text = io.StringIO()
    # Blackboard's manual wants every cell of a file with commas in quotes.
    quoting: Literal[0, 1] = csv.QUOTE_ALL if lms == "blackboard" else csv.QUOTE_MINIMAL
    csv.writer(text, lineterminator="\n", quoting=quoting).writerows([header, *rows])
    report = Report(
        column,
        FEEDBACK.get(lms, ""),
        written=tuple(one.student for one in everybody if one.points is not None),
        undecided=tuple(one.student for one in everybody if one.points is None),
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


# --- a file to merge into --------------------------------------------------------------------------------------------


class _Cell(NamedTuple):
    """A cell: where it stands in the text, its quotes included, and what it holds."""

    start: int
    end: int
    holds: str


class _Table:
    """A file of cells, with its text as it is. Raises KitError where it can't be read as one."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            with path.open("rb") as file:
                content = file.read(LARGEST + 1)
        except OSError as error:
            raise KitError(f"{path}: can't be read ({error.strerror})", "name the file that the LMS gave") from error
        if len(content) > LARGEST:
            raise KitError(f"{path}: too large for a file of grades", "name the file that the LMS gave")
        self.mark, self.encoding = next((one for one in _MARKS if content.startswith(one[0])), (b"", "utf-8"))
        try:
            self.text = content[len(self.mark) :].decode(self.encoding)
        except UnicodeDecodeError as error:
            raise KitError(f"{path}: neither UTF-8 nor UTF-16", "name the file as the LMS gave it") from error
        if "\0" in self.text:
            raise KitError(f"{path}: isn't text", "name the file as the LMS gave it")
        first = re.split(r"[\r\n]", re.sub(r'"[^"]*"', "", self.text), maxsplit=1)[0]
        self.between = max("\t;,", key=first.count)
        self.rows = self._rows()
        self.header = [cell.holds.strip() for cell in self.rows[0]]
        if not any(self.header):
            raise KitError(f"{path}: doesn't begin with the names of its columns", "name the file as the LMS gave it")

    def line(self, row: int) -> int:
        """The line that a row begins on, from 1."""
        return len(re.findall(r"\r\n|\r|\n", self.text[: self.rows[row][0].start])) + 1

    def replaced(self, cells: Sequence[tuple[_Cell, str]]) -> bytes:
        """The file with another text in these cells, and nothing else changed."""
        parts, at = [], 0
        for cell, text in sorted(cells):
            was_quoted = self.text[cell.start : cell.end].startswith('"')
            needs = was_quoted or any(char in text for char in (self.between, '"', "\r", "\n"))
            parts += [self.text[at : cell.start], '"' + text.replace('"', '""') + '"' if needs else text]
            at = cell.end
        return self.mark + "".join([*parts, self.text[at:]]).encode(self.encoding)

    def _rows(self) -> list[list[_Cell]]:
        # As the csv module reads it, but it doesn't tell where a cell stands. The quotes' inside is atomic: else a
        # quoted cell that doesn't end would be taken for a shorter one.
        between = re.escape(self.between)
        pattern = re.compile(
            rf'(?:"(?P<quoted>(?>[^"]*(?:""[^"]*)*))"(?P<rest>[^{between}\r\n]*)|(?P<bare>[^{between}\r\n]*))'
            rf"(?P<end>{between}|\r\n|\r|\n|\Z)"
        )
        rows: list[list[_Cell]] = []
        row: list[_Cell] = []
        at = 0
        while True:
            found = pattern.match(self.text, at)
            assert found is not None  # `bare` may be empty, and stops where `end` begins
            bare = found["bare"]
            if bare is not None and bare.startswith('"'):
                line = len(re.findall(r"\r\n|\r|\n", self.text[:at])) + 1
                raise KitError(f"{self.path}:{line}: a quote isn't closed", "name the file as the LMS gave it")
            holds = found["quoted"].replace('""', '"') + found["rest"] if bare is None else bare
            row.append(_Cell(at, found.start("end"), holds))
            at = found.end()
            if found["end"] != self.between:
                rows.append(row)
                row = []
                if at == len(self.text):
                    return rows


def _merged(
    everybody: Sequence[Final], lms: str, table: _Table, column: str | None, homework: str
) -> tuple[bytes, Report]:
    ids = _id_columns(table, lms)
    feedback = _feedback_columns(table, lms)
    target = _column(table, column or ("Grade" if lms == "moodle" else homework), {*ids, *feedback})
    if len(feedback) > 1:  # Blackboard numbers both, in a file of several columns of points
        number = table.header[target].partition("|")[2].strip()
        feedback = [at for at in feedback if number and table.header[at].partition("|")[2].strip() == number]
    says = feedback[0] if len(feedback) == 1 else None
    owners = _Owners(table, lms, ids, {target, *feedback})
    rows = {one.student: owners.rows(one.student) for one in everybody}
    claims = Counter(min(found) for found in rows.values() if len(found) == 1)
    alone = {student: min(found) for student, found in rows.items() if len(found) == 1 == claims[min(found)]}
    claimed = {row for found in rows.values() for row in found}
    cells: list[tuple[_Cell, str]] = []
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


def _id_columns(table: _Table, lms: str) -> list[int]:
    """Where ids stand, the one to call people by first. A column "student" has names, unless it is the only one."""
    lower = [name.casefold() for name in table.header]
    found = [lower.index(name) for name in roster.IDS if name in lower and name != "student"]
    if lms == "moodle":  # "Identifier", in the language of the site
        found = [0, *(at for at in found if at != 0)]
    return found or [at for at, name in enumerate(lower) if name == "student"]


def _feedback_columns(table: _Table, lms: str) -> list[int]:
    wanted = FEEDBACK.get(lms, "").casefold()
    lower = [name.casefold().split("|")[0].strip() for name in table.header]
    return [at for at, name in enumerate(lower) if wanted and name == wanted]


def _column(table: _Table, wanted: str, taken: set[int]) -> int:
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


def _cell(table: _Table, row: int, column: int) -> _Cell:
    if column >= len(table.rows[row]):
        raise KitError(
            f"{table.path}:{table.line(row)}: the row ends before {table.header[column]!r}",
            "name the file as the LMS gave it",
        )
    return table.rows[row][column]


class _Owners:
    """Whose row is whose. `names`: of each row that is a student's, what the file calls them."""

    def __init__(self, table: _Table, lms: str, ids: Sequence[int], written: set[int]) -> None:
        self.names: dict[int, str] = {}
        self._by_id: dict[str, set[int]] = {}
        self._by_cell: dict[str, set[int]] = {}
        for number, row in enumerate(table.rows[1:], start=1):
            cells = [cell.holds.strip() for cell in row]
            named = [cells[at] for at in ids if at < len(cells) and cells[at]]
            if not (named or (not ids and any(cells))):
                continue  # an empty line, or what Canvas puts between header and students
            self.names[number] = (named or [cell for cell in cells if cell])[0]
            if lms == "moodle" and (found := re.search(r"[0-9]+$", cells[0])):
                named.append(found[0])  # of "Participant 123"
            for id_ in named:
                self._by_id.setdefault(id_.casefold(), set()).add(number)
            for at, cell in enumerate(cells):
                if cell and at not in written:
                    self._by_cell.setdefault(cell.casefold(), set()).add(number)

    def rows(self, student: str) -> set[int]:
        """The rows with this id: in a column of ids, else in any. There a short number would be a score."""
        lower = student.strip().casefold()
        found = self._by_id.get(lower, set())
        return found or (set() if re.fullmatch(r"[0-9]{1,3}", lower) else self._by_cell.get(lower, set()))
