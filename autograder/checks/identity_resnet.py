"""Checks of a pre-activation residual network in stages of basic blocks.

After "Identity Mappings in Deep Residual Networks" (arXiv 1603.05027): the trunk carries the sum on untouched, each
block adds BN, ReLU, convolution, BN, ReLU, convolution to it. Its constructor takes the number of blocks of each stage.
"""

from collections import Counter

from autograder.checks.network.data_flow import Block, Structure, is_large
from autograder.checks.network.expected import family_of
from autograder.checks.network.words import (
    between_shapes,
    label,
    labels,
    lines_of,
    main_convs,
    network_of,
    structure_of,
)
from autograder.checks.wording import check, fail, joined, said, wait
from autograder.course.homework import Homework
from autograder.language import gettext as _
from autograder.language import ngettext
from autograder.observations import Observations, Variant

CONVS_OF_A_BLOCK = 2


@check(
    "arguments",
    after=("layers",),
    hint="build the network with four different counts and print it: which argument makes which stage longer?",
    more="Each stage is made by code of its own. Does each use its own count, or a number that was right for "
    "one network?",
)
def test_each_count_is_for_its_own_stage(observed: Observations, homework: Homework) -> None:
    """each count sets the blocks of its own stage"""
    wrong = _at_wrong_stages(observed, homework)
    if wrong is not None:
        variant, stages = wrong
        blocks = _blocks(observed, homework, variant)
        place = _("{count:g} in stage {stage} (maps of {map})")
        fail(
            saw=_("the blocks of {call}: {stages}").format(
                call=homework.call_with(variant.arguments),
                stages=joined(
                    [
                        place.format(count=blocks[number], stage=number + 1, map=_map(homework, number))
                        for number in stages
                    ]
                ),
            ),
            expected=joined(
                [
                    _("{count} in stage {stage}").format(count=variant.arguments[number], stage=number + 1)
                    for number in stages
                ]
            ),
            why=_("With {arguments} all counts are alike, so counts at the wrong stage don't show.").format(
                arguments=homework.arguments
            ),
            line=network_of(observed).line,
        )
    if any(_ignored(observed, homework, number) for number in range(len(family_of(homework).stages))):
        wait("block-counts")


@check(
    "block-counts",
    after=("layers",),
    advice=True,
    hint="a loop over the count makes as many blocks as it says",
    more="With a count of 1 a stage is its first block and nothing else. Does the code make a second one in any case?",
)
def test_other_counts_build_too(observed: Observations, homework: Homework) -> None:
    """other counts of blocks work too (optional)"""
    why = _("Deeper and shallower networks of the same family are then one number away. Nothing depends on it.")
    for variant in observed.variants:
        if variant.failure is not None:
            fail(
                saw=_("{call} ends in {error}").format(
                    call=homework.call_with(variant.arguments), error=said(variant.failure)
                ),
                expected=_("a network with that many blocks in each stage"),
                why=why,
                line=variant.failure.line,
            )
    if _at_wrong_stages(observed, homework) is not None:
        wait("arguments")
    ignored = [number + 1 for number in range(len(family_of(homework).stages)) if _ignored(observed, homework, number)]
    if ignored:
        variant = _built(observed)[0]
        fail(
            saw=_("{call} has the blocks of {usual_call} in stage {stages}").format(
                call=homework.call_with(variant.arguments),
                usual_call=homework.call,
                stages=joined([str(number) for number in ignored]),
            ),
            expected=_("as many blocks as the counts say"),
            why=why,
            line=network_of(observed).line,
        )


@check(
    "pre-activation",
    after=("builds",),
    hint="write down the order of BN, ReLU, convolution and addition as forward runs them, beside the figure's",
    more="The last thing that such a block does is the addition: what is done to the sum in yours? And which "
    "layer comes first?",
)
def test_activation_comes_before_each_convolution(observed: Observations, homework: Homework) -> None:
    """BN and ReLU come before each convolution of a block, nothing after the addition"""
    structure = structure_of(observed, homework)
    for op in main_convs(structure)[1:]:
        before = structure.chain(op, 2)
        if [one.kind for one in before] != ["relu", "bn"]:
            fail(
                saw=_("{layer} comes after {first} and {second}").format(
                    layer=label(op), first=label(before[1]), second=label(before[0])
                )
                if len(before) == 2
                else _("{layer} comes first").format(layer=label(op)),
                expected=_("BN, then ReLU, then the convolution"),
                why=_("In a pre-activation block each convolution reads normalised values that went through a ReLU."),
                line=op.line,
            )
    for block in structure.blocks:
        if block.branch_end.kind in ("bn", "relu"):
            fail(
                saw=_("{layer} stands between the last convolution of a block and its addition").format(
                    layer=label(block.branch_end)
                ),
                expected=_("the convolution's result added to the skip as it is"),
                why=_("In a pre-activation block BN and ReLU stand before the convolutions only."),
                line=block.branch_end.line,
            )
    on_skips = {op.index for block in structure.blocks for op in block.skip}
    for op in structure.ops.values():
        source = structure.source(op)
        if op.kind != "relu" or op.index not in structure.live or op.index in on_skips or source is None:
            continue
        readers = structure.readers(op)
        stray = op.index in structure.on_trunk and not any(reader.kind in ("conv", "avgpool") for reader in readers)
        if source.kind != "bn" or (stray and any(later.index > op.index for later in main_convs(structure))):
            after = _("an addition") if source.kind == "add" else label(source)
            fail(
                saw=_("a ReLU after {layer}, on the way that the skips share").format(layer=after),
                expected=_("nothing between an addition and the next block"),
                why=_(
                    "A ReLU there cuts the sum's negative values off, so a block can no longer pass its input on "
                    "unchanged."
                ),
                line=op.line,
            )


@check(
    "skip",
    after=("stage-shapes",),
    hint="compare one block with the figure of the two skip options: what goes around which two convolutions?",
    more="Print the shapes of the two summands. Where they are equal the skip is what came in, as it is; where"
    " they aren't, option A changes the shape without parameters, option B with one layer.",
)
def test_every_block_has_its_skip(observed: Observations, homework: Homework) -> None:
    """a skip goes around each block, by option A or B where the shape changes"""
    structure = structure_of(observed, homework)
    convs = main_convs(structure)[1:]
    dead = any(op.index not in structure.live for op in convs)
    within = {op.index for block in structure.blocks for op in block.convs}
    bare = [op for op in convs if op.index in structure.live and op.index not in within]
    for block in structure.blocks:
        count = sum(op.kind == "conv" for op in block.branch)
        if count < CONVS_OF_A_BLOCK and dead:
            wait("gradients")
        if count != CONVS_OF_A_BLOCK:
            saw = ngettext(
                "a skip goes around {count} convolution ({layers})",
                "a skip goes around {count} convolutions ({layers})",
                count,
            )
            fail(
                saw=saw.format(count=count, layers=labels(block.convs)),
                expected=_("one skip around each block of {count} convolutions").format(count=CONVS_OF_A_BLOCK),
                why=_("A block learns what to add to its input, so the addition belongs at the end of every block."),
                line=block.addition.line,
            )
    if bare:
        fail(
            saw=_("no skip goes around {layers}").format(layers=labels(bare)),
            expected=_("an addition at the end of every block"),
            why=_("Without its skip a block has to learn the whole mapping, not what to add to its input."),
            line=bare[0].line,
        )
    for block in structure.blocks:
        problem = _skip_problem(structure, block) if block.reshapes else ""
        if problem:
            fail(
                saw=between_shapes(block, problem),
                expected=_(
                    "option A: a 2x2 max pool of stride 2, then channels of zeros; or option B: a 1x1 "
                    "convolution of stride 2"
                ),
                why=_("The skip has to reach the new shape with as little of its own as possible."),
                line=next((op.line for op in block.skip if op.line), block.addition.line),
            )


@check(
    "skip-option",
    after=("skip",),
    advice=True,
    hint="what does the handout's option A run on the skip, and what does option B?",
    more="Count the layers on the skip where the shape changes. Which of them changes the shape?",
)
def test_the_skip_is_option_a_or_b_and_no_more(observed: Observations, homework: Homework) -> None:
    """the skip is option A or B and nothing more"""
    structure = structure_of(observed, homework)
    for block in structure.blocks:
        change = next((op for op in block.skip if op.kind in ("conv", "maxpool", "avgpool", "pad", "cat")), None)
        before = [
            op for op in block.skip if op.kind in ("bn", "relu") and change is not None and op.index < change.index
        ]
        if block.reshapes and any(op.kind == "relu" for op in before):
            names = {"bn": "BN", "relu": "ReLU"}
            fail(
                saw=between_shapes(
                    block,
                    _("the skip runs {what} of its own first").format(what=joined([names[op.kind] for op in before])),
                ),
                expected=_(
                    "option A: a 2x2 max pool and channels of zeros; or option B: a 1x1 convolution of stride 2"
                ),
                why=_("What the skip does to the signal is undone by nothing: it should carry it on as it is."),
                line=next((op.line for op in before if op.line), block.addition.line),
            )


@check(
    "norm-once",
    after=("layers",),
    advice=True,
    hint="which BN is called twice in one forward pass?",
    more="What a layer gives can be kept in a variable, and used at two places.",
)
def test_no_norm_reads_the_same_twice(observed: Observations, homework: Homework) -> None:
    """no BN reads the same values twice"""
    for first, again in structure_of(observed, homework).norms_again:
        fail(
            saw=_("{layer} runs twice on the same input{lines}").format(
                layer=label(first), lines=lines_of(first, again)
            ),
            expected=_("one run of it, whose result is used twice"),
            why=_("Each run in train mode counts the same images into the running averages once more."),
            line=again.line,
        )


@check(
    "identity",
    after=("layers", "pre-activation", "skip"),
    hint="which operations lie between a block's input and the addition, on the side without convolutions?",
    more="Set the weights of a block's convolutions to zero by hand, and compare what comes out with what went"
    " in: what has changed it on its way?",
)
def test_a_block_of_zeros_is_the_identity(observed: Observations, homework: Homework) -> None:
    """a block whose convolutions are zero gives F(x) = x"""
    network = network_of(observed)
    if not network.zeroed:
        wait(_("a forward pass with zeroed convolutions"))
    structure = Structure(network.zeroed, network.outputs[2])
    for block in structure.blocks:
        if block.reshapes:
            continue
        shared = block.head.kind == "relu" and any(block.head.index in op.inputs for op in block.convs)
        if shared or not _passes_on(structure, block):
            what = [*([block.head] if shared else []), *block.skip]
            fail(
                saw=_("the block that ends in {layer} changes its input on the skip: {what}").format(
                    layer=label(block.convs[-1]), what=labels(what) or _("the sum is another")
                ),
                expected=_("exactly the input, where the shape stays the same"),
                why=_(
                    "That is the identity mapping of the homework's title: the signal passes every block untouched, "
                    "forward and backward."
                ),
                line=block.addition.line,
            )


# --- what the checks above are made of ---


def _skip_problem(structure: Structure, block: Block) -> str:
    """What keeps a skip that changes the shape from being option A or B; "" when nothing does."""
    kinds = Counter(op.kind for op in block.skip)
    convs = [op for op in block.skip if op.kind == "conv"]
    if not convs:
        grown = [op for op in block.skip if op.kind in ("pad", "cat")]
        shrunk = [op for op in block.skip if op.kind in ("maxpool", "avgpool", "slice")]
        copies = [op for op in grown if len([one for one in structure.inputs(op) if one.kind not in ("zeros",)]) > 1]
        other = set(kinds) - {"pad", "cat", "maxpool", "avgpool", "slice", "zeros", "constant", "bn", "relu"}
        if copies:
            return _("the skip fills the new channels with something other than zeros")
        if other or not grown or not shrunk:
            return _("the skip runs {what}").format(what=joined(sorted(other or kinds)) or _("nothing"))
        return ""
    if len(convs) > 1 or is_large(convs[0]):
        sized = [f"{label(op)} ({'x'.join(map(str, op.kernel))})" for op in convs]
        return _("the skip runs {what}").format(what=joined(sized))
    factor = block.head.shape[-1] // max(block.addition.shape[-1], 1)
    if convs[0].stride != [factor, factor]:
        text = _("the skip's 1x1 convolution has stride {stride}, and something else changes the size")
        return text.format(stride=convs[0].stride[0])
    if any(op.kind == "relu" and op.index > convs[0].index for op in block.skip):
        return _("the skip ends with a ReLU")
    other = set(kinds) - {"conv", "bn", "relu"}
    return _("the skip runs a convolution and {what}").format(what=joined(sorted(other))) if other else ""


def _passes_on(structure: Structure, block: Block) -> bool:
    """Whether the sum is exactly what the skip started from, by the values of the zeroed pass."""
    reached, pending = {block.addition.index}, [block.addition]
    while pending:
        for index in pending.pop().equals:
            if index not in reached:
                reached.add(index)
                pending.append(structure.ops[index])
    return block.head.index in reached


def _built(observed: Observations) -> list[Variant]:
    if not observed.variants:
        wait(_("a look at other counts"))
    return [variant for variant in observed.variants if variant.failure is None]


def _convs_at(observed: Observations, side: int) -> int:
    return sum(is_large(op) and op.shape[-1] == side for op in network_of(observed).graph)


def _blocks(observed: Observations, homework: Homework, variant: Variant) -> list[float]:
    """Blocks of each stage, from how many convolutions more or fewer than usual run at its map size."""
    blocks = []
    for stage, usual in zip(family_of(homework).stages, homework.arguments, strict=True):
        more = variant.convs.get(stage.side, 0) - _convs_at(observed, stage.side)
        blocks.append(usual + more / CONVS_OF_A_BLOCK)
    return blocks


def _at_wrong_stages(observed: Observations, homework: Homework) -> tuple[Variant, list[int]] | None:
    """A variant and those of its stages that have another stage's blocks; None where there is none."""
    for variant in _built(observed):
        blocks = _blocks(observed, homework, variant)
        stages = [
            number
            for number, (asked, found) in enumerate(zip(variant.arguments, blocks, strict=True))
            if found != asked and not _ignored(observed, homework, number)
        ]
        if stages:
            return variant, stages
    return None


def _ignored(observed: Observations, homework: Homework, number: int) -> bool:
    """Whether no variant changes the stage at all, though some ask for it."""
    usual = homework.arguments[number]
    built = _built(observed)
    asked = any(variant.arguments[number] != usual for variant in built)
    return asked and all(_blocks(observed, homework, variant)[number] == usual for variant in built)


def _map(homework: Homework, number: int) -> str:
    side = family_of(homework).stages[number].side
    return f"{side}x{side}"
