"""Mel-frequency cepstral coefficients as the published judge computes them.

Source: Davis and Mermelstein, "Comparison of parametric representations for monosyllabic word
recognition" (1980), with the values of the package python_speech_features 0.6, with which SyncNet v2
is run; the numbers are equal to its numbers within rounding.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt

from visavis.core.errors import AudioTooShort
from visavis.core.types import Floats

SAMPLE_RATE = 16000
ROWS_PER_SECOND = 100
_LENGTH, _STEP = 400, 160
"""Samples of a window, which is not tapered: 25 ms, every 10 ms."""
_FFT = 512
_FILTERS, _KEPT = 26, 13
_LIFTER = 22
_PREEMPHASIS = 0.97
_AT_ONCE = 6000
"""Windows that are computed together: a minute."""


def cepstrum(samples: npt.NDArray[np.floating]) -> Floats:
    """Compute the coefficients of a sound.

    They depend on its scale, so samples are first rounded to 16 bits, as in the files that the
    published judge reads: the first coefficient is the logarithm of a window's energy in those units.

    Args:
        samples: (n,) in [-1, 1], 16 kHz.

    Returns:
        float32 (R, 13), one row each 10 ms; the last window is filled with zeros.

    Raises:
        AudioTooShort: There is no sample.
    """
    if not len(samples):
        raise AudioTooShort("there is no sound to measure")
    whole = np.clip(np.rint(np.asarray(samples, np.float64) * 32768), -32768, 32767)
    whole[1:] -= _PREEMPHASIS * whole[:-1].copy()
    rows = 1 + max(0, -(-(len(whole) - _LENGTH) // _STEP))
    padded = np.pad(whole, (0, (rows - 1) * _STEP + _LENGTH - len(whole)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, _LENGTH)[::_STEP]
    found = np.empty((rows, _KEPT), np.float32)
    for first in range(0, rows, _AT_ONCE):
        found[first : first + _AT_ONCE] = _transform(windows[first : first + _AT_ONCE])
    return found


def _transform(windows: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    power = np.abs(np.fft.rfft(windows, _FFT)) ** 2 / _FFT
    energy, bands = power.sum(1), power @ _filters().T
    tiny = np.finfo(np.float64).eps
    logs = np.log(np.where(bands == 0, tiny, bands))
    coefficients: npt.NDArray[np.float64] = logs @ _cosines().T * _lift()
    coefficients[:, 0] = np.log(np.where(energy == 0, tiny, energy))
    return coefficients


@cache
def _filters() -> npt.NDArray[np.float64]:
    """Triangles (26, 257), equally wide in mel from 0 to 8000 Hz, their corners on whole bins."""
    top = 2595 * np.log10(1 + SAMPLE_RATE / 2 / 700)
    hertz = 700 * (10 ** (np.linspace(0, top, _FILTERS + 2) / 2595) - 1)
    corners = np.floor((_FFT + 1) * hertz / SAMPLE_RATE)
    left, middle, right = (corners[k : k + _FILTERS, None] for k in range(3))
    bins = np.arange(_FFT // 2 + 1)
    rising, falling = (bins - left) / (middle - left), (right - bins) / (right - middle)
    return np.asarray(np.clip(np.minimum(rising, falling), 0, None), np.float64)


@cache
def _cosines() -> npt.NDArray[np.float64]:
    """The first rows (13, 26) of the orthonormal discrete cosine transform II."""
    k, n = np.arange(_KEPT)[:, None], np.arange(_FILTERS)
    rows = np.cos(np.pi * k * (2 * n + 1) / (2 * _FILTERS)) * np.sqrt(2 / _FILTERS)
    rows[0] /= np.sqrt(2)
    return np.asarray(rows, np.float64)


@cache
def _lift() -> npt.NDArray[np.float64]:
    return np.asarray(1 + _LIFTER / 2 * np.sin(np.pi * np.arange(_KEPT) / _LIFTER), np.float64)
