"""Question-answer bases: one JSON Lines file each, checked row by row."""

from __future__ import annotations

import hashlib
import json
import logging
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from importlib import resources
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

from visavis.core.errors import FileUnreadable
from visavis.core.types import EMOTIONS, Emotion, Language

logger = logging.getLogger(__name__)

MAX_FILE_BYTES = 64 << 20
MAX_PAIRS = 50_000
MAX_QUESTION = 500
"""Characters of a question or an alias."""
MAX_ANSWER = 4_000

_ID = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}")
_LANGUAGES: tuple[Language, ...] = get_args(Language)
_FIELDS = {
    "id", "language", "topic", "question", "aliases", "answer", "source", "sample", "emotion",
    "intensity", "valid_from", "valid_to", "attachments",
}  # fmt: skip

AttachmentKind: TypeAlias = Literal["link", "phone", "office"]
ATTACHMENT_KINDS: tuple[AttachmentKind, ...] = ("link", "phone", "office")
MAX_ATTACHMENTS = 10


@dataclass(frozen=True, slots=True)
class Attachment:
    """What is shown beside an answer and not spoken.

    Attributes:
        kind: A web address, a telephone number, or a place to go to.
        value: The address, the number, or where the place is.
        label: What it is, in the pair's language; empty where the value says it.
    """

    kind: AttachmentKind
    value: str
    label: str = ""


@dataclass(frozen=True, slots=True)
class Pair:
    """A question and its answer.

    Attributes:
        id: The same in every language for the same question.
        question: As somebody would ask it.
        aliases: Other ways to ask it.
        answer: What is said, in the pair's language. Empty for a known gap: a neighbouring question
            that the base is known not to answer, so that asking it is refused and not answered with
            the nearest pair.
        language: Of question, aliases and answer.
        topic: What it is about.
        source: Where the answer comes from; this is what an answer cites.
        sample: Made up for demonstration, not official advice.
        emotion: How the answer is said.
        intensity: Of the emotion, 0..1.
        valid_from: First day on which the answer holds; None for always.
        valid_to: Last day on which it holds.
        attachments: Shown beside the answer.
    """

    id: str
    question: str
    answer: str
    language: Language
    topic: str = ""
    aliases: tuple[str, ...] = ()
    source: str = ""
    sample: bool = False
    emotion: Emotion = "neutral"
    intensity: float = 0.3
    valid_from: date | None = None
    valid_to: date | None = None
    attachments: tuple[Attachment, ...] = ()

    def holds_on(self, day: date) -> bool:
        """Whether the answer holds on a day."""
        begun = self.valid_from is None or self.valid_from <= day
        return begun and (self.valid_to is None or day <= self.valid_to)

    @property
    def is_gap(self) -> bool:
        """Whether the base is known to have no answer."""
        return not self.answer

    @property
    def wordings(self) -> tuple[str, ...]:
        """Every way to ask it."""
        return (self.question, *self.aliases)


@dataclass(frozen=True, slots=True)
class Base:
    """The pairs of one file, in its order.

    Attributes:
        name: Of the file, without its ending.
        pairs: Ids are unique within a language.
        digest: SHA-256 of the file, or what else changes whenever the pairs do.
        synonyms: Groups of words that mean the same here.
    """

    name: str
    pairs: tuple[Pair, ...]
    digest: str = ""
    synonyms: tuple[tuple[str, ...], ...] = ()

    @property
    def languages(self) -> tuple[Language, ...]:
        """Languages that it has at least one answer in."""
        present = {p.language for p in self.pairs if not p.is_gap}
        return tuple(language for language in _LANGUAGES if language in present)

    def texts(self, language: Language) -> Iterator[str]:
        """Every wording and answer in a language."""
        for pair in self.pairs:
            if pair.language == language:
                yield from pair.wordings
                yield pair.answer


def load_base(path: Path) -> Base:
    """Read a base from a JSON Lines file: UTF-8, one object a line.

    A row has ``id``, ``language`` (zh or en), ``question`` and ``answer`` (null for a known gap); it
    may have ``aliases``, ``topic``, ``source``, ``sample``, ``emotion``, ``intensity``, ``valid_from``
    and ``valid_to`` (2026-01-31), and ``attachments`` (objects of ``kind``, ``value`` and ``label``).
    Empty lines are passed over.

    Raises:
        FileUnreadable: The file cannot be read, or a row is wrong; the message names the line.
    """
    pairs: list[Pair] = []
    line_of: dict[tuple[str, Language], int] = {}
    content = read_limited(path)
    for number, row in read_rows(path, content):
        pair = _parse(path, number, row)
        key = (pair.id, pair.language)
        if key in line_of:
            raise _wrong(
                path, number, f"id {pair.id!r} ({pair.language}) is taken by line {line_of[key]}"
            )
        line_of[key] = number
        pairs.append(pair)
        if len(pairs) > MAX_PAIRS:
            raise FileUnreadable(
                f"{path} has more than {MAX_PAIRS:,} pairs; split it into several bases"
            )
    if all(pair.is_gap for pair in pairs):
        raise FileUnreadable(f"{path} holds no question with an answer; add at least one row")
    return Base(path.stem, tuple(pairs), hashlib.sha256(content).hexdigest())


def load_samples() -> tuple[Base, ...]:
    """Load the bases shipped as samples, one a language: written for this project, not official."""
    folder = samples_folder()
    return tuple(load_base(folder / f"government_{language}.jsonl") for language in _LANGUAGES)


def samples_folder() -> Path:
    """Return the folder of the sample bases and their test questions."""
    return Path(str(resources.files("visavis.knowledge").joinpath("samples")))


def read_limited(path: Path) -> bytes:
    """Read a whole file of sane size.

    Raises:
        FileUnreadable: It cannot be read or is larger than 64 MB.
    """
    try:
        size = path.stat().st_size
        if size > MAX_FILE_BYTES:
            raise FileUnreadable(
                f"{path} has {size >> 20} MB; a base has at most {MAX_FILE_BYTES >> 20} MB"
            )
        return path.read_bytes()
    except OSError as error:
        reason = error.strerror or str(error)
        raise FileUnreadable(f"{path} cannot be read: {reason}; give a JSON Lines file") from error


def read_rows(path: Path, content: bytes) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (line number from 1, object) of a JSON Lines file.

    Raises:
        FileUnreadable: A line is not UTF-8 or not a JSON object; the message names it.
    """
    for number, raw in enumerate(content.split(b"\n"), 1):
        try:
            line = raw.decode("utf-8-sig" if number == 1 else "utf-8").strip()
        except UnicodeDecodeError as error:
            raise _wrong(path, number, "it is not UTF-8; save the file as UTF-8") from error
        if not line:
            continue
        try:
            row = json.loads(line)
        except (json.JSONDecodeError, RecursionError) as error:
            reason = getattr(error, "msg", "nested too deep")
            raise _wrong(path, number, f"it is not JSON ({reason}); write one object") from error
        if not isinstance(row, dict):
            raise _wrong(path, number, "it is not a JSON object, such as {" + '"id": …}')
        yield number, row


def _parse(path: Path, number: int, row: dict[str, Any]) -> Pair:
    unknown = sorted(set(row) - _FIELDS)
    if unknown:
        known = ", ".join(sorted(_FIELDS))
        raise _wrong(path, number, f"the field {unknown[0]!r} is not known; there are {known}")
    identity = _text(path, number, row, "id", 100)
    if not _ID.fullmatch(identity):
        raise _wrong(path, number, f"id {identity!r} is not made of a-z, 0-9, '.', '_' and '-'")
    if row.get("language") not in _LANGUAGES:
        raise _wrong(path, number, f"language is {row.get('language')!r}; it must be zh or en")
    if "answer" not in row:
        raise _wrong(path, number, "the field 'answer' is missing; null says that there is none")
    aliases = row.get("aliases", [])
    if not isinstance(aliases, list):
        raise _wrong(path, number, "'aliases' must be a list of texts")
    emotion = row.get("emotion", "neutral")
    if emotion not in EMOTIONS:
        raise _wrong(path, number, f"emotion {emotion!r} is none of {', '.join(EMOTIONS)}")
    intensity = row.get("intensity", 0.3)
    if isinstance(intensity, bool) or not isinstance(intensity, int | float):
        raise _wrong(path, number, "'intensity' must be a number from 0 to 1")
    if not 0 <= intensity <= 1:
        raise _wrong(path, number, f"intensity is {intensity}; it must be from 0 to 1")
    sample = row.get("sample", False)
    if not isinstance(sample, bool):
        raise _wrong(path, number, "'sample' must be true or false")
    return Pair(
        id=identity,
        question=_text(path, number, row, "question", MAX_QUESTION),
        answer="" if row["answer"] is None else _text(path, number, row, "answer", MAX_ANSWER),
        language=row["language"],
        topic=_text(path, number, row, "topic", 100, default=""),
        aliases=tuple(_text(path, number, {"alias": a}, "alias", MAX_QUESTION) for a in aliases),
        source=_text(path, number, row, "source", MAX_QUESTION, default=""),
        sample=sample,
        emotion=emotion,
        intensity=float(intensity),
        valid_from=(begin := _day(path, number, row, "valid_from")),
        valid_to=_day(path, number, row, "valid_to", begin),
        attachments=_parse_attachments(path, number, row.get("attachments", [])),
    )


def _day(
    path: Path, number: int, row: dict[str, Any], field: str, earliest: date | None = None
) -> date | None:
    value = row.get(field)
    if value is None:
        return None
    try:
        day = date.fromisoformat(value)
    except (TypeError, ValueError):
        raise _wrong(path, number, f"{field!r} is {value!r}; write a day as 2026-01-31") from None
    if earliest is not None and day < earliest:
        raise _wrong(path, number, f"{field!r} is {day}, before 'valid_from', {earliest}")
    return day


def _parse_attachments(path: Path, number: int, rows: Any) -> tuple[Attachment, ...]:
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise _wrong(path, number, "'attachments' must be a list of objects")
    if len(rows) > MAX_ATTACHMENTS:
        raise _wrong(path, number, f"there are more than {MAX_ATTACHMENTS} attachments")
    found: list[Attachment] = []
    for row in rows:
        kind = row.get("kind")
        if kind not in ATTACHMENT_KINDS or set(row) - {"kind", "value", "label"}:
            raise _wrong(
                path, number, "an attachment has 'kind' (link, phone or office), 'value', 'label'"
            )
        value = _text(path, number, row, "value", MAX_QUESTION)
        if kind == "link" and not value.lower().startswith(("https://", "http://")):
            raise _wrong(path, number, f"the link {value[:80]!r} does not begin with https://")
        label = _text(path, number, row, "label", 100, default="")
        found.append(Attachment(kind, value, label))
    return tuple(found)


def _text(
    path: Path,
    number: int,
    row: dict[str, Any],
    field: str,
    limit: int,
    default: str | None = None,
) -> str:
    if field not in row and default is not None:
        return default
    if field not in row:
        raise _wrong(path, number, f"the field {field!r} is missing")
    value = row[field]
    if not isinstance(value, str):
        raise _wrong(path, number, f"{field!r} must be a text, not {type(value).__name__}")
    value = value.strip()
    if not value and default is None:
        raise _wrong(path, number, f"{field!r} is empty")
    if len(value) > limit:
        raise _wrong(path, number, f"{field!r} has {len(value):,} characters, more than {limit:,}")
    if any(0xD800 <= ord(c) < 0xE000 for c in value):
        raise _wrong(path, number, f"{field!r} holds half a character (a lone surrogate)")
    return value


def _wrong(path: Path, number: int, what: str) -> FileUnreadable:
    return FileUnreadable(f"{path}, line {number}: {what}")


def find_languages(bases: Sequence[Base]) -> tuple[Language, ...]:
    """Return the languages that at least one base answers in."""
    return tuple(
        language for language in _LANGUAGES if any(language in base.languages for base in bases)
    )
