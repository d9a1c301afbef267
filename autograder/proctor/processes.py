"""Processes that a script starts: whichever start method it chooses, they see what the script sees.

Called by `run_script.comforts`. Started anew (`spawn`, `forkserver`), a process would import torchvision without the
stand-in data and the script without its watches. So both are names for a fork here, where there is one. What
`torch.multiprocessing.spawn` runs as number 0 of a group runs in this process, because the network that it trains is
the one that is tested. Installing a package, as scripts of Colab and Kaggle do first, succeeds and does nothing: there
is no network, and what isn't here is told where it is imported. Who asks how large the terminal is, as some progress
bars do, hears what a new window has: there is none here.
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
TERMINAL = os.terminal_size((80, 24))
ANSWERS: dict[tuple[str, ...], str] = {
    ("stty", "size"): f"{TERMINAL.lines} {TERMINAL.columns}",
    ("tput", "cols"): f"{TERMINAL.columns}",
    ("tput", "lines"): f"{TERMINAL.lines}",
}
"""What commands say that only a terminal lets work, by their first two words."""

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


def answer_commands() -> None:
    """From now on, let a process that would install packages end at once, and well, and have a terminal's size."""
    popen, size = subprocess.Popen.__init__, os.get_terminal_size

    @functools.wraps(popen)
    def started(self: Any, args: Any, *more: Any, **kwargs: Any) -> None:
        if (answer := _answer(args)) is not None:
            args, kwargs = [sys.executable, "-c", f"print({answer!r})"], kwargs | {"shell": False}
        popen(self, args, *more, **kwargs)

    def seen(*descriptor: int) -> os.terminal_size:
        try:
            return size(*descriptor)
        except OSError:
            return TERMINAL

    subprocess.Popen.__init__ = started  # type: ignore[method-assign]
    os.get_terminal_size = seen


def _answer(args: Any) -> str | None:
    """What a command says: `pip install ...`, `python -m pip install ...` or their like, or one about a terminal."""
    try:
        words = shlex.split(args) if isinstance(args, str) else [os.fspath(word) for word in args]
        words = words[2:] if words[1:2] == ["-m"] else words
        if "install" in words and PurePath(words[0]).stem in INSTALLERS:
            print("[proctor] nothing is installed here:", args)
            return ""
        return ANSWERS.get(tuple(words[:2]))
    except (TypeError, ValueError):
        return None


class _Numbered:
    """A function of a group's processes but the first: their numbers begin with 1."""

    def __init__(self, function: Any) -> None:
        self.function = function

    def __call__(self, number: int, *args: Any) -> None:
        self.function(number + 1, *args)
