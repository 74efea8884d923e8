"""Sound and picture down as fragmented MP4, and the microphone up as PCM, over one WebSocket.

Down: a JSON text ``{"mime": …, "start": seconds}``, then binary: an initialisation segment and
fragments, with the stream clock's times. The same again, text first, wherever the stream begins
anew: the picture's size changed, or the player was left so far behind that some was skipped.
Up: binary, PCM16 mono little-endian; JSON text ``{"received": seconds}`` says up to where media
have arrived, which keeps what is under way short.
"""

from __future__ import annotations

import asyncio
import json
import logging
from contextlib import suppress
from functools import partial

import numpy as np
from fastapi import WebSocket, WebSocketDisconnect

from visavis.apps.server.transports.encoding import CodedTick, SoundCodec, TickEncoder
from visavis.apps.server.transports.fmp4 import Mp4Fragmenter
from visavis.apps.server.transports.ticks import Tick, Watched
from visavis.core.types import FPS, Floats, Waveform
from visavis.pipeline.bridge import Worker

logger = logging.getLogger(__name__)

FRAGMENT_TICKS = 2
"""Pictures in a fragment: 80 ms of delay against 1.3 % of boxes."""
KEYFRAME_EVERY = 2 * FPS
"""Ticks; a player can throw away what lies behind only from keyframe to keyframe."""
FARTHEST = 2.0
"""Seconds that may be under way to a player that tells what it received; then some is skipped."""
RESUME = 0.5
"""Seconds under way at which a player that was left behind gets on."""
LONGEST_MESSAGE = 64 * 1024
"""Bytes of one microphone message: two seconds at 16 kHz."""
RATES = range(8_000, 96_001)
"""Hz that a microphone may have."""
ENDED = 4000
_WATCHED = 12
"""Ticks that may wait while one is coded or sent."""


class MediaSocket:
    """One player at an accepted WebSocket.

    Args:
        websocket: Accepted.
        session: What is played, and what hears the microphone.
        sound: Codec that the player asked for.
        rate: Hz of the microphone's samples.
    """

    def __init__(
        self, websocket: WebSocket, session: Watched, sound: SoundCodec = "aac", rate: int = 16_000
    ) -> None:
        self._websocket = websocket
        self._session = session
        self._rate = rate
        self._heard = 0
        self._sound: SoundCodec = sound
        self._received: float | None = None
        self._behind = False
        self.skipped = 0
        """Ticks that this player did not get."""

    async def serve(self) -> None:
        """Serve until either side ends it."""
        self._session.note_connected()
        tasks = [asyncio.create_task(self._send_media()), asyncio.create_task(self._listen())]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
            self._session.note_disconnected()
            for result in results:
                gone = (WebSocketDisconnect, ConnectionError, RuntimeError)
                if isinstance(result, Exception) and not isinstance(result, gone):
                    logger.error("a player of %s broke off", self._session.id, exc_info=result)

    async def _send_media(self) -> None:
        encoder = TickEncoder("h264", self._sound, KEYFRAME_EVERY)
        fragmenter = Mp4Fragmenter(self._sound)
        worker = Worker("fmp4")
        ready: list[CodedTick] = []
        last: CodedTick | None = None
        try:
            async with self._session.watch(_WATCHED) as ticks:
                async for tick in ticks:
                    if self._must_skip(tick, last):
                        self.skipped += 1
                        continue
                    coded = await worker.call(partial(encoder.encode, tick))
                    if _begins_anew(coded, last):
                        if ready:
                            await self._websocket.send_bytes(fragmenter.make_fragment(ready))
                            ready = []
                        await self._send_start(fragmenter, coded)
                    elif last is not None:
                        self.skipped += coded.index - last.index - 1
                    last = coded
                    ready.append(coded)
                    if len(ready) >= FRAGMENT_TICKS:
                        await self._websocket.send_bytes(fragmenter.make_fragment(ready))
                        ready = []
        finally:
            await worker.close()
        with suppress(RuntimeError, WebSocketDisconnect):
            await self._websocket.close(ENDED, "the session has ended")

    async def _send_start(self, fragmenter: Mp4Fragmenter, first: CodedTick) -> None:
        init = fragmenter.make_init(first)
        start = {"mime": fragmenter.mime, "start": first.index / FPS}
        await self._websocket.send_text(json.dumps(start))
        await self._websocket.send_bytes(init)

    def _must_skip(self, tick: Tick, last: CodedTick | None) -> bool:
        """Whether so much is under way already that this tick would only come late."""
        if self._received is None or last is None:
            return False
        under_way = last.index / FPS - self._received
        if not self._behind and under_way > FARTHEST:
            logger.info("a player of %s is %.1f s behind", self._session.id, under_way)
            self._behind = True
        elif self._behind and under_way < RESUME:
            self._behind = False
        return self._behind

    async def _listen(self) -> None:
        while True:
            message = await self._websocket.receive()
            if message["type"] == "websocket.disconnect":
                return
            if data := message.get("bytes"):
                self._hear(data)
            elif text := message.get("text"):
                self._note_received(text)

    def _hear(self, data: bytes) -> None:
        if len(data) > LONGEST_MESSAGE or len(data) % 2:
            return  # no microphone sends that
        samples: Floats = np.frombuffer(data, "<i2").astype(np.float32)
        samples /= 32768
        self._session.hear(Waveform(samples, self._rate, self._heard))
        self._heard += len(samples)

    def _note_received(self, text: str) -> None:
        with suppress(ValueError, TypeError, AttributeError):
            at = float(json.loads(text).get("received"))
            if at >= 0:
                self._received = at


def _begins_anew(tick: CodedTick, last: CodedTick | None) -> bool:
    return tick.is_keyframe and (
        last is None or tick.size != last.size or tick.index - last.index > FPS + 1
    )
