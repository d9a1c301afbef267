"""The command `grade`: everything that has to be right before a class is graded, and then its run.

Called by the command line. Refuses what nobody should be graded with before anything runs, and holds the output folder
for one run at a time; the class itself is `class_run.py`'s.
"""

import contextlib
import errno
import fcntl
import json
import os
import platform
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path

from rich.console import Console

from autograder import (
    checkpoint,
    checks,
    collect,
    dataset,
    history,
    homework,
    intake,
    results,
    rubric,
    supervise,
)
from autograder import sandbox as sandboxes
from autograder.class_run import ClassRun
from autograder.cluster import Cluster
from autograder.display import about
from autograder.errors import KitError, first_line
from autograder.homework import ROOT, Homework, Protocol
from autograder.language import spoken
from autograder.machine import cores
from autograder.observations import Observations
from autograder.rubric import Rubric
from autograder.sandbox import Sandbox
from autograder.verdict import Setup

WORDS = "run.json"  # how a class was graded last, for `again`
EXAMPLES = ROOT / "examples" / "submissions"
MOST_THREADS_CPU = 8  # of one full training on the CPU: what more add is little, another submission gains more


def grade(
    submissions: Path,
    out: Path,
    homework_name: str,
    *,
    data: Path | None,
    protocol: str | None,
    hours: float | None,
    deadline: str | None,
    workers: int | None,
    sandbox: str | None,
    start: str | None = None,
    language: str = "en",
    lms: str | None = None,
    timezone: str | None = None,
    roster: Path | None = None,
    dry_run: bool = False,
    book: str | None = None,
    again: Sequence[str] = (),
    cluster: str | None = None,
    slurm: Path | None = None,
    fresh: bool = False,
) -> int:
    """Grade the class in `submissions` and write everything under `out`. Returns the exit code.

    Args:
        data: a prepared dataset's folder, or a folder of such; None: the kit's own.
        protocol: "full", "preview", or None for full where there is a GPU.
        hours: another time box; such a run gives no points.
        deadline: see `intake.parse_deadline`.
        workers: how many submissions run at a time; None: one on a GPU, else as many as cores.
        sandbox: "bwrap", "none", or None for bubblewrap.
        start: a checkpoint that trainings go on from, "none", or None for the homework's own where there is one.
        language: of what students read, one of `language.LANGUAGES`.
        lms: which system the files are from, one of `lms.NAMES`; None: it is recognised.
        timezone: the course's, as "Asia/Seoul"; None: this machine's.
        roster: a file that lists who should have handed something in; None for none.
        dry_run: only say who handed in what.
        book: the address of nbgrader's gradebook that gets the results too; None for none.
        again: students who are run again, whatever an earlier run has left of them.
        cluster: the address of a Dask scheduler whose workers do the work; None for this machine.
        slurm: a file that says which jobs Slurm is asked for, to do it; None for none.
        fresh: never fork a run from a process that has imported torch.

    Returns 0; 1 when the grader itself failed on somebody; 130 when it was interrupted.
    Raises KitError when something is wrong that nobody should be graded with: before anything runs.
    """
    console = Console(highlight=False, soft_wrap=True, markup=False)
    given = homework.load(homework_name)
    ruled = rubric.load(rubric.PATH, homework_name)
    _refuse_unknown_checks(ruled, given)
    if out.resolve().is_relative_to(submissions.resolve()):
        raise KitError(f"{out}: lies in the class's folder, and would be somebody's hand-in", "choose another --out")
    with spoken(language):
        taken = collect.take(submissions, homework_name, deadline=deadline, timezone=timezone, lms=lms, roster=roster)
    class_ = taken.class_
    if dry_run:
        collect.show(taken, console, everybody=True)
        return 0
    if unknown := sorted(set(again) - {entry.student for entry in class_.entries}):
        raise KitError(f"there is no student called {unknown[0]!r}", "autograder collect lists them")
    elsewhere = Cluster(cluster, slurm) if cluster or slurm else None
    # Elsewhere each worker looks whether it works there.
    place = Sandbox(sandbox or "bwrap") if elsewhere else _sandbox(sandbox, submissions, console)
    in_full = supervise.gpu_available() or elsewhere is not None
    chosen = given.protocol(protocol or ("full" if in_full else "preview"), ruled.budget, hours)
    count = workers or _workers(chosen)
    threads = max(1, cores() // count)
    images = dataset.choose(given, chosen, data)
    with spoken(language):
        begin, why_not = checkpoint.find(given, chosen, images, start)
    sharing = count if supervise.gpu_available() else 1
    setup = Setup(given, ruled, chosen, images, place, threads, begin, why_not, language, sharing, not fresh)
    if elsewhere is None:
        full = given.protocol("full", ruled.budget, hours)
        _say_what_full_would_take(console, full, setup, class_, protocol, workers)
    with _only_run(out):
        _refuse_to_overwrite_points(out, setup)
        history.read(out)  # one that was changed stops everything, before anything is added to it
        words = {
            "submissions": str(submissions.resolve()),
            "homework": homework_name,
            "data": None if data is None else str(data.resolve()),
            "protocol": chosen.name,
            "hours": hours,
            "deadline": deadline,
            "workers": workers,
            "sandbox": sandbox,
            "start": start,
            "language": language,
            "lms": class_.lms,
            "timezone": timezone,
            "roster": None if roster is None else str(roster.resolve()),
            "book": book,
            "cluster": cluster,
            "slurm": None if slurm is None else str(slurm.resolve()),
            "fresh": fresh,
        }
        results.write_text(out / WORDS, json.dumps(words, indent=1) + "\n")
        students = frozenset(again)
        return ClassRun(class_, setup, out, taken.deadline, count, console, book, students, elsewhere).run()


def again(out: Path, students: Sequence[str]) -> int:
    """Grade the class of `out` again by the words of its last run, with these students run anew. See `grade`.

    Raises KitError also where no run has left its words there.
    """
    path = out / WORDS
    try:
        words = json.loads(path.read_bytes())
        submissions, name = Path(words.pop("submissions")), str(words.pop("homework"))
        words |= {key: None if words[key] is None else Path(words[key]) for key in ("data", "roster", "slurm")}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise KitError(
            f"{path}: doesn't say how the class was graded ({first_line(error)})", "give the command `grade` once more"
        ) from error
    return grade(submissions, out, name, **words, again=students)


def _refuse_unknown_checks(ruled: Rubric, given: Homework) -> None:
    if ruled.required_checks:
        nothing = Observations(homework=given.name, file="", problem="nothing ran")
        known = [check.id for check in checks.run(nothing, given)]
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
            *error.hint.split(": ", 1),
        ]
        bar = "*" * 100
        console.print("\n".join([bar, *(f"*  {line}" for line in lines), bar]), style="bold")
        return sandboxes.choose("none")


def _workers(protocol: Protocol) -> int:
    if supervise.gpu_available():
        return 1
    if protocol.name == "preview":
        return cores()
    return max(1, cores() // MOST_THREADS_CPU)


def _say_what_full_would_take(
    console: Console,
    full: Protocol,
    setup: Setup,
    class_: intake.Intake,
    asked: str | None,
    workers: int | None,
) -> None:
    """Without a GPU, the first line of a real run: how long the class would take, or takes, in full."""
    if supervise.gpu_available() or asked == "preview":
        return
    runs = sum(entry.submission is not None and setup.percent_off(entry) is not None for entry in class_.entries)
    at_a_time = workers or _workers(full)
    threads = max(1, cores() // at_a_time)
    given = setup.homework
    images = 50_000 * (full.epochs if setup.checkpoint is None else given.epochs_from_checkpoint)
    each = min(full.time_box_s, images / (given.images_per_core_s * threads))
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
            earlier = results.read(path.parent)
        except KitError:
            continue
        if earlier is not None and earlier.points is not None:
            raise KitError(
                f"{out}: holds results with points, and this run gives none: {setup.no_points_because}",
                "choose another --out",
            )


@contextlib.contextmanager
def _only_run(out: Path) -> Iterator[None]:
    """Hold the output folder for this process; the system lets go of it however the process ends."""
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
    """What the file system refuses in the middle of a run, in a line. Nothing that was written before is lost."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EIO):
            raise
        raise KitError(
            f"{error.filename or out}: can't be written any more ({error.strerror})",
            "every result that was finished is kept: make room, and give the same command again",
        ) from error
