"""Log-mel features of 16 kHz sound, in numpy: what the mouth network hears.

Row k of a stream covers the samples from 160 k - 120 to 160 k + 280, so that the four rows 4 i to
4 i + 3 lie evenly around video frame i, samples 640 i to 640 (i + 1).
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from visavis.core.types import Floats

SAMPLE_RATE = 16_000
"""Hz."""
HOP = 160
WINDOW = 400
LEAD = 120
"""Samples of the first window that lie before the stream."""
BANDS = 80
ROWS_PER_FRAME = 4
SAMPLES_PER_FRAME = 640

FLOOR_DB = -100.0
"""Full scale is 0; less than this is heard as this, so that silence is silence whatever made it."""
SILENCE = -2.0
"""The feature of every band in silence."""
START_ROWS = 20
"""What is made up before a stream mirrors so many of its rows: those its first frame needs."""
_FFT = 512


def log_mel(samples: Floats) -> Floats:
    """Features of a stretch of sound that begins ``LEAD`` samples before its first row's hop.

    Args:
        samples: float32 (n,) at 16 kHz.

    Returns:
        float32 ((n - 400) // 160 + 1, 80), in units of 20 dB above -60 dB: -2 is
        ``FLOOR_DB``, 3 is full scale.
    """
    if len(samples) < WINDOW:
        return np.zeros((0, BANDS), np.float32)
    windows = np.lib.stride_tricks.sliding_window_view(samples, WINDOW)[::HOP]
    window, filters = _tables()
    spectrum = np.fft.rfft(windows * window, _FFT, axis=1)
    power = (spectrum.real**2 + spectrum.imag**2).astype(np.float32)
    level = 10 * np.log10(power @ filters + np.float32(10 ** (FLOOR_DB / 10)))
    features: Floats = ((np.maximum(level, FLOOR_DB) + 60) / 20).astype(np.float32)
    return features


def mirror_before(rows: Floats, count: int) -> Floats:
    """Make up ``count`` rows before a stream, from its first: back and forth.

    A stream may begin in a noise or in the middle of a word. With silence before it, a noise would
    be heard to begin, as a word does.
    """
    return np.pad(rows, ((count, 0), *((0, 0),) * (rows.ndim - 1)), mode="symmetric")[:count]


def mirror_after(rows: Floats, count: int) -> Floats:
    """Make up ``count`` rows after a stream, from its last."""
    return mirror_before(rows[::-1], count)[::-1]


def row_level(samples: Floats) -> Floats:
    """Loudness of each row in dB below full scale, not less than ``FLOOR_DB``. (n,) -> (rows,)."""
    if len(samples) < WINDOW:
        return np.zeros(0, np.float32)
    windows = np.lib.stride_tricks.sliding_window_view(samples, WINDOW)[::HOP]
    power = np.einsum("rs,rs->r", windows, windows) / WINDOW
    level: Floats = (10 * np.log10(power + 10 ** (FLOOR_DB / 10))).astype(np.float32)
    return level


@lru_cache(maxsize=1)
def _tables() -> tuple[Floats, Floats]:
    """Window (400,), scaled so that a full-scale sine is 0 dB, and mel filters (257, 80).

    Slaney's mel scale: linear to 1 kHz, then logarithmic (Auditory Toolbox, 1998).
    """
    window = np.hanning(WINDOW + 2)[1:-1]
    window *= 2 / window.sum()

    def to_hz(mel: np.ndarray) -> np.ndarray:
        return np.where(mel < 15, mel * 200 / 3, 1000 * np.exp((mel - 15) * np.log(6.4) / 27))

    top = 15 + 27 * np.log(SAMPLE_RATE / 2 / 1000) / np.log(6.4)
    edges = to_hz(np.linspace(0.6, top, BANDS + 2))
    hz = np.fft.rfftfreq(_FFT, 1 / SAMPLE_RATE)[:, None]
    rise = (hz - edges[:-2]) / (edges[1:-1] - edges[:-2])
    fall = (edges[2:] - hz) / (edges[2:] - edges[1:-1])
    return window.astype(np.float32), np.maximum(0, np.minimum(rise, fall)).astype(np.float32)
