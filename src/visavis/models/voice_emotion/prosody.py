"""What a voice does beside words: pitch, loudness, pace, brightness, roughness.

All is measured at 8 kHz, the telephone's band, so that every microphone gives the same measures.

Shapes: n samples, F frames of 40 ms, 30 ms apart; levels are read every 10 ms.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from visavis.core.types import Floats, Waveform
from visavis.media.resampling import resample

RATE = 8000
LONGEST_S = 5.0
"""Seconds that are read, the last ones: the mood at the end is the mood that counts."""
SHORTEST_S = 0.6
"""Seconds of speech below which nothing is told."""
SHORTEST_VOICED_S = 0.25
PITCHES = (65.0, 500.0)
"""Hz, of grown people and children who speak."""

_FRAME, _HOP, _STEP = 320, 240, 80
_CLIPPED = 0.985
_PERIODIC = 0.35
"""Normalised difference (YIN) below which a frame is voiced; the paper uses 0.1 for clean sound."""
_SILENT_DB = -58.0
_STEADY_DB = 0.5
_Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Prosody:
    """Measures of a stretch of speech; NaN where there was nothing to measure.

    Attributes:
        spoken: Seconds of speech, pauses shortened.
        voiced: Seconds of it that have a pitch.
        pitch: Median, Hz.
        spread: From the 10th to the 90th percentile of pitch, semitones.
        slope: Of pitch over time, semitones a second.
        level: Mean power of what is spoken, dB below full scale.
        swing: Standard deviation of the level of what is spoken, dB.
        pace: Onsets of energy a second of speech: about syllables.
        tilt: Energy above 1 kHz against below, dB; a pressed, loud voice is brighter.
        roughness: Median change of the period from frame to frame, as a share of it.
        noise: Distance of speech to the quietest tenth, dB; infinite where that is silence.
        clipped: Share of samples at the limit.
    """

    spoken: float
    voiced: float
    pitch: float
    spread: float
    slope: float
    level: float
    swing: float
    pace: float
    tilt: float
    roughness: float
    noise: float
    clipped: float

    @property
    def reliability(self) -> float:
        """How far the measures are to be believed, 0..1; 0 for short, noisy, faint, clipped sound."""
        too_short = self.spoken < SHORTEST_S or self.voiced < SHORTEST_VOICED_S
        if too_short or not np.isfinite(self.pitch) or self.level < _SILENT_DB:
            return 0.0
        length = min(self.spoken / 2.0, 1.0)
        quiet = float(np.clip((self.noise - 10) / 15, 0, 1))
        whole = float(np.clip(1 - self.clipped / 0.01, 0, 1))
        return length * quiet * whole


def measure_prosody(audio: Waveform) -> Prosody:
    """Measure a stretch of speech; silence, noise and broken sound are measured, not refused."""
    samples = np.asarray(audio.samples, np.float32).ravel()
    samples = samples[-int(LONGEST_S * audio.sample_rate) :]
    if len(samples) < audio.sample_rate // 10 or not np.isfinite(samples).all():
        return _nothing()
    clipped = float(np.mean(np.abs(samples) >= _CLIPPED))
    sound = resample(Waveform(samples - samples.mean(), audio.sample_rate), RATE).samples
    levels = _levels(sound)
    floor, top = np.percentile(levels, 10), np.percentile(levels, 95)
    if top < _SILENT_DB:
        return _nothing(clipped)
    least = max(top - 25, floor + 0.3 * (top - floor), _SILENT_DB - 10)
    # Of a steady sound the floor is the top, and which is above the other is chance.
    spoken = levels > min(least, top - _STEADY_DB)
    pitch, energy_ratio = _track(sound, top)
    heard = np.isfinite(pitch)
    noise = float(top - floor) if floor > -90 else float("inf")
    power = 10 ** (levels[spoken] / 10)
    length = _length(spoken)
    common = {
        "spoken": length,
        "level": float(10 * np.log10(power.mean())),
        "swing": float(levels[spoken].std()),
        "pace": _count_onsets(levels, top) / max(length, 0.1),
        "noise": noise,
        "clipped": clipped,
    }
    if heard.sum() < 3:
        nan = float("nan")
        return Prosody(
            voiced=0.0, pitch=nan, spread=nan, slope=nan, tilt=nan, roughness=nan, **common
        )
    notes = 12 * np.log2(pitch[heard])
    times = np.flatnonzero(heard) * _HOP / RATE
    next_to = heard[1:] & heard[:-1]
    change = np.abs(np.log(pitch[1:][next_to] / pitch[:-1][next_to]))
    return Prosody(
        voiced=float(heard.sum() * _HOP / RATE),
        pitch=float(np.median(pitch[heard])),
        spread=float(np.percentile(notes, 90) - np.percentile(notes, 10)),
        slope=float(np.polyfit(times, notes, 1)[0]) if np.ptp(times) > 0.2 else 0.0,
        tilt=float(np.mean(energy_ratio[heard])),
        roughness=float(np.median(change)) if len(change) else float("nan"),
        **common,
    )


def _nothing(clipped: float = 0.0) -> Prosody:
    nan = float("nan")
    return Prosody(0.0, 0.0, nan, nan, nan, -120.0, 0.0, 0.0, nan, nan, 0.0, clipped)


def _levels(sound: Floats) -> _Doubles:
    """Level of every 10 ms in dB, over 20 ms."""
    rows = sound[: len(sound) // _STEP * _STEP].reshape(-1, _STEP).astype(np.float64)
    power = np.mean(rows**2, axis=1)
    smooth = np.convolve(power, np.full(2, 0.5), mode="same")
    return np.asarray(10 * np.log10(smooth + 1e-12), np.float64)


def _length(spoken: npt.NDArray[np.bool_]) -> float:
    """Seconds from the first spoken moment to the last, without pauses longer than 0.3 s."""
    places = np.flatnonzero(spoken) * _STEP / RATE
    if len(places) < 2:
        return 0.0
    gaps = np.diff(places)
    return float(np.minimum(gaps, 0.3).sum())


def _count_onsets(levels: _Doubles, top: float) -> int:
    """Count rises of at least 4 dB out of a dip, 25 dB below the loud parts at most.

    As de Jong and Wempe (2009), "Praat script to detect syllable nuclei", with a dip of 2 dB there; the
    level here is not smoothed as much, so that its ripple is larger.
    """
    smooth = np.convolve(levels.clip(top - 40), np.full(5, 0.2), mode="same")
    count, low, rising = 0, float(smooth[0]), False
    peak = low
    for level in smooth.tolist():
        if rising:
            peak = max(peak, level)
            if level < peak - 3:
                rising, low = False, level
        else:
            low = min(low, level)
            if level > low + 4 and level > top - 25:
                rising, peak, count = True, level, count + 1
    return count


def _track(sound: Floats, top: float) -> tuple[_Doubles, _Doubles]:
    """Pitch of each frame in Hz, NaN where it has none, and its energy above 1 kHz in dB.

    YIN: de Cheveigné and Kawahara (2002), steps 2 to 5, with the difference computed by Fourier transform.
    """
    least, most = int(RATE / PITCHES[1]), int(RATE / PITCHES[0])
    size = _FRAME + most
    padded = np.concatenate([sound, np.zeros(max(0, size - len(sound)) + _HOP, np.float32)])
    rows = np.lib.stride_tricks.sliding_window_view(padded, size)[::_HOP].astype(np.float64)
    spectrum = np.fft.rfft(rows, 512, axis=1)
    head = np.fft.rfft(rows[:, :_FRAME], 512, axis=1)
    products = np.fft.irfft(spectrum * head.conj(), 512, axis=1)[:, : most + 1]
    squares = np.cumsum(np.pad(rows**2, ((0, 0), (1, 0))), axis=1)
    energy = squares[:, _FRAME : _FRAME + most + 1] - squares[:, : most + 1]
    difference = np.maximum(energy[:, :1] + energy - 2 * products, 0)
    sums = np.cumsum(difference[:, 1:], axis=1)
    normal = np.ones_like(difference)
    normal[:, 1:] = difference[:, 1:] * np.arange(1, most + 1) / np.maximum(sums, 1e-12)
    level = 10 * np.log10(energy[:, 0] / _FRAME + 1e-12)
    pitch = np.full(len(rows), np.nan)
    voiced = (level > top - 25) & (normal[:, least:].min(axis=1) < _PERIODIC)
    pitch[voiced] = _first_dips(normal[voiced], least)
    bands = np.abs(head[:, :257]) ** 2
    edge = 512 * 1000 // RATE
    ratio = 10 * np.log10((bands[:, edge:].sum(1) + 1e-12) / (bands[:, 4:edge].sum(1) + 1e-12))
    return pitch, ratio


def _first_dips(normal: _Doubles, least: int) -> _Doubles:
    """Hz of each row's first dip below the threshold, between samples by a parabola."""
    rows, lags = np.arange(len(normal)), np.arange(normal.shape[1])
    first = least + np.argmax(normal[:, least:] < _PERIODIC, axis=1)
    rises = np.concatenate([normal[:, 1:] >= normal[:, :-1], np.ones((len(normal), 1), bool)], 1)
    lag = np.argmax(rises & (lags >= first[:, None]), axis=1)
    lag = np.minimum(lag, normal.shape[1] - 2)
    before, at, after = (normal[rows, lag + step] for step in (-1, 0, 1))
    bend = before - 2 * at + after
    shift = 0.5 * (before - after) / np.maximum(bend, 1e-9)
    return np.asarray(RATE / (lag + np.clip(shift, -0.5, 0.5)), np.float64)
