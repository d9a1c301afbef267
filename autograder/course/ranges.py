"""Ranges of accuracies or errors, as the rubric's rows write them: `from 30% to 70%`, `below 0.15 error`.

Called by `rubric.py`. Knows no points.
"""

import re
from dataclasses import dataclass
from typing import Literal

Unit = Literal["%", "error"]

LARGEST: dict[Unit, float] = {"%": 100.0, "error": 1e9}
"""The upper end of a range without one, by its unit."""

EXAMPLES = "'over 70%', 'below 30%' or 'from 30% to 70%'"


@dataclass(frozen=True)
class Range:
    """From `low` to `high`, in `unit`; `low_included` and `high_included`: whether the ends belong to the range."""

    low: float
    high: float
    low_included: bool
    high_included: bool
    unit: Unit


def parse(label: str) -> Range:
    """The range that a row's label means. Raises ValueError with what is wrong, a text that follows the label."""
    text = label.lower()
    unit: Unit = "error" if re.search(r"\d error\b", text) else "%"
    number = r"(\d+(?:\.\d+)?)" + (r"(?: error)?" if unit == "error" else " ?%")
    found = re.fullmatch(
        rf"(?:(from|over) {number})? ?(?:(to|(?:to )?below) {number})?(, both (?:ends )?included)?", text
    )
    if not label or found is None or not (found[1] or found[3]):
        examples = "'below 0.15 error' or 'from 0.15 to below 0.3 error'" if unit == "error" else EXAMPLES
        raise ValueError(f" is no range such as {examples}")
    low_word, low, high_word, high, both = found.groups()
    low_included, high_included = low_word != "over", not (high_word or "").endswith("below")
    if both and (low_word, high_word) != ("from", "to"):
        raise ValueError(": both ends are included only in 'from … to …'")
    low_number, high_number = float(low or 0), float(high or LARGEST[unit])
    empty = low_number > high_number or (low_number == high_number and not (low_included and high_included))
    if high_number > LARGEST[unit] or empty:
        raise ValueError(" holds no accuracy")
    return Range(low_number, high_number, low_included, high_included, unit)


def said(number: float, unit: Unit) -> str:
    """A number with its unit: `70%`, or `0.15 error`."""
    return f"{number:g}%" if unit == "%" else f"{number:g} error"
