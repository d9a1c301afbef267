"""Helpers of checks that read an observed network: what they wait for, and how messages name its operations.

Called by the check modules of networks.
"""

from autograder.checks.network.data_flow import Block, Structure, is_large
from autograder.checks.places import place, places
from autograder.checks.wording import fail, joined, wait
from autograder.course.homework import Homework
from autograder.language import gettext as _
from autograder.observations import Network, Observations, Op


def network_of(observed: Observations) -> Network:
    """The network, when one could be built."""
    if observed.network is None:
        wait("builds")
    return observed.network


def structure_of(observed: Observations, homework: Homework) -> Structure:
    """The network's forward pass, when it answers as it should."""
    network = network_of(observed)
    if not network.graph or network.outputs.get(2) != [2, *homework.answer_shape]:
        wait("output-shape")
    return Structure(network.graph, network.outputs[2])


def expect_next(structure: Structure, op: Op, kind: str, words: str, why: str) -> None:
    """Fail unless an operation of `kind`, in `words`, and nothing else reads what `op` gives."""
    readers = structure.readers(op)
    if [reader.kind for reader in readers] != [kind]:
        others = [reader for reader in readers if reader.kind != kind] or readers
        fail(
            saw=_("{layer} is followed by {others}").format(layer=label(op), others=labels(others) or _("nothing")),
            expected=_("{what} after it").format(what=words),
            why=why,
            line=others[0].line if others and others[0].line else op.line,
        )


def main_convs(structure: Structure) -> list[Op]:
    """Convolutions larger than 1x1 that lie on no skip, in the order of execution: the first one is the stem."""
    on_skips = {op.index for block in structure.blocks for op in block.skip}
    return [op for op in structure.ops.values() if is_large(op) and op.index not in on_skips]


def label(op: Op) -> str:
    """`stage1.0.conv1`, or what it does and where."""
    if op.layer is not None:
        return f"`{op.layer}`"
    names = {"relu": _("a ReLU"), "add": _("an addition"), "input": _("the image"), "bn": _("a BN")}
    name = names.get(op.kind, op.kind.strip("_"))
    return f"{name} ({place(op.line)})" if op.line else name


def labels(ops: list[Op]) -> str:
    """The same of several."""
    return joined([label(op) for op in ops])


def kinds(ops: list[Op]) -> str:
    """The same by kind, where that says more than names: `a 1x1 convolution and maxpool`."""
    said = [
        _("a {size} convolution").format(size="x".join(map(str, op.kernel))) if op.kind == "conv" else label(op)
        for op in ops
    ]
    return joined(said) or _("nothing")


def lines_of(first: Op, second: Op) -> str:
    """` (lines 12 and 14)`, or nothing where one of them isn't known."""
    if first.line is None or second.line is None:
        return ""
    return f" ({places((first.line, second.line))})"


def shape_of(op: Op) -> str:
    """What comes out, without N: `64x32x32`."""
    return "x".join(map(str, op.shape[1:]))


def between_shapes(block: Block, problem: str) -> str:
    """`from 64x32x32 to 128x16x16 the skip runs a ReLU`: what is wrong with a block's skip, and which shapes it joins.

    `problem`: in words, translated already.
    """
    # Translators: {before} and {after} are shapes; {problem} is a sentence, such as "the shortcut has no BN".
    text = _("from {before} to {after} {problem}")
    return text.format(before=shape_of(block.head), after=shape_of(block.addition), problem=problem)


def created(network: Network, name: str) -> int | None:
    """The line on which the layer called `name` was made."""
    return next((layer.line for layer in network.layers if layer.name == name), None)


def called_at(network: Network, name: str) -> int | None:
    """The line on which it was called."""
    return next((op.line for op in network.graph if op.layer == name), None)
