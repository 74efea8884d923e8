"""A session's microphone: from sound that arrives to questions that are understood."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import Protocol

from visavis.apps.server.sessions.ears import understand
from visavis.core.errors import AudioSilent, AudioTooShort, TextUnusable
from visavis.core.protocols import Recognizer
from visavis.core.types import Floats, Language, Transcript, Waveform
from visavis.pipeline.bridge import Worker
from visavis.pipeline.decisions import (
    BargedIn,
    Began,
    Cleared,
    Discarded,
    Hushed,
    Paused,
    Resumed,
    Taken,
)
from visavis.pipeline.hearing import (
    RATE,
    Ears,
    FaceNow,
    Hearing,
    Input,
    Noticed,
    Press,
    SetMode,
)
from visavis.pipeline.ticks import Tick
from visavis.pipeline.turn_taking import (
    Mode,
)

logger = logging.getLogger(__name__)

MOST_WAITING = 10.0
"""Seconds of sound that may wait to be heard; more is dropped, the oldest first."""
BATCH = 0.02
"""Seconds of sound that are heard at once."""
PAUSE, LONGEST_PAUSE = 1.0, 30.0
"""Seconds before models that failed are made anew; each failure in a row doubles them."""


class Asker(Protocol):
    """What a session does with what is heard."""

    def on_hush(self, hushed: bool) -> None:
        """Somebody may speak while the face does, or it was nothing."""
        ...

    def on_barge_in(self) -> None:
        """The user speaks while the face does."""
        ...

    def on_listening(self, listening: bool) -> None:
        """The user begins or ends to speak."""
        ...

    def on_partial(self, text: str, language: Language | None) -> None:
        """What was understood so far."""
        ...

    def on_question(
        self, question: Transcript, ended: float, sound: Waveform | None = None
    ) -> None:
        """What was understood, when its sound ended, on the session's clock, and the sound."""
        ...

    def on_nothing(self, error: Exception) -> None:
        """A turn was heard and no words were understood, or a model failed."""
        ...

    def face_now(self) -> FaceNow:
        """What the face does."""
        ...


@dataclass(slots=True)
class _Guess:
    """A transcript made before the turn was surely over."""

    end: float
    task: asyncio.Task[Transcript | None]


class Listening:
    """Hears one microphone; its threads begin with the first sound.

    Args:
        asker: The session.
        make_ears: Makes the models, on the thread that they will work on.
        make_recognizer: Likewise for what understands whole turns.
        mode: How the microphone is used.
        clock: Monotonic seconds.
        patience: Seconds that models may take for one piece, after which they are made anew; None to
            wait for ever.
    """

    def __init__(
        self,
        asker: Asker,
        make_ears: Callable[[], Ears],
        make_recognizer: Callable[[], Recognizer],
        mode: Mode,
        clock: Callable[[], float],
        patience: float | None = None,
    ) -> None:
        self._asker = asker
        self._make_ears = make_ears
        self._make_recognizer = make_recognizer
        self._mode: Mode = mode
        self._clock = clock
        self._inputs: deque[Input] = deque()
        self._waiting = 0.0
        self._arrived = asyncio.Event()
        self._newest = 0.0  # when the newest sound arrived
        self._hearing: Hearing | None = None
        self._ears: Ears | None = None
        self._recognizer: Recognizer | None = None
        self._fresh = False  # the models need not be made again
        self._listens = False  # whether the asker was told that somebody speaks
        self._worker = Worker("ears", patience)
        self._understanding = Worker("understanding", patience)
        self._guess: _Guess | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._works: set[asyncio.Task[Transcript | None]] = set()
        self._closed = False
        self.dropped = 0.0
        """Seconds of sound that came faster than they could be heard."""

    @property
    def mode(self) -> Mode:
        """How the microphone is used."""
        return self._mode

    def hear(self, sound: Waveform) -> None:
        """Take sound, at any rate."""
        if self._mode == "off" or not len(sound.samples):
            return
        self._newest = self._clock()
        self._put(sound)

    def press(self, down: bool) -> None:
        """The button goes down or comes up."""
        self._put(Press(down))

    def set_mode(self, mode: Mode) -> None:
        """Use the microphone otherwise."""
        self._mode = mode
        self._put(SetMode(mode))

    def change_models(self) -> None:
        """Make the models anew before the next sound: the language is another."""
        self._fresh = False

    def play(self, tick: Tick) -> None:
        """Take what is sent to the listener, to tell its echo."""
        if self._hearing is not None and self._mode == "open":
            self._hearing.play(tick.sound)

    async def run(self) -> None:
        """Hear until cancelled."""
        pause = PAUSE
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            if self._waiting < BATCH and all(isinstance(i, Waveform) for i in self._inputs):
                continue
            inputs, self._waiting = list(self._inputs), 0.0
            self._inputs.clear()
            try:
                await self._process(inputs)
            except Exception as error:
                self._begin_anew()
                self._asker.on_nothing(error)
                await asyncio.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE)
            else:
                pause = PAUSE

    def _begin_anew(self) -> None:
        """Forget the turn that was being heard: its models failed, and its sound is lost."""
        self._fresh, self._hearing = False, None
        self._drop_guess()
        # Whatever was said meanwhile is of a question that nobody waits for any more.
        self._inputs = deque(i for i in self._inputs if not isinstance(i, Waveform))
        self._waiting = 0.0
        self._asker.on_hush(False)
        if self._listens:
            self._set_listening(False)

    def _set_listening(self, listens: bool) -> None:
        self._listens = listens
        self._asker.on_listening(listens)

    async def _process(self, inputs: list[Input]) -> None:
        if not self._fresh:
            self._ears = await self._worker.call(self._make_ears)
            self._recognizer = await self._understanding.call(self._make_recognizer)
            self._hearing = Hearing(self._ears, self._mode)
            self._asker.on_hush(False)  # who might have spoken is forgotten
            self._fresh = True
        hearing = self._hearing
        assert hearing is not None
        batch = [self._asker.face_now(), *inputs]
        loop = asyncio.get_running_loop()

        def tell(noticed: Noticed) -> None:
            with suppress(RuntimeError):  # the loop is closed: nobody is left to tell
                loop.call_soon_threadsafe(self._take, hearing, noticed)

        await self._worker.call(lambda: hearing.process(batch, tell))

    def _put(self, item: Input) -> None:
        self._inputs.append(item)
        if isinstance(item, Waveform):
            self._waiting += item.duration
        while self._waiting > MOST_WAITING:
            for place, waiting in enumerate(self._inputs):
                if isinstance(waiting, Waveform):
                    self._waiting -= waiting.duration
                    self.dropped += waiting.duration
                    del self._inputs[place]
                    break
        self._arrived.set()

    def _take(self, hearing: Hearing, noticed: Noticed) -> None:
        if self._closed or hearing is not self._hearing:
            return
        try:
            self._react(noticed)
        except Exception as error:
            self._asker.on_nothing(error)

    def _react(self, noticed: Noticed) -> None:
        match noticed.decision:
            case None:
                language = self._ears.language if self._ears is not None else None
                self._asker.on_partial(noticed.partial, language)
            case Began():
                self._set_listening(True)
            case Hushed() | Cleared():
                self._asker.on_hush(isinstance(noticed.decision, Hushed))
            case BargedIn():
                self._asker.on_barge_in()
            case Paused(end=end):
                assert noticed.sound is not None
                self._guess = _Guess(end, self._understand(noticed.sound))
            case Resumed():
                self._drop_guess()
            case Taken() as taken:
                assert noticed.sound is not None
                self._conclude(taken, noticed.sound, self._newest - noticed.ago)
            case Discarded(why=why):
                self._drop_guess()
                logger.debug("heard %s", why)
                self._set_listening(False)

    def _conclude(self, taken: Taken, sound: Floats, ended: float) -> None:
        guess, self._guess = self._guess, None
        if guess is not None and abs(guess.end - taken.end) < 0.01 and not taken.was_cut:
            work = guess.task
        else:
            if guess is not None:
                guess.task.cancel()
            work = self._understand(sound)
        self._set_listening(False)
        task = asyncio.create_task(self._answer(work, ended, Waveform(sound, RATE)))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(
        self, work: asyncio.Task[Transcript | None], ended: float, sound: Waveform
    ) -> None:
        try:
            question = await work
        except (AudioSilent, AudioTooShort):
            question = None
        except asyncio.CancelledError:
            work.cancel()
            raise
        except Exception as error:
            self._asker.on_nothing(error)
            return
        if question is None or not question.text.strip():
            self._asker.on_nothing(
                TextUnusable("no words were understood; say it again, closer to the microphone")
            )
            return
        if question.language is not None and self._ears is not None:
            self._ears.settle(question.language)
        self._asker.on_question(question, ended, sound)

    def _understand(self, sound: Floats) -> asyncio.Task[Transcript | None]:
        recognizer = self._recognizer
        assert recognizer is not None

        async def work() -> AsyncIterator[Transcript | None]:
            yield await understand(recognizer, Waveform(sound, RATE))

        async def run() -> Transcript | None:
            async with aclosing(self._understanding.iterate(work)) as relay:
                async for transcript in relay:
                    return transcript
            return None

        task = asyncio.create_task(run(), name="understand")
        self._works.add(task)
        task.add_done_callback(self._forget_work)
        return task

    def _forget_work(self, task: asyncio.Task[Transcript | None]) -> None:
        self._works.discard(task)
        if not task.cancelled():
            task.exception()  # of a guess that was dropped nobody asks it

    def _drop_guess(self) -> None:
        if self._guess is not None:
            self._guess.task.cancel()
            self._guess = None

    async def close(self) -> None:
        """End the threads; what is being heard is dropped."""
        self._closed = True
        self._drop_guess()
        for task in tuple(self._tasks):
            task.cancel()
        # First: a task that waits for a model which hangs ends only once that is given up.
        await asyncio.gather(self._worker.close(), self._understanding.close())
        await asyncio.gather(*self._tasks, *self._works, return_exceptions=True)
