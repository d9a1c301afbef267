"""Reads a class as a command's options name it, with the decisions since: which entry each student has.

Called by `collect`, `grade` and `regrade`, by `decisions.py` and by the desk. Reads the class and the rubric, and gets
the history's lines. Decides nothing itself: `intake/hand_ins.py` does.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Protocol

from pydantic import BaseModel, ConfigDict, ValidationError

from autograder.course import rubric
from autograder.errors import KitError, first_line
from autograder.intake import hand_ins
from autograder.intake.deadline import parse_deadline, parse_zone
from autograder.intake.hand_ins import Intake
from autograder.language import spoken
from autograder.results import history
from autograder.results.history import Line
from autograder.runner.request import FILE


class Words(Protocol):
    """The options of a command that say which class is meant, and how it is read."""

    @property
    def submissions(self) -> Path: ...
    @property
    def homework(self) -> str: ...
    @property
    def deadline(self) -> str | None: ...
    @property
    def timezone(self) -> str | None: ...
    @property
    def lms(self) -> str | None: ...
    @property
    def roster(self) -> Path | None: ...
    @property
    def extension(self) -> Sequence[str]: ...
    @property
    def language(self) -> str: ...


class LastRun(BaseModel):
    """The options of a class's last run that say which class it is, and how it is read."""

    model_config = ConfigDict(frozen=True)

    submissions: Path
    homework: str
    deadline: str | None = None
    timezone: str | None = None
    lms: str | None = None
    roster: Path | None = None
    extension: list[str] = []
    language: str = "en"
    gradebook: str | None = None

    @classmethod
    def of(cls, out: Path) -> "LastRun":
        """The options of the last run into `out`. Raises KitError where no run has left them there."""
        path = out / FILE
        try:
            return cls.model_validate_json(path.read_bytes())
        except (OSError, ValidationError) as error:
            raise KitError(
                f"{path}: doesn't say how the class was graded ({first_line(error)})",
                "give the command `grade` once more",
            ) from error


@dataclass(frozen=True)
class Taken:
    """A class that was read, its deadline and the course's time zone (each None where no option gives it)."""

    class_: Intake
    deadline: datetime | None
    zone: tzinfo | None


def take(
    submissions: Path,
    homework_name: str,
    *,
    deadline: str | None = None,
    timezone: str | None = None,
    lms: str | None = None,
    roster: Path | None = None,
    extensions: Sequence[str] = (),
    decided: Sequence[Line] = (),
) -> Taken:
    """Read a class by a command's options; see `hand_ins.collect`. The rubric says how late is too late.

    Args:
        extensions: "STUDENT=WHEN" each.
        decided: the history's lines. Files settled there count, and deadlines given there win over all others.

    Raises KitError where an option isn't a deadline, zone or extension, and where the class or the rubric can't be
    read.
    """
    zone = None if timezone is None else parse_zone(timezone)
    moment = None if deadline is None else parse_deadline(deadline, zone)
    class_ = hand_ins.collect(
        submissions,
        homework_name,
        moment,
        system=lms,
        zone=zone,
        listed=roster,
        late=rubric.load(rubric.PATH, homework_name).late,
        extensions=_extensions(extensions, zone) | history.deadlines(decided),
        settled=history.settled(decided),
    )
    return Taken(class_, moment, zone)


def of_words(request: Words, decided: Sequence[Line]) -> Taken:
    """The class that the options of `grade` name. Raises KitError as `take` does."""
    with spoken(request.language):
        return take(
            request.submissions,
            request.homework,
            deadline=request.deadline,
            timezone=request.timezone,
            lms=request.lms,
            roster=request.roster,
            extensions=request.extension,
            decided=decided,
        )


def _extensions(words: Sequence[str], zone: tzinfo | None) -> dict[str, datetime]:
    found = {}
    for one in words:
        student, equals, when = one.partition("=")
        if not (student.strip() and equals):
            raise KitError(f"{one!r} is no extension", 'write it as STUDENT="2026-12-03 23:59"')
        found[student.strip()] = parse_deadline(when, zone)
    return found
