"""Numbers in English words, American style (no "and" in hundreds)."""

from __future__ import annotations

_ONES = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
]
_TENS = ["-", "-", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_SCALES = ("", "thousand", "million", "billion", "trillion", "quadrillion")
_ORDINAL = {
    "one": "first", "two": "second", "three": "third", "five": "fifth", "eight": "eighth",
    "nine": "ninth", "twelve": "twelfth",
}  # fmt: skip
_DENOMINATOR = {2: "half", 4: "quarter"}
MAX_CARDINAL_DIGITS = 18
"""Longer ones are read digit by digit."""


def read_digits(text: str) -> str:
    """Read digit by digit: ``one two three``."""
    return " ".join(_ONES[int(c)] for c in text)


def read_cardinal(text: str | int) -> str:
    """Read an integer as a quantity."""
    text = str(text).replace(",", "").lstrip("0") or "0"
    if len(text) > MAX_CARDINAL_DIGITS:
        return read_digits(text)
    value = int(text)
    if value == 0:
        return "zero"
    words: list[str] = []
    for level, scale in reversed(list(enumerate(_SCALES))):
        group = value // 1000**level % 1000
        if group:
            words += [*_read_below_1000(group), *([scale] if scale else [])]
    return " ".join(words)


def _read_below_1000(value: int) -> list[str]:
    words = [_ONES[value // 100], "hundred"] if value >= 100 else []
    value %= 100
    if value >= 20:
        words.append(_TENS[value // 10] + (f"-{_ONES[value % 10]}" if value % 10 else ""))
    elif value:
        words.append(_ONES[value])
    return words


def read_ordinal(text: str | int) -> str:
    """Read 21 as ``twenty-first``."""
    words = read_cardinal(text)
    cut = max(words.rfind(" "), words.rfind("-")) + 1
    head, last = words[:cut], words[cut:]
    if last in _ORDINAL:
        return head + _ORDINAL[last]
    return head + (last[:-1] + "ieth" if last.endswith("y") else last + "th")


def read_year(text: str) -> str:
    """Read 1905 as ``nineteen oh five``, 2005 as ``two thousand five``."""
    value = int(text)
    high, low = divmod(value, 100)
    if not 1000 <= value <= 9999 or (high % 10 == 0 and low < 10):
        return read_cardinal(value)
    if low == 0:
        return f"{read_cardinal(high)} hundred"
    return f"{read_cardinal(high)} " + (f"oh {_ONES[low]}" if low < 10 else read_cardinal(low))


def read_decade(text: str) -> str:
    """Read 1990 as ``nineteen nineties``, 90 as ``nineties``."""
    words = read_year(text) if len(text) == 4 else read_cardinal(text)
    return words[:-1] + "ies" if words.endswith("y") else words + "s"


def read_number(text: str) -> str:
    """Read an integer or decimal, with a sign and thousands separators or without."""
    if text[:1] in "-−–":
        return "minus " + read_number(text[1:])
    if text[:1] == "+":
        return "plus " + read_number(text[1:])
    whole, _, fraction = text.partition(".")
    if not fraction:
        return read_cardinal(whole)
    head = read_cardinal(whole) + " " if whole else ""
    return f"{head}point {read_digits(fraction)}"


def read_fraction(numerator: int, denominator: int) -> str:
    """Read 3/4 as ``three quarters``."""
    name = _DENOMINATOR.get(denominator) or read_ordinal(denominator)
    if numerator == 1:
        return f"one {name}"
    plural = "halves" if denominator == 2 else name + "s"
    return f"{read_cardinal(numerator)} {plural}"
