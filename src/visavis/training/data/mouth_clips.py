"""Clips for the mouth network: made anew each time, from a seed and a number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from visavis.core.types import Floats, Mark
from visavis.models.audio2mouth.features import (
    LEAD,
    ROWS_PER_FRAME,
    SAMPLES_PER_FRAME,
    START_ROWS,
    log_mel,
    mirror_after,
    mirror_before,
)
from visavis.models.common.units import MOUTH_UNITS
from visavis.models.puppet.coarticulation import mouth_track
from visavis.training.data.augmentation import NOISES, colour, level_db, make_babble, make_noise
from visavis.training.data.speech_corpus import RATE, Utterance

_MANY_VOICES = 0.65
"""Share of the sentences that are said by the synthesizer with many voices."""


@dataclass(frozen=True, slots=True, eq=False)
class MouthClip:
    """What the network hears and what it shall show.

    Attributes:
        features: float32 (4 (left + F + right), 80).
        mouth: float32 (F, 12).
        speaking: float32 (F,), 1 where the mouth is not shut for silence.
    """

    features: Floats
    mouth: Floats
    speaking: Floats


class MouthClips:
    """Clip number n of a seed is always the same.

    Args:
        utterances: What is spoken in them.
        frames: Length of a clip.
        left: Frames of sound before it.
        right: Frames of sound after it.
        seed: Of everything.
    """

    def __init__(
        self, utterances: Sequence[Utterance], frames: int, left: int, right: int, seed: int
    ) -> None:
        self._utterances = utterances
        # One of many voices more often than the one voice of which there is the most.
        groups = (
            [u for u in utterances if u.engine == "kokoro"],
            [u for u in utterances if u.engine != "kokoro"],
        )
        self._groups = [g for g in groups if g]
        self._frames, self._left, self._right = frames, left, right
        self._seed = seed

    def make(self, number: int) -> MouthClip:
        """Compose, colour, add noise, and compute the features and the wanted track."""
        rng = np.random.default_rng((self._seed, number))
        frames = self._left + self._frames + self._right
        count = (frames + 1) * SAMPLES_PER_FRAME
        sound, marks = self._compose(count, rng)
        mouth = mouth_track(marks, RATE, self._left, self._frames)
        speaking = (mouth.max(axis=1) > 0.04).astype(np.float32)
        sound = self._record(sound, bool(marks), rng)
        features = log_mel(np.concatenate([np.zeros(LEAD, np.float32), sound]))
        features = features[: frames * ROWS_PER_FRAME]
        before, after = self._left * ROWS_PER_FRAME, self._right * ROWS_PER_FRAME
        if rng.random() < 0.3:  # the stream begins here, maybe in the middle of a word
            start = sound[self._left * SAMPLES_PER_FRAME :]
            rows = log_mel(np.concatenate([np.zeros(LEAD, np.float32), start]))
            rows = rows[: len(features) - before]
            features = np.concatenate([mirror_before(rows[:START_ROWS], before), rows])
        if rng.random() < 0.2:  # it ends with the clip
            features = np.concatenate([features[:-after], mirror_after(features[:-after], after)])
        return MouthClip(features, mouth, speaking)

    def _compose(self, count: int, rng: np.random.Generator) -> tuple[Floats, list[Mark]]:
        """Sentences with pauses between them, at all phases to the frames; sometimes nothing."""
        sound = np.zeros(count, np.float32)
        marks: list[Mark] = []
        if rng.random() < 0.07:
            return sound, marks
        at = -int(rng.integers(0, 3 * RATE))
        while at < count:
            group = self._groups[0 if rng.random() < _MANY_VOICES else -1]
            utterance = group[int(rng.integers(len(group)))]
            # Resampling moves pitch and formants, too: as good as another speaker.
            rate = float(np.exp(rng.uniform(-0.16, 0.16)))
            said = utterance.samples
            if abs(rate - 1) > 0.02:
                said = np.interp(np.arange(0, len(said) - 1, rate), np.arange(len(said)), said)
            said = said / (10 ** (level_db(said) / 20) + 1e-6) * 0.06 * np.exp(rng.normal(0, 0.2))
            first, last = max(at, 0), min(at + len(said), count)
            if last > first:
                sound[first:last] += said[first - at : last - at]
                marks += [
                    Mark("phoneme", m.text, at + round(m.start / rate), at + round(m.end / rate))
                    for m in utterance.marks
                ]
            # Voices leave silence around a sentence; now and then there is less than none of it.
            at += len(said) + int(rng.choice((-0.15, 0.0, 0.3, 1.5)) * RATE * rng.random())
        return sound, marks

    def _record(self, sound: Floats, spoken: bool, rng: np.random.Generator) -> Floats:
        """Room, noise and gain."""
        if spoken and rng.random() < 0.6:
            sound = colour(sound, rng)
        if rng.random() < (0.6 if spoken else 0.85):
            kind = str(rng.choice((*NOISES, "babble") if spoken else NOISES))
            if kind == "babble":
                picks = rng.integers(len(self._utterances), size=int(rng.integers(4, 9)))
                noise = make_babble(
                    [self._utterances[int(i)].samples for i in picks], len(sound), rng
                )
                ratio = rng.uniform(12, 30)
            else:
                noise = make_noise(kind, len(sound), rng)  # type: ignore[arg-type]
                ratio = rng.uniform(3, 35)
            sound = sound + noise * (0.6 * 10 ** (-ratio / 20))
        return (sound * 10 ** (rng.uniform(-22, 16) / 20)).clip(-1, 1).astype(np.float32)


def stack(clips: Sequence[MouthClip]) -> tuple[Floats, Floats, Floats]:
    """Batch clips: features (B, R, 80), mouth (B, F, 12), speaking (B, F)."""
    assert clips[0].mouth.shape[1] == len(MOUTH_UNITS)
    return (
        np.stack([c.features for c in clips]),
        np.stack([c.mouth for c in clips]),
        np.stack([c.speaking for c in clips]),
    )
