"""The network that a homework asks for, as a ladder of layers, with the choices that it leaves to a student.

Called by checks of networks made of stages of blocks, by `check --verbose` and by the feedback page. The numbers come
from the declaration; what may differ from student to student is read from the network at hand.
"""

import math
from collections.abc import Sequence
from itertools import pairwise

from autograder.checks.network import beside_solution
from autograder.checks.network.data_flow import Structure
from autograder.checks.network.layer_table import Row, Rung, beside, observed_ladder
from autograder.checks.wording import joined
from autograder.course.families.residual import Residual, Stage
from autograder.course.families.traced import Traced
from autograder.course.homework import Homework
from autograder.language import gettext as _
from autograder.observations import Observations


def family_of(homework: Homework) -> Residual:
    """What is asked of the homework's residual network. Raises ValueError where it has none."""
    if not isinstance(homework.family, Residual):
        raise ValueError(f"{homework.name} declares no residual network")
    return homework.family


def layer_table(observed: Observations, homework: Homework) -> list[Row]:
    """Every conv, BN, pool and linear layer of one forward pass beside the homework's; [] when there is none."""
    network = observed.network
    if network is None or not network.graph or homework.family is None:
        return []
    if isinstance(homework.family, Traced):
        return beside_solution.table(network, homework)
    structure = Structure(network.graph, network.outputs.get(2, []))
    return beside(expected_ladder(homework, skips(structure, homework)), observed_ladder(structure))


def skips(structure: Structure, homework: Homework) -> list[str]:
    """What the student chose for the skips that leave a choice.

    By stage, for each one after the first: "A" (2x2 max pool and zero channels) or "B" (1x1 convolution; also where
    there is no skip to look at). By block: "bare", or "conv".
    """
    family = family_of(homework)
    if family.block.choice == "by block":
        found = ["conv" if any(op.kind == "conv" for op in block.skip) else "bare" for block in structure.blocks]
        return found + ["conv"] * (sum(stage.blocks for stage in family.stages) - len(found))
    if family.block.choice != "by stage":
        return []
    chosen = []
    for stage in family.stages[1:]:
        at = [block for block in structure.blocks if block.reshapes and block.addition.shape[1:2] == [stage.channels]]
        chosen.append("A" if at and not any(op.kind == "conv" for op in at[0].skip) else "B")
    return chosen


def choices(structure: Structure, homework: Homework) -> str:
    """` (option B, convolutions with biases)`, or nothing where the homework leaves no choice."""
    if family_of(homework).block.choice != "by stage":
        return ""
    convs = [op for op in structure.ops.values() if op.kind == "conv"]
    biased = sum(op.bias for op in convs)
    if biased == len(convs):
        text = _("(option {options}, convolutions with biases)")
    elif biased:
        text = _("(option {options}, convolutions some with biases)")
    else:
        text = _("(option {options}, convolutions without biases)")
    return " " + text.format(options=joined(sorted(set(skips(structure, homework)))))


def expected_ladder(homework: Homework, skips: Sequence[str] = ()) -> list[Rung]:
    """The homework's own network: a stem, stages of blocks, an average pool, a linear layer. `skips`: see there."""
    builder = _Builder(homework)
    builder.stem()
    of_blocks = iter(skips)
    family = family_of(homework)
    for number, stage in enumerate(family.stages):
        for block in range(stage.blocks):
            if family.block.bottleneck:
                builder.bottleneck(stage, block == stage.blocks - 1, next(of_blocks))
            else:
                builder.basic(stage, skips[number - 1] if number and skips else "")
    return [*builder.rungs, *builder.head()]


def expected_shapes(homework: Homework) -> list[tuple[int, int]]:
    """(channels, side of the map) of what the trunk carries, from the first convolution on, each change once."""
    family, side = family_of(homework), homework.input_shape[1]
    stem, first = family.stem, family.stages[0]
    shapes = [(stem.channels or first.channels, side // stem.stride)]
    before = (stem.channels, family.stem_side(side)) if stem.pool else shapes[0]
    for stage in family.stages:
        between = [(stage.channels, before[1])] if stage.halves_last else []
        shapes += [*between, (stage.channels, stage.side)]
        before = shapes[-1]
    return [shape for number, shape in enumerate(shapes) if not number or shape != shapes[number - 1]]


class _Builder:
    """A ladder that grows, and the shape that it has reached."""

    def __init__(self, homework: Homework) -> None:
        self.family = family_of(homework)
        self.classes = homework.classes
        self.rungs: list[Rung] = []
        self.channels = homework.input_shape[0]
        self.side = homework.input_shape[1]

    def stem(self) -> None:
        stem = self.family.stem
        self.conv(stem.channels or self.family.stages[0].channels, stem.kernel, stem.stride)
        if self.family.block.norm == "after":
            self.norm()
        if stem.pool:
            self.side //= 2
            self.rungs.append(Rung("maxpool", self.channels, self.channels, (3, 3), (2, 2), (1, 1), self.side))

    def basic(self, stage: Stage, skip: str) -> None:
        channels, stride = self.channels, self.side // stage.side
        reshapes = stride > 1 or channels != stage.channels
        for number in range(2):
            if self.family.block.norm == "before":
                self.norm()
            self.conv(stage.channels, 3, 1 if number else stride)
            if self.family.block.norm == "after":
                self.norm()
        if reshapes and skip == "A":
            geometry = ((2, 2), (stride, stride), (0, 0))
            self.rungs.append(Rung("maxpool", channels, channels, *geometry, self.side, on_skip=True))
        elif reshapes:
            self.projection(channels, stride, norm=self.family.block.norm == "after")

    def bottleneck(self, stage: Stage, last: bool, skip: str) -> None:
        channels, middle = self.channels, stage.middle or stage.channels
        stride = self.side // stage.side if last and stage.halves_last else 1
        for width, kernel, step in ((middle, 1, stride), (middle, 3, 1), (stage.channels, 1, 1)):
            self.conv(width, kernel, step)
            self.norm()
        if stride > 1 or channels != stage.channels or skip == "conv":
            self.projection(channels, stride, norm=True)

    def conv(self, channels: int, kernel: int, stride: int) -> None:
        self.side //= stride
        geometry = ((kernel,) * 2, (stride,) * 2, (kernel // 2,) * 2)
        self.rungs.append(Rung("conv", self.channels, channels, *geometry, self.side, bias=self.family.conv_bias))
        self.channels = channels

    def norm(self) -> None:
        self.rungs.append(Rung("bn", self.channels, self.channels, side=self.side))

    def projection(self, channels_before: int, stride: int, norm: bool) -> None:
        geometry = ((1, 1), (stride, stride), (0, 0))
        bias = self.family.conv_bias
        self.rungs.append(Rung("conv", channels_before, self.channels, *geometry, self.side, on_skip=True, bias=bias))
        if norm:
            self.rungs.append(Rung("bn", self.channels, self.channels, side=self.side, on_skip=True))

    def head(self) -> list[Rung]:
        pool = Rung("avgpool", self.channels, self.channels, (self.side,) * 2, side=1)
        return [pool, Rung("linear", self.channels, self.classes, bias=True)]


def expected_parameters(rows: Sequence[Row], homework: Homework) -> int:
    """How many numbers the homework's network trains, with the choices of a table's other side.

    Choices are a bias for each convolution or none, where the homework leaves that open; and where shortcuts are chosen
    by stage, option A or B at each change of shape, BN on a skip, and one last BN before the pool.
    """
    theirs = [row.theirs for row in rows if row.theirs is not None]
    convs = [rung for rung in theirs if rung.kind == "conv"]
    usual = 2 * sum(bool(rung.bias) for rung in convs) >= len(convs)  # for a convolution that isn't there
    total = 0
    for row in rows:
        if row.ours is not None:
            chosen = usual if row.theirs is None else row.theirs.bias
            total += _size(row.ours, bool(chosen if row.ours.bias is None else row.ours.bias))
    if family_of(homework).block.choice != "by stage":
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
