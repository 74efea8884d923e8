"""What a search hands over to be answered from, and how sure it has to be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from visavis.core.types import Language


class PassageLike(Protocol):
    """A piece of a base: the answer of a pair, or a stretch of a document."""

    @property
    def text(self) -> str:
        """What it says."""
        ...

    @property
    def source(self) -> str:
        """Where it comes from: a title, a web address, or both with a space between."""
        ...

    @property
    def place(self) -> str:
        """Where in the source: a page, a heading, the stored question; or empty."""
        ...

    @property
    def score(self) -> float:
        """Estimated chance that it holds the answer, 0..1."""
        ...


@dataclass(frozen=True, slots=True)
class Passage:
    """A `PassageLike` that is just that."""

    text: str
    source: str = ""
    place: str = ""
    score: float = 0.0


class Retrieve(Protocol):
    """A search: the best ``k`` passages for a question, best first."""

    def __call__(self, question: str, language: Language, k: int, /) -> Sequence[PassageLike]:
        """Search."""
        ...


def split_source(source: str) -> tuple[str, str]:
    """Split a source as it is written in a base: its title and its web address, each or empty."""
    words = source.split()
    url = next((word for word in words if word.startswith(("https://", "http://"))), "")
    return " ".join(word for word in words if word != url), url
