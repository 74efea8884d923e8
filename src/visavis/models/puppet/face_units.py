"""The 52 ARKit units as displacement fields on the 478 landmarks, fitted to anybody's face.

Source: the CC0 head and face units of MakeHuman, measured at the points where MediaPipe's landmarks
lie on that head; ``units/README.md`` says how, ``training/recipes/face_units.py`` does it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from visavis.core.errors import MissingWeights
from visavis.core.types import Floats
from visavis.models.common import mesh
from visavis.models.common.units import ARKIT_UNITS, UNIT_INDEX

PATH = Path(__file__).parent / "units" / "units.npz"
MOUTH_PATH = PATH.with_name("mouth_interior.npz")

STEADY = np.array([33, 133, 362, 263, 168, 6, 197, 195, 5, 4, 98, 327, 127, 356, 234, 454, 10])
"""Landmarks that expressions hardly move: eye corners, nose, temples, forehead."""
_REACH = 0.35
"""Radius, in distances between the eyes, over which a person's proportions are measured."""
_STIFFNESS = 0.5
"""How much a person's proportions are held to those of the whole face; in variances of the reach."""
_LID_FALL = 0.8
"""Part of the eye's opening that the upper lid covers in a blink; the lower lid rises the rest."""

_LIP_ROWS = (
    (mesh.LIPS_INNER_UPPER, mesh.LIPS_INNER_LOWER, 1.0),
    (mesh.LIPS_UPPER_INSIDE, mesh.LIPS_LOWER_INSIDE, 0.8),
    (mesh.LIPS_UPPER_MIDDLE, mesh.LIPS_LOWER_MIDDLE, 0.55),
    (mesh.LIPS_OUTER_UPPER, mesh.LIPS_OUTER_LOWER, 0.2),
)
"""Rows of the upper and lower lip and how far each follows the inner rim when it is corrected."""


@dataclass(frozen=True, slots=True, eq=False)
class FaceUnits:
    """A neutral face and how each unit moves it.

    The frame: the origin is midway between the irises, the unit of length is the distance between
    them, x runs right in the picture, y down, z away from the camera; the face looks at the camera.

    Attributes:
        neutral: float32 (478, 3).
        fields: float32 (52, 478, 3) displacement of each landmark at weight 1.
        names: The units, which are ``ARKIT_UNITS``.
    """

    neutral: Floats
    fields: Floats
    names: tuple[str, ...]

    def fit(self, landmarks: Floats) -> Floats:
        """Carry every unit over to a person.

        Displacements are turned and scaled with the face, stretched by the person's local
        proportions (a wider mouth smiles wider), and corrected so that ``eyeBlink`` at 1 brings
        the person's own lids together and ``mouthClose`` undoes ``jawOpen`` at the lips.

        Args:
            landmarks: float32 (478, 3) pixels, of a face at rest.

        Returns:
            float32 (52, 478, 3) displacement in pixels at weight 1; units add up linearly.
        """
        stretch = self._local_maps(landmarks)
        fields = np.einsum("nab,unb->una", stretch, self.fields)
        for side, upper, lower in (
            ("Left", mesh.EYE_LEFT_UPPER, mesh.EYE_LEFT_LOWER),
            ("Right", mesh.EYE_RIGHT_UPPER, mesh.EYE_RIGHT_LOWER),
        ):
            self._close_lids(fields[UNIT_INDEX["eyeBlink" + side]], landmarks, upper, lower)
        jaw, close = (fields[UNIT_INDEX[name]] for name in ("jawOpen", "mouthClose"))
        close += _meet_lips(landmarks + jaw + close)
        fitted: Floats = fields.astype(np.float32)
        return fitted

    def displace(self, weights: Floats, landmarks: Floats) -> Floats:
        """Displacement (478, 3) in pixels of a person's landmarks, linear in ``weights`` (52,).

        For many frames of one face call ``fit`` once and sum up its fields.
        """
        moved: Floats = np.tensordot(weights, self.fit(landmarks), 1).astype(np.float32)
        return moved

    def shut(self, landmarks: Floats) -> Floats:
        """Displacement (478, 3) in pixels that brings lips together which are apart at rest."""
        return _meet_lips(landmarks.astype(np.float32))

    def _local_maps(self, landmarks: Floats) -> Floats:
        """The linear map (478, 3, 3) from this frame to the picture around each landmark."""
        turn = find_similarity(self.neutral[STEADY], landmarks[STEADY])
        near = np.exp(-(_distances(self.neutral) ** 2) / (2 * _REACH**2))
        near[:, mesh.IRIS_RIGHT[0] :] = 0  # gaze is not a proportion of the face
        near /= near.sum(1, keepdims=True)
        source = self.neutral - (near @ self.neutral)[:, None]
        target = landmarks - (near @ landmarks)[:, None]
        stiff = _STIFFNESS * _REACH**2
        cross = np.einsum("ij,ija,ijb->iab", near, target, source) + stiff * turn
        spread = np.einsum("ij,ija,ijb->iab", near, source, source) + stiff * np.eye(3)
        maps: Floats = cross @ np.linalg.inv(spread)
        return maps

    def _close_lids(
        self, field: Floats, landmarks: Floats, upper: mesh.Indices, lower: mesh.Indices
    ) -> None:
        """Change a blink's field (478, 3) so that the rims of a person's lids meet at weight 1."""
        rims = np.concatenate([upper[1:-1], lower[1:-1]])
        gap = landmarks[lower] - landmarks[upper]
        wanted = np.concatenate([_LID_FALL * gap[1:-1], (_LID_FALL - 1) * gap[1:-1]])
        missing = wanted - field[rims]
        own = np.linalg.norm(field[rims], axis=1)
        moved = np.linalg.norm(field, axis=1)
        skin = np.setdiff1d(np.nonzero(moved > 0)[0], np.concatenate([upper, lower]))
        nearest = _distances(self.neutral[skin], self.neutral[rims]).argsort(1)[:, :3]
        # Skin follows the rim that it hangs on as far as the unit itself lets it.
        follows = np.clip(moved[skin, None] / (own[nearest] + 1e-6), 0, 1)
        field[skin] += (follows[..., None] * missing[nearest]).mean(1)
        field[rims] = wanted


@cache
def load() -> FaceUnits:
    """Read the fitted units.

    Raises:
        MissingWeights: The installation lacks the file.
    """
    data = _read(PATH, "neutral", "fields", "names")
    units = FaceUnits(data["neutral"], data["fields"], tuple(str(name) for name in data["names"]))
    assert units.names == ARKIT_UNITS
    return units


@dataclass(frozen=True, slots=True, eq=False)
class MouthPart:
    """A mesh inside the mouth, in the frame of ``FaceUnits``.

    Attributes:
        vertices: float32 (n, 3).
        triangles: int32 (m, 3).
        fields: float32 (52, n, 3) displacement at weight 1.
    """

    vertices: Floats
    triangles: mesh.Indices
    fields: Floats


@cache
def load_mouth() -> dict[str, MouthPart]:
    """Read ``upper_teeth``, ``lower_teeth`` and ``tongue``, as they lie behind ``neutral``'s lips.

    Raises:
        MissingWeights: The installation lacks the file.
    """
    parts = ("upper_teeth", "lower_teeth", "tongue")
    suffixes = ("", "_triangles", "_fields")
    data = _read(MOUTH_PATH, *(part + suffix for part in parts for suffix in suffixes))
    return {part: MouthPart(*(data[part + suffix] for suffix in suffixes)) for part in parts}


def _read(path: Path, *names: str) -> dict[str, Any]:
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as data:
            return {name: data[name] for name in names}
    except (OSError, KeyError, ValueError, BadZipFile) as error:
        raise MissingWeights(f"{path} cannot be read ({error}); install visavis again.") from error


def _meet_lips(landmarks: Floats) -> Floats:
    """Displacement (478, 3) that puts the inner rims of the lips onto each other."""
    moved = np.zeros_like(landmarks)
    inner_upper, inner_lower, _ = _LIP_ROWS[0]
    half = (landmarks[inner_lower] - landmarks[inner_upper]) / 2
    half[0] = half[-1] = 0  # the corners are one point
    for upper, lower, share in _LIP_ROWS:
        moved[upper[1:-1]] = share * half[1:-1]
        moved[lower[1:-1]] = -share * half[1:-1]
    return moved


def find_similarity(source: Floats, target: Floats) -> Floats:
    """Rotation times scale (3, 3) that best takes ``source`` (n, 3) to ``target``.

    Source: Umeyama 1991.
    """
    source, target = source - source.mean(0), target - target.mean(0)
    left, values, right = np.linalg.svd((target.T @ source).astype(np.float64))
    sign = np.array([1, 1, np.sign(np.linalg.det(left @ right))])
    scale = (values * sign).sum() / (source**2).sum()
    turn: Floats = (scale * (left * sign) @ right).astype(np.float32)
    return turn


def _distances(points: Floats, others: Floats | None = None) -> Floats:
    """Distances (n, m) between each of two sets of points."""
    others = points if others is None else others
    distances: Floats = np.linalg.norm(points[:, None] - others, axis=2)
    return distances
