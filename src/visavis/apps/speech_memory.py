"""Sentences that were spoken before need not be spoken again: answers of a base come word for word."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import replace
from typing import TypeAlias

from visavis.core.types import Sentence, Speech

_Key: TypeAlias = tuple[str, str, str, str, float, float, bool]


class SpeechMemory:
    """Keeps what was spoken last, up to a length. Any thread may use it.

    Args:
        longest: Seconds of speech kept, 0.1 MB each at 24 kHz; 0 for none.
    """

    def __init__(self, longest: float) -> None:
        self._longest = longest
        self._kept: OrderedDict[_Key, tuple[Speech, ...]] = OrderedDict()
        self._seconds = 0.0
        self._lock = threading.Lock()

    def recall(self, sentence: Sentence, voice: str) -> tuple[Speech, ...]:
        """Give the sentence's speech as it was spoken before, or nothing."""
        with self._lock:
            known = self._kept.get(key := _key(sentence, voice))
            if known is None:
                return ()
            self._kept.move_to_end(key)
        return tuple(replace(speech, turn=sentence.turn, sentence=sentence) for speech in known)

    def keep(self, sentence: Sentence, voice: str, speeches: list[Speech]) -> None:
        """Keep a sentence that was spoken to its end; the longest unused ones make room."""
        seconds = _seconds(speeches)
        if not speeches or not speeches[-1].is_last or seconds > self._longest / 4:
            return
        with self._lock:
            replaced = self._kept.pop(key := _key(sentence, voice), ())
            self._kept[key] = tuple(speeches)
            self._seconds += seconds - _seconds(replaced)
            while self._seconds > self._longest:
                _, oldest = self._kept.popitem(last=False)
                self._seconds -= _seconds(oldest)


def _seconds(speeches: list[Speech] | tuple[Speech, ...]) -> float:
    return sum(speech.audio.duration for speech in speeches)


def _key(sentence: Sentence, voice: str) -> _Key:
    # The sentence that opens an answer is spoken in shorter pieces than the others.
    return (
        voice,
        sentence.text,
        sentence.language,
        sentence.emotion,
        sentence.intensity,
        sentence.rate,
        sentence.index == 0,
    )
