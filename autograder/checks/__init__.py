"""Checks: pytest tests over observations, and how they are run.

Called by `check` and by `grade`. A homework's declaration names the modules here that apply to it; each of their tests
is one check, written with the words of `wording.py`. Nothing here runs a student's code or imports torch.
"""

from autograder.checks.entries import EntryRow, entry_table
from autograder.checks.expected import layer_table
from autograder.checks.harness import run
from autograder.checks.ladder import Row
from autograder.checks.result import CheckResult, passed, unmet

__all__ = ["CheckResult", "EntryRow", "Row", "entry_table", "layer_table", "passed", "run", "unmet"]
