"""What is known of a person's mood."""

from __future__ import annotations

from dataclasses import dataclass

from visavis.core.types import Emotion
from visavis.models.voice_emotion.predictor import Arousal


@dataclass(frozen=True, slots=True)
class Mood:
    """The mood of a person after a turn.

    Attributes:
        emotion: What was understood; neutral where it is doubtful.
        intensity: Of the emotion, 0..1; 0 when neutral.
        confidence: How likely the emotion is, 0..1; 0 where nothing was there to judge, or the reader is
            switched off.
        arousal: Of the voice, against the person's own habit.
    """

    emotion: Emotion = "neutral"
    intensity: float = 0.0
    confidence: float = 0.0
    arousal: Arousal = "normal"
