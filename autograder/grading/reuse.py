"""What of an earlier run of a class may be kept, and who has to run. Pure: reads nothing, writes nothing.

Called by `class_run`.
"""

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from autograder.grading import decision, keys
from autograder.grading.lateness import percent_off
from autograder.intake.entry import Entry
from autograder.results.result import Result
from autograder.runner.setup import Setup


@dataclass
class Plan:
    """A class, divided.

    Attributes:
        settled: results of those who need no run: without a file, too late, kept, or decided anew.
        runs: everybody else.
        kept, decided_anew: how many of `settled` are an earlier run's results, unchanged, or decided anew from its
            evidence.
    """

    settled: list[Result] = field(default_factory=list)
    runs: list[Entry] = field(default_factory=list)
    kept: int = 0
    decided_anew: int = 0


def plan(
    entries: Sequence[Entry],
    earlier: Mapping[str, Result],
    setup: Setup,
    again: AbstractSet[str] = frozenset(),
    put_aside: Callable[[str], Iterable[Result]] = lambda _: (),
) -> Plan:
    """Divide a class.

    Args:
        earlier: student -> the result that an earlier run has left.
        again: students who run whatever there is.
        put_aside: of a student, the results before that one, the latest first: with another deadline another attempt
            counts, and with the former one the former attempt again.
    """
    divided = Plan()
    for entry in entries:
        if entry.submission is None or percent_off(entry, setup.rubric) is None:
            divided.settled.append(decision.without_a_run(entry, setup))
            continue
        left = None if entry.student in again else earlier.get(entry.student)
        if left is not None and left.key == keys.of_result(entry, setup):
            divided.kept += 1
        elif entry.student not in again:
            before = [left] if left is not None else []
            left = _first(_decided_anew(entry, one, setup) for one in itertools.chain(before, put_aside(entry.student)))
            divided.decided_anew += left is not None
        if left is None:
            divided.runs.append(entry)
        else:
            divided.settled.append(_of_today(entry, left))
    return divided


def equals(entries: Sequence[Entry], setup: Setup) -> dict[str, list[Entry]]:
    """Student -> everybody with the same bytes, this student first, who is run for all of them."""
    alike: dict[str, list[Entry]] = {}
    for entry in entries:
        alike.setdefault(keys.of_evidence(entry, setup), []).append(entry)
    return {same[0].student: same for same in alike.values()}


def _first(results: Iterable[Result | None]) -> Result | None:
    return next((result for result in results if result is not None), None)


def _decided_anew(entry: Entry, earlier: Result, setup: Setup) -> Result | None:
    """What follows today from an earlier run's evidence; None where that isn't this entry's, or isn't enough."""
    if earlier.evidence_key != keys.of_evidence(entry, setup) or earlier.observations is None:
        return None
    evidence = decision.evidence_of(earlier)
    if decision.is_due(setup, evidence.percent, len(evidence.runs) or 1):
        return None  # the rubric of today asks for more runs than it has had
    return decision.decide(entry, setup, evidence)


def _of_today(entry: Entry, earlier: Result) -> Result:
    """An earlier result; the same bytes may have come again at another time."""
    if earlier.submission is None:
        return earlier
    file = earlier.submission.model_copy(update={"submitted_at": entry.submitted_at})
    return earlier.model_copy(update={"submission": file, "name": entry.name})
