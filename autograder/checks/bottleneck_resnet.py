"""Checks of a residual network of bottleneck blocks: 1x1, 3x3 and 1x1 convolutions, each with BN and ReLU.

After figure 5 of "Deep Residual Learning for Image Recognition" (arXiv 1512.03385), in the way of the homework: a ReLU
after every BN, the stride in the first 1x1 convolution of a stage's last block, and a projection on every shortcut that
changes the shape. A projection where the shape stays is right, too; and so is a ReLU after the addition: neither path
has negative values, so it changes nothing.
"""

from itertools import takewhile

from autograder.checks.network import shortcuts
from autograder.checks.network.data_flow import Block
from autograder.checks.network.expected import family_of
from autograder.checks.network.words import expect_next, kinds, labels, network_of, structure_of
from autograder.checks.wording import check, fail, joined, wait
from autograder.course.homework import Homework
from autograder.language import gettext as _
from autograder.language import ngettext
from autograder.observations import Network, Observations, Op

STEM = 1  # the homework calls it layer 1, and the first stage layer 2


@check(
    "conv-norm-relu",
    after=("builds",),
    hint="print one conv1x1(...) and one conv3x3(...): which layers are in it, in which order?",
    more="nn.Sequential runs its layers in the order in which they are written. How many channels does the BN get?",
)
def test_every_convolution_has_its_norm_and_activation(observed: Observations, homework: Homework) -> None:
    """every convolution is followed by its BN and a ReLU"""
    structure = structure_of(observed, homework)
    if network_of(observed).without_gradient:
        wait("gradients")
    for conv in (op for op in structure.ops.values() if op.kind == "conv"):
        why = _("BN keeps the values of a layer near 0 and 1, whatever comes in.")
        expect_next(structure, conv, "bn", _("its BN"), why)
        norm = structure.readers(conv)[0]
        why = _("conv1x1 and conv3x3 are convolution, BN and ReLU, wherever they stand.")
        expect_next(structure, norm, "relu", _("a ReLU"), why)


@check(
    "downsampling",
    after=("stage-shapes", "skip"),
    hint="list the strides of all convolutions, block by block: where does a 2 stand?",
    more="The block is told whether it downsamples. Where does that end up, in which of its convolutions? And "
    "which block of a stage is told so?",
)
def test_the_right_convolution_of_the_right_block_has_the_stride(observed: Observations, homework: Homework) -> None:
    """the last block of a stage downsamples, with its first 1x1 convolution"""
    network, structure = network_of(observed), structure_of(observed, homework)
    blocks = structure.blocks
    place = 0
    for number, stage in enumerate(family_of(homework).stages, 1):
        of_stage = [block for block in blocks[place:] if block.addition.shape[1] == stage.channels]
        place += len(of_stage)
        halving = [n for n, block in enumerate(of_stage, 1) if _halves(block)]
        asked = [len(of_stage)] if stage.halves_last else []
        if halving != asked and len(of_stage) == stage.blocks:
            fail(
                # Translators: {which} is "number 1 and 2 downsample", "number 3 downsamples" or "none downsamples".
                saw=_("of the {count} blocks of layer {number} {which}").format(
                    count=stage.blocks, number=number + STEM, which=_numbered(halving)
                ),
                expected=_numbered(asked),
                why=_(
                    "The blocks before it still work on the larger map, which gives the network other numbers, not "
                    "other shapes."
                ),
                line=_made_at(network, of_stage[(halving or asked)[0] - 1]),
            )
        for block in of_stage:
            convs = [op for op in block.branch if op.kind == "conv"]
            strided = [op for op in convs if max(op.stride) > 1]
            if _halves(block) and strided != convs[:1]:
                fail(
                    saw=_("in a block of layer {number} {layers} ({kinds}) has stride 2").format(
                        number=number + STEM, layers=labels(strided) or _("no convolution"), kinds=kinds(strided)
                    ),
                    expected=_("stride 2 in the block's first 1x1 convolution, and 1 in the other two"),
                    why=_(
                        "Later convolutions then work on the smaller map. With the stride elsewhere all shapes and "
                        "counts are the same: the course's checkpoint loads, and answers with other numbers."
                    ),
                    line=_told_at(network, strided[0]) if strided else block.addition.line,
                )


@check(
    "skip",
    after=("builds", "conv-norm-relu"),
    hint="which shape does the shortcut start from, and which does it have to reach?",
    more="Print the shapes of the two summands of each block: which block of a stage starts from fewer "
    "channels, and which from a larger map?",
)
def test_every_block_has_its_shortcut(observed: Observations, homework: Homework) -> None:
    """a shortcut goes around each block, with a 1x1 convolution where the shape changes"""
    structure = structure_of(observed, homework)
    if network_of(observed).without_gradient:
        wait("gradients")
    complaint = shortcuts.complaint(structure)
    if complaint is not None:
        raise complaint


# --- what the checks above are made of ---


def _made_at(network: Network, block: Block) -> int | None:
    """The line that makes a block: that of the innermost module which all its layers lie in."""
    names = [op.layer.split(".") for op in block.branch if op.layer is not None]
    common = ".".join(part[0] for part in takewhile(lambda parts: len(set(parts)) == 1, zip(*names, strict=False)))
    lines = [layer.parents.get(common) for layer in network.layers if layer.name == block.branch[0].layer]
    return next((line for line in lines if line), block.branch[0].line)


def _told_at(network: Network, op: Op) -> int | None:
    """The line that gives a convolution its stride: where its helper is called, else where it is made itself."""
    layer = next((layer for layer in network.layers if layer.name == op.layer), None)
    if layer is None:
        return op.line
    inner = [line for line in layer.parents.values() if line]
    return (inner[-1] if len(inner) > 1 else layer.line) or op.line


def _halves(block: Block) -> bool:
    return block.head.shape[-1] != block.addition.shape[-1]


def _numbered(places: list[int]) -> str:
    if not places:
        return _("none downsamples")
    text = ngettext("number {places} downsamples", "number {places} downsample", len(places))
    return text.format(places=joined([str(place) for place in places]))
