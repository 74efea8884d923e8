"""Reads the mood of one person, turn by turn, from what they say and how."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from visavis.core.types import EMOTIONS, Floats, Language, Waveform
from visavis.models.sentence_encoder.predictor import SentenceEncoder
from visavis.models.text_emotion.cues import NAMES, read_cues, read_plainly
from visavis.models.text_emotion.predictor import NEUTRAL, TextEmotion, decide
from visavis.models.voice_emotion.predictor import VoiceHabit
from visavis.stages.mood.mood import Mood

_NOW = 0.75
"""Share of the newest turn in what is remembered: the rest decays by a quarter a turn."""
_PARTS = re.compile(r"[。！？!?；;\n]+|(?<=[a-z])\. ")
_LONG = 40
"""Characters from which a question's last sentences are looked at for themselves, too."""
_CLAUSES = re.compile(
    r"[。！？!?；;\n，,、：:]+|(?<=[a-z])\. |\s+(?=(?:and|but|so|how|what|where|can|do) )"
)
_MOST_CLAUSES = 6
"""The last ones of a question, whose stretches are judged for themselves."""
_SURE = 0.9
"""Probability of an emotion from which a stretch counts in a question that as a whole shows none. Chosen
on held-out data, so that questions of the counter stay as calm as they were."""
_STRETCH = 0.9
"""Share of such a stretch in what is understood: enough to be seen after a calm turn, too."""
_STRONG = tuple(
    NAMES.index(n) for n in ("exclamation", "exclamations", "shouting", "intensifier", "crying")
)


class Encoder(Protocol):
    """Makes sentence vectors."""

    def encode(self, texts: Sequence[str]) -> Floats:
        """Map n sentences to float32 (n, 512) rows of length 1."""


class MoodReader:
    """Keeps the mood of one person through a session. Not for sharing between sessions.

    Text decides, because it can tell emotions apart; the voice says how excited the person is against
    their own habit, and makes likelier or less likely what the text leaves open. The voice alone never
    names an emotion.

    Args:
        encoder: Makes the sentence vectors; share it with the responder. A new one by default.
        model: Of the text; the packaged one by default.
        on: The switch. Off, every mood is neutral and nothing is read or remembered.
    """

    def __init__(
        self,
        encoder: Encoder | None = None,
        model: TextEmotion | None = None,
        *,
        on: bool = True,
    ) -> None:
        self._encoder = encoder or SentenceEncoder()
        self._model = model or TextEmotion()
        self._habit = VoiceHabit()
        self._kept: npt.NDArray[np.float64] | None = None
        self.on = on

    def reset(self) -> None:
        """Forget the person: their habit and their mood."""
        self._habit = VoiceHabit()
        self._kept = None

    def read(self, text: str, language: Language, audio: Waveform | None = None) -> Mood:
        """Read the mood of a turn.

        Args:
            text: What was said or written; may be empty.
            language: Of the text. The model reads both alike, and mixed text too.
            audio: The sound of it, at any rate; None for written questions.

        Returns:
            The mood, mostly of this turn, a little of those before.
        """
        if not self.on:
            return Mood()
        chances, strength = self._read_text(text)
        arousal = self._habit.read(audio) if audio is not None else None
        if arousal is not None:
            # A product of experts, the voice's drawn towards even by how little it is believed.
            even = (1 - arousal.confidence) / len(EMOTIONS)
            chances = chances * (even + arousal.confidence * arousal.tendency)
            chances = chances / chances.sum()
            strength += 0.15 * {"low": -1, "normal": 0, "high": 1}[arousal.arousal]
        said = "normal" if arousal is None else arousal.arousal
        if not text.strip():
            return Mood(arousal=said)
        kept = self._kept
        self._kept = chances if kept is None else _NOW * chances + (1 - _NOW) * kept
        emotion = decide(self._kept.astype(np.float32), self._model.threshold)
        confidence = float(self._kept[EMOTIONS.index(emotion)])
        if emotion == "neutral":
            return Mood("neutral", 0.0, confidence, said)
        intensity = float(np.clip(0.25 + 0.45 * confidence + strength, 0.1, 1.0))
        return Mood(emotion, intensity, confidence, said)

    def _read_text(self, text: str) -> tuple[npt.NDArray[np.float64], float]:
        """Probabilities (8,) of a text, and how much stronger than plain it is put, 0..0.3."""
        parts = [text]
        if len(text) > _LONG:
            # The mood is often in one sentence of a long report, and drowns in the mean of all.
            parts += [part for part in _PARTS.split(text) if len(part.strip()) > 1][-4:]
        vectors = self._encoder.encode([read_plainly(part) for part in parts])
        judged = self._model.classify(parts, vectors)
        row = int(np.argmin(judged[1:, NEUTRAL])) + 1 if len(parts) > 1 else 0
        chances = judged[0].astype(np.float64)
        if row and decide(judged[row], self._model.threshold) != "neutral":
            chances = (chances + judged[row]) / 2
        if decide(chances.astype(np.float32), self._model.threshold) == "neutral":
            chances = self._read_stretches(text, chances)
        strength = 0.1 * float(read_cues([text])[0, _STRONG].sum())
        return chances, min(strength, 0.3)

    def _read_stretches(
        self, text: str, chances: npt.NDArray[np.float64]
    ) -> npt.NDArray[np.float64]:
        """Look for a feeling before or after what is asked: the question drowns it in the whole."""
        stretches = _list_stretches(text)
        if not stretches:
            return chances
        vectors = self._encoder.encode([read_plainly(stretch) for stretch in stretches])
        judged = self._model.classify(stretches, vectors).astype(np.float64)
        felt = np.delete(judged, NEUTRAL, axis=1).max(axis=1)
        best = int(np.argmax(felt))
        if felt[best] < _SURE:
            return chances
        return np.asarray(_STRETCH * judged[best] + (1 - _STRETCH) * chances, np.float64)


def _list_stretches(text: str) -> list[str]:
    """List what a text begins and what it ends with, cut between its last clauses."""
    cuts = [m.end() for m in _CLAUSES.finditer(text) if text[m.end() :].strip()]
    cuts = cuts[-_MOST_CLAUSES:]
    parts = [text[:cut] for cut in cuts] + [text[cut:] for cut in cuts]
    stripped = [part.strip(" ，,、：:") for part in parts]
    return [part for part in stripped if sum(map(str.isalnum, part)) > 1]
