"""English words with a slip of the finger, put right by the words of the base."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

_WORD = re.compile(r"[A-Za-z]+")
_SHORTEST = 6
"""Letters; shorter words are too near to one another."""


class Spelling:
    """Repairs words that the base does not have but for one letter.

    A letter too few, too many, or two that changed places: another letter in the place of one makes
    too many words out of others ("horse" and "house").
    """

    def __init__(self, texts: Iterable[str]) -> None:
        """Take the words of texts."""
        self._known = {word.lower() for text in texts for word in _WORD.findall(text)}
        self._by_shorter: dict[str, set[str]] = {}
        for word in self._known:
            if len(word) >= _SHORTEST:
                for shorter in _shorten(word):
                    self._by_shorter.setdefault(shorter, set()).add(word)

    def repair(self, text: str) -> str:
        """Write a text with its unknown words put right where only one word can be meant."""
        return _WORD.sub(lambda found: self._repair(found[0]), text)

    def _repair(self, word: str) -> str:
        small = word.lower()
        if small in self._known or len(small) < _SHORTEST - 1:
            return word
        if f"{small}s" in self._known or small.removesuffix("s") in self._known:
            return word
        meant = set(self._by_shorter.get(small, ()))
        if len(small) >= _SHORTEST:
            meant |= {shorter for shorter in _shorten(small) if shorter in self._known}
            meant |= {other for other in _swap(small) if other in self._known}
        meant = {other for other in meant if other[0] == small[0]}
        return meant.pop() if len(meant) == 1 else word


def _shorten(word: str) -> Iterator[str]:
    return (word[:i] + word[i + 1 :] for i in range(len(word)))


def _swap(word: str) -> Iterator[str]:
    return (word[:i] + word[i + 1] + word[i] + word[i + 2 :] for i in range(len(word) - 1))
