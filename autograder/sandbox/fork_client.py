"""The client of the process that has imported torch, and whose forks become runs: see `proctor/fork_server.py`.

Called by `sandbox.py`; `schedule.py` begins it early, and whoever has used it ends it. There is one server for each
process of the grader. It starts with `begin`, or with the first fork; it ends with the grader, and a new one starts
where one has died. Starting it costs as much as a run that imports torch; each run then costs 0.1 s.
"""

import contextlib
import json
import socket
import subprocess
import threading
from collections.abc import Mapping

import psutil

from autograder.errors import KitError
from autograder.files import PACKAGE
from autograder.sandbox import bubblewrap

READY_S = 300.0

_START = "import sys; sys.path.append(sys.argv[1]); from autograder.proctor.fork_server import main; main()"


class Server:
    """A fork server, ready or still importing."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [*bubblewrap.interpreter(), "-c", _START, str(PACKAGE.parent), str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                env=bubblewrap.environment(1, bubblewrap.HOME),
                cwd="/",
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        self._control = ours
        self._control.settimeout(READY_S)
        self._ready = False

    def fork(self, order: Mapping[str, object], descriptors: list[int]) -> psutil.Process:
        """A new process for `order` (see `fork_server.py`). Raises OSError where the server has died."""
        if not self._ready:
            self._heard()
            self._ready = True
        socket.send_fds(self._control, [json.dumps(order).encode()], descriptors)
        return psutil.Process(int(self._heard()))

    def end(self) -> None:
        """End it, but nothing that it forked."""
        self._control.close()
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        self._process.communicate()

    def _heard(self) -> bytes:
        said = self._control.recv(64)
        if not said:
            raise ConnectionResetError("the server of forks has ended")
        return said


_lock = threading.Lock()
_server: Server | None = None


def begin() -> None:
    """Have the server get ready, which takes seconds, before anybody asks for a fork."""
    global _server
    with _lock:
        if _server is None:
            _server = Server()


def end() -> None:
    """End the server, if there is one."""
    global _server
    with _lock:
        if _server is not None:
            _server.end()
            _server = None


def fork(order: Mapping[str, object], descriptors: list[int]) -> psutil.Process:
    """A new process of this grader's server; of a second one where the first has died. Raises KitError."""
    global _server
    with _lock:
        for _ in range(2):
            if _server is None:
                _server = Server()
            try:
                return _server.fork(order, descriptors)
            except (OSError, psutil.NoSuchProcess):
                _server.end()
                _server = None
    raise KitError("the process that has imported torch for others ends each time", "run it again, with nothing else")
