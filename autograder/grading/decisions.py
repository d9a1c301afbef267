"""What a person decides about one student: points, comments, which file counts, a deadline, or that nothing is to do.

Called by the commands and by the desk: each decision is made here and nowhere else. A decision is a line of the
history, written under the history's lock; then what follows from it is written: gradebook, `grades.csv`, the student's
page. A process that is killed between the two leaves a note of it, and whoever decides, grades or exports next finishes
it.

Whoever decides can say what they had seen (`history.last_of`): where something else was decided since, nothing is
written, and they are told what.
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

NOTE = ".decision.json"  # of a decision whose consequences aren't all written yet
LONGEST_COMMENT = 5_000  # characters


class ChangedError(KitError):
    """Somebody has decided about the same student since; `lines` say what."""

    def __init__(self, student: str, lines: Sequence[Line]) -> None:
        said = "; ".join(f"{line.what} by {line.who} at {line.time:%H:%M:%S}" for line in lines)
        super().__init__(f"{student}: changed meanwhile ({said}), so nothing was written", "look again, and decide")
        self.lines = list(lines)


@dataclass(frozen=True)
class Decisions:
    """The decisions about a class.

    Attributes:
        out: its folder of results.
        book: its gradebook's address; None for none.
    """

    out: Path
    book: str | None = None

    @classmethod
    def of_last_run(cls, out: Path) -> "Decisions":
        """With the gradebook that the class was graded into last. Raises KitError where no run has said which."""
        asked = LastRun.of(out).gradebook
        return cls(out, None if asked == "none" else nbgrader_gradebook.url_of(out, asked))

    def points(self, student: str, points: float | None, reason: str, seen: str | None = None) -> Line:
        """Set a student's points, or with None go back to those of the run. They stay when the class is graded again.

        Raises KitError when there is no such student, no reason, or more points than there are.
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
        """Say something to a student, on a line of the script or on the whole; it stands on their page.

        Raises KitError when there is no such student or line, and nothing, or too much, is said.
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
        """Withdraw a comment, by its id. Raises KitError when there is none that is called so."""
        with self._deciding(student, seen) as lines:
            made = {line.id for line in history.comments(lines) if line.student == student}
            if comment not in made:
                raise KitError(f"{student}: no comment is called {comment!r}", "`autograder show` lists them")
            return self._write("comment withdrawn", of_student(self.out, student).result, takes_back=comment)

    def looked_at(self, student: str, reason: str = "", seen: str | None = None, *, withdraw: bool = False) -> Line:
        """A person has looked, and there is nothing to do: the student leaves the queue until there is a newer result.

        Raises KitError when there is no such student; to withdraw, when nobody had said so.
        """
        with self._deciding(student, seen) as lines:
            result = of_student(self.out, student).result
            if withdraw and student not in history.looked_at(lines):
                raise KitError(f"{student}: nobody has said that there is nothing to do")
            what: history.What = "looked at withdrawn" if withdraw else "looked at"
            return self._write(what, result, reason=reason.strip(), key=result.key)

    def run_again(self, students: Sequence[str], reason: str = "", seen: str | None = None) -> list[Line]:
        """The next run of the class runs these students again. Raises KitError when one isn't there."""
        lines = []
        for student in students:
            with self._deciding(student, seen):
                result = of_student(self.out, student).result
                lines.append(self._write("run again", result, reason=reason.strip(), key=result.key))
        return lines

    def settle(
        self, student: str, file: str | None, reason: str = "", seen: str | None = None, *, withdraw: bool = False
    ) -> tuple[Line, Entry]:
        """Say which of a student's files counts; None: none of them. `withdraw`: the rules decide again.

        The next run of the class goes by it. Returns also the entry that follows.

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
            return history.add(self.out, what, entry.student, reason=reason.strip(), file=file or ""), after or entry

    def deadline(self, student: str, until: str | None, reason: str = "", seen: str | None = None) -> Line:
        """Give a student a deadline of their own, in the course's zone; None takes it back. The next run goes by it.

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
        """What came of somebody's hand-in, by the rules and what persons have decided. Raises KitError for nobody."""
        entries = self._class(history.read(self.out))
        found = next((one for one in entries if names.key(one.student) == names.key(student)), None)
        if found is None:
            raise KitError(f"there is no student called {student!r}", "autograder collect lists them")
        return found

    def with_file(self, entry: Entry, file: str | None) -> Entry:
        """What would come of somebody's hand-in if that file counted."""
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
        """Write what follows from a decision whose process was killed before it had written that."""
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
        """The history, which nobody else adds to within. Raises ChangedError where it isn't as it was seen."""
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
        """Write what follows from a decision; the same again changes nothing."""
        if line.what in ("override", "override withdrawn"):
            if self.book is not None:
                nbgrader_gradebook.set_score(self.book, result.homework.name, line.student, line.points)
            grades_table.change(self.out, result, None if line.points is None else line)
        if line.what in ("override", "override withdrawn", "comment", "comment withdrawn"):
            write_page(self.out, result)


def write_page(out: Path, result: Result) -> None:
    """Write a student's page anew, where there is one, as the class was graded last."""
    if not (out / result.student / feedback_page.FILE).exists():
        return
    run = LastRun.of(out)
    feedback_page.write(out, result, rubric.load(rubric.PATH, run.homework), run.language)
