"""A face that says whatever sound it is given, in real time: what the adapters are made of."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from visavis.apps.adapters.feeding import Feeding, warm_up
from visavis.core.protocols import Performance
from visavis.core.types import FPS, Floats, Picture, Segment, Waveform
from visavis.pipeline.bridge import Worker

logger = logging.getLogger(__name__)

SAMPLE_RATE = 24_000
"""Hz of the sound that comes out, unless asked otherwise."""
LEAD = 0.08
"""Seconds that sound and picture may leave before their time, as a reserve for who plays them."""
AHEAD = 6
"""Frames made before they are needed."""
HELD = 60.0
"""Seconds of sound that may wait; whoever brings more waits too."""
PATIENCE = 0.5
"""Seconds without sound after which what the performance holds back is shown anyway."""
PIECE = 0.2
"""Longest sound in seconds that is given to the performance in one go: a cancel waits for it."""
FADE = 4
"""Frames over which the picture leaves a sentence that was cut off."""
_LATE = 1 / FPS
"""Seconds of delay that are caught up with; after longer ones the clock begins anew."""


@dataclass(frozen=True, slots=True, eq=False)
class Beat:
    """One frame, 1 / 25 s.

    Attributes:
        image: What is seen.
        sound: float32 (sample rate / 25,) that belongs to it, or None when nobody speaks.
    """

    image: Picture
    sound: Floats | None


@dataclass(frozen=True, slots=True, eq=False)
class Note:
    """Something that was put between the sounds, and comes out in its place.

    Attributes:
        value: Whatever it was.
        ends: Whether it closes an utterance; it then comes when the last sound is over.
    """

    value: Any
    ends: bool = False


class SpeakingFace:
    """Takes sound as fast as it comes, at any rate; gives frames and sound at 25 frames a second.

    Between the sounds it idles. There is one reader. All methods are called on one event loop; the
    computing is done on a thread of its own, which ends with ``close``. Use ``open`` to make one.

    Args:
        performance: From an animator.
        worker: The thread that it lives on.
        sample_rate: Hz of the sound that comes out; a multiple of 25.
        on_error: Told when an utterance failed; the next one is tried again.
    """

    def __init__(
        self,
        performance: Performance,
        worker: Worker,
        *,
        sample_rate: int = SAMPLE_RATE,
        on_error: Callable[[Exception], None] = lambda error: None,
    ) -> None:
        if sample_rate <= 0 or sample_rate % FPS:
            raise ValueError(f"{sample_rate} Hz has no whole number of samples for each frame")
        self.sample_rate = sample_rate
        self.turn = 0
        """Raised by each ``clear``."""
        self.size = (0, 0)
        """Width and height of the frames; known once it was opened."""
        self._performance = performance
        self._worker = worker
        self._on_error = on_error
        self._closed = False
        self._changed = asyncio.Event()  # something to show, or nothing more to wait for
        self._arrived = asyncio.Event()
        self._room = asyncio.Event()
        self._at_work = asyncio.Lock()
        self._inbox: deque[Waveform | Note] = deque()
        self._held = 0.0  # seconds in the inbox
        self._ready: deque[Beat] = deque()
        self._notes: deque[tuple[int, Note]] = deque()  # with the beats that go before it
        self._queued = self._taken = 0  # beats of this turn
        self._due = 0.0
        self._at_hand = False  # something left the inbox and is being worked on
        self._talking = False
        self._last: Picture | None = None
        self._left: Picture | None = None  # the last picture of what was cut off
        self._fade = 0
        self._idle: asyncio.Task[Picture] | None = None
        self._task: asyncio.Task[None] | None = None

    @classmethod
    async def open(
        cls,
        make: Callable[[], Performance],
        *,
        sample_rate: int = SAMPLE_RATE,
        on_error: Callable[[Exception], None] = lambda error: None,
        name: str = "face",
    ) -> SpeakingFace:
        """Make the performance on its thread, and have it speak once unseen to load its networks.

        Raises:
            Error: What ``make`` raises.
        """
        worker = Worker(name)
        try:
            performance = await worker.call(make)
            face = cls(performance, worker, sample_rate=sample_rate, on_error=on_error)
            image = await worker.call(lambda: warm_up(performance, sample_rate))
        except BaseException:
            await worker.close()
            raise
        face.size = (image.shape[1], image.shape[0])
        face._task = asyncio.create_task(face._perform(0))
        return face

    async def say(self, samples: Floats, rate: int) -> None:
        """Take sound, waiting while too much is there already.

        Args:
            samples: float32 (n,) or (n, channels) in [-1, 1].
            rate: Hz, any.
        """
        samples = np.asarray(samples, np.float32)
        if samples.ndim == 2:
            samples = samples.mean(axis=1, dtype=np.float32)
        turn, piece = self.turn, max(1, int(PIECE * rate))
        for start in range(0, len(samples), piece):
            while self._held >= HELD and turn == self.turn and not self._closed:
                self._room.clear()
                await self._room.wait()
            if turn != self.turn or self._closed:
                return  # what was said before a clear is of no use after it
            sound = Waveform(samples[start : start + piece], rate)
            self._held += sound.duration
            self._put(sound)

    def note(self, value: Any) -> None:
        """Have something come out after the sound that was given so far."""
        self._put(Note(value))

    def end(self, value: Any = None) -> None:
        """End an utterance: the rest of it is shown, then ``value`` comes out."""
        self._put(Note(value, ends=True))

    def _put(self, item: Waveform | Note) -> None:
        if not self._closed:
            self._inbox.append(item)
            self._arrived.set()

    @property
    def is_quiet(self) -> bool:
        """Whether nothing is waiting to be said, nor any note to come out."""
        return not (self._inbox or self._ready or self._notes or self._at_hand)

    def clear(self) -> list[Any]:
        """Forget all that was not yet taken out, at once.

        Returns:
            The values of the notes that are dropped with it, in order.
        """
        dropped = [note.value for _, note in self._notes]
        dropped += [item.value for item in self._inbox if isinstance(item, Note)]
        self.turn += 1
        if self._talking or self._ready:
            self._left, self._fade = self._last, FADE
        self._inbox.clear()
        self._notes.clear()
        self._ready.clear()
        self._held = 0.0
        self._queued = self._taken = 0
        self._talking = False
        if self._task is not None and not self._closed:
            self._task.cancel()
            self._task = asyncio.create_task(self._perform(self.turn))
        self._room.set()
        self._changed.set()
        return dropped

    async def close(self) -> None:
        """Stop, free the pictures and end the thread. Safe to call twice."""
        if self._closed:
            return
        self._closed = True
        self.clear()
        for task in (self._task, self._idle):
            if task is not None:
                task.cancel()
                with suppress(asyncio.CancelledError, Exception):
                    await task
        async with self._at_work:  # an earlier turn may still be closing its iterator
            await self._worker.call(self._performance.close)
        await self._worker.close()

    # Making: one task for each turn.

    async def _perform(self, turn: int) -> None:
        async with self._at_work:
            if turn:
                await self._worker.call(self._performance.reset)
            part, broken = Feeding(self._performance, turn, self.sample_rate), False
            try:
                while True:
                    self._at_hand = False
                    item = await self._next_item(part)
                    self._at_hand = True
                    ends = item is None or (isinstance(item, Note) and item.ends)
                    try:
                        if isinstance(item, Waveform) and not broken:
                            await self._make(part.feed, item)
                        elif ends and part.is_open:
                            await self._make(part.flush)
                    except Exception as error:
                        logger.exception("the face could not say this; it goes on with the next")
                        self._on_error(error)
                        await self._worker.call(self._performance.reset)
                        part = Feeding(self._performance, turn, self.sample_rate)
                        part.fed = self._queued * part.each
                        self._notes = deque((min(at, self._queued), n) for at, n in self._notes)
                        broken = True
                    if isinstance(item, Note):
                        broken = broken and not ends
                        self._notes.append((math.ceil(part.fed / part.each), item))
                        self._changed.set()
            finally:
                self._at_hand = False

    async def _next_item(self, part: Feeding) -> Waveform | Note | None:
        """Wait for what comes next; None when sound has stayed away in the middle."""
        while not self._inbox:
            self._arrived.clear()
            try:
                starving = PATIENCE if part.is_open else None
                async with asyncio.timeout(starving):  # wait_for may swallow a cancel
                    await self._arrived.wait()
            except TimeoutError:
                if not self._ready:
                    return None
        item = self._inbox.popleft()
        if isinstance(item, Waveform):
            self._held = max(0.0, self._held - item.duration)
            self._room.set()
        return item

    async def _make(self, work: Callable[..., Iterator[Segment]], *given: Waveform) -> None:
        relay = self._worker.iterate(lambda: work(*given), limit=1)
        try:
            async for segment in relay:
                while len(self._ready) >= AHEAD:
                    self._room.clear()
                    await self._room.wait()
                each = len(segment.audio.samples) // len(segment.frames)
                for i, frame in enumerate(segment.frames):
                    sound = segment.audio.samples[i * each : (i + 1) * each]
                    self._ready.append(Beat(frame.image, sound))
                self._queued += len(segment.frames)
                self._changed.set()
        finally:
            await relay.aclose()

    # Showing: the reader's side, which keeps the clock.

    async def stream(self) -> AsyncIterator[Beat | Note]:
        """Yield frames, at most ``LEAD`` before their time, and notes in their place.

        The first frame after a pause comes exactly at its time, so that a player that shows what it
        is given at once begins sound and picture together. Ends with ``close``.
        """
        self._due = time.monotonic()
        while not self._closed:
            now = time.monotonic()
            if self._notes and self._notes[0][0] <= self._taken:
                wait = self._due - now if self._notes[0][1].ends and self._talking else 0.0
                if wait <= 0:
                    yield self._notes.popleft()[1]
                    continue
            elif self._ready:
                wait = self._due - now - (LEAD if self._talking else 0.0)
                if wait <= 0:
                    yield self._take_speech(now)
                    continue
            else:
                if self._idle is None:
                    self._idle = asyncio.create_task(self._make_idle())
                wait = self._due - now if self._idle.done() else 1.0
                if wait <= 0:
                    yield self._take_idle(self._idle.result(), now)
                    continue
            await self._sleep(wait)

    async def _sleep(self, seconds: float) -> None:
        self._changed.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._changed.wait()

    async def _make_idle(self) -> Picture:
        try:
            frame = await self._worker.call(self._performance.idle)
            return frame.image
        finally:
            self._changed.set()

    def _take_speech(self, now: float) -> Beat:
        beat = self._ready.popleft()
        self._taken += 1
        self._talking = True
        self._idle = None  # made for a pause that did not come
        self._room.set()
        return self._show(beat, now)

    def _take_idle(self, image: Picture, now: float) -> Beat:
        self._talking = False
        self._idle = None
        return self._show(Beat(image, None), now)

    def _show(self, beat: Beat, now: float) -> Beat:
        self._due = max(self._due, now - _LATE) + 1 / FPS
        if self._left is not None and self._fade:
            share = self._fade / (FADE + 1)
            beat = Beat(_mix(self._left, beat.image, share), beat.sound)
            self._fade -= 1
        else:
            self._left = None
        self._last = beat.image
        return beat


def _mix(old: Picture, new: Picture, share: float) -> Picture:
    import cv2

    mixed: Picture = cv2.addWeighted(old, share, new, 1 - share, 0.0).astype(np.uint8, copy=False)
    return mixed
