"""Noise that is known, added to speech that is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from visavis.core.types import Waveform
from visavis.media.audio import read_audio
from visavis.media.denoise import _exponential_integral, denoise

RATE = 16_000
SPEECH = Path(__file__).parent.parent / "fixtures" / "speech_en.wav"
LEAD = RATE
"""Samples of nothing but noise before the speech."""


def clean_speech() -> npt.NDArray[np.float32]:
    speech = read_audio(SPEECH, RATE).samples[: 5 * RATE]
    return np.concatenate([np.zeros(LEAD, np.float32), speech])


def with_noise(
    clean: npt.NDArray[np.float32], noise: npt.NDArray[np.float64], snr: float
) -> npt.NDArray[np.float32]:
    speech_power = np.mean(np.square(clean[LEAD:]))
    scale = np.sqrt(speech_power / np.mean(np.square(noise)) / 10 ** (snr / 10))
    return np.asarray(clean + noise * scale, np.float32)


def snr(clean: npt.NDArray[np.float32], noisy: npt.NDArray[np.float32]) -> float:
    error = noisy[LEAD:].astype(np.float64) - clean[LEAD:]
    return float(10 * np.log10(np.mean(np.square(clean[LEAD:])) / np.mean(np.square(error))))


def level(samples: npt.NDArray[np.float32]) -> float:
    return float(10 * np.log10(np.mean(np.square(samples, dtype=np.float64))))


def white(count: int) -> npt.NDArray[np.float64]:
    return np.random.default_rng(1).normal(size=count)


def hum(count: int) -> npt.NDArray[np.float64]:
    time = np.arange(count) / RATE
    return sum((np.sin(2 * np.pi * 50 * k * time) / k for k in (1, 2, 3, 5)), np.zeros(count))


@pytest.mark.parametrize(("make", "at", "least"), [(white, 10, 4), (white, 0, 7), (hum, 5, 8)])
def test_noise_of_a_known_level_is_lowered(make, at: int, least: float) -> None:  # type: ignore[no-untyped-def]
    clean = clean_speech()
    noisy = with_noise(clean, make(len(clean)), at)
    assert snr(clean, noisy) == pytest.approx(at, abs=0.1)
    for quiet in ([(0, LEAD)], []):
        made = denoise(Waveform(noisy, RATE), quiet).samples
        assert snr(clean, made) - at > least
        # 18 dB are the most; some of a pause is the neighbourhood of speech.
        gone = level(noisy[2000 : LEAD - 2000]) - level(made[2000 : LEAD - 2000])
        assert 14 < gone < 18.5


def test_a_good_recording_stays_good() -> None:
    clean = clean_speech()
    noisy = with_noise(clean, white(len(clean)), 40)
    made = denoise(Waveform(noisy, RATE), [(0, LEAD)]).samples
    assert snr(clean, made) > 25


def test_what_has_no_noise_is_not_changed_and_stays_in_time() -> None:
    clean = clean_speech()[: RATE * 3 + 77]
    made = denoise(Waveform(clean, RATE, 5), [(0, LEAD)])
    assert made.offset == 5
    assert made.samples.shape == clean.shape
    np.testing.assert_allclose(made.samples, clean, atol=2e-4)


def test_noise_that_changes_is_followed() -> None:
    rate = RATE // 2
    loud = np.repeat([0.003, 0.03], 62 * rate)
    noise = (np.random.default_rng(2).normal(size=len(loud)) * loud).astype(np.float32)
    made = denoise(Waveform(noise, rate), [(0, len(noise))]).samples
    for at in (20 * rate, 100 * rate):
        part = slice(at, at + 5 * rate)
        assert 15 < level(noise[part]) - level(made[part]) < 18.5


@pytest.mark.parametrize("count", [0, 1, 100, 1000])
def test_next_to_nothing(count: int) -> None:
    made = denoise(Waveform(np.full(count, 0.1, np.float32), RATE))
    assert made.samples.shape == (count,)
    assert np.isfinite(made.samples).all()


def test_broken_samples_do_not_spread() -> None:
    clean = clean_speech()
    clean[20_000] = np.nan
    made = denoise(Waveform(clean, RATE), [(0, LEAD)]).samples
    assert np.isfinite(made).all()


def test_the_exponential_integral_is_that_of_the_tables() -> None:
    # Abramowitz and Stegun, table 5.1.
    x = np.array([0.01, 0.1, 0.5, 1.0, 2.0, 5.0])
    table = [4.037930, 1.822924, 0.559774, 0.219384, 0.048901, 0.001148]
    np.testing.assert_allclose(_exponential_integral(x), table, atol=2e-5)
