"""Takes steady noise out of speech: fans, hiss, hum. Music and other voices stay.

Source: Ephraim and Malah 1985, "Speech enhancement using a minimum mean-square error log-spectral
amplitude estimator": the gain of equation 20 with the decision-directed estimate of the signal-to-noise
ratio (Ephraim and Malah 1984, equation 51). The noise is measured where nobody speaks.

Shapes: F frames of 32 ms, every 8 ms, with B bands each.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from visavis.core.types import Floats, Waveform

_WINDOW_SECONDS = 0.032
_OVERLAP = 4
_SMOOTHING = 0.98
"""Weight of the frame before in the signal-to-noise ratio; less lets single tones chirp."""
_LEAST_RATIO = 10 ** (-25 / 10)
_BLOCK_SECONDS = 60.0
"""Noise is measured anew for each, so that one that slowly changes is followed."""
_LEAST_QUIET = 60
"""Frames, half a second: with fewer quiet ones nearby, those of the whole recording are taken."""
_QUIETEST = 0.1
"""Share of the frames that is taken for noise where nothing says which are quiet."""
_SILENT_POWER = 1e-12

_Doubles = npt.NDArray[np.float64]


def denoise(
    sound: Waveform, quiet: Sequence[tuple[int, int]] = (), *, floor_db: float = -18.0
) -> Waveform:
    """Lower steady noise.

    Args:
        sound: Speech.
        quiet: Stretches in which nobody speaks, start and end in samples of ``sound``; without any
            the quietest tenth of it is taken.
        floor_db: No band is lowered by more; what is left of the noise hides the artefacts.

    Returns:
        As many samples, at the same time.
    """
    size = max(64, round(sound.sample_rate * _WINDOW_SECONDS) // _OVERLAP * _OVERLAP)
    hop = size // _OVERLAP
    count = len(sound.samples)
    if not count:
        return sound
    frames = -(-count // hop) + _OVERLAP - 1
    padded = np.zeros(frames * hop + size, np.float32)
    padded[size - hop : size - hop + count] = np.nan_to_num(sound.samples)
    made = np.zeros(len(padded), np.float32)
    window = np.sqrt(0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size))
    windows = np.lib.stride_tricks.sliding_window_view(padded, size)[::hop][:frames]

    is_quiet = _quiet_frames(windows, quiet, size, hop)
    everywhere = _noise(windows, np.flatnonzero(is_quiet), window)
    lowest = 10 ** (floor_db / 20)
    block = round(_BLOCK_SECONDS * sound.sample_rate / hop)
    carried: _Doubles | None = None
    for start in range(0, frames, block):
        stop = min(start + block, frames)
        here = start + np.flatnonzero(is_quiet[start:stop])
        noise = everywhere if len(here) < _LEAST_QUIET else _noise(windows, here, window)
        spectra = np.fft.rfft(windows[start:stop] * window)
        gains, carried = _gains(np.square(np.abs(spectra)), noise, carried, lowest)
        parts = (np.fft.irfft(spectra * gains, size) * window / (_OVERLAP / 2)).astype(np.float32)
        for number, part in enumerate(parts, start):
            made[number * hop : number * hop + size] += part
    kept = made[size - hop : size - hop + count]
    return Waveform(np.clip(kept, -1, 1), sound.sample_rate, sound.offset)


def _quiet_frames(
    windows: Floats, quiet: Sequence[tuple[int, int]], size: int, hop: int
) -> npt.NDArray[np.bool_]:
    """Which frames (F,) lie wholly in a quiet stretch."""
    starts = np.arange(len(windows)) * hop - (size - hop)
    found = np.zeros(len(windows), np.bool_)
    for begin, end in quiet:
        found |= (starts >= begin) & (starts + size <= end)
    if found.any():
        return found
    # The first and last ones reach into nothing, which is no noise.
    whole = slice(_OVERLAP - 1, max(_OVERLAP, len(windows) - _OVERLAP))
    power = np.array([float(np.mean(np.square(w, dtype=np.float64))) for w in windows[whole]])
    if len(power):
        found[whole] = power <= np.quantile(power, _QUIETEST)
    return found


def _noise(windows: Floats, numbers: npt.NDArray[np.intp], window: _Doubles) -> _Doubles:
    """Mean power of the noise in each band (B,)."""
    total = np.zeros(len(window) // 2 + 1)
    for begin in range(0, len(numbers), 4096):
        some = np.fft.rfft(windows[numbers[begin : begin + 4096]] * window)
        total += np.square(np.abs(some)).sum(axis=0)
    return np.asarray(np.maximum(total / max(len(numbers), 1), _SILENT_POWER))


def _gains(
    power: _Doubles, noise: _Doubles, carried: _Doubles | None, lowest: float
) -> tuple[_Doubles, _Doubles]:
    """Gains (F, B) of frames, and what the first frame after them needs to know (B,).

    Args:
        power: (F, B).
        noise: (B,).
        carried: Speech to noise of the frame before (B,), or None at the beginning.
        lowest: No gain is smaller.
    """
    gains = np.empty_like(power)
    before = np.zeros_like(noise) if carried is None else carried
    for number, row in enumerate(power):
        after = np.minimum(row / noise, 1e6)
        ratio = _SMOOTHING * before + (1 - _SMOOTHING) * np.maximum(after - 1, 0)
        ratio = np.maximum(ratio, _LEAST_RATIO)
        wiener = ratio / (1 + ratio)
        gain = np.minimum(wiener * np.exp(0.5 * _exponential_integral(wiener * after)), 1.0)
        before = np.square(gain) * after
        gains[number] = np.maximum(gain, lowest)
    return gains, before


def _exponential_integral(x: _Doubles) -> _Doubles:
    """E1(x) for x > 0, to 2e-5. Source: Abramowitz and Stegun, 5.1.53 and 5.1.54."""
    x = np.maximum(x, 1e-10)
    low = np.minimum(x, 1.0)
    small = np.polyval(
        [0.00107857, -0.00976004, 0.05519968, -0.24991055, 0.99999193, -0.57721566], low
    ) - np.log(low)
    high = np.maximum(x, 1.0)
    large = (
        np.exp(-np.minimum(high, 700.0))
        / high
        * ((high**2 + 2.334733 * high + 0.250621) / (high**2 + 3.330657 * high + 1.681534))
    )
    return np.where(x < 1, small, large)
