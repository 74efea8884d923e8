"""One call of a server over HTTP: its answer as it comes, with time-outs and retries."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal, TypeVar

from visavis.core.errors import MissingExtra
from visavis.stages.services.addresses import Address
from visavis.stages.services.failures import (
    CallFailure,
    explain_exception,
    explain_status,
    late,
)

logger = logging.getLogger(__name__)

T = TypeVar("T")

_ERROR_BYTES = 65_536
"""Of an error's text that are read."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How long a server is waited for, and how often it is asked.

    Attributes:
        connect_s: Seconds until a connection stands.
        first_s: Seconds from the call to the first result: sound, text.
        between_s: Seconds between two results.
        retries: Further attempts while there was no result.
        retry_after_s: The longest wait that a server may ask for; beyond it the error is raised.
        backoff_s: Wait before the first retry where the server asks for none; it doubles.
    """

    connect_s: float = 5.0
    first_s: float = 20.0
    between_s: float = 8.0
    retries: int = 2
    retry_after_s: float = 5.0
    backoff_s: float = 0.3


@dataclass(frozen=True, slots=True)
class Call:
    """What is asked.

    Attributes:
        what: The server in the words of errors, such as ``the speech server``.
        path: Below the address, with a slash before it.
        method: Of HTTP.
        json: Body, or None.
        form: Fields of a form; with ``files`` it is multipart.
        files: Name to (file name, bytes, media type).
        query: Of the URL.
    """

    what: str
    path: str
    method: Literal["GET", "POST"] = "POST"
    json: Mapping[str, Any] | None = None
    form: Mapping[str, str] | None = None
    files: Mapping[str, tuple[str, bytes, str]] | None = None
    query: Mapping[str, str] = field(default_factory=dict)


class Watch:
    """How long an answer is still waited for. Bytes alone do not count: a server may drip for ever."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._clock = asyncio.get_running_loop().time
        self.began = False
        self.deadline = self._clock() + limits.first_s

    @property
    def waited(self) -> float:
        """Seconds that are waited at most."""
        return self._limits.between_s if self.began else self._limits.first_s

    def extend(self) -> None:
        """A result came."""
        self.began = True
        self.deadline = self._clock() + self._limits.between_s


class Reply:
    """An answer with status 200 whose body is still coming."""

    def __init__(self, response: Any, call: Call, address: Address, watch: Watch) -> None:
        self._response = response
        self._call = call
        self._address = address
        self._watch = watch
        self.headers: dict[str, str] = {k.lower(): v for k, v in response.headers.items()}

    @property
    def kind(self) -> str:
        """Media type without parameters, in small letters."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """Yield the body as it comes. Raises CallFailure."""
        body = self._response.aiter_bytes()
        try:
            while True:
                try:
                    async with asyncio.timeout_at(self._watch.deadline):
                        data = await anext(body, None)
                except TimeoutError:
                    raise late(
                        self._call.what,
                        self._address,
                        self._watch.waited,
                        began=self._watch.began,
                    ) from None
                except Exception as error:
                    raise explain_exception(error, self._call.what, self._address) from None
                if data is None:
                    return
                if data:
                    yield data
        finally:
            await body.aclose()

    async def read(self, most: int) -> bytes:
        """Read the whole body, or its first ``most`` bytes. Raises CallFailure."""
        collected = bytearray()
        async with aclosing(self.chunks()) as chunks:
            async for data in chunks:
                collected += data
                if len(collected) >= most:
                    break
        return bytes(collected[:most])


@asynccontextmanager
async def open_call(
    address: Address, call: Call, limits: Limits, watch: Watch
) -> AsyncIterator[Reply]:
    """Ask a server; leaving the block hangs up.

    Each call has a connection of its own: sessions on several loops may ask at once, and what is
    broken off costs the server nothing further.

    Raises:
        CallFailure: There is no connection, no answer in time, or one with another status than 200.
        MissingExtra: The package httpx is not installed.
    """
    httpx = require_httpx()
    headers = {"accept-encoding": "identity"}
    if address.key:
        headers["authorization"] = f"Bearer {address.key}"
    client = httpx.AsyncClient(
        verify=_trust(),
        trust_env=not address.is_local,
        timeout=httpx.Timeout(None, connect=limits.connect_s),
        headers=headers,
    )
    response = None
    try:
        try:
            request = client.build_request(
                call.method,
                address.url + call.path,
                json=call.json,
                data=call.form,
                files=call.files,
                params=dict(call.query) or None,
            )
            async with asyncio.timeout_at(watch.deadline):
                response = await client.send(request, stream=True)
        except TimeoutError:
            raise late(call.what, address, watch.waited, began=False) from None
        except Exception as error:
            raise explain_exception(error, call.what, address) from None
        reply = Reply(response, call, address, watch)
        if response.status_code != 200:
            body = await _read_error(reply)
            raise explain_status(response.status_code, reply.headers, body, call.what, address)
        yield reply
    finally:
        if response is not None:
            await response.aclose()
        await client.aclose()


async def with_retries(
    attempt: Callable[[], AsyncGenerator[T, None]], limits: Limits
) -> AsyncGenerator[T, None]:
    """Yield what an attempt yields; begin again where it failed before its first result.

    Raises:
        Error: What the last attempt's CallFailure says.
    """
    attempts, began = 0, False
    while True:
        try:
            async with aclosing(attempt()) as results:
                async for result in results:
                    began = True
                    yield result
            return
        except CallFailure as failure:
            wait = _wait_before(attempts, failure, limits)
            if began or wait is None:
                raise failure.error from None
            logger.warning("%s; trying again in %.1f s", failure, wait)
        attempts += 1
        await asyncio.sleep(wait)


def require_httpx() -> Any:
    """Load the client when it is first needed: who uses no service need not have it.

    Raises:
        MissingExtra: It is not installed.
    """
    try:
        import httpx
    except ModuleNotFoundError as error:
        raise MissingExtra(
            f'speaking with servers needs the package {error.name!r}: pip install "visavis[services]"'
        ) from error
    return httpx


def _wait_before(attempts: int, failure: CallFailure, limits: Limits) -> float | None:
    if not failure.again or attempts >= limits.retries:
        return None
    if failure.after is None:
        return float(limits.backoff_s * 2**attempts)
    return failure.after if failure.after <= limits.retry_after_s else None


async def _read_error(reply: Reply) -> bytes:
    try:
        return await reply.read(_ERROR_BYTES)
    except CallFailure:
        return b""


@cache
def _trust() -> ssl.SSLContext:
    """The certificates, which take 50 ms to read."""
    return ssl.create_default_context()
