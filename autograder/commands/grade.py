"""The command `grade`: everything that has to be right before a class is graded, and then its run.

Called by the command line. Before anything runs, it refuses a request that nobody should be graded by. It lets one run
at a time write to an output folder. `class_run.py` grades the class.
"""

import contextlib
import errno
import os
import platform
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from rich.console import Console

from autograder import checks
from autograder.commands import collect
from autograder.commands.options import book_of
from autograder.commands.request import ClassRequest
from autograder.course import rubric
from autograder.course.homework import Homework, Protocol
from autograder.course.rubric import Rubric
from autograder.errors import KitError
from autograder.files import EXAMPLES, write_text
from autograder.grading import collected
from autograder.grading.class_run import ClassRun
from autograder.grading.cluster import Cluster
from autograder.grading.collected import Taken
from autograder.grading.decisions import Decisions
from autograder.grading.lateness import percent_off
from autograder.grading.progress_display import about
from autograder.intake import hand_ins
from autograder.machine import Card, cards, cores, unused_gpu
from autograder.observations import Observations
from autograder.results import history, store
from autograder.results.history import Line
from autograder.runner.request import FILE
from autograder.runner.runner import SANDBOX_RUNNER, Runner
from autograder.runner.setup import Setup, prepared
from autograder.sandbox import sandbox as sandboxes
from autograder.sandbox.sandbox import Sandbox

MOST_THREADS_CPU = 8  # of one full training on the CPU: more add little, and are better spent on another submission


def show_class(request: ClassRequest) -> None:
    """Only say who handed in what. Raises KitError as `grade` does."""
    collect.show(_taken(request, _history(request.out)), _console(), everybody=True)


def grade(request: ClassRequest, *, again: Sequence[str] = (), runner: Runner | None = None) -> int:
    """Grade a class and write everything under `request.out`. Returns the exit code.

    Args:
        again: students who are run again, even where an earlier run has left a result.
        runner: what runs submissions; None: the sandbox's.

    Returns 0; 1 when the grader itself failed on somebody; 130 when it was interrupted.
    Raises KitError, before anything runs, for a request that nobody should be graded by.
    """
    console = _console()
    runner = runner or SANDBOX_RUNNER
    decided = _history(request.out)
    taken = _taken(request, decided)
    class_ = taken.class_
    known = {entry.student for entry in class_.entries}
    if unknown := sorted(set(again) - known):
        raise KitError(f"there is no student called {unknown[0]!r}", "autograder collect lists them")
    elsewhere = Cluster(request.cluster, request.slurm) if request.cluster or request.slurm else None
    # On a cluster each worker looks whether its own sandbox works.
    name, where = request.sandbox, request.submissions
    place = Sandbox("none" if name == "none" else "bwrap") if elsewhere else _sandbox(name, where, console)
    setup = prepared(request, place, full=runner.has_gpu() or elsewhere is not None, runner=runner)
    _refuse_unknown_checks(setup.rubric, setup.homework)
    gpus = _gpus(request.gpus, runner)
    count = request.workers or max(len(gpus), _workers(setup.protocol, runner))
    setup = replace(
        setup,
        sandbox=replace(setup.sandbox, card=gpus[0] if gpus else None),
        threads=max(1, cores() // count),
        sharing=-(-count // max(1, len(gpus))) if runner.has_gpu() else 1,
        cards=gpus,
        forks=not request.fresh,
    )
    if unused := unused_gpu():
        console.print(f"notice: {unused}")
    if elsewhere is None:
        _say_what_full_would_take(console, setup, class_, request)
    out = request.out
    with _only_run(out):
        _refuse_to_overwrite_points(out, setup)
        history.read(out)  # a history that was tampered with stops the run before anything is added to it
        # What was recognised is kept: a class that is graded again is read as it was.
        recognised = request.lms if class_.lms == "folder" else class_.lms
        write_text(out / FILE, request.but(lms=recognised, protocol=setup.protocol.name).kept())
        place_of_book = book_of(out, request.gradebook)
        Decisions(out, place_of_book).finish()
        due = frozenset(again) | (history.to_run_again(decided) & known)
        run = ClassRun(class_, setup, out, taken.deadline, count, console, place_of_book, due, elsewhere, len(decided))
        return run.run()


def again(out: Path, students: Sequence[str], *, runner: Runner | None = None) -> int:
    """Grade the class of `out` again with the options of its last run, and run these students anew. See `grade`.

    Raises KitError also where no run has left its options there.
    """
    return grade(ClassRequest.of_last_run(out), again=students, runner=runner)


def _console() -> Console:
    return Console(highlight=False, soft_wrap=True, markup=False)


def _history(out: Path) -> list[Line]:
    return history.read(out) if (out / history.FILE).exists() else []


def _taken(request: ClassRequest, decided: Sequence[Line]) -> Taken:
    """The class, as it was asked for, and as persons have decided."""
    submissions, out = request.submissions, request.out
    if out.resolve().is_relative_to(submissions.resolve()):
        raise KitError(f"{out}: lies in the class's folder, and would be somebody's hand-in", "choose another --out")
    return collected.of_words(request, decided)


def _refuse_unknown_checks(ruled: Rubric, homework: Homework) -> None:
    if ruled.required_checks:
        nothing = Observations(homework=homework.name, file="", problem="nothing ran")
        known = [check.id for check in checks.run(nothing, homework)]
        unknown = [name for name in ruled.required_checks if name not in known]
        if unknown:
            raise KitError(
                f"{rubric.PATH}: there is no check called {unknown[0]!r} to require", f"there are: {', '.join(known)}"
            )


def _sandbox(name: str | None, submissions: Path, console: Console) -> Sandbox:
    try:
        return sandboxes.choose(name)
    except KitError as error:
        if name is not None or not submissions.resolve().is_relative_to(EXAMPLES.resolve()):
            raise
        lines = [
            "NO SANDBOX",
            error.message,
            "The example class is the kit's own, so it runs all the same, with your rights.",
            "Submissions of other people are refused until there is one:",
            *error.hint.splitlines(),
        ]
        bar = "*" * 100
        console.print("\n".join([bar, *(f"*  {line}" for line in lines), bar]), style="bold")
        return sandboxes.choose("none")


def _gpus(asked: str | None, runner: Runner) -> tuple[Card, ...]:
    """The GPUs that trainings get, one each. Raises KitError where one is asked for that isn't here."""
    found = cards(asked) if runner.has_gpu() or asked else ()
    if asked and len(found) != len(set(asked.split(","))):
        here = ", ".join(f"{card.number} ({card.name})" for card in cards()) or "none"
        raise KitError(f"--gpus {asked}: not all of these are here", f"there are: {here}")
    return found


def _workers(protocol: Protocol, runner: Runner) -> int:
    if runner.has_gpu():
        return 1
    if protocol.is_small:
        return cores()
    return max(1, cores() // MOST_THREADS_CPU)


def _say_what_full_would_take(console: Console, setup: Setup, class_: hand_ins.Intake, request: ClassRequest) -> None:
    """Without a GPU, say how long the class takes, or would take, under the full protocol."""
    if setup.runner.has_gpu() or request.protocol in ("preview", "demo"):
        return
    homework = setup.homework
    full = homework.protocol("full", setup.rubric.budget, request.hours)
    runs = sum(
        entry.submission is not None and percent_off(entry, setup.rubric) is not None for entry in class_.entries
    )
    at_a_time = request.workers or _workers(full, setup.runner)
    threads = max(1, cores() // at_a_time)
    images = homework.own_dataset.train_count * (
        full.epochs if setup.checkpoint is None else homework.epochs_from_checkpoint
    )
    each = min(full.time_box_s, images / (homework.images_per_core_s * threads))
    needed = about(each * -(-runs // at_a_time))
    if setup.protocol.name == "full":
        console.print(f"no GPU here: {runs} full trainings take {needed} on this CPU, {at_a_time} at a time")
    else:
        console.print(
            f"no GPU here: {runs} full trainings would take {needed} on this CPU; "
            "this is a preview instead, which gives no points (--protocol full trains in full all the same)"
        )


def _refuse_to_overwrite_points(out: Path, setup: Setup) -> None:
    if setup.no_points_because is None:
        return
    for path in sorted(out.glob("*/result.json")):
        try:
            earlier = store.read(path.parent)
        except KitError:
            continue
        if earlier is not None and earlier.points is not None:
            raise KitError(
                f"{out}: holds results with points, and this run gives none: {setup.no_points_because}",
                "choose another --out",
            )


@contextlib.contextmanager
def _only_run(out: Path) -> Iterator[None]:
    """Lock the output folder for this process; the system releases the lock however the process ends."""
    try:
        import fcntl
    except ImportError as error:
        raise KitError("a class can't be graded on this system", "grade on Linux: on Windows that is WSL 2") from error
    try:
        out.mkdir(parents=True, exist_ok=True)
        lock = (out / ".lock").open("a+")
    except OSError as error:
        raise KitError(f"{out}: can't be written ({error.strerror})") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            lock.seek(0)
            holder = lock.read(200).strip()
            raise KitError(
                f"{out}: another run is writing there{f' ({holder})' if holder else ''}",
                "wait for it, or choose another --out",
            ) from error
        with _clear_when_full(out):
            lock.truncate(0)
            lock.write(f"process {os.getpid()} on {platform.node()}, since {datetime.now():%Y-%m-%d %H:%M}\n")
            lock.flush()
            yield


@contextlib.contextmanager
def _clear_when_full(out: Path) -> Iterator[None]:
    """Say in one line what the file system refuses in the middle of a run. Nothing that was written before is lost."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EIO):
            raise
        raise KitError(
            f"{error.filename or out}: can't be written any more ({error.strerror})",
            "every result that was finished is kept: make room, and give the same command again",
        ) from error
