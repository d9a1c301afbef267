"""What grading a class writes: each student's files, and the class's.

Called by `class_run`. Each result is written the moment it exists. A page that can't be made doesn't lose the result
that it is about.
"""

import contextlib
import threading
import traceback
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime
from pathlib import Path

from autograder.errors import KitError
from autograder.files import write_text
from autograder.grading.student_run import Graded
from autograder.intake.entry import Entry
from autograder.publish import class_report, feedback_page, nbgrader_gradebook, similar_files
from autograder.publish.charts import gpu_use
from autograder.results import attempts, grades_table, history, store
from autograder.results.result import Result
from autograder.runner import nvidia_smi
from autograder.runner.setup import Setup


class ClassFiles:
    """The files of one class, in `out`.

    Attributes:
        crashes: student -> traceback, where the grader itself failed.
    """

    def __init__(self, out: Path, setup: Setup, book: str | None, again: AbstractSet[str]) -> None:
        """`book`: the gradebook's address, None for none. `again`: students who were run again on purpose."""
        self.out = out
        self.setup = setup
        self.book = book
        self.again = again
        self.crashes: dict[str, str] = {}
        self._before: dict[str, str] = {}  # the key of what an earlier run has left of each
        self._preparing: threading.Thread | None = None  # the gradebook

    def earlier(self, entries: Sequence[Entry]) -> tuple[dict[str, Result], list[str]]:
        """(student -> the result that an earlier run has left, a message for each result that can't be read)."""
        found, unreadable = {}, []
        for entry in entries:
            folder = self.out / entry.student
            store.remove_left_overs(folder)
            try:
                left = store.read(folder)
            except KitError as error:
                unreadable.append(error.message)
                continue
            if left is not None:
                found[entry.student] = left
                self._before[entry.student] = left.key
        return found, unreadable

    def put_aside(self, student: str) -> Iterator[Result]:
        """What runs before the last one have left of a student, the latest first."""
        for path in sorted((self.out / student / "earlier").glob("*/result.json"), reverse=True):
            with contextlib.suppress(KitError):
                if (left := store.read(path.parent)) is not None:
                    yield left

    def keep(self, graded: Graded, entry: Entry) -> Result:
        """Write everything of one student. Returns what the class's files need of the result."""
        result = graded.result
        student, folder = result.student, self.out / result.student
        if graded.crash:
            self.crashes[student] = graded.crash
        is_new = self._before.get(student) != result.key or student in self.again
        if is_new:
            store.put_aside(folder)
        if graded.log or graded.crash:
            write_text(folder / "log.txt", graded.log or graded.crash)
        if entry.submission is not None:
            store.write_handed_in(folder, entry.submission)
        if is_new:  # before the result: a power cut between the two repeats the entry, and loses none
            history.add(self.out, "result", student, points=result.points, key=result.key)
        store.write(folder, result)
        try:
            feedback_page.write(self.out, result, self.setup.rubric, self.setup.language)
        except Exception:
            self.crashes[student] = traceback.format_exc()
        # Its page and what is on the disk have the rest, most of it what the checks looked at.
        return result.model_copy(update={"observations": None, "mistaken": [], "audit": None})

    def write_class(self, everybody: Sequence[Result], entries: Sequence[Entry]) -> int:
        """The tables and the class's page. Returns how many pairs of files are alike."""
        store.remove_left_overs(self.out)
        with history.held(self.out):  # whoever decides meanwhile writes after it
            overrides = history.overrides(history.read(self.out))
            write_text(self.out / grades_table.FILE, grades_table.csv_text(everybody, overrides))
        self.write_attempts(entries)
        used = gpu_use.plot(nvidia_smi.read(self.out))
        alike = similar_files.pairs(entries, self.setup.homework)
        write_text(self.out / "report.html", class_report.class_report(everybody, self.setup.rubric, alike, used))
        return len(alike)

    def write_attempts(self, entries: Sequence[Entry]) -> None:
        """The list of everybody's attempts, which is known before anybody runs."""
        write_text(self.out / attempts.FILE, attempts.csv_text(entries))

    def prepare_gradebook(self) -> None:
        """Start, once, what takes seconds before the gradebook can be written, on a thread of its own."""
        if self.book is not None and self._preparing is None:
            self._preparing = threading.Thread(target=nbgrader_gradebook.prepare, args=(self.book,), daemon=True)
            self._preparing.start()

    def write_gradebook(self, everybody: Sequence[Result], entries: Sequence[Entry], deadline: datetime | None) -> None:
        """nbgrader's gradebook. Raises KitError where it can't be written."""
        if self.book is None:
            return
        if self._preparing is not None:
            self._preparing.join()
        nbgrader_gradebook.write(self.out, everybody, entries, self.setup.homework, deadline, self.book)
