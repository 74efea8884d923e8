"""The pipecat video service in real pipelines, up to that library's own output transport."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import pytest
from pipecat.frames.frames import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    CancelFrame,
    EndFrame,
    ErrorFrame,
    Frame,
    InterruptionFrame,
    OutputAudioRawFrame,
    OutputImageRawFrame,
    OutputTransportMessageFrame,
    StartFrame,
    TextFrame,
    TTSAudioRawFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.tests.utils import SleepFrame, run_test
from pipecat.transports.base_output import BaseOutputTransport
from pipecat.transports.base_transport import TransportParams
from pipecat.workers.runner import WorkerRunner
from tests.adapters.conftest import SIZE, Painted, bar_for, bar_of, face_threads, level, read_speech

from visavis.apps.adapters.opening import Look
from visavis.apps.adapters.pipecat import AvatarVideoService
from visavis.core.types import FPS, Floats


def voice(samples: Floats, rate: int = 24_000, each: float = 0.1) -> list[Frame]:
    """What a text-to-speech service pushes."""
    pcm = (samples * 32767).astype(np.int16)
    size = round(each * rate)
    parts = [pcm[i : i + size] for i in range(0, len(pcm), size)]
    return [TTSAudioRawFrame(part.tobytes(), rate, 1) for part in parts]


def image_of(frame: OutputImageRawFrame) -> np.ndarray:
    assert frame.format == "RGB"
    return np.frombuffer(frame.image, np.uint8).reshape(frame.size[1], frame.size[0], 3)


def sound_of(frame: OutputAudioRawFrame) -> Floats:
    return np.frombuffer(frame.audio, np.int16).astype(np.float32) / 32768


def media(frames: Any) -> list[tuple[OutputImageRawFrame, TTSAudioRawFrame]]:
    """Pairs of an image and the sound that came right after it."""
    pairs, image = [], None
    for frame in frames:
        if isinstance(frame, OutputImageRawFrame):
            image = frame
        elif isinstance(frame, TTSAudioRawFrame):
            assert image is not None
            pairs.append((image, frame))
            image = None
    return pairs


async def test_frames_go_through_the_librarys_test_pipeline_in_their_order() -> None:
    service = AvatarVideoService(Painted())
    ramp = np.repeat(np.linspace(0.1, 0.9, 15, dtype=np.float32), 960)
    down, up = await run_test(
        service,
        frames_to_send=[
            TextFrame("before"),
            TTSStartedFrame(context_id="one"),
            *voice(ramp[: 960 * 5]),
            TextFrame("between"),
            *voice(ramp[960 * 5 :]),
            TTSStoppedFrame(context_id="one"),
            TextFrame("after"),
        ],
    )
    pairs = media(down)
    assert len(pairs) == 15
    for image, sound in pairs:
        assert bar_of(image_of(image)) == bar_for(sound_of(sound))
        assert sound.context_id == "one"
        assert (sound.sample_rate, sound.num_channels, len(sound.audio)) == (24_000, 1, 1920)
    order = [
        getattr(f, "text", type(f).__name__) for f in down if not isinstance(f, OutputImageRawFrame)
    ]
    sounds = ["TTSAudioRawFrame"]
    assert order == [
        "before", "TTSStartedFrame", *sounds * 5, "between", *sounds * 10,
        "TTSStoppedFrame", "after",
    ]  # fmt: skip
    assert not [f for f in up if isinstance(f, ErrorFrame)]


async def test_the_end_waits_until_all_was_said() -> None:
    began = time.monotonic()
    down, _ = await run_test(
        AvatarVideoService(Painted()), frames_to_send=[*voice(level(0.5, 1.0))]
    )
    assert len(media(down)) == 25
    assert time.monotonic() - began > 0.95


@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 48_000])
async def test_the_voices_own_rate_does_not_matter(rate: int) -> None:
    down, _ = await run_test(
        AvatarVideoService(Painted()), frames_to_send=voice(level(0.4, 0.4, rate), rate)
    )
    assert len(media(down)) == 10
    assert {f.sample_rate for f in down if isinstance(f, TTSAudioRawFrame)} == {24_000}


async def test_idle_images_come_between() -> None:
    down, _ = await run_test(AvatarVideoService(Painted()), frames_to_send=[SleepFrame(1.0)])
    images = [f for f in down if isinstance(f, OutputImageRawFrame)]
    assert 18 <= len(images) <= 30
    assert {bar_of(image_of(f)) for f in images} == {0}
    assert not media(down)


async def test_an_interruption_drops_the_rest_but_not_what_must_arrive() -> None:
    must = OutputTransportMessageFrame(message={"keep": True})
    must.interruptible = False
    down, _ = await run_test(
        AvatarVideoService(Painted()),
        frames_to_send=[
            *voice(level(0.3, 3.0)),
            TextFrame("dropped"),
            must,
            TTSStoppedFrame(),
            SleepFrame(0.5),
            InterruptionFrame(),
            *voice(level(0.7, 0.4)),
            TTSStoppedFrame(),
        ],
    )
    at = next(i for i, f in enumerate(down) if isinstance(f, InterruptionFrame))
    before, after = down[:at], down[at + 1 :]
    assert 0 < len(media(before)) < 40
    levels = [float(sound_of(s)[0]) for _, s in media(after)]
    assert np.allclose(levels, 0.7, atol=1e-3)
    assert len(levels) == 10
    assert [f for f in after if isinstance(f, OutputTransportMessageFrame)] == [must]
    assert not [f for f in down if isinstance(f, TextFrame)]
    assert len([f for f in after if isinstance(f, TTSStoppedFrame)]) == 1


async def test_speech_that_must_not_be_interrupted_is_not() -> None:
    spoken = voice(level(0.3, 0.8))
    for frame in spoken:
        frame.interruptible = False
    down, _ = await run_test(
        AvatarVideoService(Painted()),
        frames_to_send=[*spoken, TTSStoppedFrame(), SleepFrame(0.4), InterruptionFrame()],
    )
    assert len(media(down)) == 20
    assert all(not s.interruptible for _, s in media(down))


class Ears(BaseOutputTransport):
    """The library's output transport, with ears and eyes instead of a network."""

    def __init__(self, **parameters: Any) -> None:
        parameters = {
            "audio_out_enabled": True,
            "video_out_enabled": True,
            "video_out_width": SIZE,
            "video_out_height": SIZE,
            "video_out_framerate": FPS,
            "audio_out_end_silence_secs": 0,
        } | parameters
        super().__init__(TransportParams(**parameters))
        self.heard: list[tuple[float, float]] = []
        self.shown: list[tuple[float, int]] = []
        self._free = 0.0

    async def start(self, frame: StartFrame) -> None:
        await super().start(frame)
        await self.set_transport_ready(frame)

    async def write_audio_frame(self, frame: OutputAudioRawFrame) -> bool:
        await asyncio.sleep(max(0.0, self._free - time.monotonic()))
        now = time.monotonic()
        if now - self._free > 1 / FPS:  # a shorter delay is hidden by who plays it
            self._free = now
        self.heard.append((self._free, float(np.abs(sound_of(frame)).mean())))
        self._free += len(frame.audio) / 2 / frame.sample_rate
        return True

    async def write_video_frame(self, frame: OutputImageRawFrame) -> bool:
        self.shown.append((time.monotonic(), bar_of(image_of(frame))))
        return True


class Listener(FrameProcessor):
    """Stands before the service and keeps what the transport reports."""

    def __init__(self) -> None:
        super().__init__()
        self.reported: list[Frame] = []

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if direction is FrameDirection.UPSTREAM:
            self.reported.append(frame)
        await self.push_frame(frame, direction)


class Call:
    """A running pipeline."""

    def __init__(self, service: AvatarVideoService, ears: Ears) -> None:
        self.ears = ears
        self.listener = Listener()
        self.worker = PipelineWorker(
            Pipeline([self.listener, service, ears]),
            cancel_on_idle_timeout=False,
            enable_rtvi=False,
            params=PipelineParams(enable_metrics=True),
        )

    async def send(self, *frames: Frame) -> None:
        for frame in frames:
            await self.worker.queue_frame(frame)

    async def is_heard(self, for_s: float) -> bool:
        before = len(self.ears.heard)
        await asyncio.sleep(for_s)
        return len(self.ears.heard) > before

    async def until(self, kind: type[Frame], count: int = 1, patience: float = 20.0) -> None:
        async with asyncio.timeout(patience):
            while sum(isinstance(f, kind) for f in self.listener.reported) < count:  # noqa: ASYNC110
                await asyncio.sleep(0.01)


@asynccontextmanager
async def call(
    make: Any = None, ending: Frame | None = None, **parameters: Any
) -> AsyncIterator[Call]:
    running = Call(AvatarVideoService(make or Painted()), Ears(**parameters))
    started = asyncio.Event()

    @running.worker.event_handler("on_pipeline_started")
    async def note_start(worker: PipelineWorker, frame: Frame) -> None:
        started.set()

    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(running.worker)
    running_task = asyncio.create_task(runner.run())
    async with asyncio.timeout(60):
        await started.wait()
    try:
        yield running
    finally:
        await running.worker.queue_frame(ending or EndFrame())
        async with asyncio.timeout(20):
            await running_task


@pytest.mark.parametrize("is_live", [False, True])
async def test_the_transport_shows_each_frame_when_its_sound_plays(is_live: bool) -> None:
    ramp = np.repeat(np.linspace(0.1, 0.9, 25, dtype=np.float32), 960)
    async with call(video_out_is_live=is_live) as running:
        await asyncio.sleep(0.4)
        await running.send(TTSStartedFrame(), *voice(ramp), TTSStoppedFrame())
        await running.until(BotStoppedSpeakingFrame)
        await asyncio.sleep(0.3)
    plays = {round(loud * SIZE): at for at, loud in running.ears.heard}
    assert len(plays) == 25
    first_shown: dict[int, float] = {}
    for at, bar in running.ears.shown:
        first_shown.setdefault(bar, at)
    skews = [first_shown[bar] - plays[bar] for bar in plays if bar in first_shown]
    assert len(skews) >= 20
    # With `video_out_is_live` the library counts frames from the first one on. Where a busy machine
    # left it behind, it shows what waits at once until it has caught up.
    assert abs(float(np.median(skews))) < (0.1 if is_live else 0.06)


async def test_the_transport_knows_when_the_avatar_speaks() -> None:
    async with call() as running:
        for number in (1, 2):
            await running.send(TTSStartedFrame(), *voice(level(0.5, 0.6)), TTSStoppedFrame())
            await running.until(BotStoppedSpeakingFrame, number)
            assert len(running.ears.heard) == 15 * number
        reported = running.listener.reported
        assert sum(isinstance(f, BotStartedSpeakingFrame) for f in reported) == 2
        assert not [f for f in reported if isinstance(f, ErrorFrame)]


async def test_random_interruptions_leave_nothing_stale() -> None:
    chance = random.Random(11)
    async with call(Painted(delay=0.005)) as running:
        for number in range(1, 31):
            value = number / 50
            await running.send(TTSStartedFrame(), *voice(level(value, chance.uniform(0.1, 1.5))))
            if chance.random() < 0.5:
                await running.send(TTSStoppedFrame())
            await asyncio.sleep(chance.uniform(0, 0.5))
            await running.send(InterruptionFrame())
            # What is being written is written, however busy the machine; a piece lasts 0.04 s.
            await asyncio.sleep(0.2)
            assert not await running.is_heard(for_s=0.1)
        first = len(running.ears.heard)
        await running.send(TTSStartedFrame(), *voice(level(0.9, 0.4)), TTSStoppedFrame())
        stopped = sum(isinstance(f, BotStoppedSpeakingFrame) for f in running.listener.reported)
        await running.until(BotStoppedSpeakingFrame, stopped + 1)
    last = [loud for _, loud in running.ears.heard[first:]]
    assert len(last) == 10
    assert np.allclose(last, 0.9, atol=1e-3)


async def test_two_calls_do_not_mix() -> None:
    async with call(Painted(seed=1)) as one, call(Painted(seed=2)) as two:
        await one.send(*voice(level(0.2, 0.8)), TTSStoppedFrame())
        await two.send(*voice(level(0.8, 0.8)), TTSStoppedFrame())
        await one.until(BotStoppedSpeakingFrame)
        await two.until(BotStoppedSpeakingFrame)
    assert np.allclose([loud for _, loud in one.ears.heard], 0.2, atol=1e-3)
    assert np.allclose([loud for _, loud in two.ears.heard], 0.8, atol=1e-3)


async def test_a_cancel_stops_in_the_middle_and_frees_the_thread() -> None:
    async with call(ending=CancelFrame()) as running:
        await running.send(*voice(level(0.5, 5.0)))
        await asyncio.sleep(0.6)
        assert len(face_threads()) == 1
        began = time.monotonic()
    assert time.monotonic() - began < 3
    assert 0 < len(running.ears.heard) < 60


async def test_without_its_face_the_voice_goes_on() -> None:
    async with call(Look("nobody-of-that-name")) as running:
        await running.send(TTSStartedFrame(), *voice(level(0.5, 0.4)), TTSStoppedFrame())
        await running.until(BotStoppedSpeakingFrame)
        errors = [f for f in running.listener.reported if isinstance(f, ErrorFrame)]
    assert len(running.ears.heard) == 10
    assert any("nobody-of-that-name" in e.error for e in errors)


@pytest.mark.assets
async def test_a_real_face_in_a_pipeline() -> None:
    samples, rate = read_speech("speech_en.wav", 1.2)
    async with call(Look(size=128)) as running:
        await running.send(TTSStartedFrame(), *voice(samples, rate), TTSStoppedFrame())
        await running.until(BotStoppedSpeakingFrame, patience=60)
    assert len(running.ears.heard) == 30
