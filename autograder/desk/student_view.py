"""The values of one student's screen: the submission's code, what is known about the student, and what can be decided.

Called by `app.py`. Only reads, and runs nothing: the submission is text here.
"""

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autograder.course import rubric
from autograder.desk.class_view import ClassView, Row
from autograder.errors import KitError
from autograder.grading.decisions import Decisions
from autograder.publish import code_view, feedback_page
from autograder.publish.code_view import Code
from autograder.results import attempts, history, store
from autograder.results.result import Result

LONGEST_LOG = 2**18  # bytes; a run keeps half of it


@dataclass(frozen=True)
class Place:
    """A student's place in a list of the class: its number, 0 outside the list, and who comes before and after."""

    name: str
    number: int
    count: int
    before: str | None
    after: str | None


def place(view: ClassView, student: str, listed: str) -> Place:
    """A student's place in the queue where `listed` is "queue", else in the class."""
    now = view.now
    names = [row.student for row in (now.queue if listed == "queue" else now.everybody)]
    if student in names:
        at = names.index(student)
        before = names[at - 1] if at else None
        return Place(listed, at + 1, len(names), before, names[at + 1] if at + 1 < len(names) else None)
    # After a student who has left the queue comes the first who is still in it.
    return Place(listed, 0, len(names), None, names[0] if names else None)


def values(view: ClassView, row: Row, listed: str, file: str | None) -> dict[str, Any]:
    """The values for the template. `file`: another file of the student, shown instead of the one that counts.

    Raises KitError where the result or that file can't be read.
    """
    out, student = view.out, row.student
    result = store.read(out / student)
    lines = [line for line in view.lines() if line.student == student]
    mine = [one for one in attempts.attempts(out) if one["student"] == student]
    names = dict.fromkeys(
        name for one in mine for name in (one["downloaded"] or one["files"]).split(" | ") if name.strip()
    )
    shown: dict[str, Any] = {"result": None, "code": None}
    if result is not None:
        shown = _of_result(out, result, lines)
    if file is not None:
        shown["code"] = _other_file(view, student, file)
    settled = history.settled(lines)
    return {
        **shown,
        "row": row,
        "place": place(view, student, listed),
        "file": file,
        "attempts": mine,
        "names": list(names),
        "settled": settled.get(student, "") if student in settled else "",
        "is_settled": student in settled,
        "until": history.deadlines(lines).get(student),
        "marked": student in history.to_run_again(lines),
        "looked": history.looked_at(lines).get(student),
        "override": history.overrides(lines).get(student),
        "said": history.comments(lines),
        "lines": list(reversed(lines)),
        "seen": history.last_of(lines, student),
        "log": _log(out / student),
        "earlier": sorted(
            (path.parent.name for path in (out / student / "earlier").glob("*/result.json")), reverse=True
        ),
        "has_page": (out / student / feedback_page.FILE).exists(),
    }


def _of_result(out: Path, result: Result, lines: list[history.Line]) -> dict[str, Any]:
    handed_in = store.handed_in(out / result.student, result)
    ruled = rubric.load(rubric.PATH, result.homework.name)
    found = feedback_page.values(result, ruled, handed_in, lines)
    if handed_in is not None:
        found["code"] = code_view.of(handed_in, result, history.comments(lines), folded=False)
    found["unplaced"] = [check for check in result.failed_checks if check.line is None]
    return found


def _other_file(view: ClassView, student: str, file: str) -> Code:
    decisions = Decisions(view.out, view.book)
    entry = decisions.with_file(decisions.entry(student), file)
    if entry.submission is None:
        raise KitError(f"{file}: can't be shown ({entry.message})")
    return code_view.of(entry.submission, None, folded=False)


def _log(folder: Path) -> str:
    with contextlib.suppress(OSError), (folder / "log.txt").open("rb") as file:
        return file.read(LONGEST_LOG).decode("utf-8", "replace")
    return ""
