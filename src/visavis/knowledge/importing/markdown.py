"""Markdown to rows: headings as questions, or lines that begin with Q and A."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from visavis.knowledge.importing.rows import Problem, Row, find_field
from visavis.knowledge.importing.spoken import shorten_blanks, speak_inline, speak_markdown

_HEADING = re.compile(r" {0,3}(#{1,6})(?:[ \t]+(.*)|[ \t]*)")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
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


@dataclass(slots=True)
class _Part:
    """A question or heading with the lines beneath it."""

    line: int
    title: str
    level: int = 0
    body: list[str] = field(default_factory=list)
    answered: bool = False
    values: dict[str, str] = field(default_factory=dict)


def read_markdown(text: str) -> Iterator[Row | Problem]:
    """Read pairs of a Markdown document.

    Where lines begin with ``Q:`` and ``A:`` (or 问：, 答：), these are the pairs and headings are
    topics. Else each heading with text beneath it is a question, and the nearest heading above it
    that has none is its topic. Lines ``Source: …`` and ``Aliases: …`` (来源, 相似问法) among the text
    go to these fields. Answers lose marks and addresses that cannot be spoken.
    """
    lines = shorten_blanks(text.replace("\r\n", "\n").replace("\r", "\n")).split("\n")
    start = _skip_front_matter(lines)
    plain = list(_mark_fences(lines, start))
    labels = {
        _is_question(found[1])
        for number, line, fenced in plain
        if not fenced and (found := _LABEL.fullmatch(line))
    }
    if labels == {True, False}:
        yield from _read_labels(plain)
    else:
        yield from _read_headings(plain)


def _read_labels(lines: list[tuple[int, str, bool]]) -> Iterator[Row | Problem]:
    topic, part = "", None
    for number, line, fenced in lines:
        label = None if fenced else _LABEL.fullmatch(line)
        heading = None if fenced else _HEADING.fullmatch(line)
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
            _add(part, line, fenced)
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
    yield _make_row(part, topic)


def _read_headings(lines: list[tuple[int, str, bool]]) -> Iterator[Row | Problem]:
    parts: list[_Part] = []
    for number, line, fenced in lines:
        heading = None if fenced else _HEADING.fullmatch(line)
        underline = None if fenced else _UNDERLINE.fullmatch(line)
        if heading:
            parts.append(_Part(number, _read_title(heading), len(heading[1])))
        elif underline and parts and _has_open_paragraph(parts[-1]):
            title = parts[-1].body.pop().strip()
            parts.append(_Part(number - 1, title, 1 if underline[1][0] == "=" else 2))
        else:
            if not parts:
                parts.append(_Part(number, ""))
            _add(parts[-1], line, fenced)
    above: list[_Part] = []
    for index, part in enumerate(parts):
        while above and above[-1].level >= part.level:
            above.pop()
        said = any(line.strip() for line in part.body)
        deeper = index + 1 < len(parts) and parts[index + 1].level > part.level > 0
        title = speak_inline(part.title)
        place = f"line {part.line}"
        if part.level == 0:
            if said:
                yield Problem(place, "text before the first heading was passed over", "note")
        elif said and (not deeper or title.endswith(("?", "？"))):
            yield _make_row(part, above[-1].title if above else "")
        elif said:
            what = "text between a heading and the headings under it was passed over; "
            yield Problem(place, what + "give it a question as its heading to keep it", "note")
        elif not deeper:
            yield Problem(
                place, f"nothing stands under the heading {title[:40]!r}; write an answer"
            )
        if part.level and deeper:
            above.append(_Part(part.line, title, part.level))


def _add(part: _Part, line: str, fenced: bool) -> None:
    found = None if fenced else _FIELD_LINE.fullmatch(line)
    meant = find_field(found[1]) if found else None
    if found and meant in ("source", "aliases"):
        known = part.values.get(meant)
        value = speak_inline(found[2], keep_addresses=meant == "source")
        part.values[meant] = f"{known}\n{value}" if known else value
    else:
        part.body.append(line)


def _make_row(part: _Part, topic: str) -> Row:
    answer = speak_markdown("\n".join(part.body))
    values = {"question": speak_inline(part.title), "answer": answer, "topic": topic[:100]}
    return Row(f"line {part.line}", {**values, **part.values})


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


def _mark_fences(lines: list[str], start: int) -> Iterator[tuple[int, str, bool]]:
    """Yield (line number from 1, line, whether it is code); the fences themselves are left out."""
    fence = ""
    for number, line in enumerate(lines[start:], start + 1):
        found = _FENCE.match(line)
        if fence and found and found[1].startswith(fence) and not line.strip(" `~\t"):
            fence = ""
        elif fence:
            yield number, line, True
        elif found:
            fence = found[1]
        else:
            yield number, line, False
