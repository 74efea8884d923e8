"""STUN and TURN: what players are told, what is used here, and whether it answers."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from aiortc import RTCConfiguration, RTCIceServer
from aiortc.rtcicetransport import parse_stun_turn_uri

from visavis.apps.server.settings import IceServer

logger = logging.getLogger(__name__)

PATIENCE = 1.0
"""Seconds to wait for a STUN or TURN server; gathering would wait for five, and so would the page."""
FRESH = 60.0
"""Seconds that a probe's result is believed."""

ProbeCode: TypeAlias = Literal[
    "", "unanswered", "no_listener", "no_host", "certificate", "turn_credentials", "turn_forbidden",
    "turn_quota", "turn_ports", "turn_refused", "probe_failed",
]  # fmt: skip
_PROBLEMS: dict[ProbeCode, str] = {
    "": "",
    "unanswered": (
        "it is not reachable: no answer within {seconds:g} s; does it run, and is {transport} let"
        " through?"
    ),
    "no_listener": "it is not reachable: nothing listens at this port",
    "no_host": "there is no such host name",
    "certificate": "its certificate is not trusted ({reason})",
    "turn_credentials": (
        "TURN refused: the user name or the credential is wrong ({status} {reason})"
    ),
    "turn_forbidden": "TURN refused: it does not serve this machine ({status} {reason})",
    "turn_quota": (
        "TURN refused: this user has as many relays as its quota allows ({status} {reason})"
    ),
    "turn_ports": "TURN refused: all its relay ports are taken ({status} {reason})",
    "turn_refused": "TURN refused: it gives out no relay ({status} {reason})",
    "probe_failed": "{reason}",
}
_REFUSALS: dict[int, ProbeCode] = {
    401: "turn_credentials", 403: "turn_forbidden", 486: "turn_quota", 508: "turn_ports",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Probe:
    """Whether a server answered from here.

    Attributes:
        url: As it is set.
        reachable: Whether it did, and a TURN server gave out a relay.
        seconds: How long it took.
        address: This machine's address and port as it was seen there; empty when that is unknown.
        code: Why not; empty when nothing is wrong.
        values: That the words for the code need.
    """

    url: str
    reachable: bool
    seconds: float
    address: str = ""
    code: ProbeCode = ""
    values: Mapping[str, str | int | float] = field(default_factory=dict)

    @property
    def problem(self) -> str:
        """Why not, in English; empty when nothing is wrong."""
        return _PROBLEMS[self.code].format(**self.values)


def describe_servers(servers: Iterable[IceServer]) -> list[dict[str, Any]]:
    """Give the servers in the form of a browser's ``RTCConfiguration.iceServers``."""
    found: list[dict[str, Any]] = []
    for server in servers:
        entry: dict[str, Any] = {"urls": list(server.urls)}
        if server.username:
            entry["username"] = server.username
            entry["credential"] = server.credential.get_secret_value()
        found.append(entry)
    return found


def make_links(servers: Iterable[IceServer]) -> list[str]:
    """Give the servers as ``Link`` headers of WHEP."""
    links: list[str] = []
    for server in servers:
        for url in server.urls:
            link = f'<{url}>; rel="ice-server"'
            if server.username:
                secret = _quote(server.credential.get_secret_value())
                link += f'; username="{_quote(server.username)}"; credential="{secret}"'
                link += '; credential-type="password"'
            links.append(link)
    return links


class IceServers:
    """The configured servers, those left out that do not answer this machine.

    A server that does not answer would hold every connection up for seconds. Without any, players
    still reach this machine at its own addresses.
    """

    def __init__(self, servers: Sequence[IceServer]) -> None:
        self.servers = tuple(servers)
        self._probes: tuple[Probe, ...] = ()
        self._probed: float | None = None
        self._lock = asyncio.Lock()

    async def probe(self) -> tuple[Probe, ...]:
        """Ask every server whether it is there; the answer holds for a minute."""
        async with self._lock:
            now = time.monotonic()
            if self._probed is None or now - self._probed > FRESH:
                asked = [
                    probe_server(url, server.username, server.credential.get_secret_value())
                    for server in self.servers
                    for url in server.urls
                ]
                self._probes = tuple(await asyncio.gather(*asked))
                self._probed = time.monotonic()
                for found in self._probes:
                    if not found.reachable:
                        logger.warning("%s is left out: %s", found.url, found.problem)
            return self._probes

    async def configure(self) -> RTCConfiguration:
        """Give what a connection of this machine uses."""
        reachable = {found.url for found in await self.probe() if found.reachable}
        servers: list[RTCIceServer] = []
        for server in self.servers:
            urls = [url for url in server.urls if url in reachable]
            if urls:
                secret = server.credential.get_secret_value()
                servers.append(RTCIceServer(urls, server.username or None, secret or None))
        return RTCConfiguration(servers)


async def probe_server(url: str, username: str = "", credential: str = "") -> Probe:
    """Ask a STUN server for this machine's address, or a TURN server for a relay.

    Args:
        url: As in ``RTCIceServer.urls``.
        username: Of TURN.
        credential: Of TURN.
    """
    began = time.monotonic()

    def fail(code: ProbeCode, **values: str | int | float) -> Probe:
        return Probe(url, False, time.monotonic() - began, "", code, values)

    try:
        parts = parse_stun_turn_uri(url)
        host, port, scheme = str(parts["host"]), int(parts["port"]), str(parts["scheme"])
        async with asyncio.timeout(PATIENCE):
            if scheme in ("turn", "turns"):
                address = await _ask_relay(
                    host, port, scheme == "turns", parts["transport"], username, credential
                )
            elif scheme == "stuns":
                _, writer = await asyncio.open_connection(host, port)
                writer.close()
                await writer.wait_closed()
                address = ""
            else:
                address = await _ask_address(host, port)
        return Probe(url, True, time.monotonic() - began, address)
    except TimeoutError:
        is_tcp = url.startswith(("stuns", "turns")) or url.endswith("=tcp")
        return fail("unanswered", seconds=PATIENCE, transport="TCP" if is_tcp else "UDP")
    except _Refused as error:
        code = _REFUSALS.get(error.status, "turn_refused")
        return fail(code, status=error.status, reason=error.reason)
    except ssl.SSLCertVerificationError as error:
        return fail("certificate", reason=error.verify_message)
    except socket.gaierror:
        return fail("no_host")
    except ConnectionRefusedError:
        return fail("no_listener")
    except (OSError, ValueError, KeyError) as error:
        return fail("probe_failed", reason=str(error))


class _Refused(Exception):
    """A TURN server answered, and gives out no relay."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(f"{status} {reason}")
        self.status, self.reason = status, reason


async def _ask_relay(
    host: str, port: int, tls: bool, transport: str, username: str, credential: str
) -> str:
    """Get a relay (RFC 8656), give it back, and return this machine's address as it was seen."""
    from aioice import stun, turn

    gone = asyncio.Event()

    class Relay(asyncio.DatagramProtocol):
        def connection_lost(self, exc: Exception | None) -> None:
            gone.set()

    try:
        relay, _ = await turn.create_turn_endpoint(
            Relay, (host, port), username, credential, ssl=tls or None, transport=transport
        )
    except stun.TransactionTimeout:
        raise TimeoutError from None
    except stun.TransactionFailed as error:
        status, reason = error.response.attributes.get("ERROR-CODE", (0, ""))
        raise _Refused(status, reason) from None
    seen = relay.get_extra_info("related_address")
    relay.close()
    with suppress(TimeoutError):
        await asyncio.wait_for(gone.wait(), 0.3)
    return f"{seen[0]}:{seen[1]}"


async def _ask_address(host: str, port: int) -> str:
    """Send a STUN Binding request (RFC 8489) and return the address in the answer."""
    from aioice import stun

    loop = asyncio.get_running_loop()
    answer: asyncio.Future[str] = loop.create_future()
    request = stun.Message(message_method=stun.Method.BINDING, message_class=stun.Class.REQUEST)

    class Asking(asyncio.DatagramProtocol):
        def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
            try:
                said = stun.parse_message(data)
            except ValueError:
                return
            if said.transaction_id == request.transaction_id and not answer.done():
                seen = said.attributes.get("XOR-MAPPED-ADDRESS")
                answer.set_result(f"{seen[0]}:{seen[1]}" if seen else "")

        def error_received(self, exc: Exception) -> None:
            if not answer.done():
                answer.set_exception(exc)

    transport, _ = await loop.create_datagram_endpoint(Asking, remote_addr=(host, port))
    try:
        while True:
            transport.sendto(bytes(request))
            try:
                return await asyncio.wait_for(asyncio.shield(answer), 0.3)
            except (
                TimeoutError
            ):  # a datagram may be lost: ask again until our caller loses patience
                continue
    finally:
        transport.close()


def _quote(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
