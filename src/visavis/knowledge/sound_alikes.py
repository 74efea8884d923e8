"""Characters that a recogniser wrote for others of the same sound, put right by texts of the subject.

Most of what a recogniser gets wrong in Mandarin is another word of the same sound: 攻击金 for 公积金,
签住 for 签注. Which one is meant, the base tells: it knows the terms that its questions and answers use.

Source: the idea is that of correcting recognised text by the sounds of a subject's vocabulary; the
rules are this project's. A run of syllables, tones and all, is written as the base writes it where
the base has that run and never the characters that were heard. Two syllables become a word of the
base alone, and only where what was heard is no word. The sentence must not become much less likely
by it, so that words are not torn; and no figure is touched.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace

from visavis.core.types import Transcript
from visavis.models.common.chinese_words import load_jieba

LONGEST = 4
"""Syllables of a run."""
MOST_CHARACTERS = 200_000
"""Of the texts; later ones are left out."""
FAVOUR = 6.0
"""Log probability by which what the base writes is likelier than its words by themselves say."""
_FIGURES = frozenset("零〇一二两三四五六七八九十百千万亿")
_RUN = re.compile(r"[\u4e00-\u9fff]{2,}")


class SoundAlikes:
    """What the texts of a subject write for what sounds the same.

    Args:
        texts: Questions and answers; what is not Chinese is passed over.
    """

    def __init__(self, texts: Iterable[str]) -> None:
        counts: Counter[tuple[str, tuple[str, ...]]] = Counter()
        words: set[str] = set()
        room = MOST_CHARACTERS
        for text in texts:
            room -= len(text)
            if room < 0:
                break
            for run in _RUN.findall(text):
                words.update(word for word in load_jieba().cut(run) if len(word) == 2)
                counts.update(_pieces(run))
        self._known = frozenset(written for written, _ in counts)
        self._words = frozenset(words)
        # The most frequent of those that sound the same.
        self._written = {
            sound: written
            for (written, sound), _ in sorted(counts.items(), key=lambda item: (item[1], item[0]))
        }

    def repair(self, text: str) -> str:
        """Write what sounds like the texts as the texts do; as many characters as before."""
        return _RUN.sub(lambda match: self._repair_run(match.group()), text)

    def repair_transcript(self, heard: Transcript) -> Transcript:
        """The same of a transcript and its words, whose times stay."""
        text = self.repair(heard.text)
        if text == heard.text:
            return heard
        words, at = [], 0
        for word in heard.words:
            found = heard.text.find(word.text, at)
            if found < 0:
                words.append(word)
                continue
            at = found + len(word.text)
            words.append(replace(word, text=text[found:at]))
        return replace(heard, text=text, words=tuple(words))

    def _repair_run(self, run: str) -> str:
        sounds = _syllables(run)
        for size in range(min(LONGEST, len(run)), 1, -1):
            for i in range(len(run) - size + 1):
                said = run[i : i + size]
                meant = self._written.get(sounds[i : i + size])
                if meant is None or said in self._known:
                    continue
                if size == 2 and (meant not in self._words or _is_word(said)):
                    continue
                changed = run[:i] + meant + run[i + size :]
                if _keeps_figures(said, meant) and _likely(changed) + FAVOUR > _likely(run):
                    run = changed
        return run


def _syllables(run: str) -> tuple[str, ...]:
    from pypinyin import Style, lazy_pinyin

    sounds = tuple(lazy_pinyin(run, style=Style.TONE3, neutral_tone_with_five=True))
    return sounds if len(sounds) == len(run) else tuple(run)


def _pieces(run: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    sounds = _syllables(run)
    for size in range(2, LONGEST + 1):
        for i in range(len(run) - size + 1):
            yield run[i : i + size], sounds[i : i + size]


def _keeps_figures(said: str, meant: str) -> bool:
    return all(
        old == new or not {old, new} & _FIGURES for old, new in zip(said, meant, strict=True)
    )


def _likely(run: str) -> float:
    """Log probability of the likeliest words that a text is made of, each by itself."""
    words = load_jieba().dt
    route: dict[int, tuple[float, int]] = {}
    words.calc(run, words.get_DAG(run), route)
    return route[0][0]


def _is_word(text: str) -> bool:
    return bool(load_jieba().dt.FREQ.get(text))
