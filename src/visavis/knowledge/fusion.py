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
        evidence: (e,) of the confidence, per unit of each of `evidence.EVIDENCE`.
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
    evidence: tuple[float, ...]
    bias: float
    threshold: float
    hint: float

    @property
    def weights(self) -> Floats:
        """float32 (f,) in the order of `WAYS`."""
        return np.array([getattr(self, way) for way in WAYS], np.float32)

    def judge(self, evidence: npt.NDArray[np.float64]) -> float:
        """Return the confidence of a match, given the evidence (e,) for it; see `evidence.gather`."""
        logit = float(evidence @ np.array(self.evidence)) + self.bias
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
        evidence=(
            0.0123, 0.1496,
            1.7302, -0.8733, -0.0578, 0, 0, 0, -1.6445, 1.1878,
            7.5899, -0.0935, 1.4774, 0, 0, 0, -0.745, 3.2174,
            1.0389, 1.3179, 0.9395, 1.9083,
        ),
        bias=-1.5988, threshold=0.829, hint=0.212,
    ),
    "en": Fusion(
        14.67, 5.3, 2.33, 0, 0, 0, 4.3, 3.2,
        evidence=(
            0.0454, 0.1823,
            3.3958, -1.7391, -0.2325, 0, 0, 0, -0.8833, -0.6325,
            9.4826, 0.4754, 1.3176, 0, 0, 0, -0.0856, 0.7532,
            0.6781, 0.9021, 0.9745, 0.8383,
        ),
        bias=-2.0404, threshold=0.851, hint=0.23,
    ),
}  # fmt: skip
TWO_ENCODERS: Mapping[Language, Fusion] = {
    "zh": Fusion(
        11.0, 5.55, 4.15, 7.0, 6.25, 2.25, 3.32, 4.8,
        evidence=(
            0.0054, 0.1401,
            0.3929, -1.3393, 0.6247, 7.0202, 1.6205, -0.0195, -1.3227, 0.976,
            4.2993, -0.3828, 1.4791, 18.6721, 4.3498, 2.3145, -0.2824, 2.4272,
            0.6741, 1.2024, 0.2814, 1.6135,
        ),
        bias=-7.7293, threshold=0.848, hint=0.21,
    ),
    "en": Fusion(
        6.72, 1.0, 0.15, 9.94, 4.8, 3.99, 1.03, 1.57,
        evidence=(
            0.0528, 0.1524,
            1.416, -1.5403, -0.2771, 2.195, 0.7235, 0.1929, -0.6842, -0.7779,
            4.6462, -1.1741, 0.7366, 5.2497, 1.1632, 1.4852, -0.5922, -0.0701,
            0.6281, 0.719, 0.5597, 0.7429,
        ),
        bias=-2.6902, threshold=0.88, hint=0.275,
    ),
}  # fmt: skip
"""Learnt from the sample bases: `benchmarks/question_answering.py --fit`. A base of enough wordings has its
own evidence, bias and thresholds."""
