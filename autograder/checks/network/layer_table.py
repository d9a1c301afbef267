"""The ladder of layers: theirs, from the traced forward pass, beside another, such as the homework's own.

Called by `expected.py` and `beside_solution.py`, which have the homework's layers, by the check modules, by the
command `new`, and by the page's figure. Compares nothing by name: a rung is what a layer does (kernel, stride, padding,
channels, size of the map).
"""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass

from autograder.checks.network.data_flow import Structure
from autograder.language import gettext as _
from autograder.observations import Op

SHOWN = ("conv", "bn", "linear", "maxpool", "avgpool")


@dataclass(frozen=True)
class Rung:
    """A layer as a forward pass runs it.

    Attributes:
        kind: "conv", "bn", "linear", "maxpool" or "avgpool"; of a layer of another kind, its class's name.
        channels_in, channels_out: of a linear layer, its features.
        kernel, stride, padding: (height, width); empty where the kind has none.
        side: of the map that comes out, in pixels; 0 where there is no map.
        on_skip: whether it lies on a block's skip.
        bias: whether it adds one; None in the homework's ladder where that is the student's choice.
        name, line: the layer's own, and where it was called; None in the homework's ladder.
        weights: the shapes of its weights, of a layer of another kind; what it does then.
    """

    kind: str
    channels_in: int
    channels_out: int
    kernel: tuple[int, ...] = ()
    stride: tuple[int, ...] = ()
    padding: tuple[int, ...] = ()
    side: int = 0
    on_skip: bool = False
    bias: bool | None = None
    name: str | None = None
    line: int | None = None
    weights: tuple[tuple[int, ...], ...] = ()

    @property
    def does(self) -> tuple[object, ...]:
        """What two rungs have in common that do the same."""
        if self.weights:
            return self.weights
        geometry: tuple[object, ...] = (self.kernel, self.stride, self.padding)
        if self.kind not in ("conv", "conv_transpose", "maxpool"):
            geometry = (self.kernel,)
        return (self.kind, self.channels_in, self.channels_out, geometry, self.side, self.on_skip)

    def __str__(self) -> str:
        """`conv 3x3, 64 to 128, stride 2, padding 1, map 16x16`."""
        names = {"bn": "BN", "avgpool": _("average pool"), "maxpool": _("max pool")}
        names["conv_transpose"] = _("transposed conv")
        parts = [f"{names.get(self.kind, self.kind)} {_by(self.kernel)}".strip()]
        if self.weights:
            tables = ", ".join("x".join(map(str, shape)) for shape in self.weights)
            return _("{layer}, weights {shapes}").format(layer=self.kind, shapes=tables)
        if self.kind in ("conv", "conv_transpose", "linear"):
            # Translators: the channels that come in and go out: 64 to 128
            parts.append(_("{before} to {after}").format(before=self.channels_in, after=self.channels_out))
        else:
            parts.append(str(self.channels_out))
        if self.stride:
            parts.append(_("stride {stride}").format(stride=_by(self.stride, short=True)))
        if self.padding and self.kind in ("conv", "conv_transpose"):
            parts.append(_("padding {padding}").format(padding=_by(self.padding, short=True)))
        if self.side:
            parts.append(_("map {side}x{side}").format(side=self.side))
        layer = ", ".join(parts)
        return _("{layer} (skip)").format(layer=layer) if self.on_skip else layer


@dataclass(frozen=True)
class Row:
    """A line of the table: what the homework asks for and what is there, either may be missing."""

    ours: Rung | None
    theirs: Rung | None

    @property
    def same(self) -> bool:
        """Whether theirs does what ours does."""
        return self.ours is not None and self.theirs is not None and self.ours.does == self.theirs.does


def observed_ladder(structure: Structure) -> list[Rung]:
    """The student's, in the order of execution; a block's skip comes after its branch."""
    of_skips = {op.index: block for block in structure.blocks for op in block.skip}
    rungs: list[Rung] = []
    for op in structure.ops.values():
        if op.kind in SHOWN and op.index not in of_skips:
            rungs.append(rung_of(structure, op))
        for block in structure.blocks:
            if block.addition is op:
                rungs += [rung_of(structure, one, on_skip=True) for one in block.skip if one.kind in SHOWN]
    return rungs


def rung_of(structure: Structure, op: Op, on_skip: bool = False) -> Rung:
    """An operation as a rung."""
    before = structure.source(op)
    features = -1 if op.kind == "linear" else 1
    channels_out = op.shape[features] if len(op.shape) > 1 else 0
    channels_in = before.shape[features] if before is not None and len(before.shape) > 1 else 0
    side = op.shape[-1] if len(op.shape) == 4 else int(op.kind == "avgpool")
    return Rung(
        kind=op.kind,
        channels_in=channels_in,
        channels_out=channels_out,
        kernel=tuple(op.kernel),
        stride=() if op.kind == "avgpool" else tuple(op.stride),
        padding=() if op.kind == "avgpool" else tuple(op.padding),
        side=side,
        on_skip=on_skip,
        bias=op.bias,
        name=op.layer,
        line=op.line,
    )


def beside(ours: Sequence[Rung], theirs: Sequence[Rung]) -> list[Row]:
    """Both ladders, aligned so that a layer too many or too few shifts nothing else.

    Place by place where that agrees better, as when every second layer is another.
    """
    rows: list[Row] = []
    matcher = difflib.SequenceMatcher(
        None, [rung.does for rung in ours], [rung.does for rung in theirs], autojunk=False
    )
    for _tag, our_start, our_end, their_start, their_end in matcher.get_opcodes():
        length = max(our_end - our_start, their_end - their_start)
        ours_here: list[Rung | None] = [*ours[our_start:our_end]]
        theirs_here: list[Rung | None] = [*theirs[their_start:their_end]]
        ours_here += [None] * (length - len(ours_here))
        theirs_here += [None] * (length - len(theirs_here))
        rows += [Row(our, their) for our, their in zip(ours_here, theirs_here, strict=True)]
    if len(ours) != len(theirs):
        return rows
    by_place = [Row(our, their) for our, their in zip(ours, theirs, strict=True)]
    return min(rows, by_place, key=lambda table: sum(not row.same for row in table))


def first_wrong(rows: Sequence[Row]) -> Row:
    """The first row that differs; where there are too many equal layers one after another, the last of them."""
    first = next(place for place, row in enumerate(rows) if not row.same)
    row = rows[first]
    if row.ours is None and row.theirs is not None:
        for later in rows[first + 1 :]:
            if later.theirs is None or later.theirs.does != row.theirs.does:
                break
            row = Row(None, later.theirs)
    return row


def named(rung: Rung) -> str:
    """`stem`: conv 3x3, 3 to 64, ..."""
    return f"`{rung.name}`: {rung}" if rung.name else str(rung)


def _by(sides: Sequence[int], short: bool = False) -> str:
    if short and len(set(sides)) == 1:
        return str(sides[0])
    return "x".join(map(str, sides))
