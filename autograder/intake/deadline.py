"""Deadlines: what a text means, and how late a file is by the calendar of the course.

Called by intake and by commands. Pure.
"""

import re
from datetime import datetime, tzinfo
from zoneinfo import ZoneInfo

from autograder.course.rubric import Late
from autograder.errors import KitError
from autograder.intake.file_tree import local

DAY_S = 86_400.0


def parse_deadline(text: str, zone: tzinfo | None = None) -> datetime:
    """The moment that `text` names: "2026-11-30 23:59", local time unless an offset such as +01:00 or Z follows.

    `zone` is the course's, None for this machine's. Raises KitError for anything else.
    """
    if re.fullmatch(r"\d{4}-\d\d-\d\d[ T]([01]\d|2[0-3]):\d\d(:\d\d)? ?(Z|[+-]\d\d:?\d\d)?", text.strip()):
        try:
            moment = datetime.fromisoformat(text.strip().replace(" ", "T", 1).replace(" ", ""))
            return moment if moment.tzinfo else local(moment, zone)
        except ValueError:  # the 31st of November
            pass
    raise KitError(
        f"{text!r} is no deadline", 'write it as "2026-11-30 23:59", local time, or with an offset: "… 23:59 +01:00"'
    )


def parse_zone(text: str) -> tzinfo:
    """The time zone called `text`, as in "Asia/Seoul". Raises KitError when there is none."""
    try:
        return ZoneInfo(text)
    except (ValueError, OSError, KeyError) as error:  # ZoneInfoNotFoundError is a KeyError
        raise KitError(f"{text!r} is no time zone", "write it as Asia/Seoul, Europe/Berlin or UTC") from error


def is_late(moment: datetime | None, marked: bool | None, deadline: datetime | None) -> bool:
    """Whether something came late: by its time, or where nobody says one, as its system has `marked` it.

    What a system marks is by its own date: without a deadline here nobody is late, whatever it says. What came at
    23:59:00.5 came after 23:59.
    """
    return deadline is not None and (bool(marked) if moment is None else moment > deadline)


def late_s(moment: datetime | None, deadline: datetime | None, zone: tzinfo | None, late: Late | None) -> float | None:
    """How many seconds after the deadline, 0 for before it; None where there is none, or no time.

    Where the rubric counts days they are those of the calendar in the course's zone: a day after 20:00 is 20:00, though
    clocks have changed and 23 or 25 hours lie between.
    """
    if moment is None or deadline is None:
        return None
    if moment <= deadline:
        return 0.0
    elapsed = (moment - deadline).total_seconds()
    if late is None or late.unit_s % DAY_S:
        return elapsed
    on_the_wall = moment.astimezone(zone).replace(tzinfo=None) - deadline.astimezone(zone).replace(tzinfo=None)
    return max(on_the_wall.total_seconds(), 1e-6)  # in the hour that comes twice it is late all the same
