"""UDP ports of WebRTC out of a range, so that a firewall can let just those through."""

from __future__ import annotations

import asyncio
import errno
import itertools
import logging
from collections.abc import Callable
from typing import Any

logger = logging.getLogger(__name__)


class PortRangeLoop(asyncio.SelectorEventLoop):
    """An event loop that takes a port of a range wherever a UDP socket may have any.

    aioice binds each of its sockets to any port and has no setting for it, but it asks the running
    loop for them. Nothing else in the server binds UDP so: what goes out to STUN, TURN and mDNS names
    the other side, or brings a socket of its own.

    Args:
        ports: To take from, in turn; one that was just given back may still get late packets.
    """

    def __init__(self, ports: range) -> None:
        super().__init__()
        self.ports = ports
        self._next = itertools.cycle(ports)

    async def create_datagram_endpoint(
        self,
        protocol_factory: Callable[[], Any],
        local_addr: tuple[str, int] | str | None = None,
        *rest: Any,
        **options: Any,
    ) -> tuple[Any, Any]:
        """Open a UDP socket, at a port of the range where any would do.

        Raises:
            OSError: All ports of the range are taken, or the address is not this machine's.
        """
        create = super().create_datagram_endpoint
        if not isinstance(local_addr, tuple) or local_addr[1] or rest or "remote_addr" in options:
            return await create(protocol_factory, local_addr, *rest, **options)
        for _ in self.ports:
            address = (local_addr[0], next(self._next))
            try:
                return await create(protocol_factory, address, **options)
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
        first, last = self.ports[0], self.ports[-1]
        logger.warning(
            "all UDP ports from %d to %d are taken at %s, so WebRTC cannot use it: widen"
            " VISAVIS_SERVER_ICE_PORTS",
            first, last, local_addr[0],
        )  # fmt: skip
        raise OSError(errno.EADDRINUSE, f"all UDP ports from {first} to {last} are taken")


def make_loop(ports: range | None) -> asyncio.AbstractEventLoop:
    """Make the loop that a server runs in; without a range the system's own applies."""
    return asyncio.new_event_loop() if ports is None else PortRangeLoop(ports)
