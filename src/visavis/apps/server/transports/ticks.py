"""What a transport needs of a session, and one tick of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from types import TracebackType
from typing import Any, Protocol, Self

from visavis.apps.server.protocol import Command, ServerEvent
from visavis.core.types import Floats, Picture, Waveform


class Tick(Protocol):
    """One picture and its 40 ms of sound; its time is ``index / 25`` seconds."""

    @property
    def index(self) -> int:
        """Counted from the session's first."""

    @property
    def image(self) -> Picture:
        """RGB uint8 (H, W, 3)."""

    @property
    def sound(self) -> Floats:
        """Float32 (960,) at 24 kHz."""


class TickStream(Protocol):
    """A viewer's place: ticks as they are played, the oldest lost when the viewer is slow."""

    async def __aenter__(self) -> Self:
        """Begin to watch."""

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> Any:
        """Watch no more."""

    def __aiter__(self) -> AsyncIterator[Any]:
        """Ticks, until the session ends."""


class EventReader(Protocol):
    """A listener's place: events, the first of them ``session.started``."""

    async def __aenter__(self) -> Self:
        """Begin to listen."""

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> Any:
        """Listen no more."""

    def __aiter__(self) -> AsyncIterator[ServerEvent]:
        """Events, until the session has ended."""


class Watched(Protocol):
    """The part of a live session that transports use."""

    id: str

    def watch(self, limit: int = 25) -> TickStream:
        """Open a place for a viewer."""

    def events(self, limit: int = 512) -> EventReader:
        """Open a place for a listener."""

    async def handle(self, command: Command) -> None:
        """Do what a page asks; what goes wrong comes out as an event."""

    def hear(self, sound: Waveform) -> None:
        """Take sound of the microphone, at any rate."""

    def note_connected(self) -> None:
        """Count a connection."""

    def note_disconnected(self) -> None:
        """Count a connection less."""
