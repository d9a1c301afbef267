"""Running a submission as it is: as `__main__`, from its own file, with what a script may expect around it.

Called by `rehearsal.py` and `train.py`, after they have put their watches in place. It never changes the source.
"""

import builtins
import contextlib
import multiprocessing
import random
import sys
import types
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from autograder.proctor.torch_hooks import line_in

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
    try:
        exec(compile(Path(path).read_bytes(), path, "exec", dont_inherit=True), module.__dict__)
    except BaseException as error:
        return error
    finally:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(Exception):  # the script may have put anything in their place
                stream.flush()
    return None


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
        if kind.__name__ == name and kind.__module__ in (module, "__main__"):
            matches.append(kind)
    return matches[-1] if matches else None


def comforts(file: str) -> list[int]:
    """What a script gets that nobody sits in front of: answers to `input()`, and a CPU where it insists on a GPU.

    Returns a list that fills with the lines that asked by name for a GPU of a kind that isn't here: NVIDIA's on a
    machine without one, Apple's ("mps") on any but a Mac. Where NVIDIA's is, nothing is changed: a training there costs
    what the script costs.
    """
    builtins.input = _no_input
    # DataLoader workers are forked: the stand-in dataset is in memory, not in a module that they could import.
    with contextlib.suppress(RuntimeError, ValueError):
        multiprocessing.set_start_method("fork")
    requests: list[int] = []
    if torch.cuda.is_available():
        return requests

    def noted() -> None:
        line = line_in(file)
        if line is not None and line not in requests and len(requests) < 1000:
            requests.append(line)

    for kind in (torch.Tensor, nn.Module):
        _redirect(kind, "to", noted)
        kind.cuda = _stay(noted)  # type: ignore[method-assign]
    for name in ("zeros", "ones", "empty", "full", "rand", "randn", "randint", "tensor", "arange", "eye", "as_tensor"):
        _redirect(torch, name, noted)
    for name in ("set_device", "synchronize", "manual_seed", "manual_seed_all", "empty_cache"):
        setattr(torch.cuda, name, lambda *_args, **_kwargs: None)
    set_default = torch.set_default_device
    torch.set_default_device = lambda device: set_default("cpu" if _is_absent(device) else device)
    return requests


def _no_input(prompt: object = "") -> str:
    print(f"{prompt}\n[proctor] nobody is here to answer input(): it got an empty line")
    return ""


def _is_absent(value: object) -> bool:
    """Whether it names a GPU of a kind that isn't here, where NVIDIA's isn't."""
    if not isinstance(value, str | torch.device):
        return False
    kind = value.split(":")[0] if isinstance(value, str) else value.type
    return kind == "cuda" or (kind == "mps" and not torch.backends.mps.is_available())


def _redirect(owner: Any, name: str, noted: Any) -> None:
    """Make `owner.name` take the CPU for any GPU among its arguments that isn't here."""
    function = getattr(owner, name)

    def redirected(*args: Any, **kwargs: Any) -> Any:
        if any(_is_absent(value) for value in args) or _is_absent(kwargs.get("device")):
            noted()
            args = tuple("cpu" if _is_absent(value) else value for value in args)
            if _is_absent(kwargs.get("device")):
                kwargs["device"] = "cpu"
        return function(*args, **kwargs)

    setattr(owner, name, redirected)


def _stay(noted: Any) -> Any:
    def cuda(self: Any, *_args: Any, **_kwargs: Any) -> Any:
        noted()
        return self

    return cuda
