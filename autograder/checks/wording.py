"""The words that checks are written in.

Used by the check modules beside it:

    @check("step", after=("backward",), hint="...", more="...")
    def test_the_optimizer_steps_once_a_batch(observed: Observations, homework: Homework) -> None:
        \"\"\"the optimizer steps once a batch, after the backward pass\"\"\"
        if steps != 1:
            fail(saw=_("..."), expected=_("..."), why=_("..."), line=...)

The docstring is the title that people see; `{homework...}` in it is filled in. Docstring, `hint` and `more` are
translated where they are shown, and the other texts where they are made, whole sentences with the values named:
`_("{count} of {images} images").format(...)`. What comes from a student is a value, never part of a text.
"""

from typing import NoReturn

import pytest

from autograder.language import gettext as _
from autograder.observations import Failure


class ExpectationError(AssertionError):
    """A check doesn't hold: what was seen, what was expected, why it matters, and the line."""

    def __init__(self, saw: str, expected: str, why: str, line: int | None, hint: str = "") -> None:
        super().__init__(saw)
        self.hint = hint
        self.saw = saw
        self.expected = expected
        self.why = why
        self.line = line


def check(
    identifier: str, *, hint: str, more: str, after: tuple[str, ...] = (), advice: bool = False
) -> pytest.MarkDecorator:
    """Make a test a check.

    Args:
        identifier: its stable id; a homework's declaration says which question it is about.
        hint: where to look next; a question or a place, not the answer.
        more: a second hint, which says more, and still not the answer.
        after: ids of checks that have to pass first, else this one is skipped; ids that the homework doesn't have are
            ignored.
        advice: whether it is advice only, and can't fail `check`.
    """
    return pytest.mark.check(identifier=identifier, hint=hint, more=more, after=after, advice=advice)


def fail(*, saw: str, expected: str, why: str, line: int | None = None, hint: str = "") -> NoReturn:
    """The check doesn't hold. `hint`: one that fits what was seen better than the check's own."""
    raise ExpectationError(saw, expected, why, line, hint)


def wait(what: str) -> NoReturn:
    """It can't be told yet: another check (its id), or something else (in words), comes first."""
    pytest.skip(what)


def joined(items: list[str], most: int = 4) -> str:
    """`a, b and c`, or `a, b, c, d and 3 more`."""
    if len(items) > most:
        return _("{items} and {count} more").format(items=", ".join(items[:most]), count=len(items) - most)
    if len(items) > 1:
        return _("{items} and {last}").format(items=", ".join(items[:-1]), last=items[-1])
    return "".join(items)


def said(failure: Failure) -> str:
    """`TypeError: message`, on one line, with the student's source line."""
    source = failure.frames[-1][1] if failure.frames else ""
    return _("{error} at `{source}`").format(error=failure.words, source=source) if source else failure.words
