"""Who is let in: a token in a header, the query, a WebSocket subprotocol, or a cookie.

The link that ``visavis serve`` prints carries the token once; the cookie set by it lasts. A cookie
travels by itself, so what comes in by cookie must come from a page of this server.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

from fastapi.responses import RedirectResponse
from starlette.datastructures import URL
from starlette.requests import HTTPConnection

from visavis.apps.server.errors import Refused, TokenNeeded, TooManyAttempts

if TYPE_CHECKING:
    from starlette.responses import Response

    from visavis.apps.server.settings import ServerSettings

WRONG_LIMIT = 10
"""Wrong tokens from one address within ``WRONG_WINDOW`` before it must wait."""
WRONG_WINDOW = 60.0
_ADDRESSES = 4_096
"""Addresses remembered; the oldest are forgotten first."""
COOKIE_SECONDS = 30 * 24 * 3600
SUBPROTOCOL = "visavis.token."
"""A WebSocket may carry the token as the subprotocol ``visavis.token.T``."""
_TOKEN_PROTOCOLS = (SUBPROTOCOL, "openai-insecure-api-key.")

_SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}


def make_token() -> str:
    """Make a token that nobody guesses."""
    return secrets.token_urlsafe(24)


class Gate:
    """Compares tokens in constant time, and makes who guesses wait.

    Args:
        token: Needed by all.
        admin_token: Needed for what is the operator's; it opens everything else as well.
        public: Let anybody in where only ``token`` is needed.
        origins: Other origins whose pages may call.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        token: str,
        admin_token: str = "",
        *,
        public: bool = False,
        origins: Iterable[str] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.token = token
        self.admin_token = admin_token or token
        self.public = public
        self._origins = {origin.rstrip("/").lower() for origin in origins}
        self._clock = clock
        self._wrong: OrderedDict[str, deque[float]] = OrderedDict()
        # Cookies do not keep ports apart: each server has its own name for them.
        mark = hashlib.sha256(f"{token}\n{self.admin_token}".encode()).hexdigest()[:8]
        self.cookie = f"visavis_{mark}"

    @classmethod
    def from_settings(cls, settings: ServerSettings) -> Gate:
        """Make one with the tokens that are set, or a new one."""
        token = settings.token.get_secret_value() or make_token()
        admin = settings.admin_token.get_secret_value()
        return cls(token, admin, public=settings.public, origins=settings.origins)

    def admit(self, connection: HTTPConnection, level: Literal["user", "admin"] = "user") -> None:
        """Let a request or WebSocket in, or raise.

        Raises:
            TokenNeeded: No token, or a wrong one.
            Refused: The token is not the operator's, or the page is another site's.
            TooManyAttempts: This address has guessed too often.
        """
        given, by_cookie = self._find_token(connection)
        if given:
            rank = self._rank(given, connection)
            if rank is None:
                raise TokenNeeded("the token is wrong; open the link that `visavis serve` printed")
            if level == "admin" and rank != "admin":
                raise Refused("this needs the operator's token, not a user's")
            if by_cookie:
                self._check_origin(connection)
            return
        if level == "user" and self.public:
            self._check_origin(connection)
            return
        raise TokenNeeded(
            "this needs a token; open the link that `visavis serve` printed, or send"
            " `Authorization: Bearer …`"
        )

    def is_valid(self, token: str, connection: HTTPConnection) -> bool:
        """Say whether a token opens anything.

        Raises:
            TooManyAttempts: This address has guessed too often.
        """
        return self._rank(token, connection) is not None

    def set_cookie(self, response: Response, token: str, *, secure: bool) -> None:
        """Let a browser carry the token from now on, out of reach of scripts."""
        response.set_cookie(
            self.cookie,
            token,
            max_age=COOKIE_SECONDS,
            httponly=True,
            samesite="strict",
            secure=secure,
        )

    def _find_token(self, connection: HTTPConnection) -> tuple[str, bool]:
        """Find the token, and whether it came as a cookie."""
        kind, _, bearer = connection.headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer" and bearer.strip():
            return bearer.strip(), False
        if query := connection.query_params.get("token", ""):
            return query, False
        if connection.scope["type"] == "websocket":
            offered = connection.scope.get("subprotocols", [])
            for name in offered:
                for prefix in _TOKEN_PROTOCOLS:
                    if name.startswith(prefix):
                        return name.removeprefix(prefix), False
        return connection.cookies.get(self.cookie, ""), True

    def _rank(self, given: str, connection: HTTPConnection) -> Literal["user", "admin"] | None:
        address = connection.client.host if connection.client else ""
        self._check_patience(address)
        admin, user = _same(given, self.admin_token), _same(given, self.token)
        if admin:
            return "admin"
        if user:
            return "user"
        self._note_wrong(address)
        return None

    def _check_patience(self, address: str) -> None:
        times = self._wrong.get(address)
        if times is None:
            return
        now = self._clock()
        while times and now - times[0] > WRONG_WINDOW:
            times.popleft()
        if not times:
            del self._wrong[address]
        elif len(times) >= WRONG_LIMIT:
            wait = max(1, round(WRONG_WINDOW - (now - times[0])))
            raise TooManyAttempts(
                f"too many wrong tokens came from {address}; wait {wait} s", retry_after=wait
            )

    def _note_wrong(self, address: str) -> None:
        self._wrong.setdefault(address, deque(maxlen=WRONG_LIMIT)).append(self._clock())
        self._wrong.move_to_end(address)
        while len(self._wrong) > _ADDRESSES:
            self._wrong.popitem(last=False)

    def _check_origin(self, connection: HTTPConnection) -> None:
        """Refuse what a page of another site sends with the user's cookie.

        Raises:
            Refused: The page is another site's.
        """
        is_socket = connection.scope["type"] == "websocket"
        if not is_socket and connection.scope.get("method", "GET") in _SAFE_METHODS:
            return
        origin = connection.headers.get("origin", "").rstrip("/").lower()
        if not origin or origin in self._origins:
            return  # programs send none; browsers always do
        if urlsplit(origin).netloc != connection.headers.get("host", "").lower():
            raise Refused(
                f"pages of {origin} may not call this server; add it to VISAVIS_SERVER_ORIGINS"
            )


def choose_subprotocol(connection: HTTPConnection) -> str | None:
    """Choose the subprotocol to accept a WebSocket with: the first that carries no token.

    A browser that offers some goes away where the server takes none.
    """
    offered: list[str] = connection.scope.get("subprotocols", [])
    return next((name for name in offered if not name.startswith(_TOKEN_PROTOCOLS)), None)


def _same(given: str, expected: str) -> bool:
    return secrets.compare_digest(given.encode(), expected.encode())


def find_gate(connection: HTTPConnection) -> Gate:
    """Return the gate of the app that a request came to."""
    gate = connection.app.state.gate
    assert isinstance(gate, Gate)
    return gate


async def require_token(connection: HTTPConnection) -> None:
    """Dependency of routes for users; works for HTTP and WebSockets."""
    find_gate(connection).admit(connection)


async def require_admin(connection: HTTPConnection) -> None:
    """Dependency of routes for the operator; works for HTTP and WebSockets."""
    find_gate(connection).admit(connection, "admin")


def exchange_token(connection: HTTPConnection) -> Response | None:
    """Answer a visit with ``?token=T``: set the cookie and go on to the same page without it.

    Returns:
        None where the address carries no token.

    Raises:
        TokenNeeded: The token is wrong.
        TooManyAttempts: This address has guessed too often.
    """
    token = connection.query_params.get("token", "")
    if not token:
        return None
    gate = find_gate(connection)
    if not gate.is_valid(token, connection):
        raise TokenNeeded("the token is wrong; open the link that `visavis serve` printed")
    rest = URL(scope=connection.scope).remove_query_params("token")
    # Only the path: an absolute address would be built of the Host header, which anybody may set.
    where = "/" + rest.path.lstrip("/") + (f"?{rest.query}" if rest.query else "")
    response = RedirectResponse(where, HTTPStatus.SEE_OTHER)
    gate.set_cookie(response, token, secure=connection.url.scheme == "https")
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["Cache-Control"] = "no-store"
    return response
