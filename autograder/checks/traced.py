"""Checks that compare any network with the course's solution: its layers, their order, its weights, its answers.

The solution's network was observed and recorded (`course/families/traced.py`). Names, a bias or none, and the order of
branches that don't depend on each other are the student's choice.
"""

from collections import Counter, defaultdict

from autograder.checks import residual
from autograder.checks.network import beside_solution
from autograder.checks.network.layer_table import Rung, first_wrong, named
from autograder.checks.network.words import created, label, labels, lines_of, network_of, structure_of
from autograder.checks.wording import check, fail, joined
from autograder.course.homework import Homework
from autograder.language import gettext as _
from autograder.language import marked
from autograder.observations import Network, Observations, Op

OWNED = ("conv", "conv_transpose", "linear", "bn")

HINTS = {
    "conv": marked(
        "a convolution's constructor takes channels in, channels out, kernel, stride, padding: in which order?"
    ),
    "conv_transpose": marked(
        "how large does a transposed convolution make a map, with its kernel, stride and padding?"
    ),
    "linear": marked("print x.shape right before the linear layer: how many numbers has each input by then?"),
    "bn": marked("batch norm is made with the channels of what it gets: how many are that here?"),
    "maxpool": marked("print x.shape before and after the pool: which side should come out?"),
    "avgpool": marked("print x.shape before and after the pool: which side should come out?"),
    "relu": marked("after which layers of the handout's table does the ReLU stand?"),
}
"""First hints, by the kind of the first operation that differs."""

WHY = {
    "conv": marked("Kernel, stride, padding and channels decide what the layers behind it get."),
    "conv_transpose": marked("A transposed convolution makes maps larger, by its stride."),
    "linear": marked("A linear layer reads all numbers of an input at once: its size follows from the layers before."),
    "bn": marked("Batch norm keeps a scale and a shift for each channel."),
    "maxpool": marked("A pool decides how large the maps behind it are."),
    "avgpool": marked("A pool decides how large the maps behind it are."),
    "relu": marked("Without something between them that isn't linear, two layers are as one."),
}
"""Why it matters, by the kind of the first operation that differs."""

THEIR_PLACE = marked("The layers are the homework's: each has its place in the handout's table.")
OTHERWISE = marked("In another order, or with another operation, the same layers are another network.")


@check(
    "layers",
    after=("builds", "output-shape", "own-weights", "gradients"),
    hint="`autograder check FILE --verbose` prints the table of layers, yours beside the homework's",
    more="Take the first row that differs, and only that: is a layer missing, is there one too many, or has one another"
    " argument?",
)
def test_the_layers_are_the_ones_asked_for(observed: Observations, homework: Homework) -> None:
    """every layer is the one asked for"""
    structure_of(observed, homework)
    network = network_of(observed)
    rows = beside_solution.table(network, homework)
    wrong = [row for row in rows if not row.same]
    if not wrong or beside_solution.agree(network, homework):
        return
    row = first_wrong(rows)
    saw = named(row.theirs) if row.theirs else _("no such layer")
    if len(wrong) > 1:
        saw = _("{saw} (the first of {count} differences)").format(saw=saw, count=len(wrong))
    kind = (row.ours or row.theirs or Rung("", 0, 0)).kind
    why, hint = WHY.get(kind, THEIR_PLACE), HINTS.get(kind)
    fail(
        saw=saw,
        expected=str(row.ours) if row.ours else _("no further layer at this place"),
        why=_(why),
        line=_made_at(network, row.theirs),
        hint=_(hint) if hint else "",
    )


@check(
    "order",
    after=("layers",),
    hint="go through forward beside the handout's table, one line at a time: what comes after what?",
    more="Every layer is there. So it is what stands between them, or which comes first: activations, pools, additions."
    " Which is missing, one too many, or in another place?",
)
def test_one_follows_another_as_asked(observed: Observations, homework: Homework) -> None:
    """the layers and what stands between them follow one another as asked"""
    structure_of(observed, homework)
    network = network_of(observed)
    if beside_solution.agree(network, homework):
        return
    found = beside_solution.parting(network, homework)
    if found is None or (found.theirs is not None and found.theirs.kind == beside_solution.SOFTMAX):
        return
    kind = (found.ours or found.theirs or network.graph[-1]).kind
    why, hint = WHY.get(kind, OTHERWISE), HINTS.get(kind)
    after = labels(list(found.before)) or _("the input")
    theirs = label(found.theirs) if found.theirs else _("nothing")
    ours = _unnamed(found.ours, homework) if found.ours else _("nothing")
    fail(
        saw=_("{what} after {layers}").format(what=theirs, layers=after),
        expected=_("{what} after {layers}").format(what=ours, layers=after),
        why=_(why),
        line=(found.theirs.line if found.theirs else None) or next((op.line for op in found.before if op.line), None),
        hint=_(hint) if hint else "",
    )


@check(
    "answers",
    after=("order", "parameters"),
    hint="go through forward beside the handout: which value goes where, and along which side is it taken?",
    more="Layers and operations are all there. What is left is how they are called: along which dimension, which"
    " element of a sequence, which constant.",
)
def test_equal_weights_give_equal_answers(observed: Observations, homework: Homework) -> None:
    """with equal weights it gives the solution's answers"""
    structure_of(observed, homework)
    network = network_of(observed)
    found = beside_solution.apart(network, homework)
    if found is None or beside_solution.agree(network, homework):
        return
    fail(
        saw=_("scores that differ by up to {difference:.2g}, where the largest is {largest:.2g}").format(
            difference=found[0], largest=found[1]
        ),
        expected=_("the reference's scores, but for rounding"),
        why=_("The layers are those asked for, so something between them is computed in another way."),
        line=network.line,
    )


@check(
    "parameters",
    after=("own-weights", "gradients", "layers", "order"),
    hint="print name and numel() of every parameter: which one has no place in the handout's table?",
    more="A layer that nothing calls has parameters too, and so has an nn.Parameter of your own. Which of them isn't"
    " asked for?",
)
def test_the_parameters_add_up(observed: Observations, homework: Homework) -> None:
    """the parameters add up to what the layers need"""
    structure_of(observed, homework)
    network = network_of(observed)
    expected = beside_solution.expected_parameters(network, homework)
    if network.parameters != expected:
        fail(
            saw=residual.counted(network.parameters, network.parameters - expected),
            expected=_("{count:,} parameters{choices}").format(count=expected, choices=""),
            why=_("The count of parameters is the quickest sign that a network is the one in the figure."),
            line=network.line,
        )


@check(
    "own-weights",
    after=("builds",),
    hint="how many times is the layer's constructor called, and how many times the layer?",
    more="Print id() of every layer. A list of n times the same thing, and one layer that is called twice, are both one"
    " set of weights.",
)
def test_weights_are_shared_only_where_asked(observed: Observations, homework: Homework) -> None:
    """every layer owns its weights, unless the homework shares them"""
    structure_of(observed, homework)
    network = network_of(observed)
    theirs, ours = _uses(network), _uses(beside_solution.solution_of(homework))
    asked = Counter((ops[0].kind, len(ops)) for ops in ours.values() if len(ops) > 1)
    for name, ops in theirs.items():
        if len(ops) < 2:
            continue
        if asked[ops[0].kind, len(ops)] > 0:
            asked[ops[0].kind, len(ops)] -= 1
            continue
        fail(
            saw=_("one set of weights at several places: {layers}{lines}; {parameters:,} parameters in all").format(
                layers=joined([f"`{name}`"]), lines=lines_of(*ops[:2]), parameters=network.parameters
            ),
            expected=_("a layer of its own at each place"),
            why=_("A layer that is called twice has to serve both places with the same weights."),
            line=next((layer.repeated for layer in network.layers if layer.name == name), None)
            or created(network, name)
            or ops[1].line,
        )


test_every_parameter_gets_a_gradient = residual.test_every_parameter_gets_a_gradient


def _uses(network: Network) -> dict[str, list[Op]]:
    """Layer -> its uses, for layers that are one operation each time."""
    flow = beside_solution.structure(network)
    single = {layer.name for layer in network.layers if layer.kind != "other"}
    uses: dict[str, list[Op]] = defaultdict(list)
    for op in flow.ops.values():
        if op.kind in OWNED and op.layer in single and op.layer is not None:
            uses[op.layer].append(op)
    return uses


def _made_at(network: Network, rung: Rung | None) -> int | None:
    if rung is None:
        return network.line
    return (created(network, rung.name) if rung.name else None) or rung.line or network.line


def _unnamed(op: Op, homework: Homework) -> str:
    """What an operation of the solution is, without the name that the solution gave its layer."""
    solution = beside_solution.solution_of(homework)
    rung = next((rung for rung in beside_solution.rungs(solution) if op.layer and rung.name == op.layer), None)
    return str(rung) if rung is not None else label(op.model_copy(update={"line": None, "layer": None}))
