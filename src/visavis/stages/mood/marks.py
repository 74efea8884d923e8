"""Emotion marks that a language model writes before a sentence: [happy], （开心）, <emotion=sad>."""

from __future__ import annotations

import re
from collections.abc import Mapping

from visavis.core.types import EMOTIONS, Emotion

_NAMES: Mapping[Emotion, str] = {
    "angry": "anger furious annoyed 生气 愤怒 气愤 恼怒",
    "contempt": "contemptuous scornful 轻蔑 鄙视 不屑",
    "disgusted": "disgust 厌恶 恶心 嫌弃",
    "fear": "fearful afraid scared worried anxious 害怕 恐惧 担心 紧张 担忧",
    "happy": "happiness joy joyful glad cheerful smile smiling smiles warm 开心 高兴 快乐 喜悦 微笑 愉快 欢快 热情",
    "neutral": "calm none normal 中性 平静 平和 冷静 正常 自然",
    "sad": "sadness sorry sorrowful regretful concerned sympathetic 难过 悲伤 伤心 遗憾 抱歉 关切 同情 歉意",
    "surprised": "surprise astonished amazed 惊讶 吃惊 意外 惊喜",
}
"""Other names for the classes. A bracket with anything else is part of the answer."""
_KNOWN: Mapping[str, Emotion] = {
    name: emotion for emotion in EMOTIONS for name in (emotion, *_NAMES[emotion].split())
}
_PAIRS = {"[": "]", "(": ")", "（": "）", "【": "】", "<": ">", "「": "」", "*": "*", "〔": "〕"}
_KEY = re.compile(
    r"(?:emotion|mood|feeling|tone|face|情绪|情感|表情|语气)\s*[=:：]?\s*", re.IGNORECASE
)
_ADVERBS = re.compile(
    r"^(?:very|slightly|a little|a bit|有点|有些|略带|非常|很|十分)\s*|[地的]$", re.IGNORECASE
)
_WITHIN = re.compile(
    rf"[ \t]*(?:\[(?:{'|'.join(EMOTIONS)})\]|</?(?:emotion|mood)\b[^<>\n]{{0,30}}>)", re.IGNORECASE
)
_LONGEST = 40
"""Characters of the longest mark that is looked for."""
_SPACE = " \t\r\n\u3000\u200b\ufeff"


def split_mark(text: str) -> tuple[Emotion | None, str]:
    """Take the mark off the beginning of a sentence.

    Several marks in a row are all taken off; the first counts. A half mark that is all there is (the
    model was cut off) is taken off, too. Brackets that hold anything but an emotion stay.

    Returns:
        The emotion, or None where there is no mark, and what is to be spoken.
    """
    found: Emotion | None = None
    rest = text
    while True:
        start = rest.lstrip(_SPACE)
        end = _find_end(start)
        if end < 0:
            break
        emotion = _name(start[1:end])
        if emotion is None:
            break
        found = found or emotion
        rest = start[end + 1 :].lstrip(_SPACE)
        rest = _drop_closing_tag(rest)
    if _is_half(rest):
        rest = ""
    return found, rest


def awaits_mark(text: str) -> bool:
    """Whether a beginning may yet become a mark or a longer one: wait for more before speaking it.

    At most 40 characters of a bracket are waited for.
    """
    _, rest = split_mark(text)
    return not rest.strip(_SPACE)


def drop_marks(text: str) -> str:
    """Drop marks that stand behind or within a sentence: ``[happy]`` and ``</emotion>``.

    Only the names of the classes count there, in square brackets: other words may be meant.
    """
    return _WITHIN.sub("", text)


def _find_end(start: str) -> int:
    """Place of the bracket that closes the one at the beginning, or -1."""
    if not start or start[0] not in _PAIRS:
        return -1
    return start.find(_PAIRS[start[0]], 1, _LONGEST)


def _name(inside: str) -> Emotion | None:
    """Read what stands between brackets."""
    text = inside.strip(_SPACE + "/\"'“”*").lower()
    keyed = _KEY.match(text)
    if keyed:
        text = text[keyed.end() :].strip(_SPACE + "\"'“”")
    # A degree may follow: happy 0.6, happy:0.6, happy, 强.
    text = re.split(r"[\s,，:：;=|]*[0-9.]+%?$|[,，:：|]", text, maxsplit=1)[0].strip()
    return _KNOWN.get(text) or _KNOWN.get(_ADVERBS.sub("", text))


def _drop_closing_tag(rest: str) -> str:
    return re.sub(r"</\s*(?:emotion|mood)\s*>", "", rest, count=1, flags=re.IGNORECASE)


def _is_half(rest: str) -> bool:
    """Whether a text is an opened bracket and the beginning of a mark, and nothing else."""
    start = rest.strip(_SPACE)
    if not start or start[0] not in _PAIRS or len(start) > _LONGEST:
        return False
    inside = start[1:].lstrip(_SPACE + "\"'“”/").lower()
    keyed = _KEY.match(inside)
    if keyed:
        inside = inside[keyed.end() :].lstrip("\"'“”")
    names = (*_KNOWN, "emotion", "mood", "feeling", "tone", "情绪", "情感", "表情", "语气")
    if start[0] == "*" and not inside:
        return len(start) == 1
    return any(name.startswith(inside) for name in names)
