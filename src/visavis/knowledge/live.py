"""The bases that are answered from, and their index, made anew when the store changes."""

from __future__ import annotations

import functools
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from visavis.core.errors import AssetError, ConfigError, Error
from visavis.core.types import Floats, Language
from visavis.knowledge.base import Base, load_samples
from visavis.knowledge.fusion import Fusion
from visavis.knowledge.reranker import Reranker
from visavis.knowledge.reranking import RerankedIndex
from visavis.knowledge.search import FindNear, KnowledgeIndex
from visavis.knowledge.shelf_arrays import Encode
from visavis.knowledge.vectors import Encoder

if TYPE_CHECKING:
    from visavis.knowledge.store import KnowledgeStore

logger = logging.getLogger(__name__)

SECOND: Mapping[Language, tuple[str, str]] = {
    "zh": ("roformer-sim-small", "network"),
    "en": ("minilm-l6-int8", "mean"),
}
"""Asset and pooling of the encoder that helps in each language."""

_LOOK = 1.0
"""Seconds between two looks at whether the store has changed."""
_BATCH = 256
_ANY = "有什么 load"
"""A question that loads what any question needs."""


def default_place() -> Path:
    """Return where the store lies, following XDG_DATA_HOME."""
    base = os.environ.get("XDG_DATA_HOME", "").strip()
    root = Path(base).expanduser() if base else Path.home() / ".local" / "share"
    return root / "visavis" / "knowledge.db"


def open_store(place: str = "") -> KnowledgeStore:
    """Open the store, and make it where it is not there.

    Args:
        place: Path of an SQLite file or ``postgresql://…``; `default_place` if empty.

    Raises:
        ConfigError: It cannot be used, or the extra for it is missing.
    """
    from visavis.knowledge.store import KnowledgeStore

    return KnowledgeStore(place or default_place())


@functools.cache
def share_encoder() -> Encoder:
    """Return the Universal Sentence Encoder; the process has one."""
    from visavis.models.sentence_encoder.predictor import SentenceEncoder

    return SentenceEncoder()


@functools.cache
def _share_second(language: Language) -> Encoder:
    from visavis.models.text_encoder.predictor import TextEncoder

    asset, pooling = SECOND[language]
    return TextEncoder(asset, pooling=pooling)  # type: ignore[arg-type]


def load_second_encoders() -> dict[Language, Encoder]:
    """Return the encoders that help in one language each, where they were pulled.

    The process has one of each, however many responders it has: they take 330 MB.
    """
    found: dict[Language, Encoder] = {}
    for language in SECOND:
        try:
            found[language] = _share_second(language)
        except AssetError as error:
            logger.info("searching %s without %s: %s", language, SECOND[language][0], error)
    return found


def load_reranker(folder: str) -> Reranker:
    """Return the cross-encoder of a folder; its files are looked for, and read when it is asked.

    Raises:
        AssetError: The folder holds none.
        ConfigError: It holds several.
    """
    from visavis.models.cross_encoder.predictor import CrossEncoder

    return CrossEncoder(folder)


@dataclass(frozen=True, slots=True)
class _Snapshot:
    bases: tuple[Base, ...]
    revision: int
    is_sample: bool = False
    index: KnowledgeIndex | None = None


class LiveKnowledge:
    """Bases and their index. Safe to share between threads.

    What the store changes is searched a moment later: a new index is made in the background, and the
    one before serves until it is there.
    """

    def __init__(
        self,
        bases: Sequence[Base] | None = None,
        *,
        place: str = "",
        only: Sequence[str] = (),
        encoder: Encoder | None = None,
        second: Mapping[Language, Encoder] | None = None,
        fusion: Mapping[Language, Fusion] | None = None,
        reranker: Reranker | None = None,
        cache: Path | None = None,
    ) -> None:
        """Read the bases; vectors are made with `prepare`.

        Args:
            bases: These and no store.
            place: Of the store; where it is empty and no store is at the default place, or it holds
                neither an answer nor a document, the shipped samples are answered from.
            only: Names of the store's bases to use; all by default.
            encoder: Makes sentence vectors; the Universal Sentence Encoder by default.
            second: Further encoders; those that were pulled by default.
            fusion: Weights and thresholds; learnt from the bases by default.
            reranker: Orders what is found first; none by default.
            cache: Folder of cached vectors of bases that are not in a store.

        Raises:
            ConfigError: The store cannot be used, or lacks a base of ``only``.
        """
        self._encoder, self._second = encoder, second
        self._fusion, self._cache, self._only = fusion, cache, tuple(only)
        self._reranker = reranker
        self._lock = threading.RLock()
        self._worker: threading.Thread | None = None
        self._looked = 0.0
        self._store: KnowledgeStore | None = None
        self._may_appear = bases is None and not place
        if bases is not None:
            self._now = _Snapshot(tuple(bases), -1)
            return
        if place or default_place().exists():
            self._store = open_store(place)
        elif only:
            raise ConfigError(
                f"there is no base {only[0]!r}: no store is at {default_place()};"
                " make one with `visavis kb import`, or name another with VISAVIS_KNOWLEDGE"
            )
        self._now = self._read()

    @property
    def bases(self) -> tuple[Base, ...]:
        """The bases as they are now."""
        self._follow()
        return self._now.bases

    @property
    def store(self) -> KnowledgeStore | None:
        """Where the bases are kept, if they are."""
        return self._store

    @property
    def only(self) -> tuple[str, ...]:
        """Names of the store's bases that are used; empty for all."""
        return self._only

    @property
    def encoder(self) -> Encoder:
        """What makes the vectors of every language."""
        if self._encoder is None:
            self._encoder = share_encoder()
        return self._encoder

    def find_second(self, language: Language) -> Encoder | None:
        """Return what makes further vectors of one language, if there is such an encoder."""
        if self._second is None:
            self._second = load_second_encoders()
        return self._second.get(language)

    def adopt(self, store: KnowledgeStore) -> None:
        """Answer from a store that was made meanwhile, as soon as it is indexed."""
        with self._lock:
            self._store = store
            self._looked = 0.0

    def prepare(self) -> KnowledgeIndex:
        """Return the index; the first time it is made, which takes seconds without a cache."""
        self._follow()
        with self._lock:
            if self._now.index is None:
                self._now = self._make(self._now)
            assert self._now.index is not None
            return self._now.index

    def refresh(self) -> None:
        """Wait until what the store holds now is searched."""
        if self._store is None:
            return
        with self._lock:
            if self._store.revision() != self._now.revision or self._now.index is None:
                self._now = self._make(self._read())

    def _follow(self) -> None:
        """Begin to make a new index where the store has changed."""
        if time.monotonic() - self._looked < _LOOK:
            return
        self._looked = time.monotonic()
        try:
            if self._store is None and self._may_appear and default_place().exists():
                self._store = open_store()
            if self._store is None:
                return
            if self._store.revision() == self._now.revision:
                return
        except Error as error:
            logger.warning("the knowledge store cannot be asked (%s); the last index serves", error)
            return
        if self._now.index is None:
            with self._lock:
                self._now = self._read()
        elif self._worker is None or not self._worker.is_alive():
            self._worker = threading.Thread(target=self._remake, name="knowledge", daemon=True)
            self._worker.start()

    def _remake(self) -> None:
        try:
            made = self._make(self._read())
        except Error as error:
            logger.warning("the changed bases cannot be used (%s); the last index serves", error)
            return
        with self._lock:
            self._now = made

    def _read(self) -> _Snapshot:
        if self._store is None:
            return _Snapshot(load_samples(), -1, is_sample=True)
        revision = self._store.revision()
        names = [info.name for info in self._store.bases()]
        missing = [name for name in self._only if name not in names]
        if missing:
            raise ConfigError(
                f"the store has no base {missing[0]!r}; there are {', '.join(names) or 'none'}"
            )
        names = [name for name in names if name in (self._only or names)]
        bases = tuple(self._store.load(name) for name in names)
        is_empty = all(pair.is_gap for base in bases for pair in base.pairs)
        if is_empty and not any(self._store.documents(name) for name in names):
            return _Snapshot(load_samples(), revision, is_sample=True)
        return _Snapshot(bases, revision)

    def _make(self, snapshot: _Snapshot) -> _Snapshot:
        if self._second is None:
            self._second = load_second_encoders()
        make: Callable[..., KnowledgeIndex] = KnowledgeIndex
        if self._reranker is not None:
            make = functools.partial(RerankedIndex, reranker=self._reranker)
        # The samples are nobody's data: their vectors stay in the cache, for the next store too.
        store = None if snapshot.is_sample else self._store
        index = make(
            snapshot.bases,
            self.encoder,
            second=self._second,
            fusion=self._fusion,
            encode=None if store is None else encode_stored(store),
            near=None if store is None else find_stored(store, self._only),
            background=load_samples(),
            cache=self._cache,
        )
        if self._store is not None:
            for texts in self._store.missing_texts(self.encoder.fingerprint, self._only or None):
                self._store.put_vectors(self.encoder.fingerprint, texts, self.encoder.encode(texts))
        # Where all was cached, nothing has loaded the encoders, the list of words or the store's
        # index yet. An encoder that no language is searched with stays unloaded.
        self.encoder.encode([_ANY])
        for language in index.languages:
            index.compare(_ANY, language)
        return replace(snapshot, index=index)


def encode_stored(store: KnowledgeStore) -> Encode:
    """Make what encodes texts that have no vector in the store yet, and keeps theirs there."""

    def encode(encoder: Encoder, texts: Sequence[str]) -> Floats:
        rows, there = store.vector_rows(encoder.fingerprint, texts)
        lacking = [text for text, known in zip(texts, there, strict=True) if not known]
        made: dict[str, Floats] = {}
        for some in _batches(list(dict.fromkeys(lacking))):
            new = encoder.encode(some)
            store.put_vectors(encoder.fingerprint, some, new)
            made.update(zip(some, new, strict=True))
        if lacking:
            if not there.any():
                rows = np.empty((len(texts), len(made[lacking[0]])), np.float32)
            rows[~there] = [made[text] for text in lacking]
        return rows

    return encode


def find_stored(store: KnowledgeStore, only: Sequence[str]) -> FindNear:
    """Make what asks the store's index of vectors."""

    def near(
        encoder: Encoder, vector: Floats, language: Language, count: int
    ) -> list[tuple[str, str]]:
        found = store.nearest(
            encoder.fingerprint,
            vector,
            count,
            bases=only or None,
            language=language,
            kinds=("wording", "answer"),
        )
        return [(one.base, one.id) for one in found]

    return near


def _batches(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    for begin in range(0, len(texts), _BATCH):
        yield texts[begin : begin + _BATCH]
