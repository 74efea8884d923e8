"""What both adapters are made of: sound in, frames and sound in step out."""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import numpy as np
import pytest
from tests.adapters.conftest import Painted, bar_for, bar_of, level, read_speech

from visavis.apps.adapters import face as face_module
from visavis.apps.adapters.face import Beat, Note, SpeakingFace
from visavis.apps.adapters.opening import Look
from visavis.core.errors import StageError, UnknownAvatar
from visavis.core.protocols import Performance
from visavis.core.types import FPS, Floats, Segment, Speech
from visavis.stages import fakes


class Watcher:
    """Reads a face and keeps what comes, with the time and the level that may be heard now."""

    def __init__(self, face: SpeakingFace) -> None:
        self.face = face
        self.beats: list[Beat] = []
        self.times: list[float] = []
        self.notes: list[object] = []
        self.allowed: float | None = None
        self.stale: list[float] = []
        self._task = asyncio.create_task(self._read())

    async def _read(self) -> None:
        async for item in self.face.stream():
            if isinstance(item, Note):
                self.notes.append(item.value)
                continue
            self.beats.append(item)
            self.times.append(time.monotonic())
            if item.sound is not None and self.allowed is not None:
                heard = float(item.sound[0])
                if abs(heard - self.allowed) > 1e-3:
                    self.stale.append(heard)

    @property
    def spoken(self) -> list[Beat]:
        return [b for b in self.beats if b.sound is not None]

    @property
    def sound(self) -> Floats:
        return np.concatenate([b.sound for b in self.spoken if b.sound is not None])

    async def until(self, note: object, patience: float = 20.0) -> None:
        async with asyncio.timeout(patience):
            while note not in self.notes:  # noqa: ASYNC110
                await asyncio.sleep(0.01)

    async def finish(self) -> None:
        await self.face.close()
        async with asyncio.timeout(5):
            await self._task


@asynccontextmanager
async def watched(make: Painted | None = None, rate: int = 24_000) -> AsyncIterator[Watcher]:
    face = await SpeakingFace.open(make or Painted(), sample_rate=rate)
    watcher = Watcher(face)
    try:
        yield watcher
    finally:
        await watcher.finish()


@pytest.mark.parametrize("rate", [8_000, 11_025, 16_000, 22_050, 24_000, 44_100, 48_000])
async def test_sound_of_any_rate_comes_out_whole_and_in_step(rate: int) -> None:
    seconds = 0.5
    times = np.arange(round(rate * seconds)) / rate
    tone = (0.6 * times / seconds * np.sin(2 * np.pi * 440 * times)).astype(np.float32)
    async with watched() as watcher:
        for start in range(0, len(tone), 777):
            await watcher.face.say(tone[start : start + 777], rate)
        watcher.face.end("over")
        await watcher.until("over")
        heard = watcher.sound
        assert len(heard) == -(-len(tone) * FPS // rate) * 24_000 // FPS
        expected_times = np.arange(round(24_000 * seconds)) / 24_000
        expected = 0.6 * expected_times / seconds * np.sin(2 * np.pi * 440 * expected_times)
        assert np.abs(heard[240:11_700] - expected[240:11_700]).max() < 0.01
        for beat in watcher.spoken:
            assert beat.sound is not None
            assert bar_of(beat.image) == bar_for(beat.sound)


async def test_stereo_is_mixed() -> None:
    left_only = np.stack([level(0.5, 0.2), level(0.0, 0.2)], axis=1)
    async with watched() as watcher:
        await watcher.face.say(left_only, 24_000)
        watcher.face.end("over")
        await watcher.until("over")
        assert np.allclose(watcher.sound, 0.25)


async def test_it_keeps_to_25_frames_a_second_and_idles_between() -> None:
    async with watched() as watcher:
        await asyncio.sleep(0.6)
        await watcher.face.say(level(0.5, 0.6), 24_000)
        watcher.face.end("over")
        await watcher.until("over")
        await asyncio.sleep(0.6)
        taken = watcher.times[-1] - watcher.times[0]
        assert abs(len(watcher.beats) - 1 - taken * FPS) < 5
        kinds = [b.sound is not None for b in watcher.beats]
        assert [k for k, _ in itertools.groupby(kinds)] == [False, True, False]
        assert sum(kinds) == 15
        assert all(bar_of(b.image) == 0 for b in watcher.beats if b.sound is None)


async def test_a_note_keeps_its_place_and_an_end_comes_when_the_last_sound_is_over() -> None:
    async with watched() as watcher:
        seen: dict[object, tuple[int, float]] = {}
        await watcher.face.say(level(0.3, 0.4), 24_000)
        watcher.face.note("between")
        await watcher.face.say(level(0.4, 0.4), 24_000)
        watcher.face.end("end")
        assert not watcher.face.is_quiet
        while "end" not in seen:
            await asyncio.sleep(0.001)
            for note in watcher.notes:
                seen.setdefault(note, (len(watcher.spoken), time.monotonic()))
        assert seen["between"][0] == 10
        assert seen["end"][0] == 20
        assert seen["end"][1] - watcher.times[-1] < 0.5
        first = next(
            t for t, b in zip(watcher.times, watcher.beats, strict=True) if b.sound is not None
        )
        assert seen["end"][1] - first > 20 / FPS - 0.02
        assert watcher.face.is_quiet


async def test_an_end_with_nothing_said_comes_at_once() -> None:
    async with watched() as watcher:
        watcher.face.end("nothing")
        await watcher.until("nothing", 1.0)
        assert not watcher.spoken


async def test_sound_that_stays_away_is_shown_without_an_end() -> None:
    async with watched() as watcher:
        await watcher.face.say(level(0.5, 0.2), 24_000)
        async with asyncio.timeout(5):
            while len(watcher.spoken) < 5:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert len(watcher.sound) == 4800


async def test_random_interruptions_leave_nothing_stale() -> None:
    chance = random.Random(7)
    async with watched(Painted(delay=0.01)) as watcher:
        for number in range(1, 61):
            value = number / 100
            watcher.allowed = value
            for _ in range(chance.randint(0, 6)):
                await watcher.face.say(level(value, chance.uniform(0.005, 0.5)), 24_000)
                if chance.random() < 0.3:
                    await asyncio.sleep(chance.uniform(0, 0.06))
            if chance.random() < 0.5:
                watcher.face.end(f"stale {number}")
            await asyncio.sleep(chance.choice([0, 0.001, 0.03, 0.12]))
            watcher.notes.clear()
            watcher.face.clear()
            assert watcher.face.is_quiet or not watcher.face._ready
        watcher.notes.clear()
        watcher.allowed = 0.9
        before = len(watcher.spoken)
        await watcher.face.say(level(0.9, 0.4), 24_000)
        watcher.face.end("last")
        await watcher.until("last")
        assert watcher.notes == ["last"]
        assert watcher.stale == []
        assert len(watcher.spoken) - before == 10
        assert all(bar_of(b.image) == bar_for(b.sound) for b in watcher.spoken[-5:])


async def test_who_waits_to_say_more_is_let_go_by_a_clear(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(face_module, "HELD", 0.4)
    async with watched() as watcher:
        speaking = asyncio.create_task(watcher.face.say(level(0.5, 30.0), 24_000))
        await asyncio.sleep(0.3)
        assert not speaking.done()
        watcher.allowed = 0.0
        watcher.face.clear()
        async with asyncio.timeout(1):
            await speaking
        watcher.face.end("clear")
        await watcher.until("clear", 2.0)
        assert watcher.stale == []


async def test_clear_hands_back_the_notes_and_silences_within_a_frame() -> None:
    async with watched() as watcher:
        await watcher.face.say(level(0.5, 5.0), 24_000)
        watcher.face.note("a")
        watcher.face.end("b")
        await asyncio.sleep(0.5)
        count = len(watcher.spoken)
        assert count > 0
        assert watcher.face.clear() == ["a", "b"]
        await asyncio.sleep(0.3)
        assert len(watcher.spoken) == count
        assert watcher.notes == []
        assert len(watcher.beats) > count + 3


async def test_the_picture_fades_from_what_was_cut_off() -> None:
    class Flat(Painted):
        def __call__(self) -> Performance:
            return _Flat(fakes.PaintingAnimator().open(fakes.make_avatar(size=32)))

    async with watched(Flat()) as watcher:
        await watcher.face.say(level(0.5, 2.0), 24_000)
        await asyncio.sleep(0.5)
        watcher.face.clear()
        at = len(watcher.beats)
        await asyncio.sleep(0.5)
        greys = [int(b.image[0, 0, 0]) for b in watcher.beats[at : at + 6]]
        assert greys == [160, 120, 80, 40, 0, 0]


class _Flat:
    """Grey 200 while it speaks, black between."""

    def __init__(self, inner: Performance) -> None:
        self._inner = inner
        self.lookahead = inner.lookahead
        self.flush, self.reset, self.close = inner.flush, inner.reset, inner.close

    def feed(self, speech: Speech) -> Iterator[Segment]:
        for segment in self._inner.feed(speech):
            for frame in segment.frames:
                frame.image[:] = 200
            yield segment

    def idle(self):  # type: ignore[no-untyped-def]
        frame = self._inner.idle()
        frame.image[:] = 0
        return frame


async def test_two_sessions_do_not_mix() -> None:
    async with watched(Painted(seed=1)) as one, watched(Painted(seed=2)) as two:
        one.allowed, two.allowed = 0.2, 0.7
        for _ in range(5):
            await one.face.say(level(0.2, 0.12), 24_000)
            await two.face.say(level(0.7, 0.12), 24_000)
        one.face.end("one")
        two.face.end("two")
        await one.until("one")
        await two.until("two")
        assert (one.notes, two.notes) == (["one"], ["two"])
        assert one.stale == two.stale == []
        assert {bar_of(b.image) for b in one.spoken} == {round(0.2 * 128)}
        assert {bar_of(b.image) for b in two.spoken} == {round(0.7 * 128)}


async def test_an_utterance_that_fails_is_dropped_and_the_next_is_said() -> None:
    class Breaking(Painted):
        def __call__(self) -> Performance:
            return _Breaking(super().__call__())

    errors: list[Exception] = []
    face = await SpeakingFace.open(Breaking(), on_error=errors.append)
    watcher = Watcher(face)
    await face.say(level(0.99, 0.4), 24_000)
    await face.say(level(0.3, 0.4), 24_000)
    face.end("broken")
    await face.say(level(0.4, 0.4), 24_000)
    face.end("whole")
    await watcher.until("whole")
    await watcher.finish()
    assert watcher.notes == ["broken", "whole"]
    assert np.allclose(watcher.sound, 0.4)
    assert [str(e) for e in errors] == ["too loud"]


class _Breaking:
    def __init__(self, inner: Performance) -> None:
        self._inner = inner
        self.lookahead = inner.lookahead
        self.flush, self.idle = inner.flush, inner.idle
        self.reset, self.close = inner.reset, inner.close

    def feed(self, speech: Speech) -> Iterator[Segment]:
        if speech.audio.samples.max(initial=0) > 0.9:
            raise StageError("too loud")
        yield from self._inner.feed(speech)


async def test_one_that_cannot_be_opened_leaves_no_thread() -> None:
    with pytest.raises(UnknownAvatar, match="nobody-of-that-name"):
        await SpeakingFace.open(Look("nobody-of-that-name").perform)


async def test_closing_in_the_middle_of_speech_frees_everything() -> None:
    for _ in range(10):
        face = await SpeakingFace.open(Painted(delay=0.02))
        watcher = Watcher(face)
        await face.say(level(0.5, 3.0), 24_000)
        await asyncio.sleep(0.1)
        await watcher.finish()
        await face.close()


async def test_a_rate_without_whole_frames_is_refused() -> None:
    with pytest.raises(ValueError, match="22051 Hz"):
        await SpeakingFace.open(Painted(), sample_rate=22_051)


@pytest.mark.assets
async def test_a_real_face_says_real_speech() -> None:
    samples, rate = read_speech("speech_en.wav", 2.0)
    face = await SpeakingFace.open(Look(size=128).perform)
    watcher = Watcher(face)
    await face.say(samples, rate)
    face.end("over")
    await watcher.until("over", 60)
    spoken = watcher.spoken
    await watcher.finish()
    assert len(spoken) == 50
    heard = np.concatenate([b.sound for b in spoken if b.sound is not None])
    assert np.corrcoef(heard[::3][:10_000], samples[::2][:10_000])[0, 1] > 0.9
    images = np.stack([b.image for b in spoken]).astype(np.float32)
    mouth = images[:, 75:100, 45:85]
    assert np.abs(np.diff(mouth, axis=0)).mean() > 0.5
