"""What is wrong with the shortcuts of a network of bottleneck blocks.

Called by the check `skip`, and by the check `stage-shapes`, which can't read the trunk where a block lacks its
addition.
"""

from autograder.checks.network.data_flow import Block, Structure, is_large
from autograder.checks.network.words import between_shapes, kinds, label, labels
from autograder.checks.wording import ExpectationError
from autograder.language import gettext as _


def complaint(structure: Structure) -> ExpectationError | None:
    """What the check says of the first thing that is wrong; None when every block has its shortcut."""
    stem = next((op for op in structure.ops.values() if op.kind == "conv"), None)
    middles = [op for op in structure.ops.values() if is_large(op) and op.kernel == [3, 3] and op is not stem]
    for block in structure.blocks:
        around = [op for op in block.branch if op in middles]
        if len(around) > 1:
            return ExpectationError(
                saw=_("one shortcut goes around {count} blocks ({layers})").format(
                    count=len(around), layers=labels(around)
                ),
                expected=_("a shortcut around each block"),
                why=_("A block learns what to add to its input, so the addition belongs at the end of every block."),
                line=block.addition.line,
            )
    within = {op.index for block in structure.blocks for op in (*block.branch, *block.skip)}
    bare = [op for op in middles if op.index not in within]
    if bare:
        return ExpectationError(
            saw=_("no shortcut goes around {layers}").format(layers=labels(bare)),
            expected=_("an addition at the end of every block"),
            why=_("Without its shortcut a block has to learn the whole mapping, not what to add to its input."),
            line=bare[0].line,
        )
    for block in structure.blocks:
        problem = _problem(structure, block)
        if problem:
            return ExpectationError(
                saw=between_shapes(block, problem),
                expected=_("one 1x1 convolution with BN and ReLU, which reaches the new shape by itself")
                if block.reshapes
                else _("the block's input as it is, or one 1x1 convolution with BN and ReLU"),
                why=_("The shortcut starts from what the block gets, and both paths have to meet in one shape."),
                line=next((op.line for op in block.skip if op.line), block.addition.line),
            )
    return None


def _problem(structure: Structure, block: Block) -> str:
    """What keeps a shortcut from being right; "" when nothing does."""
    convs = [op for op in block.skip if op.kind == "conv"]
    others = [op for op in block.skip if op.kind not in ("conv", "bn", "relu")]
    if others or len(convs) > 1 or any(is_large(op) for op in convs):
        what = kinds([op for op in block.skip if op.kind not in ("bn", "relu")])
        return _("the shortcut runs {what}").format(what=what)
    if not convs and block.skip:
        return _("the shortcut runs {what}").format(what=labels(list(block.skip)))
    if convs and block.skip[0] is not convs[0]:
        return _("the shortcut starts with {layer}").format(layer=label(block.skip[0]))
    if _starts_inside(structure, block):
        return _("the shortcut starts within the block, after {layer}").format(layer=label(block.head))
    return ""


def _starts_inside(structure: Structure, block: Block) -> bool:
    """Whether a convolution lies between what the block gets and where its two paths part."""
    convs = [op.index for op in structure.trunk if op.kind == "conv" and op.index <= block.head.index]
    ends = [other.addition.index for other in structure.blocks if other.addition.index <= block.head.index]
    return any(index > max(ends, default=convs[0] if convs else 0) for index in convs)
