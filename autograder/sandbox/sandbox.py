"""Where untrusted code runs: bubblewrap, or on purpose a plain subprocess.

Called by `runner/train.py`, which speaks to the proctor inside. Never reads what the submission wrote but its messages
and its output, and never takes an exit code at its word. Starting bubblewrap as root, with a uid of its own and a
mount namespace prepared for it, costs 30 to 60 ms; `import torch` inside costs seconds, but for runs that are forked
from a process that has done it (`fork_client.py`).

Protections here: no network, own user, pid, ipc, uts and cgroup namespaces, read-only system and packages, nothing
of the home directories, an environment made from nothing, no capabilities, a filter of system calls, limits on memory,
processes, file sizes, open files, output and time, and the end of all processes with the end of the run. `doctor` shows
what of this is on.
"""

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from multiprocessing.connection import Connection
from pathlib import Path

import psutil

from autograder.errors import KitError
from autograder.language import gettext as _
from autograder.language import marked
from autograder.machine import cores
from autograder.sandbox import bubblewrap, fork_client
from autograder.sandbox.bubblewrap import Limits

INSTALL_HINT = marked(
    "install bubblewrap (Debian, Ubuntu: apt-get install bubblewrap), or say --sandbox none on purpose: "
    "the submissions then run with your own rights"
)
KEPT_OUTPUT = 64 * 1024  # bytes of output kept from each end
WATCH_S = (0.3, 1.0)  # between two looks, which list all processes: at least, and where memory is far from its limit
GROWTH = 2**31  # bytes that the processes of one core can take in a second, at most


@dataclass(frozen=True)
class Sandbox:
    """A way to run untrusted code: "bwrap", or "none" for a plain subprocess with the same protocol."""

    name: str
    notice: str = ""

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
    ) -> "Run":
        """Run `program`, Python's source and its arguments, with `binds` (place inside -> host path) readable.

        Its last arguments are the two pipes' descriptors, to read from and to write to. With `warm` it begins with
        torch imported, where that can be done, and has one thread. Such a run is no less confined, but for what
        `proctor/fork_server.py` says.
        """
        return self._start(program, binds, limits, threads, gpu, warm and self.name == "bwrap" and _forks_work())

    def _start(
        self, program: Sequence[str], binds: dict[str, Path], limits: Limits, threads: int, gpu: bool, forked: bool
    ) -> "Run":
        folder = Path(tempfile.mkdtemp(prefix="autograder-"))
        folder.chmod(0o755)
        with contextlib.ExitStack() as closed:

            def theirs(descriptor: int) -> int:
                closed.callback(os.close, descriptor)
                return descriptor

            down_read, down_write = os.pipe()
            up_read, up_write = os.pipe()
            printed, output = os.pipe()
            pipes = [theirs(down_read), theirs(up_write)]
            theirs(output)
            passed = pipes
            command = [*bubblewrap.interpreter(), "-c", *program, *map(str, pipes)]
            environment = bubblewrap.environment(
                1 if forked else threads, bubblewrap.HOME if self.name == "bwrap" else str(folder)
            )
            uid = bubblewrap.own_uid()  # another one each time
            if self.name == "bwrap":
                first = [bubblewrap.INIT, *command]
                if forked:
                    link, holder = (theirs(end.detach()) for end in socket.socketpair())
                    passed = [holder]
                    first = [bubblewrap.HOLDER, str(holder), *bubblewrap.NAMESPACES]
                outer, told = bubblewrap.command(binds, limits, environment, folder, gpu, uid)
                words, more = _bubblewrap(told)
                passed = [*passed, *map(theirs, more)]
                command = [*outer, *words, bubblewrap.interpreter()[0], "-IBS", "-c", *first]
                environment = bubblewrap.outer_environment()
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=environment,
                cwd=folder if self.name == "none" else "/",
                pass_fds=passed,
                start_new_session=True,
            )
            to_proctor, from_proctor = Connection(down_write, readable=False), Connection(up_read, writable=False)
            run = Run(process, to_proctor, from_proctor, printed, limits, folder)
            if forked:
                try:
                    run.forked = fork_client.fork(_order(program, uid, limits, gpu), [link, *pipes, output])
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
    return ["bwrap", "--args", str(descriptors[-1]), "--"], descriptors


def _order(program: Sequence[str], uid: int | None, limits: Limits, gpu: bool) -> dict[str, object]:
    """What the fork server is told to make of a fork."""
    return {
        "program": list(program),
        "uid": uid,
        "limits": bubblewrap.resource_limits(limits, gpu),
        "processes": limits.processes,
        "folder": bubblewrap.HOME,
    }


@dataclass
class Run:
    """A program at work in a sandbox: two message pipes, its output, and a watch over its limits."""

    process: subprocess.Popen[bytes]
    to_proctor: Connection
    from_proctor: Connection
    printed: int
    limits: Limits
    folder: Path
    forked: psutil.Process | None = None  # what has entered the sandbox of `process`, which ends with it
    killed_for: str | None = None  # "TIMEOUT", "MEMORY" or "OUTPUT_LIMIT" when the watch ended it
    _head: bytearray = field(default_factory=bytearray)
    _tail: bytearray = field(default_factory=bytearray)
    _dropped: int = 0

    def __post_init__(self) -> None:
        self._over = threading.Event()
        self.deadline = time.monotonic() + self.limits.seconds
        self._root = psutil.Process(self.process.pid)
        self._reader = threading.Thread(target=self._keep_output, daemon=True)
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self._reader.start()
        self._watcher.start()

    def extend(self, seconds: float) -> None:
        """Move the deadline to `seconds` from now."""
        self.deadline = time.monotonic() + seconds

    def end(self) -> int:
        """Kill whatever is left, and tidy up. Returns the exit status, negative for a signal."""
        self._kill()
        status = self.process.wait()
        self._over.set()
        self._reader.join(timeout=10)
        self._watcher.join(timeout=10)
        for pipe in (self.to_proctor, self.from_proctor):
            with contextlib.suppress(OSError):
                pipe.close()
        os.close(self.printed)
        shutil.rmtree(self.folder, ignore_errors=True)
        return status

    def output(self) -> str:
        """What it printed: all, or head and tail with what was cut said between."""
        cut = f"\n[... {self._dropped:,} bytes not kept ...]\n".encode() if self._dropped else b""
        return bytes(self._head + cut + self._tail).decode("utf-8", "replace")

    def _keep_output(self) -> None:
        while chunk := os.read(self.printed, 65536):
            room = KEPT_OUTPUT - len(self._head)
            self._head += chunk[:room]
            self._tail += chunk[room:]
            if len(self._tail) > KEPT_OUTPUT:
                self._dropped += len(self._tail) - KEPT_OUTPUT
                del self._tail[:-KEPT_OUTPUT]

    def _watch(self) -> None:
        limit = self.limits.memory_mib * 2**20
        while self.process.poll() is None:
            used = self._memory(_resident_bytes)
            if time.monotonic() > self.deadline:
                self.killed_for = "TIMEOUT"
            elif used > limit and self._memory(_own_bytes) > limit:
                self.killed_for = "MEMORY"
            elif self._dropped > self.limits.output_mib * 2**20:
                self.killed_for = "OUTPUT_LIMIT"
            if self.killed_for:
                self._kill()
                return
            self._over.wait(min(max(WATCH_S[0], (limit - used) / (GROWTH * cores())), WATCH_S[1]))

    def _memory(self, measure: Callable[[psutil.Process], int]) -> int:
        return sum(measure(process) for process in self._family())

    def _family(self) -> list[psutil.Process]:
        family: list[psutil.Process] = []
        for root in (self._root, self.forked):
            with contextlib.suppress(psutil.NoSuchProcess):  # psutil knows a number that somebody else got since
                family += [] if root is None else [root, *root.children(recursive=True)]
        return family

    def _kill(self) -> None:
        # With bubblewrap the first process takes its pid namespace, and so all others, with it. Without, what has
        # not left the process tree is found; docs/security.md says what isn't.
        for process in self._family():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()


def choose(name: str | None = None) -> Sandbox:
    """The sandbox called `name`, or bubblewrap.

    Raises KitError when bubblewrap isn't here or the kernel doesn't let it work.
    """
    if name == "none":
        return Sandbox("none", marked("no sandbox: submissions run with your own rights"))
    if name not in (None, "bwrap"):
        raise KitError(f"there is no sandbox called {name!r}", "choose one of: bwrap, none")
    if shutil.which("bwrap") is None:
        raise KitError(_("bubblewrap is not installed, so submissions can't be run safely"), _(INSTALL_HINT))
    problem = _bwrap_problem()
    if problem:
        raise KitError(_("bubblewrap does not work here: {problem}").format(problem=problem), _(INSTALL_HINT))
    return Sandbox("bwrap")


@cache
def _bwrap_problem() -> str:
    """What bubblewrap complains about when it starts nothing but the interpreter; "" when it works."""
    return _problem(Sandbox("bwrap").start(["pass"], {}, Limits(seconds=60), threads=1))


@cache
def _forks_work() -> bool:
    try:
        return not _problem(Sandbox("bwrap")._start(["pass"], {}, Limits(seconds=300), 1, gpu=False, forked=True))
    except KitError:
        return False


def _problem(run: "Run") -> str:
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


def _resident_bytes(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return 0


def _own_bytes(process: psutil.Process) -> int:
    """The same with what several processes share counted once among them: DataLoader workers share most with their
    parent. A look at every page, so only where the cheap sum is too large."""
    try:
        return int(process.memory_full_info().pss)
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return _resident_bytes(process)
