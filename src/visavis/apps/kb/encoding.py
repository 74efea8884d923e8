"""Making the vectors of a base ahead, so that the first question after an import need not wait."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import TYPE_CHECKING

from visavis.apps.kb.showing import Advance
from visavis.knowledge.live import encode_stored, load_second_encoders
from visavis.knowledge.shelf import EXACT
from visavis.knowledge.store import wording_text
from visavis.knowledge.synonyms import Synonyms

if TYPE_CHECKING:
    from visavis.core.types import Language
    from visavis.knowledge.base import Base, Pair
    from visavis.knowledge.store import KnowledgeStore

_BATCH = 256


def make_vectors(store: KnowledgeStore, name: str, told: Advance) -> int:
    """Make the vectors that the texts of a base lack.

    What is made is kept batch by batch, so that it can be stopped at any time; whoever searches
    next goes on.

    Args:
        store: Holds the base.
        name: Of the base.
        told: Given texts looked after, and their number.

    Returns:
        How many texts of it the encoder of all languages had not seen before.

    Raises:
        AssetError: A model file is missing.
        StoreUnavailable: The database is locked, full or away.
    """
    from visavis.models.sentence_encoder.predictor import SentenceEncoder

    first = SentenceEncoder()
    base = store.load(name)
    lacking = store.count_missing(first.fingerprint, [name])
    work = [
        (encoder, texts)
        for language, encoder in load_second_encoders().items()
        if _count_pairs(store, language) <= EXACT
        for texts in (list(_list_texts(base, language)),)
    ]
    work.append((first, list(_list_rewritten(base))))
    total = lacking + sum(len(texts) for _, texts in work)
    done = 0
    for part in store.missing_texts(first.fingerprint, [name], _BATCH):
        store.put_vectors(first.fingerprint, part, first.encode(part))
        done += len(part)
        told(done, total)
    encode = encode_stored(store)
    for encoder, texts in work:
        for some in _cut(texts):
            encode(encoder, some)
            done += len(some)
            told(done, total)
    store.prepare(first.fingerprint, progress=told)
    return lacking


def _count_pairs(store: KnowledgeStore, language: Language) -> int:
    return sum(info.pairs + info.gaps for info in store.bases() if language in info.languages)


def _list_texts(base: Base, language: Language) -> Iterator[str]:
    """Yield what is searched among in a language."""
    synonyms = Synonyms(base.synonyms)
    own = [pair for pair in base.pairs if pair.language == language]
    texts = chain.from_iterable(_texts(pair, synonyms) for pair in own)
    return iter(dict.fromkeys(texts))


def _list_rewritten(base: Base) -> Iterator[str]:
    """Yield wordings that synonyms change; the store itself lists them as they are."""
    synonyms = Synonyms(base.synonyms)
    for pair in base.pairs if base.synonyms else ():
        for wording in pair.wordings:
            plain = wording_text(wording)
            if (written := synonyms.replace(plain)) != plain:
                yield written


def _texts(pair: Pair, synonyms: Synonyms) -> Iterator[str]:
    for wording in pair.wordings:
        yield synonyms.replace(wording_text(wording))
    yield pair.answer or pair.question


def _cut(texts: Sequence[str]) -> Iterator[list[str]]:
    for begin in range(0, len(texts), _BATCH):
        yield list(texts[begin : begin + _BATCH])
