"""What speaks for a pair being the one that a question means.

Shapes: p pairs, f = 8 ways to compare, e = 22 pieces of evidence.
"""

from __future__ import annotations

import functools
import itertools
import re
from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from visavis.core.types import Floats, Language
from visavis.knowledge.base import Pair
from visavis.knowledge.fusion import WAYS
from visavis.knowledge.shelf import pack

COVERED = ("covered", "answer_covered")
"""Share of a question, by rarity of its words, that a pair's wordings hold; wordings and answer."""
EVIDENCE = (
    "score", "lead", *WAYS, *(f"{way}_lead" for way in WAYS),
    *COVERED, *(f"{share}_lead" for share in COVERED),
)  # fmt: skip
"""Fused score and its lead over the best other pair; the similarity in each way and its lead over the
best of all others in that way; what is covered, and its lead over the best other pair."""

Doubles = npt.NDArray[np.float64]

_COUNTED = 4_000
"""Wordings from which it is learnt how rare a word is."""
_KEPT = 2_000
"""Pairs whose words are kept at hand."""
_WORD = re.compile(r"[a-z0-9]+")
_LATIN = re.compile(r"[A-Za-z]+")
_ENDING = re.compile(r"(?:ing|ed|es|s|e)$")


class Coverage:
    """How much of a question the words of a pair hold.

    Words are stems in English; characters, pairs of characters and Latin words in Chinese.

    Args:
        pairs: p pairs.
        prepare: Makes of a stored wording what is compared.
        language: Of the pairs.
    """

    def __init__(
        self, pairs: Sequence[Pair], prepare: Callable[[str], str], language: Language
    ) -> None:
        self._pairs = pairs
        self._prepare = prepare
        self._language = language
        self._words = functools.lru_cache(_KEPT)(self._read_words)
        total = sum(len(pair.wordings) for pair in pairs)
        step = max(1, -(-total // _COUNTED))
        counts: Counter[str] = Counter()
        number = self._counted = 0
        for pair in pairs:
            for text in pair.wordings:
                if number % step == 0:
                    counts.update(self.cut(prepare(text)))
                    self._counted += 1
                number += 1
        self._counts = dict(counts)

    def cut(self, text: str) -> frozenset[str]:
        """Return the words of a text as it is compared."""
        if self._language == "en":
            words = _WORD.findall(text.lower().replace("'", "").replace("’", ""))
            return frozenset(_ENDING.sub("", word) if len(word) > 4 else word for word in words)
        packed = pack(_LATIN.sub("", text))
        pairs = map("".join, itertools.pairwise(packed))
        return frozenset((*packed, *pairs, *_LATIN.findall(text.lower())))

    def measure(
        self, question: frozenset[str], pair: int, without: int | None = None
    ) -> tuple[float, float]:
        """Return the shares of a question that a pair's wordings, and these with its answer, hold.

        Args:
            question: Its words.
            pair: Number of the pair.
            without: A wording of it, from 0, that does not count.
        """
        wordings, answer = self._words(pair)
        held = frozenset().union(*(w for n, w in enumerate(wordings) if n != without))
        return self.share(question, held), self.share(question, held | answer)

    def share(self, question: frozenset[str], held: frozenset[str]) -> float:
        """Return the share of a question, by rarity of its words, that is among some words, 0..1."""
        weights = {word: self._weigh(word) for word in question}
        total = sum(weights.values())
        own = sum(weight for word, weight in weights.items() if word in held)
        return own / total if total else 0.0

    def find_foreign(self, question: frozenset[str]) -> bool:
        """Whether a question has a word of another script that no wording of the base has."""
        return self._language == "zh" and any(
            word.isascii() and word.isalpha() and len(word) > 1 and word not in self._counts
            for word in question
        )

    def _weigh(self, word: str) -> float:
        return float(np.log(1 + self._counted / (1 + self._counts.get(word, 0))))

    def _read_words(self, number: int) -> tuple[tuple[frozenset[str], ...], frozenset[str]]:
        pair = self._pairs[number]
        return tuple(self.cut(self._prepare(w)) for w in pair.wordings), self.cut(pair.answer)


class Evidence:
    """The evidence for any of p pairs.

    Args:
        values: float32 (p, f) similarities of the question.
        scores: float32 (p,) fused.
        covers: Tells what any of the pairs covers of the question, see `Coverage.measure`.
    """

    def __init__(
        self, values: Floats, scores: Floats, covers: Callable[[int], tuple[float, float]]
    ) -> None:
        self._values = values
        self._scores = scores.astype(np.float64)
        self._covers = functools.cache(covers)
        self._first = self._scores.argsort(kind="stable")[::-1][:2].tolist()
        self._highest = np.partition(values, -min(2, len(values)), axis=0)[-2:].astype(np.float64)

    def gather(self, best: int) -> Doubles:
        """Gather it for one pair: float64 (e,) in the order of `EVIDENCE`.

        Leads are 0 where there is no other pair.
        """
        own = self._values[best].astype(np.float64)
        cover = np.array(self._covers(best))
        rival = next((other for other in self._first if other != best), None)
        if rival is None:
            lead, leads, ahead = 0.0, np.zeros(len(own)), np.zeros(len(COVERED))
        else:
            second, first = self._highest
            # Of a pair that is itself the highest in a way, the highest of the others is the second.
            leads = own - np.where(own >= first, second, first)
            lead = self._scores[best] - self._scores[rival]
            ahead = cover - np.array(self._covers(rival))
        return np.concatenate([[self._scores[best], lead], own, leads, cover, ahead])
