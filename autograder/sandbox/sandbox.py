"""Where a submission runs: in bubblewrap; or, where somebody asks for it or the file is their own, a plain subprocess.

Called by `runner/proctored.py`, which speaks to the proctor inside; `run.py` watches the program that runs. Starting
bubblewrap as root, with a uid of its own and a mount namespace prepared for it, costs 30 to 60 ms; `import torch`
inside costs seconds, but for runs that are forked from a process that has done it (`fork_client.py`).

Protections here: no network, own user, pid, ipc, uts and cgroup namespaces, read-only system and packages, nothing
of the home directories, an environment made from nothing, no capabilities, a filter of system calls, limits on memory,
processes, file sizes, open files, output and time, and the end of all processes with the end of the run. `doctor` shows
what of this is on.
"""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from autograder.errors import KitError
from autograder.language import marked
from autograder.machine import CHOICE, Card, cards
from autograder.sandbox import bubblewrap, fork_client, plain, remedies
from autograder.sandbox.remedies import Cause
from autograder.sandbox.run import Limits, Pipes, Run

OWN_RIGHTS = marked("no sandbox here: it runs with your own rights, as when you run it yourself")
"""Said where nobody asked for that, about one's own file."""


@dataclass(frozen=True)
class Sandbox:
    """A way to run untrusted code: "bwrap", or "none" for a plain subprocess with the same protocol."""

    name: str
    notice: str = ""
    card: Card | None = None  # the GPU of its runs; None: the machine's first

    def inside(self, host: Path, place: str) -> str:
        """Where the submission finds `host`: at `place` inside, or, without a sandbox, where it is."""
        return place if self.name == "bwrap" else str(host.resolve())

    def start(
        self,
        program: Sequence[str],
        binds: dict[str, Path],
        limits: Limits,
        *,
        threads: int,
        gpu: bool = False,
        warm: bool = False,
    ) -> Run:
        """Run `program`, Python's source and its arguments, with `binds` (place inside -> host path) readable.

        Its last arguments are the file descriptors of two pipes, to read from and to write to. With `warm` it begins
        with torch imported, where that can be done, and has one thread. Such a run is as confined as others, but for
        what `proctor/fork_server.py` says.
        """
        if self.name == "none":
            return plain.start(program, limits, threads, gpu, self.card)
        card = (self.card or next(iter(cards()), None)) if gpu else None
        return _start(program, binds, limits, threads, card, forked=warm and _forks_work())


def _start(
    program: Sequence[str], binds: dict[str, Path], limits: Limits, threads: int, card: Card | None, *, forked: bool
) -> Run:
    """Run `program` in bubblewrap, see `Sandbox.start`."""
    folder = Path(tempfile.mkdtemp(prefix="autograder-"))
    folder.chmod(0o755)
    with Pipes() as pipes, ExitStack() as closed:

        def theirs(descriptor: int) -> int:
            closed.callback(os.close, descriptor)
            return descriptor

        passed = pipes.numbers
        environment = bubblewrap.environment(1 if forked else threads, bubblewrap.HOME, card)
        uid = bubblewrap.own_uid()  # another one each time
        first = [bubblewrap.INIT, *bubblewrap.interpreter(), "-c", *program, *map(str, pipes.numbers)]
        if forked:
            link, holder = (theirs(end.detach()) for end in socket.socketpair())
            passed = [holder]
            first = [bubblewrap.HOLDER, str(holder), *bubblewrap.NAMESPACES]
        outer, told = bubblewrap.command(binds, limits, environment, folder, card, uid)
        words, more = _bubblewrap(told)
        process = subprocess.Popen(
            [*outer, *words, bubblewrap.interpreter()[0], "-IBS", "-c", *first],
            stdin=subprocess.DEVNULL,
            stdout=pipes.output,
            stderr=pipes.output,
            env=bubblewrap.outer_environment(),
            cwd="/",
            pass_fds=[*passed, *map(theirs, more)],
            start_new_session=True,
        )
        run = Run(process, pipes.to_proctor, pipes.from_proctor, pipes.printed, limits, folder)
        if forked:
            try:
                order = _order(program, uid, limits, card is not None, environment)
                run.forked = fork_client.fork(order, [link, *pipes.numbers, pipes.output])
            except KitError:
                run.end()
                raise
        return run


def _bubblewrap(told: list[str]) -> tuple[list[str], list[int]]:
    """The command of bubblewrap for what it is `told`, up to what runs in it, and descriptors that it reads."""
    descriptors = []
    if (rules := bubblewrap.system_call_filter()) is not None:
        descriptors.append(_readable(rules))
        told = ["--seccomp", str(descriptors[-1]), *told]
    # Not on the command line, where the submission would read places of this machine in /proc/1/cmdline.
    descriptors.append(_readable(b"\0".join(os.fsencode(word) for word in told) + b"\0"))
    return [shutil.which("bwrap") or "bwrap", "--args", str(descriptors[-1]), "--"], descriptors


def _order(
    program: Sequence[str], uid: int | None, limits: Limits, gpu: bool, environment: dict[str, str]
) -> dict[str, object]:
    """What the fork server is told to make of a fork."""
    return {
        "program": list(program),
        "uid": uid,
        "limits": bubblewrap.resource_limits(limits, gpu),
        "processes": limits.processes,
        "environment": {name: environment[name] for name in (CHOICE, "LD_LIBRARY_PATH") if name in environment},
        "folder": bubblewrap.HOME,
    }


def choose(name: str | None = None, *, own: bool = False) -> Sandbox:
    """The sandbox called `name`, "bwrap" or "none"; with None or "auto", bubblewrap.

    `own`: what will run is the caller's own file. Then, where nobody names a sandbox and bubblewrap can't work, it is a
    plain subprocess, and its notice says so. Other people's files are refused there.

    Raises KitError when bubblewrap isn't here or the kernel doesn't let it work, with what can be done about it.
    """
    if name == "none":
        return Sandbox("none", marked("no sandbox: submissions run with your own rights"))
    if name not in (None, "auto", "bwrap"):
        raise KitError(f"there is no sandbox called {name!r}", "choose one of: bwrap, none")
    cause = why_not()
    if cause is None:
        return Sandbox("bwrap")
    if own and name != "bwrap":
        return Sandbox("none", OWN_RIGHTS)
    message = f"{cause.says}, so other people's files can't be run safely here"
    raise KitError(message, f"{cause.remedy}\nor say --sandbox none on purpose: they then run with your own rights")


def why_not() -> Cause | None:
    """What keeps bubblewrap from working here; None when it works."""
    bwrap = shutil.which("bwrap")
    if bwrap is None or sys.platform != "linux":
        return remedies.missing()
    problem = _trial(bwrap)
    return remedies.find(problem, bwrap) if problem else None


@cache
def _trial(bwrap: str) -> str:
    """What this bubblewrap complains about when it starts nothing but the interpreter; "" when it works."""
    return _problem(_start(["pass"], {}, Limits(seconds=60), 1, None, forked=False))


@cache
def _forks_work() -> bool:
    try:
        return not _problem(_start(["pass"], {}, Limits(seconds=300), 1, None, forked=True))
    except KitError:
        return False


def _problem(run: Run) -> str:
    """What a run that does nothing complains about; "" when it works."""
    run.process.wait()
    status = run.end()
    lines = run.output().strip().splitlines()
    return "" if status == 0 else (lines[-1] if lines else f"exit status {status}")


def _readable(content: bytes) -> int:
    """A descriptor from which `content` can be read."""
    descriptor = os.memfd_create("autograder")
    os.write(descriptor, content)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor
