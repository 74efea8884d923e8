"""The squares of an avatar's face that a lip generator works on, encoded once and kept."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from visavis.core.types import Avatar, Floats, Picture
from visavis.media.geometry import apply, compose, invert
from visavis.media.lip_crop import SMOOTHING, Square, lip_boxes
from visavis.models.common.units import ARKIT_UNITS, UNIT_INDEX
from visavis.models.puppet.renderer import Pose
from visavis.models.puppet.stand import find_reference, follow_mouth, move_head
from visavis.stages.animators.face_light import match_light
from visavis.stages.avatars.tuned import digest_of

if TYPE_CHECKING:
    from visavis.models.puppet.stand import Stand
    from visavis.models.wav2lip.predictor import FaceFeatures, Wav2LipPredictor

KEPT_BYTES = 512 << 20
"""Memory for encoded frames, of all avatars and sessions of this process together: 12 seconds of a
loop at 192 pixels, 6 at 384. What is beyond is encoded each time; a portrait is one frame."""


@dataclass(frozen=True, slots=True, eq=False)
class EncodedFace:
    """One frame of an avatar, ready to speak.

    Attributes:
        crop: uint8 (S, S, 3) RGB, as it is.
        features: What the generator keeps of it.
    """

    crop: Picture
    features: FaceFeatures

    @property
    def nbytes(self) -> int:
        """Memory that it takes."""
        return self.crop.nbytes + self.features.nbytes


class FaceShelf:
    """Encoded frames of some avatars, within a number of bytes. Thread-safe.

    What was used last displaces other avatars, longest unused first, but never frames of its own: a
    loop goes round, so that the frame used longest ago is the one that comes next, and keeping the
    newest would find none of them.
    """

    def __init__(self, most_bytes: int = KEPT_BYTES) -> None:
        self._most = most_bytes
        self._avatars: OrderedDict[str, dict[int, EncodedFace]] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    @property
    def nbytes(self) -> int:
        """Memory in use."""
        return self._bytes

    def find(self, avatar: str, frame: int) -> EncodedFace | None:
        """Give a frame that is kept."""
        with self._lock:
            faces = self._avatars.get(avatar)
            if faces is None:
                return None
            self._avatars.move_to_end(avatar)
            return faces.get(frame)

    def has_room(self, count: int) -> bool:
        """Whether so many bytes can be kept without anything giving way."""
        return self._bytes + count <= self._most

    def put(self, avatar: str, frame: int, face: EncodedFace) -> None:
        """Keep a frame if there is room, or can be made."""
        with self._lock:
            faces = self._avatars.setdefault(avatar, {})
            self._avatars.move_to_end(avatar)
            if frame in faces:
                return
            while self._bytes + face.nbytes > self._most and len(self._avatars) > 1:
                _, gone = self._avatars.popitem(last=False)
                self._bytes -= sum(other.nbytes for other in gone.values())
            if self._bytes + face.nbytes <= self._most:
                faces[frame] = face
                self._bytes += face.nbytes


_SHELF = FaceShelf()
_PARTED = 0.03
"""``jawOpen`` of a portrait's reference. With more, what is drawn between the lips looks like none of it."""


class AvatarFaces:
    """The face of one avatar, frame by frame, for one generator.

    A generator is given a frame without its lower half, and a reference that shows what is there.
    The reference of all frames is one: of a video the most frontal with the mouth shut; of a portrait,
    that with the lips a little apart, as the puppet moves them. Each frame's own lower half would fit
    better, but a generator copies its mouth more than it should: what is copied would change from frame to
    frame, and a portrait's shut mouth would hardly open.

    So that the reference fits all frames, each is seen as the reference is: the map that takes its mouth and
    chin to the reference's turns and stretches it, and what is drawn is taken back the same way.
    Generators that have seen newsreaders draw a mouth as seen from the front into any face.

    Args:
        avatar: With 478 landmarks for each frame.
        predictor: The generator.
        network: What tells its weights from others.
        shelf: Where encoded frames are kept.
        stand: Moves a portrait's lips apart; without one its reference is the portrait.
    """

    def __init__(
        self,
        avatar: Avatar,
        predictor: Wav2LipPredictor,
        network: str,
        shelf: FaceShelf = _SHELF,
        stand: Stand | None = None,
    ) -> None:
        self._frames = avatar.frames
        self._predictor = predictor
        self._shelf = shelf
        self.landmarks = avatar.track.landmarks
        self.reference = find_reference(avatar)
        self.squares = _find_squares(self.landmarks, self.reference)
        """Of each frame: where it is cut out, so that it looks as the reference does."""
        self.drawn = apply(
            self.squares[self.reference].to_unit, self.landmarks[self.reference, :, :2]
        ).astype(np.float32)
        """(478, 2) landmarks of the reference on its square, whose edges are 0 and 1."""
        parted = stand is not None and avatar.is_portrait
        self.key = f"{network} {digest_of(avatar)} {stand.size if stand and parted else ''}"
        """What tells this avatar with this generator from others."""
        self._reference_crop = (
            self._part_lips(stand) if stand and parted else self._cut(self.reference)
        )
        self._light = match_light(self._cut(self.reference), predictor.light)
        self._each = 0  # bytes of one frame, once that is known

    def encoded(self, frame: int) -> EncodedFace:
        """Give a frame, encoding it where it is not kept."""
        frame %= len(self._frames)
        face = self._shelf.find(self.key, frame)
        if face is None:
            crop = self._cut(frame)
            seen, reference = map(self._light.adapt, (crop, self._reference_crop))
            (features,) = self._predictor.encode(seen[None], reference[None])
            face = EncodedFace(crop, replace(features, upper=crop[: len(features.upper)].copy()))
            self._each = face.nbytes
            self._shelf.put(self.key, frame, face)
        return face

    def draw(self, frame: int, window: Floats, emphasis: float = 1.0) -> Picture:
        """Draw the square of a frame with what is heard.

        Args:
            frame: Of the avatar.
            window: float32 (80, 16) log-mel.
            emphasis: As `Wav2LipPredictor.render` takes it.

        Returns:
            uint8 (S, S, 3), in the avatar's own light.
        """
        features = self.encoded(frame).features
        square = self._predictor.render([features], window[None], emphasis)[0]
        top = len(features.upper)
        return np.concatenate([features.upper, self._light.restore(square[top:])])

    def encode_ahead(self, frame: int) -> None:
        """Encode a frame before it speaks, if it can be kept."""
        frame %= len(self._frames)
        if self._shelf.find(self.key, frame) is None and self._shelf.has_room(self._each):
            self.encoded(frame)

    def _part_lips(self, stand: Stand) -> Picture:
        units = np.zeros(len(ARKIT_UNITS), np.float32)
        units[UNIT_INDEX["jawOpen"]] = _PARTED
        picture = stand.render(self.reference, Pose(units=units))
        scale = picture.shape[1] / self._frames.shape[2], picture.shape[0] / self._frames.shape[1]
        square = self.squares[self.reference]
        to_avatar = [
            [1 / scale[0], 0, (1 / scale[0] - 1) / 2],
            [0, 1 / scale[1], (1 / scale[1] - 1) / 2],
        ]
        return Square(compose(square.to_unit, to_avatar)).cut(picture, self._predictor.size)

    def _cut(self, frame: int) -> Picture:
        return self.squares[frame].cut(self._frames[frame], self._predictor.size)


def _find_squares(landmarks: Floats, reference: int) -> list[Square]:
    """Squares of the frames of a loop, smoothed over its end as over any other place.

    The reference's is the box of its face; the others' are where mouth and chin were taken by the head.
    """
    box = lip_boxes(landmarks[reference : reference + 1])[0]
    there = Square.of(box).to_unit
    rest = landmarks[reference].astype(np.float32)
    maps = np.stack([
        invert(follow_mouth(rest, move_head(rest, marks.astype(np.float32)))) for marks in landmarks
    ])  # fmt: skip
    if len(maps) >= SMOOTHING:
        reach = SMOOTHING // 2
        maps = np.mean([np.roll(maps, k, axis=0) for k in range(-reach, reach + 1)], axis=0)
        # What is smoothed is the way from where the frame's face is to the reference's.
    return [Square(compose(there, one)) for one in maps]
