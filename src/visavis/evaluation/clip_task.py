"""What one clip is measured against, and what was measured of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from visavis.core.types import Emotion, Floats, Picture

STRIP = 12
"""Aligned faces of a frame strip."""


@dataclass(frozen=True, slots=True, eq=False)
class ClipFigures:
    """What was measured of one clip.

    Attributes:
        name: Of the clip.
        path: Of its file.
        figures: By metric; those that could not be measured are missing.
        notes: Why some are missing, by metric or group.
        frames: How many were read.
        strip: uint8 (STRIP, 256, 256, 3), aligned faces evenly taken.
        features: By metric of a set (``fid``, ``fvd``): features (N, D) of what was made, and of the
            reference.
    """

    name: str
    path: Path
    figures: Mapping[str, float]
    notes: Mapping[str, str]
    frames: int
    strip: Picture
    features: Mapping[str, tuple[Floats, Floats]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Task:
    """One clip to measure.

    Attributes:
        made: The video.
        name: Of the clip, in reports.
        real: The reference, or None.
        text: What is said in it, or empty.
        emotion: What it was to show, or None.
    """

    made: Path
    name: str
    real: Path | None = None
    text: str = ""
    emotion: Emotion | None = None


@dataclass(frozen=True, slots=True)
class Options:
    """What is measured, and how.

    Attributes:
        groups: Of metrics; see `visavis.evaluation.metrics.choose`.
        every: Networks that judge single pictures see every so many-th frame.
        most_frames: Of a clip that are read; None reads all.
    """

    groups: frozenset[str]
    every: int = 5
    most_frames: int | None = None
