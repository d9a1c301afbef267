"""Who should have handed something in: a CSV file of the course, as any system exports it.

Called by intake. Only reads. One row a student, under a header; the column with the id is called student id,
username, id or the like, see `IDS`. Any other cell may hold an id too: a system's files may use another one than the
course does, and a student is found by either.
"""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from autograder.errors import KitError
from autograder.intake.lms import shown_id

LARGEST = 16 * 2**20  # bytes
IDS = (  # in this order: a file of Canvas has names under "student", and numbers of its own under "id"
    "student id",
    "studentid",
    "학번",
    "sis user id",
    "sis login id",
    "username",
    "user name",
    "login id",
    "id number",
    "sid",
    "id",
    "student",
    "email",
    "email address",
)
NAMES = ("name", "full name", "student name", "이름", "성명", "student")


@dataclass(frozen=True)
class Listed:
    """A student on the roster: the id, what they are called ("" where the file doesn't say), all cells of the row."""

    id: str
    name: str
    cells: frozenset[str]


def read(path: Path) -> list[Listed]:
    """The students on the roster in `path`. Raises KitError when it is none: no such file, no column with an id, ..."""
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
    except OSError as error:
        raise KitError(f"{path}: can't be read ({error.strerror})") from error
    if len(content) > LARGEST:
        raise KitError(f"{path}: too large for a roster")
    rows = _rows(path, content)
    header = [cell.strip().strip("\ufeff") for cell in rows[0]] if rows else []
    lower = [cell.casefold() for cell in header]
    at = next((lower.index(name) for name in IDS if name in lower), None)
    if at is None:
        raise KitError(f"{path}: no column holds the students' ids", "call one of them student id, username or id")
    named = next((lower.index(name) for name in NAMES if name in lower and lower.index(name) != at), None)
    found: dict[str, Listed] = {}
    for number, row in enumerate(rows[1:], start=2):
        cells = [cell.strip() for cell in row]
        id_ = cells[at] if at < len(cells) else ""
        if not id_:
            continue  # an empty line, or what Canvas puts between header and students
        if shown_id(id_) != id_:
            raise KitError(f"{path}:{number}: {id_!r} can't be the name of a folder, and so no id")
        if id_ in found:
            raise KitError(f"{path}:{number}: {id_} is listed twice")
        name = cells[named] if named is not None and named < len(cells) else _joined(lower, cells)
        found[id_] = Listed(id_, name, frozenset(cell for cell in cells if cell))
    if not found:
        raise KitError(f"{path}: lists nobody")
    return list(found.values())


def _rows(path: Path, content: bytes) -> list[list[str]]:
    # Blackboard writes UTF-16 with tabs, whatever the ending says.
    encoding = "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        raise KitError(f"{path}: neither UTF-8 nor UTF-16", "save it as CSV UTF-8") from error
    first = text.split("\n", 1)[0]
    between = max("\t;,", key=first.count)
    try:
        return list(csv.reader(io.StringIO(text), delimiter=between))
    except csv.Error as error:
        raise KitError(f"{path}: isn't CSV ({error})") from error


def _joined(header: Sequence[str], cells: Sequence[str]) -> str:
    """A name in two columns, as Blackboard and Moodle have it."""
    parts = []
    for wanted in ("first name", "last name"):
        if wanted in header and header.index(wanted) < len(cells):
            parts.append(cells[header.index(wanted)])
    return " ".join(part for part in parts if part)
