"""Keeping up with a listener who hears an answer while it is made, on a machine that hardly can.

Two things are weighed here, both without a clock of their own: how long the first clause of an answer
waits so that the next one is there when it ends, and when the face makes do with half the pictures so
that the sound does not break off.
"""

from __future__ import annotations

from collections.abc import Sequence

from visavis.core.types import Speech

USUAL = 2.0
"""Seconds of speech that a voice is taken to make in a second, until it has shown otherwise."""
LONGEST_WAIT = 0.6
"""Seconds that a first clause is held back at most."""
HESITATION = 0.4
"""Seconds of silence that are no hole where there is a comma."""
_PAUSES = frozenset(",;:.!?—…，、；：。！？")
_GROWTH = 2.0
"""How much longer a clause is taken to be than the one before it."""
_SLACK = 0.08
"""Seconds for the way from the voice to the player."""
_RECALLED = 20.0
"""Seconds of speech in a second that no voice makes: it was remembered."""
_NEW = 0.5
"""Weight of the newest clause in the speed."""
FEW = 5
"""Pictures in reserve at which the face makes do with half of them."""


class Pace:
    """What is known of one live stream's speed. The face's thread and the event loop both use it."""

    def __init__(self) -> None:
        self.speed = USUAL
        """Seconds of speech that the voice makes in a second."""
        self._turn = 0
        self._made = 0
        self._sent = 0

    def note_spoken(self, seconds: float, busy: float) -> None:
        """Learn from a clause: how long it is, and how long the voice worked on it."""
        if seconds > 0 and busy * _RECALLED > seconds:
            self.speed += _NEW * (seconds / busy - self.speed)

    def wait_before(self, spoken: Sequence[Speech], lookahead: float, waited: float = 0.0) -> float:
        """Tell how long to wait from the newest clause on before the first one may sound.

        Args:
            spoken: The clauses of the opening sentence that are there.
            lookahead: Seconds of sound that the face holds back within a phrase.
            waited: Seconds for which the first one has been held back already.

        Returns:
            Seconds, 0 where the rest will be there in time or is there; ``LONGEST_WAIT`` with what
            was waited already at most.
        """
        share = _share_spoken(spoken)
        if spoken[-1].is_last or share <= 0:
            return 0.0
        there = sum(speech.audio.duration for speech in spoken)
        left, last = there * (1 / share - 1), spoken[-1].audio.duration
        spare = HESITATION if ends_in_pause(spoken[-1]) else -lookahead
        computed, played, wait = 0.0, there + spare - _SLACK, 0.0
        while left > 1e-3:
            clause = min(left, _GROWTH * last)
            if left - clause < 0.3 * clause:
                clause = left
            computed += clause / self.speed
            wait = max(wait, computed - played)
            played += clause
            left, last = left - clause, clause
        return max(min(wait, LONGEST_WAIT - waited), 0.0)

    # The face.

    def begin(self, turn: int) -> None:
        """A turn is about to be shown."""
        self._turn, self._made, self._sent = turn, 0, 0

    def note_made(self, frames: int) -> None:
        """The face has made pictures of the turn."""
        self._made += frames

    def note_sent(self, turn: int) -> None:
        """A picture of a turn left."""
        if turn == self._turn:
            self._sent += 1

    @property
    def is_short(self) -> bool:
        """Whether so few pictures are in reserve that the sound is about to break off."""
        return self._sent > 0 and self._made - self._sent <= FEW


def is_complete(speech: Speech) -> bool:
    """Whether a sentence or phrase ends with it, so that it can stand alone for a moment."""
    return speech.is_last or ends_in_pause(speech)


def ends_in_pause(speech: Speech) -> bool:
    """Whether a clause ends where anybody would pause, by its phoneme marks."""
    said = [mark.text for mark in speech.marks if mark.kind == "phoneme" and mark.text.strip()]
    return bool(said) and said[-1] in _PAUSES


def _share_spoken(spoken: Sequence[Speech]) -> float:
    """How much of the sentence's text has been spoken, 0..1, by its word marks; 0 where unknown."""
    text = spoken[-1].sentence.text
    end = 0
    for speech in spoken:
        for mark in speech.marks:
            if mark.kind == "word":
                found = text.find(mark.text, end)
                end = found + len(mark.text) if found >= 0 else end
    return end / len(text) if text else 0.0
