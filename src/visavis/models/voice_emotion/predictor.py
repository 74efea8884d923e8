"""How excited a voice is against its own habit, and the little that says of emotions.

Nothing here was learnt: no recordings of emotional speech were to be had. What is used is what reviews
agree on: pitch, its range, loudness, pace and brightness rise with arousal and fall without it (Scherer,
"Vocal communication of emotion", Speech Communication 40, 2003, table 2; Juslin and Laukka, "Communication
of emotions in vocal expression", Psychological Bulletin 129, 2003, table 7). Whether an excited voice is
glad or angry, prosody of this kind does not tell.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from visavis.core.types import EMOTIONS, Emotion, Floats, Waveform
from visavis.models.voice_emotion.prosody import Prosody, measure_prosody

Arousal: TypeAlias = Literal["low", "normal", "high"]

CAP = 0.3
"""Confidence that a voice alone never exceeds."""
EDGE = 0.7
"""Mean of the changes, in usual variations of one speaker, from which a voice is not normal."""

_USUAL: Mapping[str, tuple[float, float]] = {
    "pitch": (2.0, 1.5), "spread": (3.0, 0.8), "level": (4.0, 1.0), "pace": (1.0, 1.0), "tilt": (3.0, 0.7),
}  # fmt: skip
"""Of each measure, how much it varies from sentence to sentence of somebody calm, and its weight.

Semitones, semitones, dB, syllables a second, dB. Set by hand."""
_MOST = 2.5
"""One measure counts as at most so many variations: a cough is loud, too."""

_EXCITED: Mapping[Emotion, float] = {
    "angry": 0.30, "happy": 0.27, "surprised": 0.20, "fear": 0.18, "neutral": 0.05,
}  # fmt: skip
_SUBDUED: Mapping[Emotion, float] = {
    "sad": 0.55, "neutral": 0.25, "contempt": 0.12, "disgusted": 0.08,
}  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class VoiceReading:
    """What a voice gives away.

    Attributes:
        arousal: Against the speaker's own habit.
        score: The same as a number: 0 as always, beyond `EDGE` high, below it low; within -2.5..2.5.
        confidence: 0..`CAP`; 0 where the sound is no good or the speaker's habit is not known yet.
        tendency: float32 (8,) in the order of `EMOTIONS`, adds up to 1: which emotions go with such a
            voice, if any does. Even where nothing is known.
        prosody: What was measured.
    """

    arousal: Arousal
    score: float
    confidence: float
    tendency: Floats
    prosody: Prosody

    @property
    def chances(self) -> Floats:
        """The weak distribution (8,): the tendency, as far as it is to be trusted, else neutral."""
        calm = np.zeros(len(EMOTIONS), np.float32)
        calm[EMOTIONS.index("neutral")] = 1
        mixed: Floats = (1 - self.confidence) * calm + np.float32(self.confidence) * self.tendency
        return mixed.astype(np.float32)


class VoiceHabit:
    """Remembers how one speaker usually sounds. One for each session.

    The first turns weigh most; later ones move it slowly, excited ones hardly, so that somebody who
    shouts for long does not become somebody who always shouts.

    Attributes:
        heard: Seconds of speech that it rests on.
    """

    _SETTLED_S = 4.0
    """Seconds of speech after which the habit is fully believed."""
    _FIRST_S = 1.0
    """Seconds below which it is not believed at all."""

    def __init__(self) -> None:
        self.heard = 0.0
        self._mean: dict[str, float] = {}
        self._weight = 0.0

    def read(self, audio: Waveform) -> VoiceReading:
        """Compare a turn with the habit, then let the habit learn from it."""
        prosody = measure_prosody(audio)
        reliability = prosody.reliability
        if reliability == 0:
            return VoiceReading("normal", 0.0, 0.0, _even(), prosody)
        known = float(np.clip((self.heard - self._FIRST_S) / self._SETTLED_S, 0, 1))
        score = self._compare(prosody) if known > 0 else 0.0
        self._learn(prosody, reliability * (0.2 if abs(score) > EDGE else 1.0))
        confidence = CAP * reliability * known * min(abs(score) / (2 * EDGE), 1.0)
        arousal: Arousal = "high" if score > EDGE else "low" if score < -EDGE else "normal"
        return VoiceReading(arousal, score, confidence, _tendency(score), prosody)

    def _compare(self, prosody: Prosody) -> float:
        total = weights = 0.0
        for name, value in _scaled(prosody).items():
            usual, weight = _USUAL[name]
            change = (value - self._mean[name]) / usual
            total += weight * float(np.clip(change, -_MOST, _MOST))
            weights += weight
        return total / weights

    def _learn(self, prosody: Prosody, share: float) -> None:
        # A plain mean at first, a slow one later: no turn weighs less than a tenth.
        self._weight = min(self._weight + share, 10.0)
        rate = share / max(self._weight, share)
        for name, value in _scaled(prosody).items():
            before = self._mean.get(name, value)
            self._mean[name] = before + rate * (value - before)
        self.heard += prosody.spoken


def _scaled(prosody: Prosody) -> dict[str, float]:
    return {
        "pitch": 12 * float(np.log2(prosody.pitch)),
        "spread": prosody.spread,
        "level": prosody.level,
        "pace": prosody.pace,
        "tilt": prosody.tilt,
    }


def _even() -> Floats:
    return np.full(len(EMOTIONS), 1 / len(EMOTIONS), np.float32)


def _tendency(score: float) -> Floats:
    table = _EXCITED if score > 0 else _SUBDUED
    share = min(abs(score) / (2 * EDGE), 1.0)
    leaning = np.array([table.get(emotion, 0.0) for emotion in EMOTIONS], np.float32)
    mixed: Floats = (1 - share) * _even() + np.float32(share) * leaning
    return mixed.astype(np.float32)
