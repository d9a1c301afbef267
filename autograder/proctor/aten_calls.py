"""What ATen's functions are called with, by the names of their arguments, and a mode that sees all of them.

Called by `trace.py` and `skip_convolutions.py`, whose modes decide what a call returns.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode


@dataclass(frozen=True)
class Plan:
    """What there is to know about an ATen function, whatever it is called with.

    `name` has no namespace, overload or in-place underscore; `written` are the arguments that it changes.
    """

    name: str
    arguments: tuple[tuple[str, Any], ...]  # (name, default)
    written: tuple[str, ...]
    composite: bool

    def bind(self, args: Any, kwargs: Any) -> dict[str, Any]:
        """Argument name -> value, defaults included."""
        positional = {name: value for (name, _), value in zip(self.arguments, args, strict=False)}
        return {name: positional.get(name, kwargs.get(name, default)) for name, default in self.arguments}


@cache
def plan_of(func: Any) -> Plan:
    """The plan of an ATen overload (`torch._ops.OpOverload`), read from its schema."""
    schema = func._schema
    name = schema.name.split("::")[-1]
    dispatched = torch._C._dispatch_has_kernel_for_dispatch_key(func.name(), "CompositeImplicitAutograd")
    return Plan(
        name=name.removesuffix("_"),
        arguments=tuple((one.name, one.default_value if one.has_default_value() else None) for one in schema.arguments),
        written=tuple(one.name for one in schema.arguments if one.alias_info and one.alias_info.is_write),
        composite=bool(dispatched),
    )


class Mode(TorchDispatchMode):
    """While inside, `answer` gives the result of every call, below autograd."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]

    def answer(self, plan: Plan, func: Any, args: Any, kwargs: Any) -> Any:
        """What `func` returns to its caller."""
        raise NotImplementedError

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        plan = plan_of(func)
        if plan.composite:  # only in inference mode: elsewhere autograd has taken it apart already
            with self:
                return func.decompose(*args, **kwargs)
        return self.answer(plan, func, args, kwargs)


def per_side(value: Any, sides: int) -> list[int]:
    """One number a side, from ATen's forms: a number, a list of one, or of one a side. [] (a default) stays []."""
    numbers = [int(number) for number in (value if isinstance(value, list | tuple) else [value])]
    return numbers * sides if len(numbers) == 1 else numbers
