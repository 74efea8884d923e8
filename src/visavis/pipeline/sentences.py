"""Cutting text into sentences as it is written, Chinese and English."""

from __future__ import annotations

import re
import unicodedata

from visavis.core.language import is_han

MAX_HAN = 60
"""A sentence with this many Chinese characters is cut at a comma."""
MAX_LATIN = 200
"""As many other characters weigh as much."""
MAX_RUN = 40
"""More marks, brackets or spaces in a row are not looked at together, so that time stays linear."""

_ENDERS = "。！？…；!?.\n"
_MORE = "。！？…；!?."
_CLOSERS = "\"'”’」』）)】》]"
_SPACES = " \t\u3000\xa0"
_SOFT = "，、,;：:—–"
_BULLETS = re.compile(r"^(?:[-*•·>#]+\s+|#+\s*)+")
_EMPHASIS = re.compile(r"\*\*|__|`+")
_WHITE = re.compile(r"\s+")
_LIST_NUMBER = re.compile(r"^\W*(?:\d{1,3}|[A-Za-z])$")
_KEPT_SYMBOLS = set("°℃℉№℡㎡㎏㎝㎜㎞™®©²³^`|~+=<>$€£¥￥")

_NEVER_ENDS = {
    "mr", "mrs", "ms", "dr", "prof", "st", "mt", "no", "nos", "vs", "e.g", "i.e", "cf", "approx",
    "fig", "figs", "vol", "gen", "sen", "rep", "gov", "capt", "lt", "col", "sgt", "rev", "hon",
    "p", "pp", "ch", "sec", "dept", "tel", "ext", "incl", "max", "min", "est", "ed", "al", "art",
}  # fmt: skip
_MAY_END = {
    "etc", "inc", "ltd", "co", "corp", "jr", "sr", "a.m", "p.m", "ave", "rd", "blvd", "ph.d", "jan",
    "feb", "mar", "apr", "jun", "jul", "aug", "sept", "sep", "oct", "nov", "dec",
}  # fmt: skip
_STARTERS = {
    "the", "it", "this", "that", "these", "those", "he", "she", "we", "you", "they", "i", "in", "a",
    "an", "if", "please", "to", "for", "but", "and", "there", "when", "what", "how", "on", "at", "my",
    "your", "our", "their", "his", "her", "no", "yes", "then", "after", "before", "do", "is", "are",
}  # fmt: skip
_ACRONYM = re.compile(r"^(?:[A-Za-z]\.)*[A-Za-z]$")
_WORD_BEFORE = re.compile(r"[A-Za-z][A-Za-z.]*$")
_WORD_AFTER = re.compile(r"[A-Za-z']+")


def split_sentences(text: str) -> list[str]:
    """Cut a whole text into sentences. See `SentenceSplitter`."""
    splitter = SentenceSplitter()
    return splitter.feed(text) + splitter.flush()


class SentenceSplitter:
    """Cuts text that comes in pieces; any pieces of a text give the same sentences as the whole.

    A sentence ends at 。！？；… at ``.!?`` before a space, and at the end of a line; not within
    numbers, addresses or abbreviations. Closing quotes and brackets stay with it. One that is longer
    than 60 Chinese or 200 other characters is cut after a comma, else at a space. Emoji and control
    characters are dropped, and so are sentences in which there is nothing to say.

    The time is linear in the length of the text. A sentence is given as soon as the text after it
    tells that it has ended, which is the next visible character.
    """

    def __init__(self) -> None:
        self._text = ""  # what is not given yet
        self._at = 0  # how much of it has been looked at
        self._weight = 0.0

    def feed(self, piece: str) -> list[str]:
        """Take more text and return the sentences that it completes."""
        self._text += _clean(piece)
        return self._drain(final=False)

    def flush(self) -> list[str]:
        """Return what is left, and begin anew."""
        out = self._drain(final=True)
        self._text, self._at, self._weight = "", 0, 0.0
        return out

    def _drain(self, *, final: bool) -> list[str]:
        text, i, weight = self._text, self._at, self._weight
        out: list[str] = []
        begin = 0
        while i < len(text):
            char = text[i]
            if char in _ENDERS:
                end = _find_end(text, begin, i, final)
                if end is None:
                    break
                if end > 0:
                    _give(text[begin:end], out)
                    begin = i = end
                    weight = 0.0
                    continue
            weight += 1 / MAX_HAN if is_han(char) else 1 / MAX_LATIN
            i += 1
            if weight > 1:
                cut = _find_cut(text, begin, i)
                _give(text[begin:cut], out)
                begin = i = cut
                weight = 0.0
        if final:
            _give(text[begin:], out)
        self._text, self._at, self._weight = text[begin:], i - begin, weight
        return out


def _clean(text: str) -> str:
    if text.isascii() and text.isprintable():
        return text
    return "".join(map(_clean_character, text))


def _clean_character(char: str) -> str:
    if char == "\n" or (char.isascii() and char.isprintable()) or char in _KEPT_SYMBOLS:
        return char
    category = unicodedata.category(char)
    if char in "\u2028\u2029":
        return "\n"
    if char == "\r" or category == "Cf":
        return ""
    return char if category[0] in "LMNPZ" or category in ("Sc", "Sm") else " "


def _find_end(text: str, begin: int, i: int, final: bool) -> int | None:
    """Where the sentence ends that may end at ``i``: 0 if it does not, None if that is not known."""
    if text[i] == "\n":
        return _line_end(text, begin, i, final)
    end = _skip(text, i + 1, _MORE)
    marks = text[i:end]
    closed = _skip(text, end, _CLOSERS)
    if closed == len(text) and not final:
        return None
    if any(mark in "。！？；…" for mark in marks):
        return closed
    after = text[closed : closed + 1]
    if after and not after.isspace() and not is_han(after):
        return 0
    if marks == "." and _belongs_to_list(text, begin, i, after):
        return 0
    following = _skip(text, closed, _SPACES)
    if following == len(text):
        return closed if final else None
    if text[following] == "\n" or following - closed == MAX_RUN:
        return closed
    if closed > end and text[following].islower():
        return 0
    return closed if marks != "." else _after_period(text, i, closed, following, final)


def _skip(text: str, start: int, characters: str) -> int:
    """First position from ``start`` without one of the characters, ``MAX_RUN`` ahead at most."""
    end = min(len(text), start + MAX_RUN)
    while start < end and text[start] in characters:
        start += 1
    return start


def _belongs_to_list(text: str, begin: int, i: int, after: str) -> bool:
    """Whether the period is of a list number: ``1. ``, ``A. `` or ``1.`` before Chinese."""
    if _LIST_NUMBER.match(text[begin:i]):
        return True
    before = text[i - 1 : i]
    return bool(after) and is_han(after) and before.isascii() and before.isalnum()


def _after_period(text: str, i: int, closed: int, following: int, final: bool) -> int | None:
    """Decide on a period before a space, by the words on its two sides."""
    found = _WORD_BEFORE.search(text, max(0, i - 24), i)
    word = found.group() if found else ""
    if word.lower() in _NEVER_ENDS:
        return 0
    if text[following].islower():
        return 0
    acronym = bool(word) and bool(_ACRONYM.match(word)) and word != "I"
    if acronym or word.lower() in _MAY_END:
        after = _WORD_AFTER.match(text, following)
        if after and after.end() == len(text) and not final:
            return None
        name = after.group().lower() if after else ""
        if acronym and word.lower() not in _MAY_END:
            return closed if name in _STARTERS and len(word) > 1 else 0
        return closed if after else 0
    return closed


def _line_end(text: str, begin: int, i: int, final: bool) -> int | None:
    """A line ends a sentence, unless it was broken between two small words."""
    if not text[begin:i].strip():
        return i + 1
    following = _skip(text, i + 1, _SPACES)
    if following == len(text):
        return i + 1 if final else None
    before = text[begin:i].rstrip()[-1]
    wrapped = before.isascii() and (before.islower() or before == ",")
    return 0 if wrapped and text[following].isascii() and text[following].islower() else i + 1


def _find_cut(text: str, begin: int, end: int) -> int:
    """Best place to cut a sentence that is too long: after a comma, else at a space, else here."""
    least = begin + (end - begin) // 4
    space = 0
    for i in range(end - 2, least, -1):
        char = text[i]
        if char in _SOFT and not (text[i - 1].isdigit() and text[i + 1].isdigit()):
            if char.isascii() and not (text[i + 1].isspace() or is_han(text[i + 1])):
                continue
            return i + 1
        if not space and char.isspace():
            space = i + 1
    return space or end


def _give(text: str, out: list[str]) -> None:
    text = _WHITE.sub(" ", _EMPHASIS.sub("", text)).strip()
    text = _BULLETS.sub("", text)
    if any(char.isalnum() for char in text):
        out.append(text)
