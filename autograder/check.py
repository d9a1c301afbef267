"""The command `check`: one file, what holds, and where to start on what doesn't.

Called by the command line. Reads the file, has it rehearsed in a sandbox, judges what was seen, prints it. Never
imports torch, and loads pytest while the sandboxed process starts: what a check costs is that process's import of
torch. Prints to standard output only; what can't be checked is a KitError, which the command line prints.
"""

import json
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autograder import homework as homeworks
from autograder import sandbox as sandboxes
from autograder import submission as submissions
from autograder.errors import KitError
from autograder.homework import Homework
from autograder.observations import Observations
from autograder.sandbox import Sandbox
from autograder.submission import Submission
from autograder.transcript import Progress, Trained, Transcript, where

if TYPE_CHECKING:
    from autograder.checks import CheckResult
    from autograder.verdict import Setup


def check(
    file: Path,
    homework_name: str | None,
    *,
    as_json: bool,
    train: bool,
    protocol: str | None,
    data: Path | None,
    sandbox: str | None,
    verbose: bool,
    start: str | None = None,
) -> int:
    """Check `file` and print what came of it. Returns 0 when all required checks pass, 1 when some failed.

    Args:
        file: a .py or .ipynb file.
        homework_name: which homework; None: the one that the file's name begins with.
        as_json: print one JSON object and nothing else.
        train: also train, under the protocol's budget, and tell the tier.
        protocol: "full", "preview", or None for full where there is a GPU.
        data: a prepared dataset's folder, or a folder of such; None: the kit's own.
        sandbox: "bwrap", "none", or None for bubblewrap.
        verbose: print every check, every failure in full, the table of layers and that of entries that differ.
        start: a checkpoint that the training goes on from, "none", or None for the homework's own where there is one.

    Raises KitError when it can't be checked: no such file, not Python, too large, unreadable, no sandbox.
    """
    started = time.monotonic()
    handed_in = submissions.read(file)
    homework = homeworks.load(homework_name or _homework_of(file))
    _refuse_what_is_not_python(file, handed_in)
    place = sandboxes.choose(sandbox)
    observations = _observe(homework, handed_in, place)
    if observations.syntax_error is not None:
        raise _not_python(file, handed_in, observations.syntax_error.line, observations.syntax_error.message)

    from autograder import checks

    results = checks.run(observations, homework)
    seconds = time.monotonic() - started
    report = Transcript(file, handed_in, homework, results, verbose)
    if not as_json:
        layers = checks.layer_table(observations, homework) if verbose else []
        entries = checks.entry_table(observations, homework) if verbose else []
        report.show(seconds, place, layers, entries)
    trained = None
    if train:
        setup = setup_here(homework, place, protocol, data, start)
        trained = _train(handed_in, setup, observations, checks.unmet(results), None if as_json else report)
    if as_json:
        print(json.dumps(_object(file, homework, results, trained), indent=2, ensure_ascii=False))
    return 0 if checks.passed(results) else 1


def _homework_of(file: Path) -> str:
    """The homework that the file's name begins with; the only one, where there is one. Raises KitError."""
    names = homeworks.homework_names()
    if len(names) == 1:
        return names[0]
    named = [name for name in names if file.stem.lower().startswith(name)]
    if not named:
        raise KitError(f"{file}: the name doesn't say which homework it is", f"say --homework {'|'.join(names)}")
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
        raise _not_python(file, handed_in, None, str(error) or "it is nested too deeply") from error


def _not_python(file: Path, handed_in: Submission, line: int | None, message: str) -> KitError:
    place = where(file, handed_in, line)
    return KitError(f"{place}: not Python that can be run: {message}", "Python reads the whole file before it runs")


def _observe(homework: Homework, handed_in: Submission, place: Sandbox) -> Observations:
    from autograder import supervise

    loading = threading.Thread(target=_load_what_is_needed_later, args=(homework,), daemon=True)
    loading.start()
    observations = supervise.observe(homework, handed_in, place, threads=1)
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


def setup_here(
    homework: Homework, place: Sandbox, protocol: str | None, data: Path | None, start: str | None
) -> "Setup":
    """What one training here runs with, on all cores: full on a GPU, else a preview, unless `protocol` says which.

    Raises KitError where the rubric, the dataset or the checkpoint can't be had.
    """
    from autograder import checkpoint, dataset, rubric, supervise
    from autograder.verdict import Setup, cores

    ruled = rubric.load(rubric.PATH, homework.name)
    chosen = homework.protocol(protocol or ("full" if supervise.gpu_available() else "preview"), ruled.budget)
    images = dataset.choose(homework, chosen, data)
    begin, why_not = checkpoint.find(homework, chosen, images, start)
    return Setup(homework, ruled, chosen, images, place, cores(), begin, why_not)


def _train(
    handed_in: Submission, setup: "Setup", seen: Observations, unmet: set[str], report: "Transcript | None"
) -> Trained:
    from autograder import score, supervise, verdict

    start = verdict.start_of(setup, seen)
    with Progress(report, setup, start) as progress:
        training = supervise.train(
            setup.homework,
            handed_in,
            setup.dataset,
            start.protocol,
            setup.sandbox,
            threads=setup.threads,
            checkpoint=start.checkpoint,
            progress=progress,
        )
    found = None
    if training.outcome == "GRADED":
        found = score.score(training.scores, setup.dataset.test_labels[: setup.protocol.test_images])
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
    if report is not None:
        report.show_training(trained)
    return trained


def _object(file: Path, homework: Homework, results: "list[CheckResult]", trained: Trained | None) -> dict[str, Any]:
    from autograder.checks import passed

    return {
        "homework": homework.name,
        "file": file.name,
        "passed": passed(results),
        "checks": [result.model_dump() for result in results],
        "training": None if trained is None else dict(vars(trained)),
    }
