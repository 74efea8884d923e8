"""An avatar at the size it is shown: a portrait that moves by itself, or a looped video."""

from __future__ import annotations

import copy
import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

from visavis.core.types import Avatar, Floats, Picture
from visavis.models.common import mesh
from visavis.models.puppet.face_units import STEADY, find_similarity, load
from visavis.models.puppet.renderer import Pose, Puppet, View
from visavis.models.puppet.sampling import Canvas, Overlay
from visavis.models.puppet.warp import smoothstep

_AROUND_LIPS = [
    32, 262, 194, 418, 201, 421, 200, 199, 175, 171, 396, 208, 428, 211, 431, 204, 424, 182, 406,
    83, 313, 18, 106, 335, 43, 273, 57, 287, 202, 422, 210, 430, 212, 432, 214, 434, 164, 167, 393,
    165, 391, 92, 322, 186, 410, 216, 436,
]  # fmt: skip
_SPEECH = np.unique(np.concatenate([mesh.LIPS, mesh.JAW[7:14], _AROUND_LIPS]))
"""Landmarks that a video's own speech moves and that are put at rest before ours."""
_SPEAKS_MM = (0.7, 1.8)
"""How far, on average, these are from rest in a frame that is left alone, and in one put right."""
_MARGIN = (0.85, 0.62, 0.85, 0.62)
"""Left, top, right and bottom margin around the face that the puppet works in, in face widths."""
_UNITS_SEEN = (0.0, 0.06)
"""Between these weights of the strongest unit the puppet comes in over a video's own pixels."""
_REST_SEEN_MM = (0.0, 0.4)
"""And between these, if the mouth is put at rest by so much."""

KEPT = 3
"""Puppets that are kept for the next session with the same avatar."""


class _Prepared:
    """Puppets made lately. Making one takes seconds and a hundred megabytes; sessions share them."""

    def __init__(self) -> None:
        self._puppets: OrderedDict[bytes, Puppet] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, key: bytes, make: Callable[[], Puppet]) -> Puppet:
        """Give a puppet of one's own that shares all large arrays, which are never written to."""
        with self._lock:
            if key not in self._puppets:
                self._puppets[key] = make()
            self._puppets.move_to_end(key)
            while len(self._puppets) > KEPT:
                self._puppets.popitem(last=False)
            return copy.copy(self._puppets[key])


_PREPARED = _Prepared()


def _fingerprint(crop: Picture, landmarks: Floats, matte: Picture | None, whole: bool) -> bytes:
    digest = hashlib.blake2b(digest_size=16)
    for part in (crop, landmarks, matte):
        if part is not None:
            digest.update(repr(part.shape).encode() + np.ascontiguousarray(part).tobytes())
    return digest.digest() + bytes([whole])


@dataclass(frozen=True, slots=True, eq=False)
class Ground:
    """What the face of a frame is drawn from, before anything moves it.

    Attributes:
        pixels: uint8 (H, W, C), RGB and perhaps the matte; never to be written to.
        from_avatar: (2, 3) affine map from the pixels of the avatar's frame to these.
    """

    pixels: npt.NDArray[np.uint8]
    from_avatar: npt.NDArray[np.float64]


class Stand:
    """Renders the frames of one avatar.

    Args:
        avatar: With 478 landmarks for each frame.
        size: Shorter side in pixels, or None to keep the avatar's.
    """

    def __init__(self, avatar: Avatar, size: int | None) -> None:
        height, width = avatar.frames.shape[1:3]
        scale = 1.0 if size is None else size / min(height, width)
        self.size = (round(width * scale / 2) * 2, round(height * scale / 2) * 2)
        sx, sy = self.size[0] / width, self.size[1] / height
        self._scale = np.array([sx, sy, (sx + sy) / 2], np.float32)
        self._moving = not avatar.is_portrait
        self._frames = avatar.frames
        self._scaled: tuple[int, Picture] | None = None
        self._canvas: Canvas | None = None
        self._speech: dict[int, float] = {}
        self._landmarks = avatar.track.landmarks
        self._mattes = avatar.mattes
        reference = find_reference(avatar)
        frame, marks = self._frame(reference), self._landmarks[reference] * self._scale
        x0, y0, x1, y1 = self._box = self._head_box(marks)
        corner = np.array([x0, y0, 0], np.float32)
        crop = np.ascontiguousarray(frame[y0:y1, x0:x1])
        matte = None
        if avatar.mattes is not None and not self._moving:
            matte = cv2.resize(avatar.mattes[0], self.size, interpolation=cv2.INTER_AREA)[
                y0:y1, x0:x1
            ]
        local = (marks - corner).astype(np.float32)
        whole = (x0, y0, x1, y1) == (0, 0, *self.size)
        self._puppet = _PREPARED.take(
            _fingerprint(crop, local, matte, whole),
            lambda: Puppet(crop, local, load(), matte, fixed_border=not whole),
        )
        self._portrait = frame if not self._moving else None
        self._reference_marks = self._puppet.landmarks.copy()
        self._mask = self._face_mask() if self._moving else None

    def _frame(self, index: int) -> Picture:
        index %= len(self._frames)
        if self._scaled is not None and self._scaled[0] == index:
            return self._scaled[1]
        picture = self._frames[index]
        if picture.shape[1::-1] == self.size:
            return picture
        shrink = picture.shape[1] > self.size[0]
        scaled = np.asarray(
            cv2.resize(
                picture, self.size, interpolation=cv2.INTER_AREA if shrink else cv2.INTER_CUBIC
            )
        )
        self._scaled = (index, scaled)
        return scaled

    def _head_box(self, marks: Floats) -> tuple[int, int, int, int]:
        (x0, y0), (x1, y1) = marks[:, :2].min(0), marks[:, :2].max(0)
        wide = x1 - x0
        left, top, right, bottom = (m * wide for m in _MARGIN)
        return (
            int(np.clip(x0 - left, 0, self.size[0])) & ~1,
            int(np.clip(y0 - top, 0, self.size[1])) & ~1,
            min(self.size[0], (int(x1 + right) + 1) & ~1),
            min(self.size[1], (int(y1 + bottom) + 1) & ~1),
        )

    def _face_mask(self) -> Floats:
        """What the puppet may change in a video: the face without its outer border (h, w, 1)."""
        marks = self._reference_marks
        oval = marks[list(mesh.FACE_OVAL), :2]
        centre, reach = oval.mean(0), np.ptp(oval, axis=0) / 2
        h, w = self._puppet.height, self._puppet.width
        y, x = np.mgrid[:h, :w].astype(np.float32)
        r = np.hypot((x - centre[0]) / (reach[0] * 1.12), (y - centre[1]) / (reach[1] * 1.25))
        return (1 - smoothstep(r, 0.86, 1.0))[..., None]

    def still(self) -> Picture:
        """The avatar as it is at rest, RGB uint8 (H, W, 3)."""
        return self._frame(0).copy()

    def ground(self, index: int) -> Ground:
        """Give what the face of a frame is drawn from, so that parts of it can be painted over.

        Args:
            index: As in ``render``; a portrait has the same ground for all of them.
        """
        sx, sy = (float(v) for v in self._scale[:2])
        to_shown = np.array([[sx, 0, (sx - 1) / 2], [0, sy, (sy - 1) / 2]])
        if self._portrait is None:
            return Ground(self._frame(index), to_shown)
        if self._canvas is None:
            self._canvas = self._puppet.make_canvas()
        to_shown[:, 2] -= self._box[:2]
        return Ground(self._canvas.original, to_shown * self._canvas.factor)

    def render(self, index: int, pose: Pose, overlay: Overlay | None = None) -> Picture:
        """Draw a frame.

        Args:
            index: Frames since the performance was opened; a video goes round.
            pose: Head motion, blinks and glances are a video's own and are left out there.
            overlay: Painted over the ``ground`` of this frame before it is moved.
        """
        x0, y0, x1, y1 = self._box
        if self._portrait is not None:
            if overlay is not None:
                assert self._canvas is not None
                self._canvas.paint(overlay)
            elif self._canvas is not None:
                self._canvas.clear()
            out = self._portrait.copy()
            out[y0:y1, x0:x1] = self._puppet.render(pose)
            return out
        index %= len(self._frames)
        frame = self._frame(index)
        if overlay is not None:
            frame = frame.copy()
            frame[overlay.where] = overlay.pixels
        return self._move(frame, index, pose, 0.0 if overlay is None else overlay.share)

    def own_speech(self, index: int) -> float:
        """How far, 0..1, the mouth in a frame of a video speaks of itself; 0 in a portrait."""
        if self._portrait is not None:
            return 0.0
        index %= len(self._frames)
        if index not in self._speech:
            _, local, quiet = self._align(index)
            self._speech[index] = float(smoothstep(self._unrest(local, quiet), *_SPEAKS_MM))
        return self._speech[index]

    def _align(self, index: int) -> tuple[Floats, Floats, Floats]:
        """Fit the puppet to a frame of a video.

        Returns:
            The map (2, 3) from the puppet's pixels to the frame's; and in the puppet's pixels the
            frame's landmarks (478, 3), and where they would be had the head only moved.
        """
        marks = (self._landmarks[index] * self._scale).astype(np.float32)
        quiet = move_head(self._reference_marks, marks)
        affine = follow_mouth(self._reference_marks, quiet)
        back = cv2.invertAffineTransform(affine)
        return affine, _apply(back, marks), _apply(back, quiet)

    def _move(self, frame: Picture, index: int, pose: Pose, painted: float) -> Picture:
        """Move the face in a frame of a video, whose mouth is painted so far (0..1)."""
        affine, local, quiet = self._align(index)
        still = replace(
            pose, yaw=0.0, pitch=0.0, roll=0.0, shift=(0.0, 0.0), breath=0.0, gaze=(0.0, 0.0),
            units=_without_blinks(pose.units),
        )  # fmt: skip
        rest = self._to_rest(local, quiet) * np.float32(1 - painted)
        seen = self._puppet_share(still.units, rest)
        if seen <= 0:
            return frame.copy()
        view = View(frame, affine.astype(np.float32), local, rest)
        return self._paste(frame, self._puppet.render(still, view), affine, seen)

    def _puppet_share(self, units: Floats, rest: Floats) -> float:
        """How far the puppet is seen and not the video's own, sharper pixels: 0 where it does nothing."""
        farthest = float(np.abs(rest).max()) / self._puppet.mm
        return float(
            max(
                smoothstep(np.float32(units.max(initial=0.0)), *_UNITS_SEEN),
                smoothstep(np.float32(farthest), *_REST_SEEN_MM),
            )
        )

    def _to_rest(self, local: Floats, quiet: Floats) -> Floats:
        """What takes the mouth of a frame to rest, (478, 3) pixels; nothing where it is at rest."""
        rest = np.zeros_like(local)
        away = quiet[_SPEECH] - local[_SPEECH]
        rest[_SPEECH, :2] = away[:, :2] * smoothstep(self._unrest(local, quiet), *_SPEAKS_MM)
        return rest

    def _unrest(self, local: Floats, quiet: Floats) -> Floats:
        """How far the mouth is from rest, millimetres on average."""
        away = (quiet - local)[_SPEECH, :2]
        return np.asarray(np.sqrt((away**2).sum(1).mean()) / self._puppet.mm, np.float32)

    def _paste(self, frame: Picture, drawn: Picture, affine: Floats, share: float) -> Picture:
        assert self._mask is not None
        h, w = drawn.shape[:2]
        corners = (
            np.array([[0, 0], [w, 0], [0, h], [w, h]], np.float32) @ affine[:, :2].T + affine[:, 2]
        )
        x0, y0 = np.clip(np.floor(corners.min(0)), 0, self.size).astype(int)
        x1, y1 = np.clip(np.ceil(corners.max(0)), 0, self.size).astype(int)
        local = affine.copy()
        local[:, 2] -= (x0, y0)
        size = (int(x1 - x0), int(y1 - y0))
        face = cv2.warpAffine(
            drawn, local, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
        )
        mask = cv2.warpAffine(self._mask, local, size, flags=cv2.INTER_LINEAR)
        if share < 1:
            mask *= np.float32(share)
        out = frame.copy()
        view = np.ascontiguousarray(out[y0:y1, x0:x1])
        out[y0:y1, x0:x1] = cv2.blendLinear(face, view, mask, 1 - mask)
        return np.asarray(out)

    def close(self) -> None:
        """Free the pictures."""
        self._frames = self._frames[:0]
        self._portrait = self._scaled = self._canvas = None
        del self._puppet


def find_reference(avatar: Avatar) -> int:
    """Number of the most frontal frame with the mouth shut."""
    if avatar.is_portrait:
        return 0
    track = avatar.track
    cost = 1.0 - track.scores
    if track.pose is not None:
        cost = cost + np.abs(track.pose).sum(1) / 30
    lips = np.linalg.norm(track.landmarks[:, 13] - track.landmarks[:, 14], axis=1)
    return int(np.argmin(cost + lips / (np.ptp(track.landmarks[:, :, 1], axis=1) * 0.05)))


def move_head(reference: Floats, landmarks: Floats) -> Floats:
    """Where the landmarks of a frame would be had the head of the reference moved and nothing else.

    Args:
        reference: (478, 3) pixels, the mouth at rest.
        landmarks: (478, 3) of the frame.

    Returns:
        (478, 3).
    """
    turn = find_similarity(reference[STEADY], landmarks[STEADY])
    moved: Floats = (reference - reference[STEADY].mean(0)) @ turn.T + landmarks[STEADY].mean(0)
    return moved


def follow_mouth(reference: Floats, moved: Floats) -> Floats:
    """The affine map (2, 3) that takes mouth and chin of the reference best to where the head took them.

    A mouth is nearly flat, so that this holds for a head that turns.
    """
    return _fit_affine(reference[_SPEECH, :2], moved[_SPEECH, :2])


def _without_blinks(units: Floats) -> Floats:
    from visavis.models.common.units import UNIT_INDEX

    out = units.copy()
    for name in ("eyeBlinkLeft", "eyeBlinkRight"):
        out[UNIT_INDEX[name]] = 0
    return out


def _fit_affine(source: Floats, target: Floats) -> Floats:
    """Affine map (2, 3) that best takes ``source`` (n, 2) to ``target``."""
    ones = np.concatenate([source, np.ones((len(source), 1))], 1)
    solved, *_ = np.linalg.lstsq(ones.astype(np.float64), target.astype(np.float64), rcond=None)
    return np.asarray(solved.T, np.float32)


def _apply(affine: Floats, points: Floats) -> Floats:
    """Map x and y of points (n, 3); z stays."""
    out = points.astype(np.float32).copy()
    out[:, :2] = points[:, :2] @ affine[:, :2].T + affine[:, 2]
    return out
