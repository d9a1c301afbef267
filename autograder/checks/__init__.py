"""Checks: pytest tests over observations, and how they are run.

Called by `check` and by `grade`. A homework's declaration names the modules here that apply to it; each of their tests
is one check, written with the words of `wording.py`. Nothing here runs a student's code or imports torch.
"""

from autograder.checks.harness import run
from autograder.checks.network.expected import layer_table
from autograder.checks.network.layer_table import Row
from autograder.checks.result import CheckResult, passed, unmet
from autograder.course.state_dict import EntryRow, entry_table

__all__ = ["CheckResult", "EntryRow", "Row", "entry_table", "layer_table", "passed", "run", "unmet"]
