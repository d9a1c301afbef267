"""The history of a class's grades: a line for every result, and for every decision of a person.

Called by `grade` (each new result), by what a person decides (`grading.decisions`), and by whatever hands numbers on.
The file, `history.jsonl`, is only ever added to, by one process at a time: see `held`. Each line holds the SHA-256 of
the line before, so a line that was changed, taken out or put in between shows. Missing lines at the end show only to
somebody who has noted the last line's hash, which `export` and `grade` print.
"""

import contextlib
import getpass
import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock, Timeout
from pydantic import BaseModel, ConfigDict, ValidationError

from autograder.course.rubric import points_text
from autograder.errors import KitError

FILE = "history.jsonl"
LOCK = ".history.lock"
PATIENCE_S = 60.0  # of whoever waits for the lock, which is held for fractions of a second
LONGEST = 2**20  # bytes of a line
BEGINNING = "0" * 64  # what the first line holds in place of a hash

What = Literal[
    "result",
    "override",
    "override withdrawn",
    "settled",
    "settled withdrawn",
    "deadline",
    "deadline withdrawn",
    "comment",
    "comment withdrawn",
    "looked at",
    "looked at withdrawn",
    "run again",
]

FOR_A_RUN: tuple[What, ...] = ("settled", "settled withdrawn", "deadline", "deadline withdrawn", "run again")
"""What shows only when the class is graded once more."""


class Line(BaseModel):
    """One thing that happened.

    Attributes:
        time: ISO 8601, with its offset.
        who: the user of the machine.
        points: of the result, or set by a person; None for none.
        former: what they were before; None for none.
        reason: of a person; of a comment, what it says.
        file: that counts, as a person has settled; "" for none, and in lines about something else.
        key: of the result that it is about; see `results.Result`.
        at: the line of the script that a comment is on, from 1; None for the whole.
        sha256: of the file that a comment is about, as hex: another file has other lines.
        until: a deadline of one's own.
        takes_back: the id of the line that this one withdraws, of a comment.
        previous: SHA-256 of the line before, as hex.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    time: datetime
    who: str
    what: What
    student: str
    points: float | None = None
    former: float | None = None
    reason: str = ""
    file: str = ""
    key: str = ""
    at: int | None = None
    sha256: str = ""
    until: datetime | None = None
    takes_back: str = ""
    previous: str

    @property
    def id(self) -> str:
        """What no other line of the history is called."""
        return self.previous[:16]

    @property
    def words(self) -> str:
        """What it says, in a few words, without the reason."""
        if self.what in ("result", "override", "override withdrawn"):
            return f"{self.what}, {'no points' if self.points is None else f'{points_text(self.points)} points'}"
        if self.what.startswith("settled"):
            return f"{self.what}, {self.file or 'no file'}"
        if self.what == "comment":
            return f"comment {self.id} on {'the whole' if self.at is None else f'line {self.at}'}"
        if self.what == "comment withdrawn":
            return f"comment {self.takes_back} withdrawn"
        return self.what if self.until is None else f"{self.what}, {self.until:%Y-%m-%d %H:%M}"


@contextlib.contextmanager
def held(out: Path) -> Iterator[None]:
    """Nobody else, in this process or another, adds to the history of `out` within. May be held again within.

    Raises KitError where somebody has held it for a minute.
    """
    try:
        lock = FileLock(out / LOCK, timeout=PATIENCE_S, is_singleton=True)  # each thread counts for itself
        lock.acquire()
    except Timeout as error:
        raise KitError(f"{out / LOCK}: somebody has held it for a minute", "see what else works there") from error
    except OSError as error:
        raise KitError(f"{out}: can't be written ({error.strerror})") from error
    try:
        yield
    finally:
        lock.release()


def read(out: Path) -> list[Line]:
    """All lines under `out`, checked; [] where there is no history yet.

    Raises KitError where a line isn't what it was.
    """
    lines, _ = _read(out)
    return lines


def head(out: Path) -> str:
    """SHA-256 of the last line: who has noted it can tell whether anything was changed since. Raises KitError."""
    return _read(out)[1]


def add(out: Path, what: What, student: str, **fields: Any) -> Line:
    """Add a line. Raises KitError where the history can't be written.

    Reads only the last line: call `read` once before, which checks all lines.
    """
    with held(out):
        previous = _last_hash(out)
        line = Line(
            time=datetime.now(UTC).astimezone(), who=_who(), what=what, student=student, previous=previous, **fields
        )
        _append(out, line.model_dump_json().encode() + b"\n")
    return line


def about(out: Path, student: str) -> list[Line]:
    """The lines about a student alone, in order, without a look at the chain: for pages, which are many."""
    try:
        content = (out / FILE).read_bytes()
    except OSError:
        return []
    named = b'"student":' + json.dumps(student, ensure_ascii=False).encode()
    found = []
    for text in content.splitlines():
        if named in text:
            with contextlib.suppress(ValidationError):  # half a line, of a power cut: `read` deals with it
                found.append(Line.model_validate_json(text))
    return [line for line in found if line.student == student]


def last_of(lines: Iterable[Line], student: str) -> str:
    """The id of the last line about a student, "" without one: whoever decides says what they had seen."""
    return next((line.id for line in reversed(list(lines)) if line.student == student), "")


def overrides(lines: Iterable[Line]) -> dict[str, Line]:
    """Student -> the line that set their points last, of those whose points are still set."""
    return _standing(lines, "override", "override withdrawn")


def settled(lines: Iterable[Line]) -> dict[str, str | None]:
    """Student -> the file that counts as a person has decided last, None for none, where that wasn't withdrawn."""
    return {student: line.file or None for student, line in _standing(lines, "settled", "settled withdrawn").items()}


def deadlines(lines: Iterable[Line]) -> dict[str, datetime]:
    """Student -> the deadline of their own that a person has given last, where that wasn't withdrawn."""
    given = _standing(lines, "deadline", "deadline withdrawn")
    return {student: line.until for student, line in given.items() if line.until is not None}


def to_run_again(lines: Iterable[Line]) -> set[str]:
    """Students who are to be run again, and haven't been since."""
    return set(_standing(lines, "run again", "result"))


def looked_at(lines: Iterable[Line]) -> dict[str, Line]:
    """Student -> the line by which a person says that there is nothing to do, where no newer result came since."""
    return _standing(lines, "looked at", "looked at withdrawn", "result")


def _standing(lines: Iterable[Line], what: What, *ended_by: What) -> dict[str, Line]:
    """Student -> the last line of a kind, of those that no later line of the other kinds has ended."""
    found: dict[str, Line] = {}
    for line in lines:
        if line.what == what:
            found[line.student] = line
        elif line.what in ended_by:
            found.pop(line.student, None)
    return found


def comments(lines: Iterable[Line]) -> list[Line]:
    """All comments that weren't withdrawn, in the order in which they were made."""
    found: dict[str, Line] = {}
    for line in lines:
        if line.what == "comment":
            found[line.id] = line
        elif line.what == "comment withdrawn":
            found.pop(line.takes_back, None)
    return list(found.values())


def _read(out: Path) -> tuple[list[Line], str]:
    path = out / FILE
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return [], BEGINNING
    except OSError as error:
        raise KitError(f"{path}: can't be read ({error.strerror})") from error
    if content and not content.endswith(b"\n"):
        with held(out):  # else it may be a line that somebody is just writing
            content = path.read_bytes()
            if content and not content.endswith(b"\n"):
                content = _without_half_a_line(path, content)
    lines, previous = [], BEGINNING
    for number, text in enumerate(content.splitlines(keepends=True), start=1):
        try:
            line = Line.model_validate_json(text)
        except ValidationError as error:
            raise KitError(f"{path}:{number}: isn't a line of a history", "restore the file from a backup") from error
        if line.previous != previous:
            raise KitError(
                f"{path}:{number}: the line before it isn't the one that was there when it was written",
                "somebody changed the history: restore it from a backup",
            )
        lines.append(line)
        previous = hashlib.sha256(text).hexdigest()
    return lines, previous


def _append(out: Path, content: bytes) -> None:
    try:
        descriptor = os.open(out / FILE, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            os.write(descriptor, content)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise KitError(f"{out / FILE}: can't be written ({error.strerror})") from error


def _last_hash(out: Path) -> str:
    try:
        with (out / FILE).open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - LONGEST))
            end = file.read()
    except OSError:
        end = b""
    if not end.endswith(b"\n"):  # there is none yet, or a power cut left half a line
        return _read(out)[1]
    return hashlib.sha256(end[:-1].rpartition(b"\n")[2] + b"\n").hexdigest()


def _without_half_a_line(path: Path, content: bytes) -> bytes:
    """Remove a line that a power cut left half written: what it is about is written later, or again."""
    whole = content[: content.rfind(b"\n") + 1]
    try:
        json.loads(content[len(whole) :])
    except ValueError:
        os.truncate(path, len(whole))
        return whole
    with path.open("ab") as file:  # only its end was missing
        file.write(b"\n")
    return content + b"\n"


def _who() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user id without a name
        return str(os.getuid())
