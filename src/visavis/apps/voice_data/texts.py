"""What was heard, made fit for GPT-SoVITS' list, and whether it can be believed."""

from __future__ import annotations

import re

from visavis.core.language import is_han
from visavis.core.types import Language
from visavis.evaluation.word_errors import edit_distance, split_words

MOST_DOUBT = 0.12
"""Share of the words that a second reading may hear differently."""
_RATES: dict[Language, tuple[float, float]] = {"zh": (1.2, 9.0), "en": (0.7, 5.5)}
"""Fewest and most characters (Chinese) or words a second that people say."""


def tidy(text: str) -> str:
    """Write a text as one field of a list.

    GPT-SoVITS splits lines at ``|``, and turns ``%`` into ``-`` and ``￥`` into a comma before it
    reads them out.
    """
    text = " ".join(text.replace("|", " ").split())
    chinese = any(map(is_han, text))
    if chinese:
        text = re.sub(r"(\d+(?:\.\d+)?)\s*[%％]", r"百分之\1", text)
    else:
        text = re.sub(r"(?<=\d)\s*[%％]", " percent", text)
    text = re.sub(r"[￥¥]\s*(\d+(?:\.\d+)?)", r"\1元" if chinese else r"\1 yuan", text)
    return re.sub(r"[%％￥¥]", " ", text).strip()


def doubt(first: str, second: str) -> float:
    """Tell how differently two readings of one piece sound, as a share of the longer one's words.

    Chinese characters of one sound and tone are the same: a voice learns sounds.
    """
    one, other = _sounds(first), _sounds(second)
    longer = max(len(one), len(other))
    return edit_distance(one, other) / longer if longer else 0.0


def why_not(text: str, second: str, seconds: float, language: Language | None) -> str | None:
    """Say why a piece cannot be used, or None.

    Args:
        text: What was heard.
        second: What was heard in the same piece with some noise.
        seconds: Of the piece.
        language: What is spoken; None where it is not known.
    """
    words = split_words(text)
    if not words:
        return "no words were understood"
    spoken = language_of(text)
    if language is not None and spoken != language:
        return f"another language was understood: {text[:40]!r}"
    if spoken == "zh" and re.search("[A-Za-z]", text):
        # Its Chinese front end deletes them, and the voice would learn sounds without letters.
        return f"GPT-SoVITS learns no Latin letters within Chinese: {text[:40]!r}"
    unsure = doubt(text, second)
    if unsure > MOST_DOUBT:
        return f"the recogniser is unsure: {text[:40]!r} or {second[:40]!r}"
    least, most = _RATES[spoken]
    rate = len(words) / seconds
    if rate < least:
        return f"too few words for {seconds:.1f} seconds: {text[:40]!r}"
    if rate > most:
        return f"more words than can be said in {seconds:.1f} seconds: {text[:40]!r}"
    return None


def language_of(text: str) -> Language:
    """Tell whose rules a text is read out by: one Chinese character makes it Chinese."""
    return "zh" if any(map(is_han, text)) else "en"


def _sounds(text: str) -> list[str]:
    from pypinyin import Style, lazy_pinyin

    return [
        lazy_pinyin(word, style=Style.TONE3)[0] if is_han(word) else word
        for word in split_words(text)
    ]
