"""What an emotion asks of a voice that takes words, numbers or speeds for it."""

from __future__ import annotations

from visavis.core.types import Emotion, Language, Sentence
from visavis.stages.synthesizers.delivery import manner_of_sentence

_FAINT = 0.15
"""Intensity below which an emotion is not asked for: servers overdo it rather than not."""

_WORDS: dict[Language, dict[Emotion, str]] = {
    "en": {
        "angry": "angry",
        "contempt": "disdainful",
        "disgusted": "disgusted",
        "fear": "frightened",
        "happy": "happy",
        "sad": "sad",
        "surprised": "surprised",
    },
    "zh": {
        "angry": "生气",
        "contempt": "轻蔑",
        "disgusted": "厌恶",
        "fear": "害怕",
        "happy": "开心",
        "sad": "伤心",
        "surprised": "惊讶",
    },
}
_INDEX_ORDER: tuple[Emotion | None, ...] = (
    "happy", "angry", "sad", "fear", "disgusted", None, "surprised", "neutral",
)  # fmt: skip
"""IndexTTS 2: the sixth is melancholy, which we do not tell from sadness."""


def is_felt(sentence: Sentence) -> bool:
    """Whether the sentence has an emotion that is worth asking for."""
    return sentence.emotion != "neutral" and sentence.intensity >= _FAINT


def describe_manner(sentence: Sentence, always: str = "") -> str:
    """Tell a server in the sentence's language how to say it; empty where there is nothing to tell.

    Args:
        sentence: With its emotion.
        always: What this voice is told for every sentence.
    """
    if not is_felt(sentence):
        return always
    word = _WORDS[sentence.language][sentence.emotion]
    strength = 0 if sentence.intensity < 0.4 else 1 if sentence.intensity < 0.75 else 2
    if sentence.language == "zh":
        told = f"请用{('略带', '', '非常')[strength]}{word}的语气说"
        return f"{always.rstrip('。.')}。{told}" if always else told
    told = f"Speak in a {('slightly ', '', 'very ')[strength]}{word} tone."
    return f"{always.rstrip('.')}. {told}" if always else told


def choose_speed(
    sentence: Sentence, base: float = 1.0, low: float = 0.25, high: float = 4.0
) -> float:
    """Choose the factor of the pace: the voice's own times the sentence's, within what is allowed."""
    speed = base * manner_of_sentence(sentence).speed
    return round(min(max(speed, low), high), 3)


def index_vector(sentence: Sentence, strength: float) -> list[float]:
    """Write the emotion as IndexTTS 2 takes it: happy, angry, sad, afraid, disgusted, low, surprised, calm.

    Args:
        sentence: With its emotion.
        strength: Of an emotion at intensity 1, 0..1; above 0.8 words suffer.
    """
    share = round(min(max(sentence.intensity, 0.0), 1.0) * strength, 3)
    vector = [0.0] * len(_INDEX_ORDER)
    # There is no contempt among them; a mild disgust is nearest.
    if sentence.emotion == "contempt":
        vector[_INDEX_ORDER.index("disgusted")] = round(share / 2, 3)
    else:
        vector[_INDEX_ORDER.index(sentence.emotion)] = share
    return vector
