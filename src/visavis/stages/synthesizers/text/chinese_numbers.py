"""Numbers in Chinese characters."""

from __future__ import annotations

DIGITS = "零一二三四五六七八九"
_SCALES = ("", "万", "亿", "万亿", "亿亿")
_YAO = str.maketrans("0123456789", "零幺二三四五六七八九")
_PLAIN = str.maketrans("0123456789", DIGITS)
MAX_CARDINAL_DIGITS = 16
"""Longer ones are read digit by digit."""


def read_digits(text: str, yao: bool = False) -> str:
    """Read digit by digit, ``yao`` with 幺 for 1, as telephone and room numbers are."""
    return text.translate(_YAO if yao else _PLAIN)


def read_cardinal(text: str, liang: bool = False) -> str:
    """Read an integer as a quantity.

    Args:
        text: Digits, with or without separators.
        liang: Whether a bare 2 is 两, as before a measure word.
    """
    text = text.replace(",", "").replace("，", "").lstrip("0") or "0"
    if len(text) > MAX_CARDINAL_DIGITS:
        return read_digits(text)
    if text == "0":
        return "零"
    if text == "2":
        return "两" if liang else "二"
    groups: list[str] = []
    while text:
        groups.append(text[-4:])
        text = text[:-4]
    out = ""
    gap = False
    for level in range(len(groups) - 1, -1, -1):
        group = groups[level]
        value = int(group)
        if value == 0:
            gap = bool(out)
            continue
        if out and (gap or value < 1000):
            out += "零"
        out += _read_below_10000(value, first=not out, scaled=level > 0) + _SCALES[level]
        gap = False
    return out


def _read_below_10000(value: int, *, first: bool, scaled: bool) -> str:
    """Read 1..9999; ``first`` when nothing is before it, ``scaled`` when 万 or 亿 follows."""
    if value == 2 and scaled:
        return "两"
    if 10 <= value < 20 and first:
        return "十" + (DIGITS[value % 10] if value % 10 else "")
    out = ""
    zero = False
    for power, unit in ((1000, "千"), (100, "百"), (10, "十"), (1, "")):
        digit = value // power % 10
        if digit == 0:
            zero = zero or bool(out)
            continue
        if zero:
            out += "零"
            zero = False
        liang = digit == 2 and (power == 1000 or value == 200)
        out += ("两" if liang else DIGITS[digit]) + unit
    return out


def read_number(text: str, liang: bool = False) -> str:
    """Read an integer or decimal, with a sign and thousands separators or without."""
    if text[:1] in "-−–":
        return "负" + read_number(text[1:], liang)
    if text[:1] == "+":
        return "正" + read_number(text[1:], liang)
    whole, _, fraction = text.partition(".")
    if not fraction:
        return read_cardinal(whole, liang)
    return read_cardinal(whole or "0") + "点" + read_digits(fraction)


def read_amount(text: str) -> str:
    """Read a number before a unit: 2 is 两, and trailing zeros after the point are not said."""
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return read_number(text, liang=True)
