"""One WebRTC connection to a session: sound and picture down, the microphone up, events both ways."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

from aiortc import RTCConfiguration, RTCPeerConnection, RTCRtpSender, RTCSessionDescription
from aiortc.exceptions import InvalidAccessError, InvalidStateError, OperationError
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack
from aiortc.rtcdatachannel import RTCDataChannel
from aiortc.rtp import (
    RTCP_PSFB_APP,
    RTCP_PSFB_FIR,
    RTCP_PSFB_PLI,
    AnyRtcpPacket,
    RtcpPsfbPacket,
    unpack_remb_fci,
)
from aiortc.sdp import SessionDescription

from visavis.apps.server.transports.arrival import PromptBuffer
from visavis.apps.server.transports.bitrate import RateControl
from visavis.apps.server.transports.encoding import PictureCodec
from visavis.apps.server.transports.intake import BURST, Intake
from visavis.apps.server.transports.ticks import Watched
from visavis.apps.server.transports.tracks import TickTracks
from visavis.core.errors import InputError
from visavis.core.types import Waveform
from visavis.media.audio import mix_to_mono

logger = logging.getLogger(__name__)

CHANNEL = "events"
"""Label of the data channel that carries what the events WebSocket carries."""
CONNECT_LIMIT = 30.0
"""Seconds in which a connection must come about."""
SILENCE_LIMIT = 15.0
"""Seconds without a receiver's report after which it has vanished. ICE consent (RFC 7675) finds the
same after half a minute."""
LONGEST_OFFER = 100_000
"""Characters of SDP; a browser's offer has some 6000."""
_CHANNEL_FULL = 1_000_000
"""Bytes waiting in the data channel at which the listener is given up."""


class OfferUnusable(InputError):
    """An SDP offer is broken, or has nothing in common with what is sent here."""


class Peer:
    """One connection. It closes by itself when the other side or the session ends.

    Args:
        session: What is shown, and what hears the microphone.
        configuration: STUN and TURN for this side.
    """

    def __init__(self, session: Watched, configuration: RTCConfiguration) -> None:
        self.id = secrets.token_urlsafe(12)
        self.closed = asyncio.Event()
        """Set when everything is freed."""
        self._session = session
        self._connection = RTCPeerConnection(configuration)
        self._tracks = TickTracks()
        self._rate = RateControl()
        self._sent_rate = 0.0
        self._codec: PictureCodec = "h264"
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing: asyncio.Task[None] | None = None
        self._connected = False
        self._heard = 0
        self._connection.on("connectionstatechange", self._follow_state)
        self._connection.on("track", self._take_track)
        self._connection.on("datachannel", self._take_channel)

    async def answer(self, offer: str) -> str:
        """Answer an SDP offer; all candidates of this side are in the answer.

        Raises:
            OfferUnusable: The offer is broken, or has no codec that is spoken here. The connection
                is closed then.
        """
        try:
            if len(offer) > LONGEST_OFFER:
                raise OfferUnusable(f"the offer is longer than {LONGEST_OFFER} characters")
            sdp = await self._negotiate(offer)
        except OfferUnusable:
            await self.close()
            raise
        except (
            ValueError,
            KeyError,
            IndexError,
            AssertionError,
            AttributeError,
            TypeError,
            InvalidStateError,
            InvalidAccessError,
            OperationError,
        ) as error:  # aiortc's parser raises whatever comes
            await self.close()
            raise OfferUnusable(
                "the SDP offer cannot be answered; it needs ICE, DTLS and one of H.264 or VP8 with"
                f" Opus ({type(error).__name__}: {error})"
            ) from error
        except BaseException:
            await self.close()
            raise
        self._start(self._give_up_unconnected())
        return sdp

    async def add_candidate(self, candidate: Any) -> None:
        """Take a candidate that came after the offer; None says that it was the last."""
        with suppress(InvalidStateError):
            await self._connection.addIceCandidate(candidate)

    async def close(self) -> None:
        """Close and free everything. Safe to call twice."""
        if self._closing is None:
            self._closing = asyncio.create_task(self._close())
        await asyncio.shield(self._closing)

    async def _negotiate(self, offer: str) -> str:
        connection = self._connection
        sound = connection.addTransceiver(self._tracks.sound, direction="sendrecv")
        sound.setCodecPreferences(_capabilities("audio", ("audio/opus",)))
        setattr(sound.receiver, "_RTCRtpReceiver__jitter_buffer", PromptBuffer())  # noqa: B010
        video = connection.addTransceiver(self._tracks.picture, direction="sendonly")
        # H.264 first: half the work of VP8 here, and phones have it in hardware.
        video.setCodecPreferences(_capabilities("video", ("video/h264", "video/vp8", "video/rtx")))
        # The other side begins the DTLS handshake: aiortc, as its client, takes no RSA certificate,
        # and GStreamer has no other.
        offer = offer.replace("a=setup:actpass", "a=setup:active")
        await connection.setRemoteDescription(RTCSessionDescription(offer, "offer"))
        answer = await connection.createAnswer()
        await connection.setLocalDescription(answer)
        sdp: str = connection.localDescription.sdp
        chosen = [
            media.rtp.codecs[0].name.lower()
            for media in SessionDescription.parse(sdp).media
            if media.kind == "video" and media.port and media.rtp.codecs
        ]
        if chosen:
            self._codec = "vp8" if chosen[0] == "vp8" else "h264"
        self._listen_to_feedback(video.sender)
        self._tracks.report_by(sound.sender, video.sender)
        return sdp

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._end_task)

    def _end_task(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("a connection of %s broke", self._session.id, exc_info=error)
            self._begin_close()

    def _begin_close(self) -> None:
        if self._closing is None:
            self._closing = asyncio.create_task(self._close())

    async def _follow_state(self) -> None:
        state = self._connection.connectionState
        if state == "connected" and not self._connected and self._closing is None:
            self._connected = True
            self._session.note_connected()
            self._start(self._show())
            self._start(self._watch_receiver())
        elif state in ("failed", "closed"):
            self._begin_close()

    async def _show(self) -> None:
        await self._tracks.feed(self._session, self._codec)
        self._begin_close()

    async def _give_up_unconnected(self) -> None:
        await asyncio.sleep(CONNECT_LIMIT)
        if not self._connected:
            logger.info("a connection of %s did not come about", self._session.id)
            self._begin_close()

    async def _watch_receiver(self) -> None:
        """Follow the receiver's reports: how much is lost, and whether it is there at all."""
        last_report, last_stamp = time.monotonic(), None
        sent_before, before = 0, time.monotonic()
        while True:
            await asyncio.sleep(1.0)
            now, sent = time.monotonic(), 0
            for stats in (await self._connection.getStats()).values():
                if stats.type == "outbound-rtp":
                    sent += stats.bytesSent
                if stats.type != "remote-inbound-rtp":
                    continue
                if last_stamp is None or stats.timestamp > last_stamp:
                    last_report, last_stamp = now, stats.timestamp
                    if stats.kind == "video":
                        self._rate.note_loss(stats.fractionLost / 256)
            self._sent_rate = (sent - sent_before) * 8 / (now - before)
            sent_before, before = sent, now
            self._tracks.limit_rate(self._rate.rate)
            if now - last_report > SILENCE_LIMIT:
                logger.info("a player of %s has vanished", self._session.id)
                self._begin_close()
                return

    def _listen_to_feedback(self, sender: RTCRtpSender) -> None:
        """Learn of keyframe requests and estimates, which aiortc keeps for encoders of its own."""
        handle = sender._handle_rtcp_packet

        async def listen(packet: AnyRtcpPacket) -> None:
            if isinstance(packet, RtcpPsfbPacket):
                if packet.fmt in (RTCP_PSFB_PLI, RTCP_PSFB_FIR):
                    self._tracks.want_keyframe()
                elif packet.fmt == RTCP_PSFB_APP:
                    with suppress(ValueError):
                        bits, _ = unpack_remb_fci(packet.fci)
                        self._rate.note_estimate(bits, self._sent_rate)
            await handle(packet)

        sender._handle_rtcp_packet = listen  # type: ignore[method-assign]

    def _take_track(self, track: MediaStreamTrack) -> None:
        if track.kind == "audio":
            self._start(self._hear(track))

    async def _hear(self, track: MediaStreamTrack) -> None:
        with suppress(MediaStreamError):
            while True:
                frame: Any = await track.recv()
                samples = mix_to_mono(frame)
                self._session.hear(Waveform(samples, frame.sample_rate, self._heard))
                self._heard += len(samples)

    def _take_channel(self, channel: RTCDataChannel) -> None:
        if channel.label != CHANNEL:
            channel.close()
            return
        # Bounded: what comes faster than commands may come is refused by the intake anyway.
        messages: asyncio.Queue[str | bytes] = asyncio.Queue(int(BURST))

        @channel.on("message")
        def _(message: str | bytes) -> None:
            with suppress(asyncio.QueueFull):
                messages.put_nowait(message)

        self._start(self._send_events(channel))
        self._start(self._take_commands(channel, messages))

    async def _send_events(self, channel: RTCDataChannel) -> None:
        async with self._session.events() as events:
            async for event in events:
                if channel.readyState != "open":
                    return
                if channel.bufferedAmount > _CHANNEL_FULL:
                    logger.info("a player of %s does not read its events", self._session.id)
                    channel.close()
                    return
                channel.send(event.model_dump_json())

    async def _take_commands(
        self, channel: RTCDataChannel, messages: asyncio.Queue[str | bytes]
    ) -> None:
        intake = Intake(self._session)
        while True:
            refusal = await intake.take(await messages.get())
            if refusal is not None and channel.readyState == "open":
                channel.send(refusal.model_dump_json())

    async def _close(self) -> None:
        # Events that are on their way, the session's end among them, get a moment.
        await asyncio.sleep(0.05)
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tracks.picture.stop()
        self._tracks.sound.stop()
        await self._connection.close()
        if self._connected:
            self._session.note_disconnected()
        self.closed.set()


def _capabilities(kind: str, mimes: tuple[str, ...]) -> list[Any]:
    """Codecs that aiortc has, in this order."""
    found = RTCRtpSender.getCapabilities(kind).codecs
    return [codec for mime in mimes for codec in found if codec.mimeType.lower() == mime]
