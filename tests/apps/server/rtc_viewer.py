"""A player made of aiortc that takes down what a browser's synchronisation works with."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import Any

import numpy as np
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.rtp import RtcpSrPacket


class Viewer:
    """Watches; `flashes` and `beeps` are times on the sender's wall clock, by its reports."""

    def __init__(
        self,
        *,
        microphone: Any = None,
        codec: str = "",
        configuration: RTCConfiguration | None = None,
    ) -> None:
        self.connection = RTCPeerConnection(configuration or RTCConfiguration([]))
        self.frames: list[tuple[float, int, float]] = []  # arrival, RTP time, brightness
        self.sounds: list[tuple[float, int, float]] = []  # arrival, RTP time, loudness
        self.onsets: list[float] = []  # arrival of the first loud sample
        self.reports: dict[str, list[tuple[int, int]]] = {"video": [], "audio": []}
        self._tasks: list[asyncio.Task[None]] = []
        self.channel = self.connection.createDataChannel("events")
        self.messages: list[str] = []
        self.channel.on("message", self.messages.append)
        if microphone is not None:
            self.connection.addTrack(microphone)
        else:
            self.connection.addTransceiver("audio", direction="recvonly")
        video = self.connection.addTransceiver("video", direction="recvonly")
        if codec:
            known = video.receiver.getCapabilities("video").codecs
            video.setCodecPreferences([c for c in known if c.mimeType == f"video/{codec}"])
        self.connection.on("track", self._take)

    async def offer(self) -> str:
        await self.connection.setLocalDescription(await self.connection.createOffer())
        return self.connection.localDescription.sdp

    async def connect(self, answer: str) -> None:
        await self.connection.setRemoteDescription(RTCSessionDescription(answer, "answer"))

    def _take(self, track: Any) -> None:
        receiver = next(r for r in self.connection.getReceivers() if r.track is track)
        handle = receiver._handle_rtcp_packet

        async def listen(packet: Any) -> None:
            if isinstance(packet, RtcpSrPacket):
                info = packet.sender_info
                self.reports[track.kind].append((info.ntp_timestamp, info.rtp_timestamp))
            await handle(packet)

        receiver._handle_rtcp_packet = listen
        # The decoded frames lose the origin of the RTP times; the reports need it.
        origin: list[int] = []
        take = receiver._handle_rtp_packet

        async def note(packet: Any, arrival_time_ms: int) -> None:
            if not origin:
                origin.append(packet.timestamp)
            await take(packet, arrival_time_ms)

        receiver._handle_rtp_packet = note
        self._tasks.append(asyncio.create_task(self._read(track, origin)))

    async def _read(self, track: Any, origin: list[int]) -> None:
        with suppress(Exception):
            while True:
                frame = await track.recv()
                now = time.monotonic()
                if track.kind == "video":
                    level = float(frame.to_ndarray(format="gray")[::8, ::8].mean())
                    self.frames.append((now, origin[0] + frame.pts, level))
                else:
                    pcm = frame.to_ndarray().reshape(-1, 2)[:, 0].astype(np.float32) / 32768
                    loud = np.flatnonzero(np.abs(pcm) > 0.15)
                    stamp = origin[0] + frame.pts + (int(loud[0]) if len(loud) else 0)
                    self.sounds.append((now, stamp, float(np.abs(pcm).max())))

    async def wait_for(self, test: Any, seconds: float = 10.0) -> None:
        until = time.monotonic() + seconds
        while not test():
            assert time.monotonic() < until, f"not within {seconds} s"
            await asyncio.sleep(0.02)

    def offsets(self) -> list[float]:
        """Seconds by which each beep is later than its flash, as players synchronise them."""
        flashes = _rising([(t, s, level > 160) for t, s, level in self.frames])
        beeps = _rising([(t, s, loud > 0.15) for t, s, loud in self.sounds])
        found = []
        for arrived, stamp in flashes:
            near = [(abs(t - arrived), s) for t, s in beeps if abs(t - arrived) < 0.8]
            if near:
                beep = self._wall("audio", min(near)[1], 48_000)
                found.append(beep - self._wall("video", stamp, 90_000))
        return found

    def _wall(self, kind: str, stamp: int, rate: int) -> float:
        """Seconds of the sender's clock at which a stamp left, by the median of its reports."""
        reports = [r for r in self.reports[kind] if r[0]]
        walls = [
            (ntp >> 32) % 100_000 + (ntp & 0xFFFFFFFF) / 2**32 + (stamp - rtp) / rate
            for ntp, rtp in reports
        ]
        return float(np.median(walls))

    async def close(self) -> None:
        await self.connection.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def _rising(rows: list[tuple[float, int, bool]]) -> list[tuple[float, int]]:
    return [
        (t, s) for (t, s, on), before in zip(rows, [(0.0, 0, True), *rows], strict=False)
        if on and not before[2]
    ]  # fmt: skip
