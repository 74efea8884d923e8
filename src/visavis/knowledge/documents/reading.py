"""Documents from files, whatever kind they are."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from visavis.core.errors import FileUnreadable
from visavis.core.language import detect_language
from visavis.core.types import Language
from visavis.knowledge.documents.blocks import Draft, check_length
from visavis.knowledge.documents.passages import Passage, cut_passages
from visavis.knowledge.documents.pdf import read_pdf
from visavis.knowledge.documents.plain import read_markdown_text, read_plain
from visavis.knowledge.documents.web import read_web
from visavis.knowledge.documents.word import read_word
from visavis.knowledge.importing.encodings import decode_text
from visavis.knowledge.importing.rows import Problem
from visavis.media.files import check_input, unreadable

MAX_FILE_BYTES = 100 << 20
MAX_TEXT_BYTES = 32 << 20
"""Of HTML, Markdown and text, which hold nothing but words: twenty books."""

Kind: TypeAlias = Literal["pdf", "docx", "html", "markdown", "text"]
Progress: TypeAlias = Callable[[int, int], None]

ENDINGS: dict[str, Kind] = {
    ".pdf": "pdf", ".docx": "docx", ".html": "html", ".htm": "html", ".xhtml": "html",
    ".md": "markdown", ".markdown": "markdown", ".txt": "text", ".text": "text",
}  # fmt: skip
"""Of files that can be read, and what they should be."""

_HTML = re.compile(
    rb"\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html|head|body|title|meta)\b",
    re.IGNORECASE | re.DOTALL,
)
_OTHERS = (
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "is encrypted or of the old .doc kind; save it as .docx "
     "without a password"),
    (b"{\\rtf", "is in the RTF format; save it as .docx"),
    (b"\x89PNG", "is a picture, and text in pictures is not recognised; give its text"),
    (b"\xff\xd8\xff", "is a picture, and text in pictures is not recognised; give its text"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Document:
    """A file's text, cut into passages.

    Attributes:
        name: Of the file, with its ending.
        title: As the file says, else its first heading, else its name without the ending.
        language: Of most of its text, unless it was given.
        kind: What the file is, whatever its ending.
        digest: SHA-256 of the file.
        passages: At least one, in reading order.
        problems: What was left out, and notes.
    """

    name: str
    title: str
    language: Language
    kind: Kind
    digest: str
    passages: tuple[Passage, ...]
    problems: tuple[Problem, ...]


def read_document(
    path: Path, *, language: Language | None = None, progress: Progress | None = None
) -> Document:
    """Read a PDF, DOCX, HTML, Markdown or text file.

    Args:
        path: The file. Its content says what it is; an ending that says otherwise is noted.
        language: Of the document; by default that of most of its text.
        progress: Called with parts read and parts in all: pages of a PDF, else one.

    Raises:
        FileUnreadable: It is missing, empty, larger than 100 MB (of text 32 MB), encrypted, broken, of another kind,
            or has no text (a scan: text in pictures is not recognised).
    """
    tell = progress or (lambda done, whole: None)
    if check_input(path) > MAX_FILE_BYTES:
        raise FileUnreadable(
            f"{path} has more than {MAX_FILE_BYTES >> 20} MB; split it into several documents"
        )
    try:
        content = path.read_bytes()
    except OSError as error:
        raise unreadable(path, error) from error
    kind = _tell_kind(content, path)
    draft = _read(kind, content, path, tell)
    if kind != "pdf":
        tell(1, 1)
    if not draft.blocks:
        raise FileUnreadable(f"{path} holds no text that can be read; give one that does")
    expected = ENDINGS.get(path.suffix.lower())
    if expected != kind and {expected, kind} != {"markdown", "text"}:
        what = f"its name ends in {path.suffix or 'nothing'} and it was read as {kind}; rename it"
        draft.problems.append(Problem("file", what, "note"))
    check_length(sum(len(block.text) for block in draft.blocks), path)
    language = language or detect_language("\n".join(block.text for block in draft.blocks))
    headings = (block.text for block in draft.blocks if block.level)
    return Document(
        name=path.name,
        title=(draft.title or next(headings, "") or path.stem)[:200],
        language=language,
        kind=kind,
        digest=hashlib.sha256(content).hexdigest(),
        passages=cut_passages(draft.blocks, language),
        problems=tuple(draft.problems),
    )


def _tell_kind(content: bytes, path: Path) -> Kind:
    """Tell by its first bytes what a file is, and by its ending which text a text is."""
    for begin, what in _OTHERS:
        if content.startswith(begin):
            raise FileUnreadable(f"{path} {what}")
    expected = ENDINGS.get(path.suffix.lower())
    # Other bytes may stand before a PDF's own, but a text may speak of them too.
    if content.lstrip().startswith(b"%PDF-") or (expected == "pdf" and b"%PDF-" in content[:1024]):
        return "pdf"
    if content.startswith(b"PK\x03\x04"):
        return "docx"
    if expected in ("pdf", "docx"):
        raise FileUnreadable(
            f"{path} is broken: it does not begin as a {expected.upper()} file does; "
            "get another copy of it"
        )
    if _HTML.match(content[:4096].removeprefix(b"\xef\xbb\xbf")):
        return "html"
    if expected is None:
        raise FileUnreadable(f"{path} is of no known kind; give one of {', '.join(ENDINGS)}")
    return expected


def _read(kind: Kind, content: bytes, path: Path, progress: Progress) -> Draft:
    if kind == "pdf":
        return read_pdf(content, path, progress)
    if kind == "docx":
        return read_word(content, path)
    if len(content) > MAX_TEXT_BYTES:
        raise FileUnreadable(
            f"{path} has more than {MAX_TEXT_BYTES >> 20} MB of text; split it into several documents"
        )
    if kind == "html":
        return read_web(content, path)
    decoded = decode_text(content, path)
    check_length(len(decoded.text), path)
    draft = read_markdown_text(decoded.text) if kind == "markdown" else read_plain(decoded.text)
    if decoded.note:
        draft.problems.append(Problem("file", decoded.note, "note"))
    return draft
