"""What happens in a conversation, told to whoever watches.

Stages measure nothing; observers do. An observer is a plain function that must return at once; one
that raises is logged and the flow goes on. Whoever wants to wait for events takes a bounded stream,
which loses the oldest events when its reader is slow, and counts them.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from visavis.core.types import Segment, Sentence, Speech, Transcript

logger = logging.getLogger(__name__)

MAX_OBSERVERS = 64

StageName: TypeAlias = Literal["recognizer", "responder", "synthesizer", "animator"]


@dataclass(frozen=True, slots=True)
class Event:
    """Anything that happens.

    Attributes:
        turn: The turn it belongs to.
        at: Seconds on the conversation's clock (monotonic).
    """

    turn: int
    at: float


@dataclass(frozen=True, slots=True)
class TurnStarted(Event):
    """A question, or something to say, was accepted."""

    kind: Literal["text", "audio", "speech", "script"]


@dataclass(frozen=True, slots=True)
class Heard(Event):
    """The recogniser understood something; partial results come too."""

    transcript: Transcript


@dataclass(frozen=True, slots=True)
class AnswerText(Event):
    """The responder wrote a piece of the answer."""

    text: str


@dataclass(frozen=True, slots=True)
class SentenceReady(Event):
    """A sentence is complete and goes to the voice."""

    sentence: Sentence


@dataclass(frozen=True, slots=True, eq=False)
class SpeechReady(Event):
    """The voice made a piece of sound."""

    speech: Speech


@dataclass(frozen=True, slots=True, eq=False)
class SegmentReady(Event):
    """The face made a piece of sound and picture."""

    segment: Segment


@dataclass(frozen=True, slots=True)
class TurnEnded(Event):
    """Everything of a turn was made, or it failed, or it was interrupted."""

    reason: Literal["complete", "interrupted", "failed"]


@dataclass(frozen=True, slots=True)
class Interrupted(Event):
    """A turn was broken off; ``turn`` is the one that ended."""

    heard: str
    """What of the answer had reached the listener."""


@dataclass(frozen=True, slots=True, eq=False)
class StageFailed(Event):
    """A stage raised; its turn ends."""

    stage: StageName
    error: Exception


@dataclass(frozen=True, slots=True)
class Latency(Event):
    """How long a stage took.

    Attributes:
        stage: Which.
        mark: ``first`` is the time from the turn's start to the stage's first result, ``total`` the
            time that the stage itself was at work, ``made`` the seconds of sound that came out.
        seconds: The figure.
    """

    stage: StageName
    mark: Literal["first", "total", "made"]
    seconds: float


Observer: TypeAlias = Callable[[Event], None]


class EventHub:
    """Tells observers what happens, in order, on the event loop's thread."""

    def __init__(self) -> None:
        self._observers: list[Observer] = []

    def subscribe(self, observer: Observer) -> Callable[[], None]:
        """Add an observer; the function returned takes it out again.

        Raises:
            RuntimeError: More than ``MAX_OBSERVERS`` observers: somebody forgets to leave.
        """
        if len(self._observers) >= MAX_OBSERVERS:
            raise RuntimeError(f"{MAX_OBSERVERS} observers watch already; one of them never leaves")
        self._observers.append(observer)

        def leave() -> None:
            if observer in self._observers:
                self._observers.remove(observer)

        return leave

    def publish(self, event: Event) -> None:
        """Tell everybody; an observer that raises is logged and the others still hear."""
        for observer in tuple(self._observers):
            try:
                observer(event)
            except Exception:
                logger.exception("an observer failed on %s", type(event).__name__)

    def stream(self, limit: int = 256) -> EventStream:
        """Open a bounded stream of events from now on. Close it, or use it with ``async with``."""
        return EventStream(self, limit)


class EventStream:
    """Events as an async iterator. When the reader is slow the oldest are lost and counted."""

    def __init__(self, hub: EventHub, limit: int) -> None:
        self._events: deque[Event] = deque(maxlen=limit)
        self._arrived = asyncio.Event()
        self._closed = False
        self.dropped = 0
        self._leave = hub.subscribe(self._take)

    def _take(self, event: Event) -> None:
        if len(self._events) == self._events.maxlen:
            self.dropped += 1
        self._events.append(event)
        self._arrived.set()

    def close(self) -> None:
        """Stop listening; a waiting reader gets what is left and then the end."""
        self._closed = True
        self._leave()
        self._arrived.set()

    async def __aenter__(self) -> EventStream:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    def __aiter__(self) -> AsyncIterator[Event]:
        return self

    async def __anext__(self) -> Event:
        while not self._events:
            if self._closed:
                raise StopAsyncIteration
            self._arrived.clear()
            await self._arrived.wait()
        return self._events.popleft()
