"""Speech to text by Whisper (base, CTranslate2): punctuated, for whole recordings."""

from __future__ import annotations

import logging
import re
from collections.abc import AsyncIterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np

from visavis.core.language import is_han
from visavis.core.types import Floats, Language, Respell, Transcript, Waveform, Word
from visavis.models.assets import locate
from visavis.models.common.simplified import to_simplified
from visavis.models.runtime import default_threads
from visavis.models.silero.predictor import SAMPLE_RATE
from visavis.stages.recognizers.turns import Listener, Turn
from visavis.stages.recognizers.whisper_turn import recognize_turn

log = logging.getLogger(__name__)

CHINESE_PROMPT = "以下是普通话的句子。"
"""Makes Whisper write Mandarin with punctuation, mostly in simplified characters."""

_PAUSE = 0.8
_LONGEST = 28.0
"""Whisper hears 30 seconds at a time."""
_TAIL = 0.7
"""Seconds at the end of a turn that hold no word of their own."""
_UNSURE = -1.0
"""Mean log probability of a token below which a text is doubted (Radford et al. 2022, 4.5)."""
_NO_SPEECH = 0.4
_REPETITIVE = 2.4
"""Compression ratio above which a text is taken for a loop (same source)."""
_FASTEST = {"zh": 12.0, "en": 30.0}
"""Characters a second that nobody speaks."""
_GRACE = 6
"""Characters that the limit above is not applied to: a very short turn has rough times."""
_FULL_WIDTH = {",": "，", "?": "？", "!": "！", ";": "；", ":": "：", ".": "。"}


class WhisperRecognizer:
    """Whisper base: Chinese and English recordings, with punctuation and word times.

    Each turn of speech gives one final transcript when it ends; there are no partial ones. Memory
    stays constant however long the sound is. The same sound gives the same text.

    Args:
        language: What is spoken; ``auto`` decides between Chinese and English for each turn.
        hint: Words that are likely to occur, such as names and terms, in the language spoken. It
            settles homophones, which Whisper base often gets wrong in Chinese.
        respell: Changes what was heard before it is given out, or None.
        threads: For one inference.
    """

    def __init__(
        self,
        language: Language | Literal["auto"] = "auto",
        *,
        hint: str = "",
        respell: Respell | None = None,
        threads: int | None = None,
    ) -> None:
        self._language = language
        self._hint = hint.strip()
        self._respell = respell or _as_heard
        self._threads = threads or default_threads()

    async def transcribe(self, audio: AsyncIterator[Waveform]) -> AsyncIterator[Transcript]:
        """Yield a final transcript for each turn of speech.

        Raises:
            AudioSilent: No speech was in it.
            AudioTooShort: Less than a tenth of a second came.
            MissingWeights: The models are not on this machine.
        """
        model = _load(locate("whisper-base"), self._threads)
        listener = Listener(pause=_PAUSE, longest=_LONGEST)
        heard = False
        async for sound in audio:
            for turn in listener.hear(sound):
                transcript = self._recognize(model, listener, turn)
                if transcript is not None:
                    heard = True
                    yield transcript
        for turn in listener.finish():
            transcript = self._recognize(model, listener, turn)
            if transcript is not None:
                heard = True
                yield transcript
        if not heard:
            listener.refuse()

    def understand(self, turn: Waveform) -> Transcript | None:
        """Understand one turn of speech that was cut out already, in a fraction of the time.

        Args:
            turn: Up to 28 seconds at 16 kHz.

        Returns:
            Its text without word times, or None where no words are in it.

        Raises:
            MissingWeights: The model is not on this machine.
        """
        model = _load(locate("whisper-base"), self._threads)
        prompts: dict[Language, str] = {"zh": f"{CHINESE_PROMPT}{self._hint}", "en": self._hint}
        raw, language, log_probability, no_speech = recognize_turn(
            model, turn.samples, self._language, prompts
        )
        text = tidy_text(raw, language)
        unsure = log_probability < _UNSURE and no_speech > _NO_SPEECH
        if unsure or not _content(text) or _content(text) == _content(CHINESE_PROMPT):
            return None
        begin = turn.offset / turn.sample_rate
        return self._respell(Transcript(text, True, begin, begin + turn.duration, language))

    def _recognize(self, model: Any, listener: Listener, turn: Turn) -> Transcript | None:
        language = self._language if self._language != "auto" else _language_of(model, turn.samples)
        prompt = CHINESE_PROMPT if language == "zh" else ""
        if self._hint:
            prompt = f"{prompt}{self._hint}" if language == "zh" else self._hint
        segments = self._decode(model, turn.samples, language, prompt)
        if any(s.compression_ratio > _REPETITIVE for s in segments):
            segments = self._decode(model, turn.samples, language, prompt, no_repeat_ngram_size=4)
        kept = [s for s in segments if not _is_made_up(s, language)]
        begin = listener.seconds(turn.start)
        last = begin + len(turn.samples) / SAMPLE_RATE
        words = tuple(
            Word(text, min(begin + float(w.start), last), min(begin + float(w.end), last))
            for s in kept
            for w in s.words or ()
            if (text := tidy_text(w.word, language))
        )
        text = tidy_text("".join(s.text for s in kept), language)
        if not text or _content(text) == _content(CHINESE_PROMPT):
            return None
        heard = Transcript(
            text,
            is_final=True,
            start=words[0].start if words else begin,
            end=words[-1].end if words else last,
            language=language,
            words=words,
        )
        return self._respell(heard)

    @staticmethod
    def _decode(
        model: Any, samples: Floats, language: Language, prompt: str, **options: Any
    ) -> Sequence[Any]:
        segments, _ = model.transcribe(
            samples,
            language=language,
            initial_prompt=prompt or None,
            word_timestamps=True,
            # What was misheard before must not colour what comes after; and without the random
            # fall-backs of higher temperatures the same sound gives the same text.
            condition_on_previous_text=False,
            temperature=0.0,
            beam_size=5,
            **options,
        )
        kept = []
        for segment in segments:
            kept.append(segment)
            # Segments are made as they are asked for. A turn fits one window; what Whisper would
            # make of the last breath in another one is invented, and takes five times as long.
            if segment.end >= len(samples) / SAMPLE_RATE - _TAIL:
                break
        return kept


def _as_heard(heard: Transcript) -> Transcript:
    return heard


def tidy_text(text: str, language: Language) -> str:
    """Write Chinese in simplified characters with full-width punctuation; strip blanks."""
    text = text.strip()
    if language != "zh":
        return text
    text = to_simplified(text, "zh-cn")
    return re.sub(r"(?<=[^\x00-\x7f])([,?!;:.])\s*(?!\d)", lambda m: _FULL_WIDTH[m.group(1)], text)


def _language_of(model: Any, samples: Floats) -> Language:
    """Decide between the two languages that are spoken here, whatever else Whisper thinks of."""
    _, _, scores = model.detect_language(samples)
    by_name = dict(scores)
    chinese = by_name.get("zh", 0.0) + by_name.get("yue", 0.0)
    return "zh" if chinese >= by_name.get("en", 0.0) else "en"


def _is_made_up(segment: Any, language: Language) -> bool:
    """Whether a segment is what Whisper writes when it hears no words."""
    if segment.avg_logprob < _UNSURE and segment.no_speech_prob > _NO_SPEECH:
        reason = "unsure"
    elif segment.compression_ratio > _REPETITIVE:
        reason = "a loop"
    elif len(segment.text.strip()) > (segment.end - segment.start) * _FASTEST[language] + _GRACE:
        reason = "faster than anybody speaks"
    else:
        return False
    log.info("dropped %r: %s", segment.text, reason)
    return True


def _content(text: str) -> str:
    return "".join(c for c in text if c.isalnum() or is_han(c))


@lru_cache(maxsize=2)
def _load(folder: Path, threads: int) -> Any:
    from faster_whisper import WhisperModel

    class _Whisper(WhisperModel):  # type: ignore[misc]  # the package is untyped
        """Encodes a turn once for finding its language and for its text."""

        _last: tuple[Any, Any] | None = None

        def encode(self, features: Any) -> Any:
            # Finding the language and decoding ask for the same 30 seconds one after the other, and
            # encoding is half of the work.
            last = self._last
            if (
                last is not None
                and last[0].shape == features.shape
                and np.array_equal(last[0], features)
            ):
                return last[1]
            encoded = super().encode(features)
            self._last = (features, encoded)
            return encoded

    model = _Whisper(
        str(folder),
        device="cpu",
        compute_type="int8",
        cpu_threads=threads,
        local_files_only=True,
    )
    log.info("Whisper base runs on CTranslate2 (CPU, int8, threads=%d)", threads)
    return model
