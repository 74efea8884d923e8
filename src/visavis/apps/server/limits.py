"""What surrounds every request: a bound on its body, a count of it, and headers of caution."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from visavis.apps.server.errors import BodyTooLarge, make_response

if TYPE_CHECKING:
    from visavis.apps.server.metrics import Metrics

PLAIN_BYTES = 1 << 20
"""Of a body that is no upload, such as JSON; the longest text has 100,000 characters."""
_UPLOADS = ("multipart/form-data", "audio/", "video/", "image/", "application/octet-stream")


class Surroundings:
    """Middleware of the whole app.

    Args:
        app: What is inside.
        upload_bytes: Bound of a body that is an upload.
        metrics: Where requests are counted.
    """

    def __init__(self, app: ASGIApp, *, upload_bytes: int, metrics: Metrics) -> None:
        self._app = app
        self._upload_bytes = upload_bytes
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, with a bounded body."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        kind = headers.get("content-type", "").lower()
        limit = self._upload_bytes if kind.startswith(_UPLOADS) else PLAIN_BYTES
        began = time.perf_counter()
        status = 500
        started = False
        taken = 0

        async def count(message: Message) -> None:
            nonlocal status, started
            if message["type"] == "http.response.start":
                status, started = message["status"], True
                caution = MutableHeaders(scope=message)
                caution.setdefault("X-Content-Type-Options", "nosniff")
                caution.setdefault("Referrer-Policy", "same-origin")
                if scope["path"].startswith(("/api/", "/v1/")):
                    caution.setdefault("Cache-Control", "no-store")
            await send(message)

        async def read() -> Message:
            nonlocal taken
            message = await receive()
            if message["type"] == "http.request":
                taken += len(message.get("body", b""))
                if taken > limit:
                    raise _too_large(limit)
            return message

        try:
            declared = headers.get("content-length", "")
            if declared.isdecimal() and int(declared) > limit:
                raise _too_large(limit)
            await self._app(scope, read, count)
        except BodyTooLarge as error:
            if started:
                raise
            await make_response(error, scope["path"])(scope, receive, count)
        finally:
            route = scope.get("route")
            path = getattr(route, "path", "") or "unknown"
            seconds = time.perf_counter() - began
            self._metrics.count_request(scope["method"], path, status, seconds)


def _too_large(limit: int) -> BodyTooLarge:
    return BodyTooLarge(
        f"the body has more than {limit / 1e6:.0f} MB; send less"
        + (", or set VISAVIS_SERVER_MAX_UPLOAD_MB" if limit != PLAIN_BYTES else "")
    )
