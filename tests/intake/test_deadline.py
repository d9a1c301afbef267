"""How late a file is: days of the calendar in the course's zone, hours of the clock, and what they take off."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from autograder.course.rubric import Late
from autograder.errors import KitError
from autograder.intake.deadline import late_s, parse_deadline

RULE = Late(percent=10, unit_s=86_400, most_s=3 * 86_400)
NEW_YORK, SEOUL, BERLIN = "America/New_York", "Asia/Seoul", "Europe/Berlin"
HALLOWEEN = "2026-10-31 20:00:00"  # a Saturday; clocks go back in the night


@pytest.mark.parametrize(
    ("zone", "deadline", "came", "days", "percent_off"),
    [
        (NEW_YORK, HALLOWEEN, "2026-11-01 19:30:00", 1, 10),  # 24.5 hours, half an hour less than a day there
        (NEW_YORK, HALLOWEEN, "2026-11-01 20:00:00", 1, 10),  # 25 hours, a day there
        (NEW_YORK, HALLOWEEN, "2026-11-01 20:00:01", 2, 20),
        (NEW_YORK, HALLOWEEN, "2026-11-03 20:00:00", 3, 30),  # 73 hours
        (NEW_YORK, HALLOWEEN, "2026-11-03 20:00:01", 4, None),
        (NEW_YORK, "2026-03-07 20:00:00", "2026-03-08 20:00:00", 1, 10),  # 23 hours, a day there
        (NEW_YORK, "2026-03-07 20:00:00", "2026-03-08 20:30:00", 2, 20),
        (SEOUL, "2026-11-30 23:59:00", "2026-12-01 23:59:00", 1, 10),
        (SEOUL, "2026-11-30 23:59:00", "2026-11-30 23:59:01", 1, 10),
        (SEOUL, "2026-11-30 23:59:00", "2026-11-30 23:59:00", 0, 0),
        (BERLIN, "2026-10-24 12:00:00", "2026-10-25 12:00:00", 1, 10),
        (BERLIN, "2026-10-24 12:00:00", "2026-10-25 12:00:00.5", 2, 20),
        (BERLIN, "2026-03-28 12:00:00", "2026-03-31 12:00:00", 3, 30),  # 71 hours
    ],
)
def test_days_are_the_calendars(zone: str, deadline: str, came: str, days: int, percent_off: float | None) -> None:
    there = ZoneInfo(zone)
    moments = [datetime.fromisoformat(text).replace(tzinfo=there) for text in (came, deadline)]
    for came_at, by in (moments, [moment.astimezone(UTC) for moment in moments]):
        seconds = late_s(came_at, by, there, RULE)
        assert seconds is not None
        assert -(-seconds // 86_400) == days
        assert RULE.percent_off(seconds) == percent_off


def test_hours_are_hours() -> None:
    rule = Late(percent=5, unit_s=3600, most_s=30 * 3600)
    there = ZoneInfo(NEW_YORK)
    deadline = datetime.fromisoformat(HALLOWEEN).replace(tzinfo=there).astimezone(UTC)
    came = datetime.fromisoformat("2026-11-01 20:00:00").replace(tzinfo=there).astimezone(UTC)
    assert late_s(came, deadline, there, rule) == 25 * 3600
    assert late_s(None, deadline, there, rule) is None
    assert late_s(came, None, there, rule) is None


def test_in_the_hour_that_comes_twice_late_is_late() -> None:
    there = ZoneInfo(NEW_YORK)
    deadline = datetime(2026, 11, 1, 5, 50, tzinfo=UTC)  # 01:50, the first time
    came = datetime(2026, 11, 1, 6, 10, tzinfo=UTC)  # 01:10, the second time
    seconds = late_s(came, deadline, there, RULE)
    assert seconds is not None
    assert RULE.percent_off(seconds) == 10


@pytest.mark.parametrize(
    "text",
    ["2026-12-03 23:59", "2026/12/03 23:59", "2026.12.3 23:59", "2026. 12. 3. 23:59", "2026-12-3  23:59:00"],
)
def test_a_date_may_be_written_as_spreadsheets_do(text: str) -> None:
    assert parse_deadline(text, ZoneInfo(SEOUL)) == datetime(2026, 12, 3, 14, 59, tzinfo=UTC)


@pytest.mark.parametrize(
    "text", ["12/3/2026 23:59", "3.12.2026 23:59", "2026-12-03", "2026-13-03 23:59", "2026-12-03 24:10"]
)
def test_what_could_mean_two_days_is_no_deadline(text: str) -> None:
    with pytest.raises(KitError, match="is no deadline"):
        parse_deadline(text, ZoneInfo(SEOUL))
