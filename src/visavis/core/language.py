"""Which language a text is in, by script."""

from __future__ import annotations

import re

from visavis.core.types import Language

_HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0002ffff]")
_LATIN_WORD = re.compile(r"[A-Za-z][A-Za-z'’]*")


def detect_language(text: str, default: Language = "en") -> Language:
    """Tell Chinese from English: one Han character weighs as one Latin word.

    A text with neither gets ``default``. A tie is Chinese, as mixed sentences mostly are.
    """
    han = len(_HAN.findall(text))
    latin = len(_LATIN_WORD.findall(text))
    if han == 0 and latin == 0:
        return default
    return "zh" if han >= latin else "en"


def is_han(char: str) -> bool:
    """Whether a character is Chinese."""
    return bool(_HAN.match(char))
