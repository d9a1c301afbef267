"""One forward pass as a list of operations, with who fed whom: what `examine.py` turns into observations.

A dispatch mode sees every ATen operation below autograd, whatever style the student's code is written in, and follows
values by the memory they lie in: views are the same value, and after an in-place operation everything that shares its
memory holds the new one. That is what makes `F.relu(x, inplace=True)` before a skip visible. Data-dependent control
flow is followed as it ran.

Convolutions are not computed where their result's values don't matter: they answer with numbers of the right shape,
which makes a pass over two images with an 18-layer network cost 5 ms instead of 35, or 11 ms with its record (one core
of an AMD EPYC). What would raise is computed, so that the error is PyTorch's own. Never changes the student's network,
or what its operations return but for that.
"""

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from autograder.observations import Op
from autograder.proctor.aten_calls import Mode, Plan, per_side
from autograder.proctor.failure import NAME_CHARACTERS, clip
from autograder.proctor.skip_convolutions import convolved_shape, passed_back, stand_in
from autograder.proctor.student_lines import student_line

MOST_OPS = 5000
MOST_INPUTS = 256
MOST_SIDES = 8

Geometry = tuple[int, tuple[int, ...], tuple[int, ...]]  # offset, shape, strides

KINDS = {
    "convolution": "conv",
    "addmm": "linear",
    "mm": "linear",
    "addmv": "linear",
    "mv": "linear",
    "constant_pad_nd": "pad",
    "zeros": "zeros",
    "zeros_like": "zeros",
    "new_zeros": "zeros",
    "zero": "zeros",
    "max_pool2d_with_indices": "maxpool",
    "adaptive_max_pool2d": "maxpool",
    "avg_pool2d": "avgpool",
    "_adaptive_avg_pool2d": "avgpool",
    "slice": "slice",
    "split": "slice",
    "split_with_sizes": "slice",
    "unbind": "slice",
}
RESHAPES = {"view", "_unsafe_view", "reshape", "_reshape_alias", "squeeze", "unsqueeze", "flatten"}
# The same value whenever the shape is the same (a slice of everything, a cast, a copy); a transposition isn't one.
SAME_VALUE = RESHAPES | {"detach", "alias", "clone", "_to_copy", "lift_fresh", "slice", "expand"}
UNFILLED = {"empty", "empty_like", "empty_strided", "new_empty", "new_empty_strided"}


def memory_key(tensor: Tensor) -> int:
    """An id of the memory that a tensor lies in, valid for as long as a tensor in it lives."""
    try:
        return int(tensor.untyped_storage()._cdata)
    except (NotImplementedError, RuntimeError):  # sparse and other layouts have none
        return id(tensor)


@dataclass
class _Memory:
    """The values that lie, or lay, in one piece of memory, by geometry: (operation, how many writes it knows of)."""

    keeper: Tensor  # while it lives, no other tensor gets this memory
    values: dict[Geometry, tuple[int, int]] = field(default_factory=dict)
    writes: list[tuple[int, Geometry]] = field(default_factory=list)


class Trace(Mode):  # type: ignore[no-untyped-call]
    """Record the operations of what runs inside, up to the first 5000.

    Args:
        file: the student's, as its code objects name it.
        owners: memory of a parameter (`memory_key`) -> name of the layer that owns it.
        image: the input, which becomes operation 0; None: record no operations.
        zeroed: answer zeros for every convolution larger than 1x1 that doesn't use the first one's weight, compute the
            others, and record which inputs equal the output.

    Attributes:
        ops: the operations so far; none when there was one that can't be followed.
        convs: map side in pixels -> how many convolutions larger than 1x1 produced it.
    """

    def __init__(
        self, file: str, owners: dict[int, str] | None = None, image: Tensor | None = None, *, zeroed: bool = False
    ) -> None:
        super().__init__()
        self.ops: list[Op] = []
        self.convs: Counter[int] = Counter()
        self._file = file
        self._owners = dict(owners or {})
        self._derived: list[Tensor] = []  # computed from parameters alone; kept so that their memory stays theirs
        self._zeroed = zeroed
        self._first_weight: Tensor | None = None
        self._memories: dict[int, _Memory] = {}
        self._recording = image is not None
        if image is not None:
            self._hold(image, self._add("input", [], image))

    def answer(self, plan: Plan, func: Any, args: Any, kwargs: Any) -> Any:
        """See `Mode`."""
        given = plan.bind(args, kwargs)
        written = [given[name] for name in plan.written if isinstance(given[name], Tensor)]
        before = {id(tensor): tensor.clone() for tensor in written} if self._zeroed and self._recording else {}
        result: Any
        if plan.name == "convolution":
            result = self._convolve(func, args, kwargs, given)
        elif plan.name == "convolution_backward":
            result = passed_back(given)
        else:
            result = func(*args, **kwargs)
        if self._recording and len(self.ops) < MOST_OPS:
            try:
                self._record(plan, given, written, result, before)
            except Exception:
                # Something we can't follow is not the student's failure: the pass goes on, without a graph.
                self._recording = False
                self.ops.clear()
        return result

    def _convolve(self, func: Any, args: Any, kwargs: Any, given: dict[str, Any]) -> Tensor:
        weight = given["weight"]
        if self._first_weight is None:
            self._first_weight = weight
        large = max(weight.shape[2:], default=1) > 1
        muted = self._zeroed and large and weight is not self._first_weight
        shape = convolved_shape(given)
        result: Tensor
        if shape is not None and muted:
            result = given["input"].new_zeros(shape)
        elif shape is not None and not self._zeroed:
            result = stand_in(given["input"], shape)
        else:
            result = func(*args, **kwargs)
            if muted:
                result.zero_()
        if large:
            self.convs[int(result.shape[-1])] += 1
        return result

    def _record(
        self,
        plan: Plan,
        given: dict[str, Any],
        written: list[Tensor],
        result: Any,
        before: dict[int, Tensor],
    ) -> None:
        """Append what `result` adds to the graph, if anything, and note where values lie now."""
        tensors = [tensor for value in given.values() for tensor in _tensors(value)]
        results = list(_tensors(result))
        if not results or plan.name in UNFILLED:
            return
        source = self._same_value(plan, given, results[0])
        if source is not None:
            index = self._read(source)
            if index is None:
                self._derive(results, tensors)
            else:
                for target in written or results:
                    self._hold(target, index, write=bool(written))
            return
        kind = _kind(plan.name, given, results[0])
        details = _details(plan.name, given)
        read = [] if kind == "zeros" else _data_inputs(plan.name, given, tensors)
        indices = [self._read(tensor) for tensor in read]
        inputs = [index for index in indices if index is not None]
        owner = self._owner(given, tensors)
        if kind == "zeros":
            owner = None
        elif owner is not None and not written and all(self.ops[index].kind == "constant" for index in inputs):
            self._derive(results, tensors)
            return
        elif not inputs and results[0].dim() == 0:  # a counter, a random number
            return
        if plan.name == "mean":
            pooled = self._averaged_map(given, inputs)
            if pooled:
                kind, details = "avgpool", {"kernel": pooled, "stride": pooled, "padding": [0, 0]}
        equals: list[int] = []
        if self._zeroed and inputs:
            equals = [
                index
                for tensor, index in zip(read, indices, strict=True)
                if index is not None and _same(before.get(id(tensor), tensor), results[0])
            ]
        if kind == "slice" and len(results) > 1:  # split, chunk, unbind: a piece each
            for piece in results:
                if len(self.ops) < MOST_OPS:
                    self._hold(piece, self._add(kind, inputs, piece))
            return
        index = self._add(kind, inputs, results[0], layer=owner, equals=sorted(set(equals)), **details)
        for target in written:
            self._hold(target, index, write=True)
        for target in results:
            if not any(target is one for one in written):
                self._hold(target, index)

    def _same_value(self, plan: Plan, given: dict[str, Any], result: Tensor) -> Tensor | None:
        """The tensor whose value `result` is, when the operation only moved, cast, viewed or copied it."""
        if plan.name == "copy":  # copy_(self, src): what was in self is gone
            source = given["src"]
            return source if source.shape == result.shape else None
        if plan.name in ("add", "sub", "mul", "div"):
            neutral = 0 if plan.name in ("add", "sub") else 1
            other = given.get("other")
            same = isinstance(other, int | float) and other == neutral
        else:
            same = plan.name in SAME_VALUE or (plan.name == "constant_pad_nd" and not any(given["pad"]))
        source = next(iter(given.values()), None)
        return source if same and isinstance(source, Tensor) and source.shape == result.shape else None

    def _read(self, tensor: Tensor) -> int | None:
        """The operation whose value `tensor` holds now; None for parameters and for plain numbers."""
        key = memory_key(tensor)
        if key in self._owners:
            return None
        memory = self._memories.get(key)
        if memory is None:
            if tensor.dim() == 0:
                return None
            # Made before the pass or out of sight: a buffer, an attribute, an array of numpy's.
            zeros = not tensor.is_meta and not bool(tensor.any())
            index = self._add("zeros" if zeros else "constant", [], tensor)
            self._hold(tensor, index)
            return index
        geometry = _geometry(tensor)
        if geometry not in memory.values:  # a view made out of sight, such as `.data` of a slice
            memory.values[geometry] = (next(iter(memory.values.values()))[0], 0)
        index, known = memory.values[geometry]
        for number, where in memory.writes[known:]:
            if where[1] == geometry[1] or math.prod(where[1]) >= math.prod(geometry[1]):
                index = number
            else:  # a part of it was written
                index = self._add("slice_scatter", [index, number], tensor)
        memory.values[geometry] = (index, len(memory.writes))
        return index

    def _hold(self, tensor: Tensor, index: int, *, write: bool = False) -> None:
        """Note that `tensor` holds the value of operation `index`; with `write`, so does all that shares memory."""
        key = memory_key(tensor)
        if key in self._owners:
            return
        memory = self._memories.setdefault(key, _Memory(tensor))
        geometry = _geometry(tensor)
        if write:
            memory.writes.append((index, geometry))
        memory.values[geometry] = (index, len(memory.writes))

    def _derive(self, results: list[Tensor], tensors: list[Tensor]) -> None:
        """Results that come from parameters alone (a transposed, cast or normalised weight) are their layer's."""
        owner = self._owner({}, tensors)
        if owner is None:
            return
        for result in results:
            if memory_key(result) not in self._memories:
                self._owners.setdefault(memory_key(result), owner)
                self._derived.append(result)

    def _owner(self, given: dict[str, Any], tensors: list[Tensor]) -> str | None:
        weight = given.get("weight")
        ordered = [weight, *tensors] if isinstance(weight, Tensor) else tensors
        return next((self._owners[key] for key in map(memory_key, ordered) if key in self._owners), None)

    def _add(self, kind: str, inputs: list[int], output: Tensor, **details: Any) -> int:
        index = len(self.ops)
        self.ops.append(
            Op(
                index=index,
                kind=clip(kind, NAME_CHARACTERS),
                inputs=inputs[:MOST_INPUTS],
                shape=[int(side) for side in output.shape[:MOST_SIDES]],
                line=student_line(self._file),
                **details,
            )
        )
        return index

    def _averaged_map(self, given: dict[str, Any], inputs: list[int]) -> list[int]:
        """The (height, width) that a mean is over, when it is over all of a map; [] otherwise."""
        shape = given["self"].shape
        dims = given.get("dim")
        if not dims or not inputs:
            return []
        over = sorted(dim % len(shape) for dim in dims)
        if len(shape) == 4 and over == [2, 3]:
            return [int(side) for side in shape[2:]]
        maker = self.ops[inputs[0]]
        if len(shape) == 3 and over == [2] and maker.kind in RESHAPES | {"mean"} and maker.inputs:
            before = self.ops[maker.inputs[0]].shape
            if len(before) == 4 and (maker.kind == "mean" or before[2] * before[3] == shape[2]):
                return before[2:]
        return []


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _tensors(one)


def _geometry(tensor: Tensor) -> Geometry:
    if tensor.layout is not torch.strided:
        return 0, tuple(tensor.shape), ()
    return int(tensor.storage_offset()), tuple(tensor.shape), tensor.stride()


def _same(one: Tensor, other: Tensor) -> bool:
    return one.shape == other.shape and one.dtype == other.dtype and torch.equal(one, other)


def _data_inputs(name: str, given: dict[str, Any], tensors: list[Tensor]) -> list[Tensor]:
    """The arguments that values flow through; weights, biases and running statistics have names of their own."""
    if "input" in given and "weight" in given:
        return [given["input"]]
    if name in ("addmm", "addmv"):
        return tensors[1:]
    return tensors


def _kind(name: str, given: dict[str, Any], result: Tensor) -> str:
    if "batch_norm" in name:
        return "bn"
    if name == "convolution" and given["transposed"]:
        return "conv_transpose"
    if name in RESHAPES and result.dim() == 2 and given["self"].dim() > 2:
        return "flatten"
    zero = {
        "mul": given.get("other"),
        "fill": given.get("value"),
        "full": given.get("fill_value"),
        "full_like": given.get("fill_value"),
        "new_full": given.get("fill_value"),
    }.get(name)
    if isinstance(zero, int | float) and zero == 0:
        return "zeros"
    at_zero = {"clamp": given.get("min"), "clamp_min": given.get("min"), "threshold": given.get("threshold")}.get(name)
    if isinstance(at_zero, int | float) and at_zero == 0 and not given.get("value") and given.get("max") is None:
        return "relu"
    return KINDS.get(name, name)


def _details(name: str, given: dict[str, Any]) -> dict[str, Any]:
    """The fields of an Op that only some kinds have."""
    if name == "convolution":
        sides = len(given["weight"].shape) - 2
        return {
            "bias": given["bias"] is not None,
            "kernel": [int(side) for side in given["weight"].shape[2:]],
            "stride": per_side(given["stride"], sides),
            "padding": per_side(given["padding"], sides),
        }
    if name in ("max_pool2d_with_indices", "avg_pool2d"):
        kernel = per_side(given["kernel_size"], 2)
        return {
            "kernel": kernel,
            "stride": per_side(given["stride"], 2) or kernel,
            "padding": per_side(given["padding"], 2),
        }
    if name in ("_adaptive_avg_pool2d", "adaptive_max_pool2d"):
        whole = [int(side) for side in given["self"].shape[-2:]]
        parts = per_side(given["output_size"], 2)
        if all(part and side % part == 0 for side, part in zip(whole, parts, strict=True)):
            kernel = [side // part for side, part in zip(whole, parts, strict=True)]
            return {"kernel": kernel, "stride": kernel, "padding": [0, 0]}
        return {}
    if "batch_norm" in name:
        return {"bias": given.get("bias") is not None}
    return {"bias": True} if name in ("addmm", "addmv") else {}
