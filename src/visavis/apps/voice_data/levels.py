"""How good a recording is: its level, its noise, whether it is clipped; and pieces made equally loud."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from visavis.core.types import Floats, Waveform

LEVEL_DBFS = -23.0
"""Of the speech in every piece: mean power, pauses left out."""
_HIGHEST_PEAK = 0.95
_FRAME_SECONDS = 0.02
_PAUSE_DB = -25.0
"""Frames this much below the loudest ones are pauses."""


def signal_to_noise(
    sound: Waveform, spoken: Sequence[tuple[int, int]], quiet: Sequence[tuple[int, int]]
) -> float | None:
    """Estimate how many dB the speech is above the noise.

    Args:
        sound: The recording.
        spoken: Stretches of speech in samples.
        quiet: Stretches without, in samples.

    Returns:
        At most 99; None where no quiet stretch is long enough to tell.
    """
    noise, loud = _power(sound.samples, quiet), _power(sound.samples, spoken)
    if noise is None or loud is None or sum(b - a for a, b in quiet) < 0.2 * sound.sample_rate:
        return None
    return float(np.clip(10 * np.log10(max(loud - noise, 1e-12) / max(noise, 1e-12)), -20, 99))


def speech_level(samples: Floats, rate: int) -> float:
    """Mean power of a piece in dB below a full-scale square wave, its pauses left out."""
    size = max(1, round(rate * _FRAME_SECONDS))
    rows = samples[: len(samples) // size * size].reshape(-1, size)
    if not len(rows):
        return -float("inf")
    power = np.mean(np.square(rows, dtype=np.float64), axis=1)
    loudest = float(np.quantile(power, 0.95))
    if loudest <= 0:
        return -float("inf")
    return float(10 * np.log10(np.mean(power[power >= loudest * 10 ** (_PAUSE_DB / 10)])))


def normalise(samples: Floats, rate: int) -> Floats:
    """Bring speech to ``LEVEL_DBFS``, or as near to it as its peaks allow."""
    level = speech_level(samples, rate)
    if not np.isfinite(level):
        return samples
    gain = 10 ** ((LEVEL_DBFS - level) / 20)
    peak = float(np.abs(samples).max(initial=0.0))
    gain = min(gain, _HIGHEST_PEAK / peak) if peak > 0 else gain
    return np.asarray(samples * np.float32(gain), np.float32)


def _power(samples: Floats, stretches: Sequence[tuple[int, int]]) -> float | None:
    count = sum(end - start for start, end in stretches)
    if not count:
        return None
    total = sum(
        float(np.sum(np.square(samples[start:end], dtype=np.float64))) for start, end in stretches
    )
    return total / count
