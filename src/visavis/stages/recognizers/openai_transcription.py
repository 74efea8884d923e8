"""Speech to text by any server that speaks OpenAI's transcription API."""

from __future__ import annotations

import io
import json
import wave
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any, Literal

import numpy as np

from visavis.core.errors import StageError
from visavis.core.language import detect_language
from visavis.core.types import Floats, Language, Respell, Transcript, Waveform
from visavis.models.silero.predictor import SAMPLE_RATE
from visavis.stages.recognizers.rich_text import FeltTranscript, read_tags
from visavis.stages.recognizers.service_settings import find_model, find_recognizer
from visavis.stages.recognizers.turns import Listener, Turn
from visavis.stages.services.addresses import Address
from visavis.stages.services.calls import Call, Limits, Reply, Watch, open_call, with_retries
from visavis.stages.services.failures import CallFailure, garbled, read_message, tell

WHAT = "the transcription server"

_EXAMPLE = "http://localhost:8000/v1"
_DEFAULT_MODEL = "whisper-1"
_PAUSE = 0.8
_LONGEST = 28.0
_LONGEST_HINT = 2_000
_LARGEST = 2**20
"""Bytes of an answer."""


class OpenaiTranscriptionRecognizer:
    """OpenAI-compatible transcription servers: OpenAI, visavis itself, speaches, vLLM and others.

    Speech is cut into turns here, and each is sent as a WAV file when it ends; memory stays constant
    however long the sound is. A server that streams gives partial texts of the turn.

    Args:
        language: What is spoken; ``auto`` leaves it to the server.
        hint: Words that are likely to occur, sent as the prompt.
        respell: Changes final transcripts before they are given out, or None.
        url: Up to ``/v1``; VISAVIS_RECOGNIZER_URL by default.
        model: VISAVIS_RECOGNIZER_MODEL by default, else ``whisper-1``.
        key: VISAVIS_RECOGNIZER_KEY by default, else what VISAVIS_RECOGNIZER_KEY_FILE holds.
        limits: How long the server is waited for.

    Source: https://platform.openai.com/docs/api-reference/audio/createTranscription
    """

    def __init__(
        self,
        language: Language | Literal["auto"] = "auto",
        *,
        hint: str = "",
        respell: Respell | None = None,
        url: str | None = None,
        model: str | None = None,
        key: str | None = None,
        limits: Limits | None = None,
    ) -> None:
        """Find the server; it is not asked anything yet.

        Raises:
            ConfigError: No server is set, or address or key cannot be used.
        """
        self._address = find_recognizer(url, key, _EXAMPLE, ("http", "https"))
        self._model = find_model(model, _DEFAULT_MODEL)
        self._language = language
        self._hint = " ".join(hint.split())[:_LONGEST_HINT]
        self._respell = respell
        self._limits = limits or Limits(first_s=30.0)
        self._streams = True

    async def transcribe(self, audio: AsyncIterator[Waveform]) -> AsyncGenerator[Transcript, None]:
        """Yield transcripts of each turn of speech, the last of which is final.

        Raises:
            AudioSilent: No speech was in it.
            AudioTooShort: Less than a tenth of a second came.
            ConfigError: The server refuses the key, or does not know path or model.
            StageError: The server failed; retryable where asking again may help.
        """
        listener = Listener(pause=_PAUSE, longest=_LONGEST)
        heard = False
        async with aclosing(_cut_turns(listener, audio)) as turns:
            async for turn in turns:
                async with aclosing(self._recognize(listener, turn)) as transcripts:
                    async for transcript in transcripts:
                        heard = heard or transcript.is_final
                        yield transcript
        if not heard:
            listener.refuse()

    async def _recognize(self, listener: Listener, turn: Turn) -> AsyncGenerator[Transcript, None]:
        """Yield partial texts and the final one of a turn; nothing where there are no words in it."""
        begin = listener.seconds(turn.start)
        end = begin + len(turn.samples) / SAMPLE_RATE
        sound = _write_wav(turn.samples)

        def attempt() -> AsyncGenerator[tuple[str, str, bool], None]:
            return self._ask(sound)

        async with aclosing(with_retries(attempt, self._limits)) as texts:
            async for raw, told, is_final in texts:
                text, language, emotion = read_tags(raw)
                if not any(c.isalnum() for c in text):
                    continue
                known = language or _read_language(told) or self._guess(text)
                transcript = Transcript(text, is_final, begin, end, known)
                if emotion is not None:
                    transcript = FeltTranscript(text, is_final, begin, end, known, (), emotion)
                yield self._respell(transcript) if self._respell and is_final else transcript

    async def _ask(self, sound: bytes) -> AsyncGenerator[tuple[str, str, bool], None]:
        """Yield text so far, language as the server names it, and whether it is all of it."""
        watch = Watch(self._limits)
        form = {"model": self._model, "response_format": "json"}
        if self._streams:
            form["stream"] = "true"
        if self._language != "auto":
            form["language"] = self._language
        if self._hint:
            form["prompt"] = self._hint
        files = {"file": ("turn.wav", sound, "audio/wav")}
        call = Call(WHAT, _path(self._address.url), form=form, files=files)
        try:
            async with open_call(self._address, call, self._limits, watch) as reply:
                if reply.kind == "text/event-stream":
                    async with aclosing(_read_events(reply, self._address, watch)) as texts:
                        async for text, is_final in texts:
                            yield text, "", is_final
                    return
                body = await reply.read(_LARGEST)
        except CallFailure as failure:
            if self._streams and failure.status in (400, 422):
                # Some servers take no field that they do not know.
                self._streams = False
                raise CallFailure(failure.error, again=True, after=0.0) from None
            raise
        yield (*_read_body(reply, body, self._address), True)

    def _guess(self, text: str) -> Language:
        return detect_language(text) if self._language == "auto" else self._language


async def _cut_turns(
    listener: Listener, audio: AsyncIterator[Waveform]
) -> AsyncGenerator[Turn, None]:
    async for sound in audio:
        for turn in listener.hear(sound):
            yield turn
    for turn in listener.finish():
        yield turn


async def _read_events(
    reply: Reply, address: Address, watch: Watch
) -> AsyncGenerator[tuple[str, bool], None]:
    """Read server-sent events: OpenAI's, and the chunks that vLLM sends instead."""
    text, waiting, size = "", b"", 0
    is_over = False
    async with aclosing(reply.chunks()) as chunks:
        async for data in chunks:
            size += len(data)
            if size > _LARGEST:
                raise garbled(WHAT, address, "text without end")
            *lines, waiting = (waiting + data).split(b"\n")
            for line in lines:
                if not line.startswith(b"data:"):
                    continue
                content = line[5:].strip()
                if content == b"[DONE]":
                    is_over = True
                    break
                added, whole = _read_event(content, address)
                if whole is not None:
                    yield whole, True
                    return
                if added:
                    watch.extend()
                    text += added
                    yield text, False
            if is_over:
                break
    if not is_over:
        error = StageError(
            f"{WHAT} {address.server} broke off within a text; try again", retryable=True
        )
        raise CallFailure(error, again=True)
    yield text, True


def _read_event(content: bytes, address: Address) -> tuple[str, str | None]:
    """Return what an event adds, and the whole text where it is the last one."""
    try:
        event: Any = json.loads(content)
        kind = event.get("type", "")
        if kind == "error" or event.get("error"):
            told = tell(read_message(content), address)
            raise CallFailure(StageError(f"{WHAT} {address.server} failed: {told}"))
        if kind == "transcript.text.delta":
            return str(event["delta"]), None
        if kind == "transcript.text.done":
            return "", str(event["text"])
        if event.get("choices"):
            return str(event["choices"][0].get("delta", {}).get("content") or ""), None
    except (ValueError, AttributeError, KeyError, TypeError, IndexError):
        raise garbled(WHAT, address, "an event is not as it should be") from None
    return "", None


def _read_body(reply: Reply, body: bytes, address: Address) -> tuple[str, str]:
    """Read an answer that came at once: its text, and the language where it tells one."""
    if reply.kind == "text/html":
        raise garbled(WHAT, address, "it is a web page")
    try:
        found: Any = json.loads(body)
    except ValueError:
        if reply.kind != "text/plain":
            raise garbled(WHAT, address, "it is not JSON") from None
        return body.decode("utf-8", "replace"), ""
    if isinstance(found, dict) and isinstance(found.get("text"), str):
        return found["text"], str(found.get("language") or "")
    if isinstance(found, dict) and found.get("error"):
        told = tell(read_message(body), address)
        raise CallFailure(StageError(f"{WHAT} {address.server} failed: {told}"))
    raise garbled(WHAT, address, "there is no text in it")


def _read_language(told: str) -> Language | None:
    plain = told.strip().lower().partition("-")[0]
    if plain in ("zh", "chinese", "mandarin"):
        return "zh"
    return "en" if plain in ("en", "english") else None


def _path(url: str) -> str:
    if url.endswith("/audio/transcriptions"):
        return ""
    return "/audio/transcriptions" if url.count("/") > 2 else "/v1/audio/transcriptions"


def _write_wav(samples: Floats) -> bytes:
    """Write 16 kHz int16 WAV."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(SAMPLE_RATE)
        out.writeframes(np.rint(np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
    return buffer.getvalue()
