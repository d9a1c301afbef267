"""torch's compiler, imported when somebody asks for it: half of what importing torch and torchvision costs.

Called by `__main__.py`, before torchvision is imported. torchvision imports the compiler (`torch._dynamo`) to ask it
one question, and the first optimizer imports it to keep its steps from being compiled. Most homework never compiles
anything, and would pay two to three seconds of one core for that, twice a submission. A script that does compile gets
the compiler as always: the first use of anything else in it imports it.
"""

import importlib
import sys
import types
from collections.abc import Callable
from typing import Any

import torch  # noqa: F401  what is put off is what comes after it

NAME = "torch._dynamo"


class _Later(types.ModuleType):
    """Stands in the compiler's place until it is needed."""

    def __getattr__(self, name: str) -> Any:
        if name == "__file__":  # `inspect` asks all modules for theirs
            raise AttributeError(name)
        return getattr(_compiler(), name)

    @staticmethod
    def disable(fn: Callable[..., Any] | None = None, *_args: Any, **_kwargs: Any) -> Any:
        """`fn` as it is, since nothing has been compiled; without `fn`, a decorator that does the same."""
        return fn if fn is not None else lambda function: function

    @staticmethod
    def graph_break(*_args: Any, **_kwargs: Any) -> None:
        """Where a compiled graph would end: nowhere, while nothing is compiled."""


def put_off() -> None:
    """Import the compiler later, unless that has been done already."""
    if NAME in sys.modules:
        return
    utils = types.ModuleType(f"{NAME}.utils")
    utils.is_compile_supported = lambda device: _compiler().utils.is_compile_supported(device)  # type: ignore[attr-defined]
    sys.modules[NAME] = _Later(NAME)
    sys.modules[utils.__name__] = utils


def imported() -> bool:
    """Whether the compiler has been imported: only then can anything have been compiled."""
    return not isinstance(sys.modules.get(NAME), _Later | types.NoneType)


def _compiler() -> Any:
    if isinstance(sys.modules.get(NAME), _Later):
        del sys.modules[NAME], sys.modules[f"{NAME}.utils"]
    return importlib.import_module(NAME)
