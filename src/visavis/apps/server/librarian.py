"""The bases that answers come from, as their operator reads and changes them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from visavis.apps.kb.merging import normal_question
from visavis.apps.server.errors import Conflict
from visavis.core.errors import InputError, TextUnusable
from visavis.core.types import Language
from visavis.knowledge.base import MAX_QUESTION, Base, Pair, load_samples
from visavis.knowledge.importing import fields
from visavis.knowledge.importing.attachments import read_attachments
from visavis.knowledge.importing.pairs import make_id, normalise_question
from visavis.knowledge.live import LiveKnowledge, open_store
from visavis.knowledge.store import UnknownBase, VersionConflict

if TYPE_CHECKING:
    from visavis.knowledge.store import KnowledgeStore, Version

SEARCHED_WITHIN = 3.0
"""Seconds that a request waits until what it wrote is answered from."""
_LOOK = 0.2
_ATTEMPTS = 5
"""How often a change is made anew where somebody else was quicker."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A base as its operator sees it.

    Attributes:
        base: With all its pairs.
        version: None for a sample that is not in a store.
    """

    base: Base
    version: int | None


class Librarian:
    """Reads the store of a responder's bases, and makes one where the samples are answered from.

    Its calls wait for the database, so that routes use threads, except `wait_until_searched`.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._last: tuple[KnowledgeStore, str, int, Base] | None = None

    def find_store(self, responder: Any) -> KnowledgeStore | None:
        """Return the store that a responder answers from; None where it keeps none."""
        knowledge: LiveKnowledge | None = getattr(responder, "knowledge", None)
        return knowledge.store if knowledge is not None else None

    def why_not(self, responder: Any) -> str:
        """Say in words why a responder's bases cannot be changed here; empty where they can."""
        if getattr(responder, "knowledge", None) is None:
            return "this responder answers from no base that can be changed; use faq"
        if self.find_store(responder) is None and not _holds_samples(responder):
            return (
                "its bases are files that were named at the start; change these, or import them"
                " into a store with `visavis kb import`"
            )
        return ""

    def holds_content(self, responder: Any) -> bool:
        """Whether anything was ever put into the store; until then the samples are answered from.

        Raises:
            StoreUnavailable: The database is locked or away.
        """
        store = self.find_store(responder)
        return store is not None and any(info.version for info in store.bases())

    def open_to_write(self, responder: Any) -> tuple[KnowledgeStore, bool]:
        """Return the store, made and filled with the samples where these are answered from.

        Returns:
            The store, and whether the samples were copied into it just now.

        Raises:
            Conflict: The responder's bases cannot be changed.
            ConfigError: The store cannot be made.
            StoreUnavailable: The database is locked, full or away.
        """
        if reason := self.why_not(responder):
            raise Conflict(reason)
        with self._lock:
            store = self.find_store(responder)
            if store is not None and any(info.version for info in store.bases()):
                return store, False
            store = store or open_store()
            _copy_samples(store)
            knowledge: LiveKnowledge = responder.knowledge
            if knowledge.store is None:
                # From now on it follows the store; the samples serve until its index is there.
                knowledge.adopt(store)
            return store, True

    def read(self, responder: Any, name: str) -> Kept:
        """Read a base as it is now, searched or not yet.

        Raises:
            UnknownBase: There is none of that name.
            StoreUnavailable: The database is locked or away.
        """
        if self.holds_content(responder):
            store = self.find_store(responder)
            assert store is not None
            return self.read_stored(store, name)
        for base in getattr(responder, "bases", ()):
            if base.name == name:
                return Kept(base, None)
        store = self.find_store(responder)
        if store is None:
            raise UnknownBase(f"there is no base {name[:100]!r}")
        return self.read_stored(store, name)

    def read_stored(self, store: KnowledgeStore, name: str) -> Kept:
        """Read a base of a store; the one read last is remembered.

        Raises:
            UnknownBase: There is none of that name.
            StoreUnavailable: The database is locked or away.
        """
        version = find_version(store, name)
        with self._lock:
            last = self._last
        if last is not None and last[0] is store and last[1:3] == (name, version):
            return Kept(last[3], version)
        base = store.load(name)
        with self._lock:
            # Another may have changed it while it was read; it is read again then.
            if find_version(store, name) == version:
                self._last = (store, name, version, base)
        return Kept(base, version)

    def change(
        self,
        store: KnowledgeStore,
        name: str,
        make: Callable[[Base], Mapping[str, Any]],
        *,
        expect_version: int | None,
    ) -> Version | None:
        """Change a base by what is found in it, so that nobody else's change comes between.

        Args:
            store: That has the base.
            name: Of the base.
            make: Told the base, it returns arguments of ``KnowledgeStore.change``.
            expect_version: Number of the version that the caller knows; any if None.

        Raises:
            UnknownBase: There is none of that name.
            VersionConflict: It is at another version, or others change it again and again.
            InputError: A pair cannot be kept.
            StoreUnavailable: The database is locked, full or away.
        """
        attempt = 1
        while True:
            kept = self.read_stored(store, name)
            known = kept.version if expect_version is None else expect_version
            if kept.version != known:
                raise VersionConflict(
                    f"the base {name!r} is at version {kept.version}, not {known}: somebody changed"
                    " it meanwhile; look at it again before you change it"
                )
            try:
                return store.change(
                    name, **make(kept.base), author="operator", expect_version=known
                )
            except VersionConflict:
                if expect_version is not None or attempt == _ATTEMPTS:
                    raise
                attempt += 1


async def wait_until_searched(
    responder: Any, name: str, holds: Callable[[Base], bool], limit: float = SEARCHED_WITHIN
) -> bool:
    """Wait a little until answers come from a change, and say whether they do.

    Args:
        responder: That answers.
        name: Of the base.
        holds: Whether the change is in a base.
        limit: Seconds.
    """

    def look() -> bool:
        return any(base.name == name and holds(base) for base in responder.bases)

    until = asyncio.get_running_loop().time() + limit
    while not (found := await asyncio.to_thread(look)):
        if asyncio.get_running_loop().time() > until:
            break
        await asyncio.sleep(_LOOK)
    return found


def find_version(store: KnowledgeStore, name: str) -> int:
    """Return the number of a base's version; 0 before the first change.

    Raises:
        UnknownBase: There is none of that name.
        StoreUnavailable: The database is locked or away.
    """
    newest = store.versions(name, limit=1)
    return newest[0].number if newest else 0


def make_pair(values: Mapping[str, Any]) -> Pair:
    """Make a pair as an imported row would be.

    Args:
        values: By field of `Pair`; days as texts, attachments as objects. The id and the language
            may be missing: the id is made of the question, the language found in it.

    Raises:
        InputError: A field cannot be used.
    """
    try:
        question = " ".join(fields.read_text(values, "question", MAX_QUESTION).split())
        try:
            normal = normalise_question(question)
        except TextUnusable:
            raise fields.Wrong("there is no word in the question; write it out") from None
        answer = fields.read_answer(values)
        language: Language = fields.read_language(values, question, answer)
        begin = fields.read_day(values, "valid_from")
        return Pair(
            id=fields.read_text(values, "id", 100, needed=False) or make_id(language, normal),
            question=question,
            answer=answer,
            language=language,
            topic=" ".join(fields.read_text(values, "topic", 100, needed=False).split()),
            aliases=fields.read_aliases(values, question),
            source=fields.read_text(values, "source", MAX_QUESTION, needed=False),
            sample=fields.read_sample(values),
            emotion=fields.read_emotion(values),
            intensity=fields.read_intensity(values),
            valid_from=begin,
            valid_to=fields.read_day(values, "valid_to", begin),
            attachments=read_attachments(values),
        )
    except fields.Wrong as error:
        raise InputError(str(error)) from None


def find_same(pairs: Sequence[Pair], language: Language, question: str) -> Pair | None:
    """Return the pair whose question is the same, but for width, case and closing marks."""
    wanted = normal_question(question)
    return next(
        (
            pair
            for pair in pairs
            if pair.language == language and normal_question(pair.question) == wanted
        ),
        None,
    )


def _holds_samples(responder: Any) -> bool:
    return tuple(responder.bases) == load_samples()


def _copy_samples(store: KnowledgeStore) -> None:
    there = {info.name for info in store.bases()}
    samples = load_samples()
    for base in samples:
        if base.name not in there:
            store.create(base.name)
    for base in samples:
        store.change(base.name, put=base.pairs, note="copy of the sample", author="visavis")
