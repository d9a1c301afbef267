"""A class, end to end: who needs no run, what is reused, what runs, what is written and said.

Called by `grade`. Has the engine run what has to run, and writes each result the moment it exists, so that a run that
is killed goes on where it stopped. A crash of ours goes to "needs a person", with no points and exit code 1; it stops
nobody else.
"""

import statistics
import threading
import traceback
from collections import Counter
from datetime import datetime
from pathlib import Path

from rich.console import Console

from autograder.course.rubric import points_text
from autograder.errors import KitError
from autograder.files import write_text
from autograder.grading import cluster, decision, keys, schedule, student_run
from autograder.grading.cluster import Cluster
from autograder.grading.estimate import Estimate
from autograder.grading.lateness import percent_off
from autograder.grading.progress_display import Display
from autograder.grading.student_run import Graded
from autograder.intake import hand_ins
from autograder.intake.hand_ins import Entry
from autograder.language import spoken
from autograder.publish import nbgrader_gradebook, report, similar_files
from autograder.publish.charts import gpu_use
from autograder.results import attempts, grades_table, history, store
from autograder.results.result import Result
from autograder.runner import nvidia_smi
from autograder.runner.setup import Setup


class ClassRun:
    """A class being graded: what is reused, what runs, what is said."""

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
    ) -> None:
        self.class_ = class_
        self.again = again
        self.book = book
        self.setup = setup
        self.out = out
        self.deadline = deadline
        self.workers = workers
        self.elsewhere = elsewhere
        self.console = console
        self.finished: dict[str, Result] = {}  # what the class's page, table and gradebook need of each
        self.crashes: dict[str, str] = {}
        self.preparing: threading.Thread | None = None  # the gradebook
        self.before: dict[str, str | None] = {}  # the key of what an earlier run has left of each

    def run(self) -> int:
        """Grade everybody. Returns the exit code: 0; 1 when the grader itself failed on somebody; 130 when interrupted.

        Raises KitError where the gradebook can't be written, when everything else is.
        """
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
        about_points = (
            "" if reason is None else (", no points" if setup.protocol.name == "preview" else f": no points, {reason}")
        )
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
            uploads = sum(len(entry.uploads) for entry in self.class_.entries)
            self.console.print(f"from a download of {self.class_.lms}, {uploads} attempts: see attempts.csv")
        if self.class_.left_out:
            self.console.print(f"not submissions, left out: {', '.join(self.class_.left_out)}")
        if self.class_.unlisted:
            self.console.print(f"not on the roster, graded all the same: {', '.join(self.class_.unlisted)}")

    def _without_running(self) -> list[Entry]:
        """Settle everybody who needs no run; returns the others."""
        runs, reused, decided_anew = [], 0, 0
        for entry in self.class_.entries:
            folder = self.out / entry.student
            store.remove_left_overs(folder)
            earlier = self._earlier(folder)
            self.before[entry.student] = None if earlier is None else earlier.key
            if entry.submission is None or percent_off(entry, self.setup.rubric) is None:
                self._keep(Graded(decision.without_a_run(entry, self.setup), ""))
                continue
            if entry.student in self.again:
                earlier = None
            elif earlier is not None and earlier.key == keys.of_result(entry, self.setup):
                reused += 1
            elif earlier is not None and earlier.evidence_key == keys.of_evidence(entry, self.setup):
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
            return store.read(folder)
        except KitError as error:
            self.console.print(f"{error.message}: graded again")
            return None

    def _decided_anew(self, entry: Entry, earlier: Result) -> Result | None:
        if earlier.observations is None:
            return None
        evidence = decision.evidence_of(earlier)
        if decision.is_due(self.setup, evidence.percent, len(evidence.runs) or 1):
            return None  # the rubric of today asks for more runs than it has had
        return decision.decide(entry, self.setup, evidence)

    def _of_today(self, entry: Entry, earlier: Result) -> Result:
        """An earlier result; the same bytes may have come again at another time."""
        if earlier.submission is None:
            return earlier
        file = earlier.submission.model_copy(update={"submitted_at": entry.submitted_at})
        return earlier.model_copy(update={"submission": file, "name": entry.name})

    def _run(self, runs: list[Entry]) -> None:
        """Have the engine run each file once; whoever handed in the same bytes as another gets what came of that."""
        alike: dict[str, list[Entry]] = {}
        for entry in runs:
            alike.setdefault(keys.of_evidence(entry, self.setup), []).append(entry)
        first = {entries[0].student: entries for entries in alike.values()}
        if copies := len(runs) - len(first):
            self.console.print(f"{copies} {'are' if copies > 1 else 'is'} byte for byte somebody else's file: run once")
        estimate = Estimate(self.setup.threads)
        patience_s = cluster.CONNECT_S
        while not self._run_those_left(first, estimate, patience_s):
            self.console.print("the scheduler was lost: what is done is kept, the rest waits for the next one")
            patience_s = cluster.RETURN_S

    def _run_those_left(self, first: dict[str, list[Entry]], estimate: Estimate, patience_s: float) -> bool:
        """Run those that are left, each with its equals. Returns whether all were: the scheduler can be lost."""
        left = [entries for student, entries in first.items() if student not in self.finished]
        runs = [entries[0] for entries in left]
        with (
            nvidia_smi.recorded(self.out),
            Display(self.console, runs, sum(map(len, left)) - len(runs), self.workers, estimate) as display,
        ):
            told = schedule.Told(display.observed, display.progressed, display.notice)
            try:
                with schedule.start(self.setup, self.workers, told, self.elsewhere, patience_s) as run:
                    for done, graded in enumerate(run(runs), start=1):
                        for entry in first[graded.result.student]:
                            own = student_run.of_equal(graded, entry, self.setup)
                            self._keep(own)
                            display.graded(own.result)
                        if len(runs) - done < self.workers:
                            self._prepare_gradebook()  # which takes seconds, and there is nothing left to begin
            except schedule.SchedulerLostError:
                return False
        return True

    def _keep(self, graded: Graded) -> None:
        """Write everything of one student. A page that can't be made doesn't lose the result it is about."""
        result = graded.result
        folder = self.out / result.student
        if graded.crash:
            self.crashes[result.student] = graded.crash
        is_new = self.before.get(result.student) != result.key or result.student in self.again
        if is_new:
            store.put_aside(folder)
        if graded.log or graded.crash:
            write_text(folder / "log.txt", graded.log or graded.crash)
        if is_new:  # before the result: after a power cut between the two it is written again, not left out
            history.add(self.out, "result", result.student, points=result.points, key=result.key)
        store.write(folder, result)
        # Its page and what is on the disk have the rest, most of it what the checks looked at.
        self.finished[result.student] = result.model_copy(update={"observations": None, "mistaken": [], "audit": None})
        try:
            with spoken(self.setup.language):
                page = report.feedback(result, self.setup.rubric)
            write_text(folder / "feedback.html", page)
        except Exception:
            self.crashes[result.student] = traceback.format_exc()

    def _write_class(self) -> None:
        everybody = [self.finished[entry.student] for entry in self.class_.entries]
        store.remove_left_overs(self.out)
        write_text(self.out / "grades.csv", grades_table.csv_text(everybody))
        write_text(self.out / attempts.FILE, attempts.csv_text(self.class_.entries))
        used = gpu_use.plot(nvidia_smi.read(self.out))
        alike = similar_files.pairs(self.class_.entries, self.setup.homework)
        write_text(self.out / "report.html", report.class_report(everybody, self.setup.rubric, alike, used))
        if alike:
            self.console.print(f"{len(alike)} pair{'s' * (len(alike) != 1)} of files are alike: see report.html")

    def _prepare_gradebook(self) -> None:
        if self.book is not None and self.preparing is None:
            self.preparing = threading.Thread(target=nbgrader_gradebook.prepare, args=(self.book,), daemon=True)
            self.preparing.start()

    def _write_gradebook(self) -> KitError | None:
        """Everything else is written and said even where the gradebook can't be."""
        if self.book is not None:
            if self.preparing is not None:
                self.preparing.join()
            everybody = [self.finished[entry.student] for entry in self.class_.entries]
            entries, given = self.class_.entries, self.setup.homework
            try:
                nbgrader_gradebook.write(self.out, everybody, entries, given, self.deadline, self.book)
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
