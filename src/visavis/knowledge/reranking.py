"""An index whose first matches a reranker orders anew."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from datetime import date
from pathlib import Path

import numpy as np

from visavis.core.types import Floats, Language
from visavis.knowledge.base import Base
from visavis.knowledge.fusion import Fusion
from visavis.knowledge.kept_json import write_kept
from visavis.knowledge.reranker import (
    DEPTH,
    SURE,
    Reranker,
    Reranking,
    gather_candidates,
    read_reranking,
)
from visavis.knowledge.reranker_calibration import Told, learn_reranking
from visavis.knowledge.search import FindNear, KnowledgeIndex, Match
from visavis.knowledge.shelf import EXACT
from visavis.knowledge.shelf_arrays import Encode
from visavis.knowledge.text import clean_question
from visavis.knowledge.vectors import Encoder, cache_folder, encode_cached


class RerankedIndex(KnowledgeIndex):
    """Bases, searchable; what comes first is read once more, together with the question.

    Immutable after it is made, so that all sessions may share one.
    """

    def __init__(
        self,
        bases: Sequence[Base],
        encoder: Encoder,
        *,
        reranker: Reranker,
        second: Mapping[Language, Encoder] | None = None,
        fusion: Mapping[Language, Fusion] | None = None,
        encode: Encode | None = None,
        near: FindNear | None = None,
        background: Sequence[Base] = (),
        cache: Path | None = None,
        told: Told | None = None,
    ) -> None:
        """Make the index, and learn from the bases what the reranker's scores mean.

        Learning takes a minute or several the first time. A base of fewer than `LEARNABLE` answered
        pairs with several wordings teaches nothing: the order is that of both scores together, and the
        confidence of each match the index's own.

        Args:
            bases: As for `KnowledgeIndex`, and so are those that are not named here.
            encoder: Makes the vectors.
            reranker: Orders the first `DEPTH` matches of a question that the index is not sure of.
            second: A further encoder for some of the languages.
            fusion: Of the index alone.
            encode: Encodes the bases' texts.
            near: Finds what is near where pairs are many.
            background: Questions that people ask elsewhere.
            cache: Folder of cached vectors and of what was learnt.
            told: Hears of progress in learning.
        """
        super().__init__(
            bases, encoder, second=second, fusion=fusion, encode=encode, near=near,
            background=background, cache=cache,
        )  # fmt: skip
        self._reranker = reranker
        # A folder that cannot be used is to be told of now, not at the first question.
        reranker.score("load", ["load"])
        alone = self.fusion
        # As the index has it, of many pairs no further encoder is asked.
        helping = {
            language: model
            for language, model in (second or {}).items()
            if language in alone and len(self.pairs(language)) <= EXACT
        }
        remembered = _remember(encode or (lambda model, texts: encode_cached(model, texts, cache)))

        def make(some: Sequence[Base]) -> KnowledgeIndex:
            return KnowledgeIndex(
                some, encoder, second=helping, fusion=alone, encode=remembered, cache=cache
            )

        models = [encoder, *helping.values()]
        path = (cache or cache_folder()) / f"reranking-{_hash(bases, models, alone, reranker)}.json"
        learnt = _read(path)
        if learnt is None:
            learnt = learn_reranking(bases, make, reranker, told)
            write_kept(path, {language: asdict(one) for language, one in learnt.items()})
        self._reranking = {language: learnt.get(language, Reranking()) for language in alone}
        self.fusion = {
            language: own
            if one.evidence is None
            else replace(own, threshold=one.threshold, hint=one.hint)
            for language, own in alone.items()
            for one in (self._reranking[language],)
        }

    def search(
        self, question: str, language: Language, k: int = 3, day: date | None = None
    ) -> list[Match]:
        """Find the k pairs that a question most likely means, best first.

        As `KnowledgeIndex.search`; scores and confidences are of both, and what comes after the first
        `DEPTH` has the index's own.

        Raises:
            TextUnusable: The question has no words, or more than 2,000 characters.
            LanguageUnsupported: No base answers in that language.
            StageError: The reranker failed.
        """
        found = super().search(question, language, max(k, DEPTH), day)
        reranking = self._reranking[language]
        if not found or found[0].confidence >= SURE or reranking.is_idle:
            return found[:k]
        candidates = gather_candidates(self, found[:DEPTH], question, language, day)
        logits = self._reranker.score(clean_question(question), candidates.texts)
        ordered = reranking.order(candidates, logits)
        last = ordered[-1]
        for match in found[DEPTH:]:
            ordered.append(
                replace(
                    match,
                    score=min(match.score, last.score),
                    confidence=min(match.confidence, last.confidence),
                )
            )
        return ordered[:k]


def _remember(encode: Encode) -> Encode:
    """Make what encodes a text once: the indexes to learn with hold much the same texts."""
    known: dict[tuple[str, str], Floats] = {}

    def encode_new(model: Encoder, texts: Sequence[str]) -> Floats:
        name = model.fingerprint
        wanted = [text for text in dict.fromkeys(texts) if (name, text) not in known]
        if wanted:
            for text, vector in zip(wanted, encode(model, wanted), strict=True):
                known[name, text] = vector
        return np.stack([known[name, text] for text in texts])

    return encode_new


def _hash(
    bases: Sequence[Base],
    models: Sequence[Encoder],
    fusion: Mapping[Language, Fusion],
    reranker: Reranker,
) -> str:
    """Hash all that what is learnt depends on."""
    digest = hashlib.sha256(f"1 {reranker.fingerprint} {sorted(fusion.items())}".encode())
    for model in models:
        digest.update(model.fingerprint.encode())
    for base in bases:
        for pair in base.pairs:
            row = (base.name, pair.id, pair.language, *pair.wordings, pair.answer)
            digest.update(repr(row).encode("utf-8", "backslashreplace"))
        digest.update(repr(base.synonyms).encode("utf-8", "backslashreplace"))
    return digest.hexdigest()[:32]


def _read(path: Path) -> dict[Language, Reranking] | None:
    try:
        rows = json.loads(path.read_text("utf-8"))
        languages: tuple[Language, ...] = ("zh", "en")
        return {one: read_reranking(rows[one]) for one in languages if one in rows}
    except (OSError, ValueError, TypeError):
        return None
