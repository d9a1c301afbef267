"""Who should have handed something in: a CSV file of the course, as any system exports it.

Called by intake. Only reads. One row a student, under a header; the column with the id is called student id,
username, id or the like, see `IDS`. Any other cell may hold an id too: a system's files may use another one than the
course does, and a student is found by either. Columns `deadline` and `team` say what is one's own.
"""

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from dataclasses import dataclass
from datetime import datetime, tzinfo
from pathlib import Path

from autograder.errors import KitError
from autograder.intake import code_pages, names
from autograder.intake.deadline import parse_deadline
from autograder.intake.lms.found import Student

LARGEST = 16 * 2**20  # bytes
IDS = (  # in this order: a file of Canvas has names under "student", and numbers of its own under "id"
    "student id",
    "studentid",
    "student number",
    "student no",
    "student no.",
    "orgdefinedid",
    "matriculation number",
    "matrikelnummer",
    "학번",
    "학생번호",
    "sis user id",
    "sis login id",
    "identifier",
    "username",
    "user name",
    "login id",
    "netid",
    "net id",
    "id number",
    "sid",
    "id",
    "student",
    "email",
    "email address",
)
NAMES = ("name", "full name", "student name", "이름", "성명", "student")
TEAMS = ("team", "group", "팀", "조")
DEADLINES = ("deadline", "마감")
MOST_ABOVE = 20  # lines above the header: a title, the course, the date
MOST_WORDS = 20  # of a name in which an id is looked for
SHORT_NUMBER = re.compile(r"\d{1,3}")  # a section, or a score
LONG_ENOUGH = 5  # digits of a number that is nothing else: no year, no number of a homework


@dataclass(frozen=True)
class Listed:
    """A student on the roster.

    Attributes:
        id: the course's.
        name: what they are called; "" where the file doesn't say.
        ids: keys of the cells in columns of ids.
        cells: keys of all cells.
        team: what their team is called; "" for none.
        deadline: their own; None for the class's.
    """

    id: str
    name: str
    ids: frozenset[str]
    cells: frozenset[str]
    team: str = ""
    deadline: datetime | None = None


class Roster:
    """The students of a course, and which of them a hand-in may be from."""

    def __init__(self, listed: Sequence[Listed] = ()) -> None:
        self.listed = list(listed)
        self._by_id = _index(self.listed, lambda one: names.forms(one.id))
        self._by_ids = _index(self.listed, lambda one: one.ids)
        self._by_number = _index(self.listed, lambda one: {names.number(id_) for id_ in one.ids} - {""})
        self._by_cell = _index(
            self.listed, lambda one: (cell for cell in one.cells if not SHORT_NUMBER.fullmatch(cell))
        )
        self._by_local_part = _index(self.listed, lambda one: {names.local_part(cell) for cell in one.cells} - {""})
        self._by_name = _index(self.listed, lambda one: _orders(one.name))
        self._by_part = _index(self.listed, lambda one: filter(_may_stand_inside, _inside_names(one.ids)))
        self._by_team = _index(self.listed, lambda one: {names.compact(one.team)} - {""})

    def knows(self, id_: str) -> bool:
        """Whether it is an id here, or what a team is called."""
        wanted = names.key(id_)
        return any(wanted in index for index in (self._by_id, self._by_ids, self._by_cell)) or bool(self.team(id_))

    def means(self, name: str) -> bool:
        """Whether a name that somebody has chosen means somebody here, or a team."""
        return bool(self.owners(Student(name, by_people=True)) or self.team(name))

    def team(self, name: str) -> list[Listed]:
        """The members of the team that is called so; [] for none."""
        return self._by_team.get(names.compact(name), [])

    def by_id(self, id_: str) -> Listed | None:
        """The student whom an instructor means by `id_`; None for nobody, or several."""
        for index in (self._by_id, self._by_ids, self._by_cell):
            if len(found := index.get(names.key(id_), [])) == 1:
                return found[0]
        return None

    def owners(self, student: Student) -> list[Listed]:
        """Who on the roster this is: one, nobody, or several where an id or a name could mean each of them."""
        found, is_sure = self._found(student)
        return found if is_sure or len(found) == 1 else []

    def candidates(self, student: Student) -> list[Listed]:
        """The same, with all whose row has the id in any cell."""
        return self._found(student)[0]

    def _found(self, student: Student) -> tuple[list[Listed], bool]:
        """(Who it may be, by the surest match that there is, whether that match is sure)."""
        keys = [form for id_ in (student.id, *student.aliases) for form in names.forms(id_)]
        numbers = [number for form in keys if (number := names.number(form))]
        if not student.by_people:  # a short number of a system's is its own
            numbers = [number for number in numbers if len(number) >= LONG_ENOUGH]
        before_at = [part for id_ in (student.id, *student.aliases) if (part := names.local_part(id_))]
        for index, wanted, is_sure in (
            (self._by_id, keys, True),
            (self._by_ids, keys, True),
            (self._by_number, numbers, True),
            (self._by_cell, keys, False),
            (self._by_local_part, keys, True),
            (self._by_ids, before_at, True),
        ):
            if found := _all(index, wanted):
                return found, is_sure
        if student.by_people and (found := self._inside(student.id)):
            return found, True
        called = student.name or (student.id if student.by_people else "")
        return _all(self._by_name, [names.compact(names.without_accents(called))]), True

    def _inside(self, text: str) -> list[Listed]:
        """Whose id or full name stands inside a name that somebody has chosen: `hw1_2019003`, `2019001 홍길동`."""
        parts = names.words(text)[:MOST_WORDS]
        runs = {"".join(parts[first:last]) for first in range(len(parts)) for last in range(first + 1, len(parts) + 1)}
        runs |= {names.without_accents(run) for run in runs}
        runs |= set(re.findall(r"\d+|[^\W\d_]+", names.key(text)))
        runs |= {names.number(run) for run in runs}
        found = [one for run in runs for one in self._by_part.get(run, [])]
        named = [self._by_name[run][0] for run in runs if len(self._by_name.get(run, [])) == 1]
        found += [one for one in named if _is_full(one.name)]
        return sorted({one.id: one for one in found}.values(), key=lambda one: one.id)


def read(path: Path, zone: tzinfo | None = None) -> Roster:
    """The students on the roster in `path`; `zone` is of deadlines that don't say theirs.

    Raises KitError when it is none: no such file, no column with an id, ...
    """
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
    except OSError as error:
        raise KitError(f"{path}: can't be read ({error.strerror})") from error
    if len(content) > LARGEST:
        raise KitError(f"{path}: too large for a roster")
    rows = _rows(path, content)
    above = next((at for at, row in enumerate(rows[:MOST_ABOVE]) if _first(_keys(row), IDS) is not None), 0)
    rows = rows[above:]
    header = _keys(rows[0]) if rows else []
    at = _first(header, IDS)
    if at is None and rows and _is_worksheet(rows):
        at = 0
    if at is None:
        raise KitError(f"{path}: no column holds the students' ids", "call one of them student id, username or id")
    if _is_worksheet(rows):  # Moodle's, whose download knows participants by these numbers and nothing else
        at = 0
    columns = Columns(header, at)
    found: dict[str, Listed] = {}
    for number, row in enumerate(rows[1:], start=above + 2):
        one = None if _keys(row) == header else columns.listed(row, f"{path}:{number}", zone)
        if one is None:
            continue  # an empty line, the header on another page, or what Canvas puts between header and students
        if names.key(one.id) in found:
            raise KitError(f"{path}:{number}: {one.id} is listed twice")
        found[names.key(one.id)] = one
    if not found:
        raise KitError(f"{path}: lists nobody")
    return Roster(list(found.values()))


class Columns:
    """Which column is which. `at`: of the ids."""

    def __init__(self, header: Sequence[str], at: int) -> None:
        """`header`: keys of the names."""
        self.at = at
        self.ids = {place for place, name in enumerate(header) if name in IDS and name != "student"} | {at}
        self.name = next((header.index(one) for one in NAMES if one in header and header.index(one) != at), None)
        self.parts = [header.index(one) for one in ("first name", "last name") if one in header]
        self.team = _first(header, TEAMS)
        self.deadline = _first(header, DEADLINES)

    def listed(self, row: Sequence[str], shown: str, zone: tzinfo | None) -> Listed | None:
        """The student of a row; None for a row without one. Raises KitError where a cell can't be what it should be."""
        cells = [names.cell(cell) for cell in row]
        id_ = _at(cells, self.at)
        id_ = names.participant(id_) or id_
        if not id_:
            return None
        if names.shown_id(id_) != id_:
            raise KitError(f"{shown}: {id_!r} can't be the name of a folder, and so no id")
        if re.fullmatch(r"\d[.,]\d+E\+\d+", id_):
            raise KitError(f"{shown}: {id_} is an id that a spreadsheet has rounded", "format the column as text")
        said = _at(cells, self.deadline)
        try:
            own = parse_deadline(said, zone) if said else None
        except KitError as error:
            raise KitError(f"{shown}: {error.message}", error.hint) from error
        return self.of_cells(id_, cells, {self.team, self.deadline}, _at(cells, self.team), own)

    def of_cells(
        self, id_: str, cells: Sequence[str], skipped: Set[int | None], team: str = "", own: datetime | None = None
    ) -> Listed:
        """The student whose row has these cells; those in the `skipped` columns are no sign of anybody."""
        name = _at(cells, self.name) or " ".join(filter(None, (_at(cells, place) for place in self.parts)))
        ids = frozenset(form for place in self.ids for form in names.forms(_at(cells, place)))
        others = frozenset(form for at, cell in enumerate(cells) if at not in skipped for form in names.forms(cell))
        return Listed(id_, name, ids, others, team, own)


def _keys(row: Sequence[str]) -> list[str]:
    return [names.key(names.cell(cell)) for cell in row]


def _first(header: Sequence[str], wanted: Sequence[str]) -> int | None:
    return next((header.index(name) for name in wanted if name in header), None)


def _at(cells: Sequence[str], place: int | None) -> str:
    return cells[place] if place is not None and place < len(cells) else ""


def _is_worksheet(rows: Sequence[Sequence[str]]) -> bool:
    """Whether the first column is Moodle's, "Participant 123" in every row."""
    first = [row[0] for row in rows[1:] if row and row[0].strip()]
    return bool(first) and all(names.participant(cell) for cell in first)


def _rows(path: Path, content: bytes) -> list[list[str]]:
    table = code_pages.table(content, str(path))
    try:
        return list(csv.reader(io.StringIO(table.text[table.start :], newline=None), delimiter=table.between))
    except csv.Error as error:
        raise KitError(f"{path}: isn't CSV ({error})") from error


def _orders(name: str) -> set[str]:
    """A full name without what stands between its words, as it is and with the last word first, or the first last."""
    parts = names.words(names.without_accents(name))
    orders = [parts, [*parts[-1:], *parts[:-1]], [*parts[1:], *parts[:1]]]
    return {"".join(order) for order in orders} - {""}


def _all(index: dict[str, list[Listed]], keys: Iterable[str]) -> list[Listed]:
    """Everybody whom one of these keys means, once."""
    return list({one.id: one for wanted in keys for one in index.get(wanted, [])}.values())


def _index(listed: Iterable[Listed], keys: Callable[[Listed], Iterable[str]]) -> dict[str, list[Listed]]:
    found: dict[str, list[Listed]] = {}
    for one in listed:
        for name in set(keys(one)):
            found.setdefault(name, []).append(one)
    return found


def _is_full(name: str) -> bool:
    """Whether it is more than a family's name: several words, or letters of which a few make a whole name."""
    return len(names.words(name)) > 1 or not names.without_accents(name).isascii()


def _inside_names(ids: Iterable[str]) -> Iterator[str]:
    for id_ in ids:
        yield names.compact(id_)
        yield names.number(id_)


def _may_stand_inside(id_: str) -> bool:
    """Whether an id is long enough to be nothing else in a name: no year, no number of a homework."""
    return len(id_) >= (LONG_ENOUGH if id_.isdigit() else 3)
