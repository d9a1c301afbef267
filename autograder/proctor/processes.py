"""Processes that a script starts: whichever start method it chooses, they see what the script sees.

Called by `run_script.comforts`. Started anew (`spawn`, `forkserver`), a process would import torchvision without the
stand-in data and the script without its watches. So both are names for a fork here, where there is one. What
`torch.multiprocessing.spawn` runs as number 0 of a group runs in this process, because the network that it trains is
the one that is tested. Installing a package, as scripts of Colab and Kaggle do first, succeeds and does nothing: there
is no network, and what isn't here is told where it is imported.
"""

import functools
import multiprocessing
import os
import shlex
import subprocess
import sys
from multiprocessing import context
from pathlib import PurePath
from typing import Any

import torch

INSTALLERS = ("pip", "pip3", "conda", "mamba", "uv")

_torch: Any = torch.multiprocessing


def see_what_the_script_sees() -> None:
    """From now on, let processes that the script starts see what it sees."""
    if "fork" not in multiprocessing.get_all_start_methods():  # Windows
        return
    for name in ("spawn", "forkserver"):
        named = context.ForkContext()
        named._name = name
        context._concrete_contexts[name] = named  # type: ignore[attr-defined]
    # The default only: `set_start_method` can be called once, and that call is the script's.
    context._default_context._default_context = multiprocessing.get_context("fork")  # type: ignore[attr-defined]
    start, spawn = _torch.start_processes, _torch.spawn

    @functools.wraps(start)
    def started(
        fn: Any, args: Any = (), nprocs: int = 1, join: bool = True, daemon: bool = False, *more: Any, **kwargs: Any
    ) -> Any:
        if nprocs < 1 or not join:
            return start(fn, args, nprocs, join, daemon, *more, **kwargs)
        others = None
        if nprocs > 1:
            others = start(_Numbered(fn), args, nprocs - 1, False, daemon)
        fn(0, *args)
        while others is not None and not others.join():
            pass
        return None

    @functools.wraps(spawn)
    def spawned(
        fn: Any, args: Any = (), nprocs: int = 1, join: bool = True, daemon: bool = False, start_method: str = "spawn"
    ) -> Any:
        return started(fn, args, nprocs, join, daemon)

    inner: Any = sys.modules[spawn.__module__]
    for module in (_torch, inner):
        module.spawn, module.start_processes = spawned, started


def install_nothing() -> None:
    """From now on, let a process that would install packages end at once, and well."""
    popen = subprocess.Popen.__init__

    @functools.wraps(popen)
    def started(self: Any, args: Any, *more: Any, **kwargs: Any) -> None:
        if _installs(args):
            print("[proctor] nothing is installed here:", args)
            args, kwargs = [sys.executable, "-c", ""], kwargs | {"shell": False}
        popen(self, args, *more, **kwargs)

    subprocess.Popen.__init__ = started  # type: ignore[method-assign]


def _installs(args: Any) -> bool:
    """Whether a command is `pip install ...`, `python -m pip install ...` or their like."""
    try:
        words = shlex.split(args) if isinstance(args, str) else [os.fspath(word) for word in args]
        words = words[2:] if words[1:2] == ["-m"] else words
        return "install" in words and PurePath(words[0]).stem in INSTALLERS
    except (TypeError, ValueError):
        return False


class _Numbered:
    """A function of a group's processes but the first: their numbers begin with 1."""

    def __init__(self, function: Any) -> None:
        self.function = function

    def __call__(self, number: int, *args: Any) -> None:
        self.function(number + 1, *args)
