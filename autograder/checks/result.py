"""What came of one check, as people, pages and programs read it."""

from collections.abc import Iterable
from typing import Literal

from pydantic import BaseModel, ConfigDict

Outcome = Literal["passed", "failed", "skipped", "advice"]


class CheckResult(BaseModel):
    """One check of one submission.

    Attributes:
        id: stable name, such as `own-weights`.
        title: a sentence that says what is right when it passes.
        outcome: "skipped" when something else has to be right before it can be judged; "advice" when it failed and
            nothing depends on it.
        question: the blank it is about, "Q5", or None.
        line: of the submission (of a notebook: of the script its cells make).
        saw, expected, why: the message of a failed check, or of advice; "" otherwise.
        waits_for: of a skipped check, the id of the failed check, or what else has to happen first.
        required: whether `check` fails when this check fails.
        hint: where to look next, shown on request.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    title: str
    outcome: Outcome
    question: str | None = None
    line: int | None = None
    saw: str = ""
    expected: str = ""
    why: str = ""
    waits_for: str | None = None
    required: bool = True
    hint: str = ""


def passed(results: Iterable[CheckResult]) -> bool:
    """Whether no required check failed."""
    return not any(result.outcome == "failed" and result.required for result in results)


def unmet(results: Iterable[CheckResult]) -> set[str]:
    """Ids of checks that don't hold: failed ones, advice not taken, and those that wait for one of these."""
    found = list(results)
    ids = {result.id for result in found if result.outcome in ("failed", "advice")}
    return ids | {result.id for result in found if result.outcome == "skipped" and result.waits_for in ids}
