"""The ladder of layers as a figure: the homework's on the left, the student's on the right, a bar for each map's size.

Called by `feedback_page` with the rows of `checks.layer_table`, whose table on the page says the same and more: batch
norms are drawn only where they differ.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from autograder.checks import Row
from autograder.checks.network.layer_table import Rung
from autograder.language import gettext as _

ROW, TOP = 20, 34  # height of a row, and where the first one begins, in the SVG's own units
BAR = 76.0  # length of the bar of the largest map
MOST_ROWS = 150  # a network of a thousand layers is for the table
LONGEST_LABEL = 32  # characters


@dataclass(frozen=True)
class Bar:
    """One layer: `size` of its map and its `label`, the `length` of its bar, and whether it lies on a skip."""

    size: str
    label: str
    length: float
    on_skip: bool


@dataclass(frozen=True)
class Pair:
    """A row at height `y`: the homework's layer and the student's; None for none."""

    y: int
    ours: Bar | None
    theirs: Bar | None
    same: bool


@dataclass(frozen=True)
class Ladder:
    """The figure: `rows`, its `height`, and how many rows don't fit."""

    rows: list[Pair]
    height: int
    further: int


def figure(rows: Sequence[Row]) -> Ladder | None:
    """The figure of a table, or None for an empty one."""
    drawn = [row for row in rows if not row.same or row.ours is None or row.ours.kind != "bn"]
    if not drawn:
        return None
    largest = max(rung.side for row in drawn for rung in (row.ours, row.theirs) if rung is not None)
    pairs = [
        Pair(TOP + ROW * number, _bar(row.ours, largest), _bar(row.theirs, largest), row.same)
        for number, row in enumerate(drawn[:MOST_ROWS])
    ]
    return Ladder(pairs, TOP + ROW * len(pairs), len(drawn) - len(pairs))


def _bar(rung: Rung | None, largest: int) -> Bar | None:
    if rung is None:
        return None
    # A doubled side is a step, as each stage of a network is; 1 still has a bar.
    steps = math.log2(max(rung.side, 1)) + 1
    length = BAR * steps / (math.log2(max(largest, 1)) + 1)
    size = f"{rung.side}x{rung.side}"[:9] if rung.side else ""
    return Bar(size, _label(rung), round(length, 1), rung.on_skip)


def _label(rung: Rung) -> str:
    """`conv 3x3, 64→128, stride 2`."""
    names = {"bn": "BN", "avgpool": _("average pool"), "maxpool": _("max pool")}
    name = (names | {"conv_transpose": _("transposed conv")}).get(rung.kind, rung.kind)
    kernel = "x".join(map(str, rung.kernel))
    changes = rung.kind in ("conv", "conv_transpose", "linear")
    if rung.weights:
        return name
    parts = [
        f"{name} {kernel}".strip(),
        f"{rung.channels_in}→{rung.channels_out}" if changes else f"{rung.channels_out}",
    ]
    if any(side != 1 for side in rung.stride):
        parts.append(_("stride {stride}").format(stride="x".join(map(str, dict.fromkeys(rung.stride)))))
    label = ", ".join(parts)
    return label if len(label) <= LONGEST_LABEL else f"{label[: LONGEST_LABEL - 1]}…"
