"""WHEP (draft-ietf-wish-whep): what a standard player needs to watch a session."""

from __future__ import annotations

import asyncio
import logging

from aiortc import RTCIceCandidate
from aiortc.sdp import candidate_from_sdp

from visavis.apps.server.transports.ice import IceServers
from visavis.apps.server.transports.ticks import Watched
from visavis.apps.server.transports.webrtc import OfferUnusable, Peer
from visavis.core.errors import StageError

logger = logging.getLogger(__name__)

SDP = "application/sdp"
FRAGMENT = "application/trickle-ice-sdpfrag"
WATCHERS = 8
"""Connections to one session at once; each is coded for itself."""


class Peers:
    """The connections that there are, by session and by their own id."""

    def __init__(self, ice: IceServers) -> None:
        self.ice = ice
        self._peers: dict[str, dict[str, Peer]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return sum(map(len, self._peers.values()))

    async def connect(self, session: Watched, offer: str) -> tuple[Peer, str]:
        """Answer an offer.

        Returns:
            The connection and the SDP answer.

        Raises:
            OfferUnusable: The offer cannot be answered.
            StageError: As many watch the session as may; retryable.
        """
        if len(self._peers.get(session.id, ())) >= WATCHERS:
            raise StageError(
                f"{WATCHERS} players watch the session {session.id} already; close one",
                retryable=True,
            )
        peer = Peer(session, await self.ice.configure())
        mine = self._peers.setdefault(session.id, {})
        mine[peer.id] = peer
        task = asyncio.create_task(self._forget(session.id, peer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return peer, await peer.answer(offer)

    def get(self, session: str, peer: str) -> Peer | None:
        """Find a connection."""
        return self._peers.get(session, {}).get(peer)

    async def close(self) -> None:
        """Close all."""
        peers = [peer for mine in self._peers.values() for peer in mine.values()]
        await asyncio.gather(*(peer.close() for peer in peers))
        await asyncio.gather(*self._tasks)

    async def _forget(self, session: str, peer: Peer) -> None:
        await peer.closed.wait()
        mine = self._peers.get(session, {})
        mine.pop(peer.id, None)
        if not mine:
            self._peers.pop(session, None)


def read_candidates(fragment: str) -> list[RTCIceCandidate | None]:
    """Read the candidates of a trickle fragment (RFC 8840); None stands for their end.

    Raises:
        OfferUnusable: It is none.
    """
    found: list[RTCIceCandidate | None] = []
    mid = "0"
    for line in fragment.splitlines():
        name, _, value = line.strip().partition(":")
        if name == "a=mid":
            mid = value
        elif name == "a=candidate":
            try:
                candidate = candidate_from_sdp(value)
            except (ValueError, IndexError, AssertionError) as error:
                raise OfferUnusable(f"this candidate cannot be read: {line.strip()!r}") from error
            candidate.sdpMid = mid
            found.append(candidate)
        elif name == "a=end-of-candidates":
            found.append(None)
    return found
