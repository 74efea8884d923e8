"""The marks of Markdown, as far as they matter to who speaks it."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

TEXT_LABELS = ("", "text", "txt", "plain", "plaintext", "markdown", "md")
STOPS = "。！？!?.；;：:，,、…"
CLOSERS = "\"'”’」』）)】》]"
KEPT_SYMBOLS = set("°℃℉№℡㎡㎏㎝㎜㎞™®©^`")
LINE_LIMIT = 2_000
LINK_LIMIT = 300
RULE = re.compile(r"(?:-{3,}[-|: \t]*|([*_=])\1{2,}[ \t]*)(\n|\Z)")
RULE_SO_FAR = re.compile(r"(?:-{3,}[-|: \t]*|([*_=])\1*[ \t]*|-{1,2})\Z")
BULLET = re.compile(r"[-*+][ \t\n]|[•·‣◦▪●○]")
NUMBER = re.compile(r"\d{1,3}(?:[.)](?:[ \t])?)?")
SEPARATOR = re.compile(r"[\s|:\-]*\Z")
URL_CHARACTERS = re.compile(r"[A-Za-z0-9\-._~:/?#@!$&'()*+,;=%\[\]]*")
ENTITY = re.compile(r"&(?:[A-Za-z][A-Za-z0-9]{1,7}|#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6});")
ENTITY_SO_FAR = re.compile(r"&[A-Za-z0-9#]{0,9}\Z")
BOX = re.compile(r"\[[ xX]\][ \t]")


def is_latin(char: str) -> bool:
    """Whether a character is an ASCII letter or digit."""
    return char.isascii() and char.isalnum()


def find_close(text: str, start: int, opening: str, closing: str, limit: int) -> int | None:
    """Find the bracket that closes the one at ``start``, within a line and a number of characters."""
    depth = 0
    for i in range(start, min(len(text), start + limit)):
        if text[i] == "\n":
            return None
        depth += (text[i] == opening) - (text[i] == closing)
        if depth == 0:
            return i
    return None


def name_host(url: str) -> str:
    """What is said of an address."""
    try:
        return (urlsplit(url).hostname or "").removeprefix("www.")
    except ValueError:
        return ""
