"""What happens to speech on its way to a microphone: rooms, telephones, noise, distance.

All of it is float32 at 16 kHz and seeded by the generator that is given.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias

import numpy as np

from visavis.core.types import Floats

RATE = 16_000
Noise: TypeAlias = Literal["white", "pink", "brown", "hum", "air"]
NOISES: tuple[Noise, ...] = ("white", "pink", "brown", "hum", "air")


def level_db(samples: Floats) -> float:
    """Root mean square in dB below full scale; -120 for silence."""
    return float(10 * np.log10(np.mean(samples.astype(np.float64) ** 2) + 1e-12))


def make_noise(kind: Noise, count: int, rng: np.random.Generator) -> Floats:
    """Steady noise of about -20 dB: white, pink, brown, mains hum, or a fan's band of air."""
    if kind == "hum":
        time = np.arange(count) / RATE
        base = rng.choice((50.0, 60.0))
        parts = [
            rng.uniform(0.2, 1) / n * np.sin(2 * np.pi * base * n * time + rng.uniform(0, 6.3))
            for n in range(1, 9)
        ]
        sound = np.sum(parts, axis=0) + 0.02 * rng.standard_normal(count)
    else:
        spectrum = np.fft.rfft(rng.standard_normal(count))
        hz = np.maximum(np.fft.rfftfreq(count, 1 / RATE), 20.0)
        if kind == "air":
            centre, width = rng.uniform(150, 3000), rng.uniform(0.5, 1.5)
            spectrum *= np.exp(-0.5 * (np.log(hz / centre) / width) ** 2)
        else:
            spectrum *= hz ** {"white": 0.0, "pink": -0.5, "brown": -1.0}[kind]
        sound = np.fft.irfft(spectrum, count)
    return np.asarray(0.1 * sound / (np.sqrt(np.mean(sound**2)) + 1e-9), np.float32)


def make_babble(voices: Sequence[Floats], count: int, rng: np.random.Generator) -> Floats:
    """Several people far away at once: about -20 dB."""
    sound = np.zeros(count)
    for voice in voices:
        laps = np.resize(voice, count)
        sound += np.roll(laps, int(rng.integers(count))) / (np.std(laps) + 1e-6)
    return np.asarray(0.1 * sound / (np.sqrt(np.mean(sound**2)) + 1e-9), np.float32)


def colour(samples: Floats, rng: np.random.Generator) -> Floats:
    """Put speech through a room and a microphone: reverberation, tilt, a limited band, each maybe."""
    count = len(samples)
    size = 1 << (count + RATE // 2).bit_length()
    spectrum = np.fft.rfft(samples, size)
    hz = np.fft.rfftfreq(size, 1 / RATE)
    octaves = np.log2(np.maximum(hz, 50) / 1000)
    gain_db = rng.normal(0, 1.5) * octaves + rng.normal(0, 2) * np.cos(octaves * rng.uniform(1, 3))
    if rng.random() < 0.3:  # telephones, and files that were 8 kHz once
        gain_db -= 60 / (1 + np.exp(-(hz - rng.choice((3400, 3900, 5500))) / 60))
    if rng.random() < 0.3:
        gain_db -= 36 / (1 + np.exp((hz - rng.uniform(80, 300)) / 20))
    spectrum *= 10 ** (gain_db / 20)
    if rng.random() < 0.3:
        spectrum *= np.fft.rfft(_room(rng), size)
    return np.asarray(np.fft.irfft(spectrum, size)[:count], np.float32)


def _room(rng: np.random.Generator) -> Floats:
    """Impulse response: the direct sound, then decaying noise (RT60 of 0.15 to 0.5 s)."""
    count = RATE // 2
    time = np.arange(count) / RATE
    tail = rng.standard_normal(count) * 10 ** (-3 * time / rng.uniform(0.15, 0.5))
    tail[: int(rng.uniform(0.002, 0.01) * RATE)] = 0
    tail *= 10 ** (-rng.uniform(0, 12) / 20) / np.sqrt(np.sum(tail**2))
    tail[0] = 1
    return np.asarray(tail, np.float32)
