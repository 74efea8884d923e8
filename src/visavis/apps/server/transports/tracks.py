"""One stream of ticks as the two tracks of a WebRTC connection, coded here.

aiortc takes coded packets as well as frames. Coding here makes it cheaper (see ``encoding``), does
it on one thread for each viewer, and makes every RTP time a count of ticks: 3600 units of 90 kHz a
picture, 1920 of 48 kHz its sound, so that a late or lost tick leaves a hole and shifts nothing.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from fractions import Fraction
from functools import partial
from typing import TYPE_CHECKING, Any

from aiortc.clock import datetime_to_ntp
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack
from av.packet import Packet

from visavis.apps.server.transports.encoding import CodedSound, PictureCodec, TickEncoder
from visavis.core.types import FPS
from visavis.pipeline.bridge import Worker
from visavis.pipeline.ticks import SAMPLE_RATE

if TYPE_CHECKING:
    from aiortc import RTCRtpSender

    from visavis.apps.server.transports.ticks import Watched

_PICTURE_BASE = Fraction(1, 90_000)
_SOUND_BASE = Fraction(1, 48_000)
_WAITING = FPS
"""Packets that may wait for their sender, the oldest lost first: a connection that takes no sound,
say, is still given it."""
_WATCHED = 8


class CodedTrack(MediaStreamTrack):
    """Packets of one kind, handed on at their time.

    Two packets of a tick's sound must not leave together: receivers take the moment at which a
    packet leaves for the moment at which it was recorded, and would play the sound 20 ms late.

    Args:
        kind: ``video`` or ``audio``.
        note_sent: Told the time of each packet, in seconds of the stream, once it has left.
    """

    def __init__(self, kind: str, note_sent: Callable[[float], None] = lambda time: None) -> None:
        super().__init__()
        self.kind = kind
        self._note_sent = note_sent
        self._sent: float | None = None
        self._packets: deque[tuple[float, Packet[Any]]] = deque(maxlen=_WAITING)
        self._arrived = asyncio.Event()

    def put(self, packet: Packet[Any], due: float) -> None:
        """Give a packet to be sent at ``due``, in monotonic seconds."""
        self._packets.append((due, packet))
        self._arrived.set()

    async def recv(self) -> Packet[Any]:
        """Return the next packet when it is due.

        Raises:
            MediaStreamError: The track has ended.
        """
        if self._sent is not None:
            self._note_sent(self._sent)
        while not self._packets:
            if self.readyState != "live":
                raise MediaStreamError
            self._arrived.clear()
            await self._arrived.wait()
        due, packet = self._packets.popleft()
        wait = due - time.monotonic()
        if wait > 0:
            await asyncio.sleep(wait)
        self._sent = float((packet.pts or 0) * (packet.time_base or 0))
        return packet

    def stop(self) -> None:
        """End the track; whoever waits for a packet is told."""
        super().stop()
        self._arrived.set()


class TickTracks:
    """Feeds a picture and a sound track from one session until the session ends.

    Attributes:
        picture: The video track.
        sound: The audio track.
    """

    def __init__(self) -> None:
        self.picture = CodedTrack("video", partial(self._report, "video"))
        self.sound = CodedTrack("audio", partial(self._report, "audio"))
        self._encoder: TickEncoder | None = None
        self._senders: dict[str, RTCRtpSender] = {}
        self._origin: float | None = None

    def report_by(self, *senders: RTCRtpSender) -> None:
        """Let the sender reports of both tracks tell the stream's clock.

        aiortc's tell when a packet left, and a picture leaves later than its sound by the time that
        it takes to code, so players would show it so much too late.
        """
        self._senders = {sender.kind: sender for sender in senders}

    def _report(self, kind: str, sent: float) -> None:
        """Take down the moment that belongs to the packet that a sender sent last."""
        sender = self._senders.get(kind)
        if sender is None:
            return
        if self._origin is None:
            self._origin = time.time() - sent
        moment = datetime.fromtimestamp(self._origin + sent, UTC)
        setattr(sender, "_RTCRtpSender__ntp_timestamp", datetime_to_ntp(moment))  # noqa: B010

    def want_keyframe(self) -> None:
        """Let the other side decode from the next picture on."""
        if self._encoder is not None:
            self._encoder.want_keyframe()

    def limit_rate(self, bits: int) -> None:
        """Change the bits a second that pictures may take."""
        if self._encoder is not None:
            self._encoder.limit_rate(bits)

    async def feed(self, session: Watched, codec: PictureCodec) -> None:
        """Watch the session and code what is seen; returns when the session has ended."""
        encoder = self._encoder = TickEncoder(codec, "opus")
        worker = Worker("webrtc")
        loop = asyncio.get_running_loop()

        def send_sound(packets: tuple[CodedSound, ...]) -> None:
            loop.call_soon_threadsafe(self._put_sound, packets)

        try:
            async with session.watch(_WATCHED) as ticks:
                async for tick in ticks:
                    coded = await worker.call(partial(encoder.encode, tick, send_sound))
                    picture = Packet(coded.picture)
                    picture.pts, picture.time_base = coded.index * 3600, _PICTURE_BASE
                    self.picture.put(picture, time.monotonic())
        finally:
            self._encoder = None
            self.picture.stop()
            self.sound.stop()
            await worker.close()

    def _put_sound(self, packets: tuple[CodedSound, ...]) -> None:
        now = time.monotonic()
        for sound in packets:
            packet = Packet(sound.data)
            packet.pts, packet.time_base = sound.start * 2, _SOUND_BASE
            # The first was ready a little before its tick, so it leaves at once.
            ahead = (sound.start - packets[0].start) / SAMPLE_RATE
            self.sound.put(packet, now + min(ahead, 0.02))
