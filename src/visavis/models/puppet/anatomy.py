"""Where things are in one face, and how deep and how loosely each part of the picture hangs on."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from visavis.core.types import Floats, Picture
from visavis.models.common import mesh
from visavis.models.puppet.warp import Interpolant, smoothstep

INTEROCULAR_MM = 63.0
"""Between the pupils of an adult, mean of both sexes (Dodgson 2004)."""

_UPPER = np.array(mesh.LIPS_INNER_UPPER)
_LOWER = np.array(mesh.LIPS_INNER_LOWER)
LIP_ROWS = (
    (mesh.LIPS_INNER_UPPER, mesh.LIPS_INNER_LOWER, 1.0),
    (mesh.LIPS_UPPER_INSIDE, mesh.LIPS_LOWER_INSIDE, 0.7),
    (mesh.LIPS_UPPER_MIDDLE, mesh.LIPS_LOWER_MIDDLE, 0.35),
)
"""Rows of the upper and lower lip and how far each follows the seam when that is moved."""


def rotation(yaw: float, pitch: float, roll: float) -> npt.NDArray[np.float64]:
    """Matrix (3, 3) that turns about y (yaw), x (pitch), z (roll) of axes x right, y down, z away; degrees."""
    a, b, c = np.deg2rad([-yaw, -pitch, roll])
    turn_y = np.array([[np.cos(a), 0, np.sin(a)], [0, 1, 0], [-np.sin(a), 0, np.cos(a)]])
    turn_x = np.array([[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]])
    turn_z = np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
    return turn_z @ turn_x @ turn_y


def close_lips(landmarks: Floats, limit: float) -> Floats:
    """Let the inner lips meet where they are apart by less than ``limit`` pixels."""
    out = landmarks.copy()
    gap = np.linalg.norm(out[_UPPER, :2] - out[_LOWER, :2], axis=1)
    if gap.max() < limit:
        out[_UPPER] = out[_LOWER] = (out[_UPPER] + out[_LOWER]) / 2
    return out


def find_stomion(landmarks: Floats) -> Floats:
    """The point (3,) where the middles of the lips meet."""
    middle = len(_UPPER) // 2
    found: Floats = (landmarks[_UPPER[middle]] + landmarks[_LOWER[middle]]) / 2
    return found


class Anatomy:
    """Measures of one face, and the parts of the picture that go with its head.

    Args:
        image: RGB uint8 (H, W, 3).
        landmarks: float32 (478, 3) pixels; kept as a copy, the seam of a shut mouth put right.
        has_matte: The background is drawn apart, so that the warp need not spare it.
        fixed_border: The picture is part of a larger one, so its border must not move.

    Attributes:
        landmarks: float32 (478, 3) pixels.
        mm: Pixels per millimetre of the face.
        tilt: Of the line through the eyes, radians, positive clockwise in the picture.
        down: (2,) unit vector from the forehead to the chin.
    """

    def __init__(
        self, image: Picture, landmarks: Floats, *, has_matte: bool, fixed_border: bool
    ) -> None:
        self.height, self.width = image.shape[:2]
        self.landmarks: Floats = landmarks.astype(np.float32).copy()
        eyes = [self.landmarks[i, :2].mean(0) for i in (mesh.IRIS_RIGHT, mesh.IRIS_LEFT)]
        across = eyes[1] - eyes[0]
        self.mm = float(np.hypot(*across)) / INTEROCULAR_MM
        self.tilt = float(np.arctan2(across[1], across[0]))
        self.down = np.array([-np.sin(self.tilt), np.cos(self.tilt)], np.float32)
        self._has_matte = has_matte
        self._fixed_border = fixed_border
        self._snap_seam(image)
        oval = self.landmarks[mesh.FACE_OVAL, :2]
        self.centre: Floats = oval.mean(0)
        self.face_width = float(np.ptp(oval[:, 0]))
        self.face_height = float(np.ptp(oval[:, 1]))
        self.chin_y = float(oval[:, 1].max())
        self.back = float(self.landmarks[mesh.FACE_OVAL, 2].max())
        self._setup_depth()

    def _snap_seam(self, image: Picture) -> None:
        """Move the inner lip landmarks of a shut mouth onto the dark line between the lips."""
        grey = cv2.GaussianBlur(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), (0, 0), 0.5 * self.mm)
        down = self.down
        pairs = list(zip(_UPPER[1:-1], _LOWER[1:-1], strict=True))
        gap = max(float(np.linalg.norm(self.landmarks[a] - self.landmarks[b])) for a, b in pairs)
        if gap > 3.0 * self.mm:
            return
        reach = np.arange(-2.5, 2.51, 0.25, dtype=np.float32) * self.mm
        found = []
        for upper, lower in pairs:
            middle = (self.landmarks[upper, :2] + self.landmarks[lower, :2]) / 2
            line = middle + reach[:, None] * down
            shade = cv2.remap(
                grey, line[None, :, 0], line[None, :, 1], cv2.INTER_LINEAR,
                borderMode=cv2.BORDER_REPLICATE,
            )[0].astype(np.float32)  # fmt: skip
            found.append(reach[int(np.argmin(shade + 3.0 * (reach / self.mm) ** 2))])
        offsets = np.array(found, np.float32)
        padded = np.pad(offsets, 2, mode="edge")
        smooth = np.median(np.stack([padded[i : i + len(offsets)] for i in range(5)]), 0)
        smooth = np.convolve(np.pad(smooth, 1, mode="edge"), [0.25, 0.5, 0.25], "valid")
        for (upper, lower), offset in zip(pairs, smooth, strict=True):
            middle = (self.landmarks[upper, :2] + self.landmarks[lower, :2]) / 2 + offset * down
            self.landmarks[upper, :2] = middle
            self.landmarks[lower, :2] = middle
        for above, below, share in LIP_ROWS[1:]:
            shift = share * smooth[:, None] * down
            self.landmarks[above[1:-1], :2] += shift
            self.landmarks[below[1:-1], :2] += shift

    def _setup_depth(self) -> None:
        xy, z = self.landmarks[:, :2], self.landmarks[:, 2]
        ring = self.ring(1.55)
        self._depth = Interpolant(
            np.concatenate([xy[:468], ring]),
            np.empty((0, 2), np.float32),
            self.face_height * 0.9,
            1e-2,
        )
        # Hair and ears lie behind the face's outline, the neck about as deep as the jaw.
        self._depth_values = np.concatenate(
            [z[:468] - self.back, np.full(len(ring), 0.10 * self.face_width)]
        )
        self.pivot = np.array(
            [self.centre[0], self.chin_y + 0.10 * self.face_height, 0.25 * self.face_width]
        )

    def ring(self, scale: float, count: int = 28) -> Floats:
        """Places (count, 2) on an ellipse around the face, ``scale`` times its outline."""
        angle = np.linspace(0, 2 * np.pi, count, endpoint=False)
        r = np.array([self.face_width, self.face_height * 1.02]) * 0.5 * scale
        return np.asarray(self.centre + r * np.stack([np.cos(angle), np.sin(angle)], 1), np.float32)

    def body_at(self, where: Floats) -> tuple[Floats, Floats, Floats]:
        """Depth (N,) in pixels, share of the head's motion (N,) and of the breath (N,) at places."""
        depth = self._depth.at(where) @ self._depth_values.astype(np.float32)
        fw, fh = self.face_width, self.face_height
        x, y = where[:, 0], where[:, 1]
        # The neck shears; at the picture's lower border it is at rest, as there is none below it.
        floor = min(self.chin_y + 0.75 * fh, max(self.height - 1.0, self.chin_y + 0.08 * fh))
        head = 1 - smoothstep(y, self.chin_y - 0.02 * fh, floor)
        chest = smoothstep(y, self.chin_y + 0.05 * fh, self.chin_y + 0.8 * fh)
        if not self._has_matte:
            top = self.centre[1] - 0.12 * fh
            r = np.hypot((x - self.centre[0]) / (fw * 0.5), (y - top) / (fh * 0.62))
            head = head * (1 - smoothstep(r, 1.25, 2.1))
            side = np.abs(x - self.centre[0]) / (fw * 0.5)
            chest = chest * (1 - smoothstep(side, 2.2, 3.2))
        # The picture's own border never moves, or its edge would show.
        edge = np.minimum(np.minimum(x, self.width - 1 - x), y)
        if self._fixed_border:
            edge = np.minimum(edge, self.height - 1 - y)
        still = smoothstep(edge, 0.0, 0.06 * self.width)
        if self._has_matte and not self._fixed_border:
            still = np.ones_like(still)
        return (
            depth.astype(np.float32),
            (head * still).astype(np.float32),
            (chest * still).astype(np.float32),
        )

    def carry(
        self, points: Floats, turn: npt.NDArray[np.float64], shift: tuple[float, float]
    ) -> Floats:
        """Where (N, 3) points of the head, z as the landmarks', go when the head moves; (N, 2)."""
        moved = (points - np.array([0, 0, self.back]) - self.pivot) @ turn.T
        return np.asarray(
            moved[:, :2] + self.pivot[:2] + np.array(shift) * self.face_width, np.float32
        )
