"""The measure that a homework is scored by, and how its values are shown to people.

Called by `runner/score.py`, which computes the values, and as `Homework.measure` to show them. Computes nothing.
"""

import re
from dataclasses import dataclass
from typing import Literal

from autograder.errors import KitError
from autograder.language import gettext as _

LARGEST_ERROR = 1e6
"""The largest error; answers that aren't finite count as numbers of this size."""


@dataclass(frozen=True)
class Measure:
    """A measure: accuracy, macro F1, or accuracy among the `most` highest scores (top-k), each in percent; or the mean
    of squared or absolute differences, where less is better."""

    kind: Literal["accuracy", "f1", "top", "mse", "mae"] = "accuracy"
    most: int = 1

    @property
    def is_error(self) -> bool:
        """Whether it is an error: less is better."""
        return self.kind in ("mse", "mae")

    @property
    def title(self) -> str:
        """Its name, translated: `test accuracy`."""
        if self.kind == "top":
            return _("test accuracy among the first {count}").format(count=self.most)
        return {"accuracy": _("test accuracy"), "f1": _("test F1")}.get(self.kind) or _("test error")

    def shown(self, value: float, digits: int = 1) -> str:
        """A value as text: `81.3%` with `digits` decimals, or `0.0312 error` with four significant digits."""
        return _("{number:.4g} error").format(number=value) if self.is_error else f"{value:.{digits}f}%"

    def better(self, one: float, other: float) -> bool:
        """Whether the value `one` is better than `other`."""
        return one < other if self.is_error else one > other


def of(text: str) -> Measure:
    """The measure that a declaration calls `accuracy`, `f1`, `top-3`, `mse` or `mae`. Raises KitError for another."""
    found = re.fullmatch(r"(accuracy|f1|mse|mae)|top-(\d{1,3})", text)
    if found is None or found[2] == "0":
        raise KitError(f"{text!r} is no measure", "a homework is scored by accuracy, f1, top-3, mse or mae")
    if found[2]:
        return Measure("top", int(found[2]))
    return Measure(found[1])  # type: ignore[arg-type]
