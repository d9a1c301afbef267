"""Checks of a post-activation residual network in stages of basic blocks.

After "Deep Residual Learning for Image Recognition" (arXiv 1512.03385): BN follows each convolution, a ReLU follows the
sum, and a shortcut of its own stands only where the shape changes. Initial weights are after "Delving Deep into
Rectifiers" (arXiv 1502.01852).
"""

import math

from autograder.checks.network.data_flow import Block, Structure, is_large
from autograder.checks.network.expected import expected_ladder
from autograder.checks.network.words import (
    between_shapes,
    expect_next,
    label,
    labels,
    main_convs,
    network_of,
    shape_of,
    structure_of,
)
from autograder.checks.wording import check, fail, joined, said, wait
from autograder.course.homework import Homework
from autograder.language import gettext as _
from autograder.language import ngettext
from autograder.observations import Layer, Observations, Op, Values

CONVS_OF_A_BLOCK = 2
SIGMAS = 5.0
"""How far an estimate may be off, in its own standard deviations: a right file is beyond it once in 1.7 million. Of n
normal values, the mean's is s / sqrt(n) and that of the standard deviation s / sqrt(2 n)."""
NORMAL_REACH = 2.0
"""The largest of 400 or more normal values is over 2 standard deviations but once in 10^8; uniform ones end at 1.73."""
ROUNDING = 1e-6
"""How far apart equal float32 values may seem, as a part of their size."""


@check(
    "post-activation",
    after=("builds",),
    hint="write down the order of convolution, BN, addition and ReLU as forward runs them, beside the figure's",
    more="Print what goes into the addition, and what comes out of the block: in a block of this kind, only "
    "one of the two can have negative values.",
)
def test_norm_and_activation_come_after_each_convolution(observed: Observations, homework: Homework) -> None:
    """BN comes after each convolution, ReLU after the first BN of a block and after the addition"""
    structure = structure_of(observed, homework)
    last = {block.convs[-1].index for block in structure.blocks if block.convs}
    within = {op.index for block in structure.blocks for op in block.convs}
    ops = structure.ops.values()
    for place, conv in enumerate(main_convs(structure)):
        if conv.index not in structure.live:
            continue
        if any(op.kind == "bn" and conv.index in op.inputs and _is_lost(observed, structure, op) for op in ops):
            wait("gradients")
        why = _("BN keeps the values of a layer near 0 and 1, whatever comes in.")
        expect_next(structure, conv, "bn", _("its BN"), why)
        norm = structure.readers(conv)[0]
        if place and conv.index not in within and [op.kind for op in structure.readers(norm)] == ["add"]:
            wait("skip")  # what is added there is no shortcut
        if conv.index in last:
            why = _("The branch may then add values of either sign; a ReLU before the sum could only ever add.")
            expect_next(structure, norm, "add", _("the addition"), why)
        else:
            why = _("Without a ReLU between them, two convolutions are but one.")
            expect_next(structure, norm, "relu", _("a ReLU"), why)
    for block in structure.blocks:
        why = _("In a post-activation block the ReLU that ends the block comes after the sum.")
        expect_next(structure, block.addition, "relu", _("a ReLU"), why)


@check(
    "skip",
    after=("stage-shapes",),
    hint="compare a block that keeps its shape with one that changes it: what does the figure draw on each shortcut?",
    more="Print the shapes of the two summands of each block. Where they are equal the shortcut needs no "
    "layer; where they aren't, which layer changes channels and sides at once?",
)
def test_every_block_has_its_shortcut(observed: Observations, homework: Homework) -> None:
    """a shortcut goes around each block: a 1x1 convolution with BN where the shape changes, nothing elsewhere"""
    structure = structure_of(observed, homework)
    convs = main_convs(structure)[1:]
    if any(_is_lost(observed, structure, op) for op in convs):
        wait("gradients")
    convs = [op for op in convs if op.index in structure.live]
    for block in structure.blocks:
        count = len(block.convs)
        if count != CONVS_OF_A_BLOCK:
            saw = ngettext(
                "a shortcut goes around {count} convolution ({layers})",
                "a shortcut goes around {count} convolutions ({layers})",
                count,
            )
            fail(
                saw=saw.format(count=count, layers=labels(block.convs)),
                expected=_("one shortcut around each block of {count} convolutions").format(count=CONVS_OF_A_BLOCK),
                why=_("A block learns what to add to its input, so the addition belongs at the end of every block."),
                line=block.addition.line,
            )
    within = {op.index for block in structure.blocks for op in block.convs}
    bare = [op for op in convs if op.index not in within]
    if bare:
        fail(
            saw=_("no shortcut goes around {layers}").format(layers=labels(bare)),
            expected=_("an addition at the end of every block"),
            why=_("Without its shortcut a block has to learn the whole mapping, not what to add to its input."),
            line=bare[0].line,
        )
    for block in structure.blocks:
        if not block.reshapes and block.skip:
            fail(
                saw=_("the shortcut around {layers} runs {what}, and the shape stays {shape}").format(
                    layers=labels(block.convs), what=labels(list(block.skip)), shape=shape_of(block.head)
                ),
                expected=_("the block's input as it is, where the shape stays the same"),
                why=_("The sum then passes the input on unchanged, and no parameters are spent on it."),
                line=block.skip[0].line or block.addition.line,
            )
        problem = _shortcut_problem(block) if block.reshapes else ""
        if problem:
            fail(
                saw=between_shapes(block, problem),
                expected=_("a 1x1 convolution of stride 2, then BN"),
                why=_("The shortcut has to reach the new shape, and BN brings it to the scale of what it is added to."),
                line=next((op.line for op in block.skip if op.line), block.addition.line),
            )


@check(
    "initial-weights",
    after=("layers", "skip", "post-activation"),
    hint="print the standard deviation of each convolution's weight in a fresh network, beside sqrt(2 / fan_out)",
    more="torch.nn.init has a function for this distribution: which of its arguments chooses what stands under"
    " the 2? Is it called on every convolution, those on shortcuts too?",
)
def test_convolutions_start_from_kaiming_normal_weights(observed: Observations, homework: Homework) -> None:
    """every convolution starts from Kaiming normal weights by fan_out"""
    found = [(layer, problem) for layer in _layers(observed, "conv") if (problem := _weight_problem(layer))]
    if found:
        layer, problem = found[0]
        fan_out = _fans(layer)[0]
        # Translators: {problem} says what is wrong with the weights, such as "are all 0" or "end at 0.0312, ...".
        saw = _("in a fresh {call} the weights of `{layer}` {problem}").format(
            call=homework.call, layer=layer.name, problem=problem
        )
        if len(found) > 1:
            saw = _("{saw} (the first of {count} convolutions)").format(saw=saw, count=len(found))
        fail(
            saw=saw,
            expected=_(
                "normal values around 0 with standard deviation sqrt(2 / fan_out) = sqrt(2 / {fan_out:,}) = "
                "{deviation:.4f}"
            ).format(fan_out=fan_out, deviation=math.sqrt(2 / fan_out)),
            why=_(
                "With that spread a gradient keeps its size on the way back through convolution and ReLU, however "
                "many layers there are."
            ),
            line=layer.line,
        )


@check(
    "initial-norms",
    after=("layers", "skip", "post-activation"),
    hint="print weight and bias of each BN in a fresh network",
    more="Which lines write to a BN's parameters after it was made? A loop over modules() meets convolutions, "
    "BNs and linear layers alike.",
)
def test_norms_start_from_one_and_zero(observed: Observations, homework: Homework) -> None:
    """every BN starts with weight 1 and bias 0"""
    for layer in _layers(observed, "bn"):
        for name, asked in (("weight", 1), ("bias", 0)):
            values = layer.values.get(name)
            if values is not None and not _is_all(values, asked):
                if values.mean is None:
                    saw = _("{name} of `{layer}`: no finite number").format(name=name, layer=layer.name)
                else:
                    saw = _("{name} of `{layer}`: {mean:.4g} on average").format(
                        name=name, layer=layer.name, mean=values.mean
                    )
                fail(
                    saw=saw,
                    expected=_("{value} everywhere").format(value=asked),
                    why=_("BN then starts as nothing but a normalisation, and learns from there."),
                    line=layer.line,
                )


@check(
    "class-count",
    after=("parameters",),
    advice=True,
    hint="where does the number of classes stand in the linear layer?",
    more="The constructor has an argument for it. Is there a number in the class that should be that argument?",
)
def test_other_numbers_of_classes_work_too(observed: Observations, homework: Homework) -> None:
    """other numbers of classes work too (optional)"""
    network = network_of(observed)
    features = expected_ladder(homework)[-1].channels_in
    why = _("The same network then serves other datasets. Nothing depends on it.")
    for variant in observed.variants:
        (classes,) = variant.arguments
        call = homework.call_with(variant.arguments)
        if variant.failure is not None:
            fail(
                saw=_("{call} ends in {error}").format(call=call, error=said(variant.failure)),
                expected=_("a network for {classes} classes").format(classes=classes),
                why=why,
                line=variant.failure.line,
            )
        asked = network.parameters + (classes - homework.classes) * (features + 1)
        if variant.parameters != asked:
            fail(
                saw=_("{call} has {count:,} parameters").format(call=call, count=variant.parameters),
                expected=_("{count:,}: its linear layer gives {classes} scores").format(count=asked, classes=classes),
                why=why,
                line=network.line,
            )


# --- what the checks above are made of ---


def _is_lost(observed: Observations, structure: Structure, op: Op) -> bool:
    """Whether nothing uses what `op` gives, and its layer gets no gradient: `gradients` is about that."""
    without = {name.rpartition(".")[0] for name in network_of(observed).without_gradient}
    return op.index not in structure.live and op.layer in without


def _shortcut_problem(block: Block) -> str:
    """What keeps a shortcut that changes the shape from being a 1x1 convolution with BN; "" when nothing does."""
    kinds = [op.kind for op in block.skip]
    convs = [op for op in block.skip if op.kind == "conv"]
    if len(convs) != 1 or is_large(convs[0]):
        ran = [
            f"{label(op)} ({'x'.join(map(str, op.kernel))})" if op.kind == "conv" else label(op) for op in block.skip
        ]
        return _("the shortcut runs {what}").format(what=joined(list(dict.fromkeys(ran))) or _("nothing"))
    factor = block.head.shape[-1] // max(block.addition.shape[-1], 1)
    if convs[0].stride != [factor, factor]:
        text = _("the shortcut's 1x1 convolution has stride {stride}, and something else changes the size")
        return text.format(stride=convs[0].stride[0])
    if "bn" not in kinds:
        return _("the shortcut has no BN")
    if kinds != ["conv", "bn"]:
        return _("the shortcut runs {what}").format(what=labels(list(block.skip)))
    return ""


def _weight_problem(layer: Layer) -> str:
    """What a convolution's weights are, if not Kaiming normal by fan_out; "" when they may be."""
    values, count = layer.values["weight"], math.prod(layer.parameters["weight"])
    fan_out, fan_in = _fans(layer)
    if values.mean is None or values.deviation is None or values.largest is None:
        return _("are no finite numbers")
    mean, deviation, largest = values.mean, values.deviation, values.largest
    if deviation <= ROUNDING * largest or not largest:
        return _("are all {value:.4g}").format(value=mean)
    within = SIGMAS / math.sqrt(2 * count)
    uniform = largest < NORMAL_REACH * deviation
    # The largest of n uniform numbers falls short of their end by 1 / n of it, and by ten times that once in 20,000.
    if uniform and math.isclose(largest, 1 / math.sqrt(fan_in), rel_tol=10 / count):
        return _("are as PyTorch makes them: uniform, up to {largest:.4f}").format(largest=largest)
    if abs(deviation / math.sqrt(2 / fan_out) - 1) > within:
        if abs(deviation / math.sqrt(2 / fan_in) - 1) <= within:
            text = _("have standard deviation {deviation:.4f}, that of fan_in = {fan_in:,}")
            return text.format(deviation=deviation, fan_in=fan_in)
        return _("have standard deviation {deviation:.4f}").format(deviation=deviation)
    if uniform:
        return _("end at {largest:.4f}, as uniform ones do").format(largest=largest)
    if abs(mean) > SIGMAS * deviation / math.sqrt(count):
        return _("are around {mean:.4f}").format(mean=mean)
    return ""


def _fans(layer: Layer) -> tuple[int, int]:
    """(fan_out, fan_in): outputs and inputs of a convolution, each times the size of its kernel."""
    shape = layer.parameters["weight"]
    return shape[0] * math.prod(shape[2:]), math.prod(shape[1:])


def _layers(observed: Observations, kind: str) -> list[Layer]:
    layers = [layer for layer in network_of(observed).layers if layer.kind == kind and "weight" in layer.values]
    if not layers:
        wait(_("a look at fresh weights"))
    return layers


def _is_all(values: Values, number: float) -> bool:
    return values.mean == number and values.deviation == 0
