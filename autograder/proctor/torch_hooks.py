"""What a submission's training step does, seen from underneath: forward, zero_grad, backward, step.

Each function here takes the place of one method of torch and tells somebody about its calls. Nothing is changed about
what the calls do. Calls are seen whatever the submission named things, and calls of `net.forward(x)` as those of
`net(x)`.

Called by `rehearsal.py`, which watches everything, and by `training.py`, which takes the forward watch away again once
it knows the network: a graded training must cost what the bare script costs.
"""

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from autograder.proctor.own_code import is_own

Call = Callable[..., Any]
"""The call itself, with its own positional arguments where it is given none."""
Around = Callable[[nn.Module, tuple[Any, ...], Call], Any]
"""(module, positional arguments, the call itself) -> what the submission gets back."""


def forwards(around: Around) -> Callable[[], None]:
    """Hand every outermost call of a module that has parameters to `around`. Returns what ends the watch."""
    call_module, make_module = nn.Module.__call__, nn.Module.__init__
    wrapped: list[tuple[type, Any]] = []
    script = torch.jit.script
    depth = [0]

    @contextmanager
    def inside() -> Iterator[None]:
        depth[0] += 1
        try:
            yield
        finally:
            depth[0] -= 1

    def outermost(module: nn.Module, arguments: tuple[Any, ...], call: Call) -> Any:
        if depth[0] or torch.compiler.is_compiling() or torch.jit.is_tracing():  # type: ignore[attr-defined,no-untyped-call]
            return call()
        if next(module.parameters(), None) is None:
            return call()
        with inside():
            return around(module, arguments, call)

    def watched_call(self: nn.Module, *args: Any, **kwargs: Any) -> Any:
        return outermost(self, args, lambda *others: call_module(self, *(others or args), **kwargs))

    def watched_init(self: nn.Module, *args: Any, **kwargs: Any) -> None:
        for kind in type(self).__mro__:
            forward = kind.__dict__.get("forward")
            code = getattr(forward, "__code__", None)
            if code is not None and is_own(code.co_filename):
                wrapped.append((kind, forward))
                kind.forward = _watched_forward(forward, outermost)  # type: ignore[attr-defined]
        make_module(self, *args, **kwargs)

    def scripted(*args: Any, **kwargs: Any) -> Any:
        # It reads the source of `forward`, which must be the submission's.
        watching = [(kind, kind.forward) for kind, _ in wrapped]  # type: ignore[attr-defined]
        _give_back(wrapped)
        try:
            return script(*args, **kwargs)
        finally:
            _give_back(watching)

    def end() -> None:
        nn.Module.__call__ = call_module  # type: ignore[method-assign]
        nn.Module.__init__ = make_module  # type: ignore[method-assign]
        torch.jit.script = script
        _give_back(wrapped)

    nn.Module.__call__ = watched_call  # type: ignore[method-assign]
    nn.Module.__init__ = watched_init  # type: ignore[method-assign]
    torch.jit.script = scripted
    return end


def _give_back(forwards: list[tuple[Any, Any]]) -> None:
    for kind, forward in forwards:
        kind.forward = forward


def _watched_forward(forward: Any, outermost: Callable[[nn.Module, tuple[Any, ...], Call], Any]) -> Any:
    # No functools.wraps: the copy must not look as if it came from the submission's file, or it would be wrapped again.
    def watched(self: nn.Module, *args: Any, **kwargs: Any) -> Any:
        return outermost(self, args, lambda *others: forward(self, *(others or args), **kwargs))

    return watched


def backwards(around: Callable[[Any, Call], None]) -> None:
    """Hand every backward pass to `around`, as (loss or losses, the call itself)."""
    run_backward = torch.autograd.backward

    @functools.wraps(run_backward)
    def watched(tensors: Any, *args: Any, **kwargs: Any) -> None:
        around(tensors, lambda: run_backward(tensors, *args, **kwargs))

    torch.autograd.backward = watched


def zeroings(told: Callable[[], None]) -> None:
    """Tell of every `zero_grad()`, of an optimizer or of a module."""
    for kind in (torch.optim.Optimizer, nn.Module):
        _before(kind, "zero_grad", lambda _self, _args, _kwargs: told())


def makings(kind: type, told: Callable[[Any], None]) -> None:
    """Tell of every instance of `kind` (or of a subclass) that is about to be made."""
    _before(kind, "__init__", lambda self, _args, _kwargs: told(self))


def loads(told: Callable[[], None]) -> None:
    """Tell of every module that is about to be given a state dict."""
    _before(nn.Module, "load_state_dict", lambda _self, _args, _kwargs: told())


def moves(told: Callable[[nn.Module], None]) -> None:
    """Tell of every module that is put on a device by `.to()`, `.cuda()` or `.cpu()`."""

    def to(self: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        places = (str, int, torch.device, torch.Tensor)  # what isn't one is a type or a memory format
        if "device" in kwargs or "tensor" in kwargs or (args and isinstance(args[0], places)):
            told(self)

    _before(nn.Module, "to", to)
    for name in ("cuda", "cpu"):
        _before(nn.Module, name, lambda self, _args, _kwargs: told(self))


def _before(kind: type, name: str, told: Callable[[Any, tuple[Any, ...], dict[str, Any]], None]) -> None:
    method = getattr(kind, name)

    @functools.wraps(method)
    def watched(self: Any, *args: Any, **kwargs: Any) -> Any:
        told(self, args, kwargs)
        return method(self, *args, **kwargs)

    setattr(kind, name, watched)
