"""GPT-SoVITS as a voice: made from a recording of ten seconds, or tuned on a minute."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any

from visavis.core.language import is_han
from visavis.core.types import Sentence, Speech, Voice
from visavis.stages.services.addresses import Address
from visavis.stages.services.calls import Call, Limits, Watch, open_call, with_retries
from visavis.stages.synthesizers.model_turns import Models, use_models
from visavis.stages.synthesizers.service_stream import WHAT, check_sentence, speak_call
from visavis.stages.synthesizers.service_styles import choose_speed, is_felt
from visavis.stages.synthesizers.service_voices import Reference, ServiceVoice, VoiceShelf

_SWITCH_S = 60.0
"""Seconds that loading weights may take."""


class GptSovitsSynthesizer:
    """GPT-SoVITS servers (``api_v2.py``): fine-tuned voices, or a reference recording of ten seconds.

    Each emotion may have a recording of its own; where it has none, the pace changes a little. Keys of
    a voice beside those of every voice: ``gpt_weights`` and ``sovits_weights`` (paths on the server:
    it holds one pair at a time, and sentences that need another one wait for their turn), ``format``
    (``wav`` or ``raw``), ``streaming_mode`` (``"1"`` by default, whole sentences of a long text;
    ``"2"`` and ``"3"`` are faster and sound worse), ``speed``, ``seed`` and ``split``.

    Args:
        path: Of the file of voices; VISAVIS_VOICES by default.
        limits: How long a server is waited for.

    Source: api_v2.py of RVC-Boss/GPT-SoVITS.
    """

    def __init__(self, path: Path | None = None, limits: Limits | None = None) -> None:
        self._shelf = VoiceShelf("gpt-sovits", path)
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
        reference = found.style_reference(sentence.emotion if is_felt(sentence) else "neutral")
        assert reference is not None, "the file of voices was checked"
        await asyncio.to_thread(reference.read)
        address = found.find_address()
        models = Models(
            found.options.get("gpt_weights", ""), found.options.get("sovits_weights", "")
        )
        wire = found.options.get("format", "wav")
        call = Call(WHAT, "/tts", json=_write_order(sentence, found, reference, wire))

        async def load(wanted: Models) -> None:
            await self._load(address, wanted)

        async with use_models(address.url, models, load, self._limits.first_s + _SWITCH_S):
            spoken = speak_call(
                sentence, found, address, call, "pcm" if wire == "raw" else "wav", self._limits
            )
            async with aclosing(spoken) as speeches:
                async for speech in speeches:
                    yield speech

    async def _load(self, address: Address, models: Models) -> None:
        """Have the server load weights, which it answers when it has done so."""
        limits = Limits(
            connect_s=self._limits.connect_s,
            first_s=_SWITCH_S,
            retries=self._limits.retries,
            backoff_s=self._limits.backoff_s,
        )
        for path, weights in (
            ("/set_gpt_weights", models.gpt),
            ("/set_sovits_weights", models.sovits),
        ):
            if not weights:
                continue
            call = Call(WHAT, path, "GET", query={"weights_path": weights})

            async def attempt(call: Call = call) -> AsyncGenerator[bytes, None]:
                watch = Watch(limits)
                async with open_call(address, call, limits, watch) as reply:
                    yield await reply.read(65_536)

            async with aclosing(with_retries(attempt, limits)) as answers:
                async for _ in answers:
                    pass


def _write_order(
    sentence: Sentence, voice: ServiceVoice, reference: Reference, wire: str
) -> dict[str, Any]:
    has_own = sentence.emotion in voice.emotions and is_felt(sentence)
    base = float(voice.options.get("speed", 1.0))
    order: dict[str, Any] = {
        "text": sentence.text,
        "text_lang": _name_language(sentence),
        "ref_audio_path": reference.server_audio,
        "prompt_text": reference.text,
        "prompt_lang": reference.language,
        "media_type": wire,
        "streaming_mode": int(voice.options.get("streaming_mode", "1")),
        # The recording of an emotion has its pace already.
        "speed_factor": base if has_own else choose_speed(sentence, base, 0.5, 2.0),
        "text_split_method": voice.options.get("split", "cut5"),
    }
    if "seed" in voice.options:
        order["seed"] = int(voice.options["seed"])
    return order


def _name_language(sentence: Sentence) -> str:
    """The server's ``en`` reads no Chinese; its ``zh`` reads both."""
    return "zh" if sentence.language == "zh" or any(map(is_han, sentence.text)) else "en"
