"""Sound of anybody in, mouth channels out, as it comes."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from visavis.core.types import FPS, Floats
from visavis.media.resampling import Resampler
from visavis.models.audio2mouth.features import (
    BANDS,
    HOP,
    LEAD,
    ROWS_PER_FRAME,
    SAMPLE_RATE,
    SAMPLES_PER_FRAME,
    START_ROWS,
    WINDOW,
    log_mel,
    mirror_after,
    mirror_before,
    row_level,
)
from visavis.models.common.units import MOUTH_UNITS
from visavis.models.runtime import load

LEFT = 48
"""Frames before a frame that the network hears."""
RIGHT = 4
"""Frames after it."""
LOOKAHEAD_S = (RIGHT * SAMPLES_PER_FRAME + WINDOW - LEAD - SAMPLES_PER_FRAME // 4) / SAMPLE_RATE
"""Seconds of sound after a frame's end that are needed for it: 0.1675."""

_SHUT_DB = -70.0
"""Sound that is nowhere louder than this near a frame is silence, whatever the network says."""
_OPEN_DB = -60.0
_NEAR = 3
"""Frames on each side that count as near."""


class MouthFromSound:
    """Mouth channels from sound in any language, 25 times a second.

    Chunks give the same as the whole. Not thread-safe; the network behind it is shared.

    Args:
        sample_rate: Hz of what will be fed.
        model: The .onnx file; by default the asset ``audio2mouth``.
    """

    lookahead_s = LOOKAHEAD_S

    def __init__(self, sample_rate: int = SAMPLE_RATE, model: Path | None = None) -> None:
        if model is None:
            from visavis.models.assets import locate

            model = locate("audio2mouth")
        # One thread: the network is small. Never OpenVINO: its bf16 would make chunks differ.
        self._network = load(model, runtime="onnxruntime", threads=1, device="cpu")
        self._sample_rate = sample_rate
        self._piece = 20 * sample_rate  # bounds the memory for long sound
        self.reset()

    def reset(self) -> None:
        """Forget everything; what comes next is the beginning of a stream."""
        self._resampler = Resampler(self._sample_rate, SAMPLE_RATE)
        self._fed = 0
        self._made = 0
        self._sound: Floats = np.zeros(LEAD, np.float32)
        self._features: Floats = np.zeros((0, BANDS), np.float32)
        self._levels: Floats = np.zeros(0, np.float32)
        self._is_begun = False

    def feed(self, samples: Floats) -> Floats:
        """Take sound and return the frames that are certain by now.

        Args:
            samples: float32 (n,) in [-1, 1] at the rate that was agreed; not finite ones are 0.

        Returns:
            float32 (k, 12) in [0, 1], in the order of ``MOUTH_UNITS``, following the last ones.
        """
        return self.follow(samples)[:, :-1]

    def flush(self) -> Floats:
        """Return the rest, as if it went on as it was, and begin a new stream.

        In all there are ``ceil(seconds * 25)`` frames.
        """
        return self.follow_to_end()[:, :-1]

    def follow(self, samples: Floats) -> Floats:
        """As ``feed``, with one column more: whether somebody speaks, 0 (silence) to 1."""
        parts = [np.zeros((0, len(MOUTH_UNITS) + 1), np.float32)]
        for first in range(0, len(samples), self._piece):
            piece = np.asarray(samples[first : first + self._piece], np.float32)
            piece = np.nan_to_num(piece, posinf=0.0, neginf=0.0)
            self._fed += len(piece)
            self._hear(self._resampler.feed(piece))
            parts.append(self._show(None))
        return np.concatenate(parts)

    def follow_to_end(self) -> Floats:
        """As ``flush``, with the column that ``follow`` has more."""
        frames = -(-self._fed * FPS // self._sample_rate)
        self._hear(self._resampler.flush())
        if not len(self._features):
            self._hear(np.zeros(WINDOW, np.float32))  # less than one row of sound
        begun = LEFT if self._is_begun else 0
        lacking = ROWS_PER_FRAME * (begun + frames - self._made + RIGHT) - len(self._features)
        if lacking > 0:
            rest = (mirror_after(r, lacking) for r in (self._features, self._levels))
            self._add_rows(*rest)
        mouth = self._show(frames)
        self.reset()
        return mouth

    def _hear(self, sound: Floats) -> None:
        """Turn sound at 16 kHz into feature rows."""
        self._sound = np.concatenate([self._sound, sound])
        features = log_mel(self._sound)
        if len(features):
            self._add_rows(features, row_level(self._sound))
            self._sound = self._sound[len(features) * HOP :]

    def _add_rows(self, features: Floats, levels: Floats) -> None:
        self._features = np.concatenate([self._features, features])
        self._levels = np.concatenate([self._levels, levels])
        if not self._is_begun and len(self._features) >= START_ROWS:
            before = ROWS_PER_FRAME * LEFT
            self._features, self._levels = (
                np.concatenate([mirror_before(rows[:START_ROWS], before), rows])
                for rows in (self._features, self._levels)
            )
            self._is_begun = True

    def _show(self, until: int | None) -> Floats:
        """Compute the frames that have all they need, up to ``until`` if given."""
        certain = len(self._features) // ROWS_PER_FRAME - LEFT - RIGHT
        ready = certain if until is None else min(certain, until - self._made)
        if ready <= 0:
            return np.zeros((0, len(MOUTH_UNITS) + 1), np.float32)
        rows = ROWS_PER_FRAME * (LEFT + ready + RIGHT)
        found = self._network.run({"features": self._features[None, :rows]})["mouth"][0]
        speaking = self._openness(found[:, -1], ready)[:, None]
        self._features = self._features[ROWS_PER_FRAME * ready :]
        self._levels = self._levels[ROWS_PER_FRAME * ready :]
        self._made += ready
        return np.concatenate([found[:, :-1] * speaking, speaking], 1).astype(np.float32)

    def _openness(self, speaking: Floats, frames: int) -> Floats:
        """Factor that shuts the mouth where nobody speaks. (frames,) -> (frames,) in [0, 1]."""
        first = ROWS_PER_FRAME * (LEFT - _NEAR)
        near = ROWS_PER_FRAME * (2 * _NEAR + 1)
        levels = self._levels[first : first + ROWS_PER_FRAME * (frames - 1) + near]
        loudest = np.lib.stride_tricks.sliding_window_view(levels, near)[::ROWS_PER_FRAME].max(1)
        loud = np.clip((loudest - _SHUT_DB) / (_OPEN_DB - _SHUT_DB), 0, 1)
        sure = np.clip((speaking - 0.2) / 0.4, 0, 1)
        open_: Floats = (loud * sure * sure * (3 - 2 * sure)).astype(np.float32)
        return open_


def mouth_from_sound(samples: Floats, sample_rate: int) -> Floats:
    """Mouth channels of a whole sound: float32 (n,) -> (ceil(n / sample_rate * 25), 12)."""
    stream = MouthFromSound(sample_rate)
    return np.concatenate([stream.feed(samples), stream.flush()])
