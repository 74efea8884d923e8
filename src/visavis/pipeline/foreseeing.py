"""The sentences that answers will be made of, known before anybody asks."""

from __future__ import annotations

from collections.abc import Iterable

from visavis.core.language import detect_language
from visavis.core.protocols import Foreseeing, Responder
from visavis.core.types import Emotion, Language, Sentence
from visavis.pipeline.manner import Manner
from visavis.pipeline.sentences import split_sentences


def foresee_sentences(responder: Responder, manner: Manner) -> list[Sentence]:
    """Cut everything that a responder foresees into sentences, as a conversation would.

    Returns:
        Those that open an answer before all others, as somebody waits for them; each once, with
        index 0 for the opening ones. None where the responder foresees nothing.
    """
    if not isinstance(responder, Foreseeing):
        return []
    openings: dict[Sentence, None] = {}
    others: dict[Sentence, None] = {}
    for text, language in responder.foreseeable():
        for number, sentence in enumerate(_cut(text, language, responder, manner)):
            (others if number else openings)[sentence] = None
    return [*openings, *others]


def _cut(text: str, language: Language, responder: Responder, manner: Manner) -> Iterable[Sentence]:
    suggest = getattr(responder, "emotion_of", None)
    for number, part in enumerate(split_sentences(text)):
        suggested: Emotion | None = suggest(part) if suggest is not None else None
        emotion = manner.emotion or suggested or "neutral"
        spoken_in = detect_language(part, language)
        # Whether it opens the answer is all that the place in it means to a voice.
        yield Sentence(0, min(number, 1), part, spoken_in, emotion, manner.intensity)
