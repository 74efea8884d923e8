"""How rules rewrite what is written into what is said, and which text each piece stands for."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

Reading: TypeAlias = "Callable[[re.Match[str]], str | None]"


@dataclass(frozen=True, slots=True)
class Rule:
    """A pattern and how a match is read.

    Attributes:
        pattern: Sought in the whole text, so that it can look around itself.
        reading: Maps the match to what is said, or to None when it is something else after all.
    """

    pattern: re.Pattern[str]
    reading: Reading


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of the written text and what is said for it.

    Attributes:
        start: First character in the written text.
        end: One past the last character.
        spoken: What is said; of the same length as written when ``rewritten`` is False.
        rewritten: Whether a rule made it. It then stands for the written stretch as a whole.
    """

    start: int
    end: int
    spoken: str
    rewritten: bool


def rule(pattern: str, reading: Reading, flags: int = 0) -> Rule:
    """Make a rule of a pattern."""
    return Rule(re.compile(pattern, flags), reading)


def apply_rules(
    text: str, rules: Sequence[Rule], taken: bytearray, start: int, end: int
) -> list[Piece]:
    """Let each rule in turn rewrite what no earlier rule has taken.

    Args:
        text: The whole text.
        rules: The first ones win.
        taken: One byte a character; those that are rewritten are set to 1.
        start: Only matches within ``[start, end)`` count.
        end: One past the last character.

    Returns:
        The rewritten pieces, in no order. Time grows with the length of the text times the rules.
    """
    pieces = []
    for each in rules:
        at = start
        while (match := each.pattern.search(text, at, end)) is not None:
            a, b = match.span()
            used = taken.find(1, a, b)
            if used >= 0:  # what follows may still be its own
                free = taken.find(0, used)
                at = end if free < 0 else free
                continue
            at = max(b, a + 1)
            spoken = each.reading(match) if b > a else None
            if spoken is None:
                continue
            taken[a:b] = b"\x01" * (b - a)
            pieces.append(Piece(a, b, spoken, True))
    return pieces
