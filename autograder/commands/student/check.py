"""The command `check`: one file, what holds, and where to start on what doesn't; once, or at every save.

Called by the command line. Reads the file, has it rehearsed in a sandbox, judges what was seen, prints it. Never
imports torch, and loads pytest while the sandboxed process starts: what a check costs is that process's import of
torch. Prints to standard output only; what can't be checked is a KitError, which the command line prints.
"""

import hashlib
import json
import threading
import time
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from autograder import homeworks
from autograder.commands.student.check_report import Progress, Trained, Transcript, where
from autograder.course.homework import Homework
from autograder.errors import KitError
from autograder.intake import beside, notebook_script
from autograder.intake import submission as submissions
from autograder.intake.submission import Submission
from autograder.language import chosen
from autograder.language import gettext as _
from autograder.observations import Failure, Observations
from autograder.sandbox import fork_client
from autograder.sandbox import sandbox as sandboxes
from autograder.sandbox.sandbox import Sandbox

PREVIEW_S = 150.0  # the box of a preview's training: with what is around it, under three minutes
POLL_S = 0.1  # between two looks at a watched file; a look costs microseconds

if TYPE_CHECKING:
    from autograder.checks import CheckResult
    from autograder.commands.student.live_plot import LivePlot
    from autograder.observations import Package, TrainingProgress
    from autograder.runner.runner import Runner
    from autograder.runner.setup import Setup


@dataclass(frozen=True)
class CheckRequest:
    """What somebody asks of a check.

    Attributes:
        file: a .py or .ipynb file.
        homework: which; None: the one that the file's name begins with.
        as_json: print one JSON object and nothing else.
        train: also train, under the protocol's budget, and tell the tier; of a preview, what it saw.
        protocol: "full", "preview", or None for full where there is a GPU.
        data: a prepared dataset's folder, or a folder of such; None: the kit's own.
        checkpoint: what the training goes on from, "none", or None for the homework's own where there is one.
        sandbox: "bwrap", "none", or None for bubblewrap where it works, else none: the file is one's own.
        verbose: print every check, every failure in full, the table of layers and that of entries that differ.
        receipt: the folder that a receipt of the training goes to (see `receipt.py`); None: there is none.
    """

    file: Path
    homework: str | None = None
    as_json: bool = False
    train: bool = False
    protocol: str | None = None
    data: Path | None = None
    checkpoint: str | None = None
    sandbox: str | None = None
    verbose: bool = False
    receipt: Path | None = None


def check(request: CheckRequest, *, plot: "LivePlot | None" = None, runner: "Runner | None" = None) -> int:
    """Check the file and print what came of it. Returns 0 when all required checks pass, 1 when some failed.

    Args:
        plot: is told how far the training is.
        runner: what runs the file; None: the sandbox's.

    Raises KitError when it can't be checked: no such file, not Python, too large, unreadable; and when the receipt
    can't be written, after all else has been said. Asked for JSON, a file that isn't Python is one whose network
    doesn't build.
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
        setup = _setup(request, looked, runner)
        shown = None if request.as_json else report
        trained = _train(looked, setup, unmet(results), shown, plot)
        if request.receipt is not None:
            _write_receipt(request.receipt, looked, setup, trained, shown)
    if request.as_json:
        print(_json(_object(request.file, looked.handed_in, homework, results, _packages(looked), trained)))
    return 0 if passed(results) else 1


def watch(
    file: Path, homework_name: str | None, *, sandbox: str | None, verbose: bool, runner: "Runner | None" = None
) -> int:
    """Check `file` now and whenever it has been saved, until it is interrupted: then 0. For the rest see `check`.

    In bubblewrap torch is imported once, and each check is forked from what has done that; else each imports it anew.
    What can't be checked any more is said, and the next save is waited for. Raises KitError where there is no such file
    or homework from the start, and without a sandbox.
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


@dataclass(frozen=True)
class _Looked:
    """A file that was checked: where, what was seen, and what that says."""

    handed_in: Submission
    homework: Homework
    place: Sandbox
    observations: Observations
    results: "list[CheckResult]"
    seconds: float


def _look(
    file: Path, homework_name: str | None, sandbox: str | None, *, forked: bool, runner: "Runner | None" = None
) -> _Looked:
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
    return _Looked(handed_in, homework, place, observations, results, time.monotonic() - started)


def _show(looked: _Looked, report: Transcript) -> None:
    from autograder import checks

    layers = checks.layer_table(looked.observations, looked.homework) if report.verbose else []
    entries = checks.entry_table(looked.observations, looked.homework) if report.verbose else []
    report.show(looked.seconds, looked.place, layers, entries, _packages(looked))


def _packages(looked: _Looked) -> "list[Package]":
    """What the file imports, beside Python's own modules."""
    rehearsal = looked.observations.rehearsal
    return [] if rehearsal is None else rehearsal.packages


def _stamp(file: Path) -> tuple[int, ...] | None:
    """Something else after each save; None while there is no file, as when an editor puts a new one in its place."""
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
    """A file that Python doesn't read to its end."""

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


def _setup(request: CheckRequest, looked: _Looked, runner: "Runner | None") -> "Setup":
    """What the training runs with, on all cores."""
    from autograder.machine import cores
    from autograder.runner.request import TrainingRequest
    from autograder.runner.runner import SANDBOX_RUNNER
    from autograder.runner.setup import prepared

    asked = TrainingRequest(
        homework=looked.homework.name,
        data=request.data,
        protocol=request.protocol,
        checkpoint=request.checkpoint,
        language=chosen(),
    )
    runner = runner or SANDBOX_RUNNER
    setup = prepared(asked, looked.place, full=runner.has_gpu(), threads=cores(), runner=runner, forks=False)
    if setup.protocol.is_small:  # somebody sits and waits
        setup = replace(setup, protocol=replace(setup.protocol, time_box_s=min(PREVIEW_S, setup.protocol.time_box_s)))
    return setup


def _train(
    looked: _Looked, setup: "Setup", unmet: set[str], report: "Transcript | None", plot: "LivePlot | None"
) -> Trained:
    from autograder.grading.decision import conditions
    from autograder.grading.estimate import Estimate, work
    from autograder.publish import preview, solution_runs
    from autograder.runner.evaluate import evaluate
    from autograder.runner.setup import start_of

    start = start_of(setup, looked.observations)
    epochs = start.protocol.epochs
    expected_s = Estimate(setup.threads).expect("this", work(looked.observations, setup))
    with Progress(report, setup, start, expected_s if setup.protocol.is_small else None) as bar:

        def progressed(said: "TrainingProgress") -> None:
            bar(said)
            if plot is not None:
                plot.progressed(said, epochs)

        training = evaluate(setup, start, looked.handed_in, looked.observations, progress=progressed)
    found = training.accuracy
    percent = None if found is None else found.counted_percent
    tier = setup.rubric.decide(percent, unmet) if setup.protocol.names_rows else None
    seen = None
    if tier is None and training.report is not None:
        sha256 = "" if start.checkpoint is None else start.checkpoint.record.sha256
        band = solution_runs.find(SimpleNamespace(**conditions(setup, start.protocol), checkpoint_sha256=sha256))
        solution = None if band is None else band.record.accuracies
        seen = preview.of(training.report, percent, setup.protocol.test_count(setup.dataset.test_count), solution)
    trained = Trained(
        protocol=setup.protocol.name,
        dataset=setup.dataset.name,
        gives_points=setup.no_points_because is None,
        no_points_because=setup.no_points_because,
        outcome=training.outcome,
        message=training.message,
        started_from=start.words,
        accuracy_percent=percent,
        eval_percent=None if found is None else found.eval_percent,
        as_left_percent=None if found is None else found.as_left_percent,
        tier=None if tier is None else tier.label,
        tier_points=None if tier is None else tier.points,
        epochs=0.0 if training.report is None else training.report.epochs,
        ended_by=None if training.report is None else training.report.ended_by,
        seconds=training.seconds,
        device=training.device,
        threads=training.threads,
        preview=() if seen is None else tuple(seen.sentences),
        learns=None if seen is None else seen.learns,
        beside_solution=None if seen is None else seen.beside,
    )
    if plot is not None:
        # In English: matplotlib's own font has no Hangul.
        reached = training.outcome if percent is None else f"{percent:.1f}% of the test images"
        row = ""
        if tier is not None:
            row = f": {tier.points:g} points" + (" if it were graded" if not trained.gives_points else "")
        elif seen is not None:
            row = f": {seen.short}"
        plot.ended(epochs, reached + row)
    if report is not None:
        report.show_training(trained)
    return trained


def _write_receipt(
    folder: Path, looked: _Looked, setup: "Setup", trained: Trained, report: "Transcript | None"
) -> None:
    from autograder import __version__
    from autograder.intake import receipt as receipts
    from autograder.runner import nvidia_smi

    stem = looked.homework.stem
    said = receipts.Receipt(
        homework=looked.homework.name,
        file=looked.handed_in.name[:200],
        sha256=hashlib.sha256(looked.handed_in.script).hexdigest(),
        time=datetime.now().astimezone(),
        kit=__version__,
        rubric=setup.rubric.fingerprint,
        dataset=f"{setup.dataset.name} {setup.dataset.fingerprint[:12]}"[:200],
        protocol="full" if trained.protocol == "full" else "preview",
        device=trained.device,
        gpu=nvidia_smi.gpu_name() if trained.device == "cuda" else "",
        seconds=trained.seconds,
        epochs=trained.epochs,
        outcome=trained.outcome[:200],
        accuracy_percent=trained.accuracy_percent,
        tier=(trained.tier or "")[:200],
        preview="; ".join(trained.preview)[:200],
        checks={result.id: result.outcome for result in looked.results},
    )
    try:
        path = receipts.write(said, folder, stem)
    except OSError as error:
        raise KitError(
            _("{folder}: the receipt can't be written there ({reason})").format(folder=folder, reason=error.strerror)
        ) from error
    if report is not None:
        text = _("wrote {path}, a receipt: it proves nothing, and may be handed in beside the file")
        report.print(text.format(path=path))


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
