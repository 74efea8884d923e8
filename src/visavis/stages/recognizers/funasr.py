"""Speech to text by a FunASR server: Paraformer, SenseVoice, over its WebSocket protocol."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any, Literal, TypeAlias, get_args

from visavis.core.errors import ConfigError
from visavis.core.language import detect_language
from visavis.core.types import Language, Respell, Transcript, Waveform, replace
from visavis.stages.recognizers.funasr_results import ResultReader
from visavis.stages.recognizers.funasr_talk import (
    RATE,
    FunasrLimits,
    Source,
    Talk,
    connect_server,
)
from visavis.stages.recognizers.service_settings import find_recognizer

Mode: TypeAlias = Literal["2pass", "online", "offline"]

MODE = "VISAVIS_RECOGNIZER_MODE"

_EXAMPLE = "ws://localhost:10095"


class FunasrRecognizer:
    """FunASR servers: partial results while somebody speaks, then a corrected text for each stretch.

    Transcripts of SenseVoice carry the emotion that it heard (``FeltTranscript``).

    Args:
        language: What is spoken. The server's model decides by itself; this is what texts are taken
            for that do not say it.
        hint: Words that are likely to occur, separated by blanks or punctuation.
        respell: Changes final transcripts before they are given out, or None.
        url: Of the server, ``ws://`` or ``wss://``; VISAVIS_RECOGNIZER_URL by default.
        mode: ``2pass`` corrects partial results, ``online`` gives only those, ``offline`` only final
            ones; VISAVIS_RECOGNIZER_MODE by default, else ``2pass``.
        limits: How long the server is waited for.

    Source: runtime/docs/websocket_protocol.md of modelscope/FunASR.
    """

    def __init__(
        self,
        language: Language | Literal["auto"] = "auto",
        *,
        hint: str = "",
        respell: Respell | None = None,
        url: str | None = None,
        mode: Mode | None = None,
        limits: FunasrLimits | None = None,
    ) -> None:
        """Find the server; it is not asked anything yet.

        Raises:
            ConfigError: No server is set, or the address or mode is none.
        """
        self._address = find_recognizer(url, None, _EXAMPLE, ("ws", "wss"))
        chosen = mode or os.environ.get(MODE, "").strip() or "2pass"
        if chosen not in get_args(Mode):
            raise ConfigError(f"{MODE} is {chosen!r}; it is {', '.join(get_args(Mode))}")
        self._mode = chosen
        self._language = language
        self._hint = hint
        self._respell = respell
        self._limits = limits or FunasrLimits()

    async def transcribe(self, audio: AsyncIterator[Waveform]) -> AsyncGenerator[Transcript, None]:
        """Yield partial and final transcripts; closing the iterator hangs up.

        Raises:
            AudioSilent: No speech was in it.
            AudioTooShort: Less than a tenth of a second came.
            ConfigError: The server refuses the key or the path.
            StageError: The server failed; retryable where asking again may help.
        """
        source = Source(audio)
        first = await source.first()
        reader = ResultReader(self._mode == "online")
        heard = False
        connection = await connect_server(self._address, self._limits)
        try:
            await connection.send(json.dumps(self._start(), ensure_ascii=False))
            talk = Talk(connection, source, self._address, self._limits)
            sending = asyncio.create_task(talk.send(first))
            try:
                async with aclosing(talk.messages(sending, reader)) as messages:
                    async for message in messages:
                        for transcript in reader.read(message, source.seconds):
                            heard = heard or transcript.is_final
                            yield self._finish(transcript, source.origin)
                for transcript in reader.close(source.seconds):
                    heard = True
                    yield self._finish(transcript, source.origin)
            finally:
                sending.cancel()
                await asyncio.gather(sending, return_exceptions=True)
        finally:
            # The closing handshake waits for the server, which an interruption must not.
            connection.transport.abort()
        if not heard:
            source.refuse()

    def _start(self) -> dict[str, Any]:
        words = [w for w in _split_hint(self._hint) if w]
        start: dict[str, Any] = {
            "mode": self._mode,
            "wav_name": "microphone",
            "wav_format": "pcm",
            "audio_fs": RATE,
            "is_speaking": True,
            "chunk_size": [5, 10, 5],
            "chunk_interval": 10,
            "encoder_chunk_look_back": 4,
            "decoder_chunk_look_back": 0,
            "itn": True,
        }
        if words:
            start["hotwords"] = json.dumps(dict.fromkeys(words, 20), ensure_ascii=False)
        if self._language != "auto":
            start["svs_lang"] = self._language
        return start

    def _finish(self, heard: Transcript, origin: float) -> Transcript:
        told: Language = "zh" if self._language == "auto" else self._language
        language = heard.language or detect_language(heard.text, told)
        placed = replace(
            heard, language=language, start=origin + heard.start, end=origin + heard.end
        )
        return self._respell(placed) if self._respell is not None and placed.is_final else placed


def _split_hint(hint: str) -> list[str]:
    plain = "".join(" " if c in ",，、。;；\n\t" else c for c in hint)
    return [word[:50] for word in plain.split()][:200]
