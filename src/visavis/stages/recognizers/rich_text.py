"""What SenseVoice writes around its text: language, emotion, events, as tags and pictures.

Source: FunAudioLLM/SenseVoice, ``<|zh|><|HAPPY|><|Speech|><|withitn|>`` before each stretch; its own
postprocessing writes 😊 and 🎼 instead.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from visavis.core.language import is_han
from visavis.core.types import Emotion, Language, Transcript

_TAG = re.compile(r"<\s*\|([^|<>]{1,40})\|\s*>")
_LANGUAGES: dict[str, Language] = {"zh": "zh", "yue": "zh", "en": "en"}
_EMOTIONS: dict[str, Emotion] = {
    "happy": "happy",
    "sad": "sad",
    "angry": "angry",
    "neutral": "neutral",
    "fearful": "fear",
    "disgusted": "disgusted",
    "surprised": "surprised",
    "😊": "happy",
    "😔": "sad",
    "😡": "angry",
    "😰": "fear",
    "🤢": "disgusted",
    "😮": "surprised",
}
_EVENTS = "🎼👏😀😭🤧😷❓"
_PICTURES = re.compile(f"[{''.join(k for k in _EMOTIONS if len(k) == 1)}{_EVENTS}]")
_GAP = re.compile(r"(?<=\S)\s+(?=\S)")


@dataclass(frozen=True, slots=True)
class FeltTranscript(Transcript):
    """A transcript that also says how it was spoken.

    Attributes:
        emotion: Heard in the voice; None where the recogniser does not know.
    """

    emotion: Emotion | None = None


def read_tags(text: str) -> tuple[str, Language | None, Emotion | None]:
    """Take tags out of a text.

    Returns:
        The plain text, and language and emotion where tags tell them: the last emotion that is not
        neutral, as SenseVoice tags each stretch of a turn.
    """
    language: Language | None = None
    emotion: Emotion | None = None
    for name in _TAG.findall(text) + _PICTURES.findall(text):
        plain = name.strip().lower()
        language = language or _LANGUAGES.get(plain)
        felt = _EMOTIONS.get(plain)
        if felt is not None and (emotion is None or felt != "neutral"):
            emotion = felt
    return tidy(_PICTURES.sub(" ", _TAG.sub(" ", text))), language, emotion


def tidy(text: str) -> str:
    """Take the blanks out that recognisers put between Chinese characters."""

    def choose(gap: re.Match[str]) -> str:
        before, after = gap.string[gap.start() - 1], gap.string[gap.end()]
        wide = "，。？！、；：“”（）"
        joins = (is_han(before) or before in wide) and (is_han(after) or after in wide)
        return "" if joins or after in wide or before in wide else " "

    return _GAP.sub(choose, text.strip())
