"""One portrait that can be posed: dear to make, cheap to render.

Shapes: K = 478 landmarks; H, W the picture; a patch is a rectangle with nodes (gh, gw).

The portrait is not cut into triangles. Displacements known at the landmarks are spread smoothly
over the picture, inverted, and the picture is sampled once. What a smooth field cannot do is done
in layers inside small patches: the lips part along their seam (upper and lower lip have a field
each, the inside of the mouth lies behind), and the eyeball stays while the lids move over it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import cv2
import numpy as np
import numpy.typing as npt

from visavis.core.types import Floats, Picture
from visavis.models.common import mesh
from visavis.models.common.units import ARKIT_UNITS, UNIT_INDEX
from visavis.models.puppet.anatomy import LIP_ROWS, Anatomy, close_lips, find_stomion, rotation
from visavis.models.puppet.face_units import FaceUnits
from visavis.models.puppet.light import EYES, fill_background, find_white, unmix
from visavis.models.puppet.mouth import MouthInterior, MouthShape
from visavis.models.puppet.patch import Carriage, Motion, Patch
from visavis.models.puppet.sampling import Canvas, Portrait, Source, View, lay_over
from visavis.models.puppet.warp import Interpolant, fill_polygon, half_plane, smooth_curve

_UPPER = np.array(mesh.LIPS_INNER_UPPER)
_LOWER = np.array(mesh.LIPS_INNER_LOWER)
_UPPER_LIP = {
    int(i)
    for row in (
        mesh.LIPS_INNER_UPPER,
        mesh.LIPS_UPPER_INSIDE,
        mesh.LIPS_UPPER_MIDDLE,
        mesh.LIPS_OUTER_UPPER,
    )
    for i in row[1:-1]
}
_LOWER_LIP = {
    int(i)
    for row in (
        mesh.LIPS_INNER_LOWER,
        mesh.LIPS_LOWER_INSIDE,
        mesh.LIPS_LOWER_MIDDLE,
        mesh.LIPS_OUTER_LOWER,
    )
    for i in row[1:-1]
}
_IRISES = {int(i) for i in (*mesh.IRIS_LEFT, *mesh.IRIS_RIGHT)}
_LID_UNITS = [
    UNIT_INDEX[name + side]
    for name in ("eyeBlink", "eyeSquint", "eyeLookDown")
    for side in ("Left", "Right")
]


@dataclass(frozen=True, slots=True)
class Pose:
    """How the puppet is to look in one frame.

    Attributes:
        units: (52,) ARKit unit weights.
        tongue: 0..1, tip towards the upper teeth.
        yaw: Degrees, positive to the right of the picture.
        pitch: Degrees, positive looking up.
        roll: Degrees, positive clockwise in the picture.
        shift: (x, y) of the head in face widths.
        breath: -1..1.
        gaze: (x, y) -1..1, positive right and down in the picture, besides the eyeLook units.
        lips: 0..1, how far the lips are held together whatever the units do.
    """

    units: Floats = field(default_factory=lambda: np.zeros(len(ARKIT_UNITS), np.float32))
    tongue: float = 0.0
    yaw: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0
    shift: tuple[float, float] = (0.0, 0.0)
    breath: float = 0.0
    gaze: tuple[float, float] = (0.0, 0.0)
    lips: float = 0.0


class Puppet:
    """A portrait that can be posed. Not thread-safe.

    Args:
        image: RGB uint8 (H, W, 3).
        landmarks: float32 (478, 3) pixels, z smaller towards the camera.
        units: What the face can do; fitted to this face.
        matte: uint8 (H, W) of the person, or None: then the warp fades out around the head.
        fixed_border: The picture is part of a larger one, so its border must not move.
    """

    def __init__(
        self,
        image: Picture,
        landmarks: Floats,
        units: FaceUnits,
        matte: npt.NDArray[np.uint8] | None = None,
        *,
        fixed_border: bool = True,
    ) -> None:
        self.image = np.ascontiguousarray(image)
        self.height, self.width = image.shape[:2]
        self._view: View | None = None
        self._body = body = Anatomy(
            image, landmarks, has_matte=matte is not None, fixed_border=fixed_border
        )
        self.landmarks = body.landmarks
        self.mm = body.mm
        self.fields = units.fit(self.landmarks)
        self._setup_patches()
        self._eye_widths = [
            float(np.linalg.norm(self.landmarks[u[0], :2] - self.landmarks[u[-1], :2]))
            for u, _, _ in EYES
        ]
        self._background = None
        if matte is not None:
            self._background = fill_background(self.image, matte)
            self.image = unmix(self.image, self._background, matte)
        self._source: Source = Portrait(self.image, matte)
        self._mouth = MouthInterior(body.mm, find_white(self.image, self.landmarks))
        # The lower incisors move as the lip before them does when nothing but the jaw moves it.
        jaw = np.array([[n.startswith("jaw")] for n in ARKIT_UNITS], np.float32)
        self._jaw = self.fields[:, 17, :2] * jaw
        self._stomion = find_stomion(self.landmarks)

    def _setup_patches(self) -> None:
        body, xy = self._body, self.landmarks[:, :2]
        skin = np.array([i for i in range(len(xy)) if i not in _IRISES])
        ring = body.ring(1.9)
        ring = ring[ring[:, 1] < body.chin_y + 0.02 * body.face_height]
        floor_y = np.full(9, body.chin_y + 0.7 * body.face_height)
        floor = np.stack([np.linspace(0, self.width, 9), floor_y], 1).astype(np.float32)
        anchors = np.concatenate([ring, floor])

        def spread(
            kept: npt.NDArray[np.intp], ridge: float = 3e-4
        ) -> tuple[Interpolant, npt.NDArray[np.intp]]:
            return Interpolant(xy[kept], anchors, 0.50 * body.face_height, ridge), kept

        every = spread(skin)
        upper = spread(np.array([i for i in skin if i not in _LOWER_LIP]))
        lower = spread(np.array([i for i in skin if i not in _UPPER_LIP]))
        with_iris = spread(np.arange(len(xy)), ridge=3e-3)  # an iris moves as a disc
        # Nodes lie as dense over a large face as over a small one.
        scale = np.log2(body.face_height / 330)
        fine, middle, coarse = (2 ** max(0, round(k + scale)) for k in (1, 2.4, 3))
        box = (0, 0, self.width, self.height)
        self._base = Patch(box, coarse, {"all": every}, body, self.fields)
        self._eyes = []
        for above, below, _ in EYES:
            (x0, y0), (x1, y1) = xy[above].min(0), xy[above].max(0)
            wide, tall = x1 - x0, max(y1 - y0, 0.25 * (x1 - x0))
            box = self._clip(x0 - 0.6 * wide, y0 - 1.9 * tall, x1 + 0.6 * wide, y1 + 1.9 * tall)
            layers = {
                "upper": spread(np.setdiff1d(skin, below[1:-1])),
                "lower": spread(np.setdiff1d(skin, above[1:-1])),
                "eye": with_iris,
            }
            self._eyes.append(Patch(box, fine, layers, body, self.fields))
        lips = xy[mesh.LIPS_OUTER]
        x0, y0, x1 = lips[:, 0].min(), lips[:, 1].min(), lips[:, 0].max()
        wide = x1 - x0
        box = self._clip(
            x0 - 0.4 * wide, y0 - 0.34 * wide, x1 + 0.4 * wide, body.chin_y + 0.45 * wide
        )
        layers = {"upper": upper, "lower": lower}
        self._lips = Patch(box, middle, layers, body, self.fields)
        self._lips_fade = self._lips.fade(0.16)
        self._eye_fades = [p.fade(0.20) for p in self._eyes]

    def _clip(self, x0: float, y0: float, x1: float, y1: float) -> tuple[int, int, int, int]:
        return (
            int(np.clip(x0, 0, self.width - 8)) & ~1,
            int(np.clip(y0, 0, self.height - 8)) & ~1,
            int(np.clip(x1, 8, self.width)),
            int(np.clip(y1, 8, self.height)),
        )

    def make_canvas(self) -> Canvas:
        """Draw from a copy of the portrait from now on, and give it to be painted on."""
        assert isinstance(self._source, Portrait)
        canvas = Canvas(self._source)
        self._source = canvas
        return canvas

    def render(self, pose: Pose, view: View | None = None) -> Picture:
        """Draw a frame: RGB uint8 (H, W, 3).

        Args:
            pose: How the face is to look.
            view: What to take the pixels from instead of the portrait.
        """
        if view is None:
            return self._draw(pose)
        own, stomion, source = self.landmarks, self._stomion, self._source
        self._view = self._source = view
        try:
            self.landmarks = close_lips(view.landmarks, 1.4 * self._body.mm)
            self._stomion = find_stomion(self.landmarks + view.rest)
            return self._draw(pose)
        finally:
            self.landmarks, self._stomion, self._view = own, stomion, None
            self._source = source

    def _draw(self, pose: Pose) -> Picture:
        turn = rotation(pose.yaw, pose.pitch, pose.roll)
        moved, skin, eyeballs = self._displace(pose)
        posed = self._body.carry(self.landmarks + moved, turn, pose.shift)

        carriage, factor = self._carriage(turn, pose), self._source.factor
        # The coarse grid of the whole picture leaves lips and lids to the patches.
        whole = replace(skin, correction=None)
        pixels = self._base.pull(self._base.spread("all", whole), carriage, factor)
        eye_maps = []
        for patch, fade in zip(self._eyes, self._eye_fades, strict=True):
            above, below = patch.spread("upper", skin), patch.spread("lower", skin)
            lid = None
            if above is not None or below is not None:
                around = pixels[patch.where].copy()
                pixels[patch.where] += (patch.pull(below, carriage, factor) - around) * fade
                lid = around + (patch.pull(above, carriage, factor) - around) * fade
            eyeball = patch.pull(patch.spread("eye", eyeballs), carriage, factor)
            eye_maps.append((lid, eyeball))
        lips, lip = self._lips, None
        above, below = lips.spread("upper", skin), lips.spread("lower", skin)
        if above is not None or below is not None:
            around = pixels[lips.where].copy()
            pixels[lips.where] += (lips.pull(above, carriage, factor) - around) * self._lips_fade
            lip = around + (lips.pull(below, carriage, factor) - around) * self._lips_fade
        frame, matte = self._source.sample_matted(pixels)

        for (rim, low_rim, _), patch, maps in zip(EYES, self._eyes, eye_maps, strict=True):
            self._draw_eye(frame, patch, posed[rim], posed[low_rim], *maps)
        self._draw_mouth(frame, posed, lip, self._find_teeth(turn, pose))
        if self._background is not None and matte is not None:
            frame = lay_over(frame, self._background, matte)
        return frame

    def _displace(self, pose: Pose) -> tuple[Floats, Motion, Motion]:
        """Landmark displacements (478, 3), the motion of the skin, and that under the lids."""
        u = pose.units
        rest = None if self._view is None else self._view.rest
        plain = np.tensordot(u, self.fields, 1).astype(np.float32)
        moved = plain if rest is None else plain + rest
        before = moved.copy()
        gaze = np.zeros_like(plain)
        for side, (upper, lower, iris), wide in zip(
            ("Right", "Left"), EYES, self._eye_widths, strict=True
        ):
            inward = u[UNIT_INDEX["eyeLookIn" + side]] - u[UNIT_INDEX["eyeLookOut" + side]]
            downward = u[UNIT_INDEX["eyeLookDown" + side]] - u[UNIT_INDEX["eyeLookUp" + side]]
            gx = pose.gaze[0] + (inward if side == "Right" else -inward)
            gy = pose.gaze[1] + downward
            gaze[iris, 0] = 0.17 * wide * float(np.clip(gx, -1, 1))
            gaze[iris, 1] = 0.10 * wide * float(np.clip(gy, -1, 1))
            self._keep_apart(moved, upper[1:-1], lower[1:-1], 0.85)
        self._keep_apart(moved, _UPPER[1:-1], _LOWER[1:-1], 0.5)
        if pose.lips > 0:
            now = self.landmarks + moved
            half = (now[_LOWER[1:-1], :2] - now[_UPPER[1:-1], :2]) * (0.5 * pose.lips)
            for above, below, share in LIP_ROWS:
                moved[above[1:-1], :2] += share * half
                moved[below[1:-1], :2] -= share * half
        open_eyed = u.copy()
        open_eyed[_LID_UNITS] = 0
        irises = np.concatenate([EYES[0][2], EYES[1][2]])
        gaze[irises] -= np.tensordot(open_eyed, self.fields[:, irises], 1)
        skin = Motion(u, moved - before, rest)
        return moved, skin, Motion(open_eyed, gaze, rest)

    def _keep_apart(
        self, moved: Floats, upper: mesh.Indices, lower: mesh.Indices, share: float
    ) -> None:
        """Where the upper line would pass the lower one, let both meet in between.

        Args:
            moved: (478, 3) displacements, changed in place.
            upper: Landmarks of the upper line.
            lower: Landmarks of the lower line, opposite to the upper ones.
            share: How much of the way the upper one gives back.
        """
        down = self._body.down
        now = self.landmarks[:, :2] + moved[:, :2]
        crossed = np.minimum((now[lower] - now[upper]) @ down, 0)[:, None] * down
        moved[upper, :2] += crossed * share
        moved[lower, :2] -= crossed * (1 - share)

    def _carriage(self, turn: npt.NDArray[np.float64], pose: Pose) -> Carriage:
        body = self._body
        shift = np.array(pose.shift) * body.face_width
        rise = 0.0045 * body.face_height * pose.breath
        return Carriage(np.column_stack([(turn - np.eye(3))[:2], shift]), rise)

    def _draw_eye(
        self,
        frame: Picture,
        patch: Patch,
        upper: Floats,
        lower: Floats,
        upper_map: Floats | None,
        eyeball_map: Floats,
    ) -> None:
        """Lay the upper lid where it is moved, then the eyeball into the opening between the lids."""
        mm = self._body.mm
        rim, low_rim = smooth_curve(upper - patch.corner, 4), smooth_curve(lower - patch.corner, 4)
        view = np.ascontiguousarray(frame[patch.where])
        if upper_map is not None:
            lid = fill_polygon(patch.shape, half_plane(rim, patch.shape, above=True), 0.2 * mm)
            view = cv2.blendLinear(self._source.sample(upper_map), view, lid, 1 - lid)
        middle = len(upper) // 2
        gap = float(np.linalg.norm(upper[middle] - lower[middle])) / mm
        show = fill_polygon(patch.shape, np.concatenate([rim, low_rim[::-1]]), 0.45 * mm)
        # A little inside the rims, so that the lashes stay on the lids; gone in a shut eye.
        show = np.clip(show * 1.35 - 0.35, 0, 1) * float(np.clip(gap / 1.6 - 0.3, 0, 1))
        frame[patch.where] = cv2.blendLinear(self._source.sample(eyeball_map), view, show, 1 - show)

    def _draw_mouth(
        self, frame: Picture, posed: Floats, lower_map: Floats | None, teeth: MouthShape
    ) -> None:
        """Lay the lower lip where it is moved, then what is seen between the lips."""
        patch, mm = self._lips, self._body.mm
        upper, lower = posed[_UPPER] - patch.corner, posed[_LOWER] - patch.corner
        gap = float(((lower - upper) @ self._body.down).max()) / mm
        openness = float(np.clip((gap - 0.12) / 0.5, 0, 1))
        if lower_map is None and openness <= 0:
            return
        lower_line = smooth_curve(lower, 5)
        view = np.ascontiguousarray(frame[patch.where])
        if lower_map is not None:
            below = half_plane(lower_line, patch.shape, above=False)
            low = fill_polygon(patch.shape, below, 0.22 * mm)
            view = cv2.blendLinear(self._source.sample(lower_map), view, low, 1 - low)
        if openness > 0:
            outline = np.concatenate([smooth_curve(upper, 5), lower_line[::-1]])
            hole = fill_polygon(patch.shape, outline, 0.25 * mm) * openness
            # Only around the opening: that is a small part of the patch.
            x0, y0 = np.clip(np.floor(outline.min(0) - 4 * mm), 0, None).astype(int)
            x1, y1 = np.ceil(outline.max(0) + 4 * mm).astype(int)
            part = (slice(y0, y1), slice(x0, x1))
            corner = patch.corner + np.array([x0, y0], np.float32)
            shifted = replace(
                teeth, upper_edge=teeth.upper_edge - corner, lower_edge=teeth.lower_edge - corner
            )
            seen = np.ascontiguousarray(hole[part])
            inside = cv2.convertScaleAbs(self._mouth.draw(seen, shifted))
            around = np.ascontiguousarray(view[part])
            view[part] = cv2.blendLinear(inside, around, seen, 1 - seen)
        frame[patch.where] = view

    def _find_teeth(self, turn: npt.NDArray[np.float64], pose: Pose) -> MouthShape:
        """Find the edges of the teeth: the upper row is fixed to the skull, the lower to the jaw."""
        body = self._body
        down = np.append(body.down, 0).astype(np.float32)
        behind = np.array([0, 0, 6 * body.mm], np.float32)
        # Rounded lips stand off the teeth: one sees past their edges into the dark.
        rounded = float(
            max(pose.units[UNIT_INDEX["mouthPucker"]], pose.units[UNIT_INDEX["mouthFunnel"]])
        )
        upper = self._stomion + (2.6 - 1.8 * rounded) * body.mm * down + behind
        lower = self._stomion + (6.5 * rounded - 0.4) * body.mm * down + behind
        lower[:2] += pose.units @ self._jaw
        at = body.carry(np.stack([upper, lower]), turn, pose.shift)
        angle = body.tilt + float(np.deg2rad(pose.roll))
        return MouthShape(at[0], at[1], angle, pose.tongue, rounded)
