"""Right files in every manner that students write: what a row of a table is.

Called by the tables, `test_manners*.py`, one for each homework. Each manner is a right script with some lines exchanged
for others that do the same, or the whole script rewritten.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from support.rehearsals import Results

from autograder.checks import CheckResult
from autograder.course.homework import Homework

Change = tuple[str, str] | Callable[[str], str]


class Manner(NamedTuple):
    """A way to write the right script. `may_wait` names checks that can't be told in it."""

    name: str
    changes: tuple[Change, ...]
    may_wait: tuple[str, ...] = ()

    def script(self, right: str) -> bytes:
        """The script `right`, written that way; each line to exchange must occur exactly once."""
        script = right
        for change in self.changes:
            if callable(change):
                script = change(script)
                continue
            assert script.count(change[0]) == 1, f"{self.name}: {change[0]!r} occurs {script.count(change[0])} times"
            script = script.replace(*change)
        content = script.encode()
        compile(content, self.name, "exec")
        return content


def manner(name: str, *changes: Change) -> Manner:
    """A row of a table."""
    return Manner(name, changes)


def results_of(homework: Homework, rows: Sequence[Manner], right: str) -> Results:
    """What the checks say of each row, by its name."""
    assert len({each.name for each in rows}) == len(rows), "two rows have one name"
    return Results(homework, {each.name: each.script(right) for each in rows})


def assert_passes(written: Manner, found: Sequence[CheckResult]) -> None:
    """Every check passed, but for those that may wait."""
    amiss = {result.id: result.saw or f"waits for {result.waits_for}" for result in found if result.outcome != "passed"}
    assert sorted(amiss) == sorted(written.may_wait), amiss
