"""Which of eight emotions a sentence shows: multinomial logistic regression.

Shapes: n sentences, D = 512 numbers of a sentence vector, K cues, C = 8 classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np

from visavis.core.errors import MissingWeights
from visavis.core.types import EMOTIONS, Emotion, Floats
from visavis.models.text_emotion.cues import FELT, NAMES, read_cues

FILE = Path(__file__).parent / "weights" / "text_emotion.npz"
NEUTRAL = EMOTIONS.index("neutral")
_SIGN = 0.8
"""Probability of the emotion of an emoji that stands alone; set by hand."""


class TextEmotion:
    """Tells the eight classes apart. Safe to share between threads.

    The caller makes the vectors (`models.sentence_encoder`), of what `cues.read_plainly` leaves of each
    text.

    Args:
        file: Weights as `training.recipes.text_emotion` writes them; None takes the packaged ones.

    Attributes:
        threshold: Probability below which the likeliest emotion is not to be believed.

    Raises:
        MissingWeights: The file is not there, or holds other numbers.
    """

    classes: Sequence[Emotion] = EMOTIONS

    def __init__(self, file: Path | None = None) -> None:
        self._weight, self._bias, self._temperature, self.threshold = _load(file or FILE)

    def classify(self, texts: Sequence[str], vectors: Floats) -> Floats:
        """Judge sentences.

        Args:
            texts: n sentences as they were written.
            vectors: float32 (n, 512), each of length 1.

        Returns:
            float32 (n, 8) calibrated probabilities in the order of `EMOTIONS`; rows add up to 1.
            A text without a letter or digit is judged by its signs alone: an emoji, or neutral.
        """
        cues = read_cues(texts)
        scores = np.concatenate([vectors, cues], axis=1) @ self._weight + self._bias
        chances = softmax(scores / self._temperature)
        for row, text in enumerate(texts):
            if not any(c.isalnum() for c in text):
                chances[row] = _judge_signs(cues[row])
        return chances

    def decide(self, chances: Floats) -> Emotion:
        """Name the emotion of one row (8,): the likeliest, or neutral where that is doubtful."""
        return decide(chances, self.threshold)


def decide(chances: Floats, threshold: float) -> Emotion:
    """Name the likeliest of (8,), or neutral where it is less likely than the threshold."""
    best = int(np.argmax(chances))
    return EMOTIONS[best] if chances[best] >= threshold else "neutral"


def softmax(scores: Floats) -> Floats:
    """Turn scores (n, C) into probabilities, row by row."""
    raised = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True), np.float32)


def _judge_signs(cues: Floats) -> Floats:
    """Judge a text without words by its cues (K,): one emotion's signs, or neutral."""
    felt = np.flatnonzero(cues[: len(FELT)])
    chances = np.zeros(len(EMOTIONS), np.float32)
    chances[NEUTRAL] = 1.0 if len(felt) != 1 else 1 - _SIGN
    if len(felt) == 1:
        chances[EMOTIONS.index(FELT[felt[0]])] = _SIGN
    return chances


@lru_cache(maxsize=4)
def _load(file: Path) -> tuple[Floats, Floats, float, float]:
    wrong = f"{file} holds no weights of text_emotion; reinstall visavis"
    try:
        with np.load(file) as arrays:
            weight = arrays["weight"].astype(np.float32)
            bias = arrays["bias"].astype(np.float32)
            temperature, threshold = float(arrays["temperature"]), float(arrays["threshold"])
    except FileNotFoundError as error:
        raise MissingWeights(f"there is no file {file}; reinstall visavis") from error
    except (OSError, ValueError, KeyError, EOFError) as error:
        raise MissingWeights(wrong) from error
    if weight.shape != (512 + len(NAMES), len(EMOTIONS)) or bias.shape != (len(EMOTIONS),):
        raise MissingWeights(wrong)
    return weight, bias, temperature, threshold
