"""Values of spreadsheet cells as a person would write them."""

from __future__ import annotations

import datetime
import re
from typing import Any

_NUMBER = re.compile(r"[#0?,]*[#0?](?:\.[#0?]+)?")
_BRACKET = re.compile(r"\[\$([^\]-]*)[^\]]*\]|\[[^\]]*\]")


class DayText(str):
    """What a date cell shows, and the day that it means.

    Attributes:
        day: The whole date, whatever part of it is shown.
    """

    __slots__ = ("day",)
    day: datetime.date

    def __new__(cls, text: str, day: datetime.date) -> DayText:
        """Make it of the two."""
        made = super().__new__(cls, text)
        made.day = day
        return made


def write_value(value: Any, number_format: str = "General") -> str:
    """Write what a cell shows, near enough to be read out.

    Whole numbers get no ``.0``; percentages, fixed decimals, thousands, leading zeros and words
    around the number follow the format; dates are 2024-05-01, or 2024年5月1日 where the format is
    Chinese.
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, int | float):
        return _write_number(value, number_format)
    if isinstance(value, datetime.datetime | datetime.date | datetime.time):
        return _write_date(value, number_format)
    if isinstance(value, datetime.timedelta):
        minutes = round(value.total_seconds() / 60)
        return f"{minutes // 60}:{minutes % 60:02d}"
    return str(value)


def _write_number(value: float, number_format: str) -> str:
    plain = f"{value:.15g}" if abs(value) < 1e15 else f"{value:.0f}"
    section = (number_format or "General").split(";")[0]
    section = _BRACKET.sub(lambda match: match[1] or "", section)
    # An underscore is as wide as the character behind it, an asterisk repeats it.
    section = re.sub(r"[_*].", "", section)
    literals = re.sub(r"\\(.)", r"\1", section.replace('"', ""))
    found = _NUMBER.search(literals)
    if found is None or re.search(r"[Ee][+-]", literals) or "/" in literals:
        return plain
    pattern = found[0]
    before, after = literals[: found.start()], literals[found.end() :]
    if "%" in before + after:
        value *= 100
    whole, _, decimals = pattern.partition(".")
    least, most = decimals.count("0"), len(decimals)
    text = f"{abs(value):{',' if ',' in whole else ''}.{most}f}"
    if most > least:
        kept, _, fraction = text.partition(".")
        fraction = fraction[:least] + fraction[least:].rstrip("0")
        text = f"{kept}.{fraction}" if fraction else kept
    zeros = whole.replace(",", "").count("0")
    kept, point, fraction = text.partition(".")
    text = kept.zfill(zeros) + point + fraction
    sign = "-" if value < 0 and text.strip("0.,") else ""
    return f"{sign}{before}{text}{after}".strip()


def _write_date(
    value: datetime.datetime | datetime.date | datetime.time, number_format: str
) -> str:
    if isinstance(value, datetime.time):
        return f"{value:%H:%M}"
    if "年" in number_format:
        text = f"{value.year}年{value.month}月"
        if "日" in number_format:
            text += f"{value.day}日"
    elif "月" in number_format:
        text = f"{value.month}月{value.day}日"
    else:
        text = f"{value.year:04d}-{value.month:02d}-{value.day:02d}"
    if isinstance(value, datetime.datetime) and (value.hour or value.minute):
        text += f" {value:%H:%M}"
    return text
