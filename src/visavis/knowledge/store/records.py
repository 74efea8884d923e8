"""What the store gives out and takes in besides pairs, and what it refuses."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias

from visavis.core.errors import InputError, StageError
from visavis.core.types import Language


class UnknownBase(InputError):
    """The store has no base of that name."""


class UnknownEntry(InputError):
    """The base has no such pair, document or version."""


class VersionConflict(StageError):
    """Somebody else changed the base meanwhile; nothing was written."""


TextKind: TypeAlias = Literal["wording", "answer", "passage"]
TEXT_KINDS: tuple[TextKind, ...] = ("wording", "answer", "passage")


@dataclass(frozen=True, slots=True)
class BaseInfo:
    """A base without its content.

    Attributes:
        name: Unique in the store.
        title: As people read it; may be empty.
        languages: That it has an answer or a document in.
        pairs: Number of pairs with an answer.
        gaps: Number of pairs that are known to have none.
        documents: Number of documents.
        version: Of its content; 0 before the first change.
        changed: When content, title or name changed last, in UTC.
    """

    name: str
    title: str
    languages: tuple[Language, ...]
    pairs: int
    gaps: int
    documents: int
    version: int
    changed: datetime


@dataclass(frozen=True, slots=True)
class Version:
    """One change of a base.

    Attributes:
        number: From 1, without holes.
        when: In UTC.
        author: Who made it; may be empty.
        note: What for; may be empty.
        added: Pairs and documents that were not there before.
        changed: Pairs and documents that were; the synonyms count as one.
        removed: Pairs and documents that are there no more.
        undoes: Number of the version that this one took back.
    """

    number: int
    when: datetime
    author: str
    note: str
    added: int
    changed: int
    removed: int
    undoes: int | None = None


@dataclass(frozen=True, slots=True)
class StoredDocument:
    """A document that passages were taken from.

    Attributes:
        id: Unique in the base, such as the file's name.
        title: What an answer cites.
        language: Of all its passages.
        kind: Such as ``pdf``.
        source: Where it comes from, such as a web address.
        digest: SHA-256 of the file, so that it need not be read again.
    """

    id: str
    title: str
    language: Language
    kind: str = ""
    source: str = ""
    digest: str = ""


@dataclass(frozen=True, slots=True)
class DocumentInfo:
    """A document without its content.

    Attributes:
        document: What is known of it.
        passages: Number of its passages.
        changed: When it came or changed last, in UTC.
    """

    document: StoredDocument
    passages: int
    changed: datetime


@dataclass(frozen=True, slots=True)
class StoredPassage:
    """A piece of a document that can be found and cited.

    Attributes:
        number: From 0, in reading order; unique in the document.
        text: What it says.
        place: As people read it, such as ``page 3``.
        heading: What it stands under.
    """

    number: int
    text: str
    place: str = ""
    heading: str = ""


@dataclass(frozen=True, slots=True)
class Near:
    """A text of a base that is near a vector.

    Attributes:
        base: Name of the base.
        id: Of the pair or the document.
        language: Of the text.
        kind: A pair's wording or answer, or a document's passage.
        number: Of the wording (0 is the question, then the aliases) or of the passage.
        cosine: Similarity, -1..1, to about three decimals.
    """

    base: str
    id: str
    language: Language
    kind: TextKind
    number: int
    cosine: float
