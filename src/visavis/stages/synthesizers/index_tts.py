"""IndexTTS as a voice: made from a recording, with an emotion as numbers or as a second recording."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any

from visavis.core.types import Sentence, Speech, Voice
from visavis.stages.services.calls import Call, Limits
from visavis.stages.synthesizers.service_stream import WHAT, check_sentence, speak_call
from visavis.stages.synthesizers.service_styles import index_vector, is_felt
from visavis.stages.synthesizers.service_voices import ServiceVoice, VoiceShelf

_STRENGTH = 0.7


class IndexTtsSynthesizer:
    """IndexTTS servers (index-tts-vllm): a voice from a recording, emotions as numbers or recordings.

    Keys of a voice beside those of every voice: ``api`` (``"v2"`` for IndexTTS 2, the default, or
    ``"v1"``, which knows no emotions), ``stream`` (whether the server has ``/tts_stream``, as some
    forks do; without it a whole sentence is waited for) and ``emotion_strength`` (0..1). ``rate`` is
    24000 for IndexTTS 1 and 22050 for 2. The server takes no pace: that of a sentence is left out.

    Args:
        path: Of the file of voices; VISAVIS_VOICES by default.
        limits: How long a server is waited for.

    Source: api_server.py and api_server_v2.py of Ksuriuri/index-tts-vllm; IndexTTS itself has no
    server.
    """

    def __init__(self, path: Path | None = None, limits: Limits | None = None) -> None:
        self._shelf = VoiceShelf("index-tts", path)
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
            ConfigError: The voice's description or key is wrong, or its speaker's consent is missing.
            TextUnusable: Nothing in the text can be said.
            LanguageUnsupported: The voice does not speak its language.
            StageError: The server failed; retryable where asking again may help.
        """
        found = self._shelf.find(voice)
        check_sentence(sentence, found)
        order = await asyncio.to_thread(_write_order, sentence, found)
        path = "/tts_stream" if found.options.get("stream") else "/tts_url"
        call = Call(WHAT, path, json=order)
        spoken = speak_call(sentence, found, found.find_address(), call, "wav", self._limits)
        async with aclosing(spoken) as speeches:
            async for speech in speeches:
                yield speech


def _write_order(sentence: Sentence, voice: ServiceVoice) -> dict[str, Any]:
    reference = voice.reference
    assert reference is not None, "the file of voices was checked"
    reference.read()
    order: dict[str, Any] = {"text": sentence.text}
    if voice.options.get("api") == "v1":
        return order | {"audio_paths": [reference.server_audio]}
    order["spk_audio_path"] = reference.server_audio
    if voice.options.get("stream"):
        order["format"] = "wav"
    strength = voice.options.get("emotion_strength", _STRENGTH)
    if not is_felt(sentence):
        return order | {"emo_control_method": 0}
    if own := voice.emotions.get(sentence.emotion):
        own.read()
        weight = round(min(max(sentence.intensity, 0.0), 1.0), 3)
        return order | {
            "emo_control_method": 1,
            "emo_ref_path": own.server_audio,
            "emo_weight": weight,
        }
    return order | {"emo_control_method": 2, "emo_vec": index_vector(sentence, strength)}
