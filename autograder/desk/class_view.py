"""A class as the desk shows it: rows for a page, made from the files of a class's folder and updated when these change.

Called by `app.py`. Only reads. Of each result it keeps only what a row shows, so that a thousand students take little
memory; what a student's screen needs is read when somebody opens it.
"""

import contextlib
import csv
import hashlib
import statistics
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from autograder.errors import KitError
from autograder.grading.collected import LastRun
from autograder.publish import nbgrader_gradebook
from autograder.publish.final_points import DecidedBy, decided
from autograder.results import attempts, history, live, store
from autograder.results.history import Line
from autograder.results.live import Live, Running
from autograder.results.result import Result

EVERY_S = 1.0  # between two readings of the disk
BOOK_EVERY_S = 30.0  # between two readings of a gradebook on a database server

Stamp = tuple[int, int]


@dataclass(frozen=True)
class Summary:
    """What a row shows of a result; see `Result`. `shown`: accuracy or error, as text. `row`: the tier's label."""

    name: str
    status: str
    outcome: str
    accuracy: float | None
    shown: str
    points: float | None
    max_points: float
    row: str
    flags: tuple[str, ...]
    reasons: tuple[str, ...]
    homework: str
    names_rows: bool

    @classmethod
    def of(cls, result: Result) -> "Summary":
        """What a row shows of a result."""
        return cls(
            name=result.name,
            status=result.status,
            outcome=result.outcome,
            accuracy=None if result.accuracy is None else result.accuracy.counted_percent,
            shown="" if result.accuracy is None else result.accuracy.exact,
            points=result.points,
            max_points=result.max_points,
            row=result.tier_label,
            flags=tuple(result.flags),
            reasons=tuple(result.for_a_person),
            homework=result.homework.name,
            names_rows=result.protocol.name != "preview",
        )


@dataclass(frozen=True)
class Row:
    """A student at one moment.

    Attributes:
        summary: what the row shows of the result; None while there is none.
        state: of the submission, as `attempts.csv` has it; "" where it has none.
        points, decided_by: the final points, None where there are none, and who decided them.
        running: the student's training, while it goes on; `waiting`: whether the run still has to train the student.
        looked: whether a person has said that there is nothing to do.
        comments: how many comments there are.
    """

    student: str
    name: str
    summary: Summary | None = None
    state: str = ""
    points: float | None = None
    decided_by: DecidedBy = "nobody"
    running: Running | None = None
    waiting: bool = False
    looked: bool = False
    comments: int = 0

    @property
    def id(self) -> str:
        """The `id` of the row's HTML element."""
        return f"row-{hashlib.sha256(self.student.encode('utf-8', 'replace')).hexdigest()[:16]}"

    @property
    def is_for_a_person(self) -> bool:
        """Whether a person has to look at the student, and nobody has looked or decided."""
        return bool(self.summary and self.summary.reasons) and not self.looked and self.decided_by in ("run", "nobody")


@dataclass(frozen=True)
class Class:
    """A class at one moment.

    Attributes:
        version: 0 at first, and one more after each change.
        rows: by student, sorted by id; `changed`: the version at which each row changed last.
        run: the run that goes on, or the last one; `goes_on`: whether it does.
        due: decisions that take effect in the next run.
        trouble: what can't be read, a sentence; "" where everything can.
        head: the id of the history's last line; "" without any.
    """

    version: int = 0
    rows: Mapping[str, Row] | None = None
    changed: Mapping[str, int] | None = None
    run: Live | None = None
    goes_on: bool = False
    due: tuple[Line, ...] = ()
    trouble: str = ""
    head: str = ""

    @property
    def everybody(self) -> list[Row]:
        """All rows, in their order."""
        return list((self.rows or {}).values())

    @property
    def queue(self) -> list[Row]:
        """Students who need a person: first those whose status says so, then those whose points need a look."""
        waiting = [(row.summary, row) for row in self.everybody if row.summary and row.is_for_a_person]
        ordered = sorted(waiting, key=lambda one: (one[0].status != "needs a person", one[1].student))
        return [row for _, row in ordered]

    @property
    def accuracies(self) -> list[float]:
        """The accuracies of all students who have one."""
        return [row.summary.accuracy for row in self.everybody if row.summary and row.summary.accuracy is not None]

    @property
    def median(self) -> float | None:
        """The median of the accuracies; None without any."""
        return statistics.median(self.accuracies) if self.accuracies else None

    @property
    def graded(self) -> int:
        """How many students have a result."""
        return sum(row.summary is not None for row in self.everybody)


class ClassView:
    """Reads a class's folder. `now` is the class when it was read last; any thread may call `look`."""

    def __init__(self, out: Path) -> None:
        self.out = out
        self.now = Class()
        self.book: str | None = None
        self._asked: str | None = None
        self._summaries: dict[str, tuple[Stamp, Summary]] = {}
        self._lines: tuple[Stamp | None, list[Line]] = (None, [])
        self._handed_in: tuple[Stamp | None, dict[str, tuple[str, str]]] = (None, {})
        self._by_hand: tuple[object, dict[str, float]] = (None, {})
        self._looking = threading.Lock()

    def look(self, *, book: bool = True) -> Class:
        """Read the files that have changed. `book`: the scores of formgrader, too; the first time takes seconds."""
        with self._looking:
            trouble = ""
            run = live.read(self.out)
            self._read_results()
            try:
                self._read_history()
                self._find_book()
                if book and not (run is not None and run.goes_on):  # a run writes into it all the time
                    self._read_book()
            except KitError as error:
                trouble = error.message
            self._read_attempts()
            self.now = self._made(run, trouble)
            return self.now

    def lines(self) -> list[Line]:
        """The history, as it was read last."""
        return self._lines[1]

    def _made(self, run: Live | None, trouble: str) -> Class:
        before, lines = self.now, self._lines[1]
        goes_on = run is not None and run.goes_on
        rows = self._rows(run if goes_on else None, lines)
        former, since = before.rows or {}, before.changed or {}
        version = before.version + 1
        changed = {student: since[student] if former.get(student) == row else version for student, row in rows.items()}
        done = 0 if run is None else run.lines
        due = tuple(line for line in lines[done:] if line.what in history.FOR_A_RUN)
        made = Class(version, rows, changed, run, goes_on, due, trouble, lines[-1].id if lines else "")
        same = (rows, run, goes_on, due, trouble, made.head)
        if same == (former, before.run, before.goes_on, before.due, before.trouble, before.head):
            return before
        return made

    def _rows(self, run: Live | None, lines: list[Line]) -> dict[str, Row]:
        overrides, looked = history.overrides(lines), history.looked_at(lines)
        counts: dict[str, int] = {}
        for line in history.comments(lines):
            counts[line.student] = counts.get(line.student, 0) + 1
        running, waiting = ({}, set()) if run is None else (run.running, set(run.waiting))
        rows = {}
        for student in sorted({*self._summaries, *self._handed_in[1]}):
            summary = self._summaries[student][1] if student in self._summaries else None
            name, state = self._handed_in[1].get(student, ("", ""))
            by_hand = self._by_hand[1].get(student)
            points = None if summary is None else summary.points
            final, by, _ = decided(points, overrides.get(student), by_hand)
            rows[student] = Row(
                student,
                name or (summary.name if summary else ""),
                summary,
                state,
                final,
                by,
                running.get(student),
                student in waiting,
                student in looked,
                counts.get(student, 0),
            )
        return rows

    def _read_results(self) -> None:
        found: dict[str, Stamp] = {}
        with contextlib.suppress(OSError):
            for folder in self.out.iterdir():
                with contextlib.suppress(OSError):
                    stat = (folder / "result.json").stat()
                    found[folder.name] = (stat.st_mtime_ns, stat.st_size)
        for student in set(self._summaries) - set(found):
            del self._summaries[student]
        for student, stamp in found.items():
            if self._summaries.get(student, (None,))[0] == stamp:
                continue
            with contextlib.suppress(KitError):  # another schema version: the next run writes it anew
                if (result := store.read(self.out / student)) is not None:
                    self._summaries[student] = (stamp, Summary.of(result))

    def _read_history(self) -> None:
        stamp = _stamp(self.out / history.FILE)
        if stamp != self._lines[0]:
            self._lines = (stamp, history.read(self.out))

    def _read_attempts(self) -> None:
        stamp = _stamp(self.out / attempts.FILE)
        if stamp == self._handed_in[0]:
            return
        found: dict[str, tuple[str, str]] = {}
        with contextlib.suppress(KeyError, csv.Error, UnicodeDecodeError):
            for row in attempts.attempts(self.out):
                before = found.get(row["student"], ("", ""))
                found[row["student"]] = (row["name"] or before[0], row["state"] or before[1])
        self._handed_in = (stamp, found)

    def _find_book(self) -> None:
        with contextlib.suppress(KitError):  # no run has been recorded yet
            self._asked = LastRun.of(self.out).gradebook
            self.book = None if self._asked == "none" else nbgrader_gradebook.url_of(self.out, self._asked)

    def _read_book(self) -> None:
        """Read the scores set in formgrader: a file when it has changed, a server every `BOOK_EVERY_S` seconds."""
        homework = next((summary.homework for _, summary in self._summaries.values()), None)
        if self.book is None or homework is None:
            return
        file = _stamp(self.out / nbgrader_gradebook.DATABASE)
        stamp = (self.book, time.monotonic() // BOOK_EVERY_S if self._asked else file)
        if stamp != self._by_hand[0] and (self._asked or file):
            self._by_hand = (stamp, nbgrader_gradebook.set_by_hand(self.book, homework))


def _stamp(path: Path) -> Stamp | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_size
