"""What a FunASR server's messages mean, as transcripts.

``2pass-online`` messages add a few characters each; a ``2pass-offline`` one replaces them by the
corrected text of the whole stretch. ``is_final`` cannot be relied on alone: the C++ server sets it on the
last message, the Python one on all but the last.
"""

from __future__ import annotations

import json
from typing import Any

from visavis.core.types import Emotion, Language, Transcript
from visavis.stages.recognizers.rich_text import FeltTranscript, read_tags

_LONGEST = 20_000
"""Characters of a text; no server writes more in one stretch."""


class ResultReader:
    """Collects the messages of one stream.

    Args:
        only_online: Whether the server corrects nothing, so that what was shown becomes final.
    """

    def __init__(self, only_online: bool = False) -> None:
        self._only_online = only_online
        self._shown = ""
        self._begin = 0.0
        self._shown_from: float | None = None
        self._flag: bool | None = None
        self._has_ended = False
        self.is_settling = False
        """Whether a final text came after the end of the sound, and perhaps nothing follows."""
        self.is_over = False
        """Whether the server has said that nothing follows."""
        self.finals = 0
        """Stretches that were corrected so far."""

    @property
    def is_owing(self) -> bool:
        """Whether there are partial results that no final one has replaced."""
        return bool(self._shown) and not self._only_online

    def end(self) -> None:
        """The sound is over."""
        self._has_ended = True
        self.is_settling = self._only_online and bool(self._shown)

    def settle(self) -> None:
        """Nothing more is expected, as all speech was answered; a word that is shown still is."""
        self.is_settling = self.is_settling or not self.is_owing

    def read(self, message: dict[str, Any], now: float) -> list[Transcript]:
        """Take a message.

        Args:
            message: As the server sent it.
            now: Seconds of sound that it was given so far.

        Returns:
            No transcript or one, in seconds since the stream began.
        """
        mode, text = message.get("mode"), message.get("text")
        flag = message.get("is_final")
        if not isinstance(text, str) or len(text) > _LONGEST:
            return []
        plain, language, emotion = read_tags(text)
        is_partial = isinstance(mode, str) and mode.endswith("online")
        if self._has_ended and not is_partial:
            turned = isinstance(flag, bool) and self._flag is not None and flag != self._flag
            self.is_settling, self.is_over = True, turned
        elif self._has_ended and self._only_online:
            self.is_settling = True
        if isinstance(flag, bool):
            self._flag = flag
        if is_partial:
            return self._show(text, now)
        self.finals += 1
        self._shown, shown_from, self._shown_from = "", self._shown_from, None
        start, end = _read_times(message, self._begin, now)
        if start is None:
            start = self._begin if shown_from is None else max(shown_from, self._begin)
        self._begin = end
        if not plain or not any(c.isalnum() for c in plain):
            return []
        return [_write(plain, start, end, language, emotion, is_final=True)]

    def close(self, now: float) -> list[Transcript]:
        """Give what was shown and never corrected, where the server corrects nothing."""
        plain, language, emotion = read_tags(self._shown)
        if not self._only_online or not plain:
            return []
        self._shown = ""
        return [_write(plain, self._begin, now, language, emotion, is_final=True)]

    def _show(self, added: str, now: float) -> list[Transcript]:
        if self._shown_from is None:
            self._shown_from = max(self._begin, now - 1.2)
        # English words come apart, with or without a blank before them.
        joint = self._shown[-1:] + added[:1]
        self._shown += (
            " " if len(joint) == 2 and joint.isascii() and joint.isalnum() else ""
        ) + added
        if len(self._shown) > _LONGEST:
            self._shown = self._shown[-_LONGEST:]
        plain, language, emotion = read_tags(self._shown)
        if not plain:
            return []
        return [_write(plain, self._shown_from, now, language, emotion, is_final=False)]


def _write(
    text: str,
    start: float,
    end: float,
    language: Language | None,
    emotion: Emotion | None,
    *,
    is_final: bool,
) -> Transcript:
    if emotion is None:
        return Transcript(text, is_final, start, max(start, end), language)
    return FeltTranscript(text, is_final, start, max(start, end), language, (), emotion)


def _read_times(message: dict[str, Any], low: float, high: float) -> tuple[float | None, float]:
    """Find when a stretch begins and ends, where the server tells times that can be."""
    raw = message.get("timestamp")
    try:
        pairs: Any = json.loads(raw) if isinstance(raw, str) else raw
        start, end = float(pairs[0][0]) / 1000, float(pairs[-1][1]) / 1000
    except (ValueError, TypeError, IndexError, KeyError):
        return None, high
    if low <= start <= end <= high + 0.05:
        return start, min(end, high)
    return None, high
