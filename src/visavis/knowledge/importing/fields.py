"""Values of a row to fields of a pair, each checked."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import date
from typing import Any

from visavis.core.language import detect_language
from visavis.core.types import EMOTIONS, Emotion, Language
from visavis.knowledge.base import MAX_ANSWER, MAX_QUESTION
from visavis.knowledge.importing.cells import DayText

Values = Mapping[str, Any]

_GAPS = ("null", "-")
_LANGUAGES: dict[str, Language] = {
    **dict.fromkeys(
        ("zh", "cn", "zhcn", "zhtw", "zhhk", "zhhans", "zhhant", "chinese", "mandarin", "中文",
         "汉语", "漢語", "华语", "普通话", "简体中文", "繁体中文", "簡體中文", "繁體中文"), "zh",
    ),
    **dict.fromkeys(("en", "enus", "engb", "english", "英文", "英语", "英語"), "en"),
}  # fmt: skip
_EMOTIONS: dict[str, Emotion] = {
    **{name: name for name in EMOTIONS},
    **dict.fromkeys(("生气", "愤怒"), "angry"),
    **dict.fromkeys(("轻蔑", "蔑视"), "contempt"),
    **dict.fromkeys(("厌恶", "反感"), "disgusted"),
    **dict.fromkeys(("害怕", "恐惧"), "fear"),
    **dict.fromkeys(("高兴", "开心", "快乐", "愉快"), "happy"),
    **dict.fromkeys(("中性", "平静", "自然"), "neutral"),
    **dict.fromkeys(("悲伤", "难过", "伤心"), "sad"),
    **dict.fromkeys(("惊讶", "惊奇", "吃惊"), "surprised"),
}
# Control characters and what is no character; marks without width, those that turn the direction of
# writing, and the tags in which words can be hidden.
_INVISIBLE = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff"
    r"\ufdd0-\ufdef\ufffe\uffff\U000e0000-\U000e007f]"
)
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_NUMBER = re.compile(
    r"((?:[0-9]{1,3}(?:\.[0-9]{0,20})?|\.[0-9]{1,20})(?:[eE][+-]?[0-9]{1,3})?)(%?)"
)
_DAY = re.compile(
    r"([0-9]{4})(?:([-/.])([0-9]{1,2})\2([0-9]{1,2})|年([0-9]{1,2})月([0-9]{1,2})[日号號]?)"
    r"(?:[ T]00?:00(?::00)?)?"
)
_ALIAS_ENDS = re.compile(r"[|；;]")


class Wrong(Exception):
    """A row cannot be taken; the message is told at its place."""


def read_text(values: Values, name: str, limit: int, needed: bool = True, hint: str = "") -> str:
    """Return a field without control characters and spaces around it.

    Raises:
        Wrong: It is no text, too long, or needed and empty.
    """
    if name not in values and needed:
        raise Wrong(f"the {name} is missing; write one{hint}")
    value = values.get(name)
    text = "" if value is None else clean(value, name).strip()
    if not text and needed:
        raise Wrong(f"the {name} is empty; write one{hint}")
    if len(text) > limit:
        raise Wrong(f"the {name} has {len(text):,} characters; at most {limit:,} are taken")
    return text


def clean(value: Any, name: str) -> str:
    """Return a text without characters that nobody sees, its lines ended by line feeds alone.

    Raises:
        Wrong: It is no text, or holds half a character.
    """
    if not isinstance(value, str):
        raise Wrong(f"the {name} is not a text but {type(value).__name__}; write it as text")
    if value.isascii() and value.isprintable():
        return value
    if _SURROGATE.search(value):
        raise Wrong(f"the {name} holds half a character (a lone surrogate); write it anew")
    return _INVISIBLE.sub("", value.replace("\r\n", "\n").replace("\r", "\n"))


def read_answer(values: Values) -> str:
    """Return the answer; empty for a gap, which must be written ``null`` or ``-``.

    Raises:
        Wrong: It is missing, empty or too long.
    """
    if "answer" in values and values["answer"] is None:
        return ""
    answer = read_text(values, "answer", MAX_ANSWER, hint="; null or - says that there is none")
    return "" if answer.lower() in _GAPS else answer


def read_language(values: Values, question: str, answer: str) -> Language:
    """Return the language that is given, else that of the question's script, else the answer's.

    Raises:
        Wrong: Another language is given.
    """
    given = read_text(values, "language", 40, needed=False)
    if not given:
        return detect_language(question, detect_language(answer))
    found = _LANGUAGES.get(re.sub(r"[\W_]+", "", given.casefold()))
    if found is None:
        known = "zh or en (中文, 英文)"
        raise Wrong(f"the language {given!r} is not spoken here; it must be {known}")
    return found


def read_aliases(values: Values, question: str) -> tuple[str, ...]:
    """Return other wordings, each once and none that is the question.

    In a text they are parted by line breaks, ``|`` and semicolons; a line that is a JSON list of
    texts is taken as that, for wordings that hold such marks.

    Raises:
        Wrong: They are no texts, or one is too long.
    """
    given = values.get("aliases")
    if given is None:
        return ()
    if isinstance(given, str):
        given = _split_aliases(given)
    if not isinstance(given, list):
        raise Wrong("'aliases' must be texts; write a list")
    kept: dict[str, str] = {}
    for alias in given:
        text = " ".join(clean(alias, "aliases").split())
        if len(text) > MAX_QUESTION:
            raise Wrong(
                f"an alias has {len(text):,} characters; at most {MAX_QUESTION:,} are taken"
            )
        if text and text != question:
            kept.setdefault(text.casefold(), text)
    return tuple(kept.values())


def _split_aliases(given: str) -> list[str]:
    found: list[str] = []
    for line in re.split(r"[\n\r]", given):
        listed = parse_list(line)
        if listed is not None and all(isinstance(entry, str) for entry in listed):
            found += listed
        else:
            found += _ALIAS_ENDS.split(line)
    return found


def parse_list(text: str) -> list[Any] | None:
    """Return what a text lists as JSON, or none where it is no such list."""
    if not text.strip().startswith("["):
        return None
    try:
        listed = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return listed if isinstance(listed, list) else None


def read_sample(values: Values) -> bool:
    """Return whether the pair is marked as made up.

    Raises:
        Wrong: It is neither yes nor no.
    """
    given = values.get("sample")
    if isinstance(given, bool) or given is None:
        return bool(given)
    text = clean(given, "sample").strip().casefold()
    if text in ("", "false", "no", "0", "否"):
        return False
    if text in ("true", "yes", "1", "是"):
        return True
    raise Wrong(f"'sample' is {text[:40]!r}; write true or false")


def read_emotion(values: Values) -> Emotion:
    """Return the emotion, neutral where none is given.

    Raises:
        Wrong: It is none of those known.
    """
    given = read_text(values, "emotion", 40, needed=False)
    found = _EMOTIONS.get(given.casefold()) if given else "neutral"
    if found is None:
        raise Wrong(f"the emotion {given!r} is none of {', '.join(EMOTIONS)}")
    return found


def read_intensity(values: Values) -> float:
    """Return the intensity of the emotion, 0..1; ``80%`` is 0.8.

    Raises:
        Wrong: It is no such number.
    """
    given = values.get("intensity")
    if given is None or (isinstance(given, str) and not given.strip()):
        return 0.3
    number = float("nan")
    if isinstance(given, int | float) and not isinstance(given, bool):
        number = given
    elif isinstance(given, str):
        found = _NUMBER.fullmatch(given.strip())
        if found:
            number = float(found[1]) / (100 if found[2] else 1)
    if not 0 <= number <= 1:
        raise Wrong(f"the intensity is {str(given)[:40]!r}; write a number from 0 to 1")
    return float(number)


def read_day(values: Values, name: str, earliest: date | None = None) -> date | None:
    """Return a day, or none where the field is empty.

    Taken are 2026-01-31, 2026/1/31, 2026.1.31, 2026年1月31日 and dates of a spreadsheet. 1/2/2026
    is not: it is one day in London and another in New York.

    Args:
        values: Of the row.
        name: Of the field.
        earliest: The day must not be before it.

    Raises:
        Wrong: It is no day, or too early.
    """
    given = values.get(name)
    if given is None:
        return None
    if isinstance(given, DayText):
        day = given.day
    else:
        text = clean(given, name).strip()
        if not text:
            return None
        found = _DAY.fullmatch("".join(text.split()) if "年" in text else text)
        try:
            if found is None:
                raise ValueError
            day = date(int(found[1]), int(found[3] or found[5]), int(found[4] or found[6]))
        except ValueError:
            raise Wrong(f"{name!r} is {text[:40]!r}; write a day as 2026-01-31") from None
    if earliest is not None and day < earliest:
        raise Wrong(f"{name!r} is {day}, before 'valid_from', {earliest}; correct one of them")
    return day
