"""What a session says, as OpenAI's realtime events."""

from __future__ import annotations

import asyncio
import base64
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from visavis.apps.server.protocol import ServerEvent, events
from visavis.apps.server.realtime.wire import Send, make_id
from visavis.apps.server.sound_files import to_pcm

if TYPE_CHECKING:
    from visavis.apps.server.sessions.session import LiveSession

_BEHIND = 0.5
"""Seconds that the end of an answer waits for its last sound."""


@dataclass(slots=True)
class _Response:
    """An answer that is being given."""

    turn: int
    id: str = field(default_factory=lambda: make_id("resp"))
    item: str = field(default_factory=lambda: make_id("item"))
    began: int | None = None
    text: str = ""
    told: dict[str, Any] = field(default_factory=dict)


class Telling:
    """Tells one client what its session does.

    Args:
        session: The session.
        send: Sends an event.
        beta: Whether the client expects the names of the interface's first version.

    Attributes:
        text_only: Whether the client wants no sound.
        last_item: The newest item of the dialogue.
        began: Tick at which an item's sound began.
    """

    def __init__(self, session: LiveSession, send: Send, *, beta: bool = False) -> None:
        self._session = session
        self._send_event = send
        self._out = "" if beta else "output_"
        self._user_item = ""
        self._listening = False
        self._response: _Response | None = None
        self._ticked = asyncio.Event()
        self._played = 0.0
        self.text_only = False
        self.last_item = ""
        self.began: dict[str, int] = {}

    async def relay_events(self) -> None:
        """Tell the client what the session does, until it ends."""
        async with self._session.events() as reader:
            async for event in reader:
                await self._tell(event)

    async def relay_sound(self) -> None:
        """Send the answers' sound as it is played."""
        async with self._session.watch() as ticks:
            async for tick in ticks:
                self._played = tick.index / self._session.fps
                self._ticked.set()
                response = self._response
                if response is None or tick.turn != response.turn or self.text_only:
                    continue
                if response.began is None:
                    response.began = self.began[response.item] = tick.index
                await self.send(
                    f"response.{self._out}audio.delta",
                    **self._place(response),
                    delta=base64.b64encode(to_pcm(tick.sound)).decode(),
                )

    async def _tell(self, event: ServerEvent) -> None:
        match event:
            case events.SessionState(state=state):
                await self._tell_listening(state == "listening", event.at)
            case events.TranscriptFinal(text=text):
                item = self._user_item or await self.add_user_item({"type": "input_audio"})
                await self.tell_transcript(item, text, 0.0)
            case events.TurnStarted(turn=turn):
                await self._begin(turn)
            case events.SentenceStarted(text=text):
                await self._write(event.turn, text)
            case events.AnswerSources():
                if self._response is not None:
                    self._response.told = event.model_dump(
                        include={"outcome", "confidence", "sources", "candidates"}
                    )
            case events.TurnEnded(turn=turn, reason=reason):
                await self._catch_up(event.at)
                await self._end(turn, reason)
            case events.Failure(code=code, message=message):
                await self.send(
                    "error",
                    error={"type": "server_error", "code": code, "message": message,
                           "param": None, "event_id": None},
                )  # fmt: skip
            case _:
                pass

    async def _tell_listening(self, listens: bool, at: float) -> None:
        if listens == self._listening:
            return
        self._listening = listens
        ms = round(at * 1000)
        if listens:
            self._user_item = make_id("item")
            await self.send(
                "input_audio_buffer.speech_started", audio_start_ms=ms, item_id=self._user_item
            )
            return
        item = self._user_item
        await self.send("input_audio_buffer.speech_stopped", audio_end_ms=ms, item_id=item)
        await self.send(
            "input_audio_buffer.committed", previous_item_id=self.last_item or None, item_id=item
        )
        await self.add_user_item({"type": "input_audio", "transcript": None}, item)

    async def _begin(self, turn: int) -> None:
        self._response = response = _Response(turn)
        await self.send("response.created", response=self._outline(response, "in_progress"))
        item = self._item(response, "in_progress")
        await self.send(
            "response.output_item.added", response_id=response.id, output_index=0, item=item
        )
        await self.send("conversation.item.added", previous_item_id=self.last_item, item=item)
        part = {"type": f"{self._out}audio", "transcript": ""}
        await self.send("response.content_part.added", **self._place(response), part=part)
        self.last_item = response.item

    async def _write(self, turn: int, text: str) -> None:
        response = self._response
        if response is None or response.turn != turn:
            return
        joint = " " if response.text and response.text[-1].isascii() and text[:1].isascii() else ""
        response.text += joint + text
        kind = f"{self._out}text" if self.text_only else f"{self._out}audio_transcript"
        await self.send(f"response.{kind}.delta", **self._place(response), delta=joint + text)

    async def _catch_up(self, at: float) -> None:
        """Let the sound that came before an event be sent before it."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_BEHIND):
                while self._played < at - 1.5 / self._session.fps:
                    self._ticked.clear()
                    await self._ticked.wait()

    async def _end(self, turn: int, reason: str) -> None:
        response = self._response
        if response is None or response.turn != turn:
            return
        self._response = None
        place = self._place(response)
        if self.text_only:
            await self.send(f"response.{self._out}text.done", **place, text=response.text)
        else:
            await self.send(f"response.{self._out}audio.done", **place)
            await self.send(
                f"response.{self._out}audio_transcript.done", **place, transcript=response.text
            )
        part = {"type": f"{self._out}audio", "transcript": response.text}
        await self.send("response.content_part.done", **place, part=part)
        status = {"complete": "completed", "interrupted": "cancelled"}.get(reason, "failed")
        item = self._item(response, "completed" if status == "completed" else "incomplete")
        await self.send(
            "response.output_item.done", response_id=response.id, output_index=0, item=item
        )
        await self.send("conversation.item.done", previous_item_id=None, item=item)
        await self.send("response.done", response=self._outline(response, status))

    async def add_user_item(self, part: dict[str, Any], id: str = "") -> str:
        """Add what the user said to the dialogue, and return its id: the one given, or a new one."""
        self._user_item = id = id or make_id("item")
        item = {
            "id": id, "object": "realtime.item", "type": "message", "role": "user",
            "status": "completed", "content": [part],
        }  # fmt: skip
        previous = self.last_item or None
        await self.send("conversation.item.added", previous_item_id=previous, item=item)
        await self.send("conversation.item.done", previous_item_id=previous, item=item)
        self.last_item = id
        return id

    async def tell_transcript(self, item: str, text: str, seconds: float) -> None:
        """Tell what was understood.

        Whole, as one piece: what is understood earlier may still change, and clients join pieces.
        """
        await self.send(
            "conversation.item.input_audio_transcription.delta",
            item_id=item, content_index=0, delta=text,
        )  # fmt: skip
        await self.send(
            "conversation.item.input_audio_transcription.completed",
            item_id=item,
            content_index=0,
            transcript=text,
            usage={"type": "duration", "seconds": round(seconds, 2)},
        )

    def _place(self, response: _Response) -> dict[str, Any]:
        return {
            "response_id": response.id,
            "item_id": response.item,
            "output_index": 0,
            "content_index": 0,
        }

    def _item(self, response: _Response, status: str) -> dict[str, Any]:
        part = {"type": f"{self._out}audio", "transcript": response.text}
        return {
            "id": response.item, "object": "realtime.item", "type": "message",
            "role": "assistant", "status": status, "content": [part] if response.text else [],
        }  # fmt: skip

    def _outline(self, response: _Response, status: str) -> dict[str, Any]:
        done = status != "in_progress"
        details = {"type": status} if done else None
        if status == "cancelled":
            details = {"type": "cancelled", "reason": "turn_detected"}
        item = self._item(response, "completed" if status == "completed" else "incomplete")
        return {
            "id": response.id,
            "object": "realtime.response",
            "status": status,
            "status_details": details,
            "output": [item] if done else [],
            "output_modalities": ["text" if self.text_only else "audio"],
            "usage": None,
            "visavis": {"turn": response.turn, **response.told},
        }

    async def send(self, kind: str, **fields: Any) -> None:
        """Send an event under a new id."""
        await self._send_event({"type": kind, "event_id": make_id("event"), **fields})
