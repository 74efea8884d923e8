"""What is done to a question before it is compared."""

from __future__ import annotations

import re
import unicodedata

from visavis.core.errors import TextUnusable
from visavis.models.common.simplified import to_simplified

MAX_QUESTION = 2_000
"""Characters; a longer text is not a question."""


_OPENING_ZH = re.compile(
    r"^(?:你好|您好|请问(?:一下|下)?|劳驾|麻烦(?:问|您|你)?(?:一下|下)?|打扰一下|问一下|请教(?:一下|下)?|咨询一下|那个|嗯+|呃+|额"
    r"|我?想(?:要)?(?:问|咨询|了解|知道)(?:一下|下)?)[,，。.!！~～、:：\s啊呀哦呢]*"
)
_CLOSING_ZH = re.compile(r"[,，。.!！\s]*(?:谢谢(?:你|您|啦|了)?|麻烦(?:你|您)了)[。.!！~～\s]*$")
_OPENING_EN = re.compile(
    r"^(?:hello|hi|hey|good (?:morning|afternoon|evening)|excuse me|please|sorry|uh|um|er|so|well|okay|ok"
    r"|(?:can|could|would) you (?:please )?(?:tell me|explain)|(?:do you|you) know"
    r"|i(?:'d| would) like to (?:know|ask)(?: you)?|i (?:just )?(?:want|wanted|need) to (?:know|ask)(?: you)?"
    r"|(?:just )?wondering)\b[,.!?:\s]*",
    re.IGNORECASE,
)
_CLOSING_EN = re.compile(
    r"[,.!?\s]*\b(?:please|thanks|thank you)(?: very much| so much)?[.!?\s]*$", re.I
)
# Questions come with the half-width marks that cleaning leaves; answers as they were written.
_SENTENCE = re.compile(
    r".+?(?:[。！？；!?;]+[”」』’\"）)】》]*|[.!?]+[\"')]*(?=\s)|$)\s*", re.DOTALL
)


def clean_question(text: str) -> str:
    """Make a question comparable: plain characters, simplified Chinese, single spaces.

    Args:
        text: As typed or recognised: full-width, traditional, with emoji or control characters.

    Raises:
        TextUnusable: It has no letter or digit, or more than 2,000 characters.
    """
    text = text.strip()
    if len(text) > MAX_QUESTION:
        raise TextUnusable(
            f"the question has {len(text):,} characters; ask in at most {MAX_QUESTION:,}"
        )
    plain = unicodedata.normalize("NFKC", text)
    kept = "".join(" " if unicodedata.category(c) in _DROPPED else c for c in plain)
    words = " ".join(kept.split())[:MAX_QUESTION]
    if not any(c.isalnum() for c in words):
        raise TextUnusable("there is no word in the question; ask in Chinese or English")
    return to_simplified(words)


_DROPPED = {"Cc", "Cf", "Cs", "Co", "Cn", "So", "Sk"}


def reduce_question(question: str) -> str:
    """Keep what is compared: no greetings, fillers or thanks around it, and no shouting.

    Capitals throughout become small letters, because the sentence encoder puts "LOST ID CARD" far from
    "lost ID card"; single capitals stay, because it does worse with "i" for "I".
    """
    letters = [c for c in question if c.isalpha() and c.lower() != c.upper()]
    if len(letters) > 6 and sum(c.isupper() for c in letters) > 0.6 * len(letters):
        question = question.lower()
    return _strip_courtesies(question)


def _strip_courtesies(question: str) -> str:
    """Drop greetings, fillers and thanks, unless nothing else is there."""
    kept = question
    while True:
        shorter = kept
        for pattern in (_OPENING_ZH, _OPENING_EN, _CLOSING_ZH, _CLOSING_EN):
            shorter = pattern.sub("", shorter, count=1)
        if shorter == kept:
            return kept
        if sum(c.isalnum() for c in shorter) < 2:
            return question
        kept = shorter


def split_sentences(text: str) -> list[str]:
    """Cut a text into sentences; joined, they are the text again."""
    return [piece for piece in _SENTENCE.findall(text) if piece]
