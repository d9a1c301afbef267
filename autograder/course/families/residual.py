"""Residual networks in stages: a stem, stages of blocks, an average pool, a linear layer.

What is asked of them, as data. It is read by the check modules of residual networks, and written in a homework's
declaration.
"""

from dataclasses import dataclass
from typing import Literal

from autograder.course.families import Family
from autograder.language import marked


@dataclass(frozen=True)
class Stage:
    """A run of blocks that give one shape: (N, channels, side, side).

    Attributes:
        middle: channels within a bottleneck block; None in others.
        halves_last: whether its last block halves the map, instead of its first.
    """

    channels: int
    side: int
    blocks: int
    middle: int | None = None
    halves_last: bool = False


@dataclass(frozen=True)
class Stem:
    """What comes before the first stage: a convolution with padding `kernel // 2`.

    Attributes:
        channels: what it gives; None: as many as the first stage has.
        pool: a 3x3 max pool with stride 2 and padding 1 follows.
    """

    kernel: int = 3
    stride: int = 1
    channels: int | None = None
    pool: bool = False


@dataclass(frozen=True)
class Block:
    """How the blocks of a network are built.

    Attributes:
        norm: where BN and ReLU stand: before each convolution (the stem then has none), or after it.
        bottleneck: whether it is 1x1, 3x3, 1x1; else two 3x3.
        choice: what a student may choose about shortcuts. "": nothing. "by stage": option A (2x2 max pool and zero
            channels) or B (1x1 convolution) at each change of shape, with or without a BN. "by block": a projection or
            none in each block whose channels agree.
        why_shapes: why the stages have their shapes, a sentence.
    """

    norm: Literal["before", "after"]
    bottleneck: bool = False
    choice: Literal["", "by stage", "by block"] = ""
    why_shapes: str = marked("Each stage after the first doubles the channels and halves the map, once.")


PRE_ACTIVATION = Block(norm="before", choice="by stage")
"""BN, ReLU, conv 3x3, twice, and nothing after the addition ("Identity Mappings in Deep Residual Networks", arXiv
1603.05027)."""

POST_ACTIVATION = Block(norm="after")
"""Conv 3x3 and BN, twice, with a ReLU between and one after the addition ("Deep Residual Learning for Image
Recognition", arXiv 1512.03385)."""

BOTTLENECK = Block(
    norm="after",
    bottleneck=True,
    choice="by block",
    why_shapes=marked("A stage changes the channels in its first block, and halves the map, if at all, in its last."),
)
"""Conv 1x1, 3x3, 1x1, with BN and ReLU after each, and nothing after the addition (the same paper's figure 5, as the
course has it)."""


@dataclass(frozen=True)
class Residual(Family):
    """A residual network.

    Attributes:
        stem: what comes before the first stage.
        stages: from the image to the classifier.
        conv_bias: whether convolutions have biases; None: that is up to the student.
        kaiming: whether convolutions start from Kaiming normal weights by fan_out, and BNs from 1 and 0.
    """

    block: Block
    stages: tuple[Stage, ...]
    stem: Stem = Stem()
    conv_bias: bool | None = None
    kaiming: bool = False

    @property
    def tells_initial_values(self) -> bool:
        """See `Family`."""
        return self.kaiming

    def stem_side(self, side: int) -> int:
        """Side of the map that the first stage gets, in pixels, of images of `side`."""
        return side // self.stem.stride // (2 if self.stem.pool else 1)
