"""Speaks a text into a sound file, sentence by sentence, so that memory does not grow with it."""

from __future__ import annotations

import wave
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from visavis.core.errors import LanguageUnsupported, TextUnusable

if TYPE_CHECKING:
    from visavis.apps.assemble import VoiceRouter
    from visavis.core.types import Emotion, Language, Word
    from visavis.media.subtitles import Cue


async def speak_to_file(
    router: VoiceRouter,
    text: str,
    output: Path,
    *,
    voice: str,
    language: Language,
    emotion: Emotion = "neutral",
    intensity: float = 0.5,
    subtitles: bool = False,
    progress: Callable[[float], None] = lambda seconds: None,
) -> dict[str, Any]:
    """Write a 16-bit WAV file, and with ``subtitles`` an .srt file beside it.

    Sentences with nothing to say are passed over. Files appear when they are complete.

    Returns:
        What was written, as plain JSON values.

    Raises:
        TextUnusable: Nothing in the text can be said.
        LanguageUnsupported: It is in another script, or the voice does not speak its language.
        OutputUnwritable: The files cannot be written.
    """
    from visavis.core.language import detect_language
    from visavis.core.types import Sentence
    from visavis.media.files import finish_or_discard
    from visavis.media.subtitles import make_cues, words_from_marks, write_srt
    from visavis.pipeline.sentences import split_sentences

    known = router.find(voice)
    rate = known.sample_rate
    cues: list[Cue] = []
    samples = said = 0
    refused: TextUnusable | None = None
    with finish_or_discard(output) as part, part.open("wb") as file, wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(rate)
        for index, written in enumerate(split_sentences(text)):
            spoken_in = detect_language(written, language)
            if spoken_in not in known.languages:
                raise LanguageUnsupported(
                    f"the voice {voice!r} does not speak the language of {_shorten(written)!r};"
                    " choose another with --voice (see `visavis voices`)"
                )
            sentence = Sentence(0, index, written, spoken_in, emotion, intensity)
            start = samples / rate
            words: list[Word] = []
            try:
                async for speech in router.speak(sentence, voice):
                    pcm = np.clip(np.rint(speech.audio.samples * 32767), -32768, 32767)
                    sound.writeframesraw(pcm.astype("<i2").tobytes())
                    samples += len(pcm)
                    words += words_from_marks(speech.marks, rate, start)
                    progress(samples / rate)
            except TextUnusable as error:
                refused = error
                continue
            said += 1
            if subtitles:
                cues += make_cues(written, start, samples / rate, words)
        if not said:
            raise refused or TextUnusable("there is nothing in the text that a voice could say")
    files = [str(output)]
    if subtitles:
        write_srt(output.with_suffix(".srt"), cues)
        files.append(str(output.with_suffix(".srt")))
    return {
        "files": files,
        "voice": voice,
        "language": language,
        "sentences": said,
        "seconds": round(samples / rate, 3),
        "sample_rate": rate,
    }


def _shorten(text: str) -> str:
    return text if len(text) <= 24 else text[:23] + "…"
