"""What a forward pass shows of a residual network: its trunk, and the blocks around each addition.

Called by checks of residual networks, with the graph that the proctor traced. Works on the data flow alone: names,
classes and the style of the student's code don't matter. An operation is on the trunk when every path from the image
to the answer goes through it; a block lies between an addition and the last operation that both of its inputs come
from (the addition's immediate dominator).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from autograder.observations import Op

REPEATABLE = ("conv", "bn", "relu", "maxpool", "avgpool")  # repeated on the same input, they give the same values


@dataclass(frozen=True)
class Block:
    """An addition of two paths.

    Attributes:
        head: where the two paths part.
        branch: operations of the path with more convolutions, in the order of execution.
        skip: those of the other one; empty when the skip is the head itself.
        branch_end, skip_end: the two inputs of the addition.
        addition: where the paths meet again.
    """

    head: Op
    branch: tuple[Op, ...]
    skip: tuple[Op, ...]
    branch_end: Op
    skip_end: Op
    addition: Op

    @property
    def reshapes(self) -> bool:
        """Whether its output has another shape than the input of its skip."""
        return self.head.shape != self.addition.shape

    @property
    def convs(self) -> list[Op]:
        """The convolutions of the branch that are larger than 1x1."""
        return [op for op in self.branch if is_large(op)]


def is_large(op: Op) -> bool:
    """Whether it is a convolution larger than 1x1."""
    return op.kind == "conv" and max(op.kernel, default=0) > 1


class Structure:
    """A graph, read.

    Attributes:
        ops: by index, without those that repeat an earlier computation.
        repeats: (first, repeat) of convolutions that run twice on the same input; `norms_again`: the same of BNs.
        output: what the network answers with.
        live: indices of the operations that the output depends on.
        trunk: operations that every path from the image to the output goes through, in order; `on_trunk` has
            their indices.
        blocks: one an addition, in the order of execution.
    """

    def __init__(self, graph: Sequence[Op], output_shape: Sequence[int]) -> None:
        self.ops: dict[int, Op] = {}
        self.repeats: list[tuple[Op, Op]] = []
        self.norms_again: list[tuple[Op, Op]] = []
        self._merge(graph)
        ops = list(self.ops.values())
        self.output = next((op for op in reversed(ops) if op.shape == list(output_shape)), ops[-1])
        self.live = set(self._ancestors(self.output))
        self._above = self._dominators()
        self.trunk = self._trunk()
        self.on_trunk = {op.index for op in self.trunk}
        self.blocks = [block for op in ops if op.index in self.live for block in self._block(op)]

    def inputs(self, op: Op) -> list[Op]:
        """What it reads, constants included."""
        return [self.ops[index] for index in op.inputs]

    def source(self, op: Op) -> Op | None:
        """What it reads first, constants left out; None for the image."""
        return next((self.ops[index] for index in op.inputs if index in self._above), None)

    def readers(self, op: Op) -> list[Op]:
        """Live operations that read it."""
        return [other for other in self.ops.values() if op.index in other.inputs and other.index in self.live]

    def chain(self, op: Op, length: int) -> list[Op]:
        """The operations before `op`, nearest first, following the first input of each."""
        found: list[Op] = []
        before = self.source(op)
        while before is not None and len(found) < length:
            found.append(before)
            before = self.source(before)
        return found

    def _merge(self, graph: Sequence[Op]) -> None:
        place: dict[int, int] = {}
        seen: dict[tuple[object, ...], int] = {}
        for op in graph:
            inputs = [place[index] for index in op.inputs]
            known = seen.setdefault(_key(op, inputs), op.index)
            place[op.index] = known
            if known != op.index:
                if op.kind in ("conv", "bn"):
                    again = self.repeats if op.kind == "conv" else self.norms_again
                    again.append((self.ops[known], op))
                continue
            equals = [place[index] for index in op.equals]
            self.ops[op.index] = op.model_copy(update={"inputs": inputs, "equals": equals})

    def _ancestors(self, op: Op, stop: int | None = None) -> list[int]:
        """Indices of what `op` depends on, itself included; nothing at or above `stop`."""
        found: set[int] = set()
        pending = [op.index]
        while pending:
            index = pending.pop()
            if index not in found and index != stop:
                found.add(index)
                pending += self.ops[index].inputs
        return sorted(found)

    def _dominators(self) -> dict[int, int]:
        """Index -> index of the immediate dominator, for what depends on the image; the image's is itself."""
        above: dict[int, int] = {}
        for index, op in self.ops.items():
            if op.kind == "input":
                above[index] = index
                continue
            readable = [before for before in op.inputs if before in above]
            if readable:
                common = readable[0]
                for other in readable[1:]:
                    common = _meet(common, other, above)
                above[index] = common
        return above

    def _trunk(self) -> list[Op]:
        index = self.output.index
        trunk: list[Op] = []
        while index in self._above:
            trunk.append(self.ops[index])
            if self._above[index] == index:
                break
            index = self._above[index]
        return trunk[::-1]

    def _block(self, op: Op) -> Iterable[Block]:
        ends = [self.ops[index] for index in dict.fromkeys(op.inputs) if index in self._above]
        if op.kind != "add" or len(ends) != 2:
            return
        head = self.ops[self._above[op.index]]
        paths = [tuple(self.ops[index] for index in self._ancestors(end, stop=head.index)) for end in ends]
        heavier = max((0, 1), key=lambda side: (sum(map(is_large, paths[side])), len(paths[side])))
        lighter = 1 - heavier
        yield Block(head, paths[heavier], paths[lighter], ends[heavier], ends[lighter], op)


def _key(op: Op, inputs: list[int]) -> tuple[object, ...]:
    owned = op.layer is not None or op.kind in ("relu", "maxpool", "avgpool")
    if op.kind not in REPEATABLE or not owned:
        return (op.index,)
    geometry = (tuple(op.kernel), tuple(op.stride), tuple(op.padding), tuple(op.shape))
    return (op.kind, op.layer, tuple(inputs), geometry)


def _meet(one: int, other: int, above: dict[int, int]) -> int:
    # An operation's index is larger than those of all it depends on, so the larger of two can't dominate the smaller.
    while one != other:
        if one > other:
            one = above[one]
        else:
            other = above[other]
    return one
