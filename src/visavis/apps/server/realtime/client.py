"""What a client says by OpenAI's realtime events, done with a live session.

With ``turn_detection`` the session finds the turns itself; without, sound waits in a buffer until it
is committed, and is answered by ``response.create``.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from visavis.apps.server.hearing import join_texts
from visavis.apps.server.protocol import commands
from visavis.apps.server.realtime.telling import Telling
from visavis.apps.server.realtime.wire import (
    RATE,
    EventUnusable,
    check_format,
    decode_sound,
    read_object,
)
from visavis.core.errors import AudioTooLong, Error, InputError
from visavis.core.types import Floats, Language, Transcript, Waveform
from visavis.pipeline.bridge import Worker

if TYPE_CHECKING:
    from visavis.apps.server.house import House
    from visavis.apps.server.sessions.session import LiveSession

LONGEST_QUESTION = 60.0
"""Seconds."""


class Realtime:
    """Does what one client says.

    Args:
        house: The server's.
        session: What it talks with.
        telling: Tells the client what the session does.
        model: As the client named it.
    """

    def __init__(self, house: House, session: LiveSession, telling: Telling, model: str) -> None:
        self._house = house
        self._session = session
        self._telling = telling
        self._send = telling.send
        self._model = model
        self._voice = ""
        self._language: Language | Literal["auto"] = "auto"
        self._detects = True
        self._buffer: list[Floats] = []
        self._pending: list[str] = []

    # What the client says.

    async def take(self, event: Mapping[str, Any]) -> None:
        """Do what a client's event says; what is wrong with it comes back as an ``error``."""
        kind = event.get("type")
        doing = {
            "session.update": self._update,
            "input_audio_buffer.append": self._append,
            "input_audio_buffer.commit": self._commit,
            "input_audio_buffer.clear": self._clear,
            "conversation.item.create": self._create_item,
            "conversation.item.truncate": self._truncate,
            "response.create": self._create_response,
            "response.cancel": self._cancel,
            "output_audio_buffer.clear": self._cancel,
        }.get(kind if isinstance(kind, str) else "")
        try:
            if doing is None:
                raise EventUnusable(f"there is no event {str(kind)[:60]!r} here", "type")
            await doing(event)
        except Error as error:
            await self.tell_error(error, event.get("event_id"))

    async def tell_error(self, error: Error, event_id: Any = None) -> None:
        """Tell the client of an error; the session goes on."""
        wrong = isinstance(error, InputError)
        await self._send(
            "error",
            error={
                "type": "invalid_request_error" if wrong else "server_error",
                "code": type(error).__name__,
                "message": str(error),
                "param": getattr(error, "param", None),
                "event_id": event_id if isinstance(event_id, str) else None,
            },
        )

    async def greet(self) -> None:
        """Say how the session is, as the first event."""
        await self._session.handle(commands.SetMicrophone(mode="open" if self._detects else "off"))
        await self._send("session.created", session=self._describe())

    async def _update(self, event: Mapping[str, Any]) -> None:
        wanted = event.get("session")
        if not isinstance(wanted, Mapping):
            raise EventUnusable("session.update needs an object 'session'", "session")
        audio = read_object(wanted, "audio")
        hearing, speaking = read_object(audio, "input"), read_object(audio, "output")
        for format in (hearing.get("format"), speaking.get("format"),
                       wanted.get("input_audio_format"), wanted.get("output_audio_format")):  # fmt: skip
            check_format(format)
        voice = speaking.get("voice", wanted.get("voice"))
        if isinstance(voice, str) and voice:
            await self._choose_voice(voice)
        heard = hearing.get("transcription", wanted.get("input_audio_transcription"))
        if isinstance(heard, Mapping) and "language" in heard:
            await self._choose_language(heard["language"])
        kinds = wanted.get("output_modalities", wanted.get("modalities"))
        if isinstance(kinds, list):
            self._telling.text_only = "audio" not in kinds
        for place in (hearing, wanted):
            if "turn_detection" in place:
                self._detects = place["turn_detection"] is not None
                mode: Any = "open" if self._detects else "off"
                await self._session.handle(commands.SetMicrophone(mode=mode))
        await self._send("session.updated", session=self._describe())

    async def _choose_voice(self, voice: str) -> None:
        from visavis.apps.server.api.openai_audio import choose_voices

        chosen = await asyncio.to_thread(choose_voices, self._house, voice)
        language: Language = "zh" if self._language == "auto" else self._language
        self._voice = voice
        named = voice if voice in chosen.values() else chosen[language]
        await self._session.handle(commands.Change.model_validate({"voice": named}))

    async def _choose_language(self, language: Any) -> None:
        from visavis.apps.server.api.openai_audio import read_language

        if not isinstance(language, str):
            raise EventUnusable("'language' must be a text, such as zh or en", "language")
        self._language = read_language(language)
        await self._session.handle(commands.Change.model_validate({"language": self._language}))

    async def _append(self, event: Mapping[str, Any]) -> None:
        samples = decode_sound(event.get("audio"))
        if self._detects:
            self._session.hear(Waveform(samples, RATE))
            return
        self._buffer.append(samples)
        if sum(map(len, self._buffer)) > LONGEST_QUESTION * RATE:
            self._buffer.clear()
            raise AudioTooLong(
                f"the question is longer than {LONGEST_QUESTION:.0f} s; commit it earlier"
            )

    async def _commit(self, event: Mapping[str, Any]) -> None:
        if self._detects:
            return  # the end of a turn is found by itself
        if not self._buffer:
            raise EventUnusable("there is no sound to commit; append some first")
        sound = np.concatenate(self._buffer)
        self._buffer.clear()
        item = await self._telling.add_user_item({"type": "input_audio", "transcript": None})
        await self._send(
            "input_audio_buffer.committed",
            previous_item_id=self._telling.last_item or None,
            item_id=item,
        )
        await self._hear(sound, item)

    async def _hear(self, sound: Floats, item: str) -> None:
        try:
            text = await self._transcribe(sound)
        except Error as error:
            await self._send(
                "conversation.item.input_audio_transcription.failed",
                item_id=item,
                content_index=0,
                error={"type": "transcription_error", "code": type(error).__name__,
                       "message": str(error)},
            )  # fmt: skip
            return
        self._pending.append(text)
        await self._telling.tell_transcript(item, text, len(sound) / RATE)

    async def _clear(self, event: Mapping[str, Any]) -> None:
        self._buffer.clear()
        await self._send("input_audio_buffer.cleared")

    async def _create_item(self, event: Mapping[str, Any]) -> None:
        item = event.get("item")
        if not isinstance(item, Mapping) or item.get("type") != "message":
            raise EventUnusable("only items of type 'message' are taken", "item.type")
        if item.get("role") != "user":
            raise EventUnusable("only the user's messages are taken", "item.role")
        parts = item.get("content")
        if not isinstance(parts, list) or not all(isinstance(part, Mapping) for part in parts):
            raise EventUnusable("'content' must be a list of parts", "item.content")
        for part in parts:
            if part.get("type") == "input_text" and isinstance(part.get("text"), str):
                await self._telling.add_user_item({"type": "input_text", "text": part["text"]})
                self._pending.append(part["text"])
            elif part.get("type") == "input_audio":
                made = await self._telling.add_user_item(
                    {"type": "input_audio", "transcript": None}
                )
                await self._hear(decode_sound(part.get("audio")), made)
            else:
                raise EventUnusable("a part is neither input_text nor input_audio", "item.content")

    async def _truncate(self, event: Mapping[str, Any]) -> None:
        began = self._telling.began.get(str(event.get("item_id")))
        heard = event.get("audio_end_ms")
        if began is None or isinstance(heard, bool) or not isinstance(heard, int | float):
            raise EventUnusable("there is no such item that was spoken", "item_id")
        at = began / self._session.fps + max(0.0, heard) / 1000
        await self._session.handle(commands.Playback(at=at))
        await self._send(
            "conversation.item.truncated",
            item_id=event.get("item_id"),
            content_index=0,
            audio_end_ms=int(heard),
        )

    async def _create_response(self, event: Mapping[str, Any]) -> None:
        for item in read_object(event, "response").get("input") or ():
            await self._create_item({"item": item})
        question = "\n".join(text for text in self._pending if text.strip())
        self._pending.clear()
        if not question:
            raise EventUnusable("there is nothing to answer; create an item or commit sound first")
        if len(question) > 100_000:
            raise EventUnusable("the question is too long; shorten it")
        await self._session.handle(commands.Ask(text=question))

    async def _cancel(self, event: Mapping[str, Any]) -> None:
        await self._session.handle(commands.Interrupt())

    # How it is done.

    async def _transcribe(self, sound: Floats) -> str:
        from visavis.media.resampling import resample

        async def source() -> AsyncIterator[Waveform]:
            yield resample(Waveform(sound, RATE), 16_000)

        worker = Worker("transcribing")
        try:
            async with self._house.desk:
                cast = self._house.cast
                recognizer = await worker.call(
                    lambda: cast.make_recognizer(self._language, respell=cast.respell)
                )
                heard = worker.iterate(lambda: recognizer.transcribe(source()))
                found: list[Transcript] = [t async for t in heard if t.is_final]
        finally:
            await worker.close()
        return join_texts(found)

    def _describe(self) -> dict[str, Any]:
        """Describe the session, with the ways to its picture."""
        found = self._session.snapshot()
        path = f"/api/v1/sessions/{self._session.id}"
        detection = {"type": "server_vad", "create_response": True, "interrupt_response": True}
        pcm = {"type": "audio/pcm", "rate": RATE}
        voices = found["voices"]
        return {
            "id": self._session.id,
            "object": "realtime.session",
            "type": "realtime",
            "model": self._model,
            "output_modalities": ["text" if self._telling.text_only else "audio"],
            "audio": {
                "input": {
                    "format": pcm,
                    "transcription": {"model": "whisper-1"},
                    "turn_detection": detection if self._detects else None,
                },
                "output": {"format": pcm, "voice": self._voice or next(iter(voices.values()))},
            },
            "visavis": {
                "session": self._session.id,
                "avatar": found["avatar"],
                "voices": voices,
                "width": found["width"],
                "height": found["height"],
                "links": {name: f"{path}/{name}" for name in ("events", "webrtc", "media", "whep")},
            },
        }
