"""Checks of a residual network of bottleneck blocks: 1x1, 3x3 and 1x1 convolutions, each with BN and ReLU.

After figure 5 of "Deep Residual Learning for Image Recognition" (arXiv 1512.03385), in the way of the homework: a ReLU
after every BN, the stride in the first 1x1 convolution of a stage's last block, and a projection on every shortcut that
changes the shape. A projection where nothing changes is as right; so is a ReLU after the addition, which changes
nothing, since neither path has negative values left.
"""

from autograder.checks.reading import label, labels, network_of, shape_of, structure_of
from autograder.checks.structure import Block, Structure, is_large
from autograder.checks.wording import check, fail, joined, wait
from autograder.homework import Homework
from autograder.observations import Observations, Op


@check(
    "conv-norm-relu",
    after=("builds",),
    hint="print one conv1x1(...) and one conv3x3(...): which layers are in it, in which order?",
)
def test_every_convolution_has_its_norm_and_activation(observed: Observations, homework: Homework) -> None:
    """every convolution is followed by its BN and a ReLU"""
    structure = structure_of(observed, homework)
    if network_of(observed).without_gradient:
        wait("gradients")
    for conv in (op for op in structure.ops.values() if op.kind == "conv"):
        readers = structure.readers(conv)
        if [op.kind for op in readers] != ["bn"]:
            fail(
                saw=f"{label(conv)} is followed by {_what(readers)}",
                expected="its BN",
                why="BN keeps the values of a layer near 0 and 1, whatever comes in.",
                line=_line(readers, conv),
            )
        after = structure.readers(readers[0])
        if {op.kind for op in after} != {"relu"}:
            fail(
                saw=f"the BN after {label(conv)} is followed by {_what([op for op in after if op.kind != 'relu'])}",
                expected="a ReLU",
                why="conv1x1 and conv3x3 are convolution, BN and ReLU, wherever they stand.",
                line=_line(after, conv),
            )


@check(
    "downsampling",
    after=("stage-shapes", "skip"),
    hint="list the strides of all convolutions, block by block: where does a 2 stand?",
)
def test_the_right_convolution_of_the_right_block_has_the_stride(observed: Observations, homework: Homework) -> None:
    """the last block of a stage downsamples, with its first 1x1 convolution"""
    structure = structure_of(observed, homework)
    blocks = structure.blocks
    place = 0
    for number, stage in enumerate(homework.stages, 1):
        of_stage = [block for block in blocks[place:] if block.addition.shape[1] == stage.channels]
        place += len(of_stage)
        halving = [n for n, block in enumerate(of_stage, 1) if _halves(block)]
        asked = [len(of_stage)] if stage.halves_last else []
        if halving != asked and len(of_stage) == stage.blocks:
            fail(
                saw=f"of the {stage.blocks} blocks with {stage.channels} channels {_numbered(halving)}",
                expected=_numbered(asked),
                why="The blocks before it still work on the larger map, which gives the network other numbers, not "
                "other shapes.",
                line=of_stage[(halving or asked)[0] - 1].branch[0].line,
            )
        for block in of_stage:
            convs = [op for op in block.branch if op.kind == "conv"]
            strided = [op for op in convs if max(op.stride) > 1]
            if _halves(block) and strided != convs[:1]:
                fail(
                    saw=f"in a block of stage {number} {labels(strided) or 'no convolution'} "
                    f"({_sizes(strided)}) has stride 2",
                    expected="stride 2 in the block's first 1x1 convolution, and 1 in the other two",
                    why="Later convolutions then work on the smaller map. All shapes and counts are the same with the "
                    "stride elsewhere, and a checkpoint trained this way doesn't fit.",
                    line=strided[0].line if strided else block.addition.line,
                )


@check(
    "skip",
    after=("builds",),
    hint="which shape does the shortcut start from, and which does it have to reach?",
)
def test_every_block_has_its_shortcut(observed: Observations, homework: Homework) -> None:
    """a shortcut goes around each block, with a 1x1 convolution where the shape changes"""
    structure = structure_of(observed, homework)
    if network_of(observed).without_gradient:
        wait("gradients")
    within = {op.index for block in structure.blocks for op in (*block.branch, *block.skip)}
    middles = [op for op in structure.ops.values() if is_large(op) and op.kernel == [3, 3]]
    for block in structure.blocks:
        around = [op for op in block.branch if op in middles]
        if len(around) > 1:
            fail(
                saw=f"one shortcut goes around {len(around)} blocks ({labels(around)})",
                expected="a shortcut around each block",
                why="A block learns what to add to its input, so the addition belongs at the end of every block.",
                line=block.addition.line,
            )
    bare = [op for op in middles if op.index not in within]
    if bare:
        fail(
            saw=f"no shortcut goes around {labels(bare)}",
            expected="an addition at the end of every block",
            why="Without its shortcut a block has to learn the whole mapping, not what to add to its input.",
            line=bare[0].line,
        )
    for block in structure.blocks:
        problem = _shortcut_problem(structure, block)
        if problem:
            fail(
                saw=f"from {shape_of(block.head)} to {shape_of(block.addition)} {problem}",
                expected="one 1x1 convolution with BN and ReLU, which reaches the new shape by itself"
                if block.reshapes
                else "the block's input as it is, or one 1x1 convolution with BN and ReLU",
                why="The shortcut starts from what the block gets, and both paths have to meet in one shape.",
                line=next((op.line for op in block.skip if op.line), block.addition.line),
            )


# --- what the checks above are made of ---


def _halves(block: Block) -> bool:
    return block.head.shape[-1] != block.addition.shape[-1]


def _shortcut_problem(structure: Structure, block: Block) -> str:
    """What keeps a shortcut from being right; "" when nothing does."""
    convs = [op for op in block.skip if op.kind == "conv"]
    others = [op for op in block.skip if op.kind not in ("conv", "bn", "relu")]
    if others or len(convs) > 1 or any(is_large(op) for op in convs):
        return f"the shortcut runs {_sizes([op for op in block.skip if op.kind not in ('bn', 'relu')])}"
    if not convs and block.skip:
        return f"the shortcut runs {labels(list(block.skip))}"
    if convs and block.skip[0] is not convs[0]:
        return f"the shortcut starts with {label(block.skip[0])}"
    if _inside(structure, block):
        return f"the shortcut starts within the block, after {label(block.head)}"
    return ""


def _inside(structure: Structure, block: Block) -> bool:
    """Whether the head is not what the block before it, or the stem, gives, but something of the block itself."""
    ends = {other.addition.index for other in structure.blocks}
    return block.head.index not in ends and block.head.kind != "maxpool" and block is not structure.blocks[0]


def _what(ops: list[Op]) -> str:
    return labels(ops) or "nothing"


def _line(readers: list[Op], op: Op) -> int | None:
    return next((reader.line for reader in readers if reader.line), op.line)


def _sizes(ops: list[Op]) -> str:
    said = [f"a {'x'.join(map(str, op.kernel))} convolution" if op.kind == "conv" else label(op) for op in ops]
    return joined(list(dict.fromkeys(said))) or "nothing"


def _numbered(places: list[int]) -> str:
    if not places:
        return "none downsamples"
    return f"number {joined([str(place) for place in places])} {'downsample' if len(places) > 1 else 'downsamples'}"
