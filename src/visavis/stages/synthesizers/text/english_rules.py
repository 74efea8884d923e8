"""How numbers, dates, money, abbreviations and signs are read in English."""

from __future__ import annotations

import re

from visavis.stages.synthesizers.text.english_numbers import (
    read_cardinal,
    read_decade,
    read_digits,
    read_fraction,
    read_number,
    read_ordinal,
    read_year,
)
from visavis.stages.synthesizers.text.english_words import (
    ABBREVIATIONS,
    CURRENCIES,
    MONTHS,
    ROMAN_AFTER,
    ROMAN_ORDINAL_AFTER,
    SIGNS,
    TITLES,
    UNITS,
)
from visavis.stages.synthesizers.text.rules import Reading, Rule, rule


def _any_of(words: object) -> str:
    return "|".join(re.escape(w) for w in sorted(words, key=len, reverse=True))  # type: ignore[call-overload]


_N = r"(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?|\.\d+"
_TO = r"\s?(?:-|–|—|~|to)\s?"
_DASH = r"\s?[-–—~]\s?"
_ALONE = r"(?<![\w.,])"
_SCALE = r"(?:\s?(hundred|thousand|million|billion|trillion|bn|mn|[kKmMbB](?![A-Za-z])))?"
_SCALES = {"k": "thousand", "m": "million", "b": "billion", "bn": "billion", "mn": "million"}
_CURRENCY = _any_of(CURRENCIES)
_MONTH = rf"({_any_of(MONTHS)})\.?"
_TIME = r"([01]?\d|2[0-4])(?::([0-5]\d))?(?::([0-5]\d))?"
_YEAR_BEFORE = re.compile(
    r"\b(?:in|since|by|from|until|till|of|year|before|after|during|between|around|circa|early|late|mid|"
    r"spring|summer|autumn|fall|winter|copyright|to|and|class)[\s-]+$",
    re.I,
)
_COUNTED = re.compile(
    r"\s+(?!is\b|was\b|has\b|its\b|this\b|as\b|us\b)[a-z]+(?:s|people|children)\b"
)
_CALLING = re.compile(
    r"\b(?:call|calls|calling|dial|dialing|phone|telephone|tel|hotline|number|fax|mobile|at|text|extension|ext)\b[^\d.;!?]{0,8}(?:\d[\d-]*\s+(?:or|and)\s+)?$",
    re.I,
)
_CODE = re.compile(
    r"\b(?:code|pin|account|card|id|passport|serial|reference|tracking|order|zip|postcode|password|number|no\.?|digits)"
    r"(?:\s+(?:number|no\.?|code))?(?:\s+(?:is|ends\s+(?:in|with)))?[\s:#]*$",
    re.I,
)
_ROOM = re.compile(
    r"\b(?:room|suite|apartment|apt\.?|flat|flight|bus|route|highway|gate)\s+$", re.I
)
_URL_SIGNS = {
    ".": "dot", "/": "slash", "-": "dash", "_": "underscore", "@": "at", ":": "colon",
    "?": "question mark", "=": "equals", "&": "and", "#": "hash", "%": "percent", "+": "plus",
    "~": "tilde",
}  # fmt: skip
_ROMAN = {"I": 1, "V": 5, "X": 10, "L": 50, "C": 100, "D": 500, "M": 1000}


def _before(match: re.Match[str], pattern: re.Pattern[str]) -> bool:
    return bool(pattern.search(match.string[max(0, match.start() - 32) : match.start()]))


def _plural(number: str, names: tuple[str, str]) -> str:
    return names[0] if number.lstrip("-+−") in ("1", "1.0") else names[1]


def _month_day(month: str, day: str, year: str | None) -> str | None:
    if not 1 <= int(day) <= 31:
        return None
    return f"{MONTHS[month]} {read_ordinal(day)}" + (f", {read_year(year)}" if year else "")


def _iso_date(match: re.Match[str]) -> str | None:
    year, month, day = match.group(1, 2, 3)
    if not 1 <= int(month) <= 12:
        return None
    return _month_day(list(MONTHS)[int(month) - 1], day, year)


def _us_date(match: re.Match[str]) -> str | None:
    month, day, year = match.group(1, 2, 3)
    if int(month) > 12:
        month, day = day, month
    if not 1 <= int(month) <= 12:
        return None
    full = year if len(year) == 4 else ("19" if int(year) > 40 else "20") + year
    return _month_day(list(MONTHS)[int(month) - 1], day, full)


def _day_month(match: re.Match[str]) -> str | None:
    the, day, month, year = match.group(1, 2, 3, 4)
    if not 1 <= int(day) <= 31:
        return None
    said = f"{the or 'the '}{read_ordinal(day)} of {MONTHS[month]}"
    return said + (f", {read_year(year)}" if year else "")


def _clock(hour: str, minute: str | None, second: str | None, half: str | None) -> str:
    said = read_cardinal(hour)
    if minute and int(minute):
        said += (" oh " if minute[0] == "0" else " ") + read_cardinal(minute)
    elif minute and not half:
        said = (
            "midnight"
            if hour in ("0", "00")
            else said + (" o'clock" if int(hour) <= 12 else " hundred")
        )
    if second:
        said += f" and {read_cardinal(second)} {'second' if int(second) == 1 else 'seconds'}"
    return said + (f" {half[0].upper()}M" if half else "")


def _time(match: re.Match[str]) -> str | None:
    hour, minute, second, half = match.group(1, 2, 3, 4)
    if half is None and minute is None:
        return None
    return _clock(hour, minute, second, half)


def _grouped(*groups: str | None) -> str:
    return ", ".join(read_digits(g) for g in groups if g)


def _phone(match: re.Match[str]) -> str:
    text = match.group()
    said = _grouped(*re.findall(r"\d+", text))
    return ("plus " if text.startswith("+") else "") + said


def _called(match: re.Match[str]) -> str | None:
    text = match.group()
    return read_digits(text) if _before(match, _CALLING) or text in ("911", "999") else None


def _room(match: re.Match[str]) -> str | None:
    """Read 302 after "room" as ``three oh two``."""
    if not _before(match, _ROOM):
        return None
    text = match.group()
    if text.endswith("00") or len(text) == 4:
        return read_year(text)
    low = text[-2:]
    return f"{read_digits(text[0])} {'oh ' + read_digits(low[1]) if low[0] == '0' else read_cardinal(low)}"


def _long_digits(match: re.Match[str]) -> str:
    text = match.group()
    size = 4 if len(text) % 4 == 0 or len(text) > 12 else 3
    return _grouped(*(text[i : i + size] for i in range(0, len(text), size)))


def _scaled(number: str, scale: str | None) -> str:
    return read_number(number) + (f" {_SCALES.get(scale.lower(), scale)}" if scale else "")


def _money(match: re.Match[str]) -> str:
    sign, low, scale, high, high_scale = match.group(1, 2, 3, 4, 5)
    one, many, cent, cents = CURRENCIES[sign]
    if high:
        return f"{_scaled(low, scale)} to {_scaled(high, high_scale)} {many}"
    if scale:
        return f"{_scaled(low, scale)} {many}"
    whole, _, part = low.partition(".")
    if len(part) != 2 or not cent:
        return f"{read_number(low)} {_plural(low, (one, many))}"
    said = f"{read_number(whole)} {_plural(whole, (one, many))}" if whole.strip("0") else ""
    if int(part):
        said += (
            " and " if said else ""
        ) + f"{read_cardinal(part)} {cent if int(part) == 1 else cents}"
    return said or f"zero {many}"


def _money_behind(match: re.Match[str]) -> str:
    number, scale, code = match.group(1, 2, 3)
    one, many, _, _ = CURRENCIES[code]
    return f"{_scaled(number, scale)} {one if number == '1' and not scale else many}"


def _percent(match: re.Match[str]) -> str:
    low, high = match.group(1, 2)
    return read_number(low) + (f" to {read_number(high)}" if high else "") + " percent"


def _degrees(match: re.Match[str]) -> str:
    low, high, scale = match.group(1, 2, 3)
    said = read_number(low) + (f" to {read_number(high)}" if high else "")
    said += " " + _plural(high or low, ("degree", "degrees"))
    return said + {"C": " Celsius", "F": " Fahrenheit", "": ""}[scale or ""]


def _unit(match: re.Match[str]) -> str:
    low, high, unit = match.group(1, 2, 3)
    said = read_number(low) + (f" to {read_number(high)}" if high else "")
    return f"{said} {_plural(high or low, UNITS[unit])}"


def _fraction(match: re.Match[str]) -> str:
    whole, top, bottom = match.group(1, 2, 3)
    if (top, bottom) == ("24", "7"):
        return "twenty-four seven"
    if not 0 < int(top) < int(bottom) or int(bottom) > 100:
        return f"{read_cardinal(top)} over {read_cardinal(bottom)}"
    part = read_fraction(int(top), int(bottom))
    if not whole:
        return part
    return f"{read_cardinal(whole)} and " + ("a" + part[3:] if part.startswith("one ") else part)


def _range(match: re.Match[str]) -> str:
    low, high = match.group(1, 2)
    if " " in match.group() and float(low.replace(",", "")) > float(high.replace(",", "")):
        return f"{read_number(low)} minus {read_number(high)}"
    if re.fullmatch(r"(?:1[6-9]|20)\d\d", low) and re.fullmatch(r"(?:1[6-9]|20)?\d\d", high):
        return f"{read_year(low)} to {read_year(high) if len(high) == 4 else read_cardinal(high)}"
    return f"{read_number(low)} to {read_number(high)}"


def _four_digits(match: re.Match[str]) -> str | None:
    text = match.group()
    recent = 1900 <= int(text) <= 2099 and not _COUNTED.match(match.string, match.end())
    near = 1100 <= int(text) <= 2199 and _before(match, _YEAR_BEFORE)
    if _before(match, _CODE):
        return read_digits(text)
    return read_year(text) if recent or near else None


def _number(match: re.Match[str]) -> str:
    text = match.group()
    plain = text.lstrip("-−")
    if plain.isdigit() and (
        (len(plain) > 1 and plain[0] == "0") or (len(plain) >= 3 and _before(match, _CODE))
    ):
        return read_digits(plain)
    return read_number(text)


def _roman(text: str) -> int:
    values = [_ROMAN[c] for c in text]
    return sum(-v if v < max(values[i:]) else v for i, v in enumerate(values))


def _letters_digits(match: re.Match[str]) -> str:
    letters, digits, tail = match.group(1, 2, 3)
    return f"{letters} {_code_digits(digits)}{' ' + tail if tail else ''}"


def _code_digits(digits: str) -> str:
    if "." in digits:
        return read_number(digits)
    if digits[0] == "0" or len(digits) == 3 or len(digits) > 4:
        return read_digits(digits)
    return read_year(digits) if len(digits) == 4 else read_cardinal(digits)


def _mixed_code(match: re.Match[str]) -> str | None:
    text = match.group()
    if not (re.search(r"\d", text) and re.search(r"[A-Za-z]", text)):
        return None
    return " ".join(
        _code_digits(p) if p[0].isdigit() else p
        for p in re.findall(r"\d+(?:\.\d+)?|[A-Za-z]+", text)
    )


def _address(match: re.Match[str]) -> str:
    """Read a web or mail address: known words as words, the rest letter by letter."""
    text = re.sub(r"^(?:https?|ftp)://", "", match.group().rstrip("./"))
    said = []
    for part in re.findall(r"[A-Za-z]+|\d+|.", text):
        if part in _URL_SIGNS:
            said.append(_URL_SIGNS[part])
        elif part.isdigit():
            said.append(read_digits(part))
        elif part.lower() == "www":
            said.append("W W W")
        else:
            short = part.lower() not in ("com", "net", "org", "app", "top") and len(part) <= 2
            said.append(
                " ".join(part.upper()) if short or not re.search(r"[aeiouy]", part, re.I) else part
            )
    return " ".join(said)


def _say(text: str) -> Reading:
    return lambda match: text


def _abbreviation(match: re.Match[str]) -> str:
    word = match.group(1)
    rest = match.string[match.end() :].lstrip()
    # A period that also ends the sentence stays one.
    ends = word.endswith(".") and (
        not rest
        or (
            rest[0].isupper()
            and word in ("etc.", "a.m.", "p.m.", "Inc.", "Ltd.", "Co.", "Corp.", "Jr.", "Sr.")
        )
    )
    return ABBREVIATIONS[word] + ("." if ends else "")


URL = r"(?:(?:https?|ftp)://|www\.)[\w./?=&%#~+:-]*[\w/]|[\w.+-]+@[\w-]+(?:\.[\w-]+)+|(?<![\w.])(?:[A-Za-z0-9-]+\.)+(?:com|cn|org|net|gov|edu|io|info|top|hk|tw|us|uk)(?:/[\w./?=&%#~+-]*)?(?![\w])"
_ROMAN_NUMERAL = r"((?=[IVXLC])(?:C{0,3})(?:XC|XL|L?X{0,3})(?:IX|IV|V?I{0,3}))\b"

RULES: tuple[Rule, ...] = (
    rule(URL, _address, re.A),
    rule(r"(?<![\w-])(\d{3}-\d{2}-\d{4})(?![\w-])", _phone),
    rule(r"(?<![\w-])(\d{4})[-/](\d{1,2})[-/](\d{1,2})(?![\w-])", _iso_date),
    rule(r"(?<![\w/])(\d{1,2})/(\d{1,2})/(\d{4}|\d{2})(?![\w/])", _us_date),
    rule(
        rf"\b{_MONTH}\s(\d{{1,2}})(?:st|nd|rd|th)?(?![\d:%,.]\d|\d|[-–]\d)(?:(?:,?\s)(\d{{4}})(?!\d))?",
        lambda m: _month_day(*m.group(1, 2, 3)),
    ),
    rule(rf"\b(the\s)?(\d{{1,2}})(?:st|nd|rd|th)?\s(?:of\s)?{_MONTH}(?:,?\s(\d{{4}})(?!\d))?(?![A-Za-z])", _day_month),
    rule(rf"(?<![\w:.$€£]){_TIME}\s?([AaPp])\.?[Mm]\b(?:\.(?=\s+[a-z0-9(-]|,))?", _time),
    rule(rf"(?<![\w:.$€£]){_TIME}(?![\w:%]|\.\d)()?", lambda m: _clock(m.group(1), m.group(2), m.group(3), None) if m.group(2) else None),
    rule(rf"(?<=[\dMm.]){_DASH}(?=\d{{1,2}}(?::\d\d|\s?[AaPp]\.?[Mm]))", _say(" to ")),
    rule(r"(?<![\d.])\+\d{1,3}[-.\s]?(?:\(?\d{1,4}\)?[-.\s]?){1,4}\d{2,4}(?!\d)", _phone),
    rule(r"(?<![\w.])(?:1[-.\s])?\(?\d{3}\)?[-.\s]\d{3}[-.\s]\d{4}(?!\d)", _phone),
    rule(r"(?<![\w.,$-])(?:\d{3}-\d{4}|0\d{2,4}[-\s]\d{3,4}[-\s]?\d{3,4}|1[3-9]\d[-\s]?\d{4}[-\s]?\d{4}|0\d{2,3}-\d{7,8})(?![\w-]|,\d)", _phone),
    rule(r"(?<![\w.,$€£¥-])\d{3,4}(?![\w%-]|[.,]\d)", _room),
    rule(r"(?<![\w.,$€£¥-])\d{3,6}(?![\w%-]|[.,]\d)", _called),
    rule(r"(?<![\w.,$€£¥-])\d{17}[Xx](?!\w)", lambda m: _grouped(m.group()[:4], m.group()[4:8], m.group()[8:12], m.group()[12:17]) + " X"),
    rule(r"(?<![\w.,$€£¥-])\d{7,}(?![\w%]|[.,]\d)", _long_digits),
    rule(r"(?<![\w.,$-])\d{4}(?:[-\s]\d{4}){2,}(?!\d)", _phone),
    rule(rf"({_CURRENCY})\s?({_N}){_SCALE}(?:{_TO}(?:{_CURRENCY})?\s?({_N}){_SCALE})?", _money),
    rule(rf"{_ALONE}({_N}){_SCALE}\s?(USD|EUR|GBP|HKD|JPY|RMB|CNY)\b", _money_behind),
    rule(rf"(?<![\w.,])([-−]?(?:{_N}))(?:{_TO}({_N}))?\s?%", _percent),
    rule(rf"(?<![\w.,])([-−]?(?:{_N}))(?:{_TO}([-−]?(?:{_N})))?\s?°\s?([CF])?(?![A-Za-z])", _degrees),
    rule(rf"(?<![\w.,])([-−]?(?:{_N}))(?:{_TO}({_N}))?[\s-]?({_any_of(UNITS)})(?![\w/²³])(?:\.(?=\s+[a-z(]|[,;:]))?", _unit),
    rule(r"(?<![\w/.])(?:(\d+)\s)?(\d+)/(\d+)(?![\w/])", _fraction),
    rule(r"(?<![\w.])v?\d+(?:\.\d+){2,}(?![\w])", lambda m: ("version " if m.group()[0] == "v" else "") + " point ".join(read_cardinal(p) for p in m.group().lstrip("v").split("."))),
    rule(rf"{_ALONE}(\d{{1,3}}(?:,\d{{3}})+|\d+)(?:st|nd|rd|th)\b", lambda m: read_ordinal(m.group(1))),
    rule(r"(?<![\w.])['’]?(\d{4}|\d0)['’]?s\b", lambda m: read_decade(m.group(1)) if m.group(1)[-1] == "0" else None),
    rule(rf"{_ALONE}({_N}){_DASH}({_N})(?![\w-]|\.\d)", _range),
    rule(rf"{_ALONE}(?![248]K)({_N})\s?([kK])(?![\w])", lambda m: read_number(m.group(1)) + " thousand"),
    rule(r"\b(?:No|Nos|no|nos)\.\s?(?=\d)|(?<![\w&])#(?=\d)|№\s?", _say("number ")),
    rule(r"\bp\.\s?(?=\d)", _say("page ")),
    rule(rf"\b(?:{_any_of(ROMAN_AFTER)})\s{_ROMAN_NUMERAL}", lambda m: f"{m.group().rsplit(None, 1)[0]} {read_cardinal(_roman(m.group(1)))}"),
    rule(rf"\b(?:{_any_of(ROMAN_ORDINAL_AFTER)})\s{_ROMAN_NUMERAL}", lambda m: f"{m.group().rsplit(None, 1)[0]} the {read_ordinal(_roman(m.group(1)))}"),
    rule(rf"\b({_any_of(TITLES)})\.(?=\s+[A-Z])", lambda m: TITLES[m.group(1)]),
    rule(rf"(?<![\w.])({_any_of(ABBREVIATIONS)})(?!\w)", _abbreviation),
    rule(r"(?<![\w.])\d{4}(?![\w%-]|[.,]\d)", _four_digits),
    rule(r"(?<![\w-])([A-Za-z]+)-?(\d+(?:\.\d+)?)([A-Za-z]{0,2})(?![\w-]|\.\d)", _letters_digits),
    rule(r"(?<!\d[.,](?=\d))(?<![\w-])[A-Za-z\d]+(?:\.\d+)?(?:-[A-Za-z\d]+(?:\.\d+)?)*(?![\w-])", _mixed_code, re.A),
    rule(rf"(?<![\w.)])[-−](?:{_N})|(?:{_N})", _number),
    rule(r"(?<=\d):(?=\d)", _say(" to ")),
    rule(r"(?<=\w)\s?=\s?(?=\w)", _say(" equals ")),
    rule(r"(?<=\d)\s?[×x*]\s?(?=\d)", _say(" times ")),
    rule(r"(?<=\w)\s?\+\s?(?=\w)|\+(?=\d)", _say(" plus ")),
    rule(r"(?<=\d)\s-\s(?=\d)", _say(" minus ")),
    rule(r"\band/or\b", _say("and or")),
    rule(r"(?<=[A-Za-z])/(?=[A-Za-z])", _say(" or ")),
    rule("[" + "".join(map(re.escape, SIGNS)) + "]", lambda m: f" {SIGNS[m.group()]} "),
)  # fmt: skip
"""In order: what an earlier rule has read, a later one leaves alone."""
