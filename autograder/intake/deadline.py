"""Deadlines: what a text means, and how late a file is by the calendar of the course.

Called by intake and by commands. Pure.
"""

import contextlib
import re
from datetime import datetime, tzinfo
from zoneinfo import ZoneInfo

from autograder.course.rubric import Late
from autograder.errors import KitError
from autograder.intake.file_tree import local

DAY_S = 86_400.0


_MOMENT = re.compile(r"(\d{4}) ?[-/.] ?(\d\d?) ?[-/.] ?(\d\d?)\.?[ T] ?(\d\d?):(\d\d)(?::(\d\d))? ?(Z|[+-]\d\d:?\d\d)?")
"""With the year first, so that nobody takes a day for a month: as people and spreadsheets write it."""


def parse_deadline(text: str, zone: tzinfo | None = None) -> datetime:
    """The moment that `text` names: "2026-11-30 23:59", local time unless an offset such as +01:00 or Z follows.

    `zone` is the course's, None for this machine's. Raises KitError for anything else.
    """
    if found := _MOMENT.fullmatch(" ".join(text.split())):
        year, month, day, hour, minute, second, offset = found.groups("")
        with contextlib.suppress(ValueError):  # the 31st of November
            moment = datetime.fromisoformat(
                f"{year}-{month:0>2}-{day:0>2}T{hour:0>2}:{minute}:{second or '00'}{offset}"
            )
            return moment if moment.tzinfo else local(moment, zone)
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
    """Whether an attempt came late: by its time, or, where no time is known, as its system has `marked` it.

    A system marks by its own date, so where there is no `deadline` nobody is late, whatever the system says. 23:59:00.5
    is later than 23:59.
    """
    return deadline is not None and (bool(marked) if moment is None else moment > deadline)


def late_s(moment: datetime | None, deadline: datetime | None, zone: tzinfo | None, late: Late | None) -> float | None:
    """Seconds after the deadline, 0 for in time; None where there is no deadline, or no time is known.

    Where the rubric counts days, they are calendar days in the course's zone: a day after 20:00 is 20:00, also where
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
    return max(on_the_wall.total_seconds(), 1e-6)  # where clocks were set back it may not look late, and is
