"""Where MakeHuman's face units are changed before they drive a picture, and why.

Each was found by looking at the unit on photographs, or against the motion of real faces. All
lengths are in distances between the eyes; y runs down.
"""

from __future__ import annotations

import numpy as np

from visavis.core.types import Floats
from visavis.models.common import mesh
from visavis.models.common.units import UNIT_INDEX

_UPPER_ROWS = (
    mesh.LIPS_OUTER_UPPER, mesh.LIPS_UPPER_MIDDLE, mesh.LIPS_UPPER_INSIDE, mesh.LIPS_INNER_UPPER,
)  # fmt: skip
_LOWER_ROWS = (
    mesh.LIPS_OUTER_LOWER, mesh.LIPS_LOWER_MIDDLE, mesh.LIPS_LOWER_INSIDE, mesh.LIPS_INNER_LOWER,
)  # fmt: skip
_LID_RINGS = (
    (mesh.EYE_RIGHT_UPPER[1:-1], np.array([247, 30, 29, 27, 28, 56, 190]), 0.68),
    (mesh.EYE_RIGHT_UPPER[1:-1], np.array([113, 225, 224, 223, 222, 221, 189]), 0.42),
)
"""Upper rim of the right eye, the rows of skin above it, and how far they follow a blink."""
_GAINS = {
    "browInnerUp": 1.35,
    "browOuterUpLeft": 1.25,
    "browOuterUpRight": 1.25,
    "mouthLowerDownLeft": 1.3,
    "mouthLowerDownRight": 1.3,
    "mouthShrugLower": 1.3,
    "mouthShrugUpper": 1.3,
}
"""Units that move real faces further, by 1.3 to 2.1 times with MediaPipe's weights."""
_NEAR = 0.13
"""How far around the lips the skin follows a change of theirs."""


def correct(neutral: Floats, fields: Floats) -> None:
    """Change ``fields`` (52, 478, 3) in place; ``neutral`` (478, 3) is the face."""
    folded = [UNIT_INDEX["mouthSmile" + side] for side in ("Left", "Right")]
    _smooth(neutral, fields, rounds=1)
    fields[folded] = _smooth(neutral, fields[folded], rounds=3)
    for side, mirrored in (("Right", False), ("Left", True)):
        _spread_blink(fields[UNIT_INDEX["eyeBlink" + side]], mirrored)
        _turn_eyeballs(neutral, fields, side)
    _round_funnel(neutral, fields[UNIT_INDEX["mouthFunnel"]])
    for side in ("Left", "Right"):
        _press(neutral, fields[UNIT_INDEX["mouthPress" + side]], 1 if side == "Left" else -1)
    _roll(neutral, fields[UNIT_INDEX["mouthRollUpper"]], _UPPER_ROWS)
    _roll(neutral, fields[UNIT_INDEX["mouthRollLower"]], _LOWER_ROWS)
    puff = fields[UNIT_INDEX["cheekPuff"]]
    # Seen from the front a puffed cheek only comes closer; widening it is what a picture shows.
    puff[:, 0] += 0.25 * np.abs(puff[:, 2]) * np.tanh(neutral[:, 0] / 0.2)
    for name, gain in _GAINS.items():
        fields[UNIT_INDEX[name]] *= gain


def _smooth(neutral: Floats, fields: Floats, rounds: int) -> Floats:
    """Even out the skin in place, which takes the step out of the smile's fold; rims stay sharp."""
    edges = np.concatenate([mesh.TRIANGLES[:, [i, (i + 1) % 3]] for i in range(3)])
    near = np.zeros((mesh.LANDMARKS, mesh.LANDMARKS))
    length = np.linalg.norm(neutral[edges[:, 0]] - neutral[edges[:, 1]], axis=1)
    near[edges[:, 0], edges[:, 1]] = near[edges[:, 1], edges[:, 0]] = 1 / (length + 0.02)
    near /= near.sum(1, keepdims=True) + 1e-9
    skin = np.ones(mesh.LANDMARKS, bool)
    skin[np.concatenate([mesh.LIPS, mesh.EYE_LEFT, mesh.EYE_RIGHT])] = False
    skin[mesh.IRIS_RIGHT[0] :] = False
    for _ in range(rounds):
        mean = np.einsum("ij,ujc->uic", near, fields)
        fields[:, skin] += 0.5 * (mean - fields)[:, skin]
    return fields


def _spread_blink(field: Floats, mirrored: bool) -> None:
    """Let the lid's skin give evenly up to the brow, so that lashes are not drawn out.

    The corners hold still: MakeHuman lowers the outer one, which kinks the shut lid.
    """
    pick = mesh.MIRROR if mirrored else np.arange(mesh.LANDMARKS)
    for rim, ring, share in _LID_RINGS:
        field[pick[ring]] = share * field[pick[rim]]
    field[pick[mesh.EYE_RIGHT_UPPER[[0, -1]]]] *= 0.25


def _turn_eyeballs(neutral: Floats, fields: Floats, side: str) -> None:
    """Look as far up and down as to the sides (about 20 degrees), and let the upper lid follow.

    MakeHuman's eyes look 11 degrees up, and lift the lower lid twice as far as the upper.
    """
    iris = mesh.IRIS_RIGHT if side == "Right" else mesh.IRIS_LEFT
    below = 1 / (1 + np.exp(-(neutral[:, 1] - neutral[iris[0], 1]) / 0.02))
    up = fields[UNIT_INDEX["eyeLookUp" + side]]
    irises = up[iris] * 1.9
    up *= (2.0 - 1.6 * below)[:, None]
    up[iris] = irises
    fields[UNIT_INDEX["eyeLookDown" + side]] *= 1.3


def _round_funnel(neutral: Floats, field: Floats) -> None:
    """Open the lips to an oval and draw the corners in; MakeHuman's open to a diamond."""
    wanted = field.copy()
    width = neutral[mesh.LIPS_INNER_UPPER[-1], 0]
    for rows, drops in (
        (_UPPER_ROWS, (-0.08, -0.085, -0.09, -0.09)),
        (_LOWER_ROWS, (0.075, 0.095, 0.11, 0.12)),
    ):
        for row, drop in zip(rows, drops, strict=True):
            across = neutral[row, 0] / max(width, np.abs(neutral[row, 0]).max())
            oval = np.clip(1 - across**2, 0, 1) ** 0.85
            wanted[row, 1] = drop * oval
            wanted[row, 0] = -0.085 * across * np.abs(across)
    _set_lips(neutral, field, wanted)


def _press(neutral: Floats, field: Floats, sign: int) -> None:
    """Press the lips thinner instead of pulling the corner up into half a smile.

    Real faces move the corner 0.4 times as far as MakeHuman's.
    """
    field *= 0.4
    wanted = field.copy()
    line = (neutral[mesh.LIPS_INNER_UPPER, 1] + neutral[mesh.LIPS_INNER_LOWER, 1]) / 2
    for row in (*_UPPER_ROWS, *_LOWER_ROWS):
        own = 1 / (1 + np.exp(-sign * neutral[row, 0] / 0.08))  # this side of the mouth
        wanted[row, 1] += 0.3 * own * (line - neutral[row, 1])
    _set_lips(neutral, field, wanted)


def _roll(neutral: Floats, field: Floats, rows: tuple[mesh.Indices, ...]) -> None:
    """Thin the lip that rolls in; MakeHuman's rows pass each other, which folds a flat picture."""
    wanted = field.copy()
    outer, inner = rows[0][1:-1], rows[-1][1:-1]
    facing = (_LOWER_ROWS if rows is _UPPER_ROWS else _UPPER_ROWS)[-1][1:-1]
    sign = 1 if rows is _UPPER_ROWS else -1
    # Rolling in does not part the lips.
    wanted[inner, 1] = sign * np.maximum(sign * field[inner, 1], sign * field[facing, 1])
    rim = neutral[inner, 1] + wanted[inner, 1]
    thick = neutral[inner, 1] - neutral[outer, 1]
    left = rim - neutral[outer, 1] - field[outer, 1]
    left = np.sign(thick) * np.maximum(left * np.sign(thick), 0.3 * np.abs(thick))
    for row in rows[:-1]:
        row = row[1:-1]
        share = (neutral[inner, 1] - neutral[row, 1]) / thick
        wanted[row, 1] = rim - share * left - neutral[row, 1]
    _set_lips(neutral, field, wanted)


def _set_lips(neutral: Floats, field: Floats, wanted: Floats) -> None:
    """Take the lips' displacement from ``wanted`` and let the skin around them follow."""
    change = (wanted - field)[mesh.LIPS]
    others = np.setdiff1d(np.arange(mesh.IRIS_RIGHT[0]), mesh.LIPS)
    distance = np.linalg.norm(neutral[others, None, :2] - neutral[mesh.LIPS, :2], axis=2)
    nearest = distance.argsort(1)[:, :3]
    fall = np.exp(-((distance.min(1) / _NEAR) ** 2))
    field[others] += fall[:, None] * change[nearest].mean(1)
    field[mesh.LIPS] = wanted[mesh.LIPS]
