"""What is done to a question before it is compared."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

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
_GENERAL_ZH = re.compile(
    r"怎么|如何|怎样|什么|哪里|哪儿|哪个|多少|多久|几时|何时|为什么|可以|需要|能不能|是不是|有没有|办理|处理|一下"
    r"|[办弄搞做吗呢呀啊吧的了着过得地我你您他她它们这那要想请问能会是有在去来给把被就都也还很不没到上下和与及或]|钱"
)
_GENERAL_EN = frozenset(
    [
        "a",
        "about",
        "an",
        "and",
        "any",
        "are",
        "as",
        "at",
        "be",
        "been",
        "by",
        "can",
        "could",
        "did",
        "do",
        "does",
        "for",
        "from",
        "get",
        "go",
        "had",
        "has",
        "have",
        "he",
        "her",
        "here",
        "his",
        "how",
        "i",
        "if",
        "in",
        "is",
        "it",
        "its",
        "let",
        "make",
        "me",
        "much",
        "many",
        "my",
        "no",
        "not",
        "of",
        "off",
        "on",
        "one",
        "or",
        "our",
        "out",
        "please",
        "she",
        "should",
        "so",
        "some",
        "that",
        "the",
        "their",
        "them",
        "then",
        "there",
        "these",
        "they",
        "this",
        "those",
        "to",
        "up",
        "us",
        "was",
        "we",
        "were",
        "what",
        "when",
        "where",
        "which",
        "who",
        "whom",
        "why",
        "will",
        "with",
        "would",
        "you",
        "your",
    ]
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


def says_nothing(question: str) -> bool:
    """Whether a question names no matter: "怎么办", "how do I"."""
    if re.search(r"[\u3400-\u9fff]", question):
        return not any(c.isalnum() for c in _GENERAL_ZH.sub("", question))
    words = re.findall(r"[a-z]+", question.lower())
    return not any(c.isdigit() for c in question) and all(word in _GENERAL_EN for word in words)


def is_other_term(question: str, wordings: Iterable[str]) -> bool:
    """Whether a question is a bare term that none of the wordings holds: "shares?" to "sharing"."""
    bare = "".join(c for c in _GENERAL_ZH.sub("", question) if c.isalnum()).lower()
    if re.search(r"[\u3400-\u9fff]", question):
        short = len(bare) <= 3
    else:
        terms = [w for w in re.findall(r"[a-z0-9]+", question.lower()) if w not in _GENERAL_EN]
        short, bare = len(terms) == 1, "".join(terms)
    return short and not any(bare in _join(wording) for wording in wordings)


def _join(text: str) -> str:
    return "".join(c for c in text.lower() if c.isalnum())


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
