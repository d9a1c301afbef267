"""Positions in a plot: from shares of an axis to SVG units, and axes with round numbers.

Called by the pages and the modules of its plots. All plots have one drawing area; a share is 0 at its left or bottom, 1
at its right or top.
"""

import math
from collections.abc import Iterable, Sequence

LEFT, RIGHT, TOP, BOTTOM = 52.0, 692.0, 28.0, 228.0
"""The drawing area, in the SVG's own units; y grows downwards."""

SHADES = ("heat-first", "heat-second", "heat-third", "heat-fourth")


def x(share: float) -> float:
    """The position of a share of the horizontal axis."""
    return round(LEFT + (RIGHT - LEFT) * share, 1)


def y(share: float) -> float:
    """The position of a share of the vertical axis."""
    return round(BOTTOM - (BOTTOM - TOP) * share, 1)


def path(places: Iterable[tuple[float, float] | None]) -> str:
    """SVG path data through the places; a missing one leaves a gap."""
    parts = []
    pen_down = False
    for place in places:
        if place is not None:
            parts.append(f"{'L' if pen_down else 'M'}{place[0]:g} {place[1]:g}")
        pen_down = place is not None
    return "".join(parts)


def area(low: Sequence[tuple[float, float]], high: Sequence[tuple[float, float]]) -> str:
    """SVG path data of what lies between two lines, both from left to right; "" between none."""
    return f"{path([*high, *reversed(low)])}z" if low and high else ""


def round_up(value: float) -> float:
    """The next number of the kind 1, 2, 4, 5, 8 times a power of ten: an axis with readable quarters."""
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(factor * power for factor in (1, 2, 4, 5, 8, 10, 20) if factor * power >= value)


def step(last: int) -> int:
    """A step of 1, 2 or 5 times a power of ten that divides 0 to `last` into at most six parts."""
    size = 1
    while last > 6 * size:
        size = size * 5 // 2 if str(size).startswith("2") else size * 2
    return size


def shade(count: int, of: int) -> str:
    """The name of a table cell's shade, by the share that it counts: "" for none, then `SHADES`, a quarter each."""
    return SHADES[min(3, 4 * count // of)] if count else ""
