"""Many texts in one string, which takes half the memory of a list and is searched as a whole.

Shapes: n texts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, overload

import numpy as np
import numpy.typing as npt

from visavis.knowledge.postings import Arrays, Integers

_BETWEEN = "\n"


class TextList(Sequence[str]):
    """Texts, cut out of one string when they are asked for."""

    def __init__(self, texts: Sequence[str]) -> None:
        """Join n texts."""
        lengths = np.array([len(text) for text in texts], np.int64)
        self._take(_BETWEEN.join(texts), np.cumsum(lengths + 1))

    @classmethod
    def of(cls, arrays: Arrays) -> TextList:
        """Take what ``arrays`` gave."""
        made = cls.__new__(cls)
        made._take(arrays["letters"].tobytes().decode("utf-8", "surrogatepass"), arrays["ends"])
        return made

    def arrays(self) -> Iterator[tuple[str, npt.NDArray[Any]]]:
        """Yield what ``of`` takes: ``letters`` uint8, UTF-8, and ``ends`` int64 (n,)."""
        yield "letters", np.frombuffer(self._joined.encode("utf-8", "surrogatepass"), np.uint8)
        yield "ends", self._ends

    def _take(self, joined: str, ends: Integers) -> None:
        self._joined, self._ends = joined, ends

    def __len__(self) -> int:
        return len(self._ends)

    @overload
    def __getitem__(self, place: int) -> str: ...
    @overload
    def __getitem__(self, place: slice) -> list[str]: ...
    def __getitem__(self, place: int | slice) -> str | list[str]:
        if isinstance(place, slice):
            return [self[i] for i in range(*place.indices(len(self)))]
        count = len(self)
        if not -count <= place < count:
            raise IndexError(f"there are {count} texts, and none at {place}")
        place %= count
        begin = int(self._ends[place - 1]) if place else 0
        return self._joined[begin : int(self._ends[place]) - 1]

    def __iter__(self) -> Iterator[str]:
        begin = 0
        for end in self._ends.tolist():
            yield self._joined[begin : end - 1]
            begin = end

    def find_holding(self, part: str) -> Iterator[int]:
        """Yield the places of the texts that hold a part, in order; the part has no line break."""
        at = self._joined.find(part)
        while at >= 0:
            place = int(np.searchsorted(self._ends, at, side="right"))
            if place >= len(self):
                return
            yield place
            at = self._joined.find(part, int(self._ends[place]))
