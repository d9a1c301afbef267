"""A program at work: the pipes to it, what it prints, a watch over its limits, and its end with all that it started.

Made by `sandbox.py` and `plain.py`, spoken to by `runner/conversation.py`. Works on every system. Never reads what the
program wrote but its messages and its output, and never takes an exit code at its word.
"""

import contextlib
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType

import psutil

from autograder.machine import cores
from autograder.sandbox.job_object import JobObject

KEPT_OUTPUT = 64 * 1024  # bytes of output kept from each end
WATCH_S = (0.3, 1.0)  # between two looks: near the memory limit, and far from it; each look lists all processes
GROWTH = 2**31  # bytes that the processes of one core can take in a second, at most


@dataclass(frozen=True)
class Limits:
    """What one run may use.

    `memory_mib` is the resident size of all its processes together, `output_mib` all that they print, kept or not.
    """

    seconds: float
    memory_mib: int = 8 * 1024
    processes: int = 200
    file_mib: int = 256
    scratch_mib: int = 512
    output_mib: int = 1024


class Pipes:
    """The pipes of a run. The program inherits its ends, `read`, `write` and `output`; here they are closed at the end.

    An end's number is a descriptor, on Windows a handle. `to_proctor`, `from_proctor` and the descriptor `printed` are
    the run's, which closes them.
    """

    def __init__(self) -> None:
        self.read, self.to_proctor = Pipe(duplex=False)
        self.from_proctor, self.write = Pipe(duplex=False)
        self.printed, self.output = os.pipe()

    @property
    def numbers(self) -> list[int]:
        """What the program reads messages from, and what it writes them to."""
        return [self.read.fileno(), self.write.fileno()]

    def __enter__(self) -> "Pipes":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.read.close()
        self.write.close()
        os.close(self.output)


@dataclass
class Run:
    """A program at work: two message pipes, its output, and a watch over its limits."""

    process: subprocess.Popen[bytes]
    to_proctor: Connection
    from_proctor: Connection
    printed: int
    limits: Limits
    folder: Path
    job: JobObject | None = None  # on Windows, all its processes
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
        if self.job is not None:
            self.job.close()
        shutil.rmtree(self.folder, ignore_errors=True)
        return status

    def cpu_s(self) -> float | None:
        """CPU time, so far, of the process of the run that has taken most; None where that can't be seen.

        A training is one process: what runs beside it on the machine takes nothing of this, and workers that load
        images are processes of their own.
        """
        return max((seconds for process in self._family() if (seconds := _cpu_s(process)) is not None), default=None)

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
            with contextlib.suppress(psutil.Error):  # psutil notices when another process has got the id
                family += [] if root is None else [root, *root.children(recursive=True)]
        return family

    def _kill(self) -> None:
        # With bubblewrap the first process takes its pid namespace, and so all others, with it; on Windows the job has
        # them all. Else what has not left the process tree is found; docs/security.md says what isn't.
        if self.job is not None:
            self.job.end()
        for process in self._family():
            with contextlib.suppress(psutil.Error):
                process.kill()


def _cpu_s(process: psutil.Process) -> float | None:
    try:
        taken = process.cpu_times()
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return None
    return float(taken.user + taken.system)


def _resident_bytes(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0


def _own_bytes(process: psutil.Process) -> int:
    """The same, but memory that several processes share is counted once among them: DataLoader workers share most of
    theirs with their parent. This reads every page's state, so only where the cheap sum is too large. Only Linux can
    tell."""
    if sys.platform != "linux":
        return _resident_bytes(process)
    try:
        return int(process.memory_full_info().pss)
    except psutil.Error:
        return _resident_bytes(process)
