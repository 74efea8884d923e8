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
from visavis.apps.server.sessions.audience import Audience
from visavis.apps.server.sessions.citing import CitingResponder
from visavis.apps.server.sessions.dialogue import Dialogue
from visavis.apps.server.sessions.greeter import Greeter, find_persona
from visavis.apps.server.sessions.listening import Listening
from visavis.apps.server.sessions.narrator import Narrator
from visavis.apps.server.sessions.opening import Part
from visavis.apps.server.sessions.setup import Setup
from visavis.apps.server.sessions.streams import EventReader
from visavis.core.errors import Error
from visavis.core.protocols import Attentive, Performance
from visavis.core.types import FPS, Emotion, Language, Waveform
from visavis.pipeline.conversation import Conversation
from visavis.pipeline.manner import Limits
from visavis.pipeline.pace import Pace
from visavis.pipeline.playout import Playout
from visavis.pipeline.ticks import SAMPLE_RATE, Tick, TickStream

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
        may_keep_sound: bool = False,
        on_end: Callable[[LiveSession], None] = lambda session: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.id = id
        self.created = time.time()
        self._settings = settings
        self._setup = Setup(cast, part, language, microphone)
        self._may_keep_sound = may_keep_sound
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._began = clock()
        self._on_end = on_end
        self.width, self.height = part.size
        self._closing: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        self._changing = asyncio.Lock()
        self._audience = Audience(lambda: self._playout.now, clock)
        self._emit = self._audience.emit
        self._narrator = Narrator(self._emit, self._send, self._give_up, clock)
        self._responder = cast.attune(CitingResponder(cast.responder, self._narrator.cite))
        self._greeter = Greeter(find_persona(cast.responder))
        pace = Pace()
        self._conversation = Conversation(
            part.performance,
            cast.speaker,
            self._responder,
            manner=self._setup.make_manner(),
            limits=replace(
                LIMITS, step_seconds=settings.stage_limit, answer_seconds=settings.answer_limit
            ),
            clock=clock,
            pace=pace,
            reopen=self._reopen_face,
        )
        self._conversation.hub.subscribe(self._narrator.observe)
        narrator = self._narrator
        self._playout = Playout(
            self._conversation,
            narrator,
            clock=clock,
            is_hurried=lambda: narrator.state == "thinking",
            pace=pace,
        )
        self._dialogue = Dialogue(
            self._conversation, self._playout, self._narrator, cast.settings, clock
        )
        self._listening = Listening(
            self._dialogue,
            lambda: self._setup.make_ears(self._dialogue.language),
            lambda: self._setup.make_recognizer(),
            microphone,
            clock,
            settings.stage_limit,
        )

    # Life.

    async def start(self) -> None:
        """Begin to tick."""
        self._launch(self._play(), "playout")
        self._launch(self._watch_limits(), "limits")
        self._launch(self._listening.run(), "listening")

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
        await self._listening.close()
        with suppress(Exception):
            await self._conversation.close()
        await self._dialogue.close()  # it may wait for a face that hangs until that is given up
        self._audience.end(reason, message or _MESSAGES[reason])
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
        return self._audience.watch(limit)

    def events(self, limit: int = 512) -> EventReader:
        """Open a stream of events: ``async with`` it and iterate."""
        return self._audience.events(limit, self._describe_start())

    def subscribe(self, observer: Callable[[ServerEvent], None]) -> Callable[[], None]:
        """Call a function with every event; the function returned takes it out again."""
        return self._audience.subscribe(observer)

    def subscribe_commands(self, observer: Callable[[Command], None]) -> Callable[[], None]:
        """Call a function with every command; the function returned takes it out again."""
        return self._audience.subscribe_commands(observer)

    def give_sounds(self, taker: Callable[[int, Waveform], None]) -> None:
        """Hand the sound of every spoken question on, with its turn; not where nobody allowed it."""
        if self._may_keep_sound:
            self._dialogue.on_sound = taker

    def note_connected(self) -> None:
        """Count a connection in."""
        self._audience.connect()

    def note_disconnected(self) -> None:
        """Count a connection out; without any the session ends after a while."""
        self._audience.disconnect()

    @property
    def alone_for(self) -> float:
        """Seconds without any connection."""
        return self._audience.alone_for

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
            **self._describe_setup(),
            "turns": self._narrator.turns,
            "connections": self._audience.connections,
            "ticks": counts.ticks,
            "late": counts.late,
            "stalls": counts.stalls,
            "repeats": counts.repeats,
            "starved": counts.starved,
            "dropped": self._audience.dropped,
        }

    # What comes from the page.

    async def handle(self, command: Command) -> None:
        """Do what a command says; what goes wrong comes out as an ``error`` event."""
        if self.is_over:
            return
        if not isinstance(command, commands.Ping | commands.Playback):
            self._narrator.last_activity = self._clock()
        self._audience.note_command(command)
        try:
            await self._do(command)
        except Error as error:
            self._narrator.tell_failure(error)
        except Exception as error:
            self._narrator.tell_failure(error)

    async def _do(self, command: Command) -> None:
        match command:
            case commands.Ask(text=text):
                self._dialogue.ask(text)
            case commands.Say(text=text):
                self._dialogue.say(text)
            case commands.Greet():
                self._greet()
            case commands.Interrupt():
                self.interrupt()
            case commands.Forget():
                self.forget()
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
            case commands.Talk(pressed=pressed):
                if pressed and self._setup.microphone == "push":
                    self._dialogue.break_off()  # not only once the models have come to it
                self._listening.press(pressed)
            case commands.SetMicrophone(mode=mode):
                self._setup = replace(self._setup, microphone=mode)
                self._listening.set_mode(mode)
                self._tell_change()

    def interrupt(self) -> None:
        """Silence the face at once."""
        self._dialogue.break_off()

    def forget(self) -> None:
        """Clear the history and the mood; what is being said is broken off."""
        self._dialogue.forget()
        forget = getattr(self._responder, "forget", None)
        if forget is not None:
            forget()
        self._emit(told.HistoryCleared)

    def _greet(self) -> None:
        text = self._greeter.greet(self._conversation.manner.language)
        if text and self.state == "idle" and not self._narrator.turns:
            self._dialogue.greet(text)

    def hear(self, sound: Waveform) -> None:
        """Take sound of the microphone, at any rate. Returns at once; what is too much is dropped."""
        if not self.is_over:
            self._listening.hear(sound)

    # How it is done.

    async def _change(self, command: commands.Change) -> None:
        async with self._changing:
            before = self._setup
            setup = await before.revise(command, self._settings.stage_limit)
            if setup.part.performance is not before.part.performance:
                await self._take_part(setup.part)
            if setup.language != before.language:
                self._listening.change_models()
            # The microphone may have been set meanwhile.
            self._setup = replace(setup, microphone=self._setup.microphone)
            self._conversation.manner = setup.make_manner()
            if command.emotion is not None:
                await self._feel(setup.cast)
            self._tell_change()

    async def _take_part(self, part: Part) -> None:
        self._dialogue.break_off()
        await self._conversation.change_face(part.performance)
        self._playout.cut()
        self._playout.forget_numbers()
        self.width, self.height = part.size

    def _reopen_face(self) -> Performance:
        """Open the face again, on its own thread, in place of one that hangs."""
        performance = self._setup.cast.open_performance(self._setup.part.avatar)

        def note() -> None:
            self._playout.forget_numbers()
            part = replace(self._setup.part, performance=performance)
            self._setup = replace(self._setup, part=part)  # the one before may be freed

        with suppress(RuntimeError):  # the loop is closed: nothing is shown any more
            self._loop.call_soon_threadsafe(note)  # gets there before its first picture
        return performance

    async def _feel(self, cast: Cast) -> None:
        emotion: Emotion = cast.emotion or cast.settings.emotion or "neutral"

        def feel(performance: Performance) -> None:
            if isinstance(performance, Attentive):
                performance.feel(emotion, cast.strength)

        await self._conversation.on_face(feel)

    # What goes out.

    def _send(self, tick: Tick) -> None:
        self.height, self.width = tick.image.shape[:2]
        self._listening.play(tick)
        self._audience.send(tick)

    def _tell_change(self) -> None:
        self._emit(told.SessionChanged, 0, **self._describe_setup())

    def _describe_setup(self) -> dict[str, Any]:
        return {**self._setup.describe(), "width": self.width, "height": self.height}

    def _describe_start(self) -> dict[str, Any]:
        return {
            "session": self.id,
            "state": self.state,
            "fps": self.fps,
            "sample_rate": self.sample_rate,
            "idle_limit": self._settings.idle_limit,
            "persona": self._greeter.describe(),
            **self._describe_setup(),
        }
