"""What the shelves of an index are made of: prepared texts, counted spelling, whitened vectors.

It is made of the pairs alone, takes half a minute of 100,000 of them, and may be kept in a file.

Shapes: n wordings of all pairs and languages, p pairs of a language, d length of a vector.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module, metadata
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from visavis.core.types import Floats, Language
from visavis.knowledge.array_file import Parts
from visavis.knowledge.base import Pair
from visavis.knowledge.lexical import Words, count_texts
from visavis.knowledge.postings import Arrays, Integers
from visavis.knowledge.shelf import pack
from visavis.knowledge.text_list import TextList
from visavis.knowledge.vectors import Encoder
from visavis.knowledge.whitening import sort_by_item, take_runs, unit, whiten_wordings

Array: TypeAlias = npt.NDArray[Any]
Encode: TypeAlias = Callable[[Encoder, Sequence[str]], Floats]
"""Encodes n texts to float32 (n, d), and may remember them."""

_BLOCK = 32_768
"""Vectors that are worked on at once; bounds the memory."""
_MAKERS = (
    "visavis.knowledge.lexical",
    "visavis.knowledge.postings",
    "visavis.knowledge.shelf",
    "visavis.knowledge.shelf_arrays",
    "visavis.knowledge.synonyms",
    "visavis.knowledge.text",
    "visavis.knowledge.text_list",
    "visavis.knowledge.whitening",
    "visavis.models.common.simplified",
)
"""Modules on which the arrays depend."""
_PACKAGES = ("jieba", "pypinyin", "zhconv", "visavis")


@dataclass(frozen=True, slots=True, eq=False)
class Stock:
    """The pairs of all bases.

    Attributes:
        pairs: Of all languages.
        items: (pairs,) the question that each one asks: the same for its wordings in other languages.
        languages: To be searched in.
        many: Pairs of a language from which its vectors are kept in half precision.
        prepare: Makes of a wording the text that is compared.
    """

    pairs: Sequence[Pair]
    items: Integers
    languages: Sequence[Language]
    many: int
    prepare: Callable[[str], str]

    @property
    def is_large(self) -> bool:
        """Whether a language has many pairs."""
        return any(len(self.choose(language)) > self.many for language in self.languages)

    def choose(self, language: Language) -> list[int]:
        """Return the places of the pairs of a language."""
        return [i for i, pair in enumerate(self.pairs) if pair.language == language]

    def find_key(self, encoder: Encoder, synonyms: Iterable[Sequence[str]]) -> str:
        """Return what changes whenever the arrays do."""
        digest = hashlib.sha256(_fingerprint_code())
        digest.update(repr((encoder.fingerprint, self.languages, self.many)).encode())
        digest.update(repr([tuple(group) for group in synonyms]).encode("utf-8", "replace"))
        digest.update(self.items.tobytes())
        for pair in self.pairs:
            fields = (pair.language, pair.answer, *pair.wordings)
            digest.update("\0".join((str(len(fields)), *fields, "")).encode("utf-8", "replace"))
        return digest.hexdigest()[:32]


def take_shelf(arrays: Arrays, language: Language) -> dict[str, Array]:
    """Return the arrays of one language by their names in its shelf."""
    prefix = f"{language}/"
    return {
        name.removeprefix(prefix): array
        for name, array in arrays.items()
        if name.startswith(prefix)
    }


def make_arrays(stock: Stock, encoder: Encoder, encode: Encode) -> Parts:
    """Make the arrays, one after the other.

    Yields:
        ``whitening`` float32 (d, d); and of each language, after its name and a stroke: the lists of
        texts ``texts`` and ``packed``, ``order`` int32 (n,), the places of the packed ones in their
        order; the counts ``spelling`` and ``answers``; ``wordings``, ``told`` and ``sums``, see
        `Space`. The sums are left out where each is of one wording.
    """
    texts = [[stock.prepare(text) for text in pair.wordings] for pair in stock.pairs]
    for language in stock.languages:
        chosen = stock.choose(language)
        own = [text for i in chosen for text in texts[i]]
        for name, array in _make_texts(own, [stock.pairs[i] for i in chosen], language):
            yield f"{language}/{name}", iter([array])
    yield from _make_vectors(stock, texts, encoder, encode)


def _make_texts(
    texts: Sequence[str], pairs: Sequence[Pair], language: Language
) -> Iterator[tuple[str, Array]]:
    packed = [pack(text) for text in texts]
    yield "order", np.array(sorted(range(len(packed)), key=packed.__getitem__), np.int32)
    yield from _name("packed", TextList(packed).arrays())
    yield from _name("texts", TextList(texts).arrays())
    words: Words = {}
    yield from _name("spelling", count_texts(texts, language, words=words))
    answers, questions = [pair.answer for pair in pairs], [pair.question for pair in pairs]
    yield from _name("answers", count_texts(answers, language, questions, words))


def _name(prefix: str, arrays: Iterable[tuple[str, Array]]) -> Iterator[tuple[str, Array]]:
    return ((f"{prefix}.{name}", array) for name, array in arrays)


def _make_vectors(
    stock: Stock, texts: Sequence[Sequence[str]], encoder: Encoder, encode: Encode
) -> Parts:
    lengths = np.array([len(some) for some in texts], np.int64)
    starts = np.cumsum(lengths) - lengths
    wanted = [text for some in texts for text in some]
    count = len(wanted)
    wanted += [pair.answer or pair.question for pair in stock.pairs]
    vectors = _encode(encoder, encode, wanted, np.float16 if stock.is_large else np.float32)
    items = np.repeat(stock.items, lengths)
    whitening = whiten_wordings(vectors[:count], items)
    yield "whitening", iter([whitening])
    plain = np.array_equal(whitening, np.eye(len(whitening)))
    for begin in range(0, len(vectors), _BLOCK):
        rows = vectors[begin : begin + _BLOCK].astype(np.float32)
        vectors[begin : begin + _BLOCK] = unit(rows if plain else rows @ whitening)
    order, members, begins = sort_by_item(items)

    def add_up(pairs: Integers) -> Floats:
        some = members[stock.items[pairs]]
        rows = order[take_runs(begins[stock.items[pairs]], some)]
        sums: Floats = np.add.reduceat(vectors[rows].astype(np.float32), np.cumsum(some) - some)
        return sums

    for language in stock.languages:
        chosen = np.array(stock.choose(language), np.int64)
        kind = np.float16 if len(chosen) > stock.many else np.float32
        own = take_runs(starts[chosen], lengths[chosen])
        yield f"{language}/wordings", _take(vectors, own, kind)
        yield f"{language}/told", _take(vectors, count + chosen, kind)
        if members[stock.items[chosen]].max() > 1:
            # A pair may have so many wordings that few pairs are enough at once.
            size = max(_BLOCK // int(members.max()), 1)
            parts = (chosen[begin : begin + size] for begin in range(0, len(chosen), size))
            yield f"{language}/sums", (add_up(part).astype(kind) for part in parts)


def _encode(encoder: Encoder, encode: Encode, texts: Sequence[str], kind: type) -> Floats:
    """Return (len(texts), d), encoded in blocks where memory is to be spared."""
    if kind is np.float32:
        return encode(encoder, texts).copy()
    vectors: Floats | None = None
    for begin in range(0, len(texts), _BLOCK):
        rows = encode(encoder, texts[begin : begin + _BLOCK])
        if vectors is None:
            vectors = np.empty((len(texts), rows.shape[1]), kind)
        vectors[begin : begin + len(rows)] = rows
    assert vectors is not None
    return vectors


def _take(vectors: Floats, rows: Integers, kind: type) -> Iterator[Floats]:
    for begin in range(0, len(rows), _BLOCK):
        yield vectors[rows[begin : begin + _BLOCK]].astype(kind)


@functools.cache
def _fingerprint_code() -> bytes:
    """Hash the code that makes the arrays: nobody has to remember to raise a number."""
    digest = hashlib.sha256()
    for name in _MAKERS:
        # Where there is no source, as in a frozen program, the version must do.
        with contextlib.suppress(OSError):
            digest.update(Path(str(import_module(name).__file__)).read_bytes())
    for package in _PACKAGES:
        digest.update(f"{package} {metadata.version(package)}\n".encode())
    return digest.digest()
