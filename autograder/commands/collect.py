"""Who handed in what, before anything runs: the command `collect`, and the list of attempts that `grade` keeps.

Called by the command line and by `grade`. Prints and makes text, decides nothing: see `hand_ins.py`.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, tzinfo
from pathlib import Path

from rich.console import Console
from rich.table import Table

from autograder.course import rubric
from autograder.errors import printable
from autograder.intake import hand_ins
from autograder.intake.hand_ins import FOR_A_PERSON, READ, Entry, Intake


@dataclass(frozen=True)
class Taken:
    """A class as it was asked for: with its deadline and the course's zone, None where nobody said."""

    class_: Intake
    deadline: datetime | None
    zone: tzinfo | None


def take(
    submissions: Path,
    homework_name: str,
    *,
    deadline: str | None = None,
    timezone: str | None = None,
    lms: str | None = None,
    roster: Path | None = None,
) -> Taken:
    """Read a class by the words of a command; see `intake`. How late is too late is the rubric's to say.

    Raises KitError where a word means nothing, and where the class or the rubric can't be read.
    """
    zone = None if timezone is None else hand_ins.parse_zone(timezone)
    moment = None if deadline is None else hand_ins.parse_deadline(deadline, zone)
    grace_s = rubric.load(rubric.PATH, homework_name).grace_s
    class_ = hand_ins.collect(submissions, homework_name, moment, system=lms, zone=zone, listed=roster, grace_s=grace_s)
    return Taken(class_, moment, zone)


def state(entry: Entry) -> str:
    """In a word, what became of an entry: "on time", "late", "absent", "for a person", "unusable"."""
    if entry.outcome in FOR_A_PERSON:
        return "for a person"
    if entry.late:
        return "late"
    if entry.outcome == READ:
        return "on time"
    return "absent" if entry.outcome == "NO_FILE" and not any(one.files for one in entry.uploads) else "unusable"


def show(taken: Taken, console: Console, *, everybody: bool) -> None:
    """Print the class: how many of each kind, and a row for everybody, or for whom something has to be said of."""
    class_, deadline, zone = taken.class_, taken.deadline, taken.zone
    counts = Counter(state(entry) for entry in class_.entries)
    attempts = sum(len(entry.uploads) for entry in class_.entries)
    parts = " · ".join(f"{word} {counts[word]}" for word in ("on time", "late", "absent", "unusable", "for a person"))
    source = "a folder of students" if class_.lms == "folder" else f"a download of {class_.lms}"
    console.print(f"{source}: {len(class_.entries)} students, {attempts} attempts")
    console.print(parts if deadline is None else f"{parts} · deadline {deadline.isoformat(sep=' ')}")
    rows = [entry for entry in class_.entries if everybody or state(entry) != "on time" or entry.notes]
    if rows:
        table = Table(box=None, pad_edge=False, show_edge=False)
        for heading in ("student", "name", "", "came", "attempts", "what"):
            table.add_column(heading, overflow="fold")
        for entry in rows:
            came = (
                "" if entry.submitted_at is None else entry.submitted_at.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S")
            )
            file = "" if entry.submission is None else entry.submission.name
            what = "; ".join(part for part in (entry.message or file, *entry.notes) if part)
            table.add_row(entry.student, entry.name, state(entry), came, str(len(entry.uploads)), printable(what))
        console.print(table, markup=False)
    if class_.left_out:
        console.print(f"nobody's, left out: {_some(class_.left_out)}", markup=False)
    if class_.unlisted:
        console.print(f"not on the roster, and kept: {_some(class_.unlisted)}", markup=False)


def _some(names: Iterable[str]) -> str:
    listed = list(names)
    return ", ".join(listed[:8]) + (f" and {len(listed) - 8} more" if len(listed) > 8 else "")
