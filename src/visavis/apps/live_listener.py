"""A listener without a screen: comes in as a page does, over WebRTC, and takes down what arrives when.

It is what ``visavis bench live`` and the load tests measure with: all times are of what really came
over the wire, on this side's monotonic clock.
"""

from __future__ import annotations

import asyncio
import fractions
import json
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

import httpx
import numpy as np
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.jitterbuffer import JitterBuffer
from aiortc.mediastreams import AudioStreamTrack, MediaStreamTrack
from av import AudioFrame
from websockets.asyncio.client import ClientConnection, connect

from visavis.core.errors import StageError
from visavis.core.types import Floats, Waveform
from visavis.media.resampling import Resampler

RATE = 48_000
"""Hz of WebRTC sound."""
_PACKET = RATE // 50
_SOUND_AHEAD = 3
"""Packets of 20 ms that are held back before one is heard."""
SPEECH = 0.01
"""Root mean square from which a packet that is sent is speech: 20 dB below what a voice has."""
LOUD = 0.004
"""Root mean square from which a packet of sound is speech and no coding noise."""


@dataclass(slots=True)
class Arrivals:
    """When frames of one track came.

    Attributes:
        times: Monotonic seconds.
        stamps: Seconds of the track's own clock, from its first frame on.
        loud: Root mean square of each packet; only of sound.
    """

    times: list[float] = field(default_factory=list)
    stamps: list[float] = field(default_factory=list)
    loud: list[float] = field(default_factory=list)

    def lateness(self, since: float = 0.0) -> Floats:
        """Seconds that each frame came after its time, the earliest taken as in time."""
        times, stamps = np.array(self.times), np.array(self.stamps)
        keep = times >= since
        if not keep.any():
            return np.zeros(0, np.float32)
        behind = times[keep] - stamps[keep]
        late: Floats = (behind - behind.min()).astype(np.float32)
        return late

    def first_loud(self, after: float) -> float | None:
        """Time of the first speech after a moment."""
        return next(
            (t for t, x in zip(self.times, self.loud, strict=True) if t >= after and x > LOUD), None
        )

    def last_loud(self, after: float, before: float) -> float | None:
        """Time of the last speech between two moments."""
        found = [
            t
            for t, x in zip(self.times, self.loud, strict=True)
            if after <= t <= before and x > LOUD
        ]
        return found[-1] if found else None


@dataclass(frozen=True, slots=True)
class Saying:
    """Something that is being said into a microphone.

    Attributes:
        began: Gives the moment at which its first sound, not silence, was sent.
        ended: Gives the moment at which its last one was.
    """

    began: asyncio.Future[float]
    ended: asyncio.Future[float]


class Microphone(AudioStreamTrack):
    """A microphone that hears silence, or what it is given to hear."""

    def __init__(self) -> None:
        super().__init__()
        self._packets: deque[Floats] = deque()
        self._sent = 0
        self._began: float | None = None
        self._saying: Saying | None = None
        self._loud_at = 0.0

    def say(self, speech: Waveform) -> Saying:
        """Speak."""
        samples = speech.samples
        if speech.sample_rate != RATE:
            resampler = Resampler(speech.sample_rate, RATE)
            samples = np.concatenate([resampler.feed(samples), resampler.flush()])
        samples = np.concatenate([samples, np.zeros(-len(samples) % _PACKET, np.float32)])
        self._packets.extend(samples.reshape(-1, _PACKET))
        loop = asyncio.get_running_loop()
        self._saying = Saying(loop.create_future(), loop.create_future())
        return self._saying

    async def recv(self) -> AudioFrame:
        """Give the next 20 ms when they are due."""
        self._began = self._began if self._began is not None else time.monotonic()
        due = self._began + self._sent / RATE
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        packet = self._packets.popleft() if self._packets else np.zeros(_PACKET, np.float32)
        if np.sqrt(np.mean(packet**2)) > SPEECH:
            self._loud_at = time.monotonic()
            if self._saying is not None and not self._saying.began.done():
                self._saying.began.set_result(self._loud_at)
        if not self._packets and self._saying is not None:
            self._saying.ended.set_result(self._loud_at)
            self._saying = None
        pcm = np.rint(np.clip(packet, -1, 1) * 32767).astype(np.int16)
        frame = AudioFrame.from_ndarray(pcm[None], format="s16", layout="mono")
        frame.sample_rate, frame.pts = RATE, self._sent
        frame.time_base = fractions.Fraction(1, RATE)
        self._sent += _PACKET
        return frame


class _Nowhere(asyncio.DatagramTransport):
    """What aioice sends to once the sockets are gone, while this side is taken down."""

    def sendto(self, data: Any, addr: Any = None) -> None:
        """Lose it."""

    def abort(self) -> None:
        """There is nothing to close."""

    def close(self) -> None:
        """There is nothing to close."""


class Listener:
    """One listener in one session. Use it with ``async with``.

    Args:
        url: Of the server, such as ``http://127.0.0.1:8010``.
        token: To come in with.
        options: Of the session: avatar, voice, language, emotion, microphone.

    Raises:
        StageError: The server did not let it in, or the connection did not come about.
    """

    def __init__(self, url: str, token: str, **options: str) -> None:
        self._url = url.rstrip("/")
        self._token = token
        self._options = options
        self._http = httpx.AsyncClient(
            base_url=self._url, headers={"Authorization": f"Bearer {token}"}, timeout=30.0
        )
        self._peer = RTCPeerConnection(RTCConfiguration([]))
        self._socket: ClientConnection | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._arrived = asyncio.Condition()
        self.microphone = Microphone()
        self.sound = Arrivals()
        self.picture = Arrivals()
        self.events: list[tuple[float, dict[str, Any]]] = []
        self.session = ""

    async def __aenter__(self) -> Listener:
        try:
            await self._come_in()
        except BaseException:
            await self.leave()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.leave()

    async def _come_in(self) -> None:
        answer = await self._http.post("/api/v1/sessions", json=self._options)
        if answer.is_error:
            raise StageError(f"the server opened no session: {answer.status_code} {answer.text}")
        self.session = answer.json()["id"]
        address = self._url.replace("http", "ws", 1)
        self._socket = await connect(
            f"{address}/api/v1/sessions/{self.session}/events?token={self._token}"
        )
        self._tasks.append(asyncio.create_task(self._read_events(self._socket)))
        self._peer.addTrack(self.microphone)
        self._peer.addTransceiver("video", direction="recvonly")

        @self._peer.on("track")
        def _(track: MediaStreamTrack) -> None:
            kept = self.sound if track.kind == "audio" else self.picture
            self._tasks.append(asyncio.create_task(_take_down(track, kept)))

        await self._peer.setLocalDescription(await self._peer.createOffer())
        offer = self._peer.localDescription
        _wait_as_browsers_do(self._peer)
        answer = await self._http.post(
            f"/api/v1/sessions/{self.session}/webrtc", json={"sdp": offer.sdp, "type": offer.type}
        )
        if answer.is_error:
            raise StageError(f"the server took no offer: {answer.status_code} {answer.text}")
        await self._peer.setRemoteDescription(RTCSessionDescription(**answer.json()))
        until = time.monotonic() + 20
        while not (self.sound.times and self.picture.times):
            if time.monotonic() > until:
                raise StageError("no sound and picture came within 20 s of connecting")
            await asyncio.sleep(0.05)

    async def _read_events(self, socket: ClientConnection) -> None:
        with suppress(Exception):
            async for text in socket:
                self.events.append((time.monotonic(), json.loads(text)))
                async with self._arrived:
                    self._arrived.notify_all()

    async def send(self, **command: Any) -> float:
        """Send a command; returns when."""
        assert self._socket is not None
        at = time.monotonic()
        await self._socket.send(json.dumps(command))
        return at

    async def wait_for(
        self, fits: Callable[[dict[str, Any]], bool], after: float, patience: float
    ) -> dict[str, Any]:
        """Wait for an event that came after a moment.

        Raises:
            StageError: None came in time.
        """

        def find() -> dict[str, Any] | None:
            return next((e for t, e in self.events if t >= after and fits(e)), None)

        try:
            async with asyncio.timeout(patience), self._arrived:
                await self._arrived.wait_for(lambda: find() is not None)
        except TimeoutError:
            kinds = [e["type"] for t, e in self.events if t >= after]
            raise StageError(
                f"the event waited for did not come in {patience:g} s; these came: {kinds}"
            ) from None
        found = find()
        assert found is not None
        return found

    async def describe(self) -> dict[str, Any]:
        """Ask the server for the session's counts; see ``LiveSession.snapshot``."""
        answer = await self._http.get(f"/api/v1/sessions/{self.session}")
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found

    async def vanish(self) -> None:
        """Be gone without a word, as a device that is switched off; the session is not ended.

        Nothing more is sent: no end of ICE, DTLS or RTP. The sockets' ports are closed.
        """
        for transceiver in self._peer.getTransceivers():
            for protocol in transceiver.receiver.transport.transport._connection._protocols:
                protocol.transport.abort()
                protocol.transport = _Nowhere()
        if self._socket is not None:
            self._socket.transport.abort()
        self.session = ""
        await self.leave()

    async def leave(self) -> None:
        """End the session and the connections. Safe to call twice."""
        session, self.session = self.session, ""
        if session:
            with suppress(httpx.HTTPError):
                await self._http.delete(f"/api/v1/sessions/{session}")
        await self._peer.close()
        if self._socket is not None:
            await self._socket.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._http.aclose()


def _wait_as_browsers_do(peer: RTCPeerConnection) -> None:
    """Hold sound back for as long, and wait for lost pictures about as long, as a browser does.

    aiortc's own receiver holds sound back for 80 ms and waits for 512 packets of pictures, 20 s of a face.
    Chromium, on a good network, held back 58 ms of sound by its own count.
    """
    for transceiver in peer.getTransceivers():
        buffer = (
            JitterBuffer(capacity=64, is_video=True)
            if transceiver.kind == "video"
            else JitterBuffer(capacity=16, prefetch=_SOUND_AHEAD)
        )
        setattr(transceiver.receiver, "_RTCRtpReceiver__jitter_buffer", buffer)  # noqa: B010


async def _take_down(track: MediaStreamTrack, kept: Arrivals) -> None:
    with suppress(Exception):
        while True:
            frame = await track.recv()
            assert frame.pts is not None
            assert frame.time_base is not None
            kept.times.append(time.monotonic())
            kept.stamps.append(float(frame.pts * frame.time_base))
            if isinstance(frame, AudioFrame):
                pcm = frame.to_ndarray().astype(np.float32) / 32768
                kept.loud.append(float(np.sqrt(np.mean(pcm**2))))
