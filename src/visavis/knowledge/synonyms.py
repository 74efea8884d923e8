"""Words that mean the same in a base."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence


class Synonyms:
    """Replaces each word of a group by the group's first one, so that they are the same to a search."""

    def __init__(self, groups: Iterable[Sequence[str]]) -> None:
        """Take groups of words; of a word in several groups, the first group counts."""
        self._first: dict[str, str] = {}
        for group in groups:
            words = [word.strip() for word in group if word.strip()]
            for word in words[1:]:
                self._first.setdefault(word.lower(), words[0])
        self._pattern: re.Pattern[str] | None = None
        if self._first:
            # A longer word goes before one that it begins with; letters are not torn out of words.
            words = sorted(self._first, key=len, reverse=True)
            self._pattern = re.compile(
                "|".join(
                    rf"(?<![a-z0-9]){re.escape(word)}(?![a-z0-9])" if word.isascii() else re.escape(word)
                    for word in words
                ),
                re.IGNORECASE,
            )  # fmt: skip

    def replace(self, text: str) -> str:
        """Write a text with the first word of each group."""
        if self._pattern is None:
            return text
        return self._pattern.sub(lambda found: self._first[found[0].lower()], text)
