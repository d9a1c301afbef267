"""Running a submission as it is: as `__main__`, from its own file, with what a script may expect around it.

`run` is called by the proctor's `__main__.py`, after `rehearsal.py` or `training.py` has put its watches and these
`comforts` in place. It never changes the source.
"""

import argparse
import ast
import asyncio
import builtins
import contextlib
import inspect
import os
import random
import sys
import types
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import torch
from torch import nn

from autograder.observations import Package
from autograder.proctor import absent_packages, cuda_by_name, figures, folders, notebook_shell, own_code, processes
from autograder.proctor.failure import NAME_CHARACTERS, clip

SEED = 20_160_316  # every run starts from the same random numbers; a script that seeds for itself overrides it


def run(path: str, arguments: Sequence[str] = (), seed: int = 0) -> BaseException | None:
    """Run the file at `path` as `__main__`. Returns what it raised, or None when it came to its end.

    `seed` is 0 for the usual random numbers; each other number gives others.
    """
    module = types.ModuleType("__main__")
    module.__file__ = path
    sys.modules["__main__"] = module
    sys.argv = [path, *arguments]
    sys.path.insert(0, str(Path(path).parent))
    random.seed(SEED + seed)
    np.random.seed((SEED + seed) % 2**32)
    torch.manual_seed(SEED + seed)
    folders.have_what_lies_beside(path)
    source = Path(path).read_bytes()
    if b"get_ipython" in source or b"display(" in source:
        notebook_shell.stand_in()
    if os.getcwd() not in sys.path:  # noqa: PTH109  where `%%writefile` writes
        sys.path.insert(1, os.getcwd())  # noqa: PTH109
    try:
        code = _compiled(source, path)
        if code.co_flags & inspect.CO_COROUTINE:
            asyncio.run(_awaited(code, module.__dict__))
        else:
            exec(code, module.__dict__)
    except BaseException as error:
        return error
    finally:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(Exception):  # the script may have put anything in their place
                stream.flush()
    return None


def _compiled(source: bytes, path: str) -> types.CodeType:
    """The script's code; as in a notebook, `await` may stand outside a function."""
    try:
        return compile(source, path, "exec", dont_inherit=True)
    except SyntaxError as error:
        with contextlib.suppress(SyntaxError):
            code: types.CodeType = compile(
                source, path, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True
            )
            return code
        raise error


async def _awaited(code: types.CodeType, names: dict[str, Any]) -> None:
    await eval(code, names)


def find_class(name: str, module: str) -> type[nn.Module] | None:
    """The network class called `name` that the script, or the `module` that it imported, defined last."""
    for place in (sys.modules.get(module), sys.modules["__main__"]):
        found = vars(place).get(name) if place is not None else None
        if isinstance(found, type) and issubclass(found, nn.Module):
            return found
    kinds = [nn.Module]
    matches = []
    while kinds:
        kind = kinds.pop()
        kinds += kind.__subclasses__()
        file = getattr(sys.modules.get(kind.__module__), "__file__", None)
        if kind.__name__ == name and (kind.__module__ in (module, "__main__") or own_code.is_own(str(file))):
            matches.append(kind)
    return matches[-1] if matches else None


def call_by_its_name(kind: type[nn.Module]) -> None:
    """Give a class its name back, where the script has since used it for something else: its code may need the name."""
    names = vars(sys.modules["__main__"])
    if kind.__module__ == "__main__" and kind.__qualname__ in names:
        names[kind.__qualname__] = kind


@dataclass(frozen=True)
class Surroundings:
    """What is put around a script, and what of it was asked for.

    Attributes:
        cuda_requests: lines that asked for CUDA by name on a machine without it; fills while the script runs.
        packages: finds what the script imports.
    """

    cuda_requests: list[int]
    packages: absent_packages.Packages

    def imported(self) -> list[Package]:
        """The packages that the script has imported, beside Python's own modules."""
        found = self.packages.imported.items()
        there = [Package(name=clip(name, NAME_CHARACTERS), line=line, state="installed") for name, line in found]
        missing = [
            Package(
                name=clip(one.name, NAME_CHARACTERS),
                line=one.line,
                state="swallowed" if one.stood_in else "needed" if one.needed else "unused",
            )
            for one in self.packages.absent.values()
        ]
        return missing + there


def comforts(file: str, as_if_absent: Sequence[str] = ()) -> Surroundings:
    """Put around the script what it finds at home, and what stands in for a user: see the modules that this calls.

    `as_if_absent`: packages that aren't here, whatever is installed.
    """
    own_code.is_at(file)
    builtins.input = _no_input
    argparse.ArgumentParser.exit = _exit_with_words  # type: ignore[method-assign,assignment]
    processes.see_what_the_script_sees()
    processes.answer_commands()
    folders.are_there()
    figures.are_drawn_in_memory()
    requests = [] if torch.cuda.is_available() else cuda_by_name.answer()
    return Surroundings(requests, absent_packages.watch(as_if_absent))


def never_compile() -> None:
    """`torch.compile` gives back what it gets: compiling takes longer than a few images take without it."""
    torch.compile = lambda model=None, **_: model if model is not None else (lambda function: function)  # type: ignore[assignment]
    nn.Module.compile = lambda *_args, **_kwargs: None  # type: ignore[method-assign]


def never_recompute() -> None:
    """`torch.utils.checkpoint` calls what it is given: two forward passes that are skipped differently aren't alike."""
    settings = ("use_reentrant", "preserve_rng_state", "context_fn", "determinism_check", "debug", "early_stop")

    def plainly(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        return function(*args, **{name: value for name, value in kwargs.items() if name not in settings})

    torch.utils.checkpoint.checkpoint = plainly  # type: ignore[assignment]


def _no_input(prompt: object = "") -> str:
    print(f"{prompt}\n[proctor] nobody is here to answer input(): it got an empty line")
    return ""


def _exit_with_words(_self: argparse.ArgumentParser, status: int = 0, message: str | None = None) -> NoReturn:
    """argparse's end of a script, which keeps what it says."""
    if message:
        sys.stderr.write(message)
    ended = SystemExit(status)
    ended.said = (message or "").strip().rpartition("error: ")[2]  # type: ignore[attr-defined]
    raise ended
