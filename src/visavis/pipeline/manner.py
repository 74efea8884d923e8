"""How answers are given, and how much may wait between the stages meanwhile."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from visavis.core.types import FPS, Emotion, Language

USUAL_INTENSITY = 0.5
"""Of an emotion, where nobody sets another."""


@dataclass(frozen=True, slots=True)
class Manner:
    """How the answers are given.

    Attributes:
        voice: Name of the voice for each language.
        language: Of sentences that show none (digits only); a spoken question's own goes first.
        emotion: Of every sentence, or None to take what the responder suggests, else neutral.
        intensity: Of the emotion, 0..1.
    """

    voice: Mapping[Language, str] = field(default_factory=dict)
    language: Language = "zh"
    emotion: Emotion | None = None
    intensity: float = USUAL_INTENSITY


@dataclass(frozen=True, slots=True)
class Limits:
    """How much may wait between the stages, and how long is waited for them.

    Attributes:
        step_seconds: That the voice or the face may take for one piece, after which it is given up
            and the turn fails; None to wait for ever, as nobody does who listens.
        answer_seconds: Likewise of the responder for the next piece of text.
    """

    text_pieces: int = 64
    sentences: int = 4
    speeches: int = 4
    segments: int = 2
    frames: int = 2 * FPS
    history: int = 40
    """Messages that the responder gets to see."""
    step_seconds: float | None = None
    answer_seconds: float | None = None
