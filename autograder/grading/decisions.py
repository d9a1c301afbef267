"""What a person decides about one student: points, comments, which file counts, a deadline, or that nothing is to do.

Called by the commands and by the desk: each decision is made here and nowhere else. A decision is a line of the
history, written under the history's lock; then its consequences are written: gradebook, `grades.csv`, the student's
page. A process that is killed in between leaves a note (`NOTE`), and the next decision, run or export writes the rest.

A caller can pass the last line that it has seen (`seen`, from `history.last_of`): where a newer decision about the
student exists, nothing is written, and ChangedError says which.
"""

import contextlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from autograder.course import rubric
from autograder.course.rubric import points_text
from autograder.errors import KitError
from autograder.files import write_text
from autograder.grading import collected
from autograder.grading.collected import LastRun
from autograder.intake import names
from autograder.intake.deadline import parse_deadline, parse_zone
from autograder.intake.entry import READ, Entry
from autograder.publish import feedback_page, nbgrader_gradebook
from autograder.publish.final_points import of_student
from autograder.results import grades_table, history, store
from autograder.results.history import Line
from autograder.results.result import Result

NOTE = ".decision.json"  # says that the consequences of a decision may not all be written yet
LONGEST_COMMENT = 5_000  # characters


class ChangedError(KitError):
    """Somebody has decided about the same student since; `lines` are these decisions."""

    def __init__(self, student: str, lines: Sequence[Line]) -> None:
        said = "; ".join(f"{line.what} by {line.who} at {line.time:%H:%M:%S}" for line in lines)
        super().__init__(f"{student}: changed meanwhile ({said}), so nothing was written", "look again, and decide")
        self.lines = list(lines)


@dataclass(frozen=True)
class Decisions:
    """Makes the decisions about a class.

    Attributes:
        out: the class's folder of results.
        book: the gradebook's database address; None without a gradebook.
    """

    out: Path
    book: str | None = None

    @classmethod
    def of_last_run(cls, out: Path) -> "Decisions":
        """With the gradebook of the class's last run. Raises KitError where no run is recorded."""
        asked = LastRun.of(out).gradebook
        return cls(out, None if asked == "none" else nbgrader_gradebook.url_of(out, asked))

    def points(self, student: str, points: float | None, reason: str, seen: str | None = None) -> Line:
        """Set a student's points, which stay when the class is graded again; None: go back to the run's points.

        Raises KitError when there is no such student, no reason, or the points aren't within the rubric's.
        """
        if not reason.strip():
            raise KitError("a decision needs a reason", "say it with --reason")
        now = of_student(self.out, student, self.book)
        most = now.result.max_points
        if points is not None and not 0 <= points <= most:
            raise KitError(
                f"{points_text(points)} points: the rubric has 0 to {points_text(most)}",
                "an instructor's points stay within the rubric's",
            )
        with self._deciding(student, seen) as lines:
            before = history.overrides(lines).get(student)
            what: history.What = "override withdrawn" if points is None else "override"
            former = now.points if before is None else before.points
            return self._write(
                what, now.result, points=points, former=former, reason=reason.strip(), key=now.result.key
            )

    def comment(self, student: str, text: str, at: int | None = None, seen: str | None = None) -> Line:
        """Add a comment for a student's page, on line `at` of the script, counted from 1, or on the whole file.

        Raises KitError when there is no such student or line, or the text is empty or too long.
        """
        said = text.strip().replace("\r\n", "\n")
        if not said or len(said) > LONGEST_COMMENT:
            raise KitError(f"a comment has 1 to {LONGEST_COMMENT:,} characters, and this one {len(said):,}")
        with self._deciding(student, seen):
            result = of_student(self.out, student).result
            file = store.handed_in(self.out / student, result)
            last = 0 if file is None else len(file.script.splitlines())
            if at is not None and not 1 <= at <= last:
                raise KitError(f"{student}: there is no line {at}", f"the file has {last:,} lines")
            sha256 = "" if file is None else file.sha256
            return self._write("comment", result, reason=said, at=at, sha256=sha256, key=result.key)

    def take_back_comment(self, student: str, comment: str, seen: str | None = None) -> Line:
        """Withdraw a comment, by its id. Raises KitError when the student has no comment with this id."""
        with self._deciding(student, seen) as lines:
            made = {line.id for line in history.comments(lines) if line.student == student}
            if comment not in made:
                raise KitError(f"{student}: no comment is called {comment!r}", "`autograder show` lists them")
            return self._write("comment withdrawn", of_student(self.out, student).result, takes_back=comment)

    def looked_at(self, student: str, reason: str = "", seen: str | None = None, *, withdraw: bool = False) -> Line:
        """Record that a person has looked, and nothing is to do: until a newer result, the student isn't in the queue.

        Raises KitError when there is no such student; with `withdraw`, when there is nothing to withdraw.
        """
        with self._deciding(student, seen) as lines:
            result = of_student(self.out, student).result
            if withdraw and student not in history.looked_at(lines):
                raise KitError(f"{student}: nobody has said that there is nothing to do")
            what: history.What = "looked at withdrawn" if withdraw else "looked at"
            return self._write(what, result, reason=reason.strip(), key=result.key)

    def run_again(self, students: Sequence[str], reason: str = "", seen: str | None = None) -> list[Line]:
        """Have the next run of the class run these students again. Raises KitError when one of them doesn't exist."""
        lines = []
        for student in students:
            with self._deciding(student, seen):
                result = of_student(self.out, student).result
                lines.append(self._write("run again", result, reason=reason.strip(), key=result.key))
        return lines

    def settle(
        self, student: str, file: str | None, reason: str = "", seen: str | None = None, *, withdraw: bool = False
    ) -> tuple[Line, Entry]:
        """Say which of a student's files counts; None: none of them. `withdraw`: go back to what the rules say.

        The next run of the class follows it. Returns also the entry that the student then has.

        Raises KitError when there is no such student in the class that `out` was graded from, or no such file.
        """
        entry, after = self.entry(student), None
        if not withdraw:
            after = self.with_file(entry, file)
            if file is not None and after.outcome != READ:
                known = sorted({name for upload in entry.uploads for name in (*upload.files, *upload.downloaded)})
                listed = f"there are: {', '.join(known[:8])}" if known else "autograder collect lists what came"
                raise KitError(f"{file}: can't count for {entry.student} ({after.message})", listed)
        with self._deciding(entry.student, seen) as lines:
            if withdraw and entry.student not in history.settled(lines):
                raise KitError(f"{entry.student}: nothing was settled", "`autograder show` has what was decided when")
            what: history.What = "settled withdrawn" if withdraw else "settled"
            line = history.add(self.out, what, entry.student, reason=reason.strip(), file=file or "")
        return line, after or self.entry(entry.student)

    def deadline(self, student: str, until: str | None, reason: str = "", seen: str | None = None) -> Line:
        """Give a student their own deadline, in the course's time zone; None withdraws it. The next run follows it.

        Raises KitError when there is no such student in the class that `out` was graded from, or no such time.
        """
        moment: datetime | None = None
        if until is not None:
            run = LastRun.of(self.out)
            moment = parse_deadline(until, None if run.timezone is None else parse_zone(run.timezone))
            student = self.entry(student).student
        with self._deciding(student, seen) as lines:
            if moment is None and student not in history.deadlines(lines):
                raise KitError(f"{student}: was given no deadline here", "one of the roster is changed there")
            what: history.What = "deadline withdrawn" if moment is None else "deadline"
            return history.add(self.out, what, student, reason=reason.strip(), until=moment)

    def entry(self, student: str) -> Entry:
        """A student's entry, by the rules and by decisions. Raises KitError when there is no such student."""
        entries = self._class(history.read(self.out))
        found = next((one for one in entries if names.key(one.student) == names.key(student)), None)
        if found is None:
            raise KitError(f"there is no student called {student!r}", "autograder collect lists them")
        return found

    def with_file(self, entry: Entry, file: str | None) -> Entry:
        """The entry that the student would have if `file` counted; None: if none of the files did."""
        lines = history.read(self.out)
        settled = Line(
            time=datetime.now().astimezone(),
            who="",
            what="settled",
            student=entry.student,
            file=file or "",
            previous=history.BEGINNING,
        )
        entries = self._class([*lines, settled])
        return next((one for one in entries if names.key(one.student) == names.key(entry.student)), entry)

    def finish(self) -> None:
        """Write the consequences of a decision whose process was killed before it had written them."""
        with history.held(self.out):
            try:
                noted = json.loads((self.out / NOTE).read_bytes())["previous"]
            except (OSError, ValueError, KeyError, TypeError):
                return
            for line in history.read(self.out):
                if line.previous == noted and (result := store.read(self.out / line.student)) is not None:
                    self._follow(line, result)
            (self.out / NOTE).unlink()

    def _class(self, lines: Sequence[Line]) -> list[Entry]:
        return collected.of_words(LastRun.of(self.out), lines).class_.entries

    @contextlib.contextmanager
    def _deciding(self, student: str, seen: str | None) -> Iterator[list[Line]]:
        """Hold the history's lock, and yield its lines. Raises ChangedError if the student's last line isn't `seen`."""
        with history.held(self.out):
            self.finish()
            lines = history.read(self.out)
            if seen is not None and history.last_of(lines, student) != seen:
                own = [line for line in lines if line.student == student]
                at = next((at for at, line in enumerate(own, 1) if line.id == seen), 0)
                raise ChangedError(student, own[at:])
            yield lines

    def _write(self, what: history.What, result: Result, **fields: object) -> Line:
        write_text(self.out / NOTE, json.dumps({"previous": history.head(self.out)}))
        line = history.add(self.out, what, result.student, **fields)
        self._follow(line, result)
        (self.out / NOTE).unlink()
        return line

    def _follow(self, line: Line, result: Result) -> None:
        """Write the consequences of a decision; writing them again changes nothing."""
        if line.what in ("override", "override withdrawn"):
            if self.book is not None:
                nbgrader_gradebook.set_score(self.book, result.homework.name, line.student, line.points)
            grades_table.change(self.out, result, None if line.points is None else line)
        if line.what in ("override", "override withdrawn", "comment", "comment withdrawn"):
            write_page(self.out, result)


def write_page(out: Path, result: Result) -> None:
    """Write a student's page anew, where there is one, in the language of the class's last run."""
    if not (out / result.student / feedback_page.FILE).exists():
        return
    run = LastRun.of(out)
    feedback_page.write(out, result, rubric.load(rubric.PATH, run.homework), run.language)
