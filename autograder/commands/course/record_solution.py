"""The command `reference`: trains the course's own solution some times and records it, as `solution_runs` has it.

Called by the command line. The trainings are those of `grade`: the same sandbox, proctor, budget and test. Nothing is
graded.

Solutions set a seed, so that what the handout says can be reproduced; five runs would be equal. So each run adds its
number to that seed; the first run (number 0) is the file as it is.
"""

import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from autograder import homeworks
from autograder.errors import KitError
from autograder.files import SOLUTIONS
from autograder.grading.decision import conditions
from autograder.intake import submission
from autograder.intake.submission import Submission
from autograder.language import duration, spoken
from autograder.machine import cores, machine
from autograder.observations import Observations
from autograder.publish import solution_runs
from autograder.publish.solution_runs import Part, Record, Run
from autograder.runner.evaluate import evaluate
from autograder.runner.request import TrainingRequest
from autograder.runner.runner import SANDBOX_RUNNER, Runner
from autograder.runner.setup import Setup, Start, prepared, start_of
from autograder.sandbox import sandbox as sandboxes

MOVED = "import torch; _set = torch.manual_seed; torch.manual_seed = lambda seed: _set(seed + {run})\n"


def reference(
    request: TrainingRequest, runs: int, *, file: Path | None, out: Path | None, runner: Runner | None = None
) -> Path:
    """Train the solution `runs` times, at least once, and write the record after each. Returns where.

    Args:
        file: what is trained; None: the checkout's solution.
        out: the record's file; None: its own name in `solution_runs.own_folder`.
        runner: what runs it; None: the sandbox's.

    Raises KitError when there is no solution, when a run comes to no accuracy, and when nothing can be written.
    """
    console = Console(highlight=False, markup=False, soft_wrap=True)
    homework = homeworks.load(request.homework)
    path = file or SOLUTIONS / homework.name / f"{homework.stem}.py"
    if file is None and not path.is_file():
        raise KitError(f"{path}: no such file", "the solution is in a checkout; --file names another")
    solution = submission.read(path)
    with spoken("en"):  # what a record quotes is compared in it
        place = sandboxes.choose(request.sandbox)
        runner = runner or SANDBOX_RUNNER
        setup = prepared(request, place, full=runner.has_gpu(), threads=cores(), runner=runner, forks=False)
        if setup.protocol.is_small and not runner.has_gpu():
            setup = replace(setup, threads=1)  # one runs at a time, and has what a class's would have
        seen = runner.observe(homework, solution, place, threads=setup.threads)
        begun = start_of(setup, seen)
        done: list[Run] = []
        for number in range(runs):
            run, device, ended = _run(setup, begun, solution, seen, number)
            done.append(run)
            console.print(
                f"run {number + 1} of {runs}: {run.accuracy_percent:.2f}% of the test images, {duration(run.seconds)}"
                + (", ended by the time box" if ended == "time" else "")
            )
            # After each run: when the next one is stopped, this one is kept.
            record = _record(setup, begun, done, device)
            written = out or solution_runs.own_folder() / solution_runs.file_name(record)
            try:
                solution_runs.write(written, record)
            except OSError as error:
                raise KitError(f"{error.filename or written}: {error.strerror}") from error
    return written


def _record(setup: Setup, start: Start, runs: list[Run], device: str) -> Record:
    return Record(
        **conditions(setup, start.protocol),
        checkpoint="" if start.checkpoint is None else str(start.checkpoint),
        checkpoint_sha256="" if start.checkpoint is None else start.checkpoint.record.sha256,
        runs=runs,
        made=datetime.now(UTC).isoformat(timespec="seconds"),
        machine=machine(device),
        device=device,
        threads=setup.threads,
    )


def _run(setup: Setup, start: Start, solution: Submission, seen: Observations, number: int) -> tuple[Run, str, str]:
    """One training, the device that it ran on, and what ended it."""
    script = replace(solution, script=_moved(solution.script, number)) if number else solution
    training = evaluate(setup, start, script, seen, seed=number)
    if training.percent is None or training.report is None:
        raise KitError(f"run {number + 1} came to no accuracy ({training.outcome}): {training.message}")
    if not training.report.losses:
        raise KitError(f"run {number + 1}: no loss was seen")
    run = Run(
        seed=number,
        parts=[
            Part(begin=begin, end=end, loss=loss) for begin, end, loss in solution_runs.parts(training.report.losses)
        ],
        epochs=list(training.epochs),
        accuracy_percent=training.percent,
        seconds=training.seconds,
    )
    return run, training.device, training.report.ended_by


def _moved(script: bytes, number: int) -> bytes:
    """The script with whatever seed it sets moved by `number`."""
    first = max((line.end() for line in re.finditer(rb"^from __future__ .*\n", script, re.MULTILINE)), default=0)
    return script[:first] + MOVED.format(run=number).encode() + script[first:]
