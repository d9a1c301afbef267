"""Who may use the desk: a token in the first address, then a cookie; a token in each form; known hosts only.

Called by `app.py`, around everything that it serves, and by `serve.py`, which makes the keys. The headers here also
limit what a page may do: load nothing from elsewhere, run no script but the desk's own, be in nobody's frame.
"""

import hashlib
import hmac
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import unquote

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'self'; connect-src 'self'; img-src data:; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
LARGEST_FORM = 20 * 2**20  # bytes: an LMS's file of grades goes through one
SAFE = ("GET", "HEAD")


def _drawn() -> str:
    return secrets.token_urlsafe(24)


@dataclass(frozen=True)
class Keys:
    """The secrets of this desk, drawn anew at each start.

    Attributes:
        token: in the address that the command prints.
        session: the cookie's value.
        secret: the key of the HMAC that makes a form's token of its address.
    """

    token: str = field(default_factory=_drawn)
    session: str = field(default_factory=_drawn)
    secret: bytes = field(default_factory=lambda: secrets.token_bytes(32))

    def of_form(self, address: str) -> str:
        """The token of the form that is sent to `address`, a percent-encoded path."""
        return self._of_path(unquote(address))

    def is_of_form(self, token: str, path: str) -> bool:
        """Whether `token` belongs to the form that is sent to `path`, which is decoded."""
        return _equal(token, self._of_path(path))

    def _of_path(self, path: str) -> str:
        return hmac.new(self.secret, path.encode("utf-8", "replace"), hashlib.sha256).hexdigest()


class Gate:
    """Lets in requests with the token or the cookie, and only those whose Host header is one of `hosts`."""

    def __init__(self, app: ASGIApp, keys: Keys, hosts: Iterable[str], *, tls: bool = False) -> None:
        """`hosts`: the allowed Host headers, each with its port."""
        self.app = app
        self.keys = keys
        self.hosts = {host.lower() for host in hosts}
        self.tls = tls
        port = next(iter(self.hosts)).rpartition(":")[2]
        self.cookie = f"desk-{port}"  # cookies don't depend on the port, and a machine may have two desks

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
            await send(message)

        answer = self._refused(Request(scope))
        await (self.app if answer is None else answer)(scope, receive, with_headers)

    def _refused(self, request: Request) -> Response | None:
        """The answer to a request that isn't let through, or that has the token; None where it is let through."""
        if request.headers.get("host", "").lower() not in self.hosts:
            return PlainTextResponse("this desk isn't called so", 421)
        token = request.query_params.get("token")
        if request.url.path == "/" and token is not None and _equal(token, self.keys.token):
            answer = RedirectResponse("/", 303)  # so that no address bar keeps the token
            answer.set_cookie(
                self.cookie, self.keys.session, httponly=True, samesite="strict", secure=self.tls, path="/"
            )
            return answer
        if not _equal(request.cookies.get(self.cookie, ""), self.keys.session):
            return PlainTextResponse("open the address that the command `autograder desk` has printed", 403)
        if request.method in SAFE:
            return None
        scheme = "https" if self.tls else "http"
        if request.headers.get("origin", "").lower() not in {f"{scheme}://{host}" for host in self.hosts}:
            return PlainTextResponse("changes come from the desk's own pages", 403)
        length = request.headers.get("content-length", "")
        if not length.isdigit() or int(length) > LARGEST_FORM:
            return PlainTextResponse("too large", 413)
        return None


def _equal(given: str, own: str) -> bool:
    return hmac.compare_digest(given.encode(), own.encode())
