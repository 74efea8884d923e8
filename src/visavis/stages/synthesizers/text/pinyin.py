"""Chinese characters to words, pinyin and the phonemes that Kokoro was trained on."""

from __future__ import annotations

import itertools
import re
from functools import lru_cache

from visavis.core.language import is_han
from visavis.models.common.chinese_words import load_jieba

_WORDS = {
    "照片": "zhao4 pian4", "爸爸": "ba4 ba5", "妈妈": "ma1 ma5", "谢谢": "xie4 xie5", "朋友": "peng2 you5",
    "先生": "xian1 sheng5", "东西": "dong1 xi5", "时候": "shi2 hou5", "知道": "zhi1 dao5",
    "清楚": "qing1 chu5", "休息": "xiu1 xi5", "麻烦": "ma2 fan5", "客气": "ke4 qi5", "知识": "zhi1 shi5",
    "看看": "kan4 kan5", "试试": "shi4 shi5", "等等": "deng3 deng3", "告诉": "gao4 su5", "明白": "ming2 bai5",
    "地方": "di4 fang5", "事情": "shi4 qing5", "多少": "duo1 shao5", "晚上": "wan3 shang5",
    "早上": "zao3 shang5", "窗户": "chuang1 hu5", "便宜": "pian2 yi5", "分数": "fen1 shu4", "还款": "huan2 kuan3",
    "可恶": "ke3 wu4", "参保": "can1 bao3", "单号": "dan1 hao4", "重办": "chong2 ban4", "重发": "chong2 fa1",
    "重做": "chong2 zuo4", "重交": "chong2 jiao1", "重拍": "chong2 pai1", "应于": "ying1 yu2",
    "应在": "ying1 zai4", "应由": "ying1 you2", "长者": "zhang3 zhe3", "分行": "fen1 hang2",
    "支行": "zhi1 hang2", "总行": "zong3 hang2", "央行": "yang1 hang2", "开户行": "kai1 hu4 hang2",
    "银行卡": "yin2 hang2 ka3", "曾用名": "ceng2 yong4 ming2", "更名": "geng1 ming2", "更换": "geng1 huan4",
    "差旅": "chai1 lv3", "出差": "chu1 chai1", "核准": "he2 zhun3", "调取": "diao4 qu3", "调档": "diao4 dang4",
    "勾选": "gou1 xuan3", "折旧": "zhe2 jiu4", "打折": "da3 zhe2", "扇": "shan4", "长": "chang2",
    "幺": "yao1", "艾特": "ai4 te4", "跑得快": "pao3 de5 kuai4", "一行": "yi1 hang2",
}  # fmt: skip
"""Readings that pypinyin does not give, or gives without the neutral tone of speech."""

_DIGITS = re.compile(r"([零一二三四五六七八九]{4}年|[零一二三四五六七八九幺]{3,})")
"""What is read digit by digit; jieba cuts it anywhere, and takes a character from what follows."""

_FOR_WHOM = re.compile(
    r"[您你我他她它咱]|大家|自己|人民|群众|市民|企业|客户|用户|孩子|家人|父母|了"
)
_COUNT = re.compile(r"[零一二两三四五六七八九十百千万几多每这那哪]$")
_COUNTED_ANIMAL = re.compile(r"^[一二两三四五六七八九十百千几多这那每]只$")
_ADVERB = re.compile(
    r"(.)\1$|[然性]$|^(?:及时|准确|快速|认真|仔细|合法|有效|顺利|成功|不断|逐步|更好|高兴|快)$"
)
_PRONOUN = re.compile(r"[我你您他她它们]$")


def cut_words(text: str) -> list[str]:
    """Cut a run of Chinese characters into words that join to it."""
    jieba = load_jieba()
    words: list[str] = []
    for i, part in enumerate(_DIGITS.split(text)):
        words += _group_digits(part) if i % 2 else jieba.cut(part)
    return words


def _group_digits(digits: str) -> list[str]:
    """Cut what is read digit by digit as people say it: a year whole, a mobile number 3-4-4."""
    if len(digits) <= 5:
        return [digits]
    first = len(digits) % 4 or 4
    starts = [0, *range(first, len(digits), 4)]
    return [digits[a:b] for a, b in itertools.pairwise([*starts, len(digits)])]


def read_words(words: list[str]) -> list[str]:
    """Return the phonemes of each word of a run, by the words around it where that decides."""
    syllables = []
    for i, word in enumerate(words):
        before = words[i - 1] if i else ""
        after = words[i + 1] if i + 1 < len(words) else ""
        syllables.append(_by_context(word, before, after) or list(_to_pinyin(word)))
    _apply_sandhi(words, syllables)
    return ["".join(map(_to_ipa, each)) for each in syllables]


def _apply_sandhi(words: list[str], syllables: list[list[str]]) -> None:
    """Change tones as they change in speech, in place.

    A third tone before a third one becomes the second within a word and between two words of one
    character; 不 and 一 take their tone from what follows.
    """
    flat = [(w, i) for w, each in enumerate(syllables) for i in range(len(each))]
    for (w, i), (v, j) in itertools.pairwise(flat):
        tone, following = syllables[w][i][-1:], syllables[v][j][-1:]
        char = words[w][i : i + 1]
        if char == "不" and following == "4":
            syllables[w][i] = "bu2"
        elif char == "一" and not _is_count(words, w, i):
            syllables[w][i] = "yi1"
        elif char == "一" and following in "1234":
            syllables[w][i] = "yi2" if following == "4" else "yi4"
        elif tone == following == "3" and (w == v or len(words[w]) == len(words[v]) == 1):
            syllables[w][i] = syllables[w][i][:-1] + "2"


def _is_count(words: list[str], w: int, i: int) -> bool:
    """Whether 一 is "one of": not an ordinal, not a digit of a longer number, not a date."""
    text = "".join(words)
    at = sum(map(len, words[:w])) + i
    before, after = text[max(0, at - 1) : at], text[at + 1 : at + 2]
    return before not in tuple(
        "第初十百千万亿零一二三四五六七八九幺周期点月统唯"
    ) and after not in tuple("月日号零一二三四五六七八九点楼层")


def _by_context(word: str, before: str, after: str) -> list[str] | None:
    if word == "为":
        return ["wei4" if _FOR_WHOM.match(after) else "wei2"]
    if word == "得":
        return ["dei3" if _PRONOUN.search(before) else "de5"]
    if word == "地":
        return ["de5" if _ADVERB.search(before) else "di4"]
    if word == "只":
        return ["zhi1" if _COUNT.search(before) else "zhi3"]
    if word == "还" and after[:1] in ("钱", "书", "款", "债", "给", "清"):
        return ["huan2"]
    return None


@lru_cache(maxsize=8192)
def _to_pinyin(word: str) -> tuple[str, ...]:
    """Pinyin of a word, a syllable a character, with the tone as a digit (5 is neutral)."""
    if word in _WORDS:
        return tuple(_WORDS[word].split())
    from pypinyin import Style, lazy_pinyin

    syllables = lazy_pinyin(word, style=Style.TONE3, neutral_tone_with_five=True)
    if len(word) > 1 and word[-1] == "为" and word != "因为":
        syllables[-1] = "wei2"
    if len(word) == 3 and word[1] == "得":
        syllables[1] = "de5"
    if _COUNTED_ANIMAL.match(word):
        syllables[1] = "zhi1"
    return tuple(syllables)


@lru_cache(maxsize=2048)
def _to_ipa(syllable: str) -> str:
    """Phonemes of a pinyin syllable as misaki 0.9.4 (``ZHG2P``, version 1.0) writes them."""
    from misaki.transcription import pinyin_to_ipa

    if not syllable.isascii() and is_han(syllable[0]):
        return ""  # a character without a known reading
    try:
        ipa = "".join(pinyin_to_ipa(syllable)[0])
    except ValueError:
        return ""
    for tone, arrow in (("˧˩˧", "↓"), ("˧˥", "↗"), ("˥˩", "↘"), ("˥", "→")):
        ipa = ipa.replace(tone, arrow)
    # The syllabic consonants of zhi and zi are one vowel to Kokoro; the non-syllabic mark is none.
    return ipa.replace("ɻ̩", "ɨ").replace("ɹ̩", "ɨ").replace("̯", "")
