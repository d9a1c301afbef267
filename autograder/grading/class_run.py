"""A class, end to end: divide it into who needs a run and who doesn't, run those, and write the results.

Called by `grade`. Has the schedule run what has to run, and writes each result the moment it exists, so that a run that
is killed goes on where it stopped. A crash of ours goes to "needs a person", with no points and exit code 1; it stops
nobody else.
"""

from datetime import datetime
from pathlib import Path

from rich.console import Console

from autograder.errors import KitError
from autograder.grading import class_summary, cluster, reuse, schedule, student_run
from autograder.grading.class_files import ClassFiles
from autograder.grading.cluster import Cluster
from autograder.grading.estimate import Estimate
from autograder.grading.progress_display import Display
from autograder.grading.student_run import Graded
from autograder.intake import hand_ins
from autograder.intake.entry import Entry
from autograder.results import live
from autograder.results.result import Result
from autograder.runner import nvidia_smi
from autograder.runner.setup import Setup


class ClassRun:
    """A class being graded."""

    def __init__(
        self,
        class_: hand_ins.Intake,
        setup: Setup,
        out: Path,
        deadline: datetime | None,
        workers: int,
        console: Console,
        book: str | None = None,
        again: frozenset[str] = frozenset(),
        elsewhere: Cluster | None = None,
        lines: int = 0,
    ) -> None:
        """`again`: who runs whatever there is. `lines`: how many of the history's the class was read by."""
        self.class_ = class_
        self.setup = setup
        self.deadline = deadline
        self.workers = workers
        self.console = console
        self.again = again
        self.elsewhere = elsewhere
        self.files = ClassFiles(out, setup, book, again)
        self.finished: dict[str, Result] = {}  # what the class's files need of each
        self.entries = {entry.student: entry for entry in class_.entries}
        count = len(class_.entries)
        self.teller = live.Teller(out, lines=lines, students=count, workers=workers, epochs=setup.protocol.epochs)

    def run(self) -> int:
        """Grade everybody. Returns the exit code: 0; 1 when the grader itself failed on somebody; 130 when interrupted.

        Raises KitError where the gradebook can't be written, after everything else has been.
        """
        with self.teller:
            return self._run_class()

    def _run_class(self) -> int:
        for line in class_summary.before(self.class_, self.setup, self.deadline):
            self.console.print(line, style="bold" if line.startswith("notice: ") else None)
        self.files.write_attempts(self.class_.entries)
        runs = self._without_running()
        if runs:
            try:
                self._run(runs)
            except KeyboardInterrupt:
                left = len(self.class_.entries) - len(self.finished)
                self.console.print(
                    f"stopped: {left} left; what is done is kept, and the same command goes on from there"
                )
                return 130
        entries = self.class_.entries
        everybody = [self.finished[entry.student] for entry in entries]
        self.teller.phase = "writing the class's tables and pages"
        self.console.print(f"{self.teller.phase} ...")
        if alike := self.files.write_class(everybody, entries):
            self.console.print(f"{alike} pair{'s' * (alike != 1)} of files are alike: see report.html")
        trouble: KitError | None = None
        try:
            self.files.write_gradebook(everybody, entries, self.deadline)
        except KitError as error:  # everything else is said first
            trouble = error
        crashes, out = self.files.crashes, self.files.out
        has_book = self.files.book is not None
        for line in class_summary.after(everybody, self.setup, crashes, out, gradebook=has_book):
            self.console.print(line)
        if trouble is not None:
            raise trouble
        return 1 if crashes else 0

    def _without_running(self) -> list[Entry]:
        """Settle everybody who needs no run; returns the others."""
        earlier, unreadable = self.files.earlier(self.class_.entries)
        for message in unreadable:
            self.console.print(f"{message}: graded again")
        divided = reuse.plan(self.class_.entries, earlier, self.setup, self.again, self.files.put_aside)
        for result in divided.settled:
            self._keep(Graded(result, ""))
        if divided.kept:
            self.console.print(f"{divided.kept} done by an earlier run, kept")
        if divided.decided_anew:
            self.console.print(
                f"{divided.decided_anew} trained by an earlier run, decided anew: "
                "rubric, checks, deadlines or students' records have changed"
            )
        return divided.runs

    def _keep(self, graded: Graded) -> None:
        student = graded.result.student
        self.finished[student] = self.files.keep(graded, self.entries[student])

    def _run(self, runs: list[Entry]) -> None:
        """Have the schedule run each file once; students with the same bytes share the evidence."""
        first = reuse.equals(runs, self.setup)
        if copies := len(runs) - len(first):
            self.console.print(f"{copies} {'are' if copies > 1 else 'is'} byte for byte somebody else's file: run once")
        estimate = Estimate(self.setup.threads)
        patience_s = cluster.CONNECT_S
        while not self._run_those_left(first, estimate, patience_s):
            self.console.print("the scheduler was lost: what is done is kept, the rest waits for the next one")
            patience_s = cluster.RETURN_S

    def _run_those_left(self, first: dict[str, list[Entry]], estimate: Estimate, patience_s: float) -> bool:
        """Run who is left, and copy each result to those with the same bytes. False where the scheduler was lost."""
        left = [entries for student, entries in first.items() if student not in self.finished]
        runs = [entries[0] for entries in left]
        with (
            nvidia_smi.recorded(self.files.out),
            Display(self.console, runs, sum(map(len, left)) - len(runs), self.workers, estimate) as display,
        ):
            self.teller.phase, self.teller.look = "checks and trainings", display.told
            listener = schedule.Listener(display.observed, display.progressed, display.notice)
            try:
                with schedule.start(self.setup, self.workers, listener, self.elsewhere, patience_s) as run:
                    for done, graded in enumerate(run(runs), start=1):
                        for entry in first[graded.result.student]:
                            own = student_run.of_equal(graded, entry, self.setup)
                            self._keep(own)
                            display.graded(own.result)
                        if len(runs) - done < self.workers:
                            self.files.prepare_gradebook()  # every training has begun
            except schedule.SchedulerLostError:
                return False
        return True
