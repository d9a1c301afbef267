"""What is wrong with the shortcuts of a network of bottleneck blocks.

Called by the check of them, and by that of the shapes, which can't read the trunk of a network that goes through its
blocks where an addition should be.
"""

from autograder.checks.reading import kinds, label, labels, shape_of
from autograder.checks.structure import Block, Structure, is_large
from autograder.checks.wording import ExpectationError


def complaint(structure: Structure) -> ExpectationError | None:
    """What the check says of the first thing that is wrong; None when every block has its shortcut."""
    stem = next((op for op in structure.ops.values() if op.kind == "conv"), None)
    middles = [op for op in structure.ops.values() if is_large(op) and op.kernel == [3, 3] and op is not stem]
    for block in structure.blocks:
        around = [op for op in block.branch if op in middles]
        if len(around) > 1:
            return ExpectationError(
                saw=f"one shortcut goes around {len(around)} blocks ({labels(around)})",
                expected="a shortcut around each block",
                why="A block learns what to add to its input, so the addition belongs at the end of every block.",
                line=block.addition.line,
            )
    within = {op.index for block in structure.blocks for op in (*block.branch, *block.skip)}
    bare = [op for op in middles if op.index not in within]
    if bare:
        return ExpectationError(
            saw=f"no shortcut goes around {labels(bare)}",
            expected="an addition at the end of every block",
            why="Without its shortcut a block has to learn the whole mapping, not what to add to its input.",
            line=bare[0].line,
        )
    for block in structure.blocks:
        problem = _problem(structure, block)
        if problem:
            return ExpectationError(
                saw=f"from {shape_of(block.head)} to {shape_of(block.addition)} {problem}",
                expected="one 1x1 convolution with BN and ReLU, which reaches the new shape by itself"
                if block.reshapes
                else "the block's input as it is, or one 1x1 convolution with BN and ReLU",
                why="The shortcut starts from what the block gets, and both paths have to meet in one shape.",
                line=next((op.line for op in block.skip if op.line), block.addition.line),
            )
    return None


def _problem(structure: Structure, block: Block) -> str:
    """What keeps a shortcut from being right; "" when nothing does."""
    convs = [op for op in block.skip if op.kind == "conv"]
    others = [op for op in block.skip if op.kind not in ("conv", "bn", "relu")]
    if others or len(convs) > 1 or any(is_large(op) for op in convs):
        return f"the shortcut runs {kinds([op for op in block.skip if op.kind not in ('bn', 'relu')])}"
    if not convs and block.skip:
        return f"the shortcut runs {labels(list(block.skip))}"
    if convs and block.skip[0] is not convs[0]:
        return f"the shortcut starts with {label(block.skip[0])}"
    if _starts_inside(structure, block):
        return f"the shortcut starts within the block, after {label(block.head)}"
    return ""


def _starts_inside(structure: Structure, block: Block) -> bool:
    """Whether a convolution lies between what the block gets and where its two paths part."""
    convs = [op.index for op in structure.trunk if op.kind == "conv" and op.index <= block.head.index]
    ends = [other.addition.index for other in structure.blocks if other.addition.index <= block.head.index]
    return any(index > max(ends, default=convs[0] if convs else 0) for index in convs)
