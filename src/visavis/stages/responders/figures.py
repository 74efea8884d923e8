"""The figures of a text in a form that can be compared: numbers, dates, amounts, telephone numbers."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

_DIGITS = {c: i for i, c in enumerate("零一二三四五六七八九")} | {"〇": 0, "两": 2, "俩": 2}
_TENS = {"十": 10, "百": 100, "千": 1_000}
_GROUPS = {"万": 10_000, "亿": 100_000_000}
_NAMES = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven",
    "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)  # fmt: skip
_TENS_EN = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_WORDS = {name: i for i, name in enumerate(_NAMES)} | {
    name: 10 * (i + 2) for i, name in enumerate(_TENS_EN)
}
_SCALES = {"hundred": 100, "thousand": 1_000, "million": 1_000_000, "dozen": 12}
_MONTHS = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october",
    "november", "december",
)  # fmt: skip
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")

_UNITS: tuple[tuple[str, str], ...] = (
    ("working day", r"个?工作日|(?:working|business)[ -]days?"),
    ("month", r"个?月|months?"),
    ("day", r"个?自然日|天|日|days?"),
    ("week", r"个?(?:星期|礼拜)|周(?!岁|年|一|二|三|四|五|六|日)|weeks?"),
    ("age", r"周?岁|years?[ -](?:old|of age)"),
    ("year", r"周?年|years?"),
    ("minute", r"分钟|minutes?|mins?\b"),
    ("hour", r"个?小时|hours?|hrs?\b"),
    ("percent", r"%|percent|per cent"),
    ("yuan", r"元|块钱?|yuan|rmb|cny"),
    ("dollar", r"美元|(?:us )?dollars?|usd"),
    ("euro", r"欧元|euros?|eur\b"),
    ("metre", r"米|met(?:er|re)s?\b"),
    ("kilometre", r"公里|千米|kilomet(?:er|re)s?|km\b"),
    ("copy", r"份|cop(?:y|ies)"),
    ("floor", r"楼|层|floors?"),
)
_UNIT = re.compile("|".join(f"(?P<u{i}>{pattern})" for i, (_, pattern) in enumerate(_UNITS)))

_PHONE = re.compile(r"(?<![\d.])\+?\d[\d \-()]{4,}\d(?![\d.]*\d)")
_TIME = re.compile(
    r"(?<!\d)(\d{1,2}):([0-5]\d)(?!\d)|(?<!\d)(\d{1,2})(?:点|时(?!间|候))(半|[0-5]?\d分?)?"
    r"|(?<![\d.])(\d{1,2})(?= ?[ap]\.?m\b)"
)
_NUMBER = re.compile(r"\d+(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?")
_HAN_NUMBER = re.compile(r"[零〇一二两俩三四五六七八九十百千万亿]+(?:点[零〇一二三四五六七八九]+)?")
_WEEKDAY = re.compile(rf"(?:星期|周|礼拜)([一二三四五六日天])|\b({'|'.join(_DAYS)})s?\b")
_MONTH = re.compile(
    rf"\b({'|'.join(m if m == 'may' else f'{m[:3]}(?:{m[3:]})?' for m in _MONTHS)})\b\.? ?(?=\d)"
    rf"|(?<=\d) ?(?:st|nd|rd|th)? ?(?:of )?\b({'|'.join(_MONTHS)})\b"
)
_WORD_NUMBER = re.compile(
    rf"\b(?:{'|'.join((*_WORDS, *_SCALES))})(?:(?:[ -]| and )(?:{'|'.join((*_WORDS, *_SCALES))}))*\b"
)
_ARTICLES = set("一几两")
"""Single numerals that are as often no number: 一般, 一个, 几, 两边. They count before a unit only."""
_LONGEST_NUMERAL = 24
"""Characters; a longer run of Chinese numerals is no number."""
_PHONE_DIGITS = 5
"""From so many digits on a number is compared digit by digit, as numbers of telephones and cards are."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure as it is compared.

    Attributes:
        value: The number, or a code such as ``d3`` for Wednesday.
        unit: What it counts; empty where that is not said or not known.
    """

    value: str
    unit: str = ""

    def agrees(self, other: Figure) -> bool:
        """Whether both may be the same: equal, and of one unit where both say one."""
        return self.value == other.value and (
            not self.unit or not other.unit or self.unit == other.unit
        )


def find_figures(text: str) -> set[Figure]:
    """Find the figures of a text, with numbers in words of both languages as digits.

    "一" and "one" count only where a unit follows, as they are mostly no number.
    """
    text = unicodedata.normalize("NFKC", text).casefold().replace("：", ":")
    found: set[Figure] = set()
    text = _take_long(text, found)
    for match in _WEEKDAY.finditer(text):
        day = match.group(1)
        number = (
            "一二三四五六日".index(day.replace("天", "日")) if day else _DAYS.index(match.group(2))
        )
        found.add(Figure(f"d{number}"))
    text = _WEEKDAY.sub(" ", text)
    for match in _MONTH.finditer(text):
        name = match.group(1) or match.group(2)
        number = next(i for i, month in enumerate(_MONTHS) if month.startswith(name[:3]))
        found.add(Figure(str(number + 1)))
    text = _HAN_NUMBER.sub(_write_han, text)
    text = _WORD_NUMBER.sub(_write_words, text)
    for match in _TIME.finditer(text):
        _take_time(match, text, found)
    text = _TIME.sub(" ", text)
    for match in _NUMBER.finditer(text):
        value, at = float(match.group().replace(",", "")), match.end()
        for sign, factor in (*_GROUPS.items(), *_TENS.items()):
            if text.startswith(sign, at):
                value, at = value * factor, at + 1
        found.add(Figure(_show(value), _unit_at(text, at)))
    return found


def squeeze_digits(text: str) -> str:
    """Keep a text's digits with everything between telephone blocks left out, for comparing numbers."""
    return re.sub(r"(?<=\d)[ \-()]+(?=\d)", "", unicodedata.normalize("NFKC", text))


def _take_long(text: str, found: set[Figure]) -> str:
    """Take numbers of telephones, cards and files, which are no amounts, out of a text."""

    def take(match: re.Match[str]) -> str:
        digits = re.sub(r"\D", "", match.group())
        parts = re.split(r"[ \-()]+", match.group().strip("+ "))
        dated = len(parts) == 3 and len(parts[0]) == 4 and all(len(p) <= 2 for p in parts[1:])
        listed = all(len(p) < 3 for p in parts)
        if len(digits) < _PHONE_DIGITS or dated or listed:
            return match.group()
        if _unit_at(text, match.end()) or text[match.end() : match.end() + 1] in ("万", "亿"):
            return match.group()
        found.add(Figure(f"#{digits}"))
        return " "

    return _PHONE.sub(take, text)


def _take_time(match: re.Match[str], text: str, found: set[Figure]) -> None:
    hour = int(match.group(1) or match.group(3) or match.group(5))
    rest = match.group(2) or match.group(4) or "0"
    minutes = 30 if rest == "半" else int(rest.removesuffix("分") or 0)
    before, after = (
        text[max(0, match.start() - 4) : match.start()],
        text[match.end() : match.end() + 5],
    )
    if hour < 12 and (re.search("下午|晚上|傍晚|午后", before) or re.match(r" ?p\.?m", after)):
        hour += 12
    found.add(Figure(f"{hour % 24}h"))
    if minutes:
        found.add(Figure(f"{minutes}m"))


def _unit_at(text: str, at: int) -> str:
    if text.startswith("美元", at):
        return "dollar"
    match = _UNIT.match(text, at) or _UNIT.match(text, at + 1 if text[at : at + 1] in " -" else at)
    if match is None or match.lastgroup is None:
        return ""
    return _UNITS[int(match.lastgroup[1:])][0]


def _write_han(match: re.Match[str]) -> str:
    written = match.group()
    after = match.string[match.end() : match.end() + 6]
    if len(written) > _LONGEST_NUMERAL:
        return written
    if len(written) == 1 and written in _ARTICLES | set("十百千万亿") and written != "十":
        before = match.string[max(0, match.start() - 1) : match.start()]
        counted = bool(_unit_at(after, 0)) and before not in ("第", "统", "单")
        if written not in _ARTICLES or not counted:
            return written
    whole, _, part = written.partition("点")
    value = _read_han(whole)
    if value is None:
        return written
    if part:
        return f" {value}." + "".join(str(_DIGITS[c]) for c in part)
    return f" {value}"


def _read_han(text: str) -> int | None:
    """Read a Chinese numeral below 10^12: with tens and groups, or digit by digit."""
    if all(c in _DIGITS for c in text):
        return int("".join(str(_DIGITS[c]) for c in text))
    total = section = digit = 0
    last = 1
    for c in text:
        if c in _DIGITS:
            digit, last = _DIGITS[c], last if _DIGITS[c] else 10
        elif c in _TENS:
            section += (digit or (1 if not digit and c == "十" else 0)) * _TENS[c]
            digit, last = 0, _TENS[c]
        else:
            section = (section + digit) or 0
            if not section:
                return None
            total = (total + section) * _GROUPS[c] if c == "亿" else total + section * _GROUPS[c]
            section, digit, last = 0, 0, _GROUPS[c]
    return total + section + digit * (last // 10 if last > 10 else 1)


def _write_words(match: re.Match[str]) -> str:
    words = [w for w in re.split(r"[ -]+", match.group()) if w != "and"]
    if words == ["one"] and not _unit_at(match.string, match.end()):
        return match.group()
    if words[0] in _SCALES and len(words) == 1:
        return match.group()
    total = value = 0
    for word in words:
        if word in _WORDS:
            value += _WORDS[word]
        elif _SCALES[word] == 100 or word == "dozen":
            value = (value or 1) * _SCALES[word]
        else:
            total, value = total + (value or 1) * _SCALES[word], 0
    return str(total + value)


def _show(value: float) -> str:
    whole = abs(value) < 1e15 and value == int(value)
    return str(int(value)) if whole else f"{value:.6g}"
