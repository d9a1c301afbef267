"""Checks of any residual network in stages: its shapes, its layers, its weights.

What a block is made of is checked by a module of its own for each kind of block. The numbers come from the homework's
declaration.
"""

from collections import defaultdict

from autograder.checks.network import shortcuts
from autograder.checks.network.data_flow import Structure
from autograder.checks.network.expected import (
    choices,
    expected_ladder,
    expected_parameters,
    expected_shapes,
    family_of,
    layer_table,
    skips,
)
from autograder.checks.network.layer_table import Rung, beside, first_wrong, named, observed_ladder
from autograder.checks.network.words import called_at, created, label, lines_of, main_convs, network_of, structure_of
from autograder.checks.wording import check, fail, joined, said, wait
from autograder.course.homework import Homework
from autograder.language import gettext as _
from autograder.observations import Network, Observations, Op

AFTER_THE_ANSWER = ("flatten", "slice", "_log_softmax")  # what may follow the linear layer


@check(
    "stage-shapes",
    after=("builds",),
    hint="print x.shape after every stage: where do the channels change, and where the side of the map?",
    more="A stride of 2 halves the side. Which convolution of which block has it, and which is the first with "
    "the new number of channels?",
)
def test_every_stage_has_its_shape(observed: Observations, homework: Homework) -> None:
    """every stage has its channels and its map size"""
    structure = structure_of(observed, homework)
    family = family_of(homework)
    if _other_stem(structure, homework) is not None:
        wait("layers")
    if family.block.bottleneck and shortcuts.complaint(structure) is not None:
        wait("gradients" if network_of(observed).without_gradient else "skip")
    expected = expected_shapes(homework)
    seen, lines = _seen_shapes(structure)
    if seen != expected:
        different = next((n for n, pair in enumerate(zip(seen, expected, strict=False)) if pair[0] != pair[1]), -1)
        fail(
            saw=_shapes(seen) or _("no convolution on the way from the image to the answer"),
            expected=_shapes(expected),
            why=_(family.block.why_shapes),
            line=lines[different] if lines else network_of(observed).line,
        )


@check(
    "layers",
    after=("builds", "downsampling"),
    hint="`autograder check FILE --verbose` prints the table of layers, yours beside the homework's",
    more="Take the first row that differs, and only that. Kernel, stride, padding and channels are arguments "
    "of one constructor.",
)
def test_the_layers_are_the_ones_asked_for(observed: Observations, homework: Homework) -> None:
    """every convolution, the pool and the linear layer are the ones asked for"""
    structure = structure_of(observed, homework)
    stem = _other_stem(structure, homework)
    if stem is not None:
        asked = expected_ladder(homework, skips(structure, homework))[0]
        fail(
            saw=named(stem),
            expected=str(asked),
            why=_("With another padding the maps have another size from the first layer on."),
            line=created(network_of(observed), stem.name or "") or stem.line,
        )
    if _seen_shapes(structure)[0] != expected_shapes(homework):
        wait("stage-shapes")
    for first, again in structure.repeats:
        fail(
            saw=_("{layer} runs twice on the same input{lines}").format(
                layer=label(first), lines=lines_of(first, again)
            ),
            expected=_("one run of it, whose result is used"),
            why=_("The second run computes the same numbers again and costs as much as the first."),
            line=again.line,
        )
    # BN and what lies on skips are in the table too; other checks judge them.
    judged = [
        [rung for rung in ladder if rung.kind != "bn" and not rung.on_skip]
        for ladder in (expected_ladder(homework, skips(structure, homework)), observed_ladder(structure))
    ]
    rows = beside(*judged)
    wrong = [row for row in rows if not row.same]
    if wrong:
        row = first_wrong(rows)
        saw = named(row.theirs) if row.theirs else _("no such layer")
        if len(wrong) > 1:
            saw = _("{saw} (the first of {count} differences)").format(saw=saw, count=len(wrong))
        fail(
            saw=saw,
            expected=str(row.ours) if row.ours else _("no further layer at this place"),
            why=_why_of(row.ours or row.theirs),
            line=row.theirs.line if row.theirs else network_of(observed).line,
        )
    linear = next((op.index for op in structure.trunk if op.kind == "linear"), structure.output.index)
    for op in structure.trunk:
        if op.index > linear and op.kind not in AFTER_THE_ANSWER:
            fail(
                saw=_("{operation} after the linear layer").format(operation=op.kind.strip("_")),
                expected=_("the linear layer's scores as the answer"),
                why=_("The loss applies softmax itself, and needs scores of either sign."),
                line=op.line,
            )


@check(
    "parameters",
    after=(
        *("own-weights", "gradients", "layers", "skip"),
        *("pre-activation", "identity", "post-activation", "conv-norm-relu"),
    ),
    hint="print name and numel() of every parameter: which one has no place in the homework's figure?",
    more="A 3x3 convolution from a to b channels has 9ab weights, and b more where it has biases; a BN has two a "
    "channel. Which layer doesn't come out at that?",
)
def test_the_parameters_add_up(observed: Observations, homework: Homework) -> None:
    """the parameters add up to what the layers need"""
    network, structure = network_of(observed), structure_of(observed, homework)
    rows = layer_table(observed, homework)
    expected = expected_parameters(rows, homework)
    if network.parameters != expected:
        extra = [row.theirs for row in rows if row.ours is None and row.theirs is not None and row.theirs.kind == "bn"]
        extra = [rung for rung in extra if not rung.on_skip and not _is_last_norm(rung, structure)]
        itself = _("the network itself")
        others = [
            f"{f'`{layer.name}`' if layer.name else itself} ({layer.class_name}, {layer.count:,})"
            for layer in network.layers
            if layer.kind == "other"
        ]
        names = [f"`{rung.name}` (BN, {2 * rung.channels_out:,})" for rung in extra if rung.name] + others
        biased = [row.theirs for row in rows if row.ours and row.theirs and row.theirs.bias and row.ours.bias is False]
        names += [
            _("the bias of `{layer}` ({count:,})").format(layer=rung.name, count=rung.channels_out) for rung in biased
        ]
        bare = [row.theirs for row in rows if row.ours and row.theirs and row.ours.bias and row.theirs.bias is False]
        saw = [counted(network.parameters, network.parameters - expected)]
        if names:
            saw.append(_("not among the homework's layers: {layers}").format(layers=joined(names)))
        if bare:
            saw.append(_("no bias in {layers}").format(layers=joined([f"`{rung.name}`" for rung in bare])))
        made = [created(network, rung.name) for rung in [*biased, *bare] if rung.name]
        line = next((line for line in [*(rung.line for rung in extra), *made] if line), None)
        fail(
            saw="; ".join(saw),
            expected=_("{count:,} parameters{choices}").format(count=expected, choices=choices(structure, homework)),
            why=_("The count of parameters is the quickest sign that a network is the one in the figure."),
            line=line or network.line,
        )


@check(
    "own-weights",
    after=("builds",),
    hint="how many times is the layer's constructor called, and how many times the layer?",
    more="Print id() of every block of a stage. A list of n times the same thing, and one layer that is called"
    " twice, are both one set of weights.",
)
def test_every_block_owns_its_weights(observed: Observations, homework: Homework) -> None:
    """every block owns its weights"""
    network = network_of(observed)
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
        places = {op.index for op in first}
        inside = any(places <= {op.index for op in block.branch} for block in structure.blocks)
        expected = expected_parameters(layer_table(observed, homework), homework)
        fail(
            saw=_("one set of weights at several places: {layers}{lines}; {parameters:,} parameters in all").format(
                layers=_at_places(shared), lines=lines_of(*first[:2]), parameters=network.parameters
            ),
            expected=_("a layer of its own at each place: {count:,} parameters{choices}").format(
                count=expected, choices=choices(structure, homework)
            ),
            why=_("A layer that a block calls twice has to serve both places with the same weights.")
            if inside
            else _(
                "A layer is made when its constructor runs; a list that repeats it, or a second call, makes no other "
                "one, so both places train the same weights."
            ),
            line=_repeated(network, next(iter(shared))) or created(network, next(iter(shared))) or first[1].line,
        )


@check(
    "gradients",
    after=("builds",),
    hint="follow the name through forward: is it called, and is what it gives used afterwards?",
    more="There are two ways to get there: a layer that is made and never called, and a result that nothing "
    "uses afterwards. Search the class for the name.",
)
def test_every_parameter_gets_a_gradient(observed: Observations, homework: Homework) -> None:
    """every parameter gets a gradient"""
    network = network_of(observed)
    if not network.graph:
        wait("output-shape")
    if network.gradient_failure is not None:
        failure = network.gradient_failure
        in_place = "inplace operation" in failure.message
        fail(
            saw=_("the backward pass ends in {error}").format(error=said(failure)),
            expected=_("one backward pass that reaches every parameter"),
            why=_("A value that the backward pass needs, such as what a ReLU gave, was written over in place (`+=`).")
            if in_place
            else _("Training changes only what a gradient reaches."),
            line=failure.line,
        )
    without = dict.fromkeys(name.rpartition(".")[0] or name for name in network.without_gradient)
    if not without:
        return
    structure = Structure(network.graph, network.outputs.get(2, []))
    called = {op.layer for op in network.graph}
    used = {op.layer for op in structure.ops.values() if op.index in structure.live}
    kinds = {
        _("{layers} never called"): [f"`{name}`" for name in without if name not in called],
        _("{layers} called, but nothing uses the result"): [f"`{name}`" for name in without if name in called - used],
        _("{layers} used, but cut off from the gradient"): [f"`{name}`" for name in without if name in used],
    }
    parts = [text.format(layers=joined(names)) for text, names in kinds.items() if names]
    fail(
        saw=_("no gradient for {count} parameter tensors: {layers}; {parameters:,} parameters in all").format(
            count=len(network.without_gradient), layers="; ".join(parts), parameters=network.parameters
        ),
        expected=_("every parameter takes part in the answer"),
        why=_("What gets no gradient stays as it was drawn at the start: the network trains without it."),
        line=called_at(network, next(iter(without))) or created(network, next(iter(without))) or network.line,
    )


# --- what the checks above are made of ---


def _seen_shapes(structure: Structure) -> tuple[list[tuple[int, int]], list[int | None]]:
    """(channels, side of the map) of what the trunk carries, each change once, and the lines of these."""
    seen: list[tuple[int, int]] = []
    lines: list[int | None] = []
    for op in structure.trunk:
        if op.kind in ("conv", "add") and len(op.shape) == 4:
            shape = (op.shape[1], op.shape[3])
            if not seen or seen[-1] != shape:
                seen.append(shape)
                lines.append(op.line)
    return seen, lines


def _other_stem(structure: Structure, homework: Homework) -> Rung | None:
    """The first convolution, where only its padding differs from the homework's; else None."""
    theirs = next((rung for rung in observed_ladder(structure) if rung.kind == "conv"), None)
    asked = next(rung for rung in expected_ladder(homework, skips(structure, homework)) if rung.kind == "conv")
    if theirs is None or theirs.padding == asked.padding or theirs.channels_in != asked.channels_in:
        return None
    return theirs if (theirs.kernel, theirs.stride) == (asked.kernel, asked.stride) else None


def _at_places(shared: dict[str, list[Op]]) -> str:
    """`a`, `b` (4 places) and `c` (2 places)."""
    by_count: dict[int, list[str]] = defaultdict(list)
    for name, ops in shared.items():
        by_count[len(ops)].append(f"`{name}`")
    text = _("{layers} ({count} places)")
    return joined([text.format(layers=joined(names), count=count) for count, names in by_count.items()])


def _repeated(network: Network, name: str) -> int | None:
    """The line that created what stands at several places, the layer or a module that it lies in."""
    return next((layer.repeated for layer in network.layers if layer.name == name), None)


def _is_last_norm(rung: Rung, structure: Structure) -> bool:
    return any(
        op.layer == rung.name
        and op.index in structure.on_trunk
        and all(conv.index < op.index for conv in main_convs(structure))
        for op in structure.ops.values()
    )


def _shapes(shapes: list[tuple[int, int]]) -> str:
    return ", ".join(f"{channels}x{side}x{side}" for channels, side in shapes)


def _why_of(rung: Rung | None) -> str:
    if rung is not None and rung.kind == "linear":
        return _("The classifier reads one number a channel, after the pool, and gives one score a class.")
    if rung is not None and rung.kind == "avgpool":
        return _("The pool turns each channel's last map into one number, its mean.")
    if rung is not None and rung.kind == "maxpool":
        return _("A max pool keeps the largest value of each place; kernel, stride and padding are the homework's.")
    return _("Kernel, stride, padding and channels are the homework's, and every layer has its own in the figure.")


def counted(parameters: int, difference: int) -> str:
    if difference > 0:
        text = _("{parameters:,} parameters, {difference:,} more")
    else:
        text = _("{parameters:,} parameters, {difference:,} fewer")
    return text.format(parameters=parameters, difference=abs(difference))
