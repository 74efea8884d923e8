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
        "mouthSmile": 0.74, "cheekSquint": 0.65, "eyeSquint": 0.30, "mouthDimple": 0.20,
        "browInnerUp": 0.10, "browOuterUp": 0.15,
    },
    "sad": {
        "browInnerUp": 1.00, "browDown": 0.15, "mouthFrown": 0.80, "mouthShrugLower": 0.35,
        "eyeBlink": 0.18, "eyeLookDown": 0.18,
    },
    "angry": {
        "browDown": 1.00, "noseSneer": 0.45, "eyeSquint": 0.48, "mouthPress": 0.40,
        "mouthFrown": 0.42, "jawForward": 0.25,
    },
    "surprised": {
        "browInnerUp": 1.00, "browOuterUp": 1.00, "eyeWide": 0.90,
    },
    "fear": {
        "browInnerUp": 1.00, "browOuterUp": 0.45, "browDown": 0.20, "eyeWide": 0.85,
        "mouthStretch": 0.60, "mouthFrown": 0.25,
    },
    "disgusted": {
        "noseSneer": 1.00, "browDown": 0.62, "cheekSquint": 0.50,
        "eyeSquint": 0.42, "mouthFrown": 0.50, "mouthShrugUpper": 0.20,
    },
    "contempt": {
        "mouthSmileLeft": 0.55, "mouthDimpleLeft": 0.65, "mouthPressLeft": 0.25,
        "cheekSquintLeft": 0.35, "browOuterUpRight": 0.50, "browDownLeft": 0.35,
        "eyeBlink": 0.12, "mouthLeft": 0.15,
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
