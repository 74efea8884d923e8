"""Entries of a base as they are stored: checked, as JSON, and with the texts that get vectors."""

from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any, Literal, TypeAlias, get_args

from visavis.core.errors import InputError, TextUnusable
from visavis.core.types import EMOTIONS, Emotion, Language
from visavis.knowledge.base import (
    ATTACHMENT_KINDS,
    MAX_ANSWER,
    MAX_ATTACHMENTS,
    MAX_QUESTION,
    Attachment,
    Pair,
)
from visavis.knowledge.store.records import StoredDocument, StoredPassage, TextKind
from visavis.knowledge.text import clean_question, reduce_question

EntryKind: TypeAlias = Literal["pair", "document", "passage", "synonyms"]

MAX_LINE = 500
"""Characters of a title, a note, a name of a file and the like."""
MAX_PASSAGE = 20_000
MAX_SYNONYMS = 10_000
"""Groups in a base."""
_PAIR_ID = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}")
_LANGUAGES: tuple[Language, ...] = get_args(Language)
_EMOTION: dict[str, Emotion] = {emotion: emotion for emotion in EMOTIONS}
_BROKEN = re.compile("[\x00\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Entry:
    """Something that a base holds, or is to hold no more.

    Attributes:
        kind: What it is.
        id: Of the pair or the document.
        sub: A pair's language, a passage's number.
        content: JSON in one fixed form, so that equal contents are equal texts; None for no entry.
        position: Its place in the base's order; None for where it is, or the end.
    """

    kind: EntryKind
    id: str
    sub: str
    content: str | None
    position: int | None = None

    @property
    def key(self) -> tuple[str, str, str]:
        """What is unique in a base."""
        return (self.kind, self.id, self.sub)


def check_text(value: Any, what: str, limit: int = MAX_LINE, *, needed: bool = False) -> str:
    """Refuse what no database can keep or nobody meant.

    Raises:
        TextUnusable: It is no text, empty though needed, too long, or holds a NUL or half a character.
    """
    if not isinstance(value, str):
        raise TextUnusable(f"{what} must be a text, not {type(value).__name__}")
    if needed and not value.strip():
        raise TextUnusable(f"{what} is empty")
    if len(value) > limit:
        raise TextUnusable(f"{what} has {len(value):,} characters, more than {limit:,}")
    broken = _BROKEN.search(value)
    if broken:
        name = "a NUL" if broken.group() == "\0" else "half a character (a lone surrogate)"
        raise TextUnusable(f"{what} holds {name} at character {broken.start() + 1}; remove it")
    return value


def pair_entry(pair: Pair) -> Entry:
    """Check a pair and write it down.

    Raises:
        InputError: A field cannot be kept; the message names pair and field.
    """
    check_text(pair.id, "a pair's id", needed=True)
    where = f"pair {pair.id[:100]!r}"
    if not _PAIR_ID.fullmatch(pair.id):
        raise InputError(f"{where}: the id is not made of a-z, 0-9, '.', '_' and '-'")
    if pair.language not in _LANGUAGES:
        raise InputError(f"{where}: the language is {pair.language!r}; it must be zh or en")
    if pair.emotion not in EMOTIONS:
        raise InputError(f"{where}: emotion {pair.emotion!r} is none of {', '.join(EMOTIONS)}")
    if not (math.isfinite(pair.intensity) and 0 <= pair.intensity <= 1):
        raise InputError(f"{where}: the intensity is {pair.intensity}; it must be from 0 to 1")
    if pair.valid_from and pair.valid_to and pair.valid_to < pair.valid_from:
        raise InputError(f"{where}: valid_to is {pair.valid_to}, before valid_from")
    if len(pair.attachments) > MAX_ATTACHMENTS:
        raise InputError(f"{where} has more than {MAX_ATTACHMENTS} attachments")
    for attachment in pair.attachments:
        if attachment.kind not in ATTACHMENT_KINDS:
            raise InputError(f"{where}: an attachment cannot be of kind {attachment.kind!r}")
        check_text(attachment.value, f"{where}: an attachment", needed=True)
        check_text(attachment.label, f"{where}: the label of an attachment")
    for alias in pair.aliases:
        check_text(alias, f"{where}: an alias", MAX_QUESTION, needed=True)
    row = {
        "question": check_text(pair.question, f"{where}: the question", MAX_QUESTION, needed=True),
        "answer": check_text(pair.answer, f"{where}: the answer", MAX_ANSWER) or None,
        "topic": check_text(pair.topic, f"{where}: the topic"),
        "aliases": list(pair.aliases),
        "source": check_text(pair.source, f"{where}: the source"),
        "sample": bool(pair.sample),
        "emotion": pair.emotion,
        "intensity": float(pair.intensity),
        "valid_from": pair.valid_from.isoformat() if pair.valid_from else None,
        "valid_to": pair.valid_to.isoformat() if pair.valid_to else None,
        "attachments": [asdict(attachment) for attachment in pair.attachments],
    }
    return Entry("pair", pair.id, pair.language, write_json(row))


def read_pair(identity: str, language: Language, content: str) -> Pair:
    """Make the pair of what ``pair_entry`` wrote."""
    row = json.loads(content)
    # What many pairs have in common is held once.
    return Pair(
        id=identity,
        question=row["question"],
        answer=row["answer"] or "",
        language="zh" if language == "zh" else "en",
        topic=sys.intern(row["topic"]),
        aliases=tuple(row["aliases"]),
        source=sys.intern(row["source"]),
        sample=row["sample"],
        emotion=_EMOTION.get(row["emotion"], row["emotion"]),
        intensity=row["intensity"],
        valid_from=date.fromisoformat(row["valid_from"]) if row["valid_from"] else None,
        valid_to=date.fromisoformat(row["valid_to"]) if row["valid_to"] else None,
        attachments=tuple(Attachment(**attachment) for attachment in row["attachments"]),
    )


def document_entry(document: StoredDocument, passages: str) -> Entry:
    """Check a document and write it down.

    Args:
        document: Without its passages.
        passages: SHA-256 of these, so that a document changes when they do.

    Raises:
        InputError: A field cannot be kept.
    """
    check_text(document.id, "the id of a document", needed=True)
    where = f"document {document.id[:100]!r}"
    if document.language not in _LANGUAGES:
        raise InputError(f"{where}: the language is {document.language!r}; it must be zh or en")
    row = {
        "title": check_text(document.title, f"{where}: the title"),
        "language": document.language,
        "kind": check_text(document.kind, f"{where}: the kind"),
        "source": check_text(document.source, f"{where}: the source", 2_000),
        "digest": check_text(document.digest, f"{where}: the digest"),
        "passages": passages,
    }
    return Entry("document", document.id, "", write_json(row))


def read_document(identity: str, content: str) -> StoredDocument:
    """Make the document of what ``document_entry`` wrote."""
    row = json.loads(content)
    row.pop("passages")
    return StoredDocument(id=identity, **row)


def passage_entry(document: StoredDocument, passage: StoredPassage) -> Entry:
    """Check a passage and write it down.

    Raises:
        InputError: A field cannot be kept.
    """
    where = f"passage {passage.number} of {document.id[:100]!r}"
    if not 0 <= passage.number < 1 << 31:
        raise InputError(f"{where}: the number must be 0 or more")
    row = {
        "text": check_text(passage.text, f"the text of {where}", MAX_PASSAGE, needed=True),
        "place": check_text(passage.place, f"the place of {where}"),
        "heading": check_text(passage.heading, f"the heading of {where}"),
        "language": document.language,
    }
    return Entry("passage", document.id, str(passage.number), write_json(row))


def read_passage(number: str, content: str) -> StoredPassage:
    """Make the passage of what ``passage_entry`` wrote."""
    row = json.loads(content)
    return StoredPassage(int(number), row["text"], row["place"], row["heading"])


def synonyms_entry(groups: Sequence[Sequence[str]]) -> Entry:
    """Check groups of synonyms and write them down; no groups are no entry.

    Raises:
        InputError: A word cannot be kept, or a group has fewer than two.
    """
    if len(groups) > MAX_SYNONYMS:
        raise InputError(f"there are more than {MAX_SYNONYMS:,} groups of synonyms")
    for group in groups:
        for word in group:
            check_text(word, "a synonym", 100, needed=True)
        if len(set(group)) < 2:
            raise InputError(f"the group of synonyms {list(group)!r} needs two different words")
    content = write_json([list(group) for group in groups]) if groups else None
    return Entry("synonyms", "", "", content, 0)


def read_synonyms(content: str) -> tuple[tuple[str, ...], ...]:
    """Make the groups of what ``synonyms_entry`` wrote."""
    return tuple(tuple(group) for group in json.loads(content))


def is_gap(entry: Entry) -> bool:
    """Whether it is a pair that is known to have no answer."""
    return (
        entry.kind == "pair"
        and entry.content is not None
        and json.loads(entry.content)["answer"] is None
    )


def wording_text(text: str) -> str:
    """Return what is encoded for a question: without courtesies, in plain characters."""
    try:
        return reduce_question(clean_question(text))
    except TextUnusable:
        return text


def find_texts(entry: Entry) -> Iterator[tuple[TextKind, Language, int, str]]:
    """Yield kind, language, number and text of everything of an entry that is encoded."""
    if entry.content is None or entry.kind not in ("pair", "passage"):
        return
    row = json.loads(entry.content)
    if entry.kind == "passage":
        yield "passage", row["language"], int(entry.sub), row["text"]
        return
    language: Language = "zh" if entry.sub == "zh" else "en"
    for number, wording in enumerate((row["question"], *row["aliases"])):
        yield "wording", language, number, wording_text(wording)
    if row["answer"]:
        yield "answer", language, 0, row["answer"]


def write_json(value: Any) -> str:
    """Write JSON in one fixed form."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
