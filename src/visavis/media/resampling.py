"""Sample rate conversion by a polyphase windowed sinc, whole or in chunks with the same result.

Shapes: L outputs for every M inputs, where L / M is the ratio of the rates in lowest terms.
Output n lies at input position n * M / L exactly, counted from the beginning of the stream, so that
nothing drifts however long the stream is. The filter is symmetric and its delay is compensated.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from visavis.core.types import Floats, Waveform

_ZERO_CROSSINGS = 32
_KAISER_BETA = 9.0
"""About 90 dB of stop band."""
_ROLL_OFF = 0.945
"""Cut-off relative to the lower Nyquist frequency; leaves room for the transition band."""
_LARGEST_KERNEL = 2_000_000
"""Entries of the dense block kernel; ratios that need more are gathered tap by tap."""
_ONE_THREAD = 250_000
"""Multiplications in one product; OpenBLAS spreads larger ones over threads, and on a busy machine
waiting for those takes longer than the work."""
_GATHER_ROWS = 8192


def output_count(samples: int, from_rate: int, to_rate: int) -> int:
    """Samples at ``to_rate`` that begin within the first ``samples`` at ``from_rate``."""
    return -(-samples * to_rate // from_rate)


def resample(waveform: Waveform, rate: int) -> Waveform:
    """Convert a whole stretch of sound to another rate (Hz).

    The offset is converted with it, so that ``offset`` still counts samples since the stream began.
    """
    if waveform.sample_rate == rate:
        return waveform
    resampler = Resampler(waveform.sample_rate, rate, waveform.offset)
    body = resampler.feed(waveform.samples)
    tail = resampler.flush()
    offset = output_count(waveform.offset, waveform.sample_rate, rate)
    return Waveform(np.concatenate([body, tail]), rate, offset)


class Resampler:
    """Streaming conversion: the chunks put together equal the conversion of the whole.

    Args:
        from_rate: Hz of what is fed.
        to_rate: Hz of what comes out.
        offset: Samples since the stream began of the first one fed, at ``from_rate``.
    """

    def __init__(self, from_rate: int, to_rate: int, offset: int = 0) -> None:
        if from_rate <= 0 or to_rate <= 0:
            raise ValueError(f"sample rates must be positive, not {from_rate} and {to_rate}")
        self.from_rate = from_rate
        self.to_rate = to_rate
        common = math.gcd(from_rate, to_rate)
        self._up, self._down = to_rate // common, from_rate // common
        self._half = _half_width(self._up, self._down)
        self._fed = offset
        self._made = output_count(offset, from_rate, to_rate)
        # What lies before the stream counts as silence.
        self._kept: Floats = np.zeros(self._half, np.float32)
        self._kept_from = offset - self._half

    def feed(self, samples: Floats) -> Floats:
        """Take samples (n,) and return those that are certain by now."""
        samples = np.asarray(samples, np.float32)
        self._fed += len(samples)
        if self._up == self._down:
            self._made += len(samples)
            return samples
        self._kept = np.concatenate([self._kept, samples])
        # Output n needs inputs up to floor(n M / L) + half.
        certain = output_count(self._fed - self._half, self.from_rate, self.to_rate)
        return self._make(certain)

    def flush(self) -> Floats:
        """Return the rest, as if silence followed. In all ``ceil(n * to / from)`` come out."""
        if self._up == self._down:
            return np.zeros(0, np.float32)
        self._kept = np.concatenate([self._kept, np.zeros(self._half, np.float32)])
        return self._make(output_count(self._fed, self.from_rate, self.to_rate))

    def _make(self, until: int) -> Floats:
        first = self._made
        if until <= first:
            return np.zeros(0, np.float32)
        made = _convolve(self._kept, self._kept_from, first, until, self._up, self._down)
        self._made = until
        drop = until * self._down // self._up - self._half + 1 - self._kept_from
        if drop > 0:
            self._kept = self._kept[drop:].copy()
            self._kept_from += drop
        return made


def _half_width(up: int, down: int) -> int:
    """Inputs on each side of an output that it depends on."""
    return math.ceil(_ZERO_CROSSINGS * max(1.0, down / up) / _ROLL_OFF)


@lru_cache(maxsize=8)
def _phases(up: int, down: int) -> Floats:
    """Filter taps (L, 2 half): row p is for outputs at p / L after an input sample."""
    half = _half_width(up, down)
    scale = min(1.0, up / down) * _ROLL_OFF
    distance = np.arange(-half + 1, half + 1)[None] - np.arange(up)[:, None] / up
    x = distance * scale
    inside = np.clip(1 - (x / _ZERO_CROSSINGS) ** 2, 0, None)
    window = np.i0(_KAISER_BETA * np.sqrt(inside)) / np.i0(_KAISER_BETA) * (inside > 0)
    taps = scale * np.sinc(x) * window
    taps /= taps.sum(axis=1, keepdims=True)  # a constant stays that constant in every phase
    return np.asarray(taps, np.float32)


@lru_cache(maxsize=8)
def _block_kernel(up: int, down: int, periods: int) -> Floats:
    """Dense (inputs of a block, outputs of a block), for one matrix product per chunk."""
    taps = _phases(up, down)
    width = taps.shape[1]
    kernel = np.zeros((periods * down + width, periods * up), np.float32)
    for n in range(periods * up):
        base = n * down // up
        kernel[base : base + width, n] = taps[n * down % up]
    return kernel


def _convolve(kept: Floats, kept_from: int, first: int, until: int, up: int, down: int) -> Floats:
    """Outputs ``first`` to ``until`` from inputs that begin at ``kept_from``."""
    taps = _phases(up, down)
    width = taps.shape[1]
    half = width // 2
    periods = max(1, 128 // max(up, down))
    if (periods * down + width) * periods * up > _LARGEST_KERNEL:
        return _gather(kept, kept_from, first, until, up, down)
    # Begin at a block's boundary so that the same outputs always meet the same kernel column.
    block_out, block_in = periods * up, periods * down
    first_block = first // block_out
    blocks = -(-until // block_out) - first_block
    start = first_block * block_in - half + 1 - kept_from
    length = (blocks - 1) * block_in + block_in + width
    padded = np.zeros(length, np.float32)
    low, high = max(0, start), min(len(kept), start + length)
    padded[low - start : high - start] = kept[low:high]
    windows = np.lib.stride_tricks.sliding_window_view(padded, block_in + width)[::block_in]
    kernel = _block_kernel(up, down, periods)
    made = np.empty((blocks, block_out), np.float32)
    step = max(1, _ONE_THREAD // kernel.size)
    for row in range(0, blocks, step):
        # Overlapping rows are nothing for BLAS; a copy is ten times faster than going without.
        rows = np.ascontiguousarray(windows[row : min(row + step, blocks)])
        np.matmul(rows, kernel, out=made[row : row + step])
    origin = first_block * block_out
    return made.ravel()[first - origin : until - origin].copy()


def _gather(kept: Floats, kept_from: int, first: int, until: int, up: int, down: int) -> Floats:
    taps = _phases(up, down)
    width = taps.shape[1]
    windows = np.lib.stride_tricks.sliding_window_view(kept, width)
    made = np.empty(until - first, np.float32)
    for begin in range(first, until, _GATHER_ROWS):
        n = np.arange(begin, min(begin + _GATHER_ROWS, until))
        start = n * down // up - width // 2 + 1 - kept_from
        made[n - first] = np.einsum("nt,nt->n", windows[start], taps[n * down % up])
    return made
