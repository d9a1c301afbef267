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
from autograder.checks.wording import joined
from autograder.homework import Homework, Stage
from autograder.observations import Observations, Op

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
        bias: whether it adds one; None in the homework's ladder where that is the student's choice.
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
    bias: bool | None = None
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


def layer_table(observed: Observations, homework: Homework) -> list[Row]:
    """Every conv, BN, pool and linear layer of one forward pass beside the homework's; [] when there is none."""
    network = observed.network
    if network is None or not network.graph or not homework.stages:
        return []
    structure = Structure(network.graph, network.outputs.get(2, []))
    return beside(expected_ladder(homework, skip_options(structure, homework)), observed_ladder(structure))


def skip_options(structure: Structure, homework: Homework) -> list[str]:
    """The option of each stage after the first, "A" or "B"; "B" where there is no skip to look at."""
    chosen = []
    for stage in homework.stages[1:]:
        at = [block for block in structure.blocks if block.reshapes and block.addition.shape[1:2] == [stage.channels]]
        chosen.append("A" if at and not any(op.kind == "conv" for op in at[0].skip) else "B")
    return chosen


def choices(structure: Structure, homework: Homework) -> str:
    """` (option B, convolutions with biases)`, or nothing where the homework leaves no choice."""
    if homework.block != "pre-activation":
        return ""
    convs = [op for op in structure.ops.values() if op.kind == "conv"]
    biased = sum(op.bias for op in convs)
    biases = "with" if biased == len(convs) else "some with" if biased else "without"
    return f" (option {joined(sorted(set(skip_options(structure, homework))))}, convolutions {biases} biases)"


def expected_ladder(homework: Homework, skip_options: Sequence[str] = ()) -> list[Rung]:
    """The homework's own network: a stem, stages of basic blocks, an average pool, a linear layer.

    Args:
        skip_options: of a pre-activation network, for each stage after the first, "A" (2x2 max pool and zero channels)
            or "B" (1x1 convolution).
    """
    post = homework.block == "post-activation"
    first = homework.stages[0]
    rungs = [_conv(homework, homework.input_shape[0], first.channels, 1, first.side)]
    rungs += [_norm(first.channels, first.side)] * post
    before = first
    for number, stage in enumerate(homework.stages):
        for block in range(stage.blocks):
            stride = before.side // stage.side
            channels = before.channels
            convs = [
                _conv(homework, channels, stage.channels, stride, stage.side),
                _conv(homework, stage.channels, stage.channels, 1, stage.side),
            ]
            inner = _norm(stage.channels, stage.side)
            rungs += (
                [convs[0], inner, convs[1], inner]
                if post
                else [_norm(channels, before.side), convs[0], inner, convs[1]]
            )
            if number and not block:
                option = "" if post else skip_options[number - 1]
                rungs += _expected_skip(homework, channels, stage, stride, option)
            before = stage
    rungs.append(Rung("avgpool", before.channels, before.channels, (before.side,) * 2, side=1))
    return [*rungs, Rung("linear", before.channels, homework.classes, bias=True)]


def _conv(homework: Homework, channels_in: int, channels_out: int, stride: int, side: int) -> Rung:
    geometry = ((3, 3), (stride, stride), (1, 1))
    return Rung("conv", channels_in, channels_out, *geometry, side, bias=homework.conv_bias)


def _norm(channels: int, side: int, on_skip: bool = False) -> Rung:
    return Rung("bn", channels, channels, side=side, on_skip=on_skip)


def _expected_skip(homework: Homework, channels_in: int, stage: Stage, stride: int, option: str) -> list[Rung]:
    strides = (stride, stride)
    if option == "A":
        return [Rung("maxpool", channels_in, channels_in, (2, 2), strides, (0, 0), stage.side, on_skip=True)]
    geometry = ((1, 1), strides, (0, 0))
    conv = Rung("conv", channels_in, stage.channels, *geometry, stage.side, on_skip=True, bias=homework.conv_bias)
    return [conv] if option == "B" else [conv, _norm(stage.channels, stage.side, on_skip=True)]


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


def expected_parameters(rows: Sequence[Row], homework: Homework) -> int:
    """How many numbers the homework's network trains, with the choices of a table's other side.

    Choices are a bias for each convolution or none, where the homework leaves that open; and in a pre-activation
    network option A or B at each change of shape, BN on a skip, and one last BN before the pool.
    """
    theirs = [row.theirs for row in rows if row.theirs is not None]
    convs = [rung for rung in theirs if rung.kind == "conv"]
    usual = 2 * sum(bool(rung.bias) for rung in convs) >= len(convs)  # for a convolution that isn't there
    total = 0
    for row in rows:
        if row.ours is not None:
            chosen = usual if row.theirs is None else row.theirs.bias
            total += _size(row.ours, bool(chosen if row.ours.bias is None else row.ours.bias))
    if homework.block != "pre-activation":
        return total
    last = [rung for rung, after in pairwise(theirs) if after.kind == "avgpool"]
    further = [rung for rung in [*theirs, *last] if rung.kind == "bn" and (rung.on_skip or rung in last)]
    return total + sum(_size(rung, True) for rung in dict.fromkeys(further))


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
