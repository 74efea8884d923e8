"""An avatar for livekit-agents: its speech in, picture and sound in step out.

    face = await AvatarGenerator.open(Look("ada"))
    runner = AvatarRunner(room, audio_recv=…, video_gen=face, options=face.options)

Needs the extra ``livekit``.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import numpy as np

from visavis.apps.adapters.face import SAMPLE_RATE, Note, SpeakingFace
from visavis.apps.adapters.opening import Look, MakePerformance
from visavis.core.errors import MissingExtra
from visavis.core.types import FPS, Floats, Picture

try:
    from livekit import rtc
    from livekit.agents.voice.avatar import AudioSegmentEnd, AvatarOptions, VideoGenerator
except ModuleNotFoundError as error:
    raise MissingExtra(
        f"the avatar for livekit-agents needs the package {error.name!r}:"
        " pip install 'visavis[livekit]'"
    ) from error

_IN_FLIGHT = 0.5
"""Longest that ``clear_buffer`` waits for the runner to take the frame that it was just given."""


class AvatarGenerator(VideoGenerator):
    """What an ``AvatarRunner`` takes its picture and sound from. Make one with ``open``.

    Sound may come at any rate and faster than it is spoken. Between utterances there are frames and
    no sound, so that the runner's playback position counts speech only.
    """

    def __init__(self, face: SpeakingFace) -> None:
        self._face = face
        self._taken = asyncio.Event()
        self._taken.set()

    @classmethod
    async def open(
        cls, look: Look | MakePerformance | None = None, *, sample_rate: int = SAMPLE_RATE
    ) -> AvatarGenerator:
        """Load a face; this takes a second or so, and happens on the face's own thread.

        Args:
            look: Which face, or what makes its performance; the default avatar if nothing is said.
            sample_rate: Hz of the sound that goes out; a multiple of 25.

        Raises:
            Error: The avatar is not known or its weights are missing.
        """
        look = Look() if look is None else look
        make = look.perform if isinstance(look, Look) else look
        return cls(await SpeakingFace.open(make, sample_rate=sample_rate, name="livekit"))

    @property
    def options(self) -> AvatarOptions:
        """What the runner must be told."""
        width, height = self._face.size
        return AvatarOptions(
            video_width=width,
            video_height=height,
            video_fps=float(FPS),
            audio_sample_rate=self._face.sample_rate,
            audio_channels=1,
        )

    async def push_audio(self, frame: rtc.AudioFrame | AudioSegmentEnd) -> None:
        """Take sound, or the end of an utterance."""
        if isinstance(frame, AudioSegmentEnd):
            self._face.end()
        else:
            await self._face.say(_floats(frame), frame.sample_rate)

    async def clear_buffer(self) -> None:
        """Fall silent: nothing that was pushed before comes out after this.

        Returns when the runner has taken the one piece of sound that it was being given, so that
        the playback position it reports next counts that too.
        """
        self._face.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(_IN_FLIGHT):
                await self._taken.wait()

    async def __aiter__(self) -> AsyncIterator[rtc.VideoFrame | rtc.AudioFrame | AudioSegmentEnd]:
        """Yield 25 frames a second, each before the 40 ms of sound that belong to it."""
        face = self._face
        async for item in face.stream():
            if isinstance(item, Note):
                if item.ends:
                    yield AudioSegmentEnd()
                continue
            turn = face.turn
            yield _video(item.image)
            if item.sound is None or face.turn != turn:
                continue
            self._taken.clear()
            try:
                yield _audio(item.sound, face.sample_rate)
            finally:
                self._taken.set()

    async def aclose(self) -> None:
        """Free the face and its thread. Safe to call twice; the iteration ends."""
        await self._face.close()


def _floats(frame: rtc.AudioFrame) -> Floats:
    """Samples (n, channels)."""
    samples = np.frombuffer(frame.data, np.int16).reshape(-1, frame.num_channels)
    return samples.astype(np.float32) / np.float32(32768)


def _audio(sound: Floats, rate: int) -> rtc.AudioFrame:
    pcm = np.clip(np.rint(sound * 32768), -32768, 32767).astype(np.int16)
    return rtc.AudioFrame(pcm.tobytes(), rate, 1, len(pcm))


def _video(image: Picture) -> rtc.VideoFrame:
    height, width = image.shape[:2]
    return rtc.VideoFrame(width, height, rtc.VideoBufferType.RGB24, image.tobytes())
