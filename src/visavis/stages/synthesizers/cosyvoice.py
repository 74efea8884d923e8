"""CosyVoice as a voice: its own speakers, or one made from a recording, told in words how to speak."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from pathlib import Path

from visavis.core.types import Sentence, Speech, Voice
from visavis.stages.services.calls import Call, Limits
from visavis.stages.synthesizers.service_stream import WHAT, check_sentence, speak_call
from visavis.stages.synthesizers.service_styles import describe_manner, is_felt
from visavis.stages.synthesizers.service_voices import ServiceVoice, VoiceShelf


class CosyvoiceSynthesizer:
    """CosyVoice servers (``runtime/python/fastapi``): speakers, recordings, and manners in words.

    A voice has either ``speaker`` (one of the model's own) or a reference recording. Further keys:
    ``instruct`` (how it always speaks), ``instructions`` (whether its model takes such words; true by
    default with a recording, as CosyVoice 2 and 3 do, and false with a speaker, as only
    CosyVoice-300M-Instruct does) and ``instruct_template`` (``{}`` stands for the words; CosyVoice 3
    wants ``You are a helpful assistant. {}<|endofprompt|>``). An emotion may have a recording of its
    own. ``rate`` is 22050 for CosyVoice 1, and 24000 after it. The server takes no pace: that of a
    sentence is left out.

    Args:
        path: Of the file of voices; VISAVIS_VOICES by default.
        limits: How long a server is waited for.

    Source: runtime/python/fastapi/server.py of FunAudioLLM/CosyVoice; raw int16 comes back.
    """

    def __init__(self, path: Path | None = None, limits: Limits | None = None) -> None:
        self._shelf = VoiceShelf("cosyvoice", path)
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
        call = await asyncio.to_thread(_write_call, sentence, found)
        spoken = speak_call(sentence, found, found.find_address(), call, "pcm", self._limits)
        async with aclosing(spoken) as speeches:
            async for speech in speeches:
                yield speech


def _write_call(sentence: Sentence, voice: ServiceVoice) -> Call:
    options = voice.options
    takes_words = options.get("instructions", "speaker" not in options)
    has_own = is_felt(sentence) and sentence.emotion in voice.emotions
    always = options.get("instruct", "")
    # A recording in that manner says it better than words.
    manner = always if has_own else describe_manner(sentence, always)
    words = options.get("instruct_template", "{}").replace("{}", manner) if manner else ""
    form = {"tts_text": sentence.text}
    if "speaker" in options:
        form["spk_id"] = options["speaker"]
        if not (takes_words and words):
            return Call(WHAT, "/inference_sft", form=form)
        return Call(WHAT, "/inference_instruct", form=form | {"instruct_text": words})
    reference = voice.style_reference(sentence.emotion if has_own else "neutral")
    assert reference is not None, "the file of voices was checked"
    # The server gets the very bytes that the consent is for.
    files = {"prompt_wav": (reference.audio.name, reference.read(), "application/octet-stream")}
    if takes_words and words:
        form["instruct_text"] = words
        return Call(WHAT, "/inference_instruct2", form=form, files=files)
    if reference.text:
        form["prompt_text"] = reference.text
        return Call(WHAT, "/inference_zero_shot", form=form, files=files)
    return Call(WHAT, "/inference_cross_lingual", form=form, files=files)
