"""The command `check`: one file, what holds, and where to start on what doesn't; once, or at every save.

Called by the command line. Reads the file, has it rehearsed in a sandbox, judges what was seen, prints it. Never
imports torch, and loads pytest while the sandboxed process starts: what a check costs is that process's import of
torch. Prints to standard output only; what can't be checked is a KitError, which the command line prints.
"""

import hashlib
import json
import threading
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autograder import homeworks
from autograder.commands.student.check_report import Progress, Trained, Transcript, where
from autograder.course.homework import Homework
from autograder.errors import KitError
from autograder.intake import submission as submissions
from autograder.intake.submission import Submission
from autograder.language import chosen
from autograder.language import gettext as _
from autograder.observations import Observations
from autograder.sandbox import fork_client
from autograder.sandbox import sandbox as sandboxes
from autograder.sandbox.sandbox import Sandbox

POLL_S = 0.1  # between two looks at a watched file; a look costs microseconds

if TYPE_CHECKING:
    from autograder.checks import CheckResult
    from autograder.commands.student.live_plot import LivePlot
    from autograder.observations import TrainingProgress
    from autograder.runner.runner import Runner
    from autograder.runner.setup import Setup


@dataclass(frozen=True)
class CheckRequest:
    """What somebody asks of a check.

    Attributes:
        file: a .py or .ipynb file.
        homework: which; None: the one that the file's name begins with.
        as_json: print one JSON object and nothing else.
        train: also train, under the protocol's budget, and tell the tier.
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

    Raises KitError when it can't be checked: no such file, not Python, too large, unreadable; and when the
    receipt can't be written, after all else has been said.
    """
    looked = _look(request.file, request.homework, request.sandbox, forked=False, runner=runner)

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
        print(json.dumps(_object(request.file, homework, results, trained), indent=2, ensure_ascii=False))
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
    _refuse_what_is_not_python(file, handed_in)
    place = sandboxes.choose(sandbox, own=True)
    observations = _observe(homework, handed_in, place, forked=forked, runner=runner)
    if observations.syntax_error is not None:
        raise _not_python(file, handed_in, observations.syntax_error.line, observations.syntax_error.message)

    from autograder import checks

    results = checks.run(observations, homework)
    return _Looked(handed_in, homework, place, observations, results, time.monotonic() - started)


def _show(looked: _Looked, report: Transcript) -> None:
    from autograder import checks

    layers = checks.layer_table(looked.observations, looked.homework) if report.verbose else []
    entries = checks.entry_table(looked.observations, looked.homework) if report.verbose else []
    report.show(looked.seconds, looked.place, layers, entries)


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


def _refuse_what_is_not_python(file: Path, handed_in: Submission) -> None:
    import warnings

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compile(handed_in.script, file.name, "exec", dont_inherit=True)
    except SyntaxError as error:
        raise _not_python(file, handed_in, error.lineno, error.msg) from error
    except (ValueError, RecursionError, MemoryError) as error:
        raise _not_python(file, handed_in, None, str(error) or _("it is nested too deeply")) from error


def _not_python(file: Path, handed_in: Submission, line: int | None, message: str) -> KitError:
    place = where(file, handed_in, line)
    return KitError(
        _("{place}: not Python that can be run: {message}").format(place=place, message=message),
        _("Python reads the whole file before it runs"),
    )


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
    return prepared(asked, looked.place, full=runner.has_gpu(), threads=cores(), runner=runner, forks=False)


def _train(
    looked: _Looked, setup: "Setup", unmet: set[str], report: "Transcript | None", plot: "LivePlot | None"
) -> Trained:
    from autograder.runner.evaluate import evaluate
    from autograder.runner.setup import start_of

    start = start_of(setup, looked.observations)
    epochs = start.protocol.epochs
    with Progress(report, setup, start) as bar:

        def progressed(said: "TrainingProgress") -> None:
            bar(said)
            if plot is not None:
                plot.progressed(said, epochs)

        training = evaluate(setup, start, looked.handed_in, looked.observations, progress=progressed)
    found = training.accuracy
    percent = None if found is None else found.counted_percent
    tier = setup.rubric.decide(percent, unmet)
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
        tier=tier.label,
        tier_points=tier.points,
        epochs=0.0 if training.report is None else training.report.epochs,
        ended_by=None if training.report is None else training.report.ended_by,
        seconds=training.seconds,
        device=training.device,
        threads=training.threads,
    )
    if plot is not None:
        # In English: matplotlib's own font has no Hangul.
        reached = training.outcome if percent is None else f"{percent:.1f}% of the test images"
        plot.ended(
            epochs, f"{reached}: {tier.points:g} points" + (" if it were graded" if not trained.gives_points else "")
        )
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
        tier=trained.tier[:200],
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


def _object(file: Path, homework: Homework, results: "list[CheckResult]", trained: Trained | None) -> dict[str, Any]:
    from autograder.checks import passed

    return {
        "homework": homework.name,
        "file": file.name,
        "passed": passed(results),
        "checks": [result.model_dump() for result in results],
        "training": None if trained is None else dict(vars(trained)),
    }
