"""Where untrusted code runs: bubblewrap, or on purpose a plain subprocess.

Called by `supervise.py`, which speaks to the proctor inside. Never reads what the submission wrote but its messages
and its output, and never takes an exit code at its word. Starting bubblewrap as root, with a uid of its own and a
mount namespace prepared for it, costs 30 to 60 ms; `import torch` inside costs seconds.

Protections here: no network, own user, pid, ipc, uts and cgroup namespaces, read-only system and packages, nothing
of the home directories, an environment made from nothing, no capabilities, a filter of system calls, limits on memory,
processes, file sizes, open files, output and time, and the end of all processes with the end of the run. `doctor` shows
what of this is on.
"""

import contextlib
import os
import pwd
import secrets
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from multiprocessing.connection import Connection
from pathlib import Path

import psutil

from autograder import syscalls
from autograder.errors import KitError

INSTALL_HINT = (
    "install bubblewrap (Debian, Ubuntu: apt-get install bubblewrap), or say --sandbox none on purpose: "
    "the submissions then run with your own rights"
)
HOME = "/home/student"
KEPT_OUTPUT = 64 * 1024  # bytes of output kept from each end
WATCH_EVERY_S = 0.3  # a look lists all processes, so more often would cost what a training could use


@dataclass(frozen=True)
class Limits:
    """What one run may use. `memory_mib` is the resident size of all its processes together."""

    seconds: float
    memory_mib: int = 8 * 1024
    processes: int = 200
    file_mib: int = 256
    scratch_mib: int = 512


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
        arguments: Sequence[str] = (),
    ) -> "Run":
        """Run `program` (after the interpreter's own flags) with `binds` (place inside -> host path) readable.

        Its arguments are the two pipes' descriptors, to read from and to write to, and then `arguments`.
        """
        down_read, down_write = os.pipe()
        up_read, up_write = os.pipe()
        passed = [down_read, up_write]
        folder = Path(tempfile.mkdtemp(prefix="autograder-"))
        folder.chmod(0o755)
        environment = _environment(threads, HOME if self.name == "bwrap" else str(folder))
        python = [sys.executable, "-I", "-B", "-u", *program, str(down_read), str(up_write), *arguments]
        command = python
        if self.name == "bwrap":
            outer, jail = _bwrap_command(binds, limits, environment, folder, gpu)
            if (rules := _system_call_filter()) is not None:
                passed.append(_readable(rules))
                jail = ["--seccomp", str(passed[-1]), *jail]
            # Not on the command line, where the submission would read places of this machine in /proc/1/cmdline.
            passed.append(_readable(b"\0".join(os.fsencode(word) for word in jail) + b"\0"))
            command = [*outer, "bwrap", "--args", str(passed[-1]), "--", sys.executable, "-IBS", "-c", _INIT, *python]
            environment = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env=environment,
                cwd=folder if self.name == "none" else "/",
                pass_fds=passed,
                start_new_session=True,
            )
        finally:
            for descriptor in passed:
                os.close(descriptor)
        return Run(
            process,
            Connection(down_write, readable=False),
            Connection(up_read, writable=False),
            limits,
            folder,
        )


@dataclass
class Run:
    """A program at work in a sandbox: two message pipes, its output, and a watch over its limits."""

    process: subprocess.Popen[bytes]
    to_proctor: Connection
    from_proctor: Connection
    limits: Limits
    folder: Path
    killed_for: str | None = None  # "TIMEOUT" or "MEMORY" when the watch ended it
    _head: bytearray = field(default_factory=bytearray)
    _tail: bytearray = field(default_factory=bytearray)
    _dropped: int = 0

    def __post_init__(self) -> None:
        self.deadline = time.monotonic() + self.limits.seconds
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
        self._reader.join(timeout=10)
        self._watcher.join(timeout=10)
        for pipe in (self.to_proctor, self.from_proctor):
            with contextlib.suppress(OSError):
                pipe.close()
        if self.process.stdout is not None:
            self.process.stdout.close()
        shutil.rmtree(self.folder, ignore_errors=True)
        return status

    def output(self) -> str:
        """What it printed: all, or head and tail with what was cut said between."""
        cut = f"\n[... {self._dropped:,} bytes not kept ...]\n".encode() if self._dropped else b""
        return bytes(self._head + cut + self._tail).decode("utf-8", "replace")

    def _keep_output(self) -> None:
        assert self.process.stdout is not None
        while chunk := os.read(self.process.stdout.fileno(), 65536):
            room = KEPT_OUTPUT - len(self._head)
            self._head += chunk[:room]
            self._tail += chunk[room:]
            if len(self._tail) > KEPT_OUTPUT:
                self._dropped += len(self._tail) - KEPT_OUTPUT
                del self._tail[:-KEPT_OUTPUT]

    def _watch(self) -> None:
        limit = self.limits.memory_mib * 2**20
        while self.process.poll() is None:
            if time.monotonic() > self.deadline:
                self.killed_for = "TIMEOUT"
            elif self._memory(_resident_bytes) > limit and self._memory(_own_bytes) > limit:
                self.killed_for = "MEMORY"
            if self.killed_for:
                self._kill()
                return
            time.sleep(WATCH_EVERY_S)

    def _memory(self, measure: Callable[[psutil.Process], int]) -> int:
        return sum(measure(process) for process in self._family())

    def _family(self) -> list[psutil.Process]:
        try:
            root = psutil.Process(self.process.pid)
            return [root, *root.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

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
        return Sandbox("none", "no sandbox: submissions run with your own rights")
    if name not in (None, "bwrap"):
        raise KitError(f"there is no sandbox called {name!r}", "choose one of: bwrap, none")
    if shutil.which("bwrap") is None:
        raise KitError("bubblewrap is not installed, so submissions can't be run safely", INSTALL_HINT)
    problem = _bwrap_problem()
    if problem:
        raise KitError(f"bubblewrap does not work here: {problem}", INSTALL_HINT)
    return Sandbox("bwrap")


@cache
def _bwrap_problem() -> str:
    """What bubblewrap complains about when it starts nothing but the interpreter; "" when it works."""
    run = Sandbox("bwrap").start(["-c", "pass"], {}, Limits(seconds=60), threads=1)
    run.process.wait()
    status = run.end()
    lines = run.output().strip().splitlines()
    return "" if status == 0 else (lines[-1] if lines else f"exit status {status}")


def environment_names() -> set[str]:
    """The variables that a program in a sandbox finds."""
    return set(_environment(1, HOME))


def _environment(threads: int, home: str) -> dict[str, str]:
    values = {
        "PATH": f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin",
        "HOME": home,
        "TMPDIR": "/tmp",
        "USER": "student",
        "LANG": "C.UTF-8",
        "MPLBACKEND": "Agg",
        "MPLCONFIGDIR": f"{home}/.matplotlib",
        "OMP_NUM_THREADS": str(threads),
        "MKL_NUM_THREADS": str(threads),
        # glibc keeps freed memory for the next step instead of giving it back and having it zeroed again: 4% less CPU
        # time for an 18-layer ResNet in batches of 64.
        "MALLOC_MMAP_MAX_": "0",
        "MALLOC_TRIM_THRESHOLD_": str(2**34),
        "TORCHDYNAMO_SUPPRESS_ERRORS": "1",  # torch.compile without a compiler at hand runs eagerly
        "TORCHINDUCTOR_CACHE_DIR": f"{home}/.inductor",
    }
    # Some processors need these to compute right results; they carry nothing else.
    kept = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "CUDA_VISIBLE_DEVICES", "LD_LIBRARY_PATH")
    return values | {name: os.environ[name] for name in kept if name in os.environ}


def _bwrap_command(
    binds: dict[str, Path],
    limits: Limits,
    environment: dict[str, str],
    folder: Path,
    gpu: bool,
) -> tuple[list[str], list[str]]:
    """What bubblewrap is started by, outermost first (mount namespace and uid, as root; rlimits), and its arguments."""
    resolved = {place: path.resolve() for place, path in binds.items()}  # the command runs in another folder
    visible = {str(path): path for path in interpreter_folders()} | resolved
    outer: list[str] = []
    if os.geteuid() == 0:
        # As root, bubblewrap would keep root's uid outside its namespace; a uid of its own can't reach an
        # interpreter below a 0700 home. So root prepares a private view of what is needed, then gives up its uid.
        stage = folder / "stage"
        stage.mkdir()
        pairs = [(path, stage / str(number)) for number, path in enumerate(visible.values())]
        outer = ["unshare", "--mount", "--propagation", "private", "sh", "-euc", _STAGE, "sh", str(stage)]
        outer += [str(side) for pair in pairs for side in pair]
        uid = str(_unused_uid())
        outer += ["--", "setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups"]
        visible = {place: stage / str(number) for number, place in enumerate(visible)}
    rlimits = [
        "prlimit",
        "--core=0",
        "--nofile=1024",
        "--memlock=0",
        f"--fsize={limits.file_mib * 2**20}",
    ]
    if os.geteuid() == 0:
        rlimits.append(f"--nproc={limits.processes}")  # counted by uid, which is this run's alone
    if not gpu:
        rlimits.append(f"--data={limits.memory_mib * 2**20}")  # CUDA reserves far more than it uses
    jail = [
        *("--unshare-user", "--unshare-all", "--disable-userns", "--die-with-parent", "--new-session", "--clearenv"),
        "--as-pid-1",
        *("--cap-drop", "ALL", "--hostname", "sandbox"),
        *("--ro-bind", "/usr", "/usr"),
        *_system_links(),
        *("--ro-bind-try", "/etc/ld.so.cache", "/etc/ld.so.cache"),
        *("--ro-bind-try", "/etc/alternatives", "/etc/alternatives"),
        *("--ro-bind-try", "/etc/localtime", "/etc/localtime"),
        *("--ro-bind-try", "/etc/fonts", "/etc/fonts"),  # matplotlib asks fontconfig
        *("--proc", "/proc", "--dev", "/dev"),
        *("--perms", "1777", "--size", str(2**30), "--tmpfs", "/dev/shm"),
        *("--perms", "1777", "--size", str(limits.scratch_mib * 2**20), "--tmpfs", "/tmp"),
        *("--perms", "0700", "--size", str(limits.scratch_mib * 2**20), "--tmpfs", HOME),
        "--chdir",
        HOME,
    ]
    for place, path in visible.items():
        jail += ["--ro-bind", str(path), place]
    jail += ["--remount-ro", "/"]  # the root itself is a tmpfs that nothing else limits
    for name, value in environment.items():
        jail += ["--setenv", name, value]
    if gpu:
        jail += ["--ro-bind", "/sys", "/sys"]
        for device in sorted(Path("/dev").glob("nvidia*")):
            jail += ["--dev-bind-try", str(device), str(device)]
    return [*outer, *rlimits], jail


# The first process of the namespace, in bubblewrap's place, whose memory holds places of this machine. Nobody can look
# into this one; it waits for whatever is left without a parent, and passes on how the submission's own process ended.
_INIT = """
import ctypes, os, sys
ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)
child = os.fork()
if child == 0:
    ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)
    os.execv(sys.argv[1], sys.argv[1:])
os.closerange(3, 1024)
while True:
    pid, status = os.wait()
    if pid == child:
        code = os.waitstatus_to_exitcode(status)
        os._exit(code if code >= 0 else 128 - code)
"""


_STAGE = """
stage=$1; shift
mount -t tmpfs -o mode=755,size=1M autograder "$stage"
while [ "$1" != -- ]; do
    if [ -d "$1" ]; then mkdir "$2"; else : > "$2"; fi
    mount --bind -o ro "$1" "$2"
    shift 2
done
shift
exec "$@"
"""


@cache
def _system_call_filter() -> bytes | None:
    """See `syscalls.py`. None where libseccomp or its binding is missing, which `doctor` says."""
    try:
        return syscalls.program()
    except (ImportError, OSError, RuntimeError):
        return None


def _readable(content: bytes) -> int:
    """A descriptor from which `content` can be read."""
    descriptor = os.memfd_create("autograder")
    os.write(descriptor, content)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def interpreter_folders() -> list[Path]:
    """What Python needs and /usr doesn't have: the environment and the interpreter it was made from."""
    needed: list[Path] = []
    for prefix in (sys.prefix, sys.base_prefix):
        for path in (Path(prefix), Path(prefix).resolve()):
            if not path.is_relative_to("/usr") and path not in needed:
                needed.append(path)
    return needed


def _system_links() -> list[str]:
    """/bin, /lib and the like: links into /usr on merged systems, folders of their own elsewhere."""
    arguments: list[str] = []
    for name in ("bin", "sbin", "lib", "lib32", "lib64", "libx32"):
        path = Path("/", name)
        if path.is_symlink():
            arguments += ["--symlink", str(path.readlink()), str(path)]
        elif path.is_dir():
            arguments += ["--ro-bind", str(path), str(path)]
    return arguments


def _unused_uid() -> int:
    while True:
        uid = 1_000_000_000 + secrets.randbelow(1_000_000_000)
        try:
            pwd.getpwuid(uid)
        except KeyError:
            return uid


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
