"""`grading_rubric.md`: one document that people read and that decides the points.

Called by `grade` and by `check --train`. Reads one homework's section: a table of accuracy ranges with their points,
the rows for submissions without an accuracy, the checks that are required, and the budget of a training. A section
whose ranges overlap or leave a gap is refused with its line, so no accuracy ever has two answers or none. How a section
is written is explained at the top of the document itself. Never sees a submission.
"""

import hashlib
import json
import math
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal

from markdown_it import MarkdownIt
from markdown_it.token import Token
from pydantic import BaseModel, ConfigDict, Field

from autograder.course import ranges
from autograder.course.ranges import LARGEST, Unit, said
from autograder.errors import KitError
from autograder.files import RUBRIC

PATH = RUBRIC
"""The document, where nobody names another."""

Kind = Literal["accuracy", "no accuracy", "no file", "required check failed"]

SPECIAL_ROWS: dict[str, Kind] = {
    "no accuracy could be had": "no accuracy",
    "no file by the deadline": "no file",
    "a required check failed": "required check failed",
}

_NUMBER = r"(\d+(?:\.\d+)?) ?%"
_BORDERLINE = re.compile(r"within (\d{1,3}(?:\.\d{1,4})?) points?, (\d{1,2}) more runs?")
_BUDGET = re.compile(r"(\d{1,5}) epochs? or (\d{1,4}(?:\.\d+)?) hours?(?: of training)?(?:, whichever ends first)?")
_LATE = re.compile(rf"{_NUMBER} (?:a|an|per) (hour|day), (?:at most|up to) (\d{{1,3}}) (hour|day)s?")


class Tier(BaseModel):
    """A row of the rubric.

    Attributes:
        label: its first cell, as written.
        kind: whether it is a range of accuracy, or which other case it is for.
        low, high: the range, in its `unit`; `low_included`, `high_included` say whether the ends belong to it.
        line: where it is written.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    label: Annotated[str, Field(min_length=1, max_length=200)]
    points: Annotated[float, Field(ge=0, le=10_000, allow_inf_nan=False)]
    kind: Kind
    low: Annotated[float, Field(ge=0, le=1e9)] = 0.0
    high: Annotated[float, Field(ge=0, le=1e9)] = 100.0
    low_included: bool = True
    high_included: bool = True
    line: int = 0
    unit: Unit = "%"

    def holds(self, accuracy_percent: float) -> bool:
        """Whether an accuracy in percent, or an error, lies in its range."""
        above = accuracy_percent > self.low or (self.low_included and accuracy_percent == self.low)
        return above and (accuracy_percent < self.high or (self.high_included and accuracy_percent == self.high))


class Budget(BaseModel):
    """How long a graded training may go on: so many epochs or so many seconds, whichever ends first."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    epochs: Annotated[int, Field(ge=1, le=10_000)]
    time_box_s: Annotated[float, Field(gt=0, le=1e7, allow_inf_nan=False)]


class Borderline(BaseModel):
    """How close below a better tier an accuracy is trained again with other random numbers, and how often at most."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    points: Annotated[float, Field(ge=0, le=100)] = 1.0
    runs: Annotated[int, Field(ge=0, le=20)] = 2


class Late(BaseModel):
    """What a late hand-in loses: `percent` of them for each `unit_s` begun, up to `most_s`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    percent: Annotated[float, Field(gt=0, le=100)]
    unit_s: Annotated[float, Field(gt=0)]
    most_s: Annotated[float, Field(gt=0)]

    def percent_off(self, late_s: float) -> float | None:
        """What is taken off after so many seconds, in percent; None where it is too late for any points."""
        return min(100.0, self.percent * math.ceil(late_s / self.unit_s)) if late_s <= self.most_s else None


class Rubric(BaseModel):
    """One homework's section.

    Attributes:
        tiers: the ranges of accuracy, best first; together they hold every number from 0 to 100 once. Or of errors.
        no_accuracy, no_file, required_failed: the other rows; the last is there when checks are required.
        required_checks: ids of checks, in the order they are written.
        budget: of a graded training; None: the homework's own.
        borderline: when a training is run again.
        late: what a late hand-in loses; None: all of it, since no file came by the deadline.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    homework: str
    tiers: Annotated[tuple[Tier, ...], Field(min_length=1)]
    no_accuracy: Tier
    no_file: Tier
    required_failed: Tier | None = None
    required_checks: tuple[str, ...] = ()
    budget: Budget | None = None
    borderline: Borderline = Borderline()
    late: Late | None = None

    @property
    def max_points(self) -> float:
        """The most that anybody can get."""
        return max(tier.points for tier in self.tiers)

    @property
    def by_error(self) -> bool:
        """Whether its ranges are of errors, where less is better."""
        return self.tiers[0].unit == "error"

    @property
    def grace_s(self) -> float:
        """How long after the deadline a late hand-in may still give points, in seconds."""
        return 0.0 if self.late is None else self.late.most_s

    @property
    def rows(self) -> list[Tier]:
        """All rows that there are."""
        return [*self.tiers, self.no_accuracy, self.no_file, *([self.required_failed] if self.required_failed else [])]

    @property
    def fingerprint(self) -> str:
        """SHA-256, as hex, of what the section means: it doesn't change when the same tiers are worded otherwise."""
        meaning = [
            row.model_dump(exclude={"line", "label"} | ({"unit"} if row.unit == "%" else set())) for row in self.rows
        ]
        late = [] if self.late is None else [self.late.model_dump()]
        text = json.dumps([self.homework, meaning, sorted(self.required_checks), *late], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def tier_for(self, accuracy_percent: float | None) -> Tier:
        """The tier for an accuracy in percent, or the one for no accuracy.

        Raises ValueError for a number that is no percentage.
        """
        if accuracy_percent is None:
            return self.no_accuracy
        for tier in self.tiers:
            if tier.holds(accuracy_percent):
                return tier
        raise ValueError(f"{accuracy_percent} is no accuracy in percent")

    def is_borderline(self, accuracy_percent: float | None) -> bool:
        """Whether a little more accuracy would give more points, so that chance shouldn't decide."""
        if accuracy_percent is None or not self.borderline.runs:
            return False
        reached = self.tier_for(accuracy_percent)
        if self.by_error:
            return False  # a point is of a percentage
        bounds = [tier.low for tier in self.tiers if tier.points > reached.points and tier.low >= accuracy_percent]
        return any(bound - accuracy_percent <= self.borderline.points for bound in bounds)

    def decide(self, accuracy_percent: float | None, failed_checks: Iterable[str] = ()) -> Tier:
        """The tier that decides: the accuracy's, unless a required check failed and the tier for that gives less."""
        tier = self.tier_for(accuracy_percent)
        capped = self.required_failed is not None and not set(self.required_checks).isdisjoint(failed_checks)
        if capped and self.required_failed is not None and self.required_failed.points < tier.points:
            return self.required_failed
        return tier


def points_text(points: float) -> str:
    """Points as people write them: 20, 6.5."""
    return f"{points:.10g}"


def load(path: Path, homework_name: str) -> Rubric:
    """The section `## homework_name` of the document.

    Raises KitError, with the line, when it can't be read, has no such section, or the section isn't complete.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise KitError(f"{path}: can't be read ({error})", "the rubric is a UTF-8 Markdown file") from error
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    return _Section(path, homework_name, tokens).rubric()


class _Section:
    """One homework's part of the document, being read."""

    def __init__(self, path: Path, homework_name: str, tokens: list[Token]) -> None:
        self.path = path
        self.homework_name = homework_name
        self.line = 1
        self.tokens = self._own(tokens)

    def rubric(self) -> Rubric:
        rows = self._rows()
        tiers = sorted((row for row in rows if row.kind == "accuracy"), key=lambda row: (row.low, row.high))
        self._refuse_gaps(tiers)
        if tiers[0].unit == "%":
            tiers.reverse()
        special = {row.kind: row for row in rows if row.kind != "accuracy"}
        for label, kind in SPECIAL_ROWS.items():
            if kind != "required check failed" and kind not in special:
                raise self._error(self.line, f"the section has no row {label!r}")
        checks = self._required_checks()
        if checks and "required check failed" not in special:
            raise self._error(self.line, "checks are required, but there is no row 'a required check failed'")
        return Rubric(
            homework=self.homework_name,
            tiers=tuple(tiers),
            no_accuracy=special["no accuracy"],
            no_file=special["no file"],
            required_failed=special.get("required check failed"),
            required_checks=checks,
            budget=self._budget(),
            borderline=self._borderline(),
            late=self._late(),
        )

    def _error(self, line: int, message: str) -> KitError:
        return KitError(f"{self.path}:{line}: {message}", "the top of the rubric says how a section is written")

    def _own(self, tokens: list[Token]) -> list[Token]:
        """The tokens between this section's heading and the next one of its level."""
        starts = []
        for index, token in enumerate(tokens):
            if token.type == "heading_open" and token.tag in ("h1", "h2"):
                words = _text(tokens[index + 1]).split()
                starts.append((index, token.tag == "h2" and words[:1] == [self.homework_name]))
        own = [index for index, is_own in starts if is_own]
        if not own:
            raise self._error(1, f"there is no section '## {self.homework_name}'")
        if len(own) > 1:
            raise self._error(_line(tokens[own[1]]), f"a second section '## {self.homework_name}'")
        self.line = _line(tokens[own[0]])
        following = [index for index, _ in starts if index > own[0]]
        return tokens[own[0] + 3 : min(following, default=len(tokens))]

    def _rows(self) -> list[Tier]:
        tables = [index for index, token in enumerate(self.tokens) if token.type == "table_open"]
        if len(tables) != 1:
            raise self._error(self.line, f"the section has {len(tables)} tables, not one")
        rows: list[Tier] = []
        body = False
        for index in range(tables[0], len(self.tokens)):
            token = self.tokens[index]
            if token.type == "tbody_open":
                body = True
            elif token.type == "table_close":
                break
            elif token.type == "tr_open" and body:
                row = self._row(_line(token), index)
                same = [one for one in rows if one.kind == row.kind != "accuracy"]
                if same:
                    raise self._error(row.line, f"a second row {row.label!r} (line {same[0].line} is the first)")
                rows.append(row)
        return rows

    def _row(self, line: int, start: int) -> Tier:
        cells = []
        for token in self.tokens[start:]:
            if token.type == "tr_close":
                break
            if token.type == "inline":
                cells.append(" ".join(_text(token).split()))
        if len(cells) != 2:
            raise self._error(line, f"a row has {len(cells)} cells, not an accuracy and its points")
        label, points = cells
        if not re.fullmatch(r"\d{1,4}(\.\d{1,4})?", points):
            raise self._error(line, f"{points!r} is no number of points from 0 to 9999")
        kind = SPECIAL_ROWS.get(label.lower(), "accuracy")
        if kind != "accuracy":
            return Tier(label=label, points=float(points), kind=kind, line=line)
        try:
            found = ranges.parse(label)
        except ValueError as error:
            raise self._error(line, f"{label!r}{error}") from None
        return Tier(label=label, points=float(points), kind="accuracy", line=line, **vars(found))

    def _refuse_gaps(self, tiers: list[Tier]) -> None:
        if not tiers:
            raise self._error(self.line, "the section has no range of accuracy")
        reached, included = 0.0, False  # everything below `reached` has a row; `included`: and so has `reached`
        last: Tier | None = None
        unit = tiers[0].unit
        of = {"%": "an accuracy", "error": "an error"}[unit]
        for tier in tiers:
            if tier.unit != unit:
                raise self._error(tier.line, f"{tier.label!r} and {tiers[0].label!r} aren't of one kind")
            if last is not None and (tier.low < reached or (tier.low == reached and tier.low_included and included)):
                raise self._error(tier.line, f"{tier.label!r} overlaps {last.label!r} (line {last.line})")
            if tier.low > reached or not (tier.low_included or included):
                missing = said(reached, unit) + ("" if tier.low == reached else f" to {said(tier.low, unit)}")
                raise self._error(tier.line, f"no row says what {of} of {missing} gives")
            reached, included, last = tier.high, tier.high_included, tier
        end = LARGEST[unit]
        if not (reached == end and included):
            missing = said(end, unit) if reached == end else f"{said(reached, unit)} to {said(end, unit)}"
            raise self._error(last.line if last else self.line, f"no row says what {of} of {missing} gives")

    def _named(self, name: str) -> list[tuple[int, str]]:
        """(line, what is said) of each line `name: …`."""
        found: list[tuple[int, str]] = []
        for token in self.tokens:
            if token.type == "inline":
                for offset, text in enumerate(token.content.splitlines()):
                    said, colon, value = text.partition(":")
                    if colon and said.strip(" *_").lower() == name:
                        found.append((_line(token) + offset, value.strip(" *_.")))
        return found

    def _budget(self) -> Budget | None:
        found = self._named("budget")
        if not found:
            return None
        line, value = found[-1]
        if len(found) > 1:
            raise self._error(line, f"a second budget (line {found[0][0]} is the first)")
        said = _BUDGET.fullmatch(value.lower())
        if said is None or not 1 <= int(said[1]) <= 10_000 or not 0 < float(said[2]) <= 1000:
            raise self._error(line, f"{value!r} is no budget such as '5 epochs or 2 hours'")
        return Budget(epochs=int(said[1]), time_box_s=float(said[2]) * 3600)

    def _borderline(self) -> Borderline:
        found = self._named("borderline")
        if not found:
            return Borderline()
        line, value = found[-1]
        if len(found) > 1:
            raise self._error(line, f"a second line about what is borderline (line {found[0][0]} is the first)")
        if value.lower() == "none":
            return Borderline(runs=0)
        said = _BORDERLINE.fullmatch(value.lower())
        if said is None or float(said[1]) > 100 or int(said[2]) > 20:
            raise self._error(line, f"{value!r} is neither 'none' nor such as 'within 1 point, 2 more runs'")
        return Borderline(points=float(said[1]), runs=int(said[2]))

    def _late(self) -> Late | None:
        found = self._named("late")
        if not found:
            return None
        line, value = found[-1]
        if len(found) > 1:
            raise self._error(line, f"a second line about who is late (line {found[0][0]} is the first)")
        if value.lower() == "none":
            return None
        said = _LATE.fullmatch(value.lower())
        if said is None or not 0 < float(said[1]) <= 100 or not int(said[3]):
            raise self._error(line, f"{value!r} is neither 'none' nor such as '10% a day, at most 3 days'")
        seconds = {"hour": 3600.0, "day": 86_400.0}
        return Late(percent=float(said[1]), unit_s=seconds[said[2]], most_s=int(said[3]) * seconds[said[4]])

    def _required_checks(self) -> tuple[str, ...]:
        found = self._named("required checks")
        if len(found) != 1:
            raise self._error(self.line, f"the section has {len(found)} lines 'Required checks: …', not one")
        line, value = found[0]
        if value.lower() == "none":
            return ()
        names = [name.strip(" `") for name in value.split(",")]
        for name in names:
            if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name):
                raise self._error(line, f"{name!r} is no name of a check")
        if len(set(names)) < len(names):
            raise self._error(line, "a check is named twice")
        return tuple(names)


def _text(inline: Token) -> str:
    return "".join(" " if child.type == "softbreak" else child.content for child in inline.children or [])


def _line(token: Token) -> int:
    return token.map[0] + 1 if token.map else 1
