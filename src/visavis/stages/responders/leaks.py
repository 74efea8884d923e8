"""What a model's words must not hold: its instructions, and the marks of chat templates."""

from __future__ import annotations

import re
from collections.abc import Iterable

from visavis.core.language import is_han

_RUN_HAN, _RUN_WORDS = 14, 8
"""So many characters (zh) or words (en) in a row are no chance."""
_TEMPLATE = re.compile(
    r"<[|｜]|[|｜]>|\[/?INST\]|<</?SYS>>|<(?:start|end)_of_turn>|<(?:bos|eos)>"
    r"|</?\s*(?:tool_call|tool_response|function_call|system|instructions|资料|passages)\b[^<>\n]*>",
    re.IGNORECASE,
)
_PIECE = re.compile(r"[a-z0-9']+|[^\sa-z0-9']")


class LeakScan:
    """Knows the system prompt of one request."""

    def __init__(self, rules: Iterable[str]) -> None:
        """Take the parts of a prompt that must not be repeated; a persona's manner may be."""
        self._runs: set[tuple[str, ...]] = set()
        for text in rules:
            self._runs |= set(_list_runs(text))

    def finds(self, sentence: str, raw: str = "") -> bool:
        """Whether a sentence repeats the prompt, or what came of the answer holds a template's marks.

        Args:
            sentence: As it would be spoken.
            raw: As the model wrote it.
        """
        if _TEMPLATE.search(raw) or _TEMPLATE.search(sentence):
            return True
        return any(run in self._runs for run in _list_runs(sentence))


def _list_runs(text: str) -> list[tuple[str, ...]]:
    pieces = [p for p in _PIECE.findall(text.casefold()) if p.isalnum() or "'" in p]
    han = sum(map(is_han, pieces))
    length = _RUN_HAN if han * 2 > len(pieces) else _RUN_WORDS
    return [tuple(pieces[i : i + length]) for i in range(len(pieces) - length + 1)]
