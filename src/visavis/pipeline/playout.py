"""The one clock of a live session: segments and idle pictures become one endless stream of ticks.

A tick is one picture and the 40 ms of sound that go with it. Tick n is due n / 25 seconds after the
first one, on the monotonic clock. Sound is neither skipped nor repeated. A machine that falls behind
sends its ticks late, and they are counted; after a long stall the whole schedule moves on, so that
nothing is rushed.
"""

from __future__ import annotations

import asyncio
import logging
import time
from bisect import insort
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from visavis.core.errors import StageError
from visavis.core.types import FPS, Floats, Picture, Segment, VideoFrame
from visavis.pipeline.outbox import TurnMark
from visavis.pipeline.pace import Pace
from visavis.pipeline.ticks import SAMPLE_RATE, TICK_SAMPLES, Counts, Cut, Tick

logger = logging.getLogger(__name__)

PERIOD = 1 / FPS
IDLE_AHEAD = 2
"""Idle pictures made before they are due."""
SPEECH_AHEAD = 6
"""Pictures with sound that the playout holds; what is made beyond waits in the conversation."""
STALL = 0.5
"""Seconds behind after which the schedule is moved instead of caught up with."""
FADE = 192
"""Samples (8 ms) over which sound that is broken off dies away."""
KEPT_TURNS = 8
"""Turns whose place on the stream clock is remembered: players report late."""


class Source(Protocol):
    """Where pictures come from: a conversation."""

    def stream(self) -> AsyncIterator[Segment | TurnMark]:
        """What is said, with a mark where a turn ends."""
        ...

    async def next_idle(self) -> VideoFrame | None:
        """A picture between turns; None while the face is at work on speech."""
        ...


class Watcher(Protocol):
    """Who is told what leaves. All calls must return at once."""

    def on_tick(self, tick: Tick) -> None:
        """A tick is sent."""
        ...

    def on_segment(self, segment: Segment, index: int) -> None:
        """A segment begins with the tick that is sent next, of this index."""
        ...

    def on_turn_end(self, mark: TurnMark) -> None:
        """Everything of a turn was sent."""
        ...

    def on_failure(self, error: Exception) -> None:
        """The face could not make an idle picture."""
        ...


@dataclass(order=True, slots=True)
class _Item:
    """A picture that waits. Sorted by its number, as two sources race for the queue."""

    number: int
    arrived: int
    image: Picture | None = field(compare=False, default=None)
    sound: Floats | None = field(compare=False, default=None)
    turn: int = field(compare=False, default=0)
    segment: Segment | None = field(compare=False, default=None)
    """The segment that begins with this picture."""
    mark: TurnMark | None = field(compare=False, default=None)


class Playout:
    """Sends a tick 25 times a second until it is stopped.

    Args:
        source: Where pictures come from.
        watcher: Who is told.
        clock: Monotonic seconds.
        sleep: Waits for seconds of that clock.
        is_hurried: Whether an answer is being made: until its first sound every idle picture is
            shown twice, since the voice needs the time more than a head that hardly moves.
        pace: Is told what leaves.
    """

    def __init__(
        self,
        source: Source,
        watcher: Watcher,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        is_hurried: Callable[[], bool] = lambda: False,
        pace: Pace | None = None,
    ) -> None:
        self._source = source
        self._is_hurried = is_hurried
        self._pace = pace or Pace()
        self._watcher = watcher
        self._clock = clock
        self._sleep = sleep
        self.counts = Counts()
        self._index = 0
        self._queue: list[_Item] = []
        self._arrived = 0
        self._changed = asyncio.Event()
        self._image: Picture | None = None
        self._number = -1  # of the picture shown last
        self._numbered = False  # whether the face numbers its segments' pictures too
        self._sound: Floats = np.zeros(TICK_SAMPLES, np.float32)
        self._sounding = 0  # turn of the last tick; 0 in silence
        self._open = 0  # turn that began to sound and has not ended
        self._tail: Floats | None = None  # what dies away in the next tick
        self._held = False  # whether speech waits until it is clear who speaks
        self._turn = 0  # whose sound was sent last
        self._runs: dict[int, list[tuple[int, int]]] = {}  # turn: (first index, frames) in a row
        self._barred = 0  # turns up to this one were cut
        self._idle: asyncio.Task[None] | None = None

    @property
    def index(self) -> int:
        """Number of the next tick."""
        return self._index

    @property
    def now(self) -> float:
        """Seconds on the stream clock: when the next tick is shown."""
        return self._index / FPS

    @property
    def speaking(self) -> int:
        """The turn that sounds or waits to, 0 for none."""
        return self._sounding or next((i.turn for i in self._queue if i.sound is not None), 0)

    async def run(self) -> None:
        """Send ticks until cancelled. The first one is sent when the first picture is there."""
        reader = asyncio.create_task(self._read(), name="playout reader")
        self._idle = asyncio.create_task(self._keep_idle(), name="playout idle")
        try:
            while not any(item.image is not None for item in self._queue):
                if reader.done():
                    reader.result()
                    return
                await self._wait()
            await self._keep_time(reader)
        finally:
            for task in (reader, self._idle):
                task.cancel()
            await asyncio.gather(reader, self._idle, return_exceptions=True)

    async def _keep_time(self, reader: asyncio.Task[None]) -> None:
        start = self._clock()
        while True:
            due = start + self._index * PERIOD
            ahead = due - self._clock()
            # Even a late tick lets the others run, or nothing new would ever arrive.
            await self._sleep(max(ahead, 0.0))
            behind = self._clock() - due
            self.counts.worst = max(self.counts.worst, behind)
            if behind > PERIOD:
                self.counts.late += 1
            if behind > STALL:
                logger.warning("the stream stood still for %.2f s", behind)
                self.counts.stalls += 1
                start += behind
            if reader.done():
                reader.result()
                return
            self._send()

    def cut(self) -> Cut:
        """Throw away everything that waits; the sound dies away within the next tick.

        The last picture stays until the source has made another one.
        """
        self._held = False
        self._fade_out()
        self._barred = max([self._barred, self._turn, *(i.turn for i in self._queue)])
        if self._image is None:
            # Broken off before the first tick: there must be something to show.
            self._image = next((i.image for i in self._queue if i.image is not None), None)
        self._queue.clear()
        self._sounding = self._open = 0
        self._changed.set()
        if self._idle is not None:
            # What it asked for would be numbered after pictures that nobody will see.
            self._idle.cancel()
            self._idle = asyncio.create_task(self._keep_idle(), name="playout idle")
        shown = self._number if self._number >= 0 else None
        return Cut(shown, self._turn, self.sent(self._turn))

    def hold(self) -> None:
        """Keep speech back from the next tick on; its sound dies away, nothing of it is lost."""
        if not self._held:
            self._held = True
            self._fade_out()

    def release(self) -> None:
        """Go on with the speech that was kept back."""
        self._held = False

    def _fade_out(self) -> None:
        if self._sounding and self._tail is None:
            following = next((i for i in self._queue if i.sound is not None), None)
            same = following is not None and following.turn == self._sounding
            self._tail = following.sound if same and following is not None else self._mirror()

    def forget_numbers(self) -> None:
        """Count pictures anew: another face comes."""
        self._number, self._numbered = -1, False

    def sent(self, turn: int) -> float:
        """Seconds of a turn that were sent."""
        return sum(count for _, count in self._runs.get(turn, ())) / FPS

    def played(self, at: float) -> list[tuple[int, float]]:
        """Tell how far each of the last turns got when the stream had come to this second."""
        until = int(at * FPS + 1e-6)
        return [
            (turn, sum(min(max(until - first, 0), count) for first, count in runs) / FPS)
            for turn, runs in self._runs.items()
        ]

    # What comes in.

    async def _read(self) -> None:
        async for item in self._source.stream():
            if isinstance(item, TurnMark):
                own = [i.number for i in self._queue if i.turn == item.turn]
                place = max(own, default=-1)
                self._put(_Item(place, self._arrived, mark=item, turn=item.turn))
                continue
            if item.turn <= self._barred:
                continue
            self._take(item)
            while sum(i.image is not None for i in self._queue) > SPEECH_AHEAD:
                await self._wait()

    def _take(self, segment: Segment) -> None:
        if segment.audio.sample_rate != SAMPLE_RATE:
            raise StageError(
                f"the voice gives {segment.audio.sample_rate} Hz and a live stream carries"
                f" {SAMPLE_RATE}; convert it before it reaches the face"
            )
        numbered = segment.picture is not None
        first = segment.picture if segment.picture is not None else self._last_number()
        self._numbered = numbered
        for place, frame in enumerate(segment.frames):
            sound = segment.audio.samples[place * TICK_SAMPLES : (place + 1) * TICK_SAMPLES]
            self._put(
                _Item(
                    first + place if numbered else first,
                    self._arrived,
                    frame.image,
                    sound,
                    segment.turn,
                    segment if place == 0 else None,
                )
            )

    async def _keep_idle(self) -> None:
        while True:
            while sum(item.image is not None for item in self._queue) >= IDLE_AHEAD:
                await self._wait()
            try:
                frame = await self._source.next_idle()
            except Exception as error:
                self._watcher.on_failure(error)
                await self._sleep(1.0)
                continue
            if frame is None:
                await self._sleep(PERIOD / 2)
                continue
            # One that arrives after a later picture was shown already came too late.
            if frame.index > self._number or not self._numbered:
                self._put(_Item(frame.index, self._arrived, frame.image))
            made_at = self._index
            while self._is_hurried() and self._index < made_at + 2:
                await self._wait()

    def _put(self, item: _Item) -> None:
        self._arrived += 1
        insort(self._queue, item)
        self._changed.set()

    def _last_number(self) -> int:
        return self._queue[-1].number if self._queue else self._number

    async def _wait(self) -> None:
        self._changed.clear()
        await self._changed.wait()

    # What goes out.

    def _send(self) -> None:
        self._pass_marks()
        item = None
        if self._queue and not (self._held and self._queue[0].sound is not None):
            item = self._queue.pop(0)
        self._changed.set()
        if item is None or item.image is None or item.image is self._image:
            self.counts.repeats += 1
        if item is not None and item.image is not None:
            self._image, self._number = item.image, item.number
        assert self._image is not None
        if item is not None and item.segment is not None:
            self._watcher.on_segment(item.segment, self._index)
        turn = item.turn if item is not None and item.sound is not None else 0
        sound = self._sound_of(item, turn)
        if turn:
            self._open = turn
            self._note_sent(turn)
            self._pace.note_sent(turn)
        tick = Tick(self._index, self._image, sound, turn)
        self._index += 1
        self.counts.ticks += 1
        self._sound, self._sounding = sound, turn
        self._watcher.on_tick(tick)
        self._pass_marks()

    def _sound_of(self, item: _Item | None, turn: int) -> Floats:
        """The item's sound; where it breaks off or sets in, over a few milliseconds."""
        if item is None or item.sound is None:
            if self._open and not self._held:
                self.counts.starved += 1
            if self._sounding and self._tail is None:
                self._tail = self._mirror()
            sound = np.zeros(TICK_SAMPLES, np.float32)
            if self._tail is not None:
                sound[:FADE] = self._tail[:FADE] * _FALL
                self._tail = None
            return sound
        self._tail = None
        if not self._sounding and abs(float(item.sound[0])) > 1e-3:
            sound = item.sound.astype(np.float32, copy=True)
            sound[:FADE] *= _FALL[::-1]
            return sound
        return item.sound

    def _mirror(self) -> Floats:
        """What goes on from the last sample without a step."""
        return np.ascontiguousarray(self._sound[::-1])

    def _note_sent(self, turn: int) -> None:
        self._turn = turn
        runs = self._runs.setdefault(turn, [])
        if runs and runs[-1][0] + runs[-1][1] == self._index:
            runs[-1] = (runs[-1][0], runs[-1][1] + 1)
        else:
            runs.append((self._index, 1))
        while len(self._runs) > KEPT_TURNS:
            del self._runs[next(iter(self._runs))]

    def _pass_marks(self) -> None:
        while self._queue and (mark := self._queue[0].mark) is not None:
            self._queue.pop(0)
            self._open = 0 if self._open == mark.turn else self._open
            self._watcher.on_turn_end(mark)


_FALL: Floats = (0.5 + 0.5 * np.cos(np.pi * np.arange(1, FADE + 1) / FADE)).astype(np.float32)
"""A fall from 1 to 0 without a corner."""
