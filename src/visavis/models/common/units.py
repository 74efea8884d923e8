"""Names of the 52 ARKit face units and of the mouth channels that speech drives.

Source: Apple ARKit ``ARFaceAnchor.BlendShapeLocation``; the order is MediaPipe's face landmarker
(without its leading ``_neutral``), followed by ``tongueOut``, which MediaPipe does not give.
"""

from __future__ import annotations

import numpy as np

from visavis.core.types import Floats

ARKIT_UNITS: tuple[str, ...] = (
    "browDownLeft", "browDownRight", "browInnerUp", "browOuterUpLeft", "browOuterUpRight",
    "cheekPuff", "cheekSquintLeft", "cheekSquintRight",
    "eyeBlinkLeft", "eyeBlinkRight", "eyeLookDownLeft", "eyeLookDownRight",
    "eyeLookInLeft", "eyeLookInRight", "eyeLookOutLeft", "eyeLookOutRight",
    "eyeLookUpLeft", "eyeLookUpRight", "eyeSquintLeft", "eyeSquintRight",
    "eyeWideLeft", "eyeWideRight",
    "jawForward", "jawLeft", "jawOpen", "jawRight",
    "mouthClose", "mouthDimpleLeft", "mouthDimpleRight", "mouthFrownLeft", "mouthFrownRight",
    "mouthFunnel", "mouthLeft", "mouthLowerDownLeft", "mouthLowerDownRight",
    "mouthPressLeft", "mouthPressRight", "mouthPucker", "mouthRight",
    "mouthRollLower", "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper",
    "mouthSmileLeft", "mouthSmileRight", "mouthStretchLeft", "mouthStretchRight",
    "mouthUpperUpLeft", "mouthUpperUpRight", "noseSneerLeft", "noseSneerRight",
    "tongueOut",
)  # fmt: skip
UNIT_INDEX: dict[str, int] = {name: i for i, name in enumerate(ARKIT_UNITS)}

MOUTH_UNITS: tuple[str, ...] = (
    "jawOpen",         # jaw down
    "mouthClose",      # lips kept together while the jaw is down (m, b, p)
    "mouthFunnel",     # lips open and round, forward (o, sh)
    "mouthPucker",     # lips drawn together, small and round (u, w, ü)
    "mouthStretch",    # corners apart (i, e)
    "mouthSmile",      # corners up and apart (i, s)
    "mouthRollLower",  # lower lip in, under the upper teeth (f, v)
    "mouthRollUpper",  # upper lip in (m, b, p)
    "mouthPress",      # lips pressed (m, b, p)
    "mouthLowerDown",  # lower lip off the lower teeth (s, i, e)
    "mouthUpperUp",    # upper lip off the upper teeth (f, s, i)
    "tongueUp",        # tongue tip at the upper teeth (l, n, t, d, th); not an ARKit unit
)  # fmt: skip
"""The symmetric channels that speech drives, each in [0, 1]; all zero is the mouth at rest, shut."""

_SIDED = {"mouthStretch", "mouthSmile", "mouthPress", "mouthLowerDown", "mouthUpperUp"}


def read_mouth(units: Floats) -> Floats:
    """The way back: ARKit units (T, 52) to mouth channels (T, 12), sides averaged; no ``tongueUp``."""
    mouth = np.zeros((len(units), len(MOUTH_UNITS)), np.float32)
    for column, name in enumerate(MOUTH_UNITS):
        names = (name + "Left", name + "Right") if name in _SIDED else (name,)
        if names[0] in UNIT_INDEX:
            mouth[:, column] = units[:, [UNIT_INDEX[n] for n in names]].mean(axis=1)
    return mouth


def expand_mouth(mouth: Floats) -> Floats:
    """Map mouth channels (T, 12) to ARKit units (T, 52). ``tongueUp`` has no unit and is dropped."""
    units = np.zeros((len(mouth), len(ARKIT_UNITS)), np.float32)
    for column, name in enumerate(MOUTH_UNITS):
        if name in _SIDED:
            units[:, UNIT_INDEX[name + "Left"]] = mouth[:, column]
            units[:, UNIT_INDEX[name + "Right"]] = mouth[:, column]
        elif name in UNIT_INDEX:
            units[:, UNIT_INDEX[name]] = mouth[:, column]
    return units
