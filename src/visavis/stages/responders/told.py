"""Where an answer came from, as it is handed to who shows it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

Outcome: TypeAlias = Literal["answer", "choice", "hint", "refusal"]
Origin: TypeAlias = Literal["stored", "passages", "verbatim", "open", "none"]


@dataclass(frozen=True, slots=True)
class Citation:
    """A passage that an answer rests on.

    Attributes:
        title: Of the source; its web address or the place in it where it has none.
        url: Of the source, or empty.
        place: Where in the source, or the stored question.
        text: The passage, cleaned.
        score: Estimated chance that it holds the answer, 0..1.
    """

    title: str
    url: str
    place: str
    text: str
    score: float


@dataclass(frozen=True, slots=True)
class Told:
    """What became of a question.

    Attributes:
        outcome: As of `FaqResponder`'s answers.
        origin: ``stored``: the base's own words, answer or question back. ``passages``: a model's, from
            the citations. ``verbatim``: a passage, word for word. ``open``: a model's, from nothing that
            could be checked. ``none``: a fixed sentence.
        confidence: Of the best stored answer or passage, 0..1.
        citations: What the answer rests on, in the order in which it named them.
        stored: The base's own answer where it has one: that of `FaqResponder.answer`.
    """

    outcome: Outcome
    origin: Origin
    confidence: float = 0.0
    citations: tuple[Citation, ...] = ()
    stored: Any = None


Tell: TypeAlias = Callable[[Told], None]
