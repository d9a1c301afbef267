"""The ladder of layers: theirs, from the traced forward pass, beside the one that the homework asks for.

Called by checks of networks made of stages of basic blocks, by `check --verbose` and by the feedback page. Compares
nothing by name: a rung is what a layer does (kernel, stride, padding, channels, size of the map).
"""

import difflib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from autograder.checks.structure import Structure
from autograder.homework import Homework
from autograder.observations import Op

SHOWN = ("conv", "bn", "linear", "maxpool", "avgpool")


@dataclass(frozen=True)
class Rung:
    """A layer as a forward pass runs it.

    Attributes:
        kind: "conv", "bn", "linear", "maxpool" or "avgpool".
        channels_in, channels_out: of a linear layer, its features.
        kernel, stride, padding: (height, width); empty where the kind has none.
        side: of the map that comes out, in pixels; 0 where there is no map.
        on_skip: whether it lies on a block's skip.
        bias: whether it adds one; in the homework's ladder of no meaning.
        name, line: the layer's own, and where it was called; None in the homework's ladder.
    """

    kind: str
    channels_in: int
    channels_out: int
    kernel: tuple[int, ...] = ()
    stride: tuple[int, ...] = ()
    padding: tuple[int, ...] = ()
    side: int = 0
    on_skip: bool = False
    bias: bool = True
    name: str | None = None
    line: int | None = None

    @property
    def does(self) -> tuple[object, ...]:
        """What two rungs have in common that do the same."""
        geometry = (self.kernel, self.stride, self.padding) if self.kind in ("conv", "maxpool") else (self.kernel,)
        return (self.kind, self.channels_in, self.channels_out, geometry, self.side, self.on_skip)

    def __str__(self) -> str:
        """`conv 3x3, 64 to 128, stride 2, padding 1, map 16x16`."""
        name = {"bn": "BN", "avgpool": "average pool", "maxpool": "max pool"}.get(self.kind, self.kind)
        changes = self.kind in ("conv", "linear")
        channels = f"{self.channels_in} to {self.channels_out}" if changes else str(self.channels_out)
        parts = [f"{name} {_by(self.kernel)}".strip(), channels]
        if self.stride:
            parts.append(f"stride {_by(self.stride, short=True)}")
        if self.padding and self.kind == "conv":
            parts.append(f"padding {_by(self.padding, short=True)}")
        if self.side:
            parts.append(f"map {self.side}x{self.side}")
        return ", ".join(parts) + (" (skip)" if self.on_skip else "")


@dataclass(frozen=True)
class Row:
    """A line of the table: what the homework asks for and what is there, either may be missing."""

    ours: Rung | None
    theirs: Rung | None

    @property
    def same(self) -> bool:
        """Whether theirs does what ours does."""
        return self.ours is not None and self.theirs is not None and self.ours.does == self.theirs.does


def expected_ladder(homework: Homework, options: Sequence[str]) -> list[Rung]:
    """The homework's own network: a stem, stages of basic pre-activation blocks, an average pool, a linear layer.

    Args:
        homework: its arguments are the blocks of each stage.
        options: for each stage after the first, "A" (2x2 max pool and zero channels) or "B" (1x1 convolution).
    """
    first = homework.stages[0]
    rungs = [Rung("conv", homework.input_shape[0], first.channels, (3, 3), (1, 1), (1, 1), first.side)]
    before = first
    for number, (stage, blocks) in enumerate(zip(homework.stages, homework.arguments, strict=True)):
        for block in range(blocks):
            stride = before.side // stage.side
            rungs += [
                Rung("bn", before.channels, before.channels, side=before.side),
                Rung("conv", before.channels, stage.channels, (3, 3), (stride, stride), (1, 1), stage.side),
                Rung("bn", stage.channels, stage.channels, side=stage.side),
                Rung("conv", stage.channels, stage.channels, (3, 3), (1, 1), (1, 1), stage.side),
            ]
            if number and not block:
                rungs.append(_expected_skip(before.channels, stage.channels, stride, stage.side, options[number - 1]))
            before = stage
    rungs.append(Rung("avgpool", before.channels, before.channels, (before.side,) * 2, side=1))
    return [*rungs, Rung("linear", before.channels, homework.classes)]


def _expected_skip(channels_in: int, channels_out: int, stride: int, side: int, option: str) -> Rung:
    if option == "A":
        return Rung("maxpool", channels_in, channels_in, (2, 2), (stride, stride), (0, 0), side, on_skip=True)
    return Rung("conv", channels_in, channels_out, (1, 1), (stride, stride), (0, 0), side, on_skip=True)


def observed_ladder(structure: Structure) -> list[Rung]:
    """The student's, in the order of execution; a block's skip comes after its branch."""
    of_skips = {op.index: block for block in structure.blocks for op in block.skip}
    rungs: list[Rung] = []
    for op in structure.ops.values():
        if op.kind in SHOWN and op.index not in of_skips:
            rungs.append(_rung(structure, op))
        for block in structure.blocks:
            if block.addition is op:
                rungs += [_rung(structure, one, on_skip=True) for one in block.skip if one.kind in SHOWN]
    return rungs


def _rung(structure: Structure, op: Op, on_skip: bool = False) -> Rung:
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
    """Both ladders, aligned so that a layer too many or too few shifts nothing else."""
    rows: list[Row] = []
    matcher = difflib.SequenceMatcher(
        None, [rung.does for rung in ours], [rung.does for rung in theirs], autojunk=False
    )
    for _, our_start, our_end, their_start, their_end in matcher.get_opcodes():
        length = max(our_end - our_start, their_end - their_start)
        ours_here: list[Rung | None] = [*ours[our_start:our_end]]
        theirs_here: list[Rung | None] = [*theirs[their_start:their_end]]
        ours_here += [None] * (length - len(ours_here))
        theirs_here += [None] * (length - len(theirs_here))
        rows += [Row(our, their) for our, their in zip(ours_here, theirs_here, strict=True)]
    return rows


def expected_parameters(rows: Sequence[Row]) -> int:
    """How many numbers the homework's network trains, with the choices of a table's other side.

    Choices are: option A or B at each change of shape, a bias for each convolution or none, BN on a skip, and one last
    BN before the pool.
    """
    theirs = [row.theirs for row in rows if row.theirs is not None]
    convs = [rung for rung in theirs if rung.kind == "conv"]
    usual = 2 * sum(rung.bias for rung in convs) >= len(convs)  # for a convolution that isn't there
    total = 0
    for row in rows:
        if row.ours is not None:
            total += _size(row.ours, row.theirs.bias if row.theirs is not None else usual)
    last = [rung for rung, after in pairwise(theirs) if after.kind == "avgpool"]
    chosen = [rung for rung in [*theirs, *last] if rung.kind == "bn" and (rung.on_skip or rung in last)]
    return total + sum(_size(rung, True) for rung in dict.fromkeys(chosen))


def _size(rung: Rung, bias: bool) -> int:
    if rung.kind == "bn":
        return 2 * rung.channels_out
    if rung.kind not in ("conv", "linear"):
        return 0
    return math.prod((rung.channels_in, rung.channels_out, *rung.kernel)) + rung.channels_out * bias


def _by(sides: Sequence[int], short: bool = False) -> str:
    if short and len(set(sides)) == 1:
        return str(sides[0])
    return "x".join(map(str, sides))
