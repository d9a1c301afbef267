"""What happened to a class's grades, line by line: every result that was made, and every decision of a person.

Called by `grade` (each new result), by `override`, and by whatever hands numbers on. The file, `history.jsonl`, is only
ever added to. Each line holds the SHA-256 of the line before, so a line that was changed, taken out or put in between
shows; that the last lines are missing shows where the last line's own hash was noted, which exports and `grade` print.
"""

import getpass
import hashlib
import json
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from autograder.errors import KitError

FILE = "history.jsonl"
LONGEST = 2**20  # bytes of a line
BEGINNING = "0" * 64  # what the first line holds in place of a hash

What = Literal["result", "override", "override withdrawn", "settled", "settled withdrawn"]


class Line(BaseModel):
    """One thing that happened.

    Attributes:
        time: ISO 8601, with its offset.
        who: the user of the machine.
        points: of the result, or set by a person; None for none.
        former: what they were before; None for none.
        reason: of a person.
        file: that counts, as a person has settled; "" for none, and in lines about something else.
        key: of the result that it is about; see `results.Result`.
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
    previous: str


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

    Reads no more than the last line: whoever begins to add checks the whole once, by `read`.
    """
    previous = _last_hash(out)
    line = Line(
        time=datetime.now(UTC).astimezone(), who=_who(), what=what, student=student, previous=previous, **fields
    )
    content = line.model_dump_json().encode() + b"\n"
    try:
        descriptor = os.open(out / FILE, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            os.write(descriptor, content)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise KitError(f"{out / FILE}: can't be written ({error.strerror})") from error
    return line


def overrides(lines: Sequence[Line]) -> dict[str, Line]:
    """Student -> the line that set their points last, of those whose points are still set."""
    found: dict[str, Line] = {}
    for line in lines:
        if line.what == "override":
            found[line.student] = line
        elif line.what == "override withdrawn":
            found.pop(line.student, None)
    return found


def settled(lines: Sequence[Line]) -> dict[str, str | None]:
    """Student -> the file that counts as a person has decided last, None for none, where that wasn't withdrawn."""
    found: dict[str, str | None] = {}
    for line in lines:
        if line.what == "settled":
            found[line.student] = line.file or None
        elif line.what == "settled withdrawn":
            found.pop(line.student, None)
    return found


def _read(out: Path) -> tuple[list[Line], str]:
    path = out / FILE
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return [], BEGINNING
    except OSError as error:
        raise KitError(f"{path}: can't be read ({error.strerror})") from error
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
    """A line that a power cut left half written never happened: what it is about is written after it, or again."""
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
