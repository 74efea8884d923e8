"""Plain text and Markdown to headings and paragraphs."""

from __future__ import annotations

import re
from collections.abc import Sequence

from visavis.knowledge.documents.blocks import (
    Draft,
    clean_line,
    drop_invisible,
    ends_sentence,
    is_heading,
    join_lines,
    list_words,
    write_rows,
)
from visavis.knowledge.importing.spoken import shorten_blanks, speak_inline

_LONGEST_WRAPPED = 130
"""Columns, a Chinese character counting two; a longer line is a paragraph of its own."""
_LONGEST_TITLE = 50
"""Columns."""
_MOST_COLUMNS = 64
_RULE = re.compile(r"\s*([=\-~*_#])\1{2,}\s*")
_BULLET = re.compile(r"\s*(?:[-*+•·●○■]\s+|\(?\d{1,3}[.)、]\s*|（[一二三四五六七八九十\d]{1,3}）)")
_ATX = re.compile(r" {0,3}(#{1,6})(?:[ \t]+(.*)|[ \t]*)")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_TABLE_RULE = re.compile(r"\s*\|?[\s:|-]*-[\s:|-]*\|?\s*")
_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
_DEFINITION = re.compile(r" {0,3}\[[^\]\n]{1,200}\]:[ \t]*\S.*", re.MULTILINE)


def read_plain(text: str) -> Draft:
    """Read plain text: paragraphs parted by empty lines, or one a line.

    Lines of about equal length are taken for one paragraph that an editor broke. Headings are lines
    numbered as chapters are (第一章 …, 一、…, Chapter 1 …), lines in capitals, underlined ones, and short
    lines that are no sentences: a first one by itself, and one right above whole sentences.
    """
    draft = Draft()
    text = drop_invisible(shorten_blanks(_end_lines(text)))
    words = list_words(text)
    groups = _gather_paragraphs(text.split("\n"))
    if len(groups) > 1 and _names_document(groups[0]):
        draft.add(clean_line(groups[0][0]), 1)
        groups = groups[1:]
    for lines in groups:
        # A rule beneath a first line makes it a heading.
        if len(lines) >= 2 and _RULE.fullmatch(lines[1]) and len(lines[0]) <= 90:
            draft.add(lines[0], 1 if lines[1].strip()[0] == "=" else 2)
            lines = lines[2:]
        elif _is_title(lines):
            draft.add(clean_line(lines[0]), 2)
            lines = lines[1:]
        lines = [line for line in lines if not _RULE.fullmatch(line)]
        for paragraph in _part_lines(lines):
            line = join_lines([clean_line(one) for one in paragraph if clean_line(one)], words)
            alone = len(paragraph) == 1
            draft.add(line, _tell_level(line) if alone else 0)
    return draft


def read_markdown_text(text: str) -> Draft:
    """Read Markdown: headings, paragraphs, items and tables, without marks and comments."""
    text = _DEFINITION.sub("", _COMMENT.sub("", drop_invisible(shorten_blanks(_end_lines(text)))))
    draft = Draft()
    words = list_words(text)
    waiting: list[str] = []
    table: list[list[str]] = []
    fence = ""

    def close() -> None:
        nonlocal table
        spoken = [line for line in (speak_inline(one) for one in waiting) if line]
        if spoken:
            draft.add(join_lines(spoken, words))
        waiting.clear()
        for row in write_rows(table, has_header=True):
            draft.add(row)
        table = []

    lines = text.split("\n")
    for line in lines[_skip_front_matter(lines) :]:
        found = _FENCE.match(line)
        heading = None if fence else _ATX.fullmatch(line)
        underline = None if fence or not waiting else re.fullmatch(r" {0,3}(=+|-{2,})[ \t]*", line)
        if fence:
            if found and found[1].startswith(fence):
                fence = ""
            else:
                draft.add(line)
        elif found:
            close()
            fence = found[1]
        elif heading:
            close()
            draft.add(speak_inline((heading[2] or "").rstrip("# \t")), len(heading[1]))
        elif underline:
            title = waiting.pop()
            close()
            draft.add(speak_inline(title), 1 if underline[1][0] == "=" else 2)
        elif line.lstrip().startswith("|"):
            if waiting:
                close()
            if not _TABLE_RULE.fullmatch(line):
                cells = re.split(r"(?<!\\)\|", line.strip().strip("|"), maxsplit=_MOST_COLUMNS)
                table.append([speak_inline(cell) for cell in cells[:_MOST_COLUMNS]])
        elif not line.strip() or _RULE.fullmatch(line):
            close()
        else:
            bullet = _BULLET.match(line)
            if bullet or table:
                close()
            line = re.sub(r"^\s*(?:>\s?)+", "", line)
            waiting.append(re.sub(r"^\s*[-*+]\s+(?:\[[ xX]\]\s+)?", "", line))
            if line.endswith("  "):
                close()
    close()
    return draft


def _end_lines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\f", "\n\n")


def _skip_front_matter(lines: Sequence[str]) -> int:
    if lines[0].rstrip() == "---":
        for index, line in enumerate(lines[1:200], 1):
            if line.rstrip() in ("---", "..."):
                return index + 1
    return 0


def _gather_paragraphs(lines: Sequence[str]) -> list[list[str]]:
    found: list[list[str]] = [[]]
    for line in lines:
        if line.strip():
            found[-1].append(line.rstrip())
        elif found[-1]:
            found.append([])
    return [part for part in found if part]


def _part_lines(lines: Sequence[str]) -> list[list[str]]:
    """Part lines without an empty one among them into paragraphs."""
    widths = [_count_columns(line) for line in lines]
    longest = max(widths, default=0)
    found: list[list[str]] = []
    for index, line in enumerate(lines):
        before = lines[index - 1] if index else ""
        wrapped = (
            index > 0
            and longest <= _LONGEST_WRAPPED
            and not _BULLET.match(line)
            and not _is_indented(line, before)
            and not is_heading(before.strip())
            and not is_heading(line.strip())
            # A full line goes on; a shorter one only within its sentence.
            and widths[index - 1] >= (0.85 if ends_sentence(before) else 0.6) * longest
        )
        if wrapped:
            found[-1].append(line)
        else:
            found.append([line])
    return found


def _names_document(lines: Sequence[str]) -> bool:
    """Whether the first paragraph is a title."""
    line = lines[0].strip()
    return (
        len(lines) == 1
        and _count_columns(line) <= 80
        and not ends_sentence(line)
        and line[-1] not in ",;:，；：、-–—"
        and not _BULLET.match(line)
        and "|" not in line
        and "\t" not in line
    )


def _is_title(lines: Sequence[str]) -> bool:
    """Whether the first line stands above a paragraph: short, no sentence, and not broken off."""
    if len(lines) < 2:
        return False
    first, second = lines[0].strip(), lines[1].strip()
    width = _count_columns(first)
    return (
        width <= _LONGEST_TITLE
        and width < 0.6 * max(map(_count_columns, lines))
        and not ends_sentence(first)
        and first[-1] not in ",;:，；：、-–—"
        and not _BULLET.match(first)
        and not _BULLET.match(second)
        and "|" not in first + second
        and "\t" not in first + second
        and not second[:1].islower()
        and ends_sentence(lines[-1].strip())
    )


def _is_indented(line: str, before: str) -> bool:
    def count(text: str) -> int:
        return _count_columns(text[: len(text) - len(text.lstrip())])

    return count(line) > count(before) + 1


def _count_columns(line: str) -> int:
    return sum(2 if char > "\u2e7f" else 1 for char in line[: _LONGEST_WRAPPED + 1])


def _tell_level(line: str) -> int:
    if is_heading(line):
        return 2 if re.match(r"第\S{1,6}节|[一二三四五六七八九十]{1,3}、|Section", line) else 1
    letters = [char for char in line if char.isalpha()]
    capitals = len(letters) >= 4 and all(char.isupper() for char in letters)
    return 1 if capitals and len(line) <= 80 and not ends_sentence(line) else 0
