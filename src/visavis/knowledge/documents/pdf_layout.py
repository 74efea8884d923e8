"""Lines of PDF pages to headings and paragraphs."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from visavis.knowledge.documents.blocks import (
    ends_sentence,
    is_heading,
    join_lines,
    join_word,
    list_words,
)

_EDGE = 3
"""Lines at the top and at the bottom of a page that may be repeated."""
_SHARE = 0.3
"""Of the pages that must have a line for it to count as repeated; headers differ left and right."""
_OUTERMOST = 3
"""Pages that must have it where it is the very first or last line; headers differ by chapter."""
_LARGE = 1.15
"""Times the size of most letters, from which a line is a heading."""
_LONGEST_HEADING = 90
_PAGE_NUMBER = re.compile(
    r"\W*(?:(?:page|p\.?|第)\s*)?\d{1,5}\s*(?:页|頁)?(?:\s*(?:/|of|共|，共)\s*(?:第)?\s*\d{1,5}\s*(?:页|頁)?)?\W*"
    r"|\W*[ivxlc]{1,6}\W*",
    re.IGNORECASE,
)
_LEADERS = re.compile(r".{0,300}?(?:\s?[.．…·‥]){5,}\s*(?:\d{1,5}|[ivxlc]{1,6})?", re.IGNORECASE)
_ITEM = re.compile(
    r"[-*+•·●○■◆➢]\s|[(（][一二三四五六七八九十\d]{1,3}[)）]|第[一二三四五六七八九十百零\d]{1,6}条"
)
_NUMBERED_ITEM = re.compile(r"\d{1,3}[.)、](?!\d)")
# A hyphen at the end of a line, as reading leaves it.
_CUT = re.compile(r"([A-Za-z]*)\u2010\n([A-Za-z]*)")


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a page.

    Attributes:
        text: Cleaned, not empty.
        left: Points from the left of the page, as ``right`` is.
        right: Where its last character ends.
        top: Points from the top of the page, as ``bottom`` is.
        bottom: Of its last character.
        size: Height of its letters in points; 0 where nothing is known of its place.
    """

    text: str
    left: float
    right: float
    top: float
    bottom: float
    size: float


def drop_repeated(pages: Sequence[Sequence[Line]]) -> tuple[list[list[Line]], int]:
    """Drop headers, footers and page numbers.

    A line goes that stands among the first or last three of a page and, but for its numbers, on three
    tenths of the pages and three at least; three are enough for the very first and last line. Of two
    pages it must be the same on both.

    Returns:
        The pages, and how many lines were dropped.
    """
    counts: Counter[tuple[str, str]] = Counter()
    filled = sum(1 for lines in pages if lines)
    exact = filled < 3
    for lines in pages:
        counts.update({(edge, _mask(line, exact)) for edge, line, _ in _find_edges(lines)})
    least = max(2 if exact else 3, _SHARE * filled)
    kept: list[list[Line]] = []
    dropped = 0
    for lines in pages:
        gone: set[int] = set()
        for edge, line, index in _find_edges(lines):
            outermost = index in (0, len(lines) - 1) and len(lines) > 1
            needed = min(least, _OUTERMOST) if outermost else least
            repeated = counts[edge, _mask(line, exact)] >= needed
            if repeated or (filled > 1 and outermost and _PAGE_NUMBER.fullmatch(line.text)):
                gone.add(index)
        dropped += len(gone)
        kept.append([line for index, line in enumerate(lines) if index not in gone])
    # What most pages consist of is their text and stands at no edge.
    if 2 * sum(1 for lines in kept if lines) < filled:
        return [list(lines) for lines in pages], 0
    return kept, dropped


def _find_edges(lines: Sequence[Line]) -> Iterator[tuple[str, Line, int]]:
    for index, line in enumerate(lines):
        if index < _EDGE:
            yield "top", line, index
        if index >= len(lines) - _EDGE:
            yield "bottom", line, index


def _mask(line: Line, exact: bool) -> str:
    return line.text if exact else re.sub(r"\d+", "#", line.text)


@dataclass(slots=True)
class _Paragraph:
    level: int
    first: int
    last: int
    lines: list[Line] = field(default_factory=list)


def join_pages(pages: Sequence[Sequence[Line]]) -> Iterator[tuple[str, int, int, int]]:
    """Yield (text, level of heading or 0, first page from 1, last page) of each paragraph.

    A paragraph goes on in the next line unless that one is further below, indented, of another size,
    or an item of a list, or follows a line that ended early and ended a sentence; and over the end of
    a page within a sentence. Lines of a table of contents are passed over.
    """
    words: set[str] = set()
    sizes: Counter[float] = Counter()
    for lines in pages:
        for line in lines:
            words |= list_words(_CUT.sub(" ", line.text))
            sizes[line.size] += len(line.text)
    body = sizes.most_common(1)[0][0] if sizes else 0.0
    larger = sorted({s for s in sizes if body and s >= _LARGE * body}, reverse=True)
    levels = {size: min(index, 5) + 1 for index, size in enumerate(larger)}
    current: _Paragraph | None = None
    for number, lines in enumerate(pages, 1):
        right = max((line.right for line in lines), default=0.0)
        left = _find_margin(lines)
        for index, line in enumerate(lines):
            if _LEADERS.fullmatch(line.text):
                continue
            level = levels.get(line.size, 0) if len(line.text) <= _LONGEST_HEADING else 0
            if not level and is_heading(line.text):
                level = min(len(larger), 5) + 1
            before = current.lines[-1] if current else None
            if current and before and current.level == level:
                turned = index == 0
                if _goes_on(before, line, left, right, turned) and not (
                    level and (turned or is_heading(line.text))
                ):
                    current.lines.append(line)
                    current.last = number
                    continue
            if current:
                yield _finish(current, words)
            current = _Paragraph(level, number, number, [line])
    if current:
        yield _finish(current, words)


def _goes_on(before: Line, line: Line, left: float, right: float, turned: bool) -> bool:
    if _ITEM.match(line.text) or (_NUMBERED_ITEM.match(line.text) and ends_sentence(before.text)):
        return False
    if not (before.size and line.size) or abs(before.size - line.size) > 0.1 * before.size:
        return False
    indented = line.left > left + 0.8 * line.size and line.left > before.left + 0.8 * line.size
    if turned:
        return not ends_sentence(before.text) and not indented
    gap = line.top - before.bottom
    # Above what came before is another column.
    if gap < -before.size:
        return not ends_sentence(before.text)
    if gap > 0.9 * before.size or indented:
        return False
    short = before.right < right - 3 * before.size
    return not (short and ends_sentence(before.text))


def _find_margin(lines: Sequence[Line]) -> float:
    """Return where most lines begin."""
    counts = Counter(round(line.left) for line in lines if line.size)
    return float(counts.most_common(1)[0][0]) if counts else 0.0


def _finish(paragraph: _Paragraph, words: set[str]) -> tuple[str, int, int, int]:
    lines = [
        _CUT.sub(lambda cut: join_word(cut[1], cut[2], words), line.text)
        for line in paragraph.lines
    ]
    return join_lines(lines, words), paragraph.level, paragraph.first, paragraph.last
