"""The flow: question → answer → sentences → speech → segments, one turn at a time.

Stages work at once, each on its own thread: the first sentence is spoken and animated while the rest
is still written. Every queue between them is bounded, so a slow reader slows the stages down. A new
turn or an interruption raises the turn number; whatever carries an older one is dropped.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any, Literal, TypeVar

from visavis.core.errors import Error, StageError, TextUnusable
from visavis.core.protocols import Performance, Recognizer, Responder, Synthesizer
from visavis.core.types import Message, Segment, Speech, Transcript, VideoFrame, Waveform
from visavis.pipeline import events
from visavis.pipeline.bridge import CLOSING
from visavis.pipeline.face import Face
from visavis.pipeline.flow import Flow, StageFailure, Stages
from visavis.pipeline.history import History
from visavis.pipeline.manner import Limits, Manner
from visavis.pipeline.outbox import Outbox, TurnMark
from visavis.pipeline.pace import Pace
from visavis.pipeline.sources import Script, Sound, as_async
from visavis.pipeline.turn import Turn

logger = logging.getLogger(__name__)

T = TypeVar("T")


class Conversation:
    """One listener, one face.

    Use it with ``async with``. Start turns with ``ask_text``, ``ask_audio``, ``say`` or ``perform``;
    read what comes out with ``play(turn)`` (one turn, for files) or ``segments()`` (on and on, for
    a live page), one of the two. Starting a turn breaks off the one before.

    Args:
        performance: The face; the conversation closes it.
        synthesizer: The voice; not needed to ``perform``.
        responder: Finds the answers; not needed to ``say`` or ``perform``.
        recognizer: Understands spoken questions; needed to ``ask_audio`` only.
        manner: Voices, emotion, default language.
        hub: Observers of this conversation; a new one by default.
        limits: Bounds of the queues.
        clock: Monotonic seconds.
        pace: Keeps up with somebody who hears the answers while they are made; not for files.
        reopen: Opens another performance, on the face's thread, in place of one that hangs.
    """

    def __init__(
        self,
        performance: Performance,
        synthesizer: Synthesizer | None = None,
        responder: Responder | None = None,
        recognizer: Recognizer | None = None,
        *,
        manner: Manner | None = None,
        hub: events.EventHub | None = None,
        limits: Limits | None = None,
        clock: Callable[[], float] = time.monotonic,
        pace: Pace | None = None,
        reopen: Callable[[], Performance] | None = None,
    ) -> None:
        self.hub = hub or events.EventHub()
        self._limits = limits or Limits()
        self._clock = clock
        self._outbox = Outbox(self._limits.frames)
        self._face = Face(performance, self._limits.step_seconds, reopen, pace)
        self._flow = Flow(
            Stages(self._face, synthesizer, responder, recognizer),
            manner or Manner(),
            self._limits,
            self._outbox,
            self.hub.publish,
            clock,
            lambda number: number == self._number,
            pace,
        )
        self._number = 0
        self._turn: Turn | None = None
        self._task: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._settling: asyncio.Task[None] | None = None
        self._history = History(self._limits.history)
        self._closed = False

    # What the listener does.

    @property
    def turn(self) -> int:
        """The current turn's number."""
        return self._number

    def ask_text(self, question: str) -> Turn:
        """Begin to answer a written question.

        Raises:
            TextUnusable: The question is empty.
        """
        if not question.strip():
            raise TextUnusable("the question is empty; ask something")
        turn = self._begin("text")
        turn.question = question
        return self._launch(turn, lambda: self._flow.answer(turn, self.history))

    def ask_audio(self, question: Sound) -> Turn:
        """Begin to answer a spoken question."""
        turn = self._begin("audio")

        async def listen_and_answer() -> None:
            sound = await self._flow.listen(turn, as_async(question))
            await self._flow.answer(turn, self.history, sound)

        return self._launch(turn, listen_and_answer)

    def say(self, script: Script) -> Turn:
        """Begin to speak text as it is, with no question."""
        turn = self._begin("script")
        return self._launch(turn, lambda: self._flow.speak(turn, as_async(script)))

    def perform(self, speech: Iterator[Speech]) -> Turn:
        """Begin to show sound that exists already; each Speech gets this turn's number."""
        turn = self._begin("speech")
        return self._launch(turn, lambda: self._flow.perform(turn, speech))

    def ask_heard(self, question: Transcript, sound: Waveform | None = None) -> Turn:
        """Begin to answer a spoken question that was understood already.

        Args:
            question: What was understood.
            sound: Its sound, for a responder that hears how it was said; not kept after the turn.

        Raises:
            TextUnusable: No words are in it.
        """
        if not question.text.strip():
            raise TextUnusable("no words were understood in the question; say it again, closer")
        turn = self._begin("audio")
        turn.question = question.text.strip()
        turn.transcripts.append(question)
        self.hub.publish(events.Heard(turn.number, self._clock(), question))
        return self._launch(turn, lambda: self._flow.answer(turn, self.history, sound))

    async def interrupt(self) -> int:
        """Break off the current turn; nothing of it comes out from the call on.

        Returns:
            The new turn number, once the stages are calm and the face is reset.
        """
        self._stop_turn()
        await self._calm()
        return self._number

    def cut(self, picture: int | None, sent: float = 0.0) -> int:
        """Break off the current turn without waiting; for a player that reads ahead.

        The face is reset and goes on from the picture given, before anything that is asked later
        comes to it.

        Args:
            picture: Number of the picture shown last; those made after it are thrown away.
            sent: Seconds of the current turn that left the player.

        Returns:
            The new turn number.
        """
        turn, losses = self._turn, self._face.losses
        if turn is not None:
            turn.note_cut(sent)
            self._stop_turn()
        self._settle(lambda: self._face.reset(picture, losses))
        return self._number

    def _settle(self, work: Callable[[], Coroutine[Any, Any, None]]) -> asyncio.Task[None]:
        """Do something to the face once those before have left it, and before those who come."""
        before = set(self._tasks)

        async def settle() -> None:
            if before:
                await asyncio.wait(before)
            await work()

        task = self._settling = asyncio.create_task(settle(), name="settle the face")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _stop_turn(self) -> None:
        if self._turn is not None and not self._break_off():
            self._number += 1  # all was handed over, but a player may still have it in its buffer
            self._turn = None

    def notify_playback(self, turn: int, seconds: float) -> None:
        """Say how far the listener's player got in a turn: the history holds what was heard."""
        self._history.note_played(turn, seconds)

    @property
    def history(self) -> list[Message]:
        """Questions, and of the answers what was heard; the newest ``limits.history`` of them."""
        return self._history.messages()

    def forget(self) -> None:
        """Begin the history anew; a turn that is still under way is not part of it either."""
        self._history.clear()

    # What comes out.

    async def play(self, turn: Turn) -> AsyncIterator[Segment]:
        """Yield a turn's segments until it ends; a turn that was broken off just ends.

        Raises:
            Error: Why the turn failed, after what was made before.
        """
        while turn.number == self._number and not turn.is_over:
            item = await self._outbox.peek()
            if item is None or item.turn > turn.number:
                return
            self._outbox.pop()
            if item.turn < turn.number:
                continue
            if isinstance(item, TurnMark):
                turn.is_over = True
                if item.error is not None:
                    raise item.error
                return
            turn.note_delivered(item)
            yield item

    async def segments(self) -> AsyncIterator[Segment]:
        """Yield what there is to show, turn after turn, until the conversation is closed.

        Failures do not come out here but as ``StageFailed`` events.
        """
        while (item := await self._outbox.peek()) is not None:
            self._outbox.pop()
            if isinstance(item, Segment) and self._turn is not None and item.turn == self._number:
                self._turn.note_delivered(item)
                yield item

    async def stream(self) -> AsyncIterator[Segment | TurnMark]:
        """Like ``segments``, with a mark where a turn ends; for a player that reads ahead."""
        while (item := await self._outbox.peek()) is not None:
            self._outbox.pop()
            if isinstance(item, TurnMark):
                yield item
            elif self._turn is not None and item.turn == self._number:
                self._turn.note_delivered(item)
                yield item

    async def idle(self) -> VideoFrame:
        """Make the next frame of the state between turns, on the animator's thread."""
        return await self._face.call(lambda performance: performance.idle())

    async def next_idle(self) -> VideoFrame | None:
        """Like ``idle``, but None while the face is at work on speech, and after a ``cut`` is done."""
        if self._settling is not None and not self._settling.done():
            await asyncio.wait([self._settling])
        return await self._face.next_idle()

    # How it is done.

    @property
    def manner(self) -> Manner:
        """Voices, emotion, default language; set it to change them from the next sentence on."""
        return self._flow.manner

    @manner.setter
    def manner(self, manner: Manner) -> None:
        self._flow.manner = manner

    async def on_face(self, work: Callable[[Performance], T]) -> T:
        """Call the performance on its own thread, between two pictures."""
        return await self._face.call(work)

    async def change_face(self, performance: Performance) -> None:
        """Go on with another performance; the one before is closed. Breaks off the current turn."""
        self._stop_turn()
        await self._settle(lambda: self._face.change(performance))

    async def __aenter__(self) -> Conversation:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Break off what runs, close the performance and end the threads. Safe to call twice."""
        if self._closed:
            return
        self._closed = True
        self._break_off()
        self._outbox.close()
        await self._calm(None if self._limits.step_seconds is None else CLOSING)
        if self._tasks:
            self._flow.give_up()
            await self._calm()
        await self._flow.close()

    # A turn's life.

    def _begin(self, kind: Literal["text", "audio", "speech", "script"]) -> Turn:
        if self._closed:
            raise RuntimeError("the conversation is closed")
        self._break_off()
        self._number += 1
        turn = self._turn = Turn(self._number, self._clock())
        self._history.add(turn)
        self.hub.publish(events.TurnStarted(turn.number, self._clock(), kind))
        return turn

    def _launch(self, turn: Turn, work: Callable[[], Coroutine[Any, Any, None]]) -> Turn:
        run = self._run(turn, work, set(self._tasks))
        self._task = asyncio.create_task(run, name=f"turn {turn.number}")
        self._tasks.add(self._task)
        self._task.add_done_callback(self._tasks.discard)
        return turn

    async def _run(
        self,
        turn: Turn,
        work: Callable[[], Coroutine[Any, Any, None]],
        before: set[asyncio.Task[None]],
    ) -> None:
        """Do a turn's work once those before have left the stages; leave them reset if it breaks."""
        try:
            if before:
                await asyncio.wait(before)
            await work()
        except asyncio.CancelledError:
            if before:
                await asyncio.wait(before)
            await self._face.reset()
        except Exception as raised:
            await self._face.reset()
            if turn.number == self._number:
                self._fail(turn, raised)
        else:
            if turn.number == self._number:
                turn.state = "complete"
                self._end(turn)

    def _fail(self, turn: Turn, raised: Exception) -> None:
        failure = _find_failure(raised)
        error = failure.error
        if not isinstance(error, Error):
            logger.error("the %s failed", failure.stage, exc_info=error)
            error = StageError(f"the {failure.stage} failed: {type(error).__name__}: {error}")
            error.__cause__ = failure.error
        turn.state, turn.error = "failed", error
        self.hub.publish(events.StageFailed(turn.number, self._clock(), failure.stage, error))
        self._end(turn)

    def _end(self, turn: Turn) -> None:
        self._outbox.put_now(TurnMark(turn.number, turn.error))
        if turn.state != "running":
            self.hub.publish(events.TurnEnded(turn.number, self._clock(), turn.state))

    def _break_off(self) -> bool:
        """Raise the turn and drop what waits; nothing here waits itself. False if all was over."""
        turn, task = self._turn, self._task
        running = task is not None and not task.done()
        if turn is None or not (running or self._outbox.frames):
            return False
        self._turn = self._task = None
        self._number += 1
        self._outbox.clear()
        turn.state = "interrupted"
        if running and task is not None:
            task.cancel()
        self.hub.publish(events.Interrupted(turn.number, self._clock(), turn.heard()))
        self._end(turn)
        return True

    async def _calm(self, patience: float | None = None) -> None:
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=patience)


def _find_failure(error: BaseException) -> StageFailure:
    if isinstance(error, StageFailure):
        return error
    if isinstance(error, BaseExceptionGroup):
        found = [_find_failure(inner) for inner in error.exceptions]
        return next((f for f in found if f.stage != "animator"), found[0])
    known = error if isinstance(error, Exception) else StageError(str(error))
    return StageFailure("animator", known)
