"""The command `reference`: trains the course's own solution some times and records it, as `solution_runs` has it.

Called by the command line. The trainings are those of `grade`: the same sandbox, proctor, budget and test. Nothing is
graded.

Solutions set a seed for themselves, so that what the handout says of a run can be seen again; five runs would be one
run five times. So the solution's own seed is moved by the run's number, and the first run is the file as it is.
"""

import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from autograder import (
    checkpoint,
    dataset,
    epochs,
    homework,
    rubric,
    score,
    solution_runs,
    submission,
    supervise,
)
from autograder import sandbox as sandboxes
from autograder.errors import KitError
from autograder.homework import ROOT
from autograder.language import spoken
from autograder.machine import cores, machine
from autograder.results import duration
from autograder.solution_runs import Part, Record, Run
from autograder.submission import Submission
from autograder.verdict import Setup, Start, one_training, start_of, used

MOVED = "import torch; _set = torch.manual_seed; torch.manual_seed = lambda seed: _set(seed + {run})\n"


def reference(
    homework_name: str,
    runs: int,
    *,
    data: Path | None,
    protocol: str | None,
    sandbox: str | None,
    start: str | None,
    file: Path | None,
    out: Path | None,
) -> Path:
    """Train the solution `runs` times, at least once, and write the record after each. Returns where.

    Args:
        data, protocol, sandbox, start: see `grade.grade`.
        file: what is trained; None: the checkout's solution.
        out: the record's file; None: its own name in `solution_runs.own_folder`.

    Raises KitError when there is no solution, when a run comes to no accuracy, and when nothing can be written.
    """
    console = Console(highlight=False, markup=False, soft_wrap=True)
    given = homework.load(homework_name)
    path = file or ROOT / "solution" / given.name / f"{given.stem}.py"
    if file is None and not path.is_file():
        raise KitError(f"{path}: no such file", "the solution is in a checkout; --file names another")
    solution = submission.read(path)
    with spoken("en"):  # what a record quotes is compared in it
        place = sandboxes.choose(sandbox)
        ruled = rubric.load(rubric.PATH, given.name)
        gpu = supervise.gpu_available()
        chosen = given.protocol(protocol or ("full" if gpu else "preview"), ruled.budget)
        images = dataset.choose(given, chosen, data)
        begin, why_not = checkpoint.find(given, chosen, images, start)
        # One runs at a time, so it has what a class would share. A preview has one thread there, and here.
        threads = 1 if chosen.name == "preview" and not gpu else cores()
        setup = Setup(given, ruled, chosen, images, place, threads, begin, why_not)
        seen = supervise.observe(given, solution, place, threads=threads)
        begun = start_of(setup, seen)
        done: list[Run] = []
        for number in range(runs):
            run, device, ended = _run(setup, begun, solution, number)
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
        **used(setup, start.protocol),
        checkpoint="" if start.checkpoint is None else str(start.checkpoint),
        runs=runs,
        made=datetime.now(UTC).isoformat(timespec="seconds"),
        machine=machine(device),
        device=device,
        threads=setup.threads,
    )


def _run(setup: Setup, start: Start, solution: Submission, number: int) -> tuple[Run, str, str]:
    """One training, the device that it ran on, and what ended it."""
    script = replace(solution, script=_moved(solution.script, number)) if number else solution
    training = one_training(setup, start, script, seed=number)
    if training.outcome != "GRADED" or training.report is None:
        raise KitError(f"run {number + 1} came to no accuracy ({training.outcome}): {training.message}")
    if not training.report.losses:
        raise KitError(f"run {number + 1}: no loss was seen")
    labels = setup.dataset.test_labels[: setup.protocol.test_images]
    epoch_images = setup.protocol.train_count(setup.dataset.train_count)
    run = Run(
        seed=number,
        parts=[
            Part(begin=begin, end=end, loss=loss) for begin, end, loss in solution_runs.parts(training.report.losses)
        ],
        epochs=epochs.proctored(training.report, epoch_images, training.epoch_scores, labels),
        accuracy_percent=score.score(training.scores, labels).counted_percent,
        seconds=training.seconds,
    )
    return run, training.device, training.report.ended_by


def _moved(script: bytes, number: int) -> bytes:
    """The script with whatever seed it sets moved by `number`."""
    first = max((line.end() for line in re.finditer(rb"^from __future__ .*\n", script, re.MULTILINE)), default=0)
    return script[:first] + MOVED.format(run=number).encode() + script[first:]
