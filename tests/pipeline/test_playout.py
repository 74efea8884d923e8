"""The one clock, in virtual time: a source with scripted delays, and what leaves."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import AsyncIterator
from contextlib import suppress

import numpy as np
import pytest

from visavis.core.errors import StageError
from visavis.core.types import FPS, Segment, VideoFrame, Waveform, replace
from visavis.pipeline.outbox import TurnMark
from visavis.pipeline.playout import FADE, Playout
from visavis.pipeline.ticks import SAMPLE_RATE, TICK_SAMPLES, Tick, TickStream


class World:
    """Virtual time: whoever sleeps moves it on, after everybody else had their say."""

    def __init__(self) -> None:
        self.now = 100.0
        self.slow: dict[int, float] = {}
        self._ticks = 0

    def clock(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        for _ in range(6):
            await asyncio.sleep(0)
        self.now += seconds + self.slow.pop(self._ticks, 0.0)
        self._ticks += 1


class Face:
    """A source whose pictures carry their number; speech is put in by the test."""

    def __init__(self, numbered: bool = True) -> None:
        self.made = 0
        self.items: asyncio.Queue[Segment | TurnMark | None] = asyncio.Queue()
        self.at_work = False
        self.broken = 0
        self._numbered = numbered
        self._phase = 0

    def picture(self) -> np.ndarray:
        image = np.zeros((2, 2, 3), np.uint8)
        image[..., 0], image[..., 1] = self.made % 256, self.made // 256
        self.made += 1
        return image

    def segment(self, turn: int, frames: int = 5) -> Segment:
        first = self.made
        times = np.arange(self._phase, self._phase + frames * TICK_SAMPLES) / SAMPLE_RATE
        self._phase += frames * TICK_SAMPLES
        sound = Waveform((0.5 * np.sin(2 * np.pi * 200 * times)).astype(np.float32), SAMPLE_RATE)
        pictures = tuple(VideoFrame(self.picture(), i) for i in range(frames))
        return Segment(turn, sound, pictures, picture=first if self._numbered else None)

    def say(self, turn: int, segments: int = 1, end: bool = True, *, twice: bool = False) -> None:
        for _ in range(segments):
            segment = self.segment(turn)
            if twice:
                first, second, third, fourth, fifth = segment.frames
                segment = replace(
                    segment,
                    frames=(
                        first,
                        replace(second, image=first.image),
                        third,
                        replace(fourth, image=third.image),
                        fifth,
                    ),
                )
            self.items.put_nowait(segment)
        if end:
            self.items.put_nowait(TurnMark(turn))

    async def stream(self) -> AsyncIterator[Segment | TurnMark]:
        while (item := await self.items.get()) is not None:
            yield item

    async def next_idle(self) -> VideoFrame | None:
        await asyncio.sleep(0)
        if self.broken:
            self.broken -= 1
            raise StageError("the face is gone")
        if self.at_work:
            return None
        number = self.made
        return VideoFrame(self.picture(), number)

    def rewind(self, shown: int | None) -> None:
        self.made = (shown if shown is not None else -1) + 1


class Log:
    def __init__(self) -> None:
        self.ticks: list[Tick] = []
        self.times: list[float] = []
        self.segments: list[tuple[Segment, int]] = []
        self.ends: list[tuple[int, int]] = []
        self.errors: list[Exception] = []
        self.world: World | None = None

    def on_tick(self, tick: Tick) -> None:
        self.ticks.append(tick)
        assert self.world is not None
        self.times.append(self.world.now)

    def on_segment(self, segment: Segment, index: int) -> None:
        self.segments.append((segment, index))

    def on_turn_end(self, mark: TurnMark) -> None:
        self.ends.append((mark.turn, len(self.ticks)))

    def on_failure(self, error: Exception) -> None:
        self.errors.append(error)

    @property
    def pictures(self) -> list[int]:
        return [int(t.image[0, 0, 0]) + 256 * int(t.image[0, 0, 1]) for t in self.ticks]

    @property
    def sound(self) -> np.ndarray:
        return np.concatenate([t.sound for t in self.ticks])


class Show:
    def __init__(self, numbered: bool = True) -> None:
        self.world, self.face, self.log = World(), Face(numbered), Log()
        self.log.world = self.world
        self.hurried = False
        self.playout = Playout(
            self.face,
            self.log,
            clock=self.world.clock,
            sleep=self.world.sleep,
            is_hurried=lambda: self.hurried,
        )
        self.task = asyncio.create_task(self.playout.run())

    async def until(self, ticks: int) -> None:
        for _ in range(ticks * 100):
            if len(self.log.ticks) >= ticks:
                return
            await asyncio.sleep(0)
        raise AssertionError(f"{len(self.log.ticks)} of {ticks} ticks came")

    async def end(self) -> None:
        self.task.cancel()
        with suppress(asyncio.CancelledError):
            await self.task


@pytest.fixture
async def show() -> AsyncIterator[Show]:
    shown = Show()
    yield shown
    await shown.end()


async def test_ticks_come_on_time_with_every_picture_in_order(show: Show) -> None:
    await show.until(100)
    assert [t.index for t in show.log.ticks] == list(range(len(show.log.ticks)))
    assert show.log.pictures[:100] == list(range(100))
    assert np.diff(show.log.times[:100]) == pytest.approx([1 / FPS] * 99)
    assert not show.log.sound.any()
    counts = show.playout.counts
    assert (counts.late, counts.stalls, counts.repeats) == (0, 0, 0)


async def test_while_an_answer_is_made_every_idle_picture_stays_for_two_ticks(show: Show) -> None:
    await show.until(20)
    show.hurried = True
    await show.until(60)
    show.hurried = False
    await show.until(100)
    times = np.bincount(show.log.pictures[26:58])
    assert set(times[times > 0][1:-1]) == {2}
    assert np.diff(show.log.times[:100]) == pytest.approx([1 / FPS] * 99)
    assert np.all(np.diff(show.log.pictures[64:100]) == 1)


async def test_speech_is_neither_skipped_nor_repeated_and_in_step(show: Show) -> None:
    await show.until(10)
    show.face.say(3, segments=8)
    await show.until(70)
    spoken = [t for t in show.log.ticks if t.turn == 3]
    assert len(spoken) == 40
    assert [t.index for t in spoken] == list(range(spoken[0].index, spoken[0].index + 40))
    assert show.log.pictures[:70] == list(range(70)), "idle pictures made before come before"
    whole = np.concatenate([t.sound for t in spoken])
    wanted = np.concatenate([s.audio.samples for s, _ in show.log.segments])
    assert np.array_equal(whole, wanted)
    assert [index for _, index in show.log.segments] == [spoken[0].index + 5 * i for i in range(8)]
    assert show.log.ends == [(3, spoken[-1].index + 1)]


async def test_a_picture_that_is_shown_twice_counts_as_repeated(show: Show) -> None:
    await show.until(10)
    show.face.say(3, segments=2, twice=True)
    await show.until(60)
    assert show.playout.counts.repeats == 4
    assert show.playout.counts.starved == 0


async def test_a_late_machine_sends_late_ticks_and_counts_them(show: Show) -> None:
    show.world.slow[20] = 0.11
    await show.until(60)
    assert show.playout.counts.late == 2, "0.11 s and 0.07 s behind; 0.03 s is not late"
    assert show.playout.counts.stalls == 0
    assert show.log.times[50] - show.log.times[0] == pytest.approx(50 / FPS), "caught up"
    assert show.log.pictures[:50] == list(range(50))


async def test_a_long_stall_moves_the_schedule_instead_of_rushing(show: Show) -> None:
    show.world.slow[20] = 3.0
    await show.until(60)
    assert show.playout.counts.stalls == 1
    assert np.diff(show.log.times[21:60]) == pytest.approx([1 / FPS] * 38)


async def test_a_busy_face_leaves_the_last_picture_standing(show: Show) -> None:
    await show.until(10)
    show.face.at_work = True
    await show.until(30)
    assert show.playout.counts.repeats > 10
    assert len(set(show.log.pictures[15:30])) == 1
    show.face.at_work = False
    await show.until(40)
    shown = show.log.pictures[:40]
    assert all(b - a in (0, 1) for a, b in itertools.pairwise(shown)), "and no jump after it"


async def test_starving_in_the_middle_of_a_turn_is_silence_without_a_click(show: Show) -> None:
    await show.until(5)
    show.face.say(1, end=False)
    await show.until(40)
    show.face.say(1)
    await show.until(70)
    sound = show.log.sound
    runs = [t.index for t in show.log.ticks if t.turn == 1]
    assert show.playout.counts.starved == runs[-1] - runs[0] + 1 - len(runs) > 10
    steps = np.abs(np.diff(sound))
    assert float(steps.max()) < 0.5 * 2 * np.pi * 200 / SAMPLE_RATE * 1.5, "no click"
    assert show.log.ends == [(1, max(t.index for t in show.log.ticks if t.turn == 1) + 1)]
    assert show.playout.sent(1) == pytest.approx(0.4)


async def test_held_speech_is_silent_at_once_and_goes_on_where_it_was(show: Show) -> None:
    await show.until(10)
    show.face.say(3, segments=6)
    await show.until(25)
    show.playout.hold()
    held = len(show.log.ticks)
    await show.until(held + 10)
    quiet = np.concatenate([t.sound for t in show.log.ticks[held : held + 10]])
    assert np.abs(quiet[192:]).max() == 0, "it dies away within 8 ms"
    assert np.abs(np.diff(np.concatenate([show.log.ticks[held - 1].sound, quiet]))).max() < 0.05
    assert show.playout.counts.starved == 0
    show.playout.release()
    await show.until(held + 60)
    spoken = [t for t in show.log.ticks if t.turn == 3]
    whole = np.concatenate([t.sound for t in spoken])
    wanted = np.concatenate([s.audio.samples for s, _ in show.log.segments])
    assert len(whole) == len(wanted)
    differs = np.flatnonzero(whole != wanted)
    assert len(differs) <= 192, "but for the first 8 ms after the pause, where it comes on"
    assert show.log.ends == [(3, spoken[-1].index + 1)]


async def test_what_is_cut_while_it_is_held_does_not_hold_what_comes_next(show: Show) -> None:
    await show.until(10)
    show.face.say(3, segments=6)
    await show.until(25)
    show.playout.hold()
    await show.until(30)
    show.face.rewind(show.playout.cut().picture)
    show.face.say(4, segments=2)
    await show.until(60)
    assert sum(t.turn == 4 for t in show.log.ticks) == 10


class TestCut:
    async def test_nothing_of_the_old_turn_comes_after_it(self, show: Show) -> None:
        await show.until(5)
        show.face.say(4, segments=3, end=False)
        await show.until(14)
        cut = show.playout.cut()
        at = show.playout.index
        assert cut.turn == 4
        assert cut.picture == show.log.pictures[-1] == at - 1
        assert cut.sent == pytest.approx(sum(t.turn == 4 for t in show.log.ticks) / FPS)
        show.face.rewind(cut.picture)
        await show.until(at + 30)
        after = show.log.ticks[at:]
        assert all(t.turn == 0 for t in after)
        assert not after[0].sound[FADE:].any()
        assert not any(t.sound.any() for t in after[1:])
        steps = np.abs(np.diff(show.log.sound))
        assert float(steps.max()) < 0.04, "the sound dies away over 8 ms"

    async def test_the_picture_goes_on_from_the_one_shown_last(self, show: Show) -> None:
        await show.until(5)
        show.face.say(1, segments=4)
        await show.until(12)
        cut = show.playout.cut()
        show.face.rewind(cut.picture)
        await show.until(40)
        shown = show.log.pictures
        assert all(b - a in (0, 1) for a, b in itertools.pairwise(shown))

    async def test_the_next_turn_follows(self, show: Show) -> None:
        await show.until(5)
        show.face.say(1, segments=4)
        await show.until(12)
        cut = show.playout.cut()
        show.face.rewind(cut.picture)
        show.face.say(2)
        await show.until(40)
        assert [t.turn for t in show.log.ticks if t.turn] == [1] * round(cut.sent * FPS) + [2] * 5
        assert show.playout.played(show.playout.now) == [
            (1, pytest.approx(cut.sent)), (2, pytest.approx(0.2))
        ]  # fmt: skip

    async def test_late_segments_of_the_old_turn_are_refused(self, show: Show) -> None:
        show.face.say(1)
        await show.until(6)
        show.playout.cut()
        stale = show.face.segment(1)
        show.face.items.put_nowait(stale)
        await show.until(30)
        assert stale not in [segment for segment, _ in show.log.segments]

    async def test_in_silence_it_changes_nothing_that_is_heard(self, show: Show) -> None:
        await show.until(5)
        show.playout.cut()
        await show.until(20)
        assert not show.log.sound.any()


@pytest.mark.parametrize("steps", range(12))
async def test_a_cut_about_the_first_tick_harms_nothing(steps: int) -> None:
    shown = Show()
    for _ in range(steps):
        await asyncio.sleep(0)
    shown.face.rewind(shown.playout.cut().picture)
    shown.face.say(2, segments=2)
    await shown.until(30)
    assert sum(t.turn == 2 for t in shown.log.ticks) == 10
    await shown.end()


async def test_played_seconds_follow_the_runs_of_a_turn(show: Show) -> None:
    await show.until(5)
    show.face.say(1, end=False)
    await show.until(30)
    show.face.say(1)
    await show.until(50)
    runs = [t.index for t in show.log.ticks if t.turn == 1]
    [(turn, nothing)] = show.playout.played(runs[0] / FPS)
    assert (turn, nothing) == (1, 0.0)
    assert show.playout.played((runs[2] + 1) / FPS) == [(1, pytest.approx(3 / FPS))]
    between = (runs[4] + runs[5]) / 2 / FPS
    assert show.playout.played(between) == [(1, pytest.approx(5 / FPS))]


async def test_an_idle_picture_that_arrives_after_a_later_one_finds_its_place() -> None:
    show = Show()
    await show.until(5)
    number, late = show.face.made, show.face.picture()
    show.face.say(1)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    show.playout._put(type(show.playout._queue[0])(number, 0, late))
    await show.until(30)
    assert show.log.pictures == sorted(show.log.pictures)
    await show.end()


async def test_faces_that_do_not_number_their_pictures_are_shown_as_they_come() -> None:
    show = Show(numbered=False)
    await show.until(5)
    show.face.say(1, segments=4)
    await show.until(40)
    assert sum(t.turn == 1 for t in show.log.ticks) == 20
    await show.end()


async def test_failures_of_the_idle_face_are_told_and_it_recovers(show: Show) -> None:
    await show.until(5)
    show.face.broken = 2
    await show.until(120)
    assert [str(e) for e in show.log.errors] == ["the face is gone"] * 2
    assert show.log.pictures[-1] > 30


async def test_sound_at_another_rate_ends_the_stream_with_a_reason() -> None:
    show = Show()
    await show.until(3)
    picture = VideoFrame(show.face.picture(), 0)
    wrong = Waveform(np.zeros(640, np.float32), 16_000)
    show.face.items.put_nowait(Segment(1, wrong, (picture,)))
    with pytest.raises(StageError, match="16000"):
        await asyncio.wait_for(show.task, 5)


@pytest.mark.parametrize("seed", range(8))
async def test_random_turns_and_cuts(seed: int) -> None:
    rng = random.Random(seed)
    show = Show()
    turn, dead = 0, set[int]()
    for _ in range(40):
        match rng.randrange(4):
            case 0 | 1:
                turn += 1
                dead |= set(range(1, turn))
                cut = show.playout.cut()
                show.face.rewind(cut.picture)
                while not show.face.items.empty():
                    show.face.items.get_nowait()
                show.face.say(turn, rng.randrange(1, 5), end=rng.random() < 0.7)
            case 2:
                show.face.at_work = rng.random() < 0.4
            case 3:
                show.world.slow[show.world._ticks + 2] = rng.choice([0.05, 0.3, 1.0])
        before = len(show.log.ticks)
        await show.until(before + rng.randrange(1, 30))
        assert not {t.turn for t in show.log.ticks[before:]} & dead
    show.face.at_work = False
    assert [t.index for t in show.log.ticks] == list(range(len(show.log.ticks)))
    shown = show.log.pictures
    assert all(0 <= b - a <= 2 for a, b in itertools.pairwise(shown)), "no jump"
    assert float(np.abs(np.diff(show.log.sound)).max()) < 0.06, "no click"
    await show.end()


async def test_a_slow_watcher_loses_whole_ticks_the_oldest_first() -> None:
    left: list[TickStream] = []
    stream = TickStream(3, left.append)
    for index in range(5):
        stream.put(Tick(index, np.zeros((1, 1, 3), np.uint8), np.zeros(960, np.float32), 0))
    async with stream:
        assert [(await anext(stream)).index for _ in range(3)] == [2, 3, 4]
        assert stream.dropped == 2
    assert left == [stream]
    with pytest.raises(StopAsyncIteration):
        await anext(stream)
