"""Mistakes planted in a right script, one at a time: what a row of a table is, and what must be said of it.

Called by the tables, `test_mutants*.py`, one for each homework. A row is a name, the check that must catch it, what its
message must say, and the lines to exchange, right for wrong. No other check may fail; those that can't be told any more
wait, and say for which.
"""

from collections.abc import Sequence
from typing import NamedTuple

from support.rehearsals import Results

from autograder import checks
from autograder.checks import CheckResult
from autograder.course.homework import Homework


class Mutant(NamedTuple):
    """A planted mistake."""

    name: str
    check: str
    says: str
    lines: tuple[tuple[str, str], ...]

    def script(self, right: str) -> str:
        """The script `right` with the mistake in it; each right line must occur exactly once."""
        script = right
        for line, wrong in self.lines:
            assert script.count(line) == 1, f"{self.name}: {line!r} occurs {script.count(line)} times"
            script = script.replace(line, wrong)
        compile(script, self.name, "exec")
        return script


def mutant(name: str, check: str, says: str, *lines: tuple[str, str]) -> Mutant:
    """A row of a table."""
    return Mutant(name, check, says, lines)


def results_of(homework: Homework, rows: Sequence[Mutant], right: str) -> Results:
    """What the checks say of each row, by its name."""
    assert len({each.name for each in rows}) == len(rows), "two rows have one name"
    return Results(homework, {each.name: each.script(right).encode() for each in rows})


def assert_caught_alone(planted: Mutant, found: Sequence[CheckResult], right: str) -> None:
    """The row's own check has found it, with all that a message needs, and no other check failed."""
    amiss = {result.id: result.saw for result in found if result.outcome in ("failed", "advice")}
    assert list(amiss) == [planted.check], amiss
    assert planted.says in amiss[planted.check], amiss
    waiting = {result.id: result.waits_for for result in found if result.outcome == "skipped"}
    assert set(waiting.values()) <= {planted.check}, waiting
    result = next(result for result in found if result.id == planted.check)
    assert result.expected, result
    assert result.why, result
    assert result.hint, result
    assert checks.passed(list(found)) is (result.outcome == "advice"), result
    assert result.line is None or 1 <= result.line <= planted.script(right).count("\n"), result
