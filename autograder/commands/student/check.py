"""The command `check`: one file, what holds, and where to start on what doesn't; once, or at every save.

Called by the command line. Reads the file, has it rehearsed in a sandbox, judges what was seen, prints it. Never
imports torch, and loads pytest while the sandboxed process starts: what a check costs is that process's import of
torch. Prints to standard output only; what can't be checked is a KitError, which the command line prints.
"""

import json
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autograder import homeworks
from autograder.commands.student import check_training
from autograder.commands.student.check_report import Trained, Transcript, where
from autograder.commands.student.check_request import CheckRequest, Looked
from autograder.course.homework import Homework
from autograder.errors import KitError
from autograder.intake import beside, notebook_script
from autograder.intake import submission as submissions
from autograder.intake.submission import Submission
from autograder.language import gettext as _
from autograder.observations import Failure, Observations
from autograder.sandbox import fork_client
from autograder.sandbox import sandbox as sandboxes
from autograder.sandbox.sandbox import Sandbox

POLL_S = 0.1  # between two looks at a watched file; a look costs microseconds

if TYPE_CHECKING:
    from autograder.checks import CheckResult
    from autograder.commands.student.live_plot import LivePlot
    from autograder.observations import Package
    from autograder.runner.runner import Runner


def check(request: CheckRequest, *, plot: "LivePlot | None" = None, runner: "Runner | None" = None) -> int:
    """Check the file and print what came of it. Returns 0 when all required checks pass, 1 when some failed.

    Args:
        plot: is told how far the training is.
        runner: what runs the file; None: the sandbox's.

    Raises KitError when it can't be checked: no such file, not Python, too large, unreadable; and when the receipt
    can't be written, after all else has been said. With `as_json`, a file that isn't Python is no error: its failed
    checks are printed, and 1 is returned.
    """
    try:
        looked = _look(request.file, request.homework, request.sandbox, forked=False, runner=runner)
    except NotPythonError as error:
        if not request.as_json:
            raise
        print(_json(_object(request.file, error.handed_in, error.homework, error.judged(), [], None)))
        return 1

    from autograder.checks import passed, unmet

    homework, results = looked.homework, looked.results
    report = Transcript(request.file, looked.handed_in, homework, results, request.verbose)
    if not request.as_json:
        _show(looked, report)
    trained = None
    if request.train:
        setup = check_training.setup_of(request, looked, runner)
        shown = None if request.as_json else report
        trained = check_training.train(looked, setup, unmet(results), shown, plot)
        if request.receipt is not None:
            check_training.write_receipt(request.receipt, looked, setup, trained, shown)
    if request.as_json:
        print(_json(_object(request.file, looked.handed_in, homework, results, _packages(looked), trained)))
    return 0 if passed(results) else 1


def watch(
    file: Path, homework_name: str | None, *, sandbox: str | None, verbose: bool, runner: "Runner | None" = None
) -> int:
    """Check `file` now and whenever it has been saved, until it is interrupted: then 0. For the rest see `check`.

    In bubblewrap torch is imported once, and each check runs in a fork of the process that did it; else each imports it
    anew. Where the file can't be checked any more, a message says so, and the next save is waited for. Raises KitError
    where there is no such file or homework from the start, and without a sandbox.
    """
    from rich.console import Console

    submissions.read(file)
    homeworks.load(homework_name or _homework_of(file))
    sandboxes.choose(sandbox, own=True)
    console = Console(highlight=False, markup=False, emoji=False, soft_wrap=True)
    try:
        while True:
            saved = _stamp(file)
            looked, trouble = None, ""
            try:
                looked = _look(file, homework_name, sandbox, forked=True, runner=runner)
            except KitError as error:
                trouble = error.message
                if error.hint:
                    trouble += "\n" + _("hint: {command}").format(command=error.hint)
            if console.is_terminal:
                console.clear()
            if looked is None:
                console.print(trouble)
            else:
                _show(looked, Transcript(file, looked.handed_in, looked.homework, looked.results, verbose))
            watching = _("watching {file}: save it to check it again, Ctrl-C to stop").format(file=file.name)
            console.print(f"\n{watching}", style="dim")
            while _stamp(file) in (saved, None):
                time.sleep(POLL_S)
    except KeyboardInterrupt:
        return 0
    finally:
        fork_client.end()


def _look(
    file: Path, homework_name: str | None, sandbox: str | None, *, forked: bool, runner: "Runner | None" = None
) -> Looked:
    started = time.monotonic()
    handed_in = submissions.read(file)
    homework = homeworks.load(homework_name or _homework_of(file))
    _refuse_what_is_not_python(file, handed_in, homework)
    handed_in = replace(handed_in, beside=beside.of_file(file, homework))
    place = sandboxes.choose(sandbox, own=True)
    observations = _observe(homework, handed_in, place, forked=forked, runner=runner)
    if observations.syntax_error is not None:
        error = observations.syntax_error
        raise NotPythonError(file, handed_in, homework, error.line, error.message)

    from autograder import checks

    results = checks.run(observations, homework)
    return Looked(handed_in, homework, place, observations, results, time.monotonic() - started)


def _show(looked: Looked, report: Transcript) -> None:
    from autograder import checks

    layers = checks.layer_table(looked.observations, looked.homework) if report.verbose else []
    entries = checks.entry_table(looked.observations, looked.homework) if report.verbose else []
    report.show(looked.seconds, looked.place, layers, entries, _packages(looked))


def _packages(looked: Looked) -> "list[Package]":
    """What the file imports, beside Python's own modules."""
    rehearsal = looked.observations.rehearsal
    return [] if rehearsal is None else rehearsal.packages


def _stamp(file: Path) -> tuple[int, ...] | None:
    """A value that changes with each save; None while there is no file, as when an editor replaces it."""
    try:
        seen = file.stat()
    except OSError:
        return None
    return seen.st_mtime_ns, seen.st_size, seen.st_ino


def _homework_of(file: Path) -> str:
    """The homework that the file's name begins with; the only one, where there is one. Raises KitError."""
    names = homeworks.names()
    if len(names) == 1:
        return names[0]
    named = [name for name in names if file.stem.lower().startswith(name)]
    if not named:
        raise KitError(
            _("{file}: the name doesn't say which homework it is").format(file=file),
            _("say {option}").format(option=f"--homework {'|'.join(names)}"),
        )
    return max(named, key=len)


def _refuse_what_is_not_python(file: Path, handed_in: Submission, homework: Homework) -> None:
    if (found := notebook_script.problem(handed_in.script)) is not None:
        raise NotPythonError(file, handed_in, homework, *found)


class NotPythonError(KitError):
    """A file that Python can't parse."""

    def __init__(self, file: Path, handed_in: Submission, homework: Homework, line: int | None, message: str) -> None:
        place = where(file, handed_in, line)
        super().__init__(
            _("{place}: not Python that can be run: {message}").format(place=place, message=message),
            _("Python reads the whole file before it runs"),
        )
        self.handed_in = handed_in
        self.homework = homework
        self.failure = Failure(type="SyntaxError", message=message, line=line)

    def judged(self) -> "list[CheckResult]":
        """What the checks say of it."""
        from autograder import checks

        name = self.homework.name
        seen = Observations(homework=name, file=self.handed_in.name, syntax_error=self.failure)
        return checks.run(seen, self.homework)


def _observe(
    homework: Homework, handed_in: Submission, place: Sandbox, *, forked: bool, runner: "Runner | None"
) -> Observations:
    from autograder.runner.runner import SANDBOX_RUNNER

    loading = threading.Thread(target=_load_what_is_needed_later, args=(homework,), daemon=True)
    loading.start()
    observations = (runner or SANDBOX_RUNNER).observe(homework, handed_in, place, threads=1, warm=forked)
    loading.join()
    return observations


def _load_what_is_needed_later(homework: Homework) -> None:
    import importlib

    import rich.console  # noqa: F401

    from autograder import checks

    for name in homework.checks:
        importlib.import_module(f"autograder.checks.{name}")
    # pytest loads parts of itself at its first run; this one has nothing to judge.
    checks.run(Observations(homework=homework.name, file="", problem="nothing ran"), homework)


def _json(answer: dict[str, Any]) -> str:
    return json.dumps(answer, indent=2, ensure_ascii=False)


def _object(
    file: Path,
    handed_in: Submission,
    homework: Homework,
    results: "list[CheckResult]",
    packages: "list[Package]",
    trained: Trained | None,
) -> dict[str, Any]:
    from autograder.checks import passed

    return {
        "homework": homework.name,
        "file": file.name,
        "passed": passed(results),
        "checks": [
            result.model_dump() | ({"place": where(file, handed_in, result.line)} if handed_in.cells else {})
            for result in results
        ],
        "packages": [package.model_dump() for package in packages],
        "training": None if trained is None else dict(vars(trained)),
    }
