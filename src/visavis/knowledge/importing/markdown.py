"""Markdown to rows: headings as questions, or lines that begin with Q and A."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from visavis.knowledge.importing.rows import Problem, Row, find_field
from visavis.knowledge.importing.spoken import shorten_blanks, speak_inline, speak_markdown

_HEADING = re.compile(r" {0,3}(#{1,6})(?:[ \t]+(.*)|[ \t]*)")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})[ \t]*([\w-]*)")
_UNDERLINE = re.compile(r" {0,3}(=+|-+)[ \t]*")
_NO_PARAGRAPH = re.compile(r"\s*(?:[-*+>|]|\d+[.)]\s|#)")
# "**Q1:** text", "- 问：text", "A. text"; a letter needs its mark, and a full stop only fits a letter.
_LABEL = re.compile(
    r"\s*(?:[-*+]\s+|>\s*|#{1,6}\s+)?(?:\*\*|__)?\s*"
    r"(Question|Answer|Q|A|问题|問題|问|問|回答|答案|答)\s*\d{0,4}\s*(?:\*\*|__)?\s*[:：](?:\*\*|__)?\s*(.*)",
    re.IGNORECASE,
)
_FIELD_LINE = re.compile(
    r"\s*(?:[-*+]\s+)?(?:\*\*|__)?([^:：*_]{1,20})(?:\*\*|__)?\s*[:：](?:\*\*|__)?\s*(.+)"
)
_PICKED: dict[str, re.Pattern[str]] = {
    "source": re.compile(""),
    "aliases": re.compile(""),
    "valid_from": re.compile(r"\s*[0-9]"),
    "valid_to": re.compile(r"\s*[0-9]"),
    "link": re.compile(r".*https?://", re.IGNORECASE),
    "phone": re.compile(r"(?:[^0-9]*[0-9]){3}"),
    "office": re.compile(""),
}
"""Fields that a line ``Name: value`` among an answer may give, and what its value must match."""
_LINK = re.compile(r"\[([^\[\]]{1,200})\]\((https?://[^\s()]+)\)", re.IGNORECASE)


@dataclass(slots=True)
class _Part:
    """A question or heading with the lines beneath it.

    Attributes:
        fields: Lines of the block ``pair``.
        plain: Lines of the block ``answer``; none where there is no such block.
    """

    line: int
    title: str
    level: int = 0
    body: list[str] = field(default_factory=list)
    answered: bool = False
    values: dict[str, str] = field(default_factory=dict)
    fields: list[str] = field(default_factory=list)
    plain: list[str] | None = None

    @property
    def says_something(self) -> bool:
        return bool(self.plain or self.fields) or any(line.strip() for line in self.body)


def read_markdown(text: str) -> Iterator[Row | Problem]:
    """Read pairs of a Markdown document.

    Where lines begin with ``Q:`` and ``A:`` (or 问：, 答：), these are the pairs and headings are
    topics. Else each heading with text beneath it is a question, and the nearest heading above it
    that has none is its topic. Lines ``Source: …``, ``Aliases: …``, ``Valid from: …``,
    ``Valid to: …``, ``Link: …``, ``Phone: …`` and ``Office: …`` (来源, 相似问法, 生效日期, 失效日期, 链接,
    电话, 地址) among the text go to these fields; a date, address or number must be there. Answers lose
    marks and addresses that cannot be spoken.

    Two fenced blocks beneath a question are ours: ``answer`` holds the answer as it is, and ``pair``
    one JSON object with any field.
    """
    lines = shorten_blanks(text.replace("\r\n", "\n").replace("\r", "\n")).split("\n")
    start = _skip_front_matter(lines)
    plain = list(_mark_fences(lines, start))
    labels = {
        _is_question(found[1])
        for number, line, fence in plain
        if fence is None and (found := _LABEL.fullmatch(line))
    }
    if labels == {True, False}:
        yield from _read_labels(plain)
    else:
        yield from _read_headings(plain)


def _read_labels(lines: list[tuple[int, str, str | None]]) -> Iterator[Row | Problem]:
    topic, part = "", None
    for number, line, fence in lines:
        label = None if fence is not None else _LABEL.fullmatch(line)
        heading = None if fence is not None else _HEADING.fullmatch(line)
        if label and _is_question(label[1]):
            yield from _finish(part, topic)
            part = _Part(number, label[2])
        elif label and part is not None and not part.answered:
            part.answered = True
            part.body.append(label[2])
        elif label:
            what = "this answer follows no question; put a question before it"
            yield Problem(f"line {number}", what)
        elif heading:
            yield from _finish(part, topic)
            part, topic = None, speak_inline(_read_title(heading))
        elif part is not None and not part.answered:
            part.title += " " + line.strip()
        elif part is not None:
            _add(part, line, fence)
        elif line.strip():
            what = "this text belongs to no question and was passed over"
            yield Problem(f"line {number}", what, "note")
    yield from _finish(part, topic)


def _finish(part: _Part | None, topic: str) -> Iterator[Row | Problem]:
    if part is None:
        return
    if not part.answered:
        yield Problem(f"line {part.line}", "this question has no answer; write 'A:' beneath it")
        return
    yield from _make_row(part, topic)


def _read_headings(lines: list[tuple[int, str, str | None]]) -> Iterator[Row | Problem]:
    parts: list[_Part] = []
    for number, line, fence in lines:
        heading = None if fence is not None else _HEADING.fullmatch(line)
        underline = None if fence is not None else _UNDERLINE.fullmatch(line)
        if heading:
            parts.append(_Part(number, _read_title(heading), len(heading[1])))
        elif underline and parts and _has_open_paragraph(parts[-1]):
            title = parts[-1].body.pop().strip()
            parts.append(_Part(number - 1, title, 1 if underline[1][0] == "=" else 2))
        else:
            if not parts:
                parts.append(_Part(number, ""))
            _add(parts[-1], line, fence)
    above: list[_Part] = []
    for index, part in enumerate(parts):
        while above and above[-1].level >= part.level:
            above.pop()
        said = part.says_something
        deeper = index + 1 < len(parts) and parts[index + 1].level > part.level > 0
        title = speak_inline(part.title)
        place = f"line {part.line}"
        if part.level == 0:
            if said:
                yield Problem(place, "text before the first heading was passed over", "note")
        elif said and (not deeper or part.fields or title.endswith(("?", "？"))):
            yield from _make_row(part, above[-1].title if above else "")
        elif said:
            what = "text between a heading and the headings under it was passed over; "
            yield Problem(place, what + "give it a question as its heading to keep it", "note")
        elif not deeper:
            yield Problem(
                place, f"nothing stands under the heading {title[:40]!r}; write an answer"
            )
        if part.level and deeper:
            above.append(_Part(part.line, title, part.level))


def _add(part: _Part, line: str, fence: str | None) -> None:
    if fence == "pair":
        part.fields.append(line)
        return
    if fence == "answer":
        part.plain = [*(part.plain or ()), line]
        return
    found = None if fence is not None else _FIELD_LINE.fullmatch(line)
    meant = find_field(found[1]) if found else None
    if found and meant in _PICKED and _PICKED[meant].match(found[2]):
        text = _LINK.sub(r"\1|\2", found[2]) if meant == "link" else found[2]
        value = speak_inline(text, keep_addresses=meant in ("source", "link"))
        known = part.values.get(meant)
        part.values[meant] = f"{known}\n{value}" if known else value
    else:
        part.body.append(line)


def _make_row(part: _Part, topic: str) -> Iterator[Row | Problem]:
    answer = speak_markdown("\n".join(part.body))
    if part.plain is not None:
        answer = "\n".join(part.plain)
    values: dict[str, Any] = {
        "question": speak_inline(part.title), "answer": answer, "topic": topic[:100]
    }  # fmt: skip
    values |= part.values
    if part.fields:
        try:
            block = json.loads("\n".join(part.fields))
        except (ValueError, RecursionError):
            block = None
        if not isinstance(block, dict):
            what = "the block 'pair' of this question is not one JSON object; correct it"
            yield Problem(f"line {part.line}", what)
            return
        values |= {meant: value for key, value in block.items() if (meant := find_field(key))}
    yield Row(f"line {part.line}", values)


def _read_title(heading: re.Match[str]) -> str:
    """Return a heading's text without the marks that may close it."""
    title = (heading[2] or "").strip()
    bare = title.rstrip("#")
    return bare.rstrip() if bare != title and bare[-1:] in ("", " ", "\t") else title


def _is_question(label: str) -> bool:
    return label.casefold() in ("question", "q", "问题", "問題", "问", "問")


def _has_open_paragraph(part: _Part) -> bool:
    last = part.body[-1] if part.body else ""
    return bool(last.strip()) and not _NO_PARAGRAPH.match(last)


def _skip_front_matter(lines: list[str]) -> int:
    if lines[0].rstrip() != "---":
        return 0
    for index, line in enumerate(lines[1:200], 1):
        if line.rstrip() in ("---", "..."):
            return index + 1
    return 0


def _mark_fences(lines: list[str], start: int) -> Iterator[tuple[int, str, str | None]]:
    """Yield (line number from 1, line, name of the block of code or none outside of one).

    The fences themselves are left out.
    """
    fence = name = ""
    for number, line in enumerate(lines[start:], start + 1):
        found = _FENCE.match(line)
        if fence and found and found[1].startswith(fence) and not line.strip(" `~\t"):
            fence = ""
        elif fence:
            yield number, line, name
        elif found:
            fence, name = found[1], found[2]
        else:
            yield number, line, None
