"""Keeping up with a listener who hears an answer while it is made, on a machine that hardly can.

Two things are weighed here, both without a clock of their own: how long the first piece of an answer
waits so that the next one is there when it ends, and when the face makes do with half the pictures so
that the sound does not break off.
"""

from __future__ import annotations

from collections.abc import Sequence

from visavis.core.types import Speech

USUAL = 2.0
"""Seconds of speech that a voice is taken to make in a second, until it has shown otherwise."""
LONGEST_WAIT = 0.6
"""Seconds that a first piece is held back at most."""
HESITATION = 0.4
"""Seconds of silence that are no hole where there is a comma."""
_PAUSES = frozenset(",;:.!?—…，、；：。！？")
_GROWTH = 1.6
"""How much longer a piece is taken to be than the one before it."""
_LONGEST = 1.6
"""Seconds of a piece that grows; one that is longer already stays as long."""
_SLACK = 0.08
"""Seconds for the way from the voice to the player."""
_RECALLED = 20.0
"""Seconds of speech in a second that no voice makes: it was remembered."""
_BEGINNING = 0.5
"""Seconds of speech that take as long to make as what precedes the first piece of a sentence."""
_HALF = 2.0
"""Seconds of speech after which half of what was known of the speed is replaced."""
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

    def note_spoken(self, speech: Speech, busy: float) -> None:
        """Learn from a piece of speech, and how many seconds the voice worked on it."""
        seconds = speech.audio.duration
        if seconds <= 0 or busy * _RECALLED <= seconds:
            return
        made = seconds if speech.audio.offset else seconds + _BEGINNING
        self.speed += (1 - 0.5 ** (seconds / _HALF)) * (made / busy - self.speed)

    def wait_before(self, spoken: Sequence[Speech], lookahead: float, waited: float = 0.0) -> float:
        """Tell how long to wait from the newest piece on before the first one may sound.

        Args:
            spoken: The pieces of the opening sentence that are there.
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
            piece = min(left, max(last, min(_GROWTH * last, _LONGEST)))
            if left - piece < 0.3 * piece:
                piece = left
            computed += piece / self.speed
            wait = max(wait, computed - played)
            played += piece
            left, last = left - piece, piece
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
    """Whether a piece ends where anybody would pause, by its phoneme marks."""
    said = [mark.text for mark in speech.marks if mark.kind == "phoneme" and mark.text.strip()]
    return bool(said) and said[-1] in _PAUSES


def _share_spoken(spoken: Sequence[Speech]) -> float:
    """How much of the sentence's text has been spoken, 0..1, by its word marks; 0 where unknown."""
    text = spoken[-1].sentence.text
    newest = spoken[-1].audio
    until = newest.offset + len(newest.samples)
    end = 0.0
    for speech in spoken:
        for mark in speech.marks:
            if mark.kind == "word" and (found := text.find(mark.text, int(end))) >= 0:
                # A word that began may end in the next piece.
                heard = min((until - mark.start) / max(mark.end - mark.start, 1), 1.0)
                end = found + len(mark.text) * max(heard, 0.0)
    return end / len(text) if text else 0.0
