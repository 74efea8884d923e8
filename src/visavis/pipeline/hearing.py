"""The microphone's side: sound in, decisions about turns out, with the sound that they are about.

Everything here runs on one worker's thread, in the order in which it came; the models are passed in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np

from visavis.core.types import Floats, Language, Waveform
from visavis.media.resampling import Resampler
from visavis.pipeline.decisions import (
    Began,
    Decision,
    Paused,
    Taken,
)
from visavis.pipeline.echo import EchoGauge
from visavis.pipeline.patience import Patience
from visavis.pipeline.turn_taking import (
    Mode,
    TurnTaking,
)

RATE = 16_000
"""Hz at which everything is heard."""
CHUNK = 512
"""Samples for one speech probability."""
_CHUNK_S = CHUNK / RATE
_FOLLOW = 4 * CHUNK
"""Samples after which the partial transcript is asked for again."""
BEHIND = 0.8
"""Seconds of sound at once that show a machine too slow to follow the words as well: for the rest of
that turn it only hears where the speech is, so that no sound need be dropped."""
_COMPARED = 24
"""Chunks that are compared with what was sent, at most."""
_ECHO_EVERY = 0.12
"""Seconds between two comparisons with what was sent."""


class Ears(Protocol):
    """Models that listen to one microphone."""

    @property
    def language(self) -> Language | None:
        """The language that is being heard, where that is known."""
        ...

    def settle(self, language: Language) -> None:
        """Learn in which language the last turn was; called on another thread than the rest."""
        ...

    def speech_probability(self, chunk: Floats) -> float:
        """Tell how likely somebody speaks in the next 512 samples, 0..1."""
        ...

    def begin(self) -> None:
        """A new turn begins: forget the words of the one before."""
        ...

    def follow(self, samples: Floats) -> str:
        """Take the turn's next samples and give the words so far."""
        ...


@dataclass(frozen=True, slots=True)
class FaceNow:
    """What the face does while the sound is heard; see ``TurnTaking.note_face``."""

    turn: bool
    sounding: bool
    words: str


@dataclass(frozen=True, slots=True)
class Press:
    """The button goes down or comes up."""

    down: bool


@dataclass(frozen=True, slots=True)
class SetMode:
    """Use the microphone otherwise."""

    mode: Mode


Input: TypeAlias = Waveform | Press | SetMode | FaceNow


@dataclass(frozen=True, slots=True, eq=False)
class Noticed:
    """Something that follows from what was heard.

    Attributes:
        decision: About the turn; None for a new partial transcript.
        sound: float32 (n,) at 16 kHz, of a turn that paused or was taken.
        partial: Words so far.
        ago: Seconds of sound that were heard since the end of what the decision is about.
    """

    decision: Decision | None = None
    sound: Floats | None = None
    partial: str = ""
    ago: float = 0.0


class _Told(list[Noticed]):
    """What follows, which is told as it comes."""

    def __init__(self, tell: Callable[[Noticed], None]) -> None:
        super().__init__()
        self._tell = tell

    def append(self, noticed: Noticed) -> None:
        super().append(noticed)
        self._tell(noticed)


class Hearing:
    """Listens to one microphone.

    Args:
        ears: The models.
        mode: How the microphone is used.
        patience: How long things are waited for.
    """

    def __init__(self, ears: Ears, mode: Mode = "push", patience: Patience | None = None) -> None:
        self._ears = ears
        self._taking = TurnTaking(mode, patience)
        self._gauge = EchoGauge()
        self._resampler: Resampler | None = None
        self._rest = np.zeros(0, np.float32)
        self._kept: list[Floats] = []  # whole chunks, the oldest first
        self._kept_from = 0  # chunk number of the first one kept
        self._heard = 0  # chunks heard
        self._followed: int | None = None  # chunk up to which the words were followed
        self._partial = ""
        self._echo_at = 0.0
        self._follows = True  # whether there is time to follow the words of this turn

    def play(self, sound: Floats) -> None:
        """Take what is sent to the listener: float32 (960,) at 24 kHz."""
        self._gauge.play(sound)

    def process(
        self, inputs: Iterable[Input], tell: Callable[[Noticed], None] = lambda noticed: None
    ) -> list[Noticed]:
        """Take what came in, in order, and return what follows.

        Args:
            inputs: What came in.
            tell: Called with each of what follows at once: words take long to follow, and an
                interruption must not wait for them.
        """
        noticed = _Told(tell)
        inputs = list(inputs)
        behind = sum(i.duration for i in inputs if isinstance(i, Waveform)) > BEHIND
        self._follows = self._follows and not behind
        for item in inputs:
            match item:
                case Waveform():
                    self._hear(item, noticed)
                case Press(down=down):
                    self._note(self._taking.press() if down else self._taking.release(), noticed)
                case SetMode(mode=mode):
                    self._note(self._taking.set_mode(mode), noticed)
                case FaceNow(turn=turn, sounding=sounding, words=words):
                    self._taking.note_face(turn, sounding, words)
        if not behind and not self._taking.is_hearing:
            self._follows = True
        return noticed

    def _hear(self, sound: Waveform, noticed: list[Noticed]) -> None:
        if self._taking.mode == "off":
            return
        if self._resampler is None or self._resampler.from_rate != sound.sample_rate:
            self._resampler = Resampler(sound.sample_rate, RATE)
        # Broken decoders give NaN, which a network's state would never get rid of.
        samples = np.nan_to_num(sound.samples.astype(np.float32, copy=False))
        self._rest = np.concatenate([self._rest, self._resampler.feed(np.clip(samples, -1, 1))])
        whole = len(self._rest) // CHUNK * CHUNK
        chunks, self._rest = self._rest[:whole].reshape(-1, CHUNK), self._rest[whole:].copy()
        for chunk in chunks:
            self._step(chunk, noticed)

    def _step(self, chunk: Floats, noticed: list[Noticed]) -> None:
        taking = self._taking
        self._kept.append(chunk)
        self._heard += 1
        idle = taking.mode == "push" and not taking.is_listening
        probability = 0.0 if idle else self._ears.speech_probability(chunk)
        if taking.wants_echo:
            self._compare(noticed)
        self._note(taking.hear(probability, _CHUNK_S), noticed)
        if taking.wants_words:
            self._follow(noticed)
        elif not taking.is_hearing:
            self._followed = None
        keep = int(taking.needed_from / _CHUNK_S) - self._kept_from
        # Also what the gauge compares, which may lie before a turn.
        if keep > _COMPARED:
            del self._kept[: keep - _COMPARED]
            self._kept_from += keep - _COMPARED

    def _compare(self, noticed: list[Noticed]) -> None:
        """Compare what is heard since the speech began with what was sent."""
        now = self._heard * _CHUNK_S
        if now - self._echo_at < _ECHO_EVERY:
            return
        self._echo_at = now
        chunks = min(round(self._taking.speech_seconds / _CHUNK_S) + 1, _COMPARED)
        likelihood = self._gauge.likelihood(np.concatenate(self._kept[-chunks:]))
        self._note(self._taking.note_echo(likelihood), noticed)

    def _follow(self, noticed: list[Noticed]) -> None:
        """Hand new sound to the models that follow the words."""
        if self._followed is None:
            self._ears.begin()
            self._partial = ""
            self._followed = max(int(self._taking.needed_from / _CHUNK_S), self._kept_from)
        if not self._follows or (self._heard - self._followed) * CHUNK < _FOLLOW:
            return
        new = np.concatenate(self._kept[self._followed - self._kept_from :])
        self._followed = self._heard
        text = self._ears.follow(new)
        if text and text != self._partial:
            self._partial = text
            decisions = self._taking.note_partial(text)
            self._note(decisions, noticed)
            if self._taking.is_listening:
                noticed.append(Noticed(partial=text))

    def _note(self, decisions: list[Decision], noticed: list[Noticed]) -> None:
        for decision in decisions:
            sound, ago = None, 0.0
            if isinstance(decision, Paused | Taken):
                sound = self._sound_between(decision.start, decision.end)
                ago = self._heard * _CHUNK_S - decision.end
            noticed.append(Noticed(decision, sound, self._partial, ago))
            if isinstance(decision, Began) and self._partial:
                noticed.append(Noticed(partial=self._partial))

    def _sound_between(self, start: float, end: float) -> Floats:
        """The sound, with a little after its end for soft consonants."""
        first = max(round(start / _CHUNK_S) - self._kept_from, 0)
        last = round((end + 0.15) / _CHUNK_S) - self._kept_from
        pieces = self._kept[first:last]
        return np.concatenate(pieces) if pieces else np.zeros(0, np.float32)
