"""From what is written to what is said, keeping which written stretch each piece stands for."""

from __future__ import annotations

import re
import unicodedata

from visavis.core.errors import LanguageUnsupported, TextUnusable
from visavis.core.language import is_han
from visavis.core.types import Language
from visavis.stages.synthesizers.text import chinese_rules, english_rules
from visavis.stages.synthesizers.text.rules import Piece, apply_rules

MAX_CHARACTERS = 1_000
"""Of one sentence. Longer texts are split into sentences first."""

_FULLWIDTH = {0xFF01 + i: 0x21 + i for i in range(94) if chr(0xFF01 + i) not in "，！？：；（）～"}
_SAME = {
    0x3000: " ", 0x00A0: " ", 0x2009: " ", 0x202F: " ", 0x2019: "'", 0x2018: "'", 0x02BC: "'",
    0x2010: "-", 0x2011: "-", 0x2012: "-", 0x2212: "-", 0x301C: "~", 0x2236: ":", 0xFE30: ":",
    0x2215: "/", 0x2044: "/", 0x3002: "。", 0xFF61: "。", 0xFF0E: ".", 0x2022: "•", 0x00B7: "·",
}  # fmt: skip
_ENGLISH_STRETCH = re.compile(r"[A-Za-z][ -~’‘“”–—]*[A-Za-z]")
_LATIN_WORD = re.compile(r"[A-Za-z][A-Za-z'’]+")
_HAN_STRETCH = re.compile(
    r"[\d.,%:/-]*[㐀-䶿一-鿿豈-﫿𠀀-𯿿](?:[\d.,%:/()（）《》“”、，。；：？！·-]*[㐀-䶿一-鿿豈-﫿𠀀-𯿿])*[\d%℃]*"
)
_WORDS_OF_ENGLISH = 4
"""So many Latin words in a row are an English stretch within Chinese, numbers included."""

_SCRIPT = re.compile(r"^(ARABIC|HEBREW|CYRILLIC|THAI|DEVANAGARI|HIRAGANA|KATAKANA|HANGUL|[A-Z]+)")


def read_aloud(text: str, language: Language) -> list[Piece]:
    """Write out numbers, dates, money, abbreviations and signs as a person would say them.

    Args:
        text: A sentence.
        language: Its main language. Digits are read in it, but for digits that stand within Chinese
            in an English sentence, or within four and more English words in a Chinese one.

    Returns:
        Pieces that cover the text in order. Those that no rule has rewritten are as written, with
        full-width forms made half-width and what cannot be said (emoji, control characters) made
        spaces.

    Raises:
        TextUnusable: Nothing in it can be said, or it is longer than ``MAX_CHARACTERS``.
        LanguageUnsupported: It is mostly in a script that is neither Chinese nor Latin.
    """
    if len(text) > MAX_CHARACTERS:
        raise TextUnusable(
            f"a sentence of {len(text)} characters is too long to be spoken in one go: "
            f"split it into pieces of at most {MAX_CHARACTERS}"
        )
    clean = clean_text(text)
    check_speakable(clean)
    taken = bytearray(len(clean))
    pieces: list[Piece] = []
    for start, end, region in language_regions(clean, language):
        rules = chinese_rules.RULES if region == "zh" else english_rules.RULES
        pieces += apply_rules(clean, rules, taken, start, end)
    pieces.sort(key=lambda piece: piece.start)
    out: list[Piece] = []
    at = 0
    for piece in pieces:
        if piece.start > at:
            out.append(Piece(at, piece.start, clean[at : piece.start], False))
        out.append(piece)
        at = piece.end
    if at < len(clean):
        out.append(Piece(at, len(clean), clean[at:], False))
    return out


def normalize(text: str, language: Language) -> str:
    """Return what is said, as one string. See ``read_aloud``."""
    said = ""
    for piece in read_aloud(text, language):
        said += separate(said, piece.spoken) + piece.spoken
    return re.sub(r"\s+", " ", said).strip()


def separate(before: str, after: str) -> str:
    """Space that keeps two pieces from running into one Latin word."""
    glued = before[-1:].isascii() and before[-1:].isalnum() and after[:1].isascii()
    return " " if glued and after[:1].isalnum() else ""


def clean_text(text: str) -> str:
    """Map full-width forms to ASCII, and what cannot be said to spaces. The length is kept."""
    text = text.translate(_FULLWIDTH).translate(_SAME)
    if text.isascii() and text.isprintable():
        return text
    return "".join(c if _is_sayable(c) else " " for c in text)


def _is_sayable(char: str) -> bool:
    category = unicodedata.category(char)
    if category[0] in "LNPZ" or char in "́̃":
        return True
    return category in ("Sc", "Sm") or char in "°℃℉№℡㎡㎏㎝㎜㎞²³™®©½¼¾`^|~+"


def check_speakable(text: str) -> None:
    """Raise unless there is something in the text that Chinese or English can say.

    Raises:
        TextUnusable: No letter, digit or sign that has a reading.
        LanguageUnsupported: More letters of other scripts than of these two.
    """
    other: dict[str, int] = {}
    known = 0
    for char in text:
        if is_han(char) or char.isdigit() or char in "%&@":
            known += 1
        elif char.isalpha():
            if unicodedata.normalize("NFD", char)[0].isascii():
                known += 1
            else:
                name = unicodedata.name(char, "UNKNOWN")
                if not name.startswith(("GREEK", "LATIN", "ROMAN", "MICRO", "OHM")):
                    script = name.split()[0].capitalize()
                    other[script] = other.get(script, 0) + 1
                else:
                    known += 1
    if sum(other.values()) > known:
        script = max(other, key=lambda name: other[name])
        raise LanguageUnsupported(
            f"the text is in {script} script; the voices here speak Chinese and English"
        )
    if known == 0:
        raise TextUnusable("there is nothing in the text that a voice could say")


def language_regions(text: str, language: Language) -> list[tuple[int, int, Language]]:
    """Cut a text into stretches in which numbers are read in one language, in order."""
    other: Language
    if language == "zh":
        other = "en"
        found = [
            match.span()
            for match in _ENGLISH_STRETCH.finditer(text)
            if sum(map(bool, map(_LATIN_WORD.search, match.group().split()))) >= _WORDS_OF_ENGLISH
        ]
    else:
        other = "zh"
        found = [match.span() for match in _HAN_STRETCH.finditer(text)]
    regions: list[tuple[int, int, Language]] = []
    at = 0
    for start, end in found:
        if start > at:
            regions.append((at, start, language))
        regions.append((start, end, other))
        at = end
    if at < len(text):
        regions.append((at, len(text), language))
    return regions
