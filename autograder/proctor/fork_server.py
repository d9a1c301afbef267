"""A process that has imported what the proctor imports, and forks itself for each observation and each preview.

Started by `fork_client.py`, in an environment made from nothing, outside of any sandbox: it never reads a byte of a
submission, holds no secret, and runs nothing of torch. Each fork enters the namespaces that bubblewrap has made for it,
sets the limits and gives up all rights before it becomes the proctor. So it doesn't spend seconds on `import torch`.

What a fork can see that a process of its own could not: this one's memory, in which there is the code of the kit and of
its libraries, and the arguments of the forks before. All forks have the same address layout and the same hash seed.
"""

import contextlib
import ctypes
import fcntl
import gc
import importlib
import json
import os
import resource
import signal
import socket
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any, NoReturn

from autograder.sandbox import seccomp
from autograder.sandbox.bubblewrap import NAMESPACES

OWNER_OF_NAMESPACE = 0xB701  # ioctl NS_GET_USERNS
CLONE_NEWUSER = 0x10000000
SET_DEATH_SIGNAL, SET_DUMPABLE, DROP_BOUND, NO_NEW_PRIVILEGES = 1, 4, 24, 38  # of prctl
CAPABILITIES_VERSION_3 = 0x20080522

_libc = ctypes.CDLL(None, use_errno=True)
try:
    _filter = seccomp.rules()
except (ImportError, OSError, RuntimeError):  # `doctor` says that it is missing
    _filter = None


def serve(control: socket.socket) -> None:
    """Fork for each order until the other end is closed. An order is JSON and four file descriptors, see `_become`."""
    _import()
    if len(os.listdir("/proc/self/task")) != 1:  # noqa: PTH208  a fork would have the locks of the others, held for ever
        raise RuntimeError("an import has started a thread")
    gc.collect()
    gc.freeze()  # no collection in a fork has to walk, and so to copy, what was imported
    signal.signal(signal.SIGCHLD, _reap)
    control.send(b"ready")
    while True:
        content, descriptors, _, _ = socket.recv_fds(control, 2**20, 4)
        if not content:
            return
        pid = os.fork()
        if pid == 0:
            control.close()
            _become(json.loads(content), *descriptors)
        for descriptor in descriptors:
            os.close(descriptor)
        control.send(str(pid).encode())


def _reap(*_: object) -> None:
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _import() -> None:
    # matplotlib looks through all fonts when it finds no list of them, and keeps the list in its folder.
    with tempfile.TemporaryDirectory() as fonts:
        kept = os.environ["MPLCONFIGDIR"]
        os.environ["MPLCONFIGDIR"] = fonts
        for name in ("numpy.random", "matplotlib.pyplot", "tqdm.auto"):  # which many scripts import
            with contextlib.suppress(ImportError):
                importlib.import_module(name)
        os.environ["MPLCONFIGDIR"] = kept
    import autograder.proctor.__main__  # noqa: F401


def _become(order: dict[str, Any], link: int, read: int, write: int, output: int) -> NoReturn:
    """Become the program of `order`, in the namespaces that come through `link`; send its exit status there.

    `read` and `write` are the grader's pipes, whose numbers are the program's last arguments; `output` is for what it
    prints.
    """
    code = 1
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.setsid()
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(output, 1)
        os.dup2(output, 2)
        _close_all_but(link, read, write)
        with socket.socket(fileno=link) as holder:
            content, namespaces, _, _ = socket.recv_fds(holder, 1, len(NAMESPACES))
            if content:  # else bubblewrap could not make them, and has said why
                _limit(order["limits"])
                _enter(dict(zip(NAMESPACES, namespaces, strict=True)), order["uid"])
                os.chdir(order["folder"])
                os.environ.update(order["environment"])  # which GPU it has
                most = order["processes"]
                resource.setrlimit(resource.RLIMIT_NPROC, (most, most))  # counted in this run's own user namespace
                _give_up_rights()
                child = os.fork()  # the namespace of processes holds whatever is forked after it was entered
                if child == 0:
                    holder.close()
                    _run(order["program"], read, write)
                os.close(read)
                os.close(write)
                ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
                holder.send(bytes([ended if ended >= 0 else 128 - ended]))
                code = 0
    except Exception:
        sys.excepthook(*sys.exc_info())  # into the run's output
    finally:
        os._exit(code)


def _close_all_but(*kept: int) -> None:
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208
        if int(name) > 2 and int(name) not in kept:
            with contextlib.suppress(OSError):  # the one that listed them
                os.close(int(name))


def _limit(limits: dict[str, int]) -> None:
    for name, most in limits.items():
        resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (most, most))


def _enter(namespaces: dict[str, int], uid: int | None) -> None:
    """Enter all. They belong to a user namespace, which belongs to `uid`, or, for None, to the user of this process."""
    if uid is not None:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
    owner = fcntl.ioctl(namespaces["mnt"], OWNER_OF_NAMESPACE)
    _set_namespace(owner, CLONE_NEWUSER)
    for name, descriptor in namespaces.items():
        if name != "user":
            _set_namespace(descriptor, 0)
    if os.fstat(owner).st_ino != os.fstat(namespaces["user"]).st_ino:
        _set_namespace(namespaces["user"], CLONE_NEWUSER)
    for descriptor in (owner, *namespaces.values()):
        os.close(descriptor)


def _set_namespace(descriptor: int, kind: int) -> None:
    _checked(_libc.setns(descriptor, kind))


def _give_up_rights() -> None:
    """No capabilities, none to come, and the filter of system calls: what bubblewrap does to a program of its own."""
    last = int(Path("/proc/sys/kernel/cap_last_cap").read_text())
    for capability in range(last + 1):
        _checked(_libc.prctl(DROP_BOUND, capability, 0, 0, 0))
    header = (ctypes.c_uint32 * 2)(CAPABILITIES_VERSION_3, 0)
    _checked(_libc.capset(header, (ctypes.c_uint32 * 6)()))
    if _filter is None:
        _checked(_libc.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0))
    else:
        _filter.load()  # which sets no_new_privs, too


def _checked(result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _run(program: list[str], read: int, write: int) -> NoReturn:
    """Become `python -c program[0]`, with the rest of `program` and the two pipes' file descriptors as arguments."""
    code = 1
    try:
        _libc.prctl(SET_DEATH_SIGNAL, int(signal.SIGKILL), 0, 0, 0)
        _libc.prctl(SET_DUMPABLE, 1, 0, 0, 0)  # a change of user clears it; a new program would have it again
        source, *arguments = program
        sys.argv = ["-c", *arguments, str(read), str(write)]
        exec(compile(source, "<string>", "exec"), {"__name__": "__main__"})
        code = 0
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(code)


def main() -> None:
    """Serve on the descriptor that is the last argument."""
    threading.current_thread().name = "fork server"
    control = socket.socket(fileno=int(sys.argv[-1]))
    control.set_inheritable(False)
    serve(control)
