"""The paper's way to find an answer, so that it can be compared.

A question goes to the stored one whose vector is nearest by cosine; the vectors are means over the
tokens of a BERT. Nothing else counts: no spelling, no answers, no second encoder.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date

import numpy as np

from visavis.core.errors import LanguageUnsupported
from visavis.core.types import Floats, Language
from visavis.knowledge.base import Base, find_languages
from visavis.knowledge.calibration import (
    FALSE_ANSWERS,
    FALSE_REFUSALS,
    LEARNABLE,
    fit_logistic,
)
from visavis.knowledge.evidence import EVIDENCE, Doubles
from visavis.knowledge.fusion import Fusion
from visavis.knowledge.postings import Integers
from visavis.knowledge.search import Match
from visavis.knowledge.shelf_arrays import Encode
from visavis.knowledge.text import clean_question
from visavis.knowledge.vectors import Encoder, encode_cached

_ASKED = 800
_SEED = 7
_USUAL = Fusion(
    0, 1, 0, 0, 0, 0, 0, 0,
    evidence=(30.0,) + (0.0,) * (len(EVIDENCE) - 1), bias=-27, threshold=0.5, hint=0.05,
)  # fmt: skip
"""Of a base that is too small to learn from: answered from a cosine of 0.9, asked back from 0.8."""


class NearestQuestion:
    """Bases, searchable in that way; in use it is like a `KnowledgeIndex`.

    The confidence is a function of the cosine alone, and so are both thresholds. They are learnt as
    those of the `KnowledgeIndex` are: from wordings held out one by one. Known gaps are left out.
    """

    def __init__(
        self, bases: Sequence[Base], encoder: Encoder, encode: Encode = encode_cached
    ) -> None:
        """Encode every wording."""
        self.languages = find_languages(bases)
        self.fusion: dict[Language, Fusion] = {}
        self._encoder = encoder
        self._pairs = {}
        self._owners: dict[Language, Integers] = {}
        self._vectors: dict[Language, Floats] = {}
        for language in self.languages:
            homes = [
                (base.name, pair)
                for base in bases
                for pair in base.pairs
                if pair.language == language and not pair.is_gap
            ]
            texts = [clean_question(text) for _, pair in homes for text in pair.wordings]
            counts = [len(pair.wordings) for _, pair in homes]
            self._pairs[language] = homes
            self._owners[language] = np.repeat(np.arange(len(homes)), counts)
            self._vectors[language] = encode(encoder, texts)
            self.fusion[language] = _learn(self._vectors[language], self._owners[language])

    def search(
        self, question: str, language: Language, k: int = 3, day: date | None = None
    ) -> list[Match]:
        """Find the k pairs of which a wording is nearest, best first.

        Raises:
            TextUnusable: The question has no words, or more than 2,000 characters.
            LanguageUnsupported: No base answers in that language.
        """
        if language not in self.fusion:
            raise LanguageUnsupported(f"the bases have no answers in {language!r}")
        vector = self._encoder.encode([clean_question(question)])[0]
        cosines = self._vectors[language] @ vector
        owners, fusion = self._owners[language], self.fusion[language]
        found: dict[int, float] = {}
        today = day or date.today()
        for row in np.argsort(-cosines, kind="stable"):
            owner = int(owners[row])
            if owner not in found and self._pairs[language][owner][1].holds_on(today):
                found[owner] = float(cosines[row])
            if len(found) >= k:
                break
        return [
            Match(pair, score, fusion.judge(np.array([score] + [0.0] * (len(EVIDENCE) - 1))), home)
            for owner, score in found.items()
            for home, pair in (self._pairs[language][owner],)
        ]


def _learn(vectors: Floats, owners: Integers) -> Fusion:
    """Learn what a cosine means.

    Args:
        vectors: float32 (n, d) of wordings, of length 1.
        owners: (n,) the pair of each; those of one pair stand together.
    """
    lengths = np.bincount(owners)
    several = np.flatnonzero(lengths[owners] > 1)
    if int((lengths > 1).sum()) < LEARNABLE:
        return _USUAL
    asked = np.sort(np.random.default_rng(_SEED).permutation(several)[:_ASKED])
    cosines = vectors[asked] @ vectors.T
    cosines[np.arange(len(asked)), asked] = -np.inf
    best = cosines.argmax(1)
    inside = cosines[np.arange(len(asked)), best].astype(np.float64)
    right = owners[best] == owners[asked]
    cosines[owners[asked][:, None] == owners[None]] = -np.inf
    outside = cosines.max(1).astype(np.float64)
    weights, bias = fit_logistic(
        np.r_[inside, outside][:, None],
        np.r_[right, np.zeros(len(asked), bool)],
    )

    def judge(scores: Doubles) -> Doubles:
        chances: Doubles = 1 / (1 + np.exp(-np.clip(weights[0] * scores + bias, -30, 30)))
        return chances

    missing = judge(np.r_[outside, inside[~right]])
    threshold = float(np.quantile(missing, 1 - FALSE_ANSWERS))
    hint = float(np.quantile(judge(inside[right]), FALSE_REFUSALS)) if right.any() else threshold
    evidence = (float(weights[0]), *_USUAL.evidence[1:])
    return replace(
        _USUAL, evidence=evidence, bias=bias, threshold=threshold, hint=min(hint, threshold)
    )
