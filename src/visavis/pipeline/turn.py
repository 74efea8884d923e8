"""One turn of the dialogue: what was asked, what was answered, and what of it was heard."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from visavis.core.types import FPS, Message, Segment, Sentence, Speech, Transcript

TurnState: TypeAlias = Literal["running", "complete", "interrupted", "failed"]


@dataclass(slots=True)
class _Spoken:
    """A sentence on its way to the listener. Lengths are in frames."""

    sentence: Sentence
    length: float = 0.0
    whole: bool = False
    words: list[tuple[str, float]] = field(default_factory=list)
    delivered: int = 0
    first_frame: int = 0


class Turn:
    """What is known of one turn.

    Attributes:
        number: Rises with each turn and each interruption.
        began: When it was asked, on the conversation's clock.
        question: What was asked; empty until it was heard, and for text that is only spoken.
        answer: What the responder wrote so far.
        transcripts: Final transcripts of a spoken question.
        state: ``running`` until everything was made, it failed, or it was broken off.
        error: Why it failed.
        is_over: Everything of it was handed over.
    """

    def __init__(self, number: int, began: float = 0.0) -> None:
        self.number = number
        self.began = began
        self.question = ""
        self.answer = ""
        self.transcripts: list[Transcript] = []
        self.state: TurnState = "running"
        self.error: Exception | None = None
        self.is_over = False
        self._spoken: list[_Spoken] = []
        self._delivered = 0
        self._played: int | None = None
        self._was_sent = False

    @property
    def sentences(self) -> Sequence[Sentence]:
        """Sentences that the voice has begun with."""
        return [s.sentence for s in self._spoken]

    @property
    def delivered(self) -> float:
        """Seconds that left the conversation."""
        return self._delivered / FPS

    def note_speech(self, speech: Speech) -> None:
        """Take down how long a sentence is and when its words are said."""
        if not self._spoken or self._spoken[-1].sentence != speech.sentence:
            self._spoken.append(_Spoken(speech.sentence))
        spoken, rate = self._spoken[-1], speech.audio.sample_rate
        spoken.length = (speech.audio.offset + len(speech.audio.samples)) * FPS / rate
        spoken.words += [
            (mark.text, mark.end * FPS / rate) for mark in speech.marks if mark.kind == "word"
        ]
        spoken.whole = spoken.whole or speech.is_last

    def note_delivered(self, segment: Segment) -> None:
        """Count a segment that was handed to the listener."""
        for spoken in reversed(self._spoken):
            if spoken.sentence == segment.sentence:
                if spoken.delivered == 0:
                    spoken.first_frame = self._delivered
                spoken.delivered += len(segment.frames)
                break
        self._delivered += len(segment.frames)

    def note_cut(self, seconds: float) -> None:
        """Correct what was delivered: a player threw away what comes after this second."""
        frames = round(seconds * FPS)
        if frames < self._delivered:
            self._delivered = frames
            if self.state == "complete":
                self.state = "interrupted"

    def note_played(self, seconds: float) -> None:
        """Correct what was heard: the listener's player stands at this second of the turn."""
        self._played = min(max(round(seconds * FPS), self._played or 0), self._delivered)

    def note_sent(self) -> None:
        """Take down that all of it is on its way: a player a little behind will get to the end."""
        self._was_sent = True

    def heard(self) -> str:
        """Return the part of the answer that reached the listener, cut at a word.

        What was delivered counts as heard, unless the player said how far it got.
        """
        limit = self._delivered if self._played is None else self._played
        if self._was_sent and self._delivered - limit <= _BEHIND:
            limit = self._delivered
        complete = self.state == "complete" and limit == self._delivered
        texts = []
        for spoken in self._spoken:
            frames = min(spoken.delivered, limit - spoken.first_frame)
            if frames <= 0:
                continue
            # A sentence's last frames may travel in a segment that names its neighbour.
            if complete or (spoken.whole and frames >= spoken.length - _SLACK):
                texts.append(spoken.sentence.text)
                continue
            texts.append(_cut(spoken, frames) + "…")
            break
        return _join(texts)

    def messages(self) -> list[Message]:
        """Return the question and the part of the answer that was heard, as the dialogue has them."""
        question = [Message("user", self.question)] if self.question else []
        heard = self.heard()
        return [*question, Message("assistant", heard)] if heard else question


_SLACK = 0.3 * FPS
_BEHIND = 1.5 * FPS
"""Frames that a player's last report may lie back at the end: it buffers, and reports each second."""


def _cut(spoken: _Spoken, frames: int) -> str:
    """Cut a sentence where the voice had come to, by word marks or else by its share of the time."""
    text = spoken.sentence.text
    if spoken.words:
        end = 0
        for word, last in spoken.words:
            if last > frames + 1:
                break
            found = text.find(word, end)
            end = found + len(word) if found >= 0 else end
        return text[:end]
    end = int(len(text) * frames / max(spoken.length, frames, 1))
    while 0 < end < len(text) and text[end - 1].isascii() and text[end - 1].isalnum():
        if not (text[end].isascii() and text[end].isalnum()):
            break
        end -= 1
    return text[:end]


def _join(texts: Sequence[str]) -> str:
    joined = ""
    for text in texts:
        space = joined and joined[-1].isascii() and not joined[-1].isspace()
        joined += (" " if space else "") + text
    return joined


def join_heard(texts: Sequence[str]) -> str:
    """Join what was understood of a question, turn of speech by turn of speech."""
    joined = ""
    for text in texts:
        space = joined and joined[-1].isascii() and text[:1].isascii()
        joined += (" " if space else "") + text.strip()
    return joined.strip()
