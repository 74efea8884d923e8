"""The pairs of one language, comparable with a question.

Shapes: p pairs, n wordings of them, d length of a vector, q questions, f = 8 ways to compare.
"""

from __future__ import annotations

import bisect
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from visavis.core.types import Floats, Language
from visavis.knowledge.base import Pair
from visavis.knowledge.fusion import WAYS, Similarities
from visavis.knowledge.lexical import LexicalIndex
from visavis.knowledge.postings import Arrays, Integers
from visavis.knowledge.text_list import TextList
from visavis.knowledge.vectors import Encoder
from visavis.knowledge.whitening import take_runs, unit

EXACT = 10_000
"""Pairs up to which every one is compared; of more, those that a quick look finds."""
_LOOKED_AT = 200
_MARKS = re.compile(r"[\W_]+")


@dataclass(frozen=True, slots=True, eq=False)
class Space:
    """What one encoder says of the pairs, in a space in which wordings of one question are near.

    Attributes:
        encoder: Makes vectors of the questions too.
        whitening: float32 (d, d), multiplied from the right.
        sums: float (p, d) sum of the wordings' vectors, in all languages.
        wordings: float (n, d) of length 1.
        answers: float (p, d) of length 1.
    """

    encoder: Encoder
    whitening: Floats
    sums: Floats
    wordings: Floats
    answers: Floats

    def place(self, text: str) -> Floats:
        """Return the vector of a question, float32 (d,)."""
        row: Floats = unit(self.encoder.encode([text]) @ self.whitening)[0]
        return row


class Shelf:
    """The pairs of one language."""

    def __init__(
        self,
        pairs: Sequence[Pair],
        arrays: Arrays,
        first: Space,
        language: Language,
    ) -> None:
        """Put the parts together.

        Args:
            pairs: p pairs.
            arrays: Texts and counts of their n wordings, as `shelf_arrays` makes them.
            first: Of an encoder of all languages; one of this language may be added.
            language: Of the pairs.
        """
        self.pairs = tuple(pairs)
        self.texts = TextList.of(_under("texts", arrays))
        self._packed = TextList.of(_under("packed", arrays))
        self._order: npt.NDArray[np.int32] = arrays["order"]
        self.lengths = np.array([1 + len(pair.aliases) for pair in pairs], np.int64)
        self.starts: Integers = np.concatenate([[0], np.cumsum(self.lengths)[:-1]])
        self.owner: Integers = np.repeat(np.arange(len(pairs)), self.lengths)
        self.is_gap = np.array([pair.is_gap for pair in pairs])
        self.spaces = [first]
        self._spelling = LexicalIndex.of(_under("spelling", arrays), len(self.texts), language)
        self._answers = LexicalIndex.of(_under("answers", arrays), len(pairs), language)

    def find_exactly(self, text: str) -> set[int]:
        """Return the pairs that have a text among their wordings, but for marks and capitals."""
        packed, key = pack(text), self._packed.__getitem__
        begin = bisect.bisect_left(self._order, packed, key=key)
        end = bisect.bisect_right(self._order, packed, begin, key=key)
        return {int(self.owner[place]) for place in self._order[begin:end]}

    def find_holding(self, part: str) -> Iterator[int]:
        """Yield the pairs of the wordings that a packed text is part of, once for each wording."""
        return (int(self.owner[place]) for place in self._packed.find_holding(part))

    def compare(self, text: str, near: Integers | None = None) -> tuple[Similarities, Integers]:
        """Compare a question with every pair, or with those worth it where they are many.

        Args:
            text: As it is compared.
            near: Pairs that are near by their vectors, for a shelf of more than `EXACT` pairs.

        Returns:
            The similarities, and the c pairs that they are of.
        """
        places = [space.place(text) for space in self.spaces]
        spelling = np.maximum.reduceat(self._spelling.score(text), self.starts)
        answers = self._answers.score(text)
        chosen = np.arange(len(self.pairs))
        if len(self.pairs) > EXACT:
            chosen = self._look(places[0], spelling, answers, near)
            chosen = np.union1d(chosen, np.array(sorted(self.find_exactly(text)), np.int64))
        values = np.zeros((len(chosen), len(WAYS)), np.float32)
        rows, starts = self._rows(chosen)
        for number, (space, place) in enumerate(zip(self.spaces, places, strict=True)):
            column = 3 * number
            values[:, column] = unit(_take(space.sums, chosen)) @ place
            values[:, column + 1] = np.maximum.reduceat(_take(space.wordings, rows) @ place, starts)
            values[:, column + 2] = _take(space.answers, chosen) @ place
        values[:, 6] = spelling[chosen]
        values[:, 7] = answers[chosen]
        return Similarities(values), chosen

    def leave_one_out(
        self, asked: Integers, texts: Sequence[str], among: Integers
    ) -> npt.NDArray[np.float32]:
        """Compare wordings with the pairs as if each had not been stored.

        Args:
            asked: (q,) wordings; their pairs have others too and are among ``among``.
            texts: q texts of them, as they are compared.
            among: (p',) pairs to compare with.

        Returns:
            float32 (q, p', f).
        """
        rows, starts = self._rows(among)
        own = np.searchsorted(among, self.owner[asked])
        itself = np.searchsorted(rows, asked)
        each = np.arange(len(asked))
        values = np.zeros((len(asked), len(among), len(WAYS)), np.float32)
        for number, space in enumerate(self.spaces):
            column = 3 * number
            places = _take(space.wordings, asked)
            sums = _take(space.sums, among)
            values[..., column] = places @ unit(sums).T
            rest = unit(sums[own] - places)
            values[each, own, column] = (rest * places).sum(1)
            cosines = places @ _take(space.wordings, rows).T
            cosines[each, itself] = -1
            values[..., column + 1] = np.maximum.reduceat(cosines, starts, axis=1)
            values[..., column + 2] = places @ _take(space.answers, among).T
        for i, text in enumerate(texts):
            scores = self._spelling.score(text)[rows]
            scores[itself[i]] = 0
            values[i, :, 6] = np.maximum.reduceat(scores, starts)
            values[i, :, 7] = self._answers.score(text)[among]
        return values

    def _look(
        self, place: Floats, spelling: Floats, answers: Floats, near: Integers | None
    ) -> Integers:
        """Find the pairs that are among the best by any single way."""
        if near is None:
            cosines = self.spaces[0].wordings @ place.astype(self.spaces[0].wordings.dtype)
            near = self.owner[_best(cosines, 2 * _LOOKED_AT)]
        lexical = _best(spelling + 0.5 * answers, _LOOKED_AT)
        return np.unique(np.concatenate([near, lexical]))

    def _rows(self, chosen: Integers) -> tuple[Integers, Integers]:
        """Return the rows of the wordings of some pairs, and where each pair begins among them."""
        if len(chosen) == len(self.pairs):
            return np.arange(len(self.texts)), self.starts
        lengths = self.lengths[chosen]
        starts = np.concatenate([[0], np.cumsum(lengths)[:-1]])
        return take_runs(self.starts[chosen], lengths), starts


def _best(scores: Floats, count: int) -> Integers:
    if len(scores) <= count:
        return np.arange(len(scores))
    return np.argpartition(scores, -count)[-count:].astype(np.int64)


def _take(rows: Floats, chosen: Integers) -> Floats:
    taken: Floats = (rows if len(chosen) == len(rows) else rows[chosen]).astype(np.float32)
    return taken


def _under(prefix: str, arrays: Arrays) -> Arrays:
    start = f"{prefix}."
    return {name.removeprefix(start): a for name, a in arrays.items() if name.startswith(start)}


def pack(text: str) -> str:
    """Keep letters and digits, so that spacing and punctuation do not count."""
    return _MARKS.sub("", text.lower())
