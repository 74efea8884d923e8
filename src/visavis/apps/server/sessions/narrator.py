"""Tells what happens in a session: from the pipeline's events and the clock's ticks to the protocol."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from visavis.apps.server.protocol import events as told
from visavis.core.errors import Error, StageError
from visavis.core.types import FPS, Mark, Segment, Transcript
from visavis.pipeline import events
from visavis.pipeline.outbox import TurnMark
from visavis.pipeline.ticks import Tick
from visavis.pipeline.turn import Turn
from visavis.pipeline.visemes import find_visemes

logger = logging.getLogger(__name__)

AUDIBLE = 1e-3
"""Amplitude from which a tick counts as sound."""
FAILURES = 3
"""Failures of the face one after the other after which it is given up."""


@dataclass(slots=True)
class _Told:
    """The turn under way.

    Attributes:
        turn: As the conversation knows it.
        asked: When the question was asked or its sound ended, on the session's clock.
        shown: Whether its first picture was sent.
        heard: Whether its first sound was sent.
        sentence: Index of the sentence that was announced last.
        is_answer: Whether somebody waits for it; how long a greeting takes is no figure.
    """

    turn: Turn
    asked: float
    is_answer: bool = True
    shown: bool = False
    heard: bool = False
    sentence: int = -1
    error: Exception | None = field(default=None)


class Narrator:
    """Keeps the state that a page sees, and emits what the protocol has for it.

    Args:
        emit: Makes and publishes an event of a class, with its turn and fields.
        tick: Hands a tick to the transports.
        give_up: Called when the face failed again and again.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        emit: Callable[..., None],
        tick: Callable[[Tick], None],
        give_up: Callable[[str], None],
        clock: Callable[[], float],
    ) -> None:
        self._emit = emit
        self._tick = tick
        self._give_up = give_up
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._current: _Told | None = None
        self._listening = False
        self._failures = 0
        self._silent_from: tuple[int, float] | None = None
        self._said: deque[str] = deque(maxlen=3)
        self.state: told.State = "idle"
        self.last_activity = clock()
        self.turns = 0

    @property
    def turn(self) -> Turn | None:
        """The turn under way: asked, and not yet said to its end."""
        return self._current.turn if self._current else None

    @property
    def asked(self) -> float:
        """When the question under way was asked, or its sound ended; 0 where there is none."""
        return self._current.asked if self._current else 0.0

    @property
    def words(self) -> str:
        """What the face says now and said just before."""
        return " ".join(self._said)

    # What the session does.

    def begin_turn(self, turn: Turn, kind: str, text: str, asked: float) -> None:
        """Tell of a question that was accepted, or of what is said without one.

        Args:
            turn: As the conversation gave it.
            kind: ``text``, ``audio``, ``script`` or ``greeting``.
            text: What was typed.
            asked: When it was asked, or when the user's speech ended.
        """
        self._current = _Told(turn, asked, kind != "greeting")
        self.turns += self._current.is_answer
        self.last_activity = self._clock()
        self._emit(told.TurnStarted, turn.number, kind=kind, text=text)
        self._update()

    def break_off(self, asked: float) -> None:
        """Tell that the turn under way was interrupted, at ``asked`` on the session's clock."""
        if self._current is None:
            return
        turn, self._current = self._current.turn, None
        self._silent_from = (turn.number, asked)
        self._emit(told.TurnEnded, turn.number, reason="interrupted", heard=turn.heard())
        self._update()

    def tell_partial(self, text: str, language: Any) -> None:
        """Tell what was understood so far."""
        self._emit(told.TranscriptPartial, 0, text=text, language=language)

    def tell_final(self, turn: int, transcript: Transcript) -> None:
        """Tell what was understood."""
        self._emit(told.TranscriptFinal, turn, text=transcript.text, language=transcript.language)

    def set_listening(self, listening: bool) -> None:
        """Tell that the user begins or ends to speak."""
        self._listening = listening
        self.last_activity = self._clock()
        self._update()

    def cite(self, question: str, fields: dict[str, Any]) -> None:
        """Tell sources; called on any thread."""

        def tell() -> None:
            turn = self.turn
            if turn is not None and turn.question == question:
                self._emit(told.AnswerSources, turn.number, **fields)

        self._loop.call_soon_threadsafe(tell)

    def tell_failure(self, error: Exception, turn: int = 0) -> None:
        """Tell that something went wrong."""
        if not isinstance(error, Error):
            logger.error("a session met an unexpected error", exc_info=error)
            error = StageError(f"{type(error).__name__}: {error}; try again")
        retryable = isinstance(error, StageError) and error.retryable
        self._emit(
            told.Failure, turn, code=type(error).__name__, message=str(error), retryable=retryable
        )

    # What the conversation tells.

    def observe(self, event: events.Event) -> None:
        """Take an event of the pipeline."""
        current = self._current
        if current is None or event.turn != current.turn.number:
            return
        match event:
            case events.AnswerText():
                self._emit(told.AnswerText, event.turn, text=event.text)
            case events.Latency(mark="first"):
                self._mark(event.turn, event.stage, event.seconds)
            case events.StageFailed():
                self.tell_failure(event.error, event.turn)
                self._count_failure(event.stage == "animator", str(event.error))
            case _:
                pass

    def _count_failure(self, of_face: bool, message: str) -> None:
        if of_face:
            self._failures += 1
            if self._failures >= FAILURES:
                self._give_up(message)

    # What the clock tells.

    def on_segment(self, segment: Segment, index: int) -> None:
        """Announce the sentence and the marks that begin with a segment."""
        current = self._current
        self._failures = 0
        if current is None or segment.turn != current.turn.number:
            return
        sentence = segment.sentence
        if sentence is None:
            return
        if sentence.index > current.sentence:
            current.sentence = sentence.index
            self._said.append(sentence.text)
            self._emit(
                told.SentenceStarted,
                segment.turn,
                at=index / FPS,
                index=sentence.index,
                text=sentence.text,
                language=sentence.language,
                emotion=sentence.emotion,
                intensity=sentence.intensity,
            )
        rate, offset = segment.audio.sample_rate, segment.audio.offset

        def place(mark: Mark) -> told.TimedText:
            start = index / FPS + (mark.start - offset) / rate
            end = index / FPS + (mark.end - offset) / rate
            return told.TimedText(text=mark.text, start=round(start, 4), end=round(end, 4))

        words = tuple(place(mark) for mark in segment.marks if mark.kind == "word")
        visemes = tuple(place(mark) for mark in find_visemes(segment.marks))
        if words or visemes:
            self._emit(
                told.SpeechMarks,
                segment.turn,
                at=index / FPS,
                index=sentence.index,
                words=words,
                visemes=visemes,
            )

    def on_tick(self, tick: Tick) -> None:
        """Take the marks of a turn's first picture and sound, and hand the tick on."""
        self._tick(tick)
        current = self._current
        if self._silent_from is not None:
            # The tick after an interruption carries the end of the fade and nothing more.
            number, since = self._silent_from
            self._silent_from = None
            self._mark(number, "silence", self._clock() - since)
        if current is None or tick.turn != current.turn.number:
            return
        if not current.shown:
            current.shown = True
            self._mark(tick.turn, "first_picture", self._clock() - current.asked)
            self._update()
        if not current.heard and float(np.abs(tick.sound).max()) > AUDIBLE:
            current.heard = True
            self._mark(tick.turn, "first_sound", self._clock() - current.asked)

    def on_turn_end(self, mark: TurnMark) -> None:
        """Tell that a turn was sent to its end, or failed on the way."""
        current = self._current
        if current is None or mark.turn != current.turn.number:
            return
        self._current = None
        self.last_activity = self._clock()
        reason = "failed" if mark.error is not None else "complete"
        if mark.error is None:
            current.turn.note_sent()
        self._emit(told.TurnEnded, mark.turn, reason=reason, heard=current.turn.heard())
        self._update()

    def on_failure(self, error: Exception) -> None:
        """The face could not make an idle picture."""
        self.tell_failure(error)
        self._count_failure(True, str(error))

    def _mark(self, turn: int, mark: str, seconds: float) -> None:
        current = self._current
        if current is not None and turn == current.turn.number and not current.is_answer:
            return
        self._emit(told.LatencyMark, turn, mark=mark, seconds=round(max(seconds, 0.0), 4))

    def _update(self) -> None:
        state: told.State
        if self._listening:
            state = "listening"
        elif self._current is not None:
            state = "speaking" if self._current.shown else "thinking"
        else:
            state = "idle"
        if state != self.state:
            self.state = state
            self._emit(told.SessionState, self.turn.number if self.turn else 0, state=state)
