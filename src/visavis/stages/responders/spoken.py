"""A model's answer as it is spoken: whole plain sentences, not too many, none over and over."""

from __future__ import annotations

from collections import Counter
from typing import Literal, TypeAlias

from visavis.core.language import is_han
from visavis.core.types import Language
from visavis.stages.responders.plain_text import PlainText

Ending: TypeAlias = Literal["stop", "length", "cut"]

MAX_REPEATS = 3
"""A sentence that comes once more ends the answer."""
MAX_RUN = 200
"""Characters that are one character, or a few, over and over: so many end the answer."""
_LONGEST_CYCLE = 24
_SUSPICIOUS_RUN = 40
_SLICE = 1_000
_LONG, _HAN_WEIGHT, _OTHER_WEIGHT = 600, 10, 3
"""A sentence that weighs more, as one of 61 Han or 201 other characters does, is given as it comes."""

_MARKS = "。！？；…!?."
_CLOSERS = "\"'”’」』）)】》]"
_ABBREVIATIONS = {
    "mr", "mrs", "ms", "dr", "prof", "st", "mt", "no", "nos", "vs", "cf", "approx", "fig", "vol",
    "gen", "sen", "rep", "gov", "capt", "dept", "tel", "ext", "incl", "max", "min", "est", "inc",
    "ltd", "co", "corp", "jr", "sr", "ave", "rd", "jan", "feb", "mar", "apr", "jun", "jul", "aug",
    "sept", "sep", "oct", "nov", "dec", "etc",
}  # fmt: skip


class SpokenText:
    """Takes a model's answer in pieces and gives sentences; any pieces of a text give the same.

    Each sentence is given when the text after it tells that it has ended, with a line break behind it,
    so that who cuts text into sentences need not wait for the next one. One of more than 60 Chinese or
    200 other characters is given as it comes. What is not a whole sentence is held back, because an
    answer that a limit of tokens ends must not end in the middle.
    """

    def __init__(
        self,
        language: Language = "en",
        *,
        max_characters: int = 1_200,
        thinking: bool = False,
    ) -> None:
        """Begin an answer.

        Args:
            language: Of the question.
            max_characters: More are not given: the answer ends with the last sentence that fits.
            thinking: The answer begins within reasoning; see `PlainText`.
        """
        self._plain = PlainText(language, thinking=thinking)
        self._limit = max_characters
        self._sentence = ""  # all of the sentence at hand
        self._given = 0  # how much of it has been given
        self._weight = 0
        self._total = 0
        self._counts: Counter[str] = Counter()
        self._recent = ""
        self._runs = [0] * (_LONGEST_CYCLE + 1)
        self._out: list[str] = []
        self.ended = False
        """Whether nothing more is given, whatever comes: it repeats itself, or is too long."""

    @property
    def has_spoken(self) -> bool:
        """Whether anything was given."""
        return self._total > 0

    def feed(self, piece: str) -> str:
        """Take more and return what can be spoken."""
        text = ""
        for start in range(0, len(piece), _SLICE):  # an endless piece is not read to its end
            if self.ended:
                break
            text += self._take_all(self._plain.feed(piece[start : start + _SLICE]))
        return text

    def flush(self, ending: Ending = "stop") -> str:
        """Return the rest.

        Args:
            ending: ``length``: the answer was cut off at a limit, and ends with its last whole
                sentence, if it has one. Anything else gives what is there.
        """
        text = self._take_all("" if self.ended else self._plain.flush())
        if not self.ended:
            whole = self._is_whole()
            if whole or ending != "length" or not self.has_spoken:
                self._give_sentence(line_break=False)
            text += self._taken()
        self.ended = True
        return text

    def _take_all(self, text: str) -> str:
        for char in text:
            if self.ended:
                break
            self._take(char)
        return self._taken()

    def _taken(self) -> str:
        text = "".join(self._out)
        self._out.clear()
        return text

    def _take(self, char: str) -> None:
        run = self._measure_run(char)
        if run >= MAX_RUN:
            self.ended = True
            return
        if char == "\n":
            self._give_sentence(line_break=True)
            return
        if char != " " and self._ends_before(char):
            self._give_sentence(line_break=True)
            if self.ended:
                return
        self._sentence += char
        self._weight += _HAN_WEIGHT if is_han(char) else _OTHER_WEIGHT
        if self._weight > _LONG and run < _SUSPICIOUS_RUN:
            self._give(self._sentence[self._given :])
            self._given = len(self._sentence)

    def _measure_run(self, char: str) -> int:
        """Count the characters so far that repeat a few characters over and over."""
        longest = 0
        for period in range(1, _LONGEST_CYCLE + 1):
            same = len(self._recent) >= period and self._recent[-period] == char
            self._runs[period] = self._runs[period] + 1 if same else 0
            if self._runs[period] >= 2 * period:
                longest = max(longest, self._runs[period] + period)
        self._recent = (self._recent + char)[-_LONGEST_CYCLE:]
        return longest

    def _ends_before(self, char: str) -> bool:
        """Whether the sentence at hand has ended, now that this visible character follows."""
        if not self._sentence or self._sentence[-1] not in _MARKS + _CLOSERS + " ":
            return False
        body = self._sentence.rstrip(" ")
        core = body.rstrip(_CLOSERS)
        if not core or core[-1] not in _MARKS:
            return False
        spaced = len(body) < len(self._sentence)
        if not spaced and (char in _CLOSERS or (char in _MARKS and len(core) == len(body))):
            return False
        if core[-1] in "。！？；…":
            return True
        if not spaced:
            return is_han(char) and core[-1] != "."
        return not char.islower() and not (core[-1] == "." and _is_abbreviation(core[:-1]))

    def _is_whole(self) -> bool:
        core = self._sentence.rstrip(" ").rstrip(_CLOSERS)
        return bool(core) and core[-1] in _MARKS

    def _give_sentence(self, *, line_break: bool) -> None:
        """Give the rest of the sentence at hand and begin another one."""
        whole, rest = self._sentence.strip(), self._sentence[self._given :].rstrip()
        began = self._given > 0
        self._sentence, self._given, self._weight = "", 0, 0
        key = "".join(filter(str.isalnum, whole.casefold()))
        if not key:
            return
        self._counts[key] += 1
        if len(key) > 1 and self._counts[key] > MAX_REPEATS:
            self.ended = True
            return
        if not began:
            rest = rest.lstrip()
            if self._total and self._total + len(rest) > self._limit:
                self.ended = True
                return
        self._give(rest)
        if line_break and not self.ended:
            self._out.append("\n")

    def _give(self, text: str) -> None:
        room = self._limit - self._total
        if len(text) > room:
            self.ended = True
        self._out.append(text[:room])
        self._total += min(len(text), room)


def _is_abbreviation(before: str) -> bool:
    """Whether a period after this text belongs to a number of a list, an initial or a short form."""
    word = before.rpartition(" ")[2].lstrip("(\"'“‘（")
    if word.isdigit() and word == before.strip():
        return True
    return "." in word or (len(word) == 1 and word.isalpha()) or word.lower() in _ABBREVIATIONS
