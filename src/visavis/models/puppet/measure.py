"""Read the weights of the face units off somebody's moving landmarks.

The landmarker's own blendshapes are coarse: over 50 clips of people talking, lips driven by them miss
the real ones by 0.037 of the distance between the eyes (0.052 would be no motion at all), lips driven
by the weights solved here by 0.010.
"""

from __future__ import annotations

import numpy as np

from visavis.core.types import Floats
from visavis.models.common import mesh
from visavis.models.common.units import UNIT_INDEX
from visavis.models.puppet.face_units import STEADY, FaceUnits, find_similarity

_ROUNDS = 200
_PRIOR = 0.08
"""Pull towards the landmarker's blendshapes, in distances between the eyes for a whole unit."""
_PRIOR_GAIN = 0.7
_BLINK_GAIN = 1.4
_BLINKS = [UNIT_INDEX["eyeBlinkLeft"], UNIT_INDEX["eyeBlinkRight"]]


def measure_units(
    units: FaceUnits, landmarks: Floats, blendshapes: Floats, rest: int | None = None
) -> Floats:
    """Find the weights whose sum of displacements is nearest to what the landmarks do.

    Args:
        units: The fields.
        landmarks: float32 (T, 478, 3) pixels of one person.
        blendshapes: float32 (T, 52) of the landmarker; they decide where landmarks cannot.
        rest: The frame that counts as all weights zero; None takes the one that
            ``find_rest`` finds.

    Returns:
        float32 (T, 52) in [0, 1].
    """
    rest = find_rest(landmarks, blendshapes) if rest is None else rest
    face = landmarks[rest].astype(np.float32)
    eyes = float(np.linalg.norm(face[mesh.IRIS_RIGHT[0]] - face[mesh.IRIS_LEFT[0]]))
    trust = np.sqrt(_trust())[:, None] / eyes
    fields = (units.fit(face)[:, :, :2] * trust).reshape(len(units.fields), -1)
    moved = np.stack([_displacement(frame, face) for frame in landmarks])
    target = (moved[:, :, :2] * trust).reshape(len(moved), -1)
    change = np.clip(blendshapes - blendshapes[rest], 0, 1)
    prior = _PRIOR**2 * _PRIOR_GAIN * change
    gram = fields @ fields.T + _PRIOR**2 * np.eye(len(fields), dtype=np.float32)
    weights = _solve_bounded(gram, target @ fields.T + prior)
    # Landmarks of a shut eye stay half open; the blendshape network has learnt to see through that.
    weights[:, _BLINKS] = np.maximum(
        weights[:, _BLINKS], np.clip(_BLINK_GAIN * change[:, _BLINKS], 0, 1)
    )
    return weights


def find_rest(landmarks: Floats, blendshapes: Floats) -> int:
    """The frame (of T) with the mouth most shut, the eyes open and the face otherwise calm."""
    size = np.linalg.norm(
        landmarks[:, mesh.IRIS_RIGHT[0]] - landmarks[:, mesh.IRIS_LEFT[0]], axis=1
    )
    lips = landmarks[:, mesh.LIPS_INNER_LOWER] - landmarks[:, mesh.LIPS_INNER_UPPER]
    gap = np.linalg.norm(lips, axis=2).mean(1) / size
    calm = blendshapes.mean(1) + blendshapes[:, _BLINKS].mean(1)
    return int(np.argmin(gap / 0.1 + calm))


def _trust() -> Floats:
    """How much each landmark (478,) counts: lips and eyes most, the border, which slides, least."""
    trust = np.ones(mesh.LANDMARKS, np.float32)
    trust[mesh.LIPS] = 3
    trust[np.concatenate([mesh.EYE_LEFT, mesh.EYE_RIGHT, mesh.IRIS_LEFT, mesh.IRIS_RIGHT])] = 2
    trust[mesh.FACE_OVAL] = 0.3
    return trust


def _displacement(landmarks: Floats, rest: Floats) -> Floats:
    """What moved (478, 3) since ``rest``, in its pixels, once the head is put back."""
    back = find_similarity(landmarks[STEADY], rest[STEADY])
    moved: Floats = (landmarks - landmarks[STEADY].mean(0)) @ back.T + rest[STEADY].mean(0) - rest
    return moved


def _solve_bounded(gram: Floats, linear: Floats) -> Floats:
    """Minimise ``w @ gram @ w / 2 - linear @ w`` over weights in [0, 1], for rows (T, 52).

    Source: Beck and Teboulle 2009 (FISTA), with a projection.
    """
    step = 1 / np.linalg.eigvalsh(gram.astype(np.float64))[-1]
    weights = ahead = np.zeros_like(linear)
    momentum = 1.0
    for _ in range(_ROUNDS):
        following = np.clip(ahead - step * (ahead @ gram - linear), 0, 1)
        grown = (1 + np.sqrt(1 + 4 * momentum**2)) / 2
        ahead = following + (momentum - 1) / grown * (following - weights)
        weights, momentum = following, grown
    solved: Floats = weights.astype(np.float32)
    return solved
