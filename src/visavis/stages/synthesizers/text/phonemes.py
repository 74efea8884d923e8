"""From a sentence to phonemes, each with the written stretch that it speaks."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from visavis.core.errors import TextUnusable
from visavis.core.types import Language
from visavis.stages.synthesizers.text.normalize import read_aloud, separate
from visavis.stages.synthesizers.text.pinyin import cut_words, read_words

PAUSES = ",;:—….!?"
"""Marks that the voices know as pauses, the weak ones first."""

_RUN = re.compile(
    r"(?P<han>[㐀-䶿一-鿿豈-﫿𠀀-𯿿]+)"
    r"|(?P<latin>[A-Za-zÀ-ɏ](?:[^㐀-䶿一-鿿豈-﫿𠀀-𯿿、-〟，。！？：；（）～\n]*[A-Za-zÀ-ɏ'])?)"
    r"|(?P<other>.)",
    re.S,
)
_PAUSE_OF = {
    "，": ",", "、": ",", "。": ".", "！": "!", "？": "?", "：": ":", "；": ";", "…": "…", "—": "—",
    "–": "—", "（": ",", "）": ",", "(": ",", ")": ",", "[": ",", "]": ",", "【": ",", "】": ",", "\n": ",",
    "《": "", "》": "",
}  # fmt: skip
_PAUSE_OF.update({mark: mark for mark in PAUSES})
_SPELLED = re.compile(
    r"(?<![\w'.])A(?=[.,;:!?]?$|[,;:!?]"
    r"|\s(?:zero|one|two|three|four|five|six|seven|eight|nine|ten|or\s[B-Z]\b|and\s[B-Z]\b|[B-Z]\b))"
)
"""An A that is the letter's name and not the article. Other single capitals are never words."""
_LETTERS = {"WIFI": "Wi-Fi", "WiFi": "Wi-Fi", "wifi": "Wi-Fi"}
_JOINED = re.compile(r"[A-Za-zÀ-ɏ'’]")


@dataclass(frozen=True, slots=True)
class Sound:
    """Phonemes of a word, a pause or a space.

    Attributes:
        phonemes: Characters of the voices' alphabet.
        start: First character of the written sentence that they speak.
        end: One past the last; equal to ``start`` for pauses and spaces.
    """

    phonemes: str
    start: int
    end: int

    @property
    def is_word(self) -> bool:
        """Whether it speaks something written."""
        return self.end > self.start

    @property
    def is_pause(self) -> bool:
        """Whether it is punctuation."""
        return self.phonemes in PAUSES


def phonemize(text: str, language: Language) -> list[Sound]:
    """Turn a sentence into sounds, in order: words with spaces and pauses between them.

    Chinese characters go through jieba and pypinyin, Latin words through hibari's English G2P, both
    in the alphabet of Kokoro and hibari.

    Raises:
        TextUnusable: Nothing in it can be said.
        LanguageUnsupported: It is mostly in another script.
    """
    spoken, owners = _spoken_text(text, language)
    out: list[Sound] = []
    for match in _RUN.finditer(spoken):
        start, end = match.span()
        if match["han"]:
            _append_space(out, start)
            words = cut_words(match["han"])
            for i, (word, phonemes) in enumerate(zip(words, read_words(words), strict=True)):
                if i:
                    out.append(Sound(" ", start, start))
                out.append(Sound(phonemes, *_written(owners, start, start + len(word))))
                start += len(word)
        elif match["latin"]:
            _append_space(out, start)
            alone = not _has_latin_company(spoken, start, end)
            for sound in _read_english(match["latin"], spell=alone):
                if sound.is_word:
                    span = _written(owners, start + sound.start, start + sound.end)
                    out.append(Sound(sound.phonemes, *span))
                elif sound.is_pause:
                    _append_pause(out, sound.phonemes, start)
                else:
                    _append_space(out, start)
        else:
            mark = _PAUSE_OF.get(match["other"])
            if mark:
                _append_pause(out, mark, start)
            elif match["other"].isspace() or mark is None:
                _append_space(out, start)
    while out and out[-1].phonemes == " ":
        out.pop()
    if not any(s.is_word and s.phonemes for s in out):
        raise TextUnusable("there is nothing in the text that a voice could say")
    return _merge(out, text)


def _spoken_text(text: str, language: Language) -> tuple[str, list[tuple[int, int]]]:
    """What is said as one string, and for each of its characters the written span."""
    spoken: list[str] = []
    owners: list[tuple[int, int]] = []
    last = ""
    for piece in read_aloud(text, language):
        gap = separate(last, piece.spoken)
        spoken += [gap, piece.spoken]
        owners += [(piece.start, piece.start)] * len(gap)
        if piece.rewritten:
            owners += [(piece.start, piece.end)] * len(piece.spoken)
        else:
            owners += [(i, i + 1) for i in range(piece.start, piece.end)]
        last = piece.spoken or last
    return "".join(spoken), owners


def _written(owners: list[tuple[int, int]], start: int, end: int) -> tuple[int, int]:
    spans = [span for span in owners[start:end] if span[1] > span[0]]
    if not spans:
        return owners[start][0], owners[start][0]
    return spans[0][0], spans[-1][1]


def _append_space(out: list[Sound], at: int) -> None:
    if out and out[-1].phonemes != " ":
        out.append(Sound(" ", at, at))


def _append_pause(out: list[Sound], mark: str, at: int) -> None:
    """Add a pause; of several in a row the strongest stays, and none opens a sentence."""
    while out and out[-1].phonemes == " ":
        out.pop()
    if not out:
        return
    if out[-1].is_pause:
        if PAUSES.index(mark) > PAUSES.index(out[-1].phonemes):
            out[-1] = Sound(mark, at, at)
    else:
        out.append(Sound(mark, at, at))
    out.append(Sound(" ", at, at))


def _has_latin_company(text: str, start: int, end: int) -> bool:
    """Whether a Latin stretch is more than one or two words: then "a" is an article, not a letter."""
    return " " in text[start:end].strip()


@lru_cache(maxsize=1)
def _english() -> Any:
    from hibari.g2p import G2P

    return G2P()


def _read_english(text: str, *, spell: bool) -> list[Sound]:
    """Read a Latin stretch; positions are within it.

    Args:
        text: Words without digits.
        spell: Whether the letter A is a letter's name, and not the article.
    """
    g2p = _english()
    plain = text.replace("[", "(").replace("]", ")")

    def link(match: re.Match[str]) -> str:
        name = g2p.lexicon.get_NNP(match.group())[0]
        return f"[{match.group()}](/{name}/)" if name else match.group()

    marked = _SPELLED.sub(link, plain)
    if spell and plain in ("A", "a"):
        marked = f"[{plain}](/{g2p.lexicon.get_NNP('A')[0]}/)"
    elif plain in _LETTERS:
        marked = f"[{plain}](/{g2p(_LETTERS[plain])}/)"
    out: list[Sound] = []
    at = 0
    for token in g2p.phonemize_tokens(g2p.tokenize(marked)):
        found = plain.find(token.text, at)
        at = found if found >= 0 else at
        end = min(len(plain), at + len(token.text))
        phonemes = (token.phonemes or "").replace("“", "").replace("”", "").strip('"() ')
        if phonemes and all(c in PAUSES for c in phonemes):
            out.append(Sound(phonemes[-1], at, at))
        elif phonemes:
            out.append(Sound(phonemes, at, end))
        if token.whitespace:
            out.append(Sound(" ", end, end))
        at = end
    return out


def _merge(sounds: list[Sound], text: str) -> list[Sound]:
    """Join neighbours that speak the same written stretch, or halves of one English word."""
    out: list[Sound] = []
    held: list[Sound] = []  # spaces and pauses since the last word
    word: int | None = None
    for sound in sounds:
        if not sound.is_word:
            held.append(sound)
            continue
        last = out[word] if word is not None else None
        if last is not None and (
            sound.start < last.end
            or (
                not held
                and sound.start == last.end
                and bool(_JOINED.match(text[last.end - 1]) and _JOINED.match(text[sound.start]))
            )
        ):
            inner = "".join(s.phonemes for s in held)
            out[-1] = Sound(
                last.phonemes + inner + sound.phonemes,
                min(last.start, sound.start),
                max(last.end, sound.end),
            )
        else:
            out += held
            out.append(sound)
        held = []
        word = len(out) - 1
    return out + held
