"""How much of a dialogue a model is shown: the newest turns, within a budget of tokens."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from visavis.core.errors import TextUnusable
from visavis.core.types import Message

PER_LATIN_WORD = 1.3
"""Tokens; the usual figure of English text. It counts again with every eight letters begun."""
PER_MESSAGE = 4
"""Tokens that a chat template writes around a message."""

_LETTERS_PER_WORD = 8
_PIECES = re.compile(
    r"(?P<latin>[A-Za-zÀ-ɏ'’]+)|(?P<astral>[\U00010000-\U0010ffff])|(?P<space>\s+)|(?P<other>.)",
    re.DOTALL,
)
_SPACES_PER_TOKEN = 8
_PER_ASTRAL = 3


def estimate_tokens(text: str) -> int:
    """Estimate how many tokens a text has, without the model's own tokenizer.

    A Han character is one token, and so are a digit, a mark and a letter of another script; a Latin
    word is 1.3 for every eight letters begun; an emoji or a rare character beyond the basic plane is
    three; a single space is none. Today's tokenizers (Qwen, DeepSeek, Llama 3, GPT-4o) need fewer for
    Chinese and about as many for English, so that what fits here fits there.
    """
    tokens = 0.0
    for piece in _PIECES.finditer(text):
        length = piece.end() - piece.start()
        if piece.lastgroup == "latin":
            tokens += PER_LATIN_WORD * math.ceil(length / _LETTERS_PER_WORD)
        elif piece.lastgroup == "space":
            tokens += length // _SPACES_PER_TOKEN
        else:
            tokens += _PER_ASTRAL if piece.lastgroup == "astral" else 1
    return math.ceil(tokens)


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
    # No token has more than some dozen characters: a question of megabytes need not be counted.
    longest = max(room, 0) * _LETTERS_PER_WORD * _SPACES_PER_TOKEN
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
