"""What a living head does of itself: small motion, breath, blinks, glances.

Every value is a function of the frame number and the seed alone, so that a stream cut anywhere goes
on as if it had not been cut. Nothing repeats: slow motion is noise on three scales, blinks and
glances fall at random times.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from visavis.core.types import FPS

Liveliness: TypeAlias = Literal["still", "natural", "lively"]
_AMOUNT: dict[Liveliness, float] = {"still": 0.0, "natural": 1.0, "lively": 1.9}

_BLOCK_S = 10.0
"""Blinks and glances are drawn for a stretch of this many seconds at a time."""


@dataclass(frozen=True, slots=True)
class HeadMotion:
    """The head in one frame.

    Attributes:
        yaw: Degrees, positive to the right of the picture.
        pitch: Degrees, positive looking up.
        roll: Degrees, positive clockwise in the picture.
        shift: (x, y) of the whole head, in face widths.
        breath: -1..1, chest out at 1.
        blink: 0 open .. 1 shut.
        gaze: (x, y), -1..1, positive right and down in the picture.
        brow: 0..1, how far the brows are raised of themselves.
    """

    yaw: float
    pitch: float
    roll: float
    shift: tuple[float, float]
    breath: float
    blink: float
    gaze: tuple[float, float]
    brow: float


def _hash(seed: int, channel: int, index: int) -> float:
    """A number in [-1, 1) for an integer, the same on every machine."""
    x = (
        seed * 0x9E3779B97F4A7C15 + channel * 0xC2B2AE3D27D4EB4F + index * 0x165667B19E3779F9
    ) % 2**64
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) % 2**64
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) % 2**64
    return float((x ^ (x >> 31)) >> 11) / 2**52 - 1.0


def _noise(seed: int, channel: int, t: float) -> float:
    """Smooth noise of unit scale in time (quintic value noise)."""
    i = int(np.floor(t))
    f = t - i
    w = f * f * f * (f * (f * 6 - 15) + 10)
    return _hash(seed, channel, i) * (1 - w) + _hash(seed, channel, i + 1) * w


def _drift(seed: int, channel: int, seconds: float) -> float:
    """Noise on three scales, about -1..1."""
    return (
        0.60 * _noise(seed, channel * 3, seconds / 3.7)
        + 0.32 * _noise(seed, channel * 3 + 1, seconds / 1.63)
        + 0.12 * _noise(seed, channel * 3 + 2, seconds / 0.71)
    )


class Motion:
    """The motion of one performance.

    Args:
        seed: Two performances with one seed move alike.
        liveliness: How much.
    """

    def __init__(self, seed: int, liveliness: Liveliness = "natural") -> None:
        self._seed = seed
        self._amount = _AMOUNT[liveliness]
        self._blinks: dict[int, list[tuple[float, float]]] = {}
        self._glances: dict[int, list[tuple[float, float, float]]] = {}
        self._nods: dict[int, list[tuple[float, float, float]]] = {}

    def _events(self, kind: int, block: int) -> np.random.Generator:
        return np.random.default_rng([self._seed & 0x7FFFFFFF, kind, block])

    def _block_blinks(self, block: int) -> list[tuple[float, float]]:
        """Start and length in seconds of the blinks that begin in a block."""
        if block not in self._blinks:
            rng = self._events(1, block)
            found: list[tuple[float, float]] = []
            # Adults blink about 15-20 times a minute, intervals log-normal; no two alike.
            t = block * _BLOCK_S + float(rng.uniform(0.3, 2.6))
            end = (block + 1) * _BLOCK_S - 0.45
            while t < end:
                found.append((t, float(rng.uniform(0.20, 0.30))))
                if rng.random() < 0.10 and t + 0.75 < end:
                    t += float(rng.uniform(0.38, 0.5))
                else:
                    t += float(np.clip(rng.lognormal(1.15, 0.45), 1.1, 7.5))
            if len(self._blinks) > 8:
                self._blinks.clear()
            self._blinks[block] = found
        return self._blinks[block]

    def _block_glances(self, block: int) -> list[tuple[float, float, float]]:
        """Start in seconds and target of the glances that begin in a block."""
        if block not in self._glances:
            rng = self._events(2, block)
            found = []
            t = block * _BLOCK_S + float(rng.uniform(0.0, 1.2))
            while t < (block + 1) * _BLOCK_S:
                # Mostly into the eyes of who listens, with small fixational steps; at times away.
                wide = 0.30 if rng.random() < 0.14 else 0.07
                x, y = rng.normal(0, wide), rng.normal(0, wide * 0.6)
                found.append((t, float(np.clip(x, -0.5, 0.5)), float(np.clip(y, -0.3, 0.3))))
                t += float(np.clip(rng.lognormal(0.1, 0.5), 0.4, 3.2))
            if len(self._glances) > 8:
                self._glances.clear()
            self._glances[block] = found
        return self._glances[block]

    def _blink(self, seconds: float) -> float:
        block = int(seconds // _BLOCK_S)
        for start, length in self._block_blinks(block):
            phase = (seconds - start) / length
            if 0 <= phase < 1:
                # Lids fall in a third of the time that they take to rise.
                x = phase / 0.34 if phase < 0.34 else (1 - phase) / 0.66
                return float(min(1.0, 1.18 * x * x * (3 - 2 * x)))
        return 0.0

    def _gaze(self, seconds: float) -> tuple[float, float]:
        block = int(seconds // _BLOCK_S)
        steps = (self._block_glances(block - 1) if block else [(0.0, 0.0, 0.0)]) + (
            self._block_glances(block)
        )
        x0 = y0 = x1 = y1 = 0.0
        begun = 0.0
        for start, x, y in steps:
            if start > seconds:
                break
            x0, y0, x1, y1, begun = x1, y1, x, y, start
        w = float(np.clip((seconds - begun) / 0.06, 0, 1))
        return x0 + (x1 - x0) * w, y0 + (y1 - y0) * w

    def _block_nods(self, block: int) -> list[tuple[float, float, float]]:
        """Start and length in seconds and depth of the listener's nods that begin in a block."""
        if block not in self._nods:
            rng = self._events(3, block)
            found: list[tuple[float, float, float]] = []
            t = block * _BLOCK_S + float(rng.uniform(0.3, 1.4))
            end = (block + 1) * _BLOCK_S - 1.2
            while t < end:
                # Listeners nod once or twice in a row, every two to four seconds, the second less.
                length, depth = float(rng.uniform(0.42, 0.6)), float(rng.uniform(0.7, 1.3))
                found.append((t, length, depth))
                if rng.random() < 0.4:
                    found.append((t + length, length * 0.9, depth * 0.55))
                    t += length
                t += float(np.clip(rng.lognormal(0.95, 0.35), 1.4, 4.5))
            if len(self._nods) > 8:
                self._nods.clear()
            self._nods[block] = found
        return self._nods[block]

    def _nod(self, seconds: float) -> float:
        """How far down a listener's nod is, 0 to about 1.3."""
        for start, length, depth in self._block_nods(int(seconds // _BLOCK_S)):
            phase = (seconds - start) / length
            if 0 <= phase < 1:
                return depth * float(np.sin(np.pi * phase) ** 2)
        return 0.0

    def at(self, frame: int, loudness: float = 0.0, attention: float = 0.0) -> HeadMotion:
        """The head in a frame.

        Args:
            frame: Frame number since the performance was opened.
            loudness: 0..1, how loud the speech is around this frame, smoothed: a speaker moves
                more, and nods with the stress.
            attention: 0..1, how much the head listens to somebody: it nods a little, leans in, and
                the eyes hardly leave who speaks.
        """
        s, a = frame / FPS, self._amount
        seed = self._seed
        talk = float(np.clip(loudness, 0, 1))
        more = a * (1.0 + 0.9 * talk)
        breath_phase = 2 * np.pi * (s / 4.1 + 0.22 * _noise(seed, 91, s / 6.0))
        heed = float(np.clip(attention, 0, 1))
        gx, gy = ((1 - 0.75 * heed) * g for g in self._gaze(s))
        yaw = more * 2.3 * _drift(seed, 11, s)
        pitch = more * 1.5 * _drift(seed, 12, s) - a * 1.6 * talk * (
            0.4 + 0.6 * _noise(seed, 61, s / 0.9)
        )
        pitch -= a * heed * (2.2 * self._nod(s) + 0.4)
        return HeadMotion(
            yaw=yaw,
            pitch=pitch,
            roll=more * 1.2 * _drift(seed, 13, s),
            shift=(a * 0.010 * _drift(seed, 14, s), a * 0.007 * _drift(seed, 15, s)),
            breath=a * float(np.sin(breath_phase)),
            blink=self._blink(s),
            # The eyes stay on the listener while the head turns.
            gaze=(gx * min(a, 1.0) - yaw / 26.0, gy * min(a, 1.0) + pitch / 30.0),
            brow=a * max(0.0, 0.30 * _noise(seed, 71, s / 1.3) * (0.25 + talk)),
        )
