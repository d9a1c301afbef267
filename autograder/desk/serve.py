"""The desk's process: where it listens, and the address that it prints.

Called by the command `desk`. Ends on Ctrl-C; a run of the class that goes on, also one that was started from its pages,
doesn't end with it.
"""

import contextlib
import ipaddress
import socket
import ssl
from pathlib import Path
from types import FrameType

import uvicorn

from autograder.desk.app import Desk, app
from autograder.desk.security import Keys
from autograder.errors import KitError


class _Server(uvicorn.Server):
    """Tells open pages that it ends, which else would be waited for."""

    def __init__(self, config: uvicorn.Config, desk: Desk) -> None:
        super().__init__(config)
        self.desk = desk

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self.desk.over.set()
        super().handle_exit(sig, frame)


def serve(out: Path, host: str, port: int, tls_cert: Path | None = None, tls_key: Path | None = None) -> None:
    """Serve the class of `out` until somebody ends it. `port` 0: a free one.

    Raises KitError for an address that others can reach without TLS, and where nobody can listen there.
    """
    if (tls_cert is None) != (tls_key is None):
        raise KitError("a certificate and its key go together", "name both: --tls-cert and --tls-key")
    if not is_this_machines(host) and tls_cert is None:
        raise KitError(
            f"{host}: others can reach that, and would read along", "name --tls-cert and --tls-key, or leave out --host"
        )
    out.mkdir(parents=True, exist_ok=True)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        listening.listen()  # who opens the address before the first page is ready waits for it
    except (OSError, OverflowError) as error:
        raise KitError(f"{host}:{port}: can't listen there ({error})", "choose another --port") from error
    port = listening.getsockname()[1]
    shown = f"[{host}]" if ":" in host else host
    tls = tls_cert is not None
    desk = Desk(out, Keys())
    desk.prepare()
    with contextlib.suppress(KitError):  # the pages say what is wrong
        desk.decisions.finish()
    hosts = [f"{shown}:{port}", *([f"localhost:{port}", f"127.0.0.1:{port}"] if is_this_machines(host) else [])]
    try:
        config = uvicorn.Config(
            app(desk, hosts, tls=tls),
            log_level="error",
            access_log=False,  # addresses hold the token
            server_header=False,
            timeout_graceful_shutdown=2,
            ssl_certfile=tls_cert,
            ssl_keyfile=tls_key,
        )
        config.load()
    except (OSError, ssl.SSLError) as error:
        raise KitError(f"the TLS files can't be used ({error})") from error
    print(f"the desk of {out}: {'https' if tls else 'http'}://{shown}:{port}/?token={desk.keys.token}", flush=True)
    print("open it in a browser on this machine; Ctrl-C ends the desk, and no run", flush=True)
    _Server(config, desk).run(sockets=[listening])


def is_this_machines(host: str) -> bool:
    """Whether an address can be reached from this machine alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
