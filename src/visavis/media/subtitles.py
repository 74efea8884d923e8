"""Subtitles beside a video: SRT for every player, WebVTT with the time of each word for browsers."""

from __future__ import annotations

import dataclasses
import itertools
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from visavis.core.language import is_han
from visavis.core.types import Mark, Word
from visavis.media.files import finish_or_discard

__all__ = ["Cue", "make_cues", "words_from_marks", "write_srt", "write_vtt"]

LINE_WIDTH = 42.0
"""Latin characters a line; 18 Chinese ones are as wide."""
_HAN_WIDTH = LINE_WIDTH / 18
_LINES = 2
"""Lines that are shown at once."""
_LONGEST_PAUSE = 0.4
"""Seconds up to which a cue stays until the next one, instead of flashing off."""

_STRONG = "。！？!?…"
_MEDIUM = "，；：、,;:—"
_CLOSING = _STRONG + _MEDIUM + ".”’）)》】」』]}%％\"'"
_OPENING = "“‘（(《【「『[{$¥￥"
_WEIGHT_PAUSE = 1.5
"""How long a punctuation mark lasts when only the sentence's ends are known; a Han character: 1."""


@dataclasses.dataclass(frozen=True, slots=True)
class Cue:
    """A piece of text and when it is shown.

    Attributes:
        start_s: Seconds since the video began.
        end_s: Seconds.
        text: One or two lines, separated by a newline.
        words: The same text in pieces, each with its time; together they are ``text`` without
            the line breaks. Empty where no times are known.
    """

    start_s: float
    end_s: float
    text: str
    words: tuple[Word, ...] = ()


def words_from_marks(
    marks: Iterable[Mark], sample_rate: int, start_s: float = 0.0
) -> tuple[Word, ...]:
    """Word times in seconds from a voice's marks; ``start_s`` is when its sentence begins."""
    return tuple(
        Word(m.text, start_s + m.start / sample_rate, start_s + m.end / sample_rate)
        for m in marks
        if m.kind == "word"
    )


def make_cues(text: str, start_s: float, end_s: float, words: Sequence[Word] = ()) -> list[Cue]:
    """Break a sentence into readable cues.

    Lines hold at most 18 Chinese or 42 Latin characters and break at punctuation where they can,
    never inside a Latin word or before a closing mark. Times come from ``words`` where they are
    found in the text; in between, and without any, they follow the length of the text.

    Args:
        text: What is said.
        start_s: When it begins to be said, seconds since the video began.
        end_s: When it ends.
        words: As spoken, in order, in seconds since the video began.
    """
    text = re.sub(r"[\s\x00-\x1f\x7f]+", " ", text).strip()
    if not text:
        return []
    times = _character_times(text, start_s, max(end_s, start_s), words)
    pieces = _pieces(text, words)
    cues: list[Cue] = []
    lines: list[list[tuple[int, int]]] = []
    for line in _lines(text, pieces):
        lines.append(line)
        ends_sentence = text[line[0][0] : line[-1][1]].rstrip("”’\"' )）").endswith(tuple(_STRONG))
        if len(lines) == _LINES or ends_sentence:
            cues.append(_cue(text, lines, times))
            lines = []
    if lines:
        cues.append(_cue(text, lines, times))
    return cues


def write_srt(path: str | Path, cues: Iterable[Cue]) -> None:
    """Write SubRip, UTF-8.

    Raises:
        OutputUnwritable: The place is read-only, full or not a folder.
    """
    blocks = []
    for number, cue in enumerate(_in_order(cues), 1):
        text = cue.text.replace("-->", "→")
        times = f"{_stamp(cue.start_s, ',')} --> {_stamp(cue.end_s, ',')}"
        blocks.append(f"{number}\n{times}\n{text}\n")
    _write(path, "\n".join(blocks))


def write_vtt(path: str | Path, cues: Iterable[Cue]) -> None:
    """Write WebVTT with a timestamp before each word, so that ``::cue(:past)`` can follow speech.

    Raises:
        OutputUnwritable: The place is read-only, full or not a folder.
    """
    blocks = ["WEBVTT\n"]
    for cue in _in_order(cues):
        times = f"{_stamp(cue.start_s, '.')} --> {_stamp(cue.end_s, '.')}"
        blocks.append(f"{times}\n{_timed_text(cue)}\n")
    _write(path, "\n".join(blocks))


def _write(path: str | Path, content: str) -> None:
    with finish_or_discard(path) as part:
        part.write_bytes(content.encode("utf-8", "replace"))


def _in_order(cues: Iterable[Cue]) -> list[Cue]:
    """Cues that do not overlap, last at least a millisecond, and bridge short pauses."""
    ordered = sorted(cues, key=lambda cue: cue.start_s)
    result = []
    for cue, following in itertools.zip_longest(ordered, ordered[1:]):
        start, end = max(0.0, cue.start_s), cue.end_s
        if following is not None and (
            end > following.start_s or following.start_s - end <= _LONGEST_PAUSE
        ):
            end = following.start_s
        result.append(dataclasses.replace(cue, start_s=start, end_s=max(end, start + 0.001)))
    return result


def _timed_text(cue: Cue) -> str:
    """The text with times inside, each later than the one before, as WebVTT wants them."""
    if not cue.words:
        return _escape(cue.text)
    breaks = set(itertools.accumulate(len(line) for line in cue.text.split("\n")))
    parts: list[str] = []
    position = 0
    last = round(cue.start_s * 1000)
    for word in cue.words:
        at = round(word.start * 1000)
        if position and last < at < round(cue.end_s * 1000):
            parts.append(f"<{_stamp(at / 1000, '.')}>")
            last = at
        parts.append(_escape(word.text))
        position += len(word.text)
        if position in breaks:
            parts.append("\n")
    return "".join(parts).strip("\n")


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _stamp(seconds: float, point: str) -> str:
    ms = round(seconds * 1000)
    minutes, ms = divmod(ms, 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{ms // 1000:02}{point}{ms % 1000:03}"


def _width(text: str) -> float:
    return sum(_HAN_WIDTH if _is_wide(c) else 1.0 for c in text)


def _is_wide(char: str) -> bool:
    return is_han(char) or "\u3000" <= char <= "\u303f" or "\uff00" <= char <= "\uff60"


def _weight(char: str) -> float:
    """Relative time that a character takes to say."""
    if char in _STRONG or char in _MEDIUM:
        return _WEIGHT_PAUSE
    if is_han(char):
        return 1.0
    if char.isdigit():
        return 0.8
    return 0.35 if char.isalpha() else 0.1


def _character_times(
    text: str, start: float, end: float, words: Sequence[Word]
) -> list[tuple[float, float]]:
    """Start and end of each character in seconds."""
    weights = list(itertools.accumulate((_weight(c) for c in text), initial=0.0))
    # Anchors: (place between characters, time). Between them time runs with the weights.
    anchors: list[tuple[int, float]] = [(0, start)]
    lowered = text.lower()
    if len(lowered) != len(text):  # a few letters change their length
        lowered = text
    cursor = 0
    for word in words:
        spoken = word.text.strip().lower()
        found = lowered.find(spoken, cursor) if spoken else -1
        # A word far ahead is a chance hit: the voice said something written otherwise.
        if found < 0 or found - cursor > 40:
            continue
        for place, time in ((found, word.start), (found + len(spoken), word.end)):
            time = min(max(time, anchors[-1][1]), end)
            if place == anchors[-1][0]:
                if place:
                    continue
                anchors[-1] = (0, time)
            else:
                anchors.append((place, time))
        cursor = found + len(spoken)
    if anchors[-1][0] < len(text):
        anchors.append((len(text), end))
    edges = [start] * (len(text) + 1)
    for (a, at), (b, bt) in itertools.pairwise(anchors):
        span = weights[b] - weights[a]
        for i in range(a, b + 1):
            share = (weights[i] - weights[a]) / span if span else 0.0
            edges[i] = at + (bt - at) * share
    return [(edges[i], edges[i + 1]) for i in range(len(text))]


def _pieces(text: str, words: Sequence[Word]) -> list[tuple[int, int]]:
    """Unbreakable stretches: Latin words, Chinese words where known, marks with their neighbours."""
    pattern = r"[^\s\u3000-\u303f\u3400-\u9fff\uf900-\ufaff\uff00-\uff60]+|\S"
    spans = [m.span() for m in re.finditer(pattern, text)]
    known = {w.text.strip() for w in words if len(w.text.strip()) > 1}
    merged: list[list[int]] = []
    for start, end in spans:
        glue = False
        if merged and merged[-1][1] == start:
            before, here = text[start - 1], text[start]
            glue = here in _CLOSING or before in _OPENING
            joined = text[merged[-1][0] : end]
            if not glue and is_han(here) and len(joined) <= 8:
                glue = any(
                    w.startswith(joined) and text.startswith(w, merged[-1][0]) for w in known
                )
        if glue and end - merged[-1][0] <= 18:
            merged[-1][1] = end
        else:
            merged.append([start, end])
    return [piece for a, b in merged for piece in _chop(a, b)]


def _chop(start: int, end: int) -> list[tuple[int, int]]:
    """Cut what is longer than a line, such as a web address."""
    step = int(LINE_WIDTH)
    return [(i, min(i + step, end)) for i in range(start, end, step)]


def _lines(text: str, pieces: list[tuple[int, int]]) -> list[list[tuple[int, int]]]:
    """The cheapest way to break: few lines, of even length, at punctuation."""
    best: list[tuple[float, int]] = [(0.0, 0)]
    for j in range(1, len(pieces) + 1):
        options = []
        for i in range(j - 1, -1, -1):
            width = _width(text[pieces[i][0] : pieces[j - 1][1]])
            if width > LINE_WIDTH and i < j - 1:
                break
            slack = max(0.0, 1 - width / LINE_WIDTH)
            cost = best[i][0] + 1.0 + slack**2
            if j < len(pieces):
                cost += _break_cost(text, pieces[j - 1][1], pieces[j][0])
            options.append((cost, i))
        best.append(min(options))
    lines: list[list[tuple[int, int]]] = []
    j = len(pieces)
    while j:
        i = best[j][1]
        lines.append(pieces[i:j])
        j = i
    return lines[::-1]


def _break_cost(text: str, end: int, following: int) -> float:
    before = text[end - 1]
    if before in _STRONG or (before == "." and following > end):
        return -0.6
    if before in _MEDIUM:
        return -0.3
    return 0.2 if following > end else 0.5


def _cue(text: str, lines: list[list[tuple[int, int]]], times: list[tuple[float, float]]) -> Cue:
    shown = "\n".join(text[line[0][0] : line[-1][1]] for line in lines)
    words = []
    for line in lines:
        for (start, end), following in itertools.zip_longest(line, line[1:]):
            until = following[0] if following else end  # the space goes with the word before it
            words.append(Word(text[start:until], times[start][0], times[end - 1][1]))
    first, last = lines[0][0][0], lines[-1][-1][1] - 1
    return Cue(times[first][0], times[last][1], shown, tuple(words))
