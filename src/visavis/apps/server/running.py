"""Runs the server: a socket, a certificate where wished, warm networks, and an end without loss."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import ipaddress
import logging
import signal
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import uvicorn

from visavis.apps.server.app import create_app
from visavis.apps.server.house import House
from visavis.apps.server.store.place import data_folder
from visavis.apps.server.transports.ports import make_loop
from visavis.apps.server.warming import warm_up
from visavis.core.errors import ConfigError, Error

if TYPE_CHECKING:
    from fastapi import FastAPI

    from visavis.apps.assemble import Cast
    from visavis.apps.server.auth import Gate
    from visavis.apps.server.settings import ServerSettings

logger = logging.getLogger(__name__)

PATIENCE = 5
"""Seconds that requests get to finish when the server stops."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Certificate:
    """Files of a TLS certificate and its key, PEM."""

    certificate: Path
    key: Path


def run_server(
    settings: ServerSettings,
    *,
    cast: Cast | None = None,
    self_signed: bool = False,
    say: Say,
    ready: Callable[[str], None],
) -> None:
    """Serve until SIGINT or SIGTERM.

    Args:
        settings: As the server shall be.
        cast: Stages; those of the settings in the environment by default.
        self_signed: Make a certificate where none is set.
        say: Told what is being loaded.
        ready: Told the link once all is loaded.

    Raises:
        ConfigError: The port is taken, the address is not this machine's, a certificate is missing.
        Error: The networks cannot be loaded.
    """
    certificate = find_certificate(settings, self_signed=self_signed)
    app = create_app(settings, cast=cast)
    with contextlib.closing(open_socket(settings.host, settings.port)) as listener:
        port = listener.getsockname()[1]
        link = make_link(settings.host, port, app.state.gate, secure=certificate is not None)
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=True,
            timeout_graceful_shutdown=PATIENCE,
            ws="websockets-sansio",
            ws_max_size=4 << 20,
            ws_ping_interval=20,
            ws_ping_timeout=20,
            ssl_certfile=str(certificate.certificate) if certificate else None,
            ssl_keyfile=str(certificate.key) if certificate else None,
        )
        server = _Server(config, app)
        with asyncio.Runner(loop_factory=partial(make_loop, settings.media_ports)) as runner:
            runner.run(_serve(server, listener, say, lambda: ready(link)))
    if server.trouble is not None:
        raise server.trouble


class _Server(uvicorn.Server):
    """Ends live sessions first, so that their listeners hear why, and leaves signals answered."""

    def __init__(self, config: uvicorn.Config, app: FastAPI) -> None:
        super().__init__(config)
        self._visavis = app
        self.trouble: Error | None = None
        self.up = asyncio.Event()

    @property
    def house(self) -> House:
        """What the app's lifespan opened."""
        house: House = self._visavis.state.house
        return house

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Open the house and take requests."""
        await super().startup(sockets)
        self.up.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End the sessions, then the requests, then the house."""
        await self.house.sessions.close()
        await super().shutdown(sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop on a signal; a stop that was asked for is no failure, so it is not raised again."""
        loop = asyncio.get_running_loop()
        numbers = (signal.SIGINT, signal.SIGTERM)
        for number in numbers:
            loop.add_signal_handler(number, self.handle_exit, number, None)
        try:
            yield
        finally:
            for number in numbers:
                loop.remove_signal_handler(number)


async def _serve(
    server: _Server, listener: socket.socket, say: Say, ready: Callable[[], None]
) -> None:
    async def prepare() -> None:
        await server.up.wait()
        try:
            await warm_up(server.house, say)
        except Error as error:
            server.trouble = error
            server.should_exit = True
        else:
            ready()
            if server.house.preparation is not None:
                server.house.preparation.start()

    warming = asyncio.create_task(prepare())
    try:
        await server.serve([listener])
    finally:
        warming.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await warming


def open_socket(host: str, port: int) -> socket.socket:
    """Listen at an address.

    Raises:
        ConfigError: It cannot be had.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (OSError, UnicodeError):
        raise ConfigError(
            f"there is no address {host!r}; use 127.0.0.1, or 0.0.0.0 for all networks"
        ) from None
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(128)
    except OSError as error:
        listener.close()
        raise ConfigError(_explain(error, host, port)) from None
    return listener


def _explain(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"port {port} is taken by another program (or another `visavis serve`);"
            " choose one with --port, or --port 0 for any free one"
        )
    if error.errno == errno.EACCES:
        return f"port {port} is for root only; choose one above 1023 with --port"
    return f"{host} is no address of this machine; use 127.0.0.1, or 0.0.0.0 for all networks"


def is_loopback(host: str) -> bool:
    """Say whether only this machine can reach an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def make_link(host: str, port: int, gate: Gate, *, secure: bool) -> str:
    """Make the address to open, with the token unless everybody may come in."""
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)
    link = f"{'https' if secure else 'http'}://{shown}:{port}/"
    return link if gate.public else f"{link}?token={gate.token}"


def find_certificate(settings: ServerSettings, *, self_signed: bool) -> Certificate | None:
    """Find the certificate that is set, or make one.

    Raises:
        ConfigError: One of the two files is missing, or they do not go together.
    """
    import ssl

    given = settings.tls_certificate, settings.tls_key
    if given == (None, None):
        if not self_signed:
            return None
        return make_certificate(data_folder(settings.data) / "tls", settings.host)
    certificate, key = given
    if certificate is None or key is None:
        raise ConfigError("TLS needs both --tls-certificate and --tls-key; give the other as well")
    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        what = getattr(error, "reason", None) or error.strerror or "they do not go together"
        raise ConfigError(
            f"the certificate {certificate} with the key {key} cannot be used ({what});"
            " give PEM files that belong together"
        ) from None
    return Certificate(certificate, key)


def make_certificate(folder: Path, host: str) -> Certificate:
    """Make a certificate that browsers warn of once, or take the one made before.

    Raises:
        OutputUnwritable: The folder cannot be written.
    """
    from visavis.apps.server.certificate import write_certificate
    from visavis.media.files import unwritable

    made = Certificate(folder / f"{_file_name(host)}.crt", folder / f"{_file_name(host)}.key")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_certificate(made.certificate, made.key, host)
    except OSError as error:
        raise unwritable(made.certificate, error) from error
    return made


def _file_name(host: str) -> str:
    return "".join(c if c.isalnum() or c in ".-" else "_" for c in host)


def describe_exposure(settings: ServerSettings, *, secure: bool) -> str | None:
    """Say what somebody should know who lets others in."""
    if secure or is_loopback(settings.host):
        return None
    return (
        "browsers give the microphone on HTTPS or localhost only: visitors from other machines can"
        " type but not speak; use --tls-self-signed, --tls-certificate, or a proxy with TLS"
    )
