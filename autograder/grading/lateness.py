"""What being late costs, by the rubric.

Called by `keys`, `decision`, `reuse` and the command `grade`.
"""

from autograder.course.rubric import Rubric
from autograder.intake.entry import Entry


def percent_off(entry: Entry, rubric: Rubric) -> float | None:
    """What being late takes off an entry's points, in percent: 0 in time; None where it leaves nothing to grade."""
    if not entry.late:
        return 0.0
    late = rubric.late
    return None if late is None or entry.late_s is None else late.percent_off(entry.late_s)
