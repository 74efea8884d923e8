"""Wav2Lip's log-mel spectrogram, in numpy: what the sync expert and the generator hear.

Source: Prajwal et al., "A Lip Sync Expert Is All You Need" (ACM MM 2020), with the constants of its
published code, so that its checkpoints hear what they were trained on. Row k is centred on sample
200 k: 80 rows a second, 3.2 per video frame, and 16 of them are the five frames of one window.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from visavis.core.types import FPS, Floats

SAMPLE_RATE = 16_000
"""Hz."""
HOP = 200
WINDOW = 800
BANDS = 80
LOWEST_HZ, HIGHEST_HZ = 55.0, 7600.0
ROWS_PER_SECOND = SAMPLE_RATE // HOP
WINDOW_ROWS = 16
"""Rows that a network hears at once: 0.2 s."""
WINDOW_FRAMES = 5
"""Frames that last as long."""

PRE_EMPHASIS = 0.97
REFERENCE_DB = 20.0
FLOOR_DB = -100.0
SILENCE = -4.0
"""The value of every band in silence; 4 is the loudest."""

_BLOCK = 2048
"""Rows computed at once, which bounds the memory for long sound."""


def log_mel(samples: Floats) -> Floats:
    """Log-mel rows of a whole sound.

    Beyond its ends the sound is mirrored, as the published code does. Row k needs the samples from
    200 k - 401 to 200 k + 399.

    Args:
        samples: float32 (n,) in [-1, 1] at 16 kHz.

    Returns:
        float32 (1 + n // 200, 80) in [-4, 4].
    """
    sound = np.asarray(samples, np.float32)
    if not len(sound):
        return np.full((1, BANDS), SILENCE, np.float32)
    emphasized = sound.copy()
    emphasized[1:] -= np.float32(PRE_EMPHASIS) * sound[:-1]
    padded = np.pad(emphasized, WINDOW // 2, mode="reflect")
    windows = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP]
    blocks = range(0, len(windows), _BLOCK)
    return np.concatenate([_rows(windows[first : first + _BLOCK]) for first in blocks])


def mel_window(mel: Floats, frame: float, fps: float = FPS) -> Floats:
    """Cut the 16 rows of the five frames that begin with ``frame``.

    Args:
        mel: float32 (T, 80), T at least 1.
        frame: Where it begins; may be a fraction and may lie outside, where the first or the last
            row is repeated. The generator's window of a frame begins some frames before it: see
            ``Wav2LipConfig.lead``.
        fps: Frames a second.

    Returns:
        float32 (80, 16).
    """
    window: Floats = mel_windows(mel, [frame], fps)[0]
    return window


def mel_windows(mel: Floats, frames: npt.ArrayLike, fps: float = FPS) -> Floats:
    """Cut the windows that begin with each of N frames, as `mel_window` does.

    Args:
        mel: float32 (T, 80), T at least 1.
        frames: (N,) numbers of frames.
        fps: Frames a second.

    Returns:
        float32 (N, 80, 16).
    """
    # A little is added lest a product such as 80 * 0.35 fall short of its whole number.
    starts = np.floor(ROWS_PER_SECOND * np.asarray(frames, np.float64) / fps + 1e-6).astype(
        np.int64
    )
    rows = np.clip(starts[:, None] + np.arange(WINDOW_ROWS), 0, len(mel) - 1)
    windows: Floats = np.ascontiguousarray(mel[rows].transpose(0, 2, 1), np.float32)
    return windows


def _rows(windows: Floats) -> Floats:
    """Windows of emphasized sound (rows, 800) to (rows, 80)."""
    window, filters = _tables()
    magnitude = np.abs(np.fft.rfft(windows * window, axis=1)).astype(np.float32)
    level = 20 * np.log10(np.maximum(magnitude @ filters, 10 ** (FLOOR_DB / 20))) - REFERENCE_DB
    scaled: Floats = (2 * -SILENCE * (level - FLOOR_DB) / -FLOOR_DB + SILENCE).astype(np.float32)
    return np.clip(scaled, SILENCE, -SILENCE)


@lru_cache(maxsize=1)
def _tables() -> tuple[Floats, Floats]:
    """Periodic Hann window (800,) and mel filters (401, 80), each of area 1.

    Slaney's mel scale: linear to 1 kHz, then logarithmic (Auditory Toolbox, 1998).
    """
    window = np.hanning(WINDOW + 1)[:-1]
    step = np.log(6.4) / 27

    def to_mel(hz: float) -> float:
        return hz * 3 / 200 if hz < 1000 else 15 + float(np.log(hz / 1000)) / step

    mel = np.linspace(to_mel(LOWEST_HZ), to_mel(HIGHEST_HZ), BANDS + 2)
    edges = np.where(mel < 15, mel * 200 / 3, 1000 * np.exp((mel - 15) * step))
    hz = np.fft.rfftfreq(WINDOW, 1 / SAMPLE_RATE)[:, None]
    rise = (hz - edges[:-2]) / (edges[1:-1] - edges[:-2])
    fall = (edges[2:] - hz) / (edges[2:] - edges[1:-1])
    filters = np.maximum(0, np.minimum(rise, fall)) * 2 / (edges[2:] - edges[:-2])
    return window.astype(np.float32), filters.astype(np.float32)
