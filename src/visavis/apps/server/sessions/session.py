"""A live session: one listener, one face, one stream."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from visavis.apps.server.protocol import Command, ServerEvent, commands
from visavis.apps.server.protocol import events as told
from visavis.apps.server.sessions.citing import CitingResponder
from visavis.apps.server.sessions.narrator import Narrator
from visavis.apps.server.sessions.opening import Part, open_face
from visavis.apps.server.sessions.streams import EventReader
from visavis.core.errors import Error
from visavis.core.protocols import Attentive, Performance
from visavis.core.types import FPS, Emotion, Language, Waveform
from visavis.pipeline.conversation import Conversation
from visavis.pipeline.flow import Limits, Manner
from visavis.pipeline.playout import SAMPLE_RATE, Playout, Tick, TickStream

if TYPE_CHECKING:
    from visavis.apps.assemble import Cast
    from visavis.apps.server.settings import ServerSettings

logger = logging.getLogger(__name__)

LIMITS = Limits(text_pieces=16, sentences=2, speeches=2, segments=2, frames=20)
"""Little is made ahead: an interruption throws it away."""
_MESSAGES: dict[told.EndReason, str] = {
    "left": "You left.",
    "idle": "Nothing was said for a long time.",
    "limit": "The longest time of a session is over.",
    "vanished": "The connection was lost.",
    "closed": "The server was shut down.",
    "failed": "The face could not be shown any more; open a new session.",
}


class LiveSession:
    """One listener, one face. Made by ``Sessions.open``; ends by itself or with ``close``.

    Attributes:
        id: Hard to guess.
        created: Seconds since the epoch.
        width: Of the pictures, in pixels; may change with the avatar.
        height: Likewise.
        fps: 25.
        sample_rate: 24 000 Hz, of what leaves.
    """

    fps = FPS
    sample_rate = SAMPLE_RATE

    def __init__(
        self,
        id: str,
        cast: Cast,
        settings: ServerSettings,
        part: Part,
        *,
        language: Language | Literal["auto"] = "auto",
        microphone: told.Microphone = "push",
        on_end: Callable[[LiveSession], None] = lambda session: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.id = id
        self.created = time.time()
        self._settings = settings
        self._cast = cast
        self._clock = clock
        self._began = clock()
        self._on_end = on_end
        self._part = part
        self._language: Language | Literal["auto"] = language
        self._microphone: told.Microphone = microphone
        self.width, self.height = part.size
        self._seq = 0
        self._readers: set[EventReader] = set()
        self._watchers: set[TickStream] = set()
        self._observers: list[Callable[[ServerEvent], None]] = []
        self._command_observers: list[Callable[[Command], None]] = []
        self._connections = 0
        self._alone_since = self._began
        self._ended: told.SessionEnded | None = None
        self._closing: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        self._changing = asyncio.Lock()
        self._narrator = Narrator(self._emit, self._send, self._give_up, clock)
        self._conversation = Conversation(
            part.performance,
            cast.router,
            CitingResponder(cast.responder, self._narrator.cite),
            manner=self._make_manner(),
            limits=LIMITS,
            clock=clock,
        )
        self._conversation.hub.subscribe(self._narrator.observe)
        self._playout = Playout(self._conversation, self._narrator, clock=clock)

    # Life.

    async def start(self) -> None:
        """Begin to tick."""
        self._launch(self._play(), "playout")
        self._launch(self._watch_limits(), "limits")

    async def close(self, reason: told.EndReason = "closed", message: str = "") -> None:
        """End the session and free everything. Safe to call twice, from anywhere."""
        if self._closing is None:
            self._closing = asyncio.create_task(self._close(reason, message))
        await asyncio.shield(self._closing)

    async def _close(self, reason: told.EndReason, message: str) -> None:
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._narrator.break_off(self._clock())
        with suppress(Exception):
            await self._conversation.close()
        ended = self._make(told.SessionEnded, reason=reason, message=message or _MESSAGES[reason])
        assert isinstance(ended, told.SessionEnded)
        self._ended = ended
        self._tell(ended)
        for reader in tuple(self._readers):
            reader.end(ended)
        for stream in tuple(self._watchers):
            stream.close()
        self._observers.clear()
        self._command_observers.clear()
        self._on_end(self)
        logger.info("session %s ended: %s", self.id[:8], reason)

    async def _play(self) -> None:
        try:
            await self._playout.run()
        except Exception as error:
            logger.exception("the stream of session %s broke", self.id[:8])
            self._give_up(str(error))

    def _give_up(self, message: str) -> None:
        self._end_soon("failed", f"{_MESSAGES['failed']} ({message})")

    def _end_soon(self, reason: told.EndReason, message: str = "") -> None:
        if self._closing is None:
            self._closing = asyncio.create_task(self._close(reason, message))

    async def _watch_limits(self) -> None:
        settings = self._settings
        least = min(settings.idle_limit, settings.session_limit, settings.vanished_limit)
        while True:
            await asyncio.sleep(min(1.0, least / 4))
            now = self._clock()
            busy = self._narrator.state != "idle"
            if now - self._began > settings.session_limit:
                self._end_soon("limit")
            elif self.alone_for > settings.vanished_limit:
                self._end_soon("vanished")
            elif not busy and now - self._narrator.last_activity > settings.idle_limit:
                self._end_soon("idle")

    def _launch(self, work: Any, name: str) -> None:
        task = asyncio.create_task(work, name=f"{name} {self.id[:8]}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # Who looks on.

    def watch(self, limit: int = 25) -> TickStream:
        """Open a stream of ticks: ``async with`` it and iterate."""
        stream = TickStream(limit, self._watchers.discard)
        if self._ended is not None:
            stream.close()
        else:
            self._watchers.add(stream)
        return stream

    def events(self, limit: int = 512) -> EventReader:
        """Open a stream of events: ``async with`` it and iterate."""
        reader = EventReader(limit, self._describe_start(), self._readers.discard)
        if self._ended is not None:
            reader.end(self._ended)
        else:
            self._readers.add(reader)
        return reader

    def subscribe(self, observer: Callable[[ServerEvent], None]) -> Callable[[], None]:
        """Call a function with every event; the function returned takes it out again."""
        self._observers.append(observer)
        return lambda: self._observers.remove(observer) if observer in self._observers else None

    def subscribe_commands(self, observer: Callable[[Command], None]) -> Callable[[], None]:
        """Call a function with every command; the function returned takes it out again."""
        observers = self._command_observers
        observers.append(observer)
        return lambda: observers.remove(observer) if observer in observers else None

    def note_connected(self) -> None:
        """Count a connection in."""
        self._connections += 1

    def note_disconnected(self) -> None:
        """Count a connection out; without any the session ends after a while."""
        self._connections = max(self._connections - 1, 0)
        if self._connections == 0:
            self._alone_since = self._clock()

    @property
    def alone_for(self) -> float:
        """Seconds without any connection."""
        return 0.0 if self._connections else self._clock() - self._alone_since

    @property
    def state(self) -> told.State:
        """What the face is doing."""
        return self._narrator.state

    @property
    def is_over(self) -> bool:
        """Whether it has ended or is about to."""
        return self._closing is not None

    def snapshot(self) -> dict[str, Any]:
        """Describe the session in plain values."""
        counts = self._playout.counts
        return {
            "id": self.id,
            "created": self.created,
            "age": round(self._clock() - self._began, 3),
            "state": self.state,
            "avatar": self._part.name,
            "voices": dict(self._part.voices),
            "language": self._language,
            "emotion": self._cast.emotion or "auto",
            "microphone": self._microphone,
            "turns": self._narrator.turns,
            "connections": self._connections,
            "width": self.width,
            "height": self.height,
            "ticks": counts.ticks,
            "late": counts.late,
            "stalls": counts.stalls,
            "repeats": counts.repeats,
            "starved": counts.starved,
            "dropped": sum(s.dropped for s in self._watchers),
        }

    # What comes from the page.

    async def handle(self, command: Command) -> None:
        """Do what a command says; what goes wrong comes out as an ``error`` event."""
        if self.is_over:
            return
        if not isinstance(command, commands.Ping | commands.Playback):
            self._narrator.last_activity = self._clock()
        for observer in tuple(self._command_observers):
            _call_safely(observer, command)
        try:
            await self._do(command)
        except Error as error:
            self._narrator.tell_failure(error)
        except Exception as error:
            self._narrator.tell_failure(error)

    async def _do(self, command: Command) -> None:
        match command:
            case commands.Ask(text=text):
                self._ask(text)
            case commands.Say(text=text):
                self._say(text)
            case commands.Interrupt():
                self.interrupt()
            case commands.Change():
                await self._change(command)
            case commands.Playback(at=at):
                for turn, seconds in self._playout.played(at):
                    self._conversation.notify_playback(turn, seconds)
            case commands.Ping(sent=sent):
                self._emit(told.Pong, 0, sent=sent)
            case commands.Leave():
                self._end_soon("left")
            case commands.Feedback():
                pass  # for those who observe commands
            case commands.Talk() | commands.SetMicrophone():
                pass

    def _ask(self, text: str) -> None:
        from visavis.apps.assemble import clean_text

        question = clean_text(text, self._cast.settings.max_question, "question")
        asked = self._clock()
        self._break_off()
        turn = self._conversation.ask_text(question)
        self._narrator.begin_turn(turn, "text", question, asked)

    def _say(self, text: str) -> None:
        from visavis.apps.assemble import clean_text

        script = clean_text(text, self._cast.settings.max_characters)
        asked = self._clock()
        self._break_off()
        turn = self._conversation.say(script)
        self._narrator.begin_turn(turn, "script", script, asked)

    def interrupt(self) -> None:
        """Silence the face at once."""
        self._break_off()

    def _break_off(self) -> None:
        turn = self._narrator.turn
        if turn is None:
            return
        since = self._clock()
        cut = self._playout.cut()
        self._conversation.cut(cut.picture, self._playout.sent(turn.number))
        self._narrator.break_off(since)

    def hear(self, sound: Waveform) -> None:
        """Take sound of the microphone, at any rate. Returns at once; what is too much is dropped."""

    # How it is done.

    async def _change(self, command: commands.Change) -> None:
        async with self._changing:
            cast = replace(
                self._cast,
                avatar=self._cast.avatar if command.avatar is None else command.avatar,
                voice=self._cast.voice if command.voice is None else command.voice,
                emotion=_emotion_of(command.emotion, self._cast.emotion),
            )
            language = command.language or self._language
            if command.avatar is not None and command.avatar != self._part.name:
                part = await open_face(cast)
                await self._take_part(part)
            else:
                voices = cast.choose_voices(self._part.avatar)
                self._part = replace(self._part, voices=voices)
            self._cast, self._language = cast, language
            self._conversation.manner = self._make_manner()
            if command.emotion is not None:
                await self._feel(cast)
            self._tell_change()

    async def _take_part(self, part: Part) -> None:
        self._break_off()
        await self._conversation.change_face(part.performance)
        self._playout.cut()
        self._playout.forget_numbers()
        self._part = part
        self.width, self.height = part.size

    async def _feel(self, cast: Cast) -> None:
        emotion: Emotion = cast.emotion or cast.settings.emotion or "neutral"

        def feel(performance: Performance) -> None:
            if isinstance(performance, Attentive):
                performance.feel(emotion, cast.strength)

        await self._conversation.on_face(feel)

    def _make_manner(self) -> Manner:
        settings = self._cast.settings
        language = settings.language if self._language == "auto" else self._language
        return Manner(
            self._part.voices,
            language,
            self._cast.emotion or settings.emotion,
            self._cast.strength,
        )

    # What goes out.

    def _send(self, tick: Tick) -> None:
        self.height, self.width = tick.image.shape[:2]
        for stream in tuple(self._watchers):
            stream.put(tick)

    def _make(self, kind: type[Any], turn: int = 0, /, **fields: Any) -> ServerEvent:
        self._seq += 1
        fields.setdefault("at", round(self._playout.now, 4))
        event: ServerEvent = kind(seq=self._seq, turn=turn, **fields)
        return event

    def _emit(self, kind: type[Any], turn: int = 0, /, **fields: Any) -> None:
        if self._ended is None:
            event = self._make(kind, turn, **fields)
            self._tell(event)
            for reader in tuple(self._readers):
                reader.put(event)

    def _tell(self, event: ServerEvent) -> None:
        for observer in tuple(self._observers):
            _call_safely(observer, event)

    def _tell_change(self) -> None:
        self._emit(told.SessionChanged, 0, **self._describe_setup())

    def _describe_setup(self) -> dict[str, Any]:
        return {
            "avatar": self._part.name,
            "voices": dict(self._part.voices),
            "language": self._language,
            "emotion": self._cast.emotion or "auto",
            "microphone": self._microphone,
            "width": self.width,
            "height": self.height,
        }

    def _describe_start(self) -> told.SessionStarted:
        return told.SessionStarted(
            seq=self._seq,
            at=round(self._playout.now, 4),
            session=self.id,
            state=self.state,
            fps=self.fps,
            sample_rate=self.sample_rate,
            idle_limit=self._settings.idle_limit,
            **self._describe_setup(),
        )


def _emotion_of(wanted: Emotion | Literal["auto"] | None, before: Emotion | None) -> Emotion | None:
    if wanted is None:
        return before
    return None if wanted == "auto" else wanted


def _call_safely(observer: Callable[[Any], None], item: Any) -> None:
    try:
        observer(item)
    except Exception:
        logger.exception("an observer of a session failed on %s", type(item).__name__)
