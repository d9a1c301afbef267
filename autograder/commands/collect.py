"""Who handed in what, before anything runs: the command `collect`, as a table or as JSON.

Called by the command line and by `grade`. Only prints and makes text; `intake/hand_ins.py` decides.
"""

import json
from collections import Counter
from collections.abc import Iterable
from datetime import tzinfo
from typing import Any

from rich.console import Console
from rich.table import Table

from autograder.errors import printable
from autograder.grading.collected import Taken
from autograder.intake.entry import STATES, Entry


def show(taken: Taken, console: Console, *, everybody: bool) -> None:
    """Print how many students are in each state, and a table: of everybody, or of those with something to say."""
    class_, deadline, zone = taken.class_, taken.deadline, taken.zone
    counts = Counter(entry.state for entry in class_.entries)
    attempts = sum(len(entry.uploads) for entry in class_.entries)
    parts = " · ".join(f"{word} {counts[word]}" for word in STATES)
    source = "a folder of students" if class_.lms == "folder" else f"a download of {class_.lms}"
    console.print(f"{source}: {len(class_.entries)} students, {attempts} attempts")
    if class_.about:
        console.print(class_.about, markup=False)
    console.print(parts if deadline is None else f"{parts} · deadline {deadline.isoformat(sep=' ')}")
    rows = [entry for entry in class_.entries if everybody or entry.state != "on time" or _notes(entry, zone)]
    if rows:
        table = Table(box=None, pad_edge=False, show_edge=False)
        for heading in ("student", "name", "", "came", "attempts", "what"):
            table.add_column(heading, overflow="fold")
        for entry in rows:
            moment = entry.submitted_at
            came = "" if moment is None else moment.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S")
            what = "; ".join(part for part in (entry.message or _file(entry) or "", *_notes(entry, zone)) if part)
            table.add_row(entry.student, entry.name, entry.state, came, str(len(entry.uploads)), printable(what))
        console.print(table, markup=False)
    if class_.left_out:
        console.print(f"nobody's, left out: {_some(class_.left_out)}", markup=False)
    if class_.unlisted:
        console.print(f"not on the roster, and kept: {_some(class_.unlisted)}", markup=False)


def as_json(taken: Taken) -> str:
    """The class as one object: see `docs/output.md`."""
    said: dict[str, Any] = {
        "system": taken.class_.lms,
        "students": [
            {
                "student": entry.student,
                "name": entry.name,
                "outcome": entry.state,
                "came": None if entry.submitted_at is None else entry.submitted_at.astimezone(taken.zone).isoformat(),
                "file": _file(entry),
                "attempts": len(entry.uploads),
                "notes": [printable(note) for note in (entry.message, *_notes(entry, taken.zone)) if note],
            }
            for entry in taken.class_.entries
        ],
        "left_out": taken.class_.left_out,
        "unlisted": list(taken.class_.unlisted),
    }
    return json.dumps(said, ensure_ascii=False, indent=1)


def _file(entry: Entry) -> str | None:
    return None if entry.submission is None else entry.submission.name


def _notes(entry: Entry, zone: tzinfo | None) -> list[str]:
    notes = list(entry.notes)
    if entry.own_deadline and entry.deadline is not None:
        notes.append(f"deadline of their own: {entry.deadline.astimezone(zone):%Y-%m-%d %H:%M}")
    return notes


def _some(names: Iterable[str]) -> str:
    listed = list(names)
    return ", ".join(listed[:8]) + (f" and {len(listed) - 8} more" if len(listed) > 8 else "")
