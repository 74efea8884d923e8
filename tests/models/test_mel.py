from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import signal

from visavis.core.types import Floats
from visavis.models.common.mel import (
    BANDS,
    HOP,
    SAMPLE_RATE,
    SILENCE,
    WINDOW,
    WINDOW_ROWS,
    log_mel,
    mel_window,
    mel_windows,
)

# librosa's documentation of mel_frequencies(n_mels=40), 0 to 11025 Hz.
LIBROSA_MEL = [0, 85.317, 170.635, 938.49, 1024.856, 1119.114, 2071.84, 5453.621, 11025.0]
LIBROSA_AT = [0, 1, 2, 11, 12, 13, 20, 31, 39]


def hz_of(mel: float) -> float:
    return 200 * mel / 3 if mel < 15 else 1000 * 6.4 ** ((mel - 15) / 27)


def mel_of(hz: float) -> float:
    return 3 * hz / 200 if hz < 1000 else 15 + 27 * np.log(hz / 1000) / np.log(6.4)


def slow_mel(samples: np.ndarray) -> np.ndarray:
    """The same by another way: a sum for each frequency, a loop for each band, double precision."""
    sound = signal.lfilter([1, -0.97], [1], samples.astype(np.float64))
    mirrored = np.concatenate([sound[400:0:-1], sound, sound[-2:-402:-1]])
    hann = signal.get_window("hann", 800, fftbins=True)
    waves = np.exp(-2j * np.pi * np.outer(np.arange(401), np.arange(800)) / 800)
    edges = [hz_of(m) for m in np.linspace(mel_of(55), mel_of(7600), 82)]
    filters = np.zeros((401, 80))
    for band in range(80):
        low, middle, high = edges[band : band + 3]
        for k in range(401):
            hz = 20.0 * k
            if low < hz < high:
                side = (hz - low) / (middle - low) if hz < middle else (high - hz) / (high - middle)
                filters[k, band] = side * 2 / (high - low)
    rows = []
    for centre in range(0, len(samples) + 1, 200):
        spectrum = np.abs(waves @ (hann * mirrored[centre : centre + 800]))
        db = 20 * np.log10(np.maximum(spectrum @ filters, 1e-5)) - 20
        rows.append(np.clip(8 * (db + 100) / 100 - 4, -4, 4))
    return np.array(rows)


def speech_like(count: int) -> Floats:
    rng = np.random.default_rng(0)
    time = np.arange(count) / SAMPLE_RATE
    hum = sum(np.sin(2 * np.pi * 120 * k * time) / k for k in range(1, 40))
    loud = np.clip(np.sin(2 * np.pi * 3 * time), 0, 1)
    sound = 0.1 * loud * (hum + 0.3 * rng.standard_normal(count))
    return sound.astype(np.float32)


def test_reference_has_librosas_scale() -> None:
    scale = np.linspace(0, mel_of(11025), 40)
    assert [hz_of(scale[i]) for i in LIBROSA_AT] == pytest.approx(LIBROSA_MEL, abs=1e-3)


@pytest.mark.parametrize("count", [500, 8000, 12_345])
def test_mel_is_what_another_way_gives(count: int) -> None:
    sound = speech_like(count)
    rows = log_mel(sound)
    assert rows.shape == (1 + count // HOP, BANDS)
    assert rows.dtype == np.float32
    wanted = slow_mel(sound)
    assert np.ptp(wanted) > 1
    # Single precision is coarse only where a band is nearly silent.
    np.testing.assert_allclose(rows, wanted, atol=2e-3)


def test_a_tone_has_the_level_that_can_be_worked_out() -> None:
    # 1 kHz is frequency 50 of 401. The window sums to 400, so amplitude a shows 200 a there and half
    # of it beside; the filter around 1 kHz is 38.6 Hz wide on each side and peaks at 2 / width.
    time = np.arange(SAMPLE_RATE) / SAMPLE_RATE
    amplitude = 0.5
    rows = log_mel((amplitude * np.sin(2 * np.pi * 1000 * time)).astype(np.float32))
    emphasis = abs(1 - 0.97 * np.exp(-2j * np.pi * 1000 / SAMPLE_RATE))
    edges = [hz_of(m) for m in np.linspace(mel_of(55), mel_of(7600), 82)]
    band = int(np.argmin(np.abs(np.array(edges[1:-1]) - 1000)))
    low, middle, high = edges[band : band + 3]
    heights = [
        max(0, min((hz - low) / (middle - low), (high - hz) / (high - middle))) * 2 / (high - low)
        for hz in (980, 1000, 1020)
    ]
    magnitude = 200 * amplitude * emphasis * np.dot(heights, [0.5, 1, 0.5])
    level = 8 * (20 * np.log10(magnitude) - 20 + 100) / 100 - 4
    assert rows[40].argmax() == band
    assert rows[40, band] == pytest.approx(level, abs=1e-3)
    # Ten times softer is 20 dB, that is 1.6 less.
    softer = log_mel((0.05 * np.sin(2 * np.pi * 1000 * time)).astype(np.float32))
    assert rows[40, band] - softer[40, band] == pytest.approx(1.6, abs=1e-3)


def test_silence_and_clipped_noise_keep_to_the_range() -> None:
    assert (log_mel(np.zeros(3200, np.float32)) == SILENCE).all()
    noise = np.sign(np.random.default_rng(0).standard_normal(16_000)).astype(np.float32)
    assert log_mel(1000 * noise).max() == -SILENCE


@pytest.mark.parametrize("count", [0, 1, 2, 199, 200, 401])
def test_little_sound_has_rows_too(count: int) -> None:
    rows = log_mel(np.full(count, 0.1, np.float32))
    assert rows.shape == (1 + count // HOP, BANDS)
    assert np.isfinite(rows).all()


def test_long_sound_is_as_its_parts() -> None:
    sound = speech_like(60 * SAMPLE_RATE)  # computed in more than one go
    rows = log_mel(sound)
    first = 2045
    part = log_mel(sound[(first - 10) * HOP : (first + 10) * HOP])
    np.testing.assert_allclose(rows[first - 5 : first + 5], part[5:15], atol=1e-4)


def test_a_row_hears_nothing_but_its_samples() -> None:
    sound = speech_like(8000)
    rows = log_mel(sound)
    row = 20
    changed = sound.copy()
    changed[: row * HOP - WINDOW // 2 - 1] = 0.3
    changed[row * HOP + WINDOW // 2 :] = 0.3
    np.testing.assert_array_equal(log_mel(changed)[row], rows[row])


def test_windows_begin_where_the_frame_does() -> None:
    mel = np.arange(100, dtype=np.float32)[:, None] + np.zeros(BANDS, np.float32)
    for frame, row in [(0, 0), (1, 3), (2, 6), (3, 9), (4, 12), (5, 16), (25, 80)]:
        window = mel_window(mel, frame)
        assert window.shape == (BANDS, WINDOW_ROWS)
        assert window[0].tolist() == [float(r) for r in range(row, row + 16)]
    assert mel_window(mel, 10, fps=50)[0, 0] == 16
    assert mel_window(mel, 2.5)[0, 0] == 8


def test_windows_beyond_the_ends_repeat_the_edge() -> None:
    mel = np.arange(20, dtype=np.float32)[:, None] + np.zeros(BANDS, np.float32)
    assert mel_window(mel, -2)[7].tolist() == [0] * 7 + list(range(9))
    assert mel_window(mel, 3)[0].tolist() == [*range(9, 20), 19, 19, 19, 19, 19]
    assert (mel_window(mel, -50) == 0).all()
    assert (mel_window(mel, 50) == 19).all()


@given(st.lists(st.integers(-5, 40), max_size=8), st.integers(1, 90))
def test_windows_together_are_each_alone(frames: list[int], count: int) -> None:
    mel = np.random.default_rng(count).standard_normal((count, BANDS)).astype(np.float32)
    windows = mel_windows(mel, np.array(frames, np.int64))
    assert windows.shape == (len(frames), BANDS, WINDOW_ROWS)
    for frame, window in zip(frames, windows, strict=True):
        np.testing.assert_array_equal(window, mel_window(mel, frame))
