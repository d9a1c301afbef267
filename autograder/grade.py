"""A class, end to end: from a folder of files to points, pages and a gradebook column.

Called by the command `grade`. Reads the class, settles who needs no run, has the engine run the others, and writes each
result the moment it exists, so that a run that is killed goes on where it stopped. A crash of ours goes to "needs a
person", with no points and exit code 1; it stops nobody else.
"""

import contextlib
import errno
import fcntl
import json
import os
import platform
import statistics
import traceback
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path

from rich.console import Console

from autograder import (
    checkpoint,
    checks,
    collect,
    dataset,
    engine,
    gradebook,
    history,
    homework,
    intake,
    report,
    results,
    rubric,
    supervise,
    twins,
    verdict,
)
from autograder import sandbox as sandboxes
from autograder.display import Display, about
from autograder.errors import KitError, first_line
from autograder.homework import ROOT, Homework, Protocol
from autograder.intake import Entry
from autograder.observations import Observations
from autograder.results import Result
from autograder.rubric import Rubric, points_text
from autograder.sandbox import Sandbox
from autograder.verdict import PREVIEW, Evidence, Graded, Setup, cores

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
    lms: str | None = None,
    timezone: str | None = None,
    roster: Path | None = None,
    dry_run: bool = False,
    book: str | None = None,
    again: Sequence[str] = (),
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
        lms: which system the files are from, one of `lms.NAMES`; None: it is recognised.
        timezone: the course's, as "Asia/Seoul"; None: this machine's.
        roster: a file that lists who should have handed something in; None for none.
        dry_run: only say who handed in what.
        book: the address of nbgrader's gradebook that gets the results too; None for none.
        again: students who are run again, whatever an earlier run has left of them.

    Returns 0; 1 when the grader itself failed on somebody; 130 when it was interrupted.
    Raises KitError when something is wrong that nobody should be graded with: before anything runs.
    """
    console = Console(highlight=False, soft_wrap=True, markup=False)
    given = homework.load(homework_name)
    ruled = rubric.load(rubric.PATH, homework_name)
    _refuse_unknown_checks(ruled, given)
    if out.resolve().is_relative_to(submissions.resolve()):
        raise KitError(f"{out}: lies in the class's folder, and would be somebody's hand-in", "choose another --out")
    taken = collect.take(submissions, homework_name, deadline=deadline, timezone=timezone, lms=lms, roster=roster)
    class_ = taken.class_
    if dry_run:
        collect.show(taken, console, everybody=True)
        return 0
    if unknown := sorted(set(again) - {entry.student for entry in class_.entries}):
        raise KitError(f"there is no student called {unknown[0]!r}", "autograder collect lists them")
    place = _sandbox(sandbox, submissions, console)
    chosen = given.protocol(protocol or ("full" if supervise.gpu_available() else "preview"), ruled.budget, hours)
    count = workers or _workers(chosen)
    threads = max(1, cores() // count)
    images = dataset.choose(given, chosen, data)
    begin, why_not = checkpoint.find(given, chosen, images, start)
    setup = Setup(given, ruled, chosen, images, place, threads, begin, why_not)
    _say_what_full_would_take(console, given.protocol("full", ruled.budget, hours), setup, class_, protocol, workers)
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
            "lms": class_.lms,
            "timezone": timezone,
            "roster": None if roster is None else str(roster.resolve()),
            "book": book,
        }
        results.write_text(out / WORDS, json.dumps(words, indent=1) + "\n")
        return _Class(class_, setup, out, taken.deadline, count, console, book, frozenset(again)).run()


def again(out: Path, students: Sequence[str]) -> int:
    """Grade the class of `out` again by the words of its last run, with these students run anew. See `grade`.

    Raises KitError also where no run has left its words there.
    """
    path = out / WORDS
    try:
        words = json.loads(path.read_bytes())
        submissions, name = Path(words.pop("submissions")), str(words.pop("homework"))
        words |= {key: None if words[key] is None else Path(words[key]) for key in ("data", "roster")}
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


class _Class:
    """A class being graded: what is reused, what runs, what is said."""

    def __init__(
        self,
        class_: intake.Intake,
        setup: Setup,
        out: Path,
        deadline: datetime | None,
        workers: int,
        console: Console,
        book: str | None = None,
        again: frozenset[str] = frozenset(),
    ) -> None:
        self.class_ = class_
        self.again = again
        self.book = book
        self.setup = setup
        self.out = out
        self.deadline = deadline
        self.workers = workers
        self.console = console
        self.finished: dict[str, Result] = {}
        self.crashes: dict[str, str] = {}
        self.before: dict[str, str | None] = {}  # the key of what an earlier run has left of each

    def run(self) -> int:
        self._say_first()
        runs = self._without_running()
        interrupted = False
        if runs:
            try:
                self._run(runs)
            except KeyboardInterrupt:
                interrupted = True
        if interrupted:
            left = len(self.class_.entries) - len(self.finished)
            self.console.print(f"stopped: {left} left; what is done is kept, and the same command goes on from there")
            return 130
        self._write_class()
        trouble = self._write_gradebook()
        self._say_last()
        if trouble is not None:
            raise trouble
        return 1 if self.crashes else 0

    def _say_first(self) -> None:
        counts: Counter[str] = Counter()
        for entry in self.class_.entries:
            if entry.late:
                counts["late"] += 1
            elif entry.submission is not None:
                counts["on time" if self.deadline else "with a file"] += 1
            else:
                counts["with no file" if entry.outcome == "NO_FILE" else "unusable"] += 1
        parts = ", ".join(f"{number} {words}" for words, number in counts.items())
        setup = self.setup
        number = len(self.class_.entries)
        reason = setup.no_points_because
        about_points = "" if reason is None else (", no points" if reason == PREVIEW else f": no points, {reason}")
        self.console.print(
            f"{number} submission{'s' * (number != 1)}: {parts} · {setup.homework.name} rubric "
            f"{setup.rubric.fingerprint[:4]} · {setup.dataset.name} {setup.dataset.fingerprint[:4]} · "
            f"{setup.protocol.name}{' protocol' if setup.protocol.name == 'full' else ''}{about_points}"
        )
        if self.deadline:
            self.console.print(f"deadline {self.deadline.isoformat(sep=' ')}")
        if setup.checkpoint is not None:
            epochs = setup.homework.epochs_from_checkpoint
            self.console.print(
                f"from {setup.checkpoint} for {epochs} epoch{'s' * (epochs != 1)}, where the network fits it"
            )
        for notice in (setup.no_checkpoint_because, setup.sandbox.notice):
            if notice:
                self.console.print(f"notice: {notice}", style="bold")
        if self.class_.lms != "folder":
            attempts = sum(len(entry.uploads) for entry in self.class_.entries)
            self.console.print(f"from a download of {self.class_.lms}, {attempts} attempts: see attempts.csv")
        if self.class_.left_out:
            self.console.print(f"not submissions, left out: {', '.join(self.class_.left_out)}")
        if self.class_.unlisted:
            self.console.print(f"not on the roster, graded all the same: {', '.join(self.class_.unlisted)}")

    def _without_running(self) -> list[Entry]:
        """Settle everybody who needs no run; returns the others."""
        runs, reused, decided_anew = [], 0, 0
        for entry in self.class_.entries:
            folder = self.out / entry.student
            results.remove_left_overs(folder)
            earlier = self._earlier(folder)
            self.before[entry.student] = None if earlier is None else earlier.key
            if entry.submission is None or self.setup.percent_off(entry) is None:
                self._keep(Graded(verdict.without_a_run(entry, self.setup), ""))
                continue
            if entry.student in self.again:
                earlier = None
            elif earlier is not None and earlier.key == verdict.key(entry, self.setup):
                reused += 1
            elif earlier is not None and earlier.evidence_key == verdict.evidence_key(entry, self.setup):
                earlier = self._decided_anew(entry, earlier)
                decided_anew += earlier is not None
            else:
                earlier = None
            if earlier is None:
                runs.append(entry)
            else:
                self._keep(Graded(self._of_today(entry, earlier), ""))
        if reused:
            self.console.print(f"{reused} done by an earlier run, kept")
        if decided_anew:
            self.console.print(
                f"{decided_anew} trained by an earlier run, decided anew: "
                "rubric, checks or students' records have changed"
            )
        return runs

    def _earlier(self, folder: Path) -> Result | None:
        try:
            return results.read(folder)
        except KitError as error:
            self.console.print(f"{error.message}: graded again")
            return None

    def _decided_anew(self, entry: Entry, earlier: Result) -> Result | None:
        if earlier.observations is None:
            return None
        evidence = Evidence(
            observations=earlier.observations,
            outcome=earlier.outcome,
            message=earlier.message,
            report=earlier.training,
            accuracy=earlier.accuracy,
            audit=earlier.audit,
            epochs=earlier.epochs,
            runs=earlier.runs,
            seconds=earlier.seconds,
            device=earlier.device,
            threads=earlier.threads,
            machine=earlier.machine,
        )
        if verdict.is_due(self.setup, evidence.percent, len(evidence.runs) or 1):
            return None  # the rubric of today asks for more runs than it has had
        return verdict.conclude(entry, self.setup, evidence)

    def _of_today(self, entry: Entry, earlier: Result) -> Result:
        """An earlier result; the same bytes may have come again at another time."""
        if earlier.submission is None:
            return earlier
        file = earlier.submission.model_copy(update={"submitted_at": entry.submitted_at})
        return earlier.model_copy(update={"submission": file, "name": entry.name})

    def _run(self, runs: list[Entry]) -> None:
        with Display(self.console, runs, self.workers) as display, engine.start(self.workers) as run:
            for graded in run(runs, self.setup, display.observed, display.progressed):
                self._keep(graded)
                display.graded(graded.result)

    def _keep(self, graded: Graded) -> None:
        """Write everything of one student. A page that can't be made doesn't lose the result it is about."""
        result = graded.result
        folder = self.out / result.student
        if graded.crash:
            self.crashes[result.student] = graded.crash
        is_new = self.before.get(result.student) != result.key or result.student in self.again
        if is_new:
            results.put_aside(folder)
        if graded.log or graded.crash:
            results.write_text(folder / "log.txt", graded.log or graded.crash)
        if is_new:  # before the result: after a power cut between the two it is written again, not left out
            history.add(self.out, "result", result.student, points=result.points, key=result.key)
        results.write(folder, result)
        self.finished[result.student] = result
        try:
            results.write_text(folder / "feedback.html", report.feedback(result, self.setup.rubric))
        except Exception:
            self.crashes[result.student] = traceback.format_exc()

    def _write_class(self) -> None:
        everybody = [self.finished[entry.student] for entry in self.class_.entries]
        results.remove_left_overs(self.out)
        results.write_text(self.out / "grades.csv", results.csv_text(everybody))
        results.write_text(self.out / collect.FILE, collect.csv_text(self.class_.entries))
        alike = twins.pairs(self.class_.entries, self.setup.homework)
        results.write_text(self.out / "report.html", report.class_report(everybody, self.setup.rubric, alike))
        if alike:
            self.console.print(f"{len(alike)} pair{'s' * (len(alike) != 1)} of files are alike: see report.html")

    def _write_gradebook(self) -> KitError | None:
        """Everything else is written and said even where the gradebook can't be."""
        if self.book is not None:
            everybody = [self.finished[entry.student] for entry in self.class_.entries]
            entries, given = self.class_.entries, self.setup.homework
            try:
                gradebook.write(self.out, everybody, entries, given, self.deadline, self.book)
            except KitError as error:
                return error
        return None

    def _say_last(self) -> None:
        everybody = [self.finished[entry.student] for entry in self.class_.entries]
        would = "" if self.setup.no_points_because is None else "would be "
        counts = Counter(result.would_earn for result in everybody if result.would_earn is not None)
        parts = [f"{would}{points_text(points)} points  {counts[points]}" for points in sorted(counts, reverse=True)]
        accuracies = [result.accuracy.counted_percent for result in everybody if result.accuracy is not None]
        median = f"   median accuracy {statistics.median(accuracies):.1f}%" if accuracies else ""
        self.console.print(f"{'   ·   '.join(parts)}{median}")
        waiting = [(result.student, reason) for result in everybody for reason in result.for_a_person]
        if waiting:
            self.console.print(f"needs a person ({len({student for student, _ in waiting})})")
            for student, reason in waiting:
                self.console.print(f"  {student}   {reason}")
        for student, crash in self.crashes.items():
            self.console.print(f"error: the grader itself failed on {student}: {crash.strip().splitlines()[-1][:500]}")
        if would:
            self.console.print(f"no points were given: {self.setup.no_points_because}")
        self.console.print(
            f"wrote {self.out}: grades.csv  attempts.csv  report.html  "
            f"{'gradebook  ' if self.book else ''}and of each student feedback.html  result.json"
        )
        self.console.print(f"history {history.head(self.out)[:16]}")
