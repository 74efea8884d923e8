"""Blots out of a text what may tell who wrote it: figures, addresses and the like.

Patterns find forms, not meanings: names, streets and stories stay. Where it is not certain, more is
blotted out rather than less; years, prices and hotlines of up to five digits stay, as a question
without them says nothing.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

LONGEST = 2_000
"""Characters of a text that are kept."""
_READ = 2 * LONGEST
_FEWEST_DIGITS = 6
"""Digits in a row, or with single signs between them, that are blotted out."""

_PROVINCES = "京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼港澳使领"
_SPOKEN_ZH = "零〇一二三四五六七八九幺两洞拐"
_SPOKEN_EN = "zero|oh|one|two|three|four|five|six|seven|eight|nine|double|triple"
_GAP = r"[ \t.·\-‐-―/()]"

_MAIL = re.compile(
    r"[\w.%+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,5}"
    r"|\b[\w.+-]{1,64} (?:at|艾特) [\w-]{1,63}(?: (?:dot|点) [\w-]{2,63}){1,4}",
    re.IGNORECASE | re.ASCII,
)
_NETWORK = re.compile(
    r"(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?![\d.])"
    r"|(?<![\w:])(?:[0-9a-f]{1,4}:){3,7}[0-9a-f]{1,4}(?![\w:])"
    r"|(?<![\w:])(?:[0-9a-f]{1,4}:){1,6}:(?:[0-9a-f]{1,4}(?::[0-9a-f]{1,4}){0,5})?(?![\w:])",
    re.IGNORECASE | re.ASCII,
)
_ACCOUNT = re.compile(
    r"((?:微信|薇信|qq|wechat|weixin|telegram|whatsapp)\s?(?:号码|号|id|账号)?\s?(?:是|为|is|:)?\s?)"
    r"(?=[a-z0-9_-]*[a-z0-9])@?[a-z0-9_][a-z0-9_-]{4,30}",
    re.IGNORECASE | re.ASCII,
)
_PLATE = re.compile(
    rf"[{_PROVINCES}]\s?[A-Z][\s·.\-]?(?:[A-Z0-9]\s?){{4,5}}[A-Z0-9挂学警港澳领使]"
    r"|(?<![A-Za-z0-9])[A-Z]{2}\d{2}[ \-]?[A-Z]{3}(?![A-Za-z0-9])",
    re.IGNORECASE,
)
_DIGITS = re.compile(
    rf"(?<![A-Za-z0-9])(?:[A-Z]{{1,3}}{_GAP}?)?[+]?\d(?:{_GAP}{{0,2}}\d){{{_FEWEST_DIGITS - 1},}}"
    rf"(?:{_GAP}?[A-Z](?![A-Za-z]))?\)?",
    re.IGNORECASE | re.ASCII,
)
_SPOKEN = re.compile(
    rf"[{_SPOKEN_ZH}](?:[\s，、,\-]?[{_SPOKEN_ZH}]){{{_FEWEST_DIGITS - 1},}}"
    rf"|\b(?:{_SPOKEN_EN})(?:[\s,\-]{{1,3}}(?:{_SPOKEN_EN})){{{_FEWEST_DIGITS - 2},}}\b",
    re.IGNORECASE,
)
_YEARS = re.compile(r"(?:19|20)\d\d\s?[-‐-―/]\s?(?:19|20)\d\d")
_ID = re.compile(r"\d{17}[\dXx]|\d{15}")
_PHONE = re.compile(r"(?:(?:00)?86)?1[3-9]\d{9}|0\d{9,11}|[48]00\d{7}")


def redact(text: str) -> tuple[str, bool]:
    """Blot out and shorten.

    E-mail and network addresses, accounts, car plates, and six or more digits in a row, written
    with any single signs between them or spoken in words: telephone, identity card (with its X),
    passport, bank card and other numbers.

    Returns:
        The text, where ``[email]``, ``[network]``, ``[account]``, ``[plate]``, ``[id]``,
        ``[phone]``, ``[card]`` and ``[number]`` stand for what was there, and whether any does.
    """
    # Full-width digits and letters are digits and letters; a number hidden by characters of no
    # width is a number.
    plain = "".join(
        c for c in text[:_READ] if unicodedata.category(c) not in ("Cf", "Cc") or c in "\n\t"
    )
    plain = unicodedata.normalize("NFKC", plain) if _has_wide(plain) else plain
    found = False
    for pattern, put in _STEPS:

        def blot(match: re.Match[str], put: Callable[[re.Match[str]], str] = put) -> str:
            nonlocal found
            said = put(match)
            found = found or said != match[0]
            return said

        plain = pattern.sub(blot, plain)
    return plain.strip()[:LONGEST], found


def _has_wide(text: str) -> bool:
    """Say whether a text has letters or digits in other forms; only then is it rewritten.

    Chinese punctuation, which would change as well, is to stay as it is.
    """
    return any(c.isalnum() and unicodedata.normalize("NFKC", c) != c for c in text)


def _name_number(match: re.Match[str]) -> str:
    if _YEARS.fullmatch(match[0]):
        return match[0]
    figures = "".join(c for c in match[0] if c.isalnum()).upper()
    digits = "".join(c for c in figures if c.isdigit())
    if _ID.fullmatch(figures):
        return "[id]"
    if _PHONE.fullmatch(digits):
        return "[phone]"
    if figures != digits and len(digits) <= 10:
        return "[id]"
    return "[card]" if 13 <= len(digits) <= 19 else "[number]"


_STEPS: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], str]], ...] = (
    (_MAIL, lambda _: "[email]"),
    (_NETWORK, lambda _: "[network]"),
    (_ACCOUNT, lambda match: f"{match[1]}[account]"),
    (_PLATE, lambda _: "[plate]"),
    (_DIGITS, _name_number),
    (_SPOKEN, lambda _: "[number]"),
)
