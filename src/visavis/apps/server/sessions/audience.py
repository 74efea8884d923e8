"""Everybody who looks at a session: readers of events, watchers of ticks, observers, connections."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from visavis.apps.server.protocol import Command, ServerEvent
from visavis.apps.server.protocol import events as told
from visavis.apps.server.sessions.streams import EventReader
from visavis.pipeline.ticks import Tick, TickStream

logger = logging.getLogger(__name__)


class Audience:
    """Numbers the events of a session and hands everything out.

    Args:
        now: Seconds on the stream clock.
        clock: Monotonic seconds.
    """

    def __init__(self, now: Callable[[], float], clock: Callable[[], float]) -> None:
        self._now = now
        self._clock = clock
        self._seq = 0
        self._readers: set[EventReader] = set()
        self._watchers: set[TickStream] = set()
        self._observers: list[Callable[[ServerEvent], None]] = []
        self._command_observers: list[Callable[[Command], None]] = []
        self._alone_since = clock()
        self.connections = 0
        self.ended: told.SessionEnded | None = None

    # What is handed out.

    def emit(self, kind: type[Any], turn: int = 0, /, **fields: Any) -> None:
        """Make an event of a class and tell everybody; nothing comes after the last one."""
        if self.ended is None:
            self._seq += 1
            fields.setdefault("at", round(self._now(), 4))
            event: ServerEvent = kind(seq=self._seq, turn=turn, **fields)
            self._tell(event)

    def send(self, tick: Tick) -> None:
        """Hand a tick to all who watch."""
        for stream in tuple(self._watchers):
            stream.put(tick)

    def note_command(self, command: Command) -> None:
        """Tell those who observe commands."""
        for observer in tuple(self._command_observers):
            _call_safely(observer, command)

    def end(self, reason: told.EndReason, message: str) -> None:
        """Tell everybody that it is over, and let them go."""
        self._seq += 1
        ended = told.SessionEnded(
            seq=self._seq, at=round(self._now(), 4), turn=0, reason=reason, message=message
        )
        self.ended = ended
        for observer in tuple(self._observers):
            _call_safely(observer, ended)
        for reader in tuple(self._readers):
            reader.end(ended)
        for stream in tuple(self._watchers):
            stream.close()
        self._observers.clear()
        self._command_observers.clear()

    def _tell(self, event: ServerEvent) -> None:
        for observer in tuple(self._observers):
            _call_safely(observer, event)
        for reader in tuple(self._readers):
            reader.put(event)

    # Who comes and goes.

    def watch(self, limit: int) -> TickStream:
        """Open a stream of ticks."""
        stream = TickStream(limit, self._watchers.discard)
        if self.ended is not None:
            stream.close()
        else:
            self._watchers.add(stream)
        return stream

    def events(self, limit: int, setup: dict[str, Any]) -> EventReader:
        """Open a stream of events that begins with how things stand."""
        first = told.SessionStarted(seq=self._seq, at=round(self._now(), 4), **setup)
        reader = EventReader(limit, first, self._readers.discard)
        if self.ended is not None:
            reader.end(self.ended)
        else:
            self._readers.add(reader)
        return reader

    def subscribe(self, observer: Callable[[ServerEvent], None]) -> Callable[[], None]:
        """Call a function with every event; what is returned takes it out again."""
        return _join(self._observers, observer)

    def subscribe_commands(self, observer: Callable[[Command], None]) -> Callable[[], None]:
        """Call a function with every command; what is returned takes it out again."""
        return _join(self._command_observers, observer)

    def connect(self) -> None:
        """Count a connection in."""
        self.connections += 1

    def disconnect(self) -> None:
        """Count a connection out."""
        self.connections = max(self.connections - 1, 0)
        if self.connections == 0:
            self._alone_since = self._clock()

    @property
    def alone_for(self) -> float:
        """Seconds without any connection."""
        return 0.0 if self.connections else self._clock() - self._alone_since

    @property
    def dropped(self) -> int:
        """Ticks that slow watchers lost."""
        return sum(stream.dropped for stream in self._watchers)


def _join(
    observers: list[Callable[[Any], None]], observer: Callable[[Any], None]
) -> Callable[[], None]:
    observers.append(observer)

    def leave() -> None:
        if observer in observers:
            observers.remove(observer)

    return leave


def _call_safely(observer: Callable[[Any], None], item: Any) -> None:
    try:
        observer(item)
    except Exception:
        logger.exception("an observer of a session failed on %s", type(item).__name__)
