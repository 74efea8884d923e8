"""How much of a dialogue a model is shown: the newest turns, within a budget of tokens."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Sequence

from visavis.core.errors import ConfigError, TextUnusable
from visavis.core.types import Message

VARIABLE = "VISAVIS_LLM_TOKENS"
BUDGET = 3_000
"""Tokens that a model is sent: with the answer's 512 at most it fits into the 4,096 that small ones read."""
LEAST, MOST = 1_000, 1_000_000
"""Bounds of what may be set. A system prompt and a question must have room."""
PER_LATIN_WORD = 1.3
"""Tokens; the usual figure of English text. Long words and words in capitals have more."""
PER_MESSAGE = 4
"""Tokens that a chat template writes around a message."""

_PIECES = re.compile(
    r"(?P<capitals>[A-ZÀ-Þ]+(?![a-zß-ɏ]))|(?P<latin>[A-ZÀ-Þ]?[a-zß-ɏ'’]+|[A-ZÀ-ɏ'’])"
    r"|(?P<rare>[\u3400-\u4dbf\U00010000-\U0010ffff])|(?P<space>\s+)|(?P<other>.)",
    re.DOTALL,
)
_COMMON, _FURTHER = {"latin": 8, "capitals": 4}, {"latin": 3, "capitals": 2}
"""Letters of a word that is one piece to a tokenizer, and of each further piece of a longer one."""
_SPACES_PER_TOKEN = 8
_PER_RARE = 3
_MOST_CHARACTERS = 64
"""Of one token, spaces and all; it bounds how much of a question has to be counted."""


def estimate_tokens(text: str) -> int:
    """Estimate how many tokens a text has, without the model's own tokenizer.

    A Han character is one token, and so are a digit, a mark and a letter of another script; a Latin
    word is 1.3 and more where it is long or in capitals; an emoji or a Han character that few fonts
    have is three; a single space is none. Measured with the vocabulary of Qwen on Chinese and English
    questions and prompts, that is 1.2 to 1.6 times what there is, so that what fits here fits there;
    Han characters that are rare, but not that rare, and some Indian scripts have more than is counted.
    """
    tokens = 0.0
    for piece in _PIECES.finditer(text):
        kind, length = piece.lastgroup or "other", piece.end() - piece.start()
        if kind in _COMMON:
            tokens += PER_LATIN_WORD + max(length - _COMMON[kind], 0) / _FURTHER[kind]
        elif kind == "space":
            tokens += length // _SPACES_PER_TOKEN
        else:
            tokens += _PER_RARE if kind == "rare" else 1
    return math.ceil(tokens)


def read_budget() -> int:
    """Read how many tokens a model is sent at most, as `estimate_tokens` counts: VISAVIS_LLM_TOKENS.

    System prompt, passages, dialogue and what tools return are in it, the answer is not.

    Raises:
        ConfigError: It is no number, or out of range.
    """
    text = os.environ.get(VARIABLE, "").strip()
    if not text:
        return BUDGET
    budget = int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0
    if not LEAST <= budget <= MOST:
        raise ConfigError(f"{VARIABLE} is {text[:40]!r}; set a number from {LEAST:,} to {MOST:,}")
    return budget


def cut_text(text: str, room: int) -> str:
    """Cut a text at the end, so that it has no more tokens than there is room for."""
    text = text[: max(room, 0) * _MOST_CHARACTERS]
    if estimate_tokens(text) <= room:
        return text
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if estimate_tokens(text[:middle]) <= room else (low, middle - 1)
    return text[:low]


def fit_dialogue(history: Sequence[Message], system: str, budget: int) -> list[Message]:
    """Choose what is sent: the system prompt, then as many of the newest turns as there is room for.

    A turn, which is a question with the answer to it, is sent whole or not at all. Messages of one
    role that follow one another (a question whose answer was broken off) become one, because the
    templates of many models demand that user and assistant alternate. System messages of the history
    are joined to the prompt.

    Args:
        history: The dialogue; the last message is the user's.
        system: The system prompt.
        budget: Tokens for all of it, as `estimate_tokens` counts.

    Returns:
        A system message, then user and assistant in turn, from a user's message to a user's.

    Raises:
        TextUnusable: There is no question, or it alone is longer than the budget leaves room for.
    """
    if not history or history[-1].role != "user" or not history[-1].text.strip():
        raise TextUnusable("there is no question to answer; the last message must be the user's")
    prompts = [system, *(m.text for m in history if m.role == "system")]
    head = Message("system", "\n\n".join(text.strip() for text in prompts if text.strip()))
    room = budget - _cost(head)
    # A question of megabytes need not be counted.
    longest = max(room, 0) * _MOST_CHARACTERS
    cost = room + 1 if len(history[-1].text) > longest else _cost(history[-1])
    if cost > room:
        raise TextUnusable(
            f"the question has {len(history[-1].text):,} characters, which is too long for the language"
            f" model: about {max(room - PER_MESSAGE, 0):,} Chinese characters"
            f" or {int(max(room - PER_MESSAGE, 0) / PER_LATIN_WORD):,} English words fit;"
            " ask a shorter question"
        )
    turns = _cut_turns(history)
    kept = turns.pop()
    room -= sum(map(_cost, kept))
    if room < 0:  # a broken-off question is before the newest one
        kept = [history[-1]]
        room, turns = 0, []
    while turns and (cost := sum(map(_cost, turns[-1]))) <= room:
        kept = turns.pop() + kept
        room -= cost
    return [head, *kept] if head.text else kept


def _cost(message: Message) -> int:
    return estimate_tokens(message.text) + PER_MESSAGE


def _cut_turns(history: Sequence[Message]) -> list[list[Message]]:
    """Group a dialogue into turns that begin with a question; what was said before it is left out."""
    turns: list[list[Message]] = []
    for message in history:
        if message.role == "system" or not message.text.strip():
            continue
        if message.role == "user" and (not turns or turns[-1][-1].role == "assistant"):
            turns.append([message])
        elif turns and turns[-1][-1].role == message.role:
            joined = f"{turns[-1][-1].text}\n{message.text}"
            turns[-1][-1] = Message(message.role, joined)
        elif turns:
            turns[-1].append(message)
    return turns
