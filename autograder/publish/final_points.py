"""What everybody ends up with: the points of the run, or what a person has set since, which always wins.

Called by `export`, `feedback`, `show`, `grading/decisions.py` and the desk. Reads what `grade` wrote; writes nothing.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from autograder.errors import KitError
from autograder.publish import nbgrader_gradebook
from autograder.results import history, store
from autograder.results.result import Result

DecidedBy = Literal["run", "override", "formgrader", "nobody"]


@dataclass(frozen=True)
class Final:
    """A student's points, and where they are from.

    Attributes:
        points: None where nobody has decided: a preview, or somebody has to look first.
        decided_by: "run"; "override", by the command; "formgrader", by hand in nbgrader's pages; "nobody".
        reason: what a person gave for it; "" otherwise.
        result: of the run.
    """

    points: float | None
    decided_by: DecidedBy
    reason: str
    result: Result

    @property
    def student(self) -> str:
        """The student's id."""
        return self.result.student


def final(out: Path, book: str | None = None) -> list[Final]:
    """Everybody who has a result under `out`, by id.

    An instructor's points win: those of the gradebook at `book` where they were set in formgrader, else those of the
    command `override`, which sets both.

    Raises KitError when there is nobody, or a result, the history or the gradebook is damaged.
    """
    everybody = [result for path in sorted(out.glob("*/result.json")) if (result := store.read(path.parent))]
    if not everybody:
        raise KitError(f"{out}: holds no results", "name the folder that `autograder grade` wrote to")
    overridden = history.overrides(history.read(out))
    by_hand = {} if book is None else nbgrader_gradebook.set_by_hand(book, everybody[0].homework.name)
    return [_of(result, overridden.get(result.student), by_hand.get(result.student)) for result in everybody]


def of_student(out: Path, student: str, book: str | None = None) -> Final:
    """The same of one student alone. Raises KitError also when there is no such student."""
    known = {path.parent.name for path in out.glob("*/result.json")}
    result = store.read(out / student) if student in known else None
    if result is None:
        near = ", ".join(sorted(known)[:5])
        raise KitError(f"{out}: there is no student called {student!r}", f"there are {near}, ..." if near else "")
    by_hand = {} if book is None else nbgrader_gradebook.set_by_hand(book, result.homework.name)
    return _of(result, history.overrides(history.read(out)).get(student), by_hand.get(student))


def decided(
    of_run: float | None, line: history.Line | None, by_hand: float | None
) -> tuple[float | None, DecidedBy, str]:
    """Points, who decided them, and why, of those of the run, the line that set them last, and those of formgrader."""
    if line is not None and by_hand in (None, line.points):
        return line.points, "override", line.reason
    if by_hand is not None:
        return by_hand, "formgrader", ""
    return of_run, "nobody" if of_run is None else "run", ""


def _of(result: Result, line: history.Line | None, by_hand: float | None) -> Final:
    return Final(*decided(result.points, line, by_hand), result)
