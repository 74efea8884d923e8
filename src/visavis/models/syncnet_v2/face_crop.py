"""The pictures that the published judge sees: the face's box, widened, 224 pixels, through JPEG.

Source: the authors' published pipeline: its tracking, its crop and its way through files.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from visavis.core.errors import InputError, NoFaceFound
from visavis.core.types import FPS, Floats, Picture

SIZE = 224
FEWEST_FRAMES = 7
"""Of a track: with fewer the smoothing, which takes zeros for what lies beyond the ends, finds 0."""
_WIDENED = 0.4
_SMOOTHED = 13
_LONGEST_GAP = 25
"""Frames without a face after which a track ends."""
_GREY = 110
"""What lies beyond the borders of a frame."""
_LEAST_OVERLAP = 0.3
_LOOKED_AT = 640
"""Longest side in pixels of pictures in which a face is looked for."""

Detect: TypeAlias = Callable[[Picture], Sequence[Floats]]
"""An RGB picture to the boxes of its faces, each (4,) xyxy pixels."""


@dataclass(frozen=True, slots=True, eq=False)
class Track:
    """One face in frames that follow each other.

    Attributes:
        first: Index of its first frame.
        squares: float64 (T, 3) pixels: middle across, middle down, half of the longer side.
    """

    first: int
    squares: npt.NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.squares)


def find_box(image: Picture, landmarks: Floats, detect: Detect) -> Floats:
    """Find the face that landmarks are of.

    Args:
        image: uint8 (H, W, 3) RGB. Large ones are shrunk, as published, where a quarter of each side is
            looked at.
        landmarks: (K, 2 or 3) pixels, NaN where there is no face.
        detect: Finds faces.

    Returns:
        float32 (4,) xyxy pixels; NaN where there is none.
    """
    import cv2

    height, width = image.shape[:2]
    scale = min(1.0, _LOOKED_AT / max(height, width))
    if scale < 1:
        size = max(1, round(width * scale)), max(1, round(height * scale))
        image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
    enlarged = np.tile([width / image.shape[1], height / image.shape[0]], 2).astype(np.float32)
    return choose_box([box * enlarged for box in detect(image)], landmarks)


def choose_box(boxes: Sequence[Floats], landmarks: Floats) -> Floats:
    """Of the faces that a detector found, the one that landmarks are of.

    Args:
        boxes: Each (4,) xyxy pixels.
        landmarks: (K, 2 or 3) pixels, NaN where there is no face.

    Returns:
        (4,); NaN where there is none.
    """
    nothing = np.full(4, np.nan, np.float32)
    if not len(boxes) or np.isnan(landmarks).any():
        return nothing
    around = np.concatenate([landmarks[:, :2].min(0), landmarks[:, :2].max(0)])
    overlaps = [_overlap(box, around) for box in boxes]
    best = int(np.argmax(overlaps))
    return boxes[best] if overlaps[best] >= _LEAST_OVERLAP else nothing


def follow_face(boxes: Floats) -> Track:
    """Bridge gaps, take the longest stretch, and smooth it by the median of 13 frames.

    Args:
        boxes: (T, 4) xyxy pixels of one face; NaN where it was not found.

    Raises:
        NoFaceFound: In no frame.
        InputError: The longest stretch is shorter than `FEWEST_FRAMES`.
    """
    seen = np.flatnonzero(~np.isnan(boxes).any(1))
    if not len(seen):
        raise NoFaceFound("the detector sees this face in no frame; SyncNet cannot be shown it")
    stretches = np.split(seen, np.flatnonzero(np.diff(seen) > _LONGEST_GAP) + 1)
    stretch = max(stretches, key=lambda frames: int(frames[-1] - frames[0]))
    first, last = int(stretch[0]), int(stretch[-1])
    frames = np.arange(first, last + 1)
    if len(frames) < FEWEST_FRAMES:
        raise InputError(
            f"the face is seen in {len(frames)} frames that follow each other; SyncNet needs"
            f" {FEWEST_FRAMES} ({FEWEST_FRAMES / FPS:.2f} s)"
        )
    left, top, right, bottom = (
        np.interp(frames, stretch, boxes[stretch, side].astype(np.float64)) for side in range(4)
    )
    half = np.maximum(bottom - top, right - left) / 2
    raw = np.stack([(left + right) / 2, (top + bottom) / 2, half], axis=1)
    return Track(first, np.stack([_medians(column) for column in raw.T], axis=1))


def crop_square(image: Picture, square: npt.ArrayLike) -> Picture:
    """Cut a face out with its neck: 0.4 half-sides more at each side and 0.8 below, none above.

    Args:
        image: uint8 (H, W, 3).
        square: Middle across, middle down, half of the longer side, in pixels.

    Returns:
        uint8 (224, 224, 3), scaled linearly as the published code does, without regard to what lies
        between pixels where it shrinks.

    Raises:
        InputError: The square is smaller than a pixel or lies beside the picture.
    """
    import cv2

    across, down, half = (float(value) for value in np.asarray(square))
    margin = int(half * (1 + 2 * _WIDENED))
    # Edges are cut to whole pixels as if the frame were widened by the margin at each side.
    x, y, height, width = across + margin, down + margin, *image.shape[:2]
    top, bottom = int(y - half), int(y + half * (1 + 2 * _WIDENED))
    left, right = int(x - half * (1 + _WIDENED)), int(x + half * (1 + _WIDENED))
    top, left = max(top, 0) - margin, max(left, 0) - margin
    bottom = min(bottom, height + 2 * margin) - margin
    right = min(right, width + 2 * margin) - margin
    if bottom <= top or right <= left:
        raise InputError(f"a face of {2 * half:.1f} pixels cannot be cut out of {width} x {height}")
    canvas = np.full((bottom - top, right - left, 3), _GREY, np.uint8)
    inside = image[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)]
    y, x = max(-top, 0), max(-left, 0)
    canvas[y : y + inside.shape[0], x : x + inside.shape[1]] = inside
    return np.asarray(cv2.resize(canvas, (SIZE, SIZE), interpolation=cv2.INTER_LINEAR), np.uint8)


class JpegFiles:
    """Pictures as they come back from the JPEG files that FFmpeg writes of a video.

    FFmpeg's encoder aims at 200 kbit/s unless told, and the published judge does not tell it: after
    some frames pictures are at about 30 dB. So one object is for one clip, its frames in their order.
    """

    def __init__(self) -> None:
        import av

        codec: Any = av.CodecContext.create("mjpeg", "w")
        codec.width = codec.height = SIZE
        codec.pix_fmt = "yuvj420p"
        codec.time_base, codec.framerate = Fraction(1, FPS), Fraction(FPS)
        # Threads would each keep their own count of bits.
        codec.thread_count = 1
        self._codec, self._made = codec, 0

    def write_and_read(self, image: Picture) -> Picture:
        """Pass an RGB uint8 (224, 224, 3) through a file; gives blue, green, red."""
        import av
        import cv2

        frame: Any = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
        frame = frame.reformat(format="yuvj420p")
        frame.pts, self._made = self._made, self._made + 1
        data = b"".join(bytes(packet) for packet in self._codec.encode(frame))
        return np.asarray(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR), np.uint8)


def _overlap(box: Floats, other: Floats) -> float:
    """Intersection over union."""
    sides = np.minimum(box[2:], other[2:]) - np.maximum(box[:2], other[:2])
    common = float(np.prod(np.maximum(sides, 0)))
    areas = float(np.prod(box[2:] - box[:2]) + np.prod(other[2:] - other[:2]))
    return common / (areas - common) if areas > common else 0.0


def _medians(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    padded = np.pad(values, _SMOOTHED // 2)
    windows = np.lib.stride_tricks.sliding_window_view(padded, _SMOOTHED)
    return np.asarray(np.median(windows, axis=1), np.float64)
