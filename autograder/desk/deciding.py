"""Turns each form of the desk into a decision, made by `grading/decisions.py` as the commands' are.

Called by `app.py`. Each form has the history's last line that its page had shown (`seen`); where a newer decision
exists, nothing is written. `Runs` starts runs of the class.
"""

import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from autograder.errors import KitError
from autograder.grading.decisions import Decisions

Form = Mapping[str, str]
LOG = "desk.log"  # output of the last run that the desk has started


def decide(decisions: Decisions, student: str, what: str, form: Form) -> None:
    """Make the decision that a form asks for. `what` is the last part of the form's address, a key of `DECISIONS`.

    Raises KitError where it can't be made, ChangedError where something else was decided meanwhile.
    """
    DECISIONS[what](decisions, student, form)


def _points(decisions: Decisions, student: str, form: Form) -> None:
    if form.get("withdraw"):
        decisions.points(student, None, form.get("reason", ""), form["seen"])
        return
    try:
        points = float(form.get("points", "").strip().replace(",", "."))
    except ValueError as error:
        raise KitError("points are a number", "within the rubric's, such as 12 or 12.5") from error
    decisions.points(student, points, form.get("reason", ""), form["seen"])


def _comment(decisions: Decisions, student: str, form: Form) -> None:
    line = form.get("line", "").strip()
    if line and not line.isdigit():
        raise KitError(f"{line!r} is no line", "a number, or nothing for a comment on the whole")
    decisions.comment(student, form.get("text", ""), int(line) if line else None, form["seen"])


def _uncomment(decisions: Decisions, student: str, form: Form) -> None:
    decisions.take_back_comment(student, form.get("comment", ""), form["seen"])


def _settle(decisions: Decisions, student: str, form: Form) -> None:
    file, reason = form.get("file", ""), form.get("reason", "")
    if form.get("withdraw"):
        decisions.settle(student, None, reason, form["seen"], withdraw=True)
    elif form.get("none"):
        decisions.settle(student, None, reason, form["seen"])
    elif file.strip():
        decisions.settle(student, file, reason, form["seen"])
    else:
        raise KitError("no file was chosen", "choose one, or say that none counts")


def _deadline(decisions: Decisions, student: str, form: Form) -> None:
    until = None if form.get("withdraw") else form.get("until", "").replace("T", " ")
    decisions.deadline(student, until, form.get("reason", ""), form["seen"])


def _looked(decisions: Decisions, student: str, form: Form) -> None:
    decisions.looked_at(student, form.get("reason", ""), form["seen"], withdraw=bool(form.get("withdraw")))


def _again(decisions: Decisions, student: str, form: Form) -> None:
    decisions.run_again([student], form.get("reason", ""), form["seen"])


DECISIONS: dict[str, Callable[[Decisions, str, Form], None]] = {
    "points": _points,
    "comment": _comment,
    "uncomment": _uncomment,
    "settle": _settle,
    "deadline": _deadline,
    "looked": _looked,
    "again": _again,
}


class Runs:
    """Runs of the class that this desk has started: `autograder regrade`, in a process that outlives the desk."""

    def __init__(self, out: Path) -> None:
        self.out = out
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def goes_on(self) -> bool:
        """Whether a run that this desk has started goes on."""
        return self.process is not None and self.process.poll() is None

    @property
    def trouble(self) -> str:
        """The last lines that a failed run has printed; "" while it goes on, or when it ended well."""
        if self.process is None or self.process.poll() in (None, 0):
            return ""
        said = (self.out / LOG).read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return "; ".join(said[-2:])[-500:] or f"the run ended with {self.process.returncode}"

    def start(self) -> None:
        """Start a run that carries out the decisions. Raises KitError while one goes on that `start` has started."""
        if self.goes_on:
            raise KitError("a run goes on", "what was decided since it began needs another one")
        command = [sys.executable, "-m", "autograder", "regrade", "--out", str(self.out.resolve())]
        with (self.out / LOG).open("wb") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
            )
