"""The command line, run in this process, with the runner that its commands are handed."""

import sys
from collections.abc import Callable
from functools import partial

import pytest

from autograder.commands import app, grade
from autograder.commands.course import record_solution
from autograder.commands.student import check
from autograder.runner.runner import Runner

Command = Callable[..., int]


def command(patch: pytest.MonkeyPatch) -> Command:
    """Runs the command with some words and returns what it exits with."""

    def run(*words: object) -> int:
        patch.setattr(sys, "argv", ["autograder", *map(str, words)])
        with pytest.raises(SystemExit) as exit_:
            app.main()
        return int(exit_.value.code or 0)

    return run


def hand_in(patch: pytest.MonkeyPatch, runner: Runner) -> None:
    """Have every command that runs submissions run them with `runner`: the command line has no word for that."""
    for module, name in ((grade, "grade"), (grade, "again"), (record_solution, "reference"), (check, "check")):
        patch.setattr(module, name, partial(getattr(module, name), runner=runner))
