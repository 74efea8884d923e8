"""The microphone's packets as they arrive, for somebody who listens and does not play them."""

from __future__ import annotations

from aiortc.jitterbuffer import MAX_MISORDER, JitterBuffer, JitterFrame
from aiortc.rtp import RtpPacket
from aiortc.utils import uint16_add


class PromptBuffer(JitterBuffer):
    """Hands every packet of sound on at once.

    aiortc's own is made for playing: it holds a packet back until the next ones are there, and since
    it gives one for one, it stays as far behind as it once waited for a lost packet. Every answer, and
    every silence after a word said into the face's speech, would be later by as much. Nothing here
    plays in time, so a packet that comes after a later one is dropped: 20 ms are missed.
    """

    def __init__(self) -> None:
        super().__init__(capacity=1)
        self._next: int | None = None

    def add(self, packet: RtpPacket) -> tuple[bool, JitterFrame | None]:
        """Take a packet and give it back, unless it comes twice or too late."""
        number = packet.sequence_number
        late = 0 if self._next is None else uint16_add(self._next, -number)
        if 0 < late < MAX_MISORDER:
            return False, None
        self._next = uint16_add(number, 1)
        data: bytes = packet._data  # type: ignore[attr-defined]
        return False, JitterFrame(data, packet.timestamp)
