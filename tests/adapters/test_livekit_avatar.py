"""The livekit-agents avatar in that library's own runner, synchroniser and agent session.

No server is there, so the tracks are not published: the one thing that is replaced. Everything up
to the native audio and video sources runs.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import pytest
from livekit import rtc
from livekit.agents import Agent, AgentSession
from livekit.agents.voice.avatar import AudioSegmentEnd, AvatarRunner, QueueAudioOutput
from tests.adapters.conftest import SIZE, Painted, bar_for, bar_of, level, read_speech

from visavis.apps.adapters.livekit import AvatarGenerator
from visavis.apps.adapters.opening import Look
from visavis.core.types import FPS, Floats


def audio_frames(samples: Floats, rate: int = 24_000, each: float = 0.05) -> list[rtc.AudioFrame]:
    pcm = (samples * 32767).astype(np.int16)
    size = round(each * rate)
    parts = [pcm[i : i + size] for i in range(0, len(pcm), size)]
    return [rtc.AudioFrame(part.tobytes(), rate, 1, len(part)) for part in parts]


def image_of(frame: rtc.VideoFrame) -> np.ndarray:
    assert frame.type == rtc.VideoBufferType.RGB24
    return np.frombuffer(frame.data, np.uint8).reshape(frame.height, frame.width, 3)


def sound_of(frame: rtc.AudioFrame) -> Floats:
    return np.frombuffer(frame.data, np.int16).astype(np.float32) / 32768


class LocalRunner(AvatarRunner):
    """The real runner, which keeps what its sources are given instead of publishing them."""

    def __init__(self, generator: AvatarGenerator, audio: QueueAudioOutput) -> None:
        super().__init__(
            rtc.Room(), audio_recv=audio, video_gen=generator, options=generator.options
        )
        self.shown: list[tuple[float, int]] = []
        """Time and height of the bar of each frame as it goes to the video source."""
        self.heard: list[tuple[float, float]] = []
        """Time at which each piece of sound begins to play, and its level."""
        show, hear = self._video_source.capture_frame, self._audio_source.capture_frame

        def capture_video(frame: rtc.VideoFrame, **options: Any) -> None:
            self.shown.append((time.monotonic(), bar_of(image_of(frame))))
            show(frame, **options)

        async def capture_audio(frame: rtc.AudioFrame) -> None:
            plays = time.monotonic() + self._audio_source.queued_duration
            self.heard.append((plays, float(np.abs(sound_of(frame)).mean())))
            await hear(frame)

        self._video_source.capture_frame = capture_video  # type: ignore[method-assign]
        self._audio_source.capture_frame = capture_audio  # type: ignore[method-assign]

    async def _publish_track(self) -> None:
        self._video_publication = object()  # type: ignore[assignment]


class Stage:
    """A runner at work and what it reports."""

    def __init__(self, generator: AvatarGenerator, audio: QueueAudioOutput) -> None:
        self.generator = generator
        self.audio = audio
        self.runner = LocalRunner(generator, audio)
        self.finished: list[tuple[float, bool]] = []
        self.started = 0
        audio.on("playback_finished", self._note_end)
        audio.on("playback_started", self._note_start)

    def _note_end(self, event: Any) -> None:
        self.finished.append((event.playback_position, event.interrupted))

    def _note_start(self, event: Any) -> None:
        self.started += 1

    async def say(self, samples: Floats, rate: int = 24_000, *, flush: bool = True) -> None:
        for frame in audio_frames(samples, rate):
            await self.audio.capture_frame(frame)
        if flush:
            self.audio.flush()

    async def until_finished(self, count: int, patience: float = 20.0) -> None:
        async with asyncio.timeout(patience):
            while len(self.finished) < count:  # noqa: ASYNC110
                await asyncio.sleep(0.01)


@asynccontextmanager
async def on_stage(make: Any = None, sample_rate: int = 24_000) -> AsyncIterator[Stage]:
    generator = await AvatarGenerator.open(make or Painted(), sample_rate=sample_rate)
    stage = Stage(generator, QueueAudioOutput(wait_playback_start=True))
    await stage.runner.start()
    try:
        yield stage
    finally:
        await stage.runner.aclose()
        await generator.aclose()
        await generator.aclose()


async def test_an_utterance_is_played_whole_and_reported_once() -> None:
    async with on_stage() as stage:
        await asyncio.sleep(0.3)
        await stage.say(level(0.5, 1.0))
        await stage.until_finished(1)
        await asyncio.sleep(0.2)
    assert stage.started == 1
    assert stage.finished == [(pytest.approx(1.0), False)]
    assert len(stage.runner.heard) == 25
    assert all(abs(loud - 0.5) < 1e-3 for _, loud in stage.runner.heard)


async def test_the_runner_shows_each_frame_when_its_sound_plays() -> None:
    ramp = np.repeat(np.linspace(0.1, 0.9, 25, dtype=np.float32), 960)
    async with on_stage() as stage:
        await asyncio.sleep(0.5)
        await stage.say(ramp)
        await stage.until_finished(1)
        await asyncio.sleep(0.3)
    plays = {round(loud * SIZE): at for at, loud in stage.runner.heard}
    skews = [at - plays[bar] for at, bar in stage.runner.shown if bar in plays]
    assert len(skews) == 25
    assert abs(float(np.median(skews))) < 0.04


async def test_idle_frames_come_at_25_a_second_without_sound() -> None:
    async with on_stage() as stage:
        await asyncio.sleep(1.2)
    assert 24 <= len(stage.runner.shown) <= 33
    assert {bar for _, bar in stage.runner.shown} == {0}
    assert stage.runner.heard == []


@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100, 48_000])
async def test_the_agents_own_rate_does_not_matter(rate: int) -> None:
    async with on_stage() as stage:
        await stage.say(level(0.4, 0.6, rate), rate)
        await stage.until_finished(1)
    assert stage.finished == [(pytest.approx(0.6), False)]


async def test_an_interruption_is_reported_with_what_was_played_and_leaves_nothing() -> None:
    async with on_stage() as stage:
        await stage.say(level(0.3, 5.0))
        await asyncio.sleep(0.8)
        before = len(stage.runner.heard)
        stage.audio.clear_buffer()
        await stage.until_finished(1, 2.0)
        assert len(stage.runner.heard) <= before + 1
        position, interrupted = stage.finished[0]
        assert interrupted
        assert position == pytest.approx(len(stage.runner.heard) / FPS)
        await stage.say(level(0.7, 0.4))
        await stage.until_finished(2)
        await asyncio.sleep(0.2)
    assert stage.finished[1] == (pytest.approx(0.4), False)
    assert stage.started == 2
    after = [loud for _, loud in stage.runner.heard[round(position * FPS) :]]
    assert len(after) == 10
    assert all(abs(loud - 0.7) < 1e-3 for loud in after)


async def test_random_interruptions_leave_nothing_stale() -> None:
    chance = random.Random(3)
    async with on_stage(Painted(delay=0.005)) as stage:
        for number in range(1, 31):
            first = len(stage.runner.heard)
            await stage.say(level(number / 50, chance.uniform(0.1, 1.5)))
            await asyncio.sleep(chance.uniform(0, 0.4))
            if len(stage.finished) < number:
                stage.audio.clear_buffer()
                await stage.until_finished(number, 3.0)
            assert len(stage.finished) == number
            new = [loud for _, loud in stage.runner.heard[first:]]
            full = [x for x in new if abs(x - number / 50) < 1e-3]
            # An utterance that ends within a frame is padded with silence.
            assert len(new) - len(full) <= 1
            assert all(x <= number / 50 + 1e-3 for x in new)
            assert stage.finished[-1][0] == pytest.approx(len(new) / FPS)


async def test_two_rooms_do_not_mix() -> None:
    async with on_stage(Painted(seed=1)) as one, on_stage(Painted(seed=2)) as two:
        await asyncio.gather(one.say(level(0.2, 0.8)), two.say(level(0.8, 0.8)))
        await one.until_finished(1)
        await two.until_finished(1)
    assert all(abs(loud - 0.2) < 1e-3 for _, loud in one.runner.heard)
    assert all(abs(loud - 0.8) < 1e-3 for _, loud in two.runner.heard)


async def test_closing_while_it_speaks_frees_everything() -> None:
    async with on_stage() as stage:
        await stage.say(level(0.5, 3.0))
        await asyncio.sleep(0.3)


async def test_the_iteration_alone_keeps_each_frame_before_its_sound() -> None:
    generator = await AvatarGenerator.open(Painted())
    for frame in audio_frames(level(0.5, 0.2)):
        await generator.push_audio(frame)
    await generator.push_audio(AudioSegmentEnd())
    kinds: list[str] = []
    async for item in generator:
        kinds.append(type(item).__name__)
        if isinstance(item, AudioSegmentEnd):
            break
        if isinstance(item, rtc.VideoFrame):
            image = image_of(item)
        else:
            assert bar_of(image) == bar_for(sound_of(item))
            assert (item.sample_rate, item.num_channels, item.samples_per_channel) == (
                24_000,
                1,
                960,
            )
    await generator.aclose()
    spoken = kinds[kinds.index("AudioFrame") - 1 :]
    assert spoken == ["VideoFrame", "AudioFrame"] * 5 + ["AudioSegmentEnd"]


def red_in_i420(frame: rtc.VideoFrame) -> tuple[int, int, int]:
    planes = bytes(frame.convert(rtc.VideoBufferType.I420).data)
    pixels = frame.width * frame.height
    return planes[0], planes[pixels], planes[pixels + pixels // 4]


async def test_red_stays_red() -> None:
    image = np.zeros((64, 64, 3), np.uint8)
    image[:] = (255, 0, 0)
    frame = rtc.VideoFrame(64, 64, rtc.VideoBufferType.RGB24, image.tobytes())
    luma, blue, red = red_in_i420(frame)
    assert blue < 128 < red
    assert 60 < luma < 100


class Reader(Agent):
    def __init__(self) -> None:
        super().__init__(instructions="You read aloud.")


async def stream_frames(samples: Floats, rate: int) -> AsyncIterator[rtc.AudioFrame]:
    for frame in audio_frames(samples, rate):
        yield frame


async def test_an_agent_session_speaks_through_it_and_is_interrupted() -> None:
    async with on_stage() as stage:
        session: AgentSession[None] = AgentSession()
        session.output.audio = stage.audio
        await session.start(Reader())
        began = time.monotonic()
        whole = session.say("a whole answer", audio=stream_frames(level(0.3, 1.0), 24_000))
        async with asyncio.timeout(10):
            await whole
        assert not whole.interrupted
        assert time.monotonic() - began > 0.95
        assert stage.finished == [(pytest.approx(1.0), False)]

        broken = session.say("a broken one", audio=stream_frames(level(0.6, 20.0), 24_000))
        await asyncio.sleep(1.0)
        broken.interrupt()
        async with asyncio.timeout(3):
            await broken
        assert broken.interrupted
        position, interrupted = stage.finished[1]
        assert interrupted
        assert 0.2 < position < 1.3
        count = len(stage.runner.heard)
        await asyncio.sleep(0.3)
        assert len(stage.runner.heard) == count
        await session.aclose()


@pytest.mark.assets
async def test_a_real_face_in_the_runner() -> None:
    samples, rate = read_speech("speech_zh.wav", 1.2)
    async with on_stage(Look(size=128)) as stage:
        assert (stage.generator.options.video_width, stage.generator.options.video_fps) == (
            128,
            25.0,
        )
        await stage.say(samples, rate)
        await stage.until_finished(1, 60)
    assert stage.finished == [(pytest.approx(1.2), False)]
    assert len(stage.runner.heard) == 30
