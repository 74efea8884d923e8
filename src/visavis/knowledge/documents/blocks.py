"""What readers of documents give: headings and paragraphs in their order, cleaned."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from visavis.core.errors import FileUnreadable
from visavis.knowledge.importing.rows import Problem

MAX_TEXT = 20_000_000
"""Characters of one document; some 10 000 pages. They need 2 GB while they are read."""

# Control characters, halves and non-characters; soft hyphens, marks without width, fillers, those
# that turn the direction of writing, tags and supplementary selectors, in all of which words for a
# language model can be hidden from people.
_INVISIBLE = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e"
    "\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufdd0-\ufdef\ufeff\uffa0\ufff0-\uffff"
    "\ud800-\udfff\U000e0000-\U000e0fff]"
)
# Radicals and ligatures, which PDFs have in place of the characters that look like them.
_LOOK_ALIKE = re.compile("[\u2e80-\u2fd5\uf900-\ufaff\ufb00-\ufb06]")
_HAN = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
_WIDE = re.compile(
    "[\u2e80-\u9fff\uf900-\ufaff\ufe30-\ufe4f\uff00-\uffef\U00020000-\U0003ffff“”‘’…—]"
)
_WORD = re.compile(r"[A-Za-z]+(?:-[A-Za-z]+)*")
_BROKEN_WORD = re.compile(r"([A-Za-z]+)[-\u2010]$")
_END = re.compile(r"[。！？；.!?;:：][”」』’\"）)】》]*$")
_NUMBERED = re.compile(
    r"第[一二三四五六七八九十百零〇0-9]{1,6}[章节編编篇部分]{1,2}(?:\s|$|[^，。；]{0,30}$)"
    r"|[一二三四五六七八九十]{1,3}、\S{1,28}$"
    r"|(?:Chapter|Section|Part|Appendix)\s+[0-9IVXLA-Z]{1,6}\b.{0,80}$"
)


@dataclass(frozen=True, slots=True)
class Block:
    """A paragraph, a row of a table, or a heading.

    Attributes:
        text: One line, cleaned, not empty.
        level: 0 for text; 1 for the highest heading.
        page: Where it begins, from 1; 0 where there are no pages.
        last_page: Where it ends.
    """

    text: str
    level: int = 0
    page: int = 0
    last_page: int = 0


@dataclass(slots=True)
class Draft:
    """A document as its reader gives it.

    Attributes:
        title: As the file says; empty where it does not.
        blocks: In reading order.
        problems: What was left out, and notes.
    """

    title: str = ""
    blocks: list[Block] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def add(self, text: str, level: int = 0) -> None:
        """Add a block unless nothing is in it."""
        text = clean_line(text)
        if text:
            self.blocks.append(Block(text, level))


def clean_line(text: str) -> str:
    """Return a text as one line without characters that nobody sees."""
    text = _LOOK_ALIKE.sub(lambda found: unicodedata.normalize("NFKC", found[0]), text)
    return " ".join(drop_invisible(text).split())


def drop_invisible(text: str) -> str:
    """Drop what nobody sees; line breaks and tabs stay."""
    return _INVISIBLE.sub("", text)


def check_length(length: int, path: Path) -> None:
    """Make sure that a text can be held.

    Raises:
        FileUnreadable: It has more characters than allowed.
    """
    if length > MAX_TEXT:
        raise FileUnreadable(
            f"{path} holds more than {MAX_TEXT:,} characters; split it into several documents"
        )


def list_words(text: str) -> set[str]:
    """Return the words of Latin letters, small, those with hyphens whole."""
    return {word.lower() for word in _WORD.findall(text)}


def join_lines(lines: Sequence[str], words: set[str]) -> str:
    """Join the lines of a paragraph.

    Chinese lines are joined without a blank, and a word cut by a hyphen becomes whole, unless the
    document has it with a hyphen elsewhere.

    Args:
        lines: Not empty, without blanks around them.
        words: Of the document, as ``list_words`` gives them.
    """
    parts: list[str] = []
    for line in lines:
        last = parts[-1] if parts else ""
        broken = _BROKEN_WORD.search(last)
        rest = re.match(r"[a-z]+", line)
        if not last:
            pass
        elif broken and rest:
            parts[-1] = last[: broken.start()] + join_word(broken[1], rest[0], words)
            line = line[rest.end() :]
        elif not (_WIDE.match(last[-1]) or _WIDE.match(line[0])):
            parts.append(" ")
        parts.append(line)
        if not line:
            parts.pop()
    return "".join(parts)


def join_word(begin: str, rest: str, words: set[str]) -> str:
    """Join the halves of a word that stood at the end of a line."""
    whole, parted = f"{begin}{rest}".lower(), f"{begin}-{rest}".lower()
    return f"{begin}-{rest}" if parted in words and whole not in words else f"{begin}{rest}"


def is_chinese(text: str) -> bool:
    """Whether a text is measured in characters: every fifth of it is Han."""
    return 5 * len(_HAN.findall(text)) > len(text)


def ends_sentence(line: str) -> bool:
    """Whether a line ends as a sentence does."""
    return bool(_END.search(line))


def is_heading(line: str) -> bool:
    """Whether a line of its own is numbered as chapters and sections are."""
    return len(line) <= 90 and not ends_sentence(line) and bool(_NUMBERED.match(line))


def write_rows(rows: Sequence[Sequence[str]], has_header: bool) -> list[str]:
    """Write a table as one line a row: ``header: cell; header: cell``.

    Two columns without a header are ``left: right``, and one column is its cells.

    Args:
        rows: Cells, cleaned, maybe empty.
        has_header: Whether the file says that the first row names the columns. Of three columns and
            more it is taken to do so anyway.
    """
    rows = [row for row in rows if any(row)]
    width = max((len(row) for row in rows), default=0)
    chinese = is_chinese("".join(cell for row in rows[:20] for cell in row))
    colon, stop = ("：", "；") if chinese else (": ", "; ")
    if width <= 1:
        return [row[0] for row in rows]
    if len(rows) == 1 or (width == 2 and not has_header):
        return [(colon if width == 2 else stop).join(cell for cell in row if cell) for row in rows]
    names, *body = rows
    lines = []
    for row in body:
        cells = []
        for index, cell in enumerate(row):
            name = names[index].rstrip(":： ") if index < len(names) else ""
            if cell:
                cells.append(f"{name}{colon}{cell}" if name else cell)
        lines.append(stop.join(cells))
    return lines
