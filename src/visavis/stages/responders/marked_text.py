"""A model's spoken text without the emotion marks in it, and with what they say."""

from __future__ import annotations

from visavis.core.types import Emotion, Said
from visavis.stages.mood.marks import awaits_mark, drop_marks, split_mark


class MarkedText:
    """Takes text as `SpokenText` gives it, a sentence on each line, and gives it as `Said`.

    A mark is for its line; one that has a line for itself is for the next. Any pieces of a text give the
    same text and the same emotions.
    """

    def __init__(self) -> None:
        self._held = ""  # the beginning of a line, while it may be one of a mark
        self._within = False
        self._emotion: Emotion | None = None

    def feed(self, text: str) -> list[Said]:
        """Take more and return what can be said."""
        out: list[Said] = []
        for part in text.splitlines(keepends=True):
            if self._within:
                out.append(Said(drop_marks(part), self._emotion))
                self._end(part)
                continue
            self._held += part
            if part.endswith("\n") or not awaits_mark(self._held):
                self._begin(out)
        return [said for said in out if said]

    def flush(self) -> list[Said]:
        """Return the rest."""
        out: list[Said] = []
        if self._held:
            self._begin(out)
        return out

    def _begin(self, out: list[Said]) -> None:
        line, self._held = self._held, ""
        emotion, rest = split_mark(line)
        self._emotion = emotion or self._emotion
        if not rest.strip():
            return
        out.append(Said(drop_marks(rest), self._emotion))
        self._within = True
        self._end(rest)

    def _end(self, part: str) -> None:
        if part.endswith("\n"):
            self._within, self._emotion = False, None
