"""What drawn lips do, read off by landmarks: a judge that no generator was taught by.

The expert that judges sync taught the generators, too, and what it overlooks they may have learnt to
exploit. Whether lips are open when those of the person who said it are, needs no expert.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from visavis.core.types import Floats
from visavis.evaluation.lip_shape import (
    correlation,
    find_delay,
    find_landmarks,
    landmark_distance,
    lip_opening,
)
from visavis.models.face_landmarker.predictor import FaceLandmarker
from visavis.training.lip_samples import Sample


@dataclass(frozen=True, slots=True)
class LipReading:
    """How drawn lips move beside real ones; means over clips.

    Attributes:
        m_lmd: Distance of the lips' landmarks drawn with the clip's own sound from the real ones,
            percent of the eyes' span.
        m_lmd_still: That of the clip's first frame, held: what not moving at all would give.
        opening_own: Correlation of how far lips are apart, drawn with the clip's own sound, with the
            real ones.
        opening_crossed: With another clip's sound, with the real lips of that clip.
        opening_by_chance: Of real lips with the real lips of the other clip: what is to be had
            without listening.
        delay_own: Frames by which drawn lips are late; the median of the clips.
        range_own: Standard deviation of the opening, as a share of the real ones'.
        range_crossed: As a share of that of the real lips whose sound it is.
        faces_lost: Share of the pictures, drawn or real, in which no face was found.
    """

    m_lmd: float
    m_lmd_still: float
    opening_own: float
    opening_crossed: float
    opening_by_chance: float
    delay_own: float
    range_own: float
    range_crossed: float
    faces_lost: float


def read_lips(samples: Sequence[Sample], landmarker: FaceLandmarker) -> dict[str, float]:
    """Read the lips of real and drawn clips, in the same way.

    Args:
        samples: What a `LipJudge` drew.
        landmarker: Reads the faces.

    Returns:
        The fields of `LipReading` by name; NaN where no clip says anything.
    """
    real = [find_landmarks(sample.real, landmarker) for sample in samples]
    # The same pictures, found again among those above, need not be read twice.
    known = {id(sample.real): marks for sample, marks in zip(samples, real, strict=True)}
    other = [
        known[id(s.other)] if id(s.other) in known else find_landmarks(s.other, landmarker)
        for s in samples
    ]
    own = [find_landmarks(sample.own, landmarker) for sample in samples]
    crossed = [find_landmarks(sample.crossed, landmarker) for sample in samples]
    gaps = [[lip_opening(marks) for marks in clips] for clips in (real, own, crossed, other)]
    each = [
        LipReading(
            m_lmd=landmark_distance(marks[: len(made)], made),
            m_lmd_still=landmark_distance(marks, _first_face(marks)),
            opening_own=correlation(a, b),
            opening_crossed=correlation(d, c),
            opening_by_chance=correlation(a, d),
            delay_own=_delay(a, b),
            range_own=_spread(b) / _spread(a),
            range_crossed=_spread(c) / _spread(d),
            faces_lost=float(np.isnan(np.concatenate([a, b, c])).mean()),
        )
        for marks, made, a, b, c, d in zip(real, own, *gaps, strict=True)
    ]
    return {
        field.name: _middle([getattr(one, field.name) for one in each], field.name == "delay_own")
        for field in fields(LipReading)
    }


def _first_face(landmarks: Floats) -> Floats:
    """The first face that was found, in every frame."""
    there = np.flatnonzero(~np.isnan(landmarks[:, 0, 0]))
    held: Floats = np.repeat(landmarks[there[:1] if len(there) else [0]], len(landmarks), 0)
    return held


def _delay(real: Floats, made: Floats) -> float:
    found = find_delay(real, made)
    return float("nan") if found is None else float(found)


def _spread(opening: Floats) -> float:
    seen = opening[~np.isnan(opening)]
    return float(seen.std()) if len(seen) and seen.std() > 0 else float("nan")


def _middle(values: Sequence[float], is_median: bool) -> float:
    """Mean or median of what is known."""
    known = [value for value in values if not np.isnan(value)]
    return float((np.median if is_median else np.mean)(known)) if known else float("nan")
