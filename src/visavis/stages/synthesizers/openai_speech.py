"""Any server that speaks OpenAI's speech API as a voice."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any

from visavis.core.types import Sentence, Speech, Voice
from visavis.stages.services.calls import Call, Limits
from visavis.stages.synthesizers.service_stream import WHAT, check_sentence, speak_call
from visavis.stages.synthesizers.service_styles import choose_speed, describe_manner
from visavis.stages.synthesizers.service_voices import ServiceVoice, VoiceShelf

_UNINSTRUCTED = ("tts-1", "tts-1-hd")
"""OpenAI's models that take no instructions."""


class OpenaiSpeechSynthesizer:
    """OpenAI-compatible speech servers: OpenAI, visavis itself, Kokoro-FastAPI, vLLM and others.

    Keys of a voice beside those of every voice: ``voice`` (as the server names it), ``model``,
    ``format`` (``pcm``, raw at 24 kHz or at ``rate``, or ``wav``), ``instruct`` (how it always
    speaks), ``instructions`` (whether its model takes such words) and ``speed``.

    Args:
        path: Of the file of voices; VISAVIS_VOICES by default.
        limits: How long a server is waited for.

    Source: https://platform.openai.com/docs/api-reference/audio/createSpeech
    """

    def __init__(self, path: Path | None = None, limits: Limits | None = None) -> None:
        self._shelf = VoiceShelf("openai-speech", path)
        self._limits = limits or Limits()

    def version(self) -> str:
        """Name what the sound depends on; what the server runs is not known here."""
        return self._shelf.version()

    def voices(self) -> Sequence[Voice]:
        """List the voices of the file; none without one."""
        return self._shelf.voices()

    async def speak(self, sentence: Sentence, voice: str) -> AsyncGenerator[Speech, None]:
        """Yield the sentence's sound as it comes; closing the iterator hangs up.

        Raises:
            UnknownVoice: The file has no such voice.
            ConfigError: The voice's description or key is wrong.
            TextUnusable: Nothing in the text can be said.
            LanguageUnsupported: The voice does not speak its language.
            StageError: The server failed; retryable where asking again may help.
        """
        found = self._shelf.find(voice)
        check_sentence(sentence, found)
        wire = "wav" if found.options.get("format") == "wav" else "pcm"
        call = Call(WHAT, _path(found.url), json=_write_order(sentence, found, wire))
        address = found.find_address()
        spoken = speak_call(
            sentence, found, address, call, "wav" if wire == "wav" else "pcm", self._limits
        )
        async with aclosing(spoken) as speeches:
            async for speech in speeches:
                yield speech


def _path(url: str) -> str:
    """A bare host gets ``/v1`` too, as its owner surely means."""
    if url.endswith("/audio/speech"):
        return ""
    return "/audio/speech" if url.count("/") > 2 else "/v1/audio/speech"


def _write_order(sentence: Sentence, voice: ServiceVoice, wire: str) -> dict[str, Any]:
    model = voice.options.get("model", "tts-1")
    order: dict[str, Any] = {
        "model": model,
        "input": sentence.text,
        "voice": voice.options["voice"],
        "response_format": wire,
    }
    speed = choose_speed(sentence, voice.options.get("speed", 1.0))
    if speed != 1.0:
        order["speed"] = speed
    if voice.options.get("instructions", model not in _UNINSTRUCTED):
        manner = describe_manner(sentence, voice.options.get("instruct", ""))
        if manner:
            order["instructions"] = manner
    return order
