"""How the sentences of a base's answers are said."""

from __future__ import annotations

import re
from collections.abc import Sequence

from visavis.core.types import Emotion
from visavis.knowledge.base import Base
from visavis.knowledge.text import split_sentences
from visavis.stages.responders.phrases import REFUSAL

_CLAUSE = re.compile(r"[，、；：,;:]")


def make_key(text: str) -> str:
    """Keep letters, digits and spaces, so that marks and capitals do not count."""
    return "".join(c for c in text.lower() if c.isalnum() or c == " ").strip()


def map_emotions(bases: Sequence[Base]) -> dict[str, Emotion]:
    """Map the sentences of answers, and their clauses, to how they are said, and refusals to regret.

    What is said neutrally is not in it, nor what two answers say differently.
    """
    found: dict[str, set[Emotion]] = {}
    for base in bases:
        for pair in base.pairs:
            for sentence in split_sentences(pair.answer):
                for piece in (sentence, *_CLAUSE.split(sentence)):
                    found.setdefault(make_key(piece), set()).add(pair.emotion)
    for text in REFUSAL.values():
        found[make_key(text)] = {"sad"}
    return {
        key: emotion
        for key, emotions in found.items()
        if key and len(emotions) == 1
        for emotion in emotions
        if emotion != "neutral"
    }
