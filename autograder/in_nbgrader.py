"""Grading by nbgrader itself: what the locked cells of nbgrader's notebook call.

`commands/course/nbgrader_notebook.py` writes that notebook. Its locked cells call `begin`, `check` and `points` in the
kernel that also runs the student's cells. While a student works on the notebook, the three do nothing. Under `nbgrader
autograde`, where the course's configuration sets `GRADING` (`docs/instructors.md`), they grade: `check` and `points`
start a process of their own, which reads the notebook's file and does what `grade` does, so the points are the same.
One protection is weaker: a student's cells run in the same kernel, with the rights of whoever grades, and could change
what the three say.

nbgrader gives no points to a cell that writes to standard error, and takes the number at the end of a cell as its
points. So these functions write nothing to standard error, and `points` returns a plain float.
"""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from autograder.course.homework import Homework
from autograder.errors import KitError
from autograder.homeworks import load

GRADING = "AUTOGRADER_IN_NBGRADER"
"""The environment variable that says that nbgrader is grading: "full", or "preview" for a trial without points."""
DATA = "AUTOGRADER_DATA"
"""The environment variable that names the folder of a prepared dataset, where it isn't in its usual place."""
REHEARSED = 20  # drawn images that the student's own cells get: they need to run to their end, not to train


def begin(homework_name: str) -> None:
    """While nbgrader grades, give the student's cells that follow a few drawn images in place of CIFAR-10.

    Raises KitError when there is no such homework.
    """
    if not _grading():
        return
    from autograder.course.practice import class_names, draw_for
    from autograder.proctor import fake_dataset, loaders

    own = load(homework_name).own_dataset
    images, labels = draw_for(own, REHEARSED)
    split = fake_dataset.Split(images, labels, REHEARSED)
    fake_dataset.install(fake_dataset.Pictures(split, split, class_names(own)), own.read_as)
    loaders.install(_Nobody(), loaders.Ration(train_images=REHEARSED, test_images=REHEARSED))


def check(homework_name: str) -> float | None:
    """While nbgrader grades, print what the checks say; 0.0, since they give no points."""
    if not _grading():
        return None
    found = _graded(homework_name, "check")
    print(found["text"])
    return 0.0


def points(homework_name: str) -> float | None:
    """While nbgrader grades, train and test the notebook's file, and return its points; 0.0 in a preview."""
    if not _grading():
        return None
    found = _graded(homework_name, "points")
    print(found["text"])
    return float(found["points"])


def _grading() -> bool:
    # The proctor runs these cells too, as part of the script: there they must do nothing.
    return bool(os.environ.get(GRADING)) and "autograder.proctor.run_script" not in sys.modules


def _graded(homework_name: str, what: str) -> dict[str, Any]:
    file = Path.cwd() / f"{load(homework_name).stem}.ipynb"
    command = [sys.executable, "-m", "autograder.in_nbgrader", what, homework_name, str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    except (ValueError, IndexError) as error:
        last = (done.stderr.strip().splitlines() or ["no answer"])[-1]
        raise RuntimeError(f"the grader itself failed, which says nothing about the submission: {last}") from error
    return found


class _Nobody:
    """A listener of loaders that lets every batch through."""

    def asked(self, *_: object) -> bool:
        return True

    def served(self, *_: object) -> None:
        pass


# --- the process that grades -----------------------------------------------------------------------------------------


def main(words: list[str]) -> None:
    """Grade the notebook that is named; the last line printed is the answer, as JSON."""
    what, homework_name, file = words
    try:
        answer = _answer(what, load(homework_name), Path(file))
    except KitError as error:  # the course's set-up is wrong: without an answer nbgrader shows the last line
        sys.exit(f"{error.message}; {error.hint}")
    print(json.dumps(answer))


def _answer(what: str, homework: Homework, file: Path) -> dict[str, Any]:
    from autograder import checks
    from autograder.grading import decision, student_run
    from autograder.intake import beside, submission
    from autograder.intake.entry import READ, Entry
    from autograder.intake.file_tree import OnDisk
    from autograder.machine import cores
    from autograder.publish import nbgrader_gradebook
    from autograder.runner.observe import observe
    from autograder.runner.request import TrainingRequest
    from autograder.runner.setup import prepared
    from autograder.sandbox import sandbox

    data = Path(os.environ[DATA]) if DATA in os.environ else None
    try:
        handed_in = submission.read(file)
        own = beside.files(OnDisk(file.parent), OnDisk(file), homework)
        entry = Entry(file.parent.parent.name, READ, "", replace(handed_in, beside=own))
    except submission.UnreadableError as error:
        entry = Entry(file.parent.parent.name, error.outcome, error.message)
    if entry.submission is not None and what == "check":
        found = checks.run(observe(homework, entry.submission, sandbox.choose()), homework)
        return {"text": "\n".join(f"{one.outcome:8} {one.title}" for one in found)}
    if what == "check":
        return {"text": f"{entry.outcome}: {entry.message}"}
    asked = TrainingRequest(homework=homework.name, data=data, protocol=os.environ[GRADING])
    setup = prepared(asked, sandbox.choose(), full=False, threads=cores(), forks=False)
    if entry.submission is None:
        result = decision.without_a_run(entry, setup)
    else:
        graded = student_run.grade(entry, setup, student_run.observe(entry, setup))
        if graded.crash:
            raise RuntimeError(graded.crash.strip().splitlines()[-1])
        result = graded.result
    reasons = [f"for a person: {reason}" for reason in result.for_a_person]
    return {"points": result.points or 0.0, "text": "\n".join([nbgrader_gradebook.summary(result), *reasons])}


if __name__ == "__main__":
    main(sys.argv[1:])
