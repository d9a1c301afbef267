"""The command line, and the proctor that it starts, without whatever only Linux has: as far as that can be had here.

Run as a program: `as_on_a_mac.py check hw6.py`. Modules and functions that a Mac lacks are gone, `/proc`, `/sys` and
`/dev` hold nothing for anybody but psutil (which asks the system there in its own way), and `sys.platform` says so.
"""

import multiprocessing.connection  # noqa: F401  with what follows, imported while the platform is what it is
import os
import select
import signal
import socket
import subprocess  # noqa: F401
import sys
from typing import Any

import psutil  # noqa: F401

LINUX_ONLY = {
    os: ("memfd_create", "sched_getaffinity", "setns", "unshare", "pidfd_open", "eventfd", "splice", "O_DIRECT"),
    select: ("epoll",),
    signal: ("SIGRTMIN", "SIGRTMAX", "pthread_getcpuclockid"),
    socket: ("AF_NETLINK", "AF_PACKET", "AF_VSOCK", "AF_ALG", "SOCK_CLOEXEC"),
}
HIDDEN = ("/proc", "/sys", "/dev/nvidia", "/dev/shm")
GONE = ("pyseccomp", "spwd", "ossaudiodev")


def become() -> None:
    """From here on this process has what a Mac has."""
    import torch  # noqa: F401  chooses libraries by the platform
    import torchvision  # noqa: F401

    for module, names in LINUX_ONLY.items():
        for name in names:
            if hasattr(module, name):
                delattr(module, name)
    for name in GONE:
        sys.modules[name] = None  # type: ignore[assignment]
    sys.addaudithook(_hide)
    sys.platform = "darwin"


def _hide(event: str, arguments: tuple[Any, ...]) -> None:
    if event not in ("open", "os.listdir", "os.scandir") or not arguments or not isinstance(arguments[0], str | bytes):
        return
    if os.fsdecode(arguments[0]).startswith(HIDDEN):
        frame: Any = sys._getframe(1)
        while frame is not None:
            if str(frame.f_globals.get("__name__")).startswith(("psutil", "torch")):
                return
            frame = frame.f_back
        raise FileNotFoundError(2, "a Mac has no such file", arguments[0])


if __name__ == "__main__":
    become()
    if sys.argv[1] == "-c":  # what the command line starts
        _, _, source, *words = sys.argv
        sys.argv = ["-c", *words]
        exec(compile(source, "<string>", "exec"), {"__name__": "__main__"})
    else:
        from autograder.commands import app
        from autograder.sandbox import bubblewrap

        own = [sys.executable, "-I", "-B", "-u", "-X", "utf8", __file__]
        bubblewrap.interpreter = lambda: own  # type: ignore[assignment]
        app.main()
