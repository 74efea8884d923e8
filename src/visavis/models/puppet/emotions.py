"""The eight emotions as face units at full intensity.

After the action units of Ekman and Friesen's FACS prototypes, carried over to ARKit units and
weakened to what a talking face shows. Mouth parts are kept small, so that speech stays readable.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from visavis.core.types import EMOTIONS, Emotion, Floats
from visavis.models.common.units import ARKIT_UNITS, UNIT_INDEX

_BOTH = {
    "browDown", "browOuterUp", "cheekSquint", "eyeBlink", "eyeSquint", "eyeWide",
    "mouthDimple", "mouthFrown", "mouthLowerDown", "mouthPress", "mouthSmile",
    "mouthStretch", "mouthUpperUp", "noseSneer", "eyeLookDown",
}  # fmt: skip

PRESETS: Mapping[Emotion, Mapping[str, float]] = {
    "neutral": {},
    "happy": {
        "mouthSmile": 0.62, "cheekSquint": 0.55, "eyeSquint": 0.28, "mouthDimple": 0.15,
        "browInnerUp": 0.10, "browOuterUp": 0.12,
    },
    "sad": {
        "browInnerUp": 0.80, "browDown": 0.12, "mouthFrown": 0.60, "mouthShrugLower": 0.28,
        "eyeBlink": 0.14, "eyeLookDown": 0.16,
    },
    "angry": {
        "browDown": 0.95, "noseSneer": 0.30, "eyeSquint": 0.40, "mouthPress": 0.30,
        "mouthFrown": 0.32, "jawForward": 0.25,
    },
    "surprised": {
        "browInnerUp": 0.75, "browOuterUp": 0.85, "eyeWide": 0.75,
    },
    "fear": {
        "browInnerUp": 0.85, "browOuterUp": 0.35, "browDown": 0.20, "eyeWide": 0.70,
        "mouthStretch": 0.45, "mouthFrown": 0.15,
    },
    "disgusted": {
        "noseSneer": 0.85, "browDown": 0.50, "mouthUpperUp": 0.22, "cheekSquint": 0.40,
        "eyeSquint": 0.35, "mouthFrown": 0.38, "mouthShrugUpper": 0.15,
    },
    "contempt": {
        "mouthSmileLeft": 0.45, "mouthDimpleLeft": 0.55, "mouthPressLeft": 0.20,
        "cheekSquintLeft": 0.25, "browOuterUpRight": 0.35, "browDownLeft": 0.25,
        "eyeBlink": 0.10, "mouthLeft": 0.12,
    },
}  # fmt: skip
"""Unit weights at intensity 1; a name without a side stands for both."""


def emotion_units(emotion: Emotion, intensity: float) -> Floats:
    """Unit weights (52,) of an emotion at an intensity in [0, 1]."""
    weights = np.zeros(len(ARKIT_UNITS), np.float32)
    for name, value in PRESETS[emotion].items():
        for unit in (name + "Left", name + "Right") if name in _BOTH else (name,):
            weights[UNIT_INDEX[unit]] = value
    return weights * float(np.clip(intensity, 0, 1))


assert set(PRESETS) == set(EMOTIONS)
