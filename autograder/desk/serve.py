"""The desk's server: the address at which it listens, which it prints.

Called by the command `desk`. Ends on Ctrl-C. A run of the class doesn't end with it, even if it was started from the
desk.
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
    """Ends the events of open pages first: the server would wait for them otherwise."""

    def __init__(self, config: uvicorn.Config, desk: Desk) -> None:
        super().__init__(config)
        self.desk = desk

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self.desk.over.set()
        super().handle_exit(sig, frame)


def serve(out: Path, host: str, port: int, tls_cert: Path | None = None, tls_key: Path | None = None) -> None:
    """Serve the class of `out` until Ctrl-C. `port` 0: any free port.

    Raises KitError for an address that other machines can reach without TLS, and where the port or the TLS files can't
    be used.
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
        listening.listen()  # a browser that comes before the first page is ready waits for it
    except (OSError, OverflowError) as error:
        raise KitError(f"{host}:{port}: can't listen there ({error})", "choose another --port") from error
    port = listening.getsockname()[1]
    shown = f"[{host}]" if ":" in host else host
    tls = tls_cert is not None
    desk = Desk(out, Keys())
    desk.prepare()
    with contextlib.suppress(KitError):  # the pages show what is wrong
        desk.decisions.finish()
    hosts = [f"{shown}:{port}", *([f"localhost:{port}", f"127.0.0.1:{port}"] if is_this_machines(host) else [])]
    try:
        config = uvicorn.Config(
            app(desk, hosts, tls=tls),
            log_level="error",
            access_log=False,  # the log would have the token, which is in the address
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
    """Whether only this machine can reach an address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
