"""The sessions that live, and how many may."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from visavis.apps.server.protocol.events import Microphone
from visavis.apps.server.sessions.capacity import Cost, measure_cost
from visavis.apps.server.sessions.opening import open_face
from visavis.apps.server.sessions.session import LiveSession
from visavis.apps.server.sessions.strain import LIMIT, Strain
from visavis.core.errors import SessionsFull
from visavis.core.types import Emotion, Language
from visavis.pipeline.bridge import Worker

if TYPE_CHECKING:
    from visavis.apps.assemble import Cast
    from visavis.apps.server.settings import ServerSettings

logger = logging.getLogger(__name__)

ABANDONED = 3.0
"""Seconds without a connection after which a session makes room for a new one: a page was reloaded."""
_WATCHED_EVERY = 1.0
"""Seconds between two looks at how the sessions fare."""


class Sessions:
    """Opens sessions and knows those that live.

    Args:
        cast: Stages, shared by all sessions.
        settings: How many, and how long.
        on_open: Called with each new session, before it starts.
    """

    def __init__(
        self,
        cast: Cast,
        settings: ServerSettings,
        *,
        on_open: Callable[[LiveSession], None] | None = None,
    ) -> None:
        self._cast = cast
        self._settings = settings
        self._on_open = on_open
        self._sessions: dict[str, LiveSession] = {}
        self._opening = 0
        self._closed = False
        self._prepared = False
        self._preparing = asyncio.Lock()
        limit = settings.late_limit
        if limit is None:  # a number that is set is taken at its word
            limit = LIMIT if settings.sessions == 0 else 0.0
        self.strain = Strain(limit)
        """Whether those who talk get what they should."""
        self._strains = limit > 0
        self._watching: asyncio.Task[None] | None = None
        self.cost: Cost | None = None
        """What a session costs here, once ``measure`` was called."""

    async def measure(self) -> int:
        """Find out how many sessions this machine can do; loads the stages on the way.

        Returns:
            ``capacity``.
        """
        if self._settings.sessions == 0 and self.cost is None:
            await self.prepare()
            self.cost = await measure_cost(self._cast)
            logger.info("%s; sessions at once: %d", self.cost, self.capacity)
        return self.capacity

    async def prepare(self) -> None:
        """Make the stages that all sessions share, once; seconds the first time."""
        async with self._preparing:
            # A session's cast is a copy: what is not made yet would be made again in each of them.
            if self._prepared:
                return
            worker = Worker("preparing")
            try:
                await worker.call(
                    lambda: (
                        self._cast.router.voices(),
                        self._cast.responder,
                        self._cast.recognizer,
                    )
                )
            finally:
                await worker.close()
            self._prepared = True

    @property
    def capacity(self) -> int:
        """How many sessions may live at once; 1 where it was neither set nor measured."""
        if self._settings.sessions:
            return self._settings.sessions
        return self.cost.sessions if self.cost is not None else 1

    async def open(
        self,
        *,
        avatar: str = "",
        voice: str = "",
        language: Language | Literal["auto"] = "auto",
        emotion: Emotion | Literal["auto"] = "auto",
        microphone: Microphone = "push",
        may_keep_sound: bool = False,
    ) -> LiveSession:
        """Open a session; it ticks when this returns.

        Args:
            avatar: Empty for the default.
            voice: Empty for the avatar's own.
            language: Of what is said and heard.
            emotion: Of the face.
            microphone: How it is used.
            may_keep_sound: Whether whoever speaks was told that the sound may be kept.

        Raises:
            SessionsFull: As many live as this machine can serve, or those who talk get their
                pictures late as it is.
            StageError: The face did not open within ``stage_limit``.
            Error: The avatar or the voice is unknown or cannot be used.
        """
        if self._closed:
            raise SessionsFull("the server is shutting down; try again in a minute")
        await self.prepare()
        await self._make_room()
        cast = replace(
            self._cast,
            avatar=avatar,
            voice=voice,
            emotion=None if emotion == "auto" else emotion,
        )
        self._opening += 1
        try:
            part = await open_face(cast, self._settings.stage_limit)
            session = LiveSession(
                secrets.token_urlsafe(16),
                cast,
                self._settings,
                part,
                language=language,
                microphone=microphone,
                may_keep_sound=may_keep_sound,
                on_end=self._forget,
            )
            self._sessions[session.id] = session
        finally:
            self._opening -= 1
        if self._strains and self._watching is None:
            self._watching = asyncio.create_task(self._watch(), name="strain")
        if self._on_open is not None:
            self._on_open(session)
        await session.start()
        return session

    async def _make_room(self) -> None:
        if not self._is_full and not self._is_strained:
            return
        alone = max(self, key=lambda session: session.alone_for, default=None)
        if alone is not None and alone.alone_for > ABANDONED:
            await alone.close("vanished")
            if not self._is_full:
                return  # one for one, which is no more work than before
        if self._is_full:
            raise SessionsFull(
                f"{len(self) + self._opening} of {self.capacity} sessions are taken;"
                " try again in a minute"
            )
        if self._is_strained:
            raise SessionsFull(
                "this machine is busy: those who talk with it already get pictures late;"
                " try again in a minute"
            )

    @property
    def _is_full(self) -> bool:
        return len(self) + self._opening >= self.capacity

    @property
    def _is_strained(self) -> bool:
        return self.strain.is_on and len(self) > 0

    async def _watch(self) -> None:
        while True:
            self.strain.note(session.snapshot() for session in self)
            await asyncio.sleep(_WATCHED_EVERY)

    def _forget(self, session: LiveSession) -> None:
        self._sessions.pop(session.id, None)
        if not self._sessions:
            self._stop_watching()

    def _stop_watching(self) -> None:
        if self._watching is not None:
            self._watching.cancel()
            self._watching = None
        self.strain.forget()

    def get(self, id: str) -> LiveSession | None:
        """Find a session that lives."""
        return self._sessions.get(id)

    def __iter__(self) -> Iterator[LiveSession]:
        return iter(tuple(self._sessions.values()))

    def __len__(self) -> int:
        return len(self._sessions)

    async def close(self) -> None:
        """End all sessions."""
        self._closed = True
        await asyncio.gather(*(session.close("closed") for session in self))
        self._stop_watching()
