"""Results with points, and their way into nbgrader's gradebook."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from support.results import result

from autograder import homeworks
from autograder.intake.entry import READ, Entry
from autograder.intake.submission import Submission
from autograder.publish import nbgrader_gradebook
from autograder.results.result import Result

HW6 = homeworks.load("hw6")


DEADLINE = datetime(2026, 11, 30, 14, 59, tzinfo=UTC)
CODE = b"print('<b>mine</b>')\n"


def full(student: str, points: float | None = 20.0, **fields: Any) -> Result:
    """A result of a full run."""
    own = {**result().dataset.model_dump(), "name": "cifar10", "own": True}
    protocol = {"name": "full", "own_budget": True, "epochs": 5, "time_box_s": 7200.0}
    given = {"dataset": own, "protocol": protocol, "status": "graded", "points": points, "no_points_because": None}
    return result(student, **{**given, **fields})


def entry(student: str) -> Entry:
    """Their file."""
    handed_in = Submission("hw6.py", CODE, CODE, "0" * 64)
    return Entry(student, READ, "", handed_in, datetime(2026, 11, 30, 23, 0, tzinfo=UTC))


def write(out: Path, url: str, *everybody: Result) -> None:
    """Write a class into the gradebook at `url`."""
    entries = [entry(one.student) for one in everybody if one.submission is not None]
    nbgrader_gradebook.write(out, everybody, entries, HW6, DEADLINE, url)
