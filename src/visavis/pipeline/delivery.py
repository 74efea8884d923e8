"""How a sentence is said: what the listener set, what the answer has of itself, what its responder tells."""

from __future__ import annotations

from dataclasses import replace

from visavis.core.protocols import Expressive, Responder
from visavis.core.types import Delivery, Emotion, Sentence
from visavis.pipeline.manner import USUAL_INTENSITY, Manner


def deliver_sentence(
    sentence: Sentence, responder: Responder | None, manner: Manner, own: Emotion | None = None
) -> Sentence:
    """Give a sentence its emotion, intensity and rate.

    An emotion that was set for all sentences goes first, then the sentence's own, then the responder's.
    The pace is the responder's to tell. An intensity that it tells is meant beside the usual one, so that
    who sets less gets less of it, and who sets 0 none.

    Args:
        sentence: Its text is what counts.
        responder: Whose answer it is from; None for text that is only spoken.
        manner: As it is set.
        own: The emotion that the text itself says it has, such as a mark of a language model.
    """
    fixed = manner.emotion or own
    told = _ask(responder, sentence.text, fixed)
    intensity = manner.intensity
    if told.intensity is not None and fixed is None:
        intensity = min(1.0, round(told.intensity * manner.intensity / USUAL_INTENSITY, 3))
    emotion = fixed or told.emotion or "neutral"
    return replace(sentence, emotion=emotion, intensity=intensity, rate=told.rate)


def _ask(responder: object, text: str, fixed: Emotion | None) -> Delivery:
    if isinstance(responder, Expressive):
        return responder.delivery_of(text, fixed)
    suggest = getattr(responder, "emotion_of", None)
    return Delivery(suggest(text)) if suggest is not None and fixed is None else Delivery(fixed)
