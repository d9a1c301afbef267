"""Checks of a post-activation residual network in stages of basic blocks.

After "Deep Residual Learning for Image Recognition" (arXiv 1512.03385): BN follows each convolution, a ReLU follows the
sum, and a shortcut of its own stands only where the shape changes. Initial weights are after "Delving Deep into
Rectifiers" (arXiv 1502.01852).
"""

import math

from autograder.checks.expected import expected_ladder
from autograder.checks.reading import expect_next, label, labels, main_convs, network_of, shape_of, structure_of
from autograder.checks.structure import Block, Structure, is_large
from autograder.checks.wording import check, fail, joined, said, wait
from autograder.homework import Homework
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
        expect_next(structure, conv, "bn", "its BN", "BN keeps the values of a layer near 0 and 1, whatever comes in.")
        norm = structure.readers(conv)[0]
        if place and conv.index not in within and [op.kind for op in structure.readers(norm)] == ["add"]:
            wait("skip")  # what is added there is no shortcut
        if conv.index in last:
            expect_next(
                structure,
                norm,
                "add",
                "the addition",
                "The branch may then add values of either sign; a ReLU before the sum could only ever add.",
            )
        else:
            expect_next(structure, norm, "relu", "a ReLU", "Without a ReLU between them, two convolutions are but one.")
    for block in structure.blocks:
        expect_next(
            structure,
            block.addition,
            "relu",
            "a ReLU",
            "In a post-activation block the ReLU that ends the block comes after the sum.",
        )


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
            fail(
                saw=f"a shortcut goes around {count} convolution{'s' if count != 1 else ''} ({labels(block.convs)})",
                expected=f"one shortcut around each block of {CONVS_OF_A_BLOCK} convolutions",
                why="A block learns what to add to its input, so the addition belongs at the end of every block.",
                line=block.addition.line,
            )
    within = {op.index for block in structure.blocks for op in block.convs}
    bare = [op for op in convs if op.index not in within]
    if bare:
        fail(
            saw=f"no shortcut goes around {labels(bare)}",
            expected="an addition at the end of every block",
            why="Without its shortcut a block has to learn the whole mapping, not what to add to its input.",
            line=bare[0].line,
        )
    for block in structure.blocks:
        if not block.reshapes and block.skip:
            fail(
                saw=f"the shortcut around {labels(block.convs)} runs {labels(list(block.skip))}, and the shape stays "
                f"{shape_of(block.head)}",
                expected="the block's input as it is, where the shape stays the same",
                why="The sum then passes the input on unchanged, and no parameters are spent on it.",
                line=block.skip[0].line or block.addition.line,
            )
        problem = _shortcut_problem(block) if block.reshapes else ""
        if problem:
            fail(
                saw=f"from {shape_of(block.head)} to {shape_of(block.addition)} {problem}",
                expected="a 1x1 convolution of stride 2, then BN",
                why="The shortcut has to reach the new shape, and BN brings it to the scale of what it is added to.",
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
        fan_out, _ = _fans(layer)
        further = f" (the first of {len(found)} convolutions)" if len(found) > 1 else ""
        fail(
            saw=f"in a fresh {homework.call} the weights of `{layer.name}` {problem}{further}",
            expected=f"normal values around 0 with standard deviation sqrt(2 / fan_out) = sqrt(2 / {fan_out:,}) = "
            f"{math.sqrt(2 / fan_out):.4f}",
            why="With that spread a gradient keeps its size on the way back through convolution and ReLU, however "
            "many layers there are.",
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
                mean = "no finite number" if values.mean is None else f"{values.mean:.4g} on average"
                fail(
                    saw=f"{name} of `{layer.name}`: {mean}",
                    expected=f"{asked} everywhere",
                    why="BN then starts as nothing but a normalisation, and learns from there.",
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
    why = "The same network then serves other datasets. Nothing depends on it."
    for variant in observed.variants:
        (classes,) = variant.arguments
        call = homework.call_with(variant.arguments)
        if variant.failure is not None:
            fail(
                saw=f"{call} ends in {said(variant.failure)}",
                expected=f"a network for {classes} classes",
                why=why,
                line=variant.failure.line,
            )
        asked = network.parameters + (classes - homework.classes) * (features + 1)
        if variant.parameters != asked:
            fail(
                saw=f"{call} has {variant.parameters:,} parameters",
                expected=f"{asked:,}: its linear layer gives {classes} scores",
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
        return f"the shortcut runs {joined(list(dict.fromkeys(ran))) or 'nothing'}"
    factor = block.head.shape[-1] // max(block.addition.shape[-1], 1)
    if convs[0].stride != [factor, factor]:
        return f"the shortcut's 1x1 convolution has stride {convs[0].stride[0]}, and something else changes the size"
    if "bn" not in kinds:
        return "the shortcut has no BN"
    if kinds != ["conv", "bn"]:
        return f"the shortcut runs {labels(list(block.skip))}"
    return ""


def _weight_problem(layer: Layer) -> str:
    """What a convolution's weights are, if not Kaiming normal by fan_out; "" when they may be."""
    values, count = layer.values["weight"], math.prod(layer.parameters["weight"])
    fan_out, fan_in = _fans(layer)
    if values.mean is None or values.deviation is None or values.largest is None:
        return "are no finite numbers"
    mean, deviation, largest = values.mean, values.deviation, values.largest
    if deviation <= ROUNDING * largest or not largest:
        return f"are all {mean:.4g}"
    within = SIGMAS / math.sqrt(2 * count)
    uniform = largest < NORMAL_REACH * deviation
    # The largest of n uniform numbers falls short of their end by 1 / n of it, and by ten times that once in 20,000.
    if uniform and math.isclose(largest, 1 / math.sqrt(fan_in), rel_tol=10 / count):
        return f"are as PyTorch makes them: uniform, up to {largest:.4f}"
    if abs(deviation / math.sqrt(2 / fan_out) - 1) > within:
        alike = abs(deviation / math.sqrt(2 / fan_in) - 1) <= within
        return f"have standard deviation {deviation:.4f}" + alike * f", that of fan_in = {fan_in:,}"
    if uniform:
        return f"end at {largest:.4f}, as uniform ones do"
    if abs(mean) > SIGMAS * deviation / math.sqrt(count):
        return f"are around {mean:.4f}"
    return ""


def _fans(layer: Layer) -> tuple[int, int]:
    """(fan_out, fan_in): outputs and inputs of a convolution, each times the size of its kernel."""
    shape = layer.parameters["weight"]
    return shape[0] * math.prod(shape[2:]), math.prod(shape[1:])


def _layers(observed: Observations, kind: str) -> list[Layer]:
    layers = [layer for layer in network_of(observed).layers if layer.kind == kind and "weight" in layer.values]
    if not layers:
        wait("a look at fresh weights")
    return layers


def _is_all(values: Values, number: float) -> bool:
    return values.mean == number and values.deviation == 0
