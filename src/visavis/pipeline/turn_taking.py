"""Whose turn it is to speak: decided from speech probabilities, partial transcripts and the face's own words.

Pure logic: no models, no clock of its own. Time is the microphone's, in seconds of sound heard, so
that tests run in virtual time and a slow machine decides as a fast one does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from visavis.pipeline.decisions import (
    BargedIn,
    Began,
    Cleared,
    Decision,
    Discarded,
    Hushed,
    Paused,
    Resumed,
    Taken,
)
from visavis.pipeline.patience import Patience
from visavis.pipeline.phrasing import Reading, is_command_to_stop, read_ending, share_of_own_words

Mode: TypeAlias = Literal["off", "push", "open"]
_DOUBT, _LIKELY = 0.2, 0.5
"""Likelihood of an echo that is waited out while little was heard, and that counts later."""
_SOON = 0.4
"""Seconds of speech that are too few to tell an echo by its sound for sure."""
_ABOUT_TO = 0.04
"""Seconds before the face is interrupted at which it is asked whether it hears itself."""
_FOOLED = 2
"""Times that the face held its tongue for nothing, after which it waits for certainty."""


@dataclass(slots=True)
class _Speech:
    """Speech that goes on."""

    start: float
    spoken: float = 0.0
    silent_since: float | None = None
    accepted: bool = False
    guessed: bool = False
    partial: str = ""
    partial_at: float = 0.0
    last_speech: float = 0.0
    echo: float = 0.0
    """Most that it ever seemed to be the face's own voice."""
    hushed_at: float | None = None
    """When the face began to hold its tongue for it."""
    is_hushing: bool = False


@dataclass(slots=True)
class _Face:
    """What the face does, as far as the microphone is concerned."""

    turn: bool = False
    sounding: bool = False
    quiet_since: float = -1e9
    words: str = ""
    echoes: int = 0
    """How often the face was surely heard in the microphone, less what was surely not it."""
    fooled: int = 0
    """How often it held its tongue for nothing, less the times that somebody did speak."""


class TurnTaking:
    """Decides when the user's turn begins and ends, and when the face is interrupted.

    Feed it with ``hear``, ``note_partial``, ``note_face`` and ``note_echo``; each call returns what
    follows from it, in order. With the microphone ``open`` it finds the turns; with ``push`` a turn is
    what lies between ``press`` and ``release``; ``off`` hears nothing.
    """

    def __init__(self, mode: Mode = "push", patience: Patience | None = None) -> None:
        self.patience = patience or Patience()
        self._mode: Mode = mode
        self._now = 0.0
        self._speech: _Speech | None = None
        self._face = _Face()
        self._pressed = False

    @property
    def mode(self) -> Mode:
        """How the microphone is used."""
        return self._mode

    @property
    def is_listening(self) -> bool:
        """Whether the user speaks."""
        return self._pressed or (self._speech is not None and self._speech.accepted)

    @property
    def is_hearing(self) -> bool:
        """Whether there is speech, be it only the face's own: a transcript is worth following."""
        return self._speech is not None

    @property
    def wants_words(self) -> bool:
        """Whether the words are worth following.

        While the face may be interrupted they are not, until its sound alone, or its silence, did
        not decide: they take so long that the decision would come late.
        """
        speech = self._speech
        if speech is None or speech.is_hushing:
            return False
        return speech.accepted or not self._may_echo() or speech.spoken >= self.patience.barge_in

    @property
    def wants_echo(self) -> bool:
        """Whether it matters now if what is heard is the face's own voice."""
        speech = self._speech
        return (
            speech is not None
            and not speech.accepted
            and speech.spoken >= self.patience.barge_in - _ABOUT_TO
            and self._may_echo()
        )

    @property
    def speech_seconds(self) -> float:
        """How long ago the speech going on began."""
        return self._now - self._speech.start if self._speech is not None else 0.0

    @property
    def needed_from(self) -> float:
        """Second from which sound must be kept."""
        start = self._speech.start if self._speech is not None else self._now
        return max(start - self.patience.margin, 0.0)

    def set_mode(self, mode: Mode) -> list[Decision]:
        """Use the microphone otherwise; a turn that goes on is dropped."""
        if mode == self._mode:
            return []
        self._mode = mode
        self._pressed = False
        return self._discard("off")

    def press(self) -> list[Decision]:
        """The button goes down."""
        if self._mode != "push" or self._pressed:
            return []
        self._pressed = True
        self._speech = _Speech(self._now, accepted=True)
        out: list[Decision] = [BargedIn(self._now)] if self._face.turn else []
        return [*out, Began(self._now)]

    def release(self) -> list[Decision]:
        """The button comes up."""
        if not self._pressed:
            return []
        self._pressed = False
        speech = self._speech
        if speech is None:
            return []
        if speech.spoken < self.patience.shortest:
            return self._discard("noise")
        return [self._take(speech)]

    def note_face(self, turn: bool, sounding: bool, words: str = "") -> None:
        """Say what the face does.

        Args:
            turn: Whether it answers: it thinks or speaks.
            sounding: Whether sound of it is being sent.
            words: What it says now and said just before.
        """
        face = self._face
        if face.sounding and not sounding:
            face.quiet_since = self._now
        face.turn, face.sounding = turn, sounding
        if words:
            face.words = words

    def note_echo(self, likelihood: float) -> list[Decision]:
        """Say how likely the sound that is heard comes from the face itself, 0..1."""
        face, speech = self._face, self._speech
        if speech is not None:
            speech.echo = max(speech.echo, likelihood)
        # A vowel or two of somebody else may be as alike by chance; and where the face held its
        # tongue, that tells more surely who it was.
        surely = speech is None or (speech.spoken >= _SOON and speech.hushed_at is None)
        if likelihood >= 0.8 and surely:
            face.echoes = min(face.echoes + 1, 4)
        return self._consider()

    def note_partial(self, text: str) -> list[Decision]:
        """Take what was understood so far of the speech going on."""
        speech = self._speech
        if speech is None or text == speech.partial:
            return []
        speech.partial, speech.partial_at = text, self._now
        return self._consider()

    def hear(self, probability: float, seconds: float) -> list[Decision]:
        """Take the speech probability of the next stretch of sound.

        Args:
            probability: 0..1.
            seconds: How long the stretch is.
        """
        before, self._now = self._now, self._now + seconds
        if self._mode == "off" or (self._mode == "push" and not self._pressed):
            return []
        patience, speech = self.patience, self._speech
        if speech is None:
            if probability < patience.on:
                return []
            speech = self._speech = _Speech(before)
        out: list[Decision] = []
        if probability >= patience.on:
            if speech.guessed:
                speech.guessed = False
                out.append(Resumed(self._now))
            speech.silent_since = None
            speech.spoken += seconds
            speech.last_speech = self._now
        elif probability < patience.off and speech.silent_since is None:
            speech.silent_since = before
        return out + self._consider()

    # What follows.

    def _consider(self) -> list[Decision]:
        speech = self._speech
        if speech is None:
            return []
        out: list[Decision] = []
        if not speech.accepted:
            out = self._accept(speech)
        if speech.accepted and self._speech is speech:
            out += self._follow(speech)
        return out

    def _accept(self, speech: _Speech) -> list[Decision]:
        """Decide whether what is heard is the user speaking."""
        patience, face = self.patience, self._face
        silence = 0.0 if speech.silent_since is None else self._now - speech.silent_since
        if silence >= patience.noise:
            return self._discard("own voice" if self._is_own(speech) else "noise")
        needed = patience.barge_in if face.turn or self._may_echo() else patience.begin
        if speech.spoken < needed - 1e-9 or (self._may_echo() and self._is_own(speech)):
            # Its own voice may go on for long; what is kept of it must not.
            speech.start = max(speech.start, self._now - patience.longest / 2)
            return self._hush(speech)
        speech.accepted = True
        if speech.is_hushing:
            speech.is_hushing = False
            face.fooled = max(face.fooled - 1, 0)
        if self._may_echo():
            face.echoes = max(face.echoes - 1, 0)
        began = Began(speech.start)
        return [BargedIn(self._now), began] if face.turn else [began]

    def _hush(self, speech: _Speech) -> list[Decision]:
        """Hold the face's tongue while it is not clear who speaks, or let it go on."""
        patience, face = self.patience, self._face
        if speech.is_hushing and speech.hushed_at is not None:
            since = speech.silent_since
            silence = 0.0 if since is None else self._now - since
            was_click = speech.spoken < patience.begin and silence >= patience.click
            enough = was_click or self._now - speech.hushed_at >= patience.hushed
            return self._clear(speech) if enough else []
        trusted = face.echoes == 0 and face.fooled < _FOOLED and speech.echo < _DOUBT
        if not (face.sounding and trusted and speech.hushed_at is None):
            return []
        if speech.spoken < patience.hush or speech.silent_since is not None:
            return []
        speech.is_hushing, speech.hushed_at = True, self._now
        return [Hushed(self._now)]

    def _clear(self, speech: _Speech | None) -> list[Decision]:
        """Let the face go on, if it holds its tongue."""
        if speech is None or not speech.is_hushing:
            return []
        speech.is_hushing = False
        self._face.fooled = min(self._face.fooled + 1, 4)
        return [Cleared(self._now)]

    def _may_echo(self) -> bool:
        """Whether what was heard last may come from the face."""
        face, speech = self._face, self._speech
        heard = self._now if speech is None else speech.last_speech
        return face.sounding or heard - face.quiet_since < self.patience.echo_tail

    def _is_own(self, speech: _Speech) -> bool:
        """Whether the face hears itself, as far as can be told by now."""
        face, patience = self._face, self.patience
        if not self._may_echo():
            return False
        if is_command_to_stop(speech.partial) and not is_command_to_stop(face.words):
            return False
        if self._outlasts(speech):
            return False
        share = share_of_own_words(speech.partial, face.words)
        if share is None:
            # Nothing was understood yet: the sound itself must tell.
            limit = _DOUBT if speech.spoken < _SOON else _LIKELY
            return face.echoes >= 2 or speech.echo >= limit
        if speech.echo >= _LIKELY:
            return share >= 0.5 or speech.spoken < patience.proof
        return share >= 0.75

    def _outlasts(self, speech: _Speech) -> bool:
        """Whether it goes on though the face has been silent for too long to be heard."""
        since, silent = speech.hushed_at, speech.silent_since is not None
        return (
            speech.is_hushing
            and since is not None
            and not silent
            and self._now - since >= self.patience.outlasts
        )

    def _follow(self, speech: _Speech) -> list[Decision]:
        """Decide whether the user's turn is over."""
        patience = self.patience
        if self._now - speech.start >= patience.longest:
            self._pressed = False
            return [self._take(speech, was_cut=True)]
        if speech.silent_since is None:
            return []
        silence = self._now - speech.silent_since
        out: list[Decision] = []
        if silence >= patience.guess - 1e-9 and not speech.guessed:
            if speech.spoken >= patience.shortest:
                speech.guessed = True
                out.append(Paused(self._first_second(speech), speech.silent_since))
            elif not self._pressed and silence >= patience.usual:
                return self._discard("noise")
        if not self._pressed and silence >= self._pause_after(speech) - 1e-9:
            out += (
                [self._take(speech)]
                if speech.spoken >= patience.shortest
                else self._discard("noise")
            )
        return out

    def _pause_after(self, speech: _Speech) -> float:
        """Silence that ends the turn, by how its words read."""
        patience = self.patience
        reading: Reading = read_ending(speech.partial)
        if reading == "unfinished":
            return patience.unfinished
        if reading == "finished" and self._now - speech.partial_at >= patience.settled:
            return patience.finished
        return patience.usual

    def _take(self, speech: _Speech, *, was_cut: bool = False) -> Taken:
        end = speech.silent_since if speech.silent_since is not None else self._now
        self._speech = None
        return Taken(self._first_second(speech), end, was_cut)

    def _first_second(self, speech: _Speech) -> float:
        return max(speech.start - self.patience.margin, 0.0)

    def _discard(self, why: Literal["noise", "own voice", "off"]) -> list[Decision]:
        had, self._speech = self._speech, None
        return [*self._clear(had), Discarded(self._now, why)] if had is not None else []
