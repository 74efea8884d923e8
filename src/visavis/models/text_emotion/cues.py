"""What a sentence shows beside its meaning: emotion words, laughing, crying, signs, shouting.

Shapes: n sentences, K = ``len(NAMES)`` cues.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from visavis.core.types import EMOTIONS, Emotion, Floats
from visavis.models.text_emotion.words import CHINESE, ENGLISH, FACES, SIGNS

READ = 400
"""Characters of a text that are looked at."""

FELT: tuple[Emotion, ...] = tuple(e for e in EMOTIONS if e != "neutral")
NAMES: tuple[str, ...] = (
    *FELT, "negated good", "negated bad", "exclamation", "exclamations", "question mark", "both marks",
    "laughing", "crying", "dots", "shouting", "intensifier", "asks", "polite", "short",
)  # fmt: skip
"""What the columns are; all are 0 or 1."""

_EMOJI = re.compile("[\U0001f300-\U0001faff\u2600-\u27bf\ufe0f\u200d]+")
_LAUGH = re.compile(r"哈哈|嘻嘻|嘿嘿|hh+|233+|\b(?:ha){2,}h?\b|\bhehe\b|\blo+l\b|\blmao\b|[😂🤣😆]")
_CRY = re.compile(r"呜呜|嘤嘤|5555+|T_T|;_;|\bsob\b|\bboo ?hoo\b|[😭😢]")
_DOTS = re.compile(r"…|\.\.\.|。。|，，")
_STRONG = re.compile(
    r"太|真是|非常|特别|极了|死了|好(?=[难开害伤生恶可])|\b(?:so|very|really|extremely|totally|absolutely|such)\b"
)
_ASKS = re.compile(
    r"怎么(?!办怎么办|可能|会是|能这)|哪里|哪儿|在哪|多少|几[天点张岁号]|多久|多长|需要什么|要什么|要带|能不能|可以.*吗|吗$|流程|手续|"
    r"\b(?:how (?:do|can|much|many|long|to|is|early|often)|where|when|which|what (?:is|are|do|does|documents)|can i|do i|is there|are there|could you)\b"
)
_POLITE = re.compile(r"请问|麻烦|您|请|\b(?:please|could you|would you|excuse me)\b")
_NEGATED_CHINESE = re.compile(
    r"(?:不|没|别|没有|不是|不太|不怎么|不要|不用|不必)[很太那么再有什]{0,2}$"
)
_NEGATED_ENGLISH = re.compile(
    r"\b(?:not|no|never|without|isn't|wasn't|aren't|don't|doesn't|didn't|won't|nothing|hardly|can't say)"
    r"(?: \w+){0,2} $"
)
_WORDS_ENGLISH = {
    emotion: re.compile(
        r"\b(?:" + "|".join(re.escape(w.replace("_", " ")) for w in words.split()) + r")\b"
    )
    for emotion, words in ENGLISH.items()
}
_WORDS_CHINESE = {
    emotion: re.compile("|".join(re.escape(w) for w in words.split()))
    for emotion, words in CHINESE.items()
}
_SIGNS = {emotion: re.compile(f"[{signs}]") for emotion, signs in SIGNS.items()}
_FACES = {emotion: tuple(faces.split()) for emotion, faces in FACES.items()}
_OWN_NEGATION = re.compile(r"不|没|n't|no |never")


def read_plainly(text: str) -> str:
    """Write a sentence as the sentence vectors know it best.

    Emoji are left out, capitals of a shouted sentence made small, white space collapsed, what is
    beyond 400 characters cut off.
    """
    plain = " ".join(_EMOJI.sub(" ", text[:READ]).split())
    return plain.lower() if _shouts(plain) else plain


def read_cues(texts: Sequence[str]) -> Floats:
    """Read the cues of sentences, float32 (n, K) of 0 and 1, in the order of `NAMES`."""
    cues = np.zeros((len(texts), len(NAMES)), np.float32)
    for row, text in zip(cues, texts, strict=True):
        for name in _find(text[:READ]):
            row[NAMES.index(name)] = 1
    return cues


def _find(text: str) -> set[str]:
    small = text.lower().replace("’", "'").strip()
    found: set[str] = set()
    for emotion in FELT:
        if _SIGNS[emotion].search(text) if emotion in _SIGNS else False:
            found.add(emotion)
        if any(face in text for face in _FACES.get(emotion, ())):
            found.add(emotion)
        for pattern, negated in (
            (_WORDS_CHINESE[emotion], _NEGATED_CHINESE),
            (_WORDS_ENGLISH[emotion], _NEGATED_ENGLISH),
        ):
            for match in pattern.finditer(small):
                own = _OWN_NEGATION.search(match.group())
                if not own and negated.search(small[max(0, match.start() - 30) : match.start()]):
                    found.add("negated good" if emotion == "happy" else "negated bad")
                else:
                    found.add(emotion)
    exclamations = small.count("!") + small.count("！")
    asked = "?" in small or "？" in small
    signs = {
        "exclamation": exclamations > 0,
        "exclamations": exclamations > 1,
        "question mark": asked,
        "both marks": asked and exclamations > 0,
        "laughing": bool(_LAUGH.search(small)),
        "crying": bool(_CRY.search(small)),
        "dots": bool(_DOTS.search(small)),
        "shouting": _shouts(text),
        "intensifier": bool(_STRONG.search(small)),
        "asks": bool(_ASKS.search(small)),
        "polite": bool(_POLITE.search(small)),
        "short": len(small) < 5 if not small.isascii() else len(small.split()) < 3,
    }
    return found | {name for name, is_there in signs.items() if is_there}


def _shouts(text: str) -> bool:
    """Whether two words or more are all in capitals: one may be a name, as ID is."""
    words = re.findall(r"[A-Za-z]{2,}", text)
    loud = sum(word.isupper() for word in words)
    return bool(loud >= 2 and loud * 3 >= len(words) * 2)
