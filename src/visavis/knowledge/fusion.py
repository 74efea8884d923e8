"""How near a question is to a pair in several ways, and what they say together.

Shapes: p pairs, f = 8 ways.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from visavis.core.types import Floats, Language

WAYS = (
    "centroid", "nearest", "answer",
    "second_centroid", "second_nearest", "second_answer",
    "spelling", "answer_spelling",
)  # fmt: skip
"""Cosines of sentence vectors to the mean of a pair's wordings, in all languages, to the nearest
wording, and to the answer; the same by a second encoder, of one language; shared spelling and sound
with the nearest wording and with the answer."""


@dataclass(frozen=True, slots=True)
class Fusion:
    """How much each way counts, and what a score means.

    Attributes:
        centroid: Weight of each of `WAYS`, and so on.
        slope: Of the confidence, per unit of score.
        margin: Of the confidence, per unit of lead over the next best pair.
        bias: Of the confidence.
        threshold: Confidence from which a match is an answer.
        hint: Confidence from which a match that is no answer is asked back.
    """

    centroid: float
    nearest: float
    answer: float
    second_centroid: float
    second_nearest: float
    second_answer: float
    spelling: float
    answer_spelling: float
    slope: float
    margin: float
    bias: float
    threshold: float
    hint: float

    @property
    def weights(self) -> Floats:
        """float32 (f,) in the order of `WAYS`."""
        return np.array([getattr(self, way) for way in WAYS], np.float32)

    def judge(self, score: float, lead: float) -> float:
        """Return the confidence of a match, given its lead over the best of the others."""
        logit = self.slope * score + self.margin * lead + self.bias
        return 1 / (1 + math.exp(-max(min(logit, 30.0), -30.0)))


@dataclass(frozen=True, slots=True, eq=False)
class Similarities:
    """How near a question is to each of p pairs.

    Attributes:
        values: float32 (p, f), columns as `WAYS`.
    """

    values: Floats

    def of(self, way: str) -> Floats:
        """Return one column, float32 (p,)."""
        column: Floats = self.values[:, WAYS.index(way)]
        return column

    def take(self, chosen: npt.NDArray[np.bool_]) -> Similarities:
        """Keep the pairs of a mask (p,)."""
        return Similarities(self.values[chosen])

    def fuse(self, fusion: Fusion) -> Floats:
        """Return the fused scores, float32 (p,)."""
        scores: Floats = self.values @ fusion.weights
        return scores


ONE_ENCODER: Mapping[Language, Fusion] = {
    "zh": Fusion(
        13.1, 7.01, 4.84, 0, 0, 0, 4.02, 5.47,
        slope=0.1577, margin=0.5786, bias=-3.8419, threshold=0.636, hint=0.102,
    ),
    "en": Fusion(
        14.61, 5.47, 2.4, 0, 0, 0, 4.4, 3.29,
        slope=0.136, margin=0.7252, bias=-3.4389, threshold=0.716, hint=0.124,
    ),
}  # fmt: skip
TWO_ENCODERS: Mapping[Language, Fusion] = {
    "zh": Fusion(
        10.99, 5.55, 4.15, 7.0, 6.25, 2.25, 3.32, 4.79,
        slope=0.1944, margin=0.6306, bias=-6.4662, threshold=0.672, hint=0.1,
    ),
    "en": Fusion(
        6.65, 1.11, 0.3, 9.92, 4.84, 3.99, 1.09, 1.68,
        slope=0.2106, margin=0.6848, bias=-4.6092, threshold=0.741, hint=0.105,
    ),
}  # fmt: skip
"""Learnt from the sample bases: `benchmarks/question_answering.py --fit`. A base of enough wordings has its
own slope, margin, bias and thresholds."""
