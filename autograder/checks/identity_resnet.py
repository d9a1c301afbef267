"""Checks of a pre-activation residual network in stages of basic blocks.

After "Identity Mappings in Deep Residual Networks" (arXiv 1603.05027): the trunk carries the sum on untouched, each
block adds BN, ReLU, convolution, BN, ReLU, convolution to it. The numbers come from the homework's declaration.
"""

from collections import Counter, defaultdict

from autograder.checks.ladder import Row, Rung, beside, expected_ladder, expected_parameters, observed_ladder
from autograder.checks.structure import Block, Structure, is_large
from autograder.checks.wording import check, fail, joined, said, wait
from autograder.homework import Homework
from autograder.observations import Network, Observations, Op, Variant

CONVS_OF_A_BLOCK = 2
AFTER_THE_ANSWER = ("flatten", "slice", "_log_softmax")  # what may follow the linear layer


def _network(observed: Observations) -> Network:
    if observed.network is None:
        wait("builds")
    return observed.network


def _structure(observed: Observations, homework: Homework) -> Structure:
    network = _network(observed)
    if not network.graph or network.outputs.get(2) != [2, homework.classes]:
        wait("output-shape")
    return Structure(network.graph, network.outputs[2])


@check(
    "arguments",
    after=("layers",),
    hint="build the network with four different counts and print it: which argument makes which stage longer?",
)
def test_each_count_is_for_its_own_stage(observed: Observations, homework: Homework) -> None:
    """each count sets the blocks of its own stage"""
    for variant in _built(observed):
        for number, (asked, blocks) in enumerate(
            zip(variant.arguments, _blocks(observed, homework, variant), strict=True)
        ):
            if blocks != asked and not _ignored(observed, homework, number):
                fail(
                    saw=f"{_call(homework, variant)} has {_amount(blocks)} blocks on maps of "
                    f"{_map(homework, number)} (stage {number + 1})",
                    expected=f"{asked} blocks there: the count number {number + 1} is for stage {number + 1}",
                    why=f"With {homework.arguments} all counts are alike, so counts at the wrong stage don't show.",
                    line=_network(observed).line,
                )


@check(
    "block-counts",
    after=("layers",),
    advice=True,
    hint="a loop over the count makes as many blocks as it says",
)
def test_other_counts_build_too(observed: Observations, homework: Homework) -> None:
    """other counts of blocks work too (optional)"""
    for variant in observed.variants:
        if variant.failure is not None:
            fail(
                saw=f"{_call(homework, variant)} ends in {said(variant.failure)}",
                expected="a network with that many blocks in each stage",
                why="Deeper and shallower networks of the same family are then one number away. Nothing depends on it.",
                line=variant.failure.line,
            )
    ignored = [number + 1 for number in range(len(homework.stages)) if _ignored(observed, homework, number)]
    if ignored:
        variant = _built(observed)[0]
        fail(
            saw=f"{_call(homework, variant)} has the blocks of {homework.network}{homework.arguments} in "
            f"stage {joined([str(number) for number in ignored])}",
            expected="as many blocks as the counts say",
            why="Deeper and shallower networks of the same family are then one number away. Nothing depends on it.",
            line=_network(observed).line,
        )


@check(
    "stage-shapes",
    after=("builds",),
    hint="print x.shape after every stage: channels double where the side of the map halves",
)
def test_every_stage_has_its_shape(observed: Observations, homework: Homework) -> None:
    """every stage has its channels and its map size"""
    structure = _structure(observed, homework)
    expected = [(stage.channels, stage.side) for stage in homework.stages]
    seen: list[tuple[int, int]] = []
    lines: list[int | None] = []
    for op in structure.trunk:
        if op.kind in ("conv", "add") and len(op.shape) == 4:
            shape = (op.shape[1], op.shape[3])
            if not seen or seen[-1] != shape:
                seen.append(shape)
                lines.append(op.line)
    if seen != expected:
        different = next((n for n, pair in enumerate(zip(seen, expected, strict=False)) if pair[0] != pair[1]), -1)
        fail(
            saw=_shapes(seen) or "no convolution on the way from the image to the answer",
            expected=_shapes(expected),
            why="Each stage after the first doubles the channels and halves the map, once.",
            line=lines[different] if lines else _network(observed).line,
        )


def layer_table(observed: Observations, homework: Homework) -> list[Row]:
    """Every conv, BN, pool and linear layer of one forward pass beside the homework's; [] when none was seen."""
    network = observed.network
    if network is None or not network.graph:
        return []
    structure = Structure(network.graph, network.outputs.get(2, []))
    return beside(expected_ladder(homework, _options(structure, homework)), observed_ladder(structure))


@check(
    "layers",
    after=("stage-shapes",),
    hint="`autograder check FILE --verbose` prints the table of layers, yours beside the homework's",
)
def test_the_layers_are_the_ones_asked_for(observed: Observations, homework: Homework) -> None:
    """every convolution, the pool and the linear layer are the ones asked for"""
    structure = _structure(observed, homework)
    for first, again in structure.repeats:
        fail(
            saw=f"{_label(first)} runs twice on the same input{_lines(first, again)}",
            expected="one run of it, whose result is used",
            why="The second run computes the same numbers again and costs as much as the first.",
            line=again.line,
        )
    # BN and what lies on skips are in the table too; other checks judge them.
    judged = [
        [rung for rung in ladder if rung.kind != "bn" and not rung.on_skip]
        for ladder in (expected_ladder(homework, _options(structure, homework)), observed_ladder(structure))
    ]
    rows = beside(*judged)
    wrong = [row for row in rows if not row.same]
    if wrong:
        row = wrong[0]
        further = f" (the first of {len(wrong)} differences)" if len(wrong) > 1 else ""
        fail(
            saw=f"{_named(row.theirs)}{further}" if row.theirs else f"no such layer{further}",
            expected=str(row.ours) if row.ours else "no further layer at this place",
            why=_why_of(row.ours or row.theirs),
            line=row.theirs.line if row.theirs else _network(observed).line,
        )
    linear = next((op.index for op in structure.trunk if op.kind == "linear"), structure.output.index)
    for op in structure.trunk:
        if op.index > linear and op.kind not in AFTER_THE_ANSWER:
            fail(
                saw=f"{op.kind.strip('_')} after the linear layer",
                expected="the linear layer's scores as the answer",
                why="The loss applies softmax itself, and needs scores of either sign.",
                line=op.line,
            )


@check(
    "parameters",
    after=("own-weights", "gradients", "layers", "pre-activation", "skip", "identity"),
    hint="print name and numel() of every parameter: which one has no place in the homework's figure?",
)
def test_the_parameters_add_up(observed: Observations, homework: Homework) -> None:
    """the parameters add up to what the layers need"""
    network, structure = _network(observed), _structure(observed, homework)
    rows = layer_table(observed, homework)
    expected = expected_parameters(rows)
    if network.parameters != expected:
        extra = [row.theirs for row in rows if row.ours is None and row.theirs is not None and row.theirs.kind == "bn"]
        extra = [rung for rung in extra if not rung.on_skip and not _is_last_norm(rung, structure)]
        others = [
            f"`{layer.name}` ({layer.class_name}, {layer.count:,})" for layer in network.layers if layer.kind == "other"
        ]
        names = [f"`{rung.name}` (BN, {2 * rung.channels_out:,})" for rung in extra if rung.name] + others
        beyond = f"; not among the homework's layers: {joined(names)}" if names else ""
        line = next((rung.line for rung in extra), None)
        fail(
            saw=f"{network.parameters:,} parameters, {_more(network.parameters - expected)}{beyond}",
            expected=f"{expected:,} parameters ({_choices(structure, homework)})",
            why="The count of parameters is the quickest sign that a network is the one in the figure.",
            line=line or network.line,
        )


@check(
    "own-weights",
    after=("builds",),
    hint="how many times is the layer's constructor called, and how many times the layer?",
)
def test_every_block_owns_its_weights(observed: Observations, homework: Homework) -> None:
    """every block owns its weights"""
    network = _network(observed)
    if not network.graph:
        wait("output-shape")
    structure = Structure(network.graph, network.outputs.get(2, []))
    uses: dict[str, list[Op]] = defaultdict(list)
    for op in structure.ops.values():
        if op.kind in ("conv", "bn", "linear") and op.layer is not None:
            uses[op.layer].append(op)
    shared = {name: ops for name, ops in uses.items() if len(ops) > 1}
    if shared:
        first = next(iter(shared.values()))
        names = [f"`{name}`" for name in shared]
        places = {op.index for op in first}
        inside = any(places <= {op.index for op in block.branch} for block in structure.blocks)
        fail(
            saw=f"{joined(names)}: one set of weights used at {len(first)} places{_lines(*first[:2])}, "
            f"{network.parameters:,} parameters in all",
            expected=f"a layer of its own at each place: {expected_parameters(layer_table(observed, homework)):,} "
            f"parameters ({_choices(structure, homework)})",
            why="A layer that a block calls twice has to serve both places with the same weights."
            if inside
            else "A layer is made when its constructor runs; a list that repeats it, or a second call, makes no other "
            "one, so both places train the same weights.",
            line=_created(network, next(iter(shared))) or first[1].line,
        )


@check(
    "pre-activation",
    after=("builds",),
    hint="write down the order of BN, ReLU, convolution and addition as forward runs them, beside the figure's",
)
def test_activation_comes_before_each_convolution(observed: Observations, homework: Homework) -> None:
    """BN and ReLU come before each convolution of a block, nothing after the addition"""
    structure = _structure(observed, homework)
    for op in _main_convs(structure)[1:]:
        before = structure.chain(op, 2)
        if [one.kind for one in before] != ["relu", "bn"]:
            fail(
                saw=f"{_label(op)} comes after {_label(before[1])} and {_label(before[0])}"
                if len(before) == 2
                else f"{_label(op)} comes first",
                expected="BN, then ReLU, then the convolution",
                why="In a pre-activation block each convolution reads normalised values that went through a ReLU.",
                line=op.line,
            )
    for block in structure.blocks:
        if block.branch_end.kind in ("bn", "relu"):
            fail(
                saw=f"{_label(block.branch_end)} stands between the last convolution of a block and its addition",
                expected="the convolution's result added to the skip as it is",
                why="In a pre-activation block BN and ReLU stand before the convolutions only.",
                line=block.branch_end.line,
            )
    on_skips = {op.index for block in structure.blocks for op in block.skip}
    for op in structure.ops.values():
        source = structure.source(op)
        if op.kind != "relu" or op.index not in structure.live or op.index in on_skips or source is None:
            continue
        readers = structure.readers(op)
        stray = op.index in structure.on_trunk and not any(reader.kind in ("conv", "avgpool") for reader in readers)
        if source.kind != "bn" or (stray and any(later.index > op.index for later in _main_convs(structure))):
            after = "an addition" if source.kind == "add" else _label(source)
            fail(
                saw=f"a ReLU after {after}, on the way that the skips share",
                expected="nothing between an addition and the next block",
                why="A ReLU there cuts the sum's negative values off, so a block can no longer pass its input on "
                "unchanged.",
                line=op.line,
            )


@check(
    "skip",
    after=("stage-shapes",),
    hint="compare one block with the figure of the two skip options: what goes around which two convolutions?",
)
def test_every_block_has_its_skip(observed: Observations, homework: Homework) -> None:
    """a skip goes around each block, by option A or B where the shape changes"""
    structure = _structure(observed, homework)
    convs = _main_convs(structure)[1:]
    dead = any(op.index not in structure.live for op in convs)
    within = {op.index for block in structure.blocks for op in block.convs}
    bare = [op for op in convs if op.index in structure.live and op.index not in within]
    for block in structure.blocks:
        count = sum(op.kind == "conv" for op in block.branch)
        if count < CONVS_OF_A_BLOCK and dead:
            wait("gradients")
        if count != CONVS_OF_A_BLOCK:
            fail(
                saw=f"a skip goes around {count} convolution{'s' if count != 1 else ''} ({_labels(block.convs)})",
                expected=f"one skip around each block of {CONVS_OF_A_BLOCK} convolutions",
                why="A block learns what to add to its input, so the addition belongs at the end of every block.",
                line=block.addition.line,
            )
    if bare:
        fail(
            saw=f"no skip goes around {_labels(bare)}",
            expected="an addition at the end of every block",
            why="Without its skip a block has to learn the whole mapping, not what to add to its input.",
            line=bare[0].line,
        )
    for block in structure.blocks:
        problem = _skip_problem(structure, block) if block.reshapes else ""
        if problem:
            fail(
                saw=f"from {_shape(block.head)} to {_shape(block.addition)} {problem}",
                expected="option A: a 2x2 max pool of stride 2, then channels of zeros; or option B: a 1x1 "
                "convolution of stride 2",
                why="The skip has to reach the new shape with as little of its own as possible.",
                line=next((op.line for op in block.skip if op.line), block.addition.line),
            )


@check(
    "identity",
    after=("layers", "pre-activation", "skip"),
    hint="which operations lie between a block's input and the addition, on the side without convolutions?",
)
def test_a_block_of_zeros_is_the_identity(observed: Observations, homework: Homework) -> None:
    """a block whose convolutions are zero gives F(x) = x"""
    network = _network(observed)
    if not network.zeroed:
        wait("a forward pass with zeroed convolutions")
    structure = Structure(network.zeroed, network.outputs[2])
    for block in structure.blocks:
        if block.reshapes:
            continue
        shared = block.head.kind == "relu" and any(block.head.index in op.inputs for op in block.convs)
        if shared or not _passes_on(structure, block):
            what = [*([block.head] if shared else []), *block.skip]
            fail(
                saw=f"the block that ends in {_label(block.convs[-1])} changes its input on the skip: "
                f"{joined([_label(op) for op in what]) or 'the sum is another'}",
                expected="exactly the input, where the shape stays the same",
                why="That is the identity mapping of the homework's title: the signal passes every block untouched, "
                "forward and backward.",
                line=block.addition.line,
            )


@check(
    "gradients",
    after=("builds",),
    hint="follow the name through forward: is it called, and is what it gives used afterwards?",
)
def test_every_parameter_gets_a_gradient(observed: Observations, homework: Homework) -> None:
    """every parameter gets a gradient"""
    network = _network(observed)
    if not network.graph:
        wait("output-shape")
    if network.gradient_failure is not None:
        failure = network.gradient_failure
        fail(
            saw=f"the backward pass ends in {said(failure)}",
            expected="one backward pass that reaches every parameter",
            why="Training changes only what a gradient reaches.",
            line=failure.line,
        )
    without = dict.fromkeys(name.rpartition(".")[0] or name for name in network.without_gradient)
    if not without:
        return
    structure = Structure(network.graph, network.outputs.get(2, []))
    called = {op.layer for op in network.graph}
    used = {op.layer for op in structure.ops.values() if op.index in structure.live}
    kinds = {
        "never called": [f"`{name}`" for name in without if name not in called],
        "called, but nothing uses the result": [f"`{name}`" for name in without if name in called - used],
        "used, but cut off from the gradient": [f"`{name}`" for name in without if name in used],
    }
    parts = [f"{joined(names)} {kind}" for kind, names in kinds.items() if names]
    fail(
        saw=f"no gradient for {len(network.without_gradient)} parameter tensors: {'; '.join(parts)}; "
        f"{network.parameters:,} parameters in all",
        expected="every parameter takes part in the answer",
        why="What gets no gradient stays as it was drawn at the start: the network trains without it.",
        line=_called_at(network, next(iter(without))) or _created(network, next(iter(without))) or network.line,
    )


# --- what the checks above are made of ---


def _main_convs(structure: Structure) -> list[Op]:
    """Convolutions larger than 1x1 that lie on no skip, in the order of execution: the first one is the stem."""
    on_skips = {op.index for block in structure.blocks for op in block.skip}
    return [op for op in structure.ops.values() if is_large(op) and op.index not in on_skips]


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
            return "the skip fills the new channels with something other than zeros"
        if other or not grown or not shrunk:
            return f"the skip runs {joined(sorted(other or kinds)) or 'nothing'}"
        return ""
    if len(convs) > 1 or is_large(convs[0]):
        return f"the skip runs {joined([_label(op) + ' (' + 'x'.join(map(str, op.kernel)) + ')' for op in convs])}"
    factor = block.head.shape[-1] // max(block.addition.shape[-1], 1)
    if convs[0].stride != [factor, factor]:
        return f"the skip's 1x1 convolution has stride {convs[0].stride[0]}, and something else changes the size"
    if any(op.kind == "relu" and op.index > convs[0].index for op in block.skip):
        return "the skip ends with a ReLU"
    other = set(kinds) - {"conv", "bn", "relu"}
    return f"the skip runs a convolution and {joined(sorted(other))}" if other else ""


def _options(structure: Structure, homework: Homework) -> list[str]:
    """The option of each stage after the first; "B" where there is no skip to look at."""
    options = []
    for stage in homework.stages[1:]:
        at = [block for block in structure.blocks if block.reshapes and block.addition.shape[1:2] == [stage.channels]]
        options.append("A" if at and not any(op.kind == "conv" for op in at[0].skip) else "B")
    return options


def _choices(structure: Structure, homework: Homework) -> str:
    """`option B, convolutions with biases`."""
    options = sorted(set(_options(structure, homework)))
    convs = [op for op in structure.ops.values() if op.kind == "conv"]
    biased = sum(op.bias for op in convs)
    biases = "with" if biased == len(convs) else "some with" if biased else "without"
    return f"option {joined(options)}, convolutions {biases} biases"


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
        wait("a look at other counts")
    return [variant for variant in observed.variants if variant.failure is None]


def _convs_at(observed: Observations, side: int) -> int:
    return sum(is_large(op) and op.shape[-1] == side for op in _network(observed).graph)


def _blocks(observed: Observations, homework: Homework, variant: Variant) -> list[float]:
    """Blocks of each stage, from how many convolutions more or fewer than usual run at its map size."""
    blocks = []
    for stage, usual in zip(homework.stages, homework.arguments, strict=True):
        more = variant.convs.get(stage.side, 0) - _convs_at(observed, stage.side)
        blocks.append(usual + more / CONVS_OF_A_BLOCK)
    return blocks


def _ignored(observed: Observations, homework: Homework, number: int) -> bool:
    """Whether no variant changes the stage at all, though some ask for it."""
    usual = homework.arguments[number]
    built = _built(observed)
    asked = any(variant.arguments[number] != usual for variant in built)
    return asked and all(_blocks(observed, homework, variant)[number] == usual for variant in built)


def _is_last_norm(rung: Rung, structure: Structure) -> bool:
    return any(
        op.layer == rung.name
        and op.index in structure.on_trunk
        and all(conv.index < op.index for conv in _main_convs(structure))
        for op in structure.ops.values()
    )


def _call(homework: Homework, variant: Variant) -> str:
    return f"{homework.network}({', '.join(map(str, variant.arguments))})"


def _amount(blocks: float) -> str:
    return f"{blocks:g}"


def _map(homework: Homework, number: int) -> str:
    side = homework.stages[number].side
    return f"{side}x{side}"


def _shapes(shapes: list[tuple[int, int]]) -> str:
    return ", ".join(f"{channels}x{side}x{side}" for channels, side in shapes)


def _shape(op: Op) -> str:
    return "x".join(map(str, op.shape[1:]))


def _label(op: Op) -> str:
    """`stage1.0.conv1`, or what it does and where."""
    if op.layer is not None:
        return f"`{op.layer}`"
    name = {"relu": "a ReLU", "add": "an addition", "input": "the image", "bn": "a BN"}.get(op.kind, op.kind.strip("_"))
    return f"{name} (line {op.line})" if op.line else name


def _labels(ops: list[Op]) -> str:
    return joined([_label(op) for op in ops])


def _lines(first: Op, second: Op) -> str:
    if first.line is None or second.line is None:
        return ""
    same = first.line == second.line
    return f" (line {first.line})" if same else f" (lines {first.line} and {second.line})"


def _named(rung: Rung) -> str:
    return f"`{rung.name}`: {rung}" if rung.name else str(rung)


def _why_of(rung: Rung | None) -> str:
    if rung is not None and rung.kind == "linear":
        return "The classifier reads one number a channel, after the pool, and gives one score a class."
    if rung is not None and rung.kind in ("avgpool", "maxpool"):
        return "The pool turns each channel's last map into one number, its mean."
    return (
        "Kernel, stride, padding and channels are the homework's; the first convolution of a stage changes the shape."
    )


def _more(difference: int) -> str:
    return f"{abs(difference):,} {'more' if difference > 0 else 'fewer'}"


def _created(network: Network, name: str) -> int | None:
    return next((layer.line for layer in network.layers if layer.name == name), None)


def _called_at(network: Network, name: str) -> int | None:
    return next((op.line for op in network.graph if op.layer == name), None)
