"""A connection without a session, by which a page finds out what its network lets through."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress

from aiortc import RTCPeerConnection, RTCSessionDescription
from aiortc.rtcdatachannel import RTCDataChannel

from visavis.apps.server.transports.ice import IceServers
from visavis.apps.server.transports.webrtc import LONGEST_OFFER, OfferUnusable
from visavis.core.errors import StageError

logger = logging.getLogger(__name__)

LIFETIME = 15.0
"""Seconds after which a trial connection is closed."""
AT_ONCE = 8
"""Trial connections at once."""
_LONGEST_ECHO = 4_096


class Trials:
    """Connections whose data channel says again what it is told."""

    def __init__(self, ice: IceServers) -> None:
        self._ice = ice
        self._tasks: set[asyncio.Task[None]] = set()

    async def answer(self, offer: str) -> str:
        """Answer an SDP offer of a data channel.

        Raises:
            OfferUnusable: The offer cannot be answered.
            StageError: As many are on trial as may be; retryable.
        """
        if len(self._tasks) >= AT_ONCE:
            raise StageError("many check their connection now; try again soon", retryable=True)
        if len(offer) > LONGEST_OFFER:
            raise OfferUnusable(f"the offer is longer than {LONGEST_OFFER} characters")
        connection = RTCPeerConnection(await self._ice.configure())
        connection.on("datachannel", _echo)
        try:
            await connection.setRemoteDescription(RTCSessionDescription(offer, "offer"))
            if connection.sctp is None:
                raise ValueError("it has no data channel")
            await connection.setLocalDescription(await connection.createAnswer())
        except Exception as error:  # aiortc's parser raises whatever comes
            await connection.close()
            raise OfferUnusable(f"the SDP offer cannot be answered ({error})") from error
        task = asyncio.create_task(self._end(connection))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        sdp: str = connection.localDescription.sdp
        return sdp

    async def close(self) -> None:
        """Close all."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _end(self, connection: RTCPeerConnection) -> None:
        over = asyncio.Event()

        @connection.on("connectionstatechange")
        def _() -> None:
            if connection.connectionState in ("failed", "closed"):
                over.set()

        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(LIFETIME):
                    await over.wait()
        finally:
            await connection.close()


def _echo(channel: RTCDataChannel) -> None:
    @channel.on("message")
    def _(message: str | bytes) -> None:
        if len(message) <= _LONGEST_ECHO:
            channel.send(message)
