"""Compares a student's network with the course's solution, as both were observed: their layers, operations and answers.

Called by the checks `traced` and `reference_answers`, by `expected.py` for the table of layers, and by the command
`new`. Nothing is compared by name: a layer is what it does, and an operation is what it does to which inputs. Where
equal weights give equal answers, the networks count as equal, whatever their style.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from autograder.checks.network.data_flow import Structure
from autograder.checks.network.layer_table import SHOWN, Row, Rung, beside, rung_of
from autograder.course.families.traced import Traced
from autograder.course.homework import Homework
from autograder.observations import Network, Op

SHOWN_TOO = (*SHOWN, "conv_transpose")
# Operations that only move, cast or reshape values: they are skipped, and the operation that reads the values counts.
TRANSPARENT = {
    *("view", "_unsafe_view", "reshape", "_reshape_alias", "squeeze", "unsqueeze", "flatten", "detach", "alias"),
    *("clone", "_to_copy", "lift_fresh", "expand", "permute", "transpose", "t", "contiguous", "dropout"),
}
EITHER_WAY = {"add", "mul"}  # a + b is b + a
SOFTMAX = "_log_softmax"
TOLERANCE = 1e-8
"""Relative to the largest answer. Two right ways to compute an answer differ by less than 1e-12 of it in float64
(another order of additions)."""


@dataclass(frozen=True)
class Parting:
    """Where two networks first differ: after `before`, operations that both have, come `theirs` and `ours`, or None."""

    before: tuple[Op, ...]
    theirs: Op | None
    ours: Op | None


def solution_of(homework: Homework) -> Network:
    """The solution's network as it was recorded. Raises ValueError where the homework has no record."""
    if not isinstance(homework.family, Traced):
        raise ValueError(f"{homework.name} has no recorded network")
    return homework.family.network


def structure(network: Network) -> Structure:
    """The data flow of a network's forward pass."""
    return Structure(network.graph, network.outputs.get(2, []))


def rungs(network: Network) -> list[Rung]:
    """A rung for every layer with weights and every pool, in the order of execution.

    A layer of another kind (an embedding, a recurrent one) is one rung, however many operations it takes.
    """
    flow = structure(network)
    others = {layer.name: layer for layer in network.layers if layer.kind == "other"}
    found: list[Rung] = []
    seen: set[str] = set()
    for op in flow.ops.values():
        layer = others.get(op.layer or "") if op.layer is not None else None
        if layer is not None:
            if layer.name not in seen:
                seen.add(layer.name)
                weights = sorted(tuple(shape) for key, shape in layer.parameters.items() if "bias" not in key)
                itself = layer.class_name if layer.name else "nn.Parameter"
                found.append(Rung(itself, 0, 0, name=layer.name, line=op.line, weights=tuple(weights) or ((0,),)))
        elif op.kind in SHOWN_TOO:
            found.append(rung_of(flow, op))
    return found


def table(network: Network, homework: Homework) -> list[Row]:
    """The solution's layers beside the student's; equal ones are paired where only their order differs."""
    ours, theirs = rungs(solution_of(homework)), rungs(network)
    rows = beside(ours, theirs)
    if all(row.same for row in rows) or Counter(rung.does for rung in ours) != Counter(rung.does for rung in theirs):
        return rows
    left = list(theirs)
    paired = []
    for rung in ours:
        same = next(other for other in left if other.does == rung.does)
        left.remove(same)
        paired.append(Row(rung, same))
    return paired


def apart(network: Network, homework: Homework) -> tuple[float, float] | None:
    """With equal weights: the largest difference of the answers, and the largest absolute value of the solution's.

    None where answers aren't known, or have different shapes.
    """
    ours, theirs = solution_of(homework), network
    if not ours.answers or not theirs.answers or len(ours.answers) != len(theirs.answers):
        return None
    rows = [
        _both_normalised(our, their, _ends_in_softmax(ours), _ends_in_softmax(theirs))
        for our, their in zip(ours.answers, theirs.answers, strict=True)
        if len(our) == len(their)
    ]
    if len(rows) < len(ours.answers):
        return None
    differences = [abs(a - b) for our, their in rows for a, b in zip(our, their, strict=True)]
    return max(differences), max(abs(number) for our, _ in rows for number in our)


def agree(network: Network, homework: Homework) -> bool:
    """Whether equal weights give the solution's answers."""
    found = apart(network, homework)
    return found is not None and found[0] <= TOLERANCE * max(found[1], 1e-300)


def parting(network: Network, homework: Homework) -> Parting | None:
    """The first operation of the student's that the solution doesn't have, though it has all inputs of it; or else the
    first one of the solution's that the student's network doesn't have.

    None where both networks have the same operations, or where one layer takes many operations: these depend on style.
    """
    ours, theirs = solution_of(homework), network
    if any(_takes_many(one) for one in (ours, theirs)):
        return None
    our_flow, their_flow = _Flow(ours), _Flow(theirs)
    for op in their_flow.ordered:
        if their_flow.says[op.index] not in our_flow.known:
            before = their_flow.read(op)
            if all(their_flow.says[one.index] in our_flow.known for one in before):
                wanted = {their_flow.says[one.index] for one in before}
                return Parting(tuple(before), op, _next(our_flow, their_flow.known, wanted))
    for op in our_flow.ordered:
        if our_flow.says[op.index] not in their_flow.known:
            read = {our_flow.says[one.index] for one in our_flow.read(op)}
            before = [one for one in their_flow.ordered if their_flow.says[one.index] in read]
            return Parting(tuple(before), None, op)
    return None


def _next(flow: "_Flow", known: set[str], wanted: set[str]) -> Op | None:
    for op in flow.ordered:
        if flow.says[op.index] not in known and wanted & {flow.says[one.index] for one in flow.read(op)}:
            return op
    return None


class _Flow:
    """Describes each operation of a network by a text that is equal for equal operations of two networks.

    Attributes:
        ordered: the operations that the answer depends on and that do something, in the order of execution.
        says: index -> the text of an operation: what it does, and the texts of its inputs.
        known: the texts of `ordered`, and of operations without inputs.
    """

    def __init__(self, network: Network) -> None:
        self._flow = structure(network)
        self._weights = {
            layer.name: sorted(shape for key, shape in layer.parameters.items() if "bias" not in key)
            for layer in network.layers
        }
        self.says: dict[int, str] = {}
        self.ordered: list[Op] = []
        for op in self._flow.ops.values():
            self.says[op.index] = self._said(op)
            # An operation without inputs, such as zeros, is part of the text of the operation that reads it.
            if op.index in self._flow.live and op.kind not in TRANSPARENT and op.inputs:
                self.ordered.append(op)
        sources = [op for op in self._flow.ops.values() if not op.inputs]
        self.known = {self.says[op.index] for op in (*self.ordered, *sources)}

    def read(self, op: Op) -> list[Op]:
        """The operations whose values `op` reads, without those that only move values."""
        found = []
        for one in self._flow.inputs(op):
            while one.kind in TRANSPARENT and one.inputs:
                one = self._flow.inputs(one)[0]
            found.append(one)
        return found

    def _said(self, op: Op) -> str:
        inputs = [self.says[index] for index in op.inputs]
        if op.kind in TRANSPARENT and inputs:
            return inputs[0]
        kind = "add" if op.kind == "add_" else op.kind
        geometry = [op.kernel, op.stride, op.padding] if op.kind != "avgpool" else [op.kernel]
        own: list[object] = [kind, geometry, self._weights.get(op.layer or "", []) if op.layer is not None else []]
        if not op.inputs and op.kind != "zeros":
            own.append(op.shape[1:])
        said = f"{own}({', '.join(sorted(inputs) if kind in EITHER_WAY else inputs)})"
        # Each text has all texts before it, so it grows with the depth: a long one is replaced by its hash.
        return said if len(said) < 200 else f"#{hash(said):x}"


def _takes_many(network: Network) -> bool:
    others = {layer.name for layer in network.layers if layer.kind == "other"}
    uses = Counter(op.layer for op in network.graph if op.layer in others)
    return any(count > 1 for count in uses.values())


def _ends_in_softmax(network: Network) -> bool:
    return any(op.kind == SOFTMAX for op in structure(network).trunk)


def _both_normalised(
    our: Sequence[float], their: Sequence[float], ours_is: bool, theirs_is: bool
) -> tuple[Sequence[float], Sequence[float]]:
    """Both rows of scores, after log_softmax if only one network ends in it: applied twice, it changes nothing more."""
    if ours_is == theirs_is:
        return our, their
    return log_softmax(our), log_softmax(their)


def log_softmax(row: Sequence[float]) -> list[float]:
    """The logarithms of the softmax of one row of scores."""
    largest = max(row)
    total = largest + math.log(sum(math.exp(score - largest) for score in row))
    return [score - total for score in row]


def expected_parameters(network: Network, homework: Homework) -> int:
    """How many parameters the solution has, if its layers have a bias where the student's do."""
    total = solution_of(homework).parameters
    for row in table(network, homework):
        if row.ours is not None and row.theirs is not None and row.ours.bias != row.theirs.bias:
            total += row.ours.channels_out if row.theirs.bias else -row.ours.channels_out
    return total
