"""Tags that models write: their reasoning, the marks of their templates, and HTML."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

_REASONING = ("think", "thinking", "thought", "thoughts", "reasoning", "reflection", "analysis")
_BREAKING = ("br", "p", "div", "li", "ul", "ol", "tr", "hr", "h1", "h2", "h3", "h4", "h5", "h6")
_OTHERS = (
    "a", "answer", "b", "blockquote", "center", "code", "del", "details", "em", "final", "font", "i",
    "img", "kbd", "mark", "output", "pre", "response", "s", "small", "span", "strong", "sub",
    "summary", "sup", "table", "tbody", "td", "th", "thead", "u",
)  # fmt: skip
_NAMES = frozenset((*_REASONING, *_BREAKING, *_OTHERS))
_LIMIT = 300
"""Characters of the longest tag that is waited for."""

_NAME = re.compile(r"</?([A-Za-z][A-Za-z0-9]*)?")
_ATTRIBUTES = r"""(?:\s+[a-zA-Z:-]+(?:=(?:"[^"<>]*"|'[^'<>]*'|[^\s<>"']+))?)*"""
_TAG = re.compile(rf"<(/?)([A-Za-z][A-Za-z0-9]*){_ATTRIBUTES}\s*(/?)>")
_TOKEN = re.compile(r"<[|｜][^|｜<>\n]{1,40}[|｜]>")
_ADDRESS = re.compile(r"<(https?://[^\s<>]+)>", re.IGNORECASE)
_OTHER_REASONING = {"[THINK]": "[/THINK]", "◁think▷": "◁/think▷", "<!--": "-->"}


@dataclass(frozen=True, slots=True)
class Tag:
    """What stands at a place of a text.

    Attributes:
        kind: ``wait``: the text ends before it is clear. ``none``: no tag. ``drop``: a tag that is not
            spoken. ``break``: one that ends a line. ``hide``: all until ``until`` is not spoken.
            ``address``: a link, which ``until`` holds.
        length: Characters.
        until: What ends the hidden part, in small letters, or the link.
    """

    kind: Literal["wait", "none", "drop", "break", "hide", "address"]
    length: int = 0
    until: str = ""


_NONE, _WAIT = Tag("none"), Tag("wait")


def read_tag(text: str, at: int, final: bool) -> Tag:
    """Read what begins with ``<``, ``[`` or ``◁`` at a place; more text never changes what is told."""
    rest = text[at : at + _LIMIT + 1]
    for opening, closing in _OTHER_REASONING.items():
        if rest.startswith(opening):
            return Tag("hide", len(opening), closing.lower())
        if len(rest) < len(opening) and opening.startswith(rest) and not final and rest[0] == "<":
            return _WAIT
    if rest[0] != "<":
        closing = "[/THINK]" if rest[0] == "[" else "◁/think▷"
        if rest.startswith(closing):
            return Tag("drop", len(closing))
        half = any(full.startswith(rest) for full in (closing, closing.replace("/", "")))
        return _WAIT if half and not final else _NONE
    for pattern in (_TOKEN, _ADDRESS):
        if found := pattern.match(rest):
            if pattern is _TOKEN:
                return Tag("drop", found.end())
            return Tag("address", found.end(), found.group(1))
    if found := _TAG.match(rest):
        return _read_name(found)
    return _WAIT if not final and _may_become(rest) else _end(rest, final)


def find_end(text: str, at: int, until: str) -> tuple[int, bool]:
    """Find where hidden text ends: the place to go on from, and whether the end was there."""
    if until.startswith("</"):
        found = re.compile(re.escape(until[:-1]) + r"\s{0,8}>", re.IGNORECASE).search(text, at)
        if found:
            return found.end(), True
    else:
        place = text.lower().find(until, at)
        if place >= 0:
            return place + len(until), True
    last = text.rfind(until[0], max(at, len(text) - 40))
    if until == "-->":
        last = max(at, len(text) - 2)
    return (last if last >= at else len(text)), False


def _read_name(found: re.Match[str]) -> Tag:
    closes, name, single = found.group(1), found.group(2).lower(), found.group(3)
    if name not in _NAMES:
        return _NONE
    if name in _REASONING and not closes and not single:
        return Tag("hide", found.end(), f"</{name}>")
    return Tag("break" if name in _BREAKING else "drop", found.end())


def _may_become(rest: str) -> bool:
    """Whether what begins here and has not ended may yet be a tag."""
    if len(rest) > _LIMIT or "\n" in rest or "<" in rest[1:] or ">" in rest:
        return False
    if len(rest) == 1:
        return True
    if rest[1] in "|｜":
        return len(rest) < 44 and (len(rest) < 3 or not re.search("[|｜].", rest[2:]))
    if rest[1:5].lower() == "http"[: len(rest) - 1]:
        return not re.search(r"\s", rest)
    found = _NAME.match(rest)
    name = (found.group(1) or "").lower() if found else ""
    if found and found.end() == len(rest):
        return any(known.startswith(name) for known in _NAMES)
    return name in _NAMES


def _end(rest: str, final: bool) -> Tag:
    """Drop a tag of which the text ends in the middle; anything else is a plain sign."""
    if final and len(rest) > 3 and _may_become(rest):
        return Tag("drop", len(rest))
    return _NONE
