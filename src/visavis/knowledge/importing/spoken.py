"""Markdown as text that can be spoken."""

from __future__ import annotations

import html
import re

from visavis.core.language import is_han

_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
_DEFINITION = re.compile(r" {0,3}\[[^\]\n]{1,200}\]:[ \t]*\S.*", re.MULTILINE)
_LINK = re.compile(
    r"!?\[([^\[\]]{0,500})\](?:\([^()\n]{0,2000}(?:\([^()\n]{0,500}\)[^()\n]{0,500})?\)|\[[^\[\]\n]{0,200}\])"
)
_FOOTNOTE = re.compile(r"\[\^[^\]\n]{1,100}\]")
_AUTOLINK = re.compile(
    r"<(?:[a-z][a-z0-9+.-]{1,31}:[^\s<>]{0,2000}|[^\s<>@]{1,100}@[^\s<>@]{1,200})>", re.I
)
_ADDRESS = re.compile(
    r"(?:https?://|ftp://|www\.)[\w\-.~:/?#\[\]@!$&'()*+,;=%]+", re.IGNORECASE | re.ASCII
)
_BREAK = re.compile(r"<br\s*/?>", re.IGNORECASE)
_TAG = re.compile(r"</?[a-z][a-z0-9]{0,20}(?:\s[^<>]{0,500})?/?>", re.IGNORECASE)
_CODE = re.compile(r"(?<!`)(`{1,4})([^`\n]+)\1")
_EMPHASIS = (
    re.compile(r"(\*\*\*|\*\*|~~|==)(?=\S)([^*~=\n]+?)(?<=\S)\1"),
    re.compile(r"(?<!\w)(___|__|_)(?=\S)([^_\n]+?)(?<=\S)\1(?!\w)"),
    re.compile(r"(?<![\w*])(\*)(?=\S)([^*\n]+?)(?<=\S)\1(?!\*)|(?<=[\u3400-\u9fff])(\*)(?=\S)([^*\n]+?)(?<=\S)\3(?!\*)"),
)  # fmt: skip
_ESCAPE = re.compile(r"\\([!-/:-@\[-`{-~])")
_ASIDE = 0xF0000
_PUT_ASIDE = re.compile("[\U000f0021-\U000f007e]")
_BULLET = re.compile(r"\s*(?:[-*+]|\d{1,4}[.)])\s+(?:\[[ xX]\]\s+)?")
_NUMBERED = re.compile(r"\s*(\d{1,4}[.)])\s")
_RULE = re.compile(r"\s*(?:[-*_][ \t]*){3,}")
_TABLE_RULE = re.compile(r"\s*\|?[\s:|-]*-[\s:|-]*\|?\s*")
_EMPTY_BRACKETS = re.compile(r"\s?[(（\[【]\s*[)）\]】]")


def shorten_blanks(text: str) -> str:
    """Shorten long runs of blanks, on which the patterns would take quadratic time."""
    return re.sub(r"[^\S\n]{4,}", "    ", text)


def speak_inline(text: str, *, keep_addresses: bool = False) -> str:
    """Reduce marks within a line to their text.

    Args:
        text: Markdown without blocks.
        keep_addresses: Keep bare addresses of the web; those of links go in any case.
    """
    # Escaped marks are put aside among private characters until all others are gone.
    text = _ESCAPE.sub(lambda match: chr(_ASIDE + ord(match[1])), text)
    text = _BREAK.sub(" ", text)
    text = _CODE.sub(lambda match: match[2], text)
    text = _FOOTNOTE.sub("", text)
    # Twice, for a picture within a link.
    text = _LINK.sub(r"\1", _LINK.sub(r"\1", text))
    if keep_addresses:
        text = re.sub(r"<(https?://[^\s<>]+)>", r"\1", text)
    else:
        text = _ADDRESS.sub(_keep_closing_mark, _AUTOLINK.sub("", text))
        text = _EMPTY_BRACKETS.sub("", text)
    text = _TAG.sub("", text)
    for pattern in _EMPHASIS:
        text = pattern.sub(_keep_inside, text)
    text = html.unescape(text)
    text = _PUT_ASIDE.sub(lambda match: chr(ord(match[0]) - _ASIDE), text)
    return " ".join(text.split())


def speak_markdown(text: str) -> str:
    """Reduce blocks of Markdown to lines of plain text.

    Lines of a paragraph are joined. Items of a list and cells of a table become sentences; pictures
    are told by their description; web addresses go.
    """
    text = _DEFINITION.sub("", _COMMENT.sub("", shorten_blanks(text)))
    blocks: list[str] = []
    joined = False
    for raw in text.split("\n"):
        line = re.sub(r"^\s*(?:>\s?)+", "", raw)
        if not line.strip() or _RULE.fullmatch(line):
            joined = False
            continue
        if "|" in line and _TABLE_RULE.fullmatch(line):
            continue
        bullet = _BULLET.match(line)
        row = line.strip().startswith("|")
        if row:
            line = ", ".join(cell.strip() for cell in line.strip().strip("|").split("|"))
        elif bullet:
            number = _NUMBERED.match(line)
            line = (number[1] + " " if number else "") + line[bullet.end() :]
        spoken = speak_inline(re.sub(r"^\s*#{1,6}\s+", "", line))
        if not spoken:
            continue
        if joined and not bullet and not row:
            glue = "" if is_han(blocks[-1][-1]) or blocks[-1][-1] in "，。；：、！？" else " "
            blocks[-1] += glue + spoken
        else:
            blocks.append(spoken)
        joined = not row and not raw.endswith("  ")
    for index, block in enumerate(blocks[:-1]):
        if block[-1].isalnum():
            blocks[index] += "。" if is_han(block[-1]) else "."
    return "\n".join(blocks)


def _keep_inside(match: re.Match[str]) -> str:
    return match[2] if match[2] is not None else match[4]


def _keep_closing_mark(match: re.Match[str]) -> str:
    """Drop an address and not the mark that ends its sentence."""
    return match[0][len(match[0].rstrip(".,;:!?)")) :]
