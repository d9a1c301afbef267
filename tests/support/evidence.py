"""Entries of a class and the evidence of their runs, made up: what decisions are made from."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np

from autograder import homeworks
from autograder.course import rubric
from autograder.course.dataset import Dataset
from autograder.files import ROOT
from autograder.intake.entry import READ, Entry
from autograder.intake.submission import Submission
from autograder.observations import Blank, Observations, TrainingReport
from autograder.runner.audit import Audit
from autograder.runner.evaluate import Evidence
from autograder.runner.score import Score, score
from autograder.runner.setup import Setup
from autograder.sandbox.sandbox import Sandbox

HW6 = homeworks.load("hw6")


RUBRIC = rubric.load(ROOT / "grading_rubric.md", "hw6")


SEEN = Observations(homework="hw6", file="hw6.py", blanks=[Blank(line=3, question="Q4")])


def full_run(practice: Dataset) -> Setup:
    """A full run on data that has the name of the homework's own."""
    return Setup(HW6, RUBRIC, HW6.full, replace(practice, name="cifar10"), Sandbox("bwrap"))


def entry(content: bytes = b"print(1)\n", **fields: Any) -> Entry:
    """Somebody's file that came in time; `fields` replace its own."""
    handed_in = Submission("hw6.py", content, content, f"{hash(content) % 2**64:064x}")
    given = {"submission": handed_in, "submitted_at": datetime(2026, 11, 30, tzinfo=UTC)}
    return Entry(**{"student": "s1", "outcome": READ, **given, **fields})


def missing(outcome: str, message: str = "a reason") -> Entry:
    """Somebody of whom there is no file that could be run."""
    return Entry("s1", outcome, message)


def accuracy(right: int) -> Score:
    """So many of 100 images are right."""
    labels = np.zeros(100, dtype=np.int64)
    answers = np.eye(10, dtype=np.float32)[[0] * right + [1] * (100 - right)]
    return score({"eval": answers}, labels)


def evidence(right: int = 80, **fields: Any) -> Evidence:
    """Of a full run in which nothing was odd; so many percent are right."""
    report = TrainingReport(ended_by="script", epochs=5, seconds=100, steps=500)
    honest = Audit(images=100, plain_percent=right, altered_percent=max(right - 10, 0), changed_percent=0)
    given = {"observations": SEEN, "outcome": "GRADED", "report": report, "accuracy": accuracy(right), "audit": honest}
    return Evidence(**{**given, **fields})
