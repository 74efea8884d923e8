"""A video as metrics see it: whose face is where in each frame, and when somebody is heard.

A file is read twice: once for the landmarks of all frames, which are kept (6 kB a frame), and once for
pictures cut by them, which are not.

Shapes: T frames at 25 a second.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt

from visavis.core.errors import Cancelled, NoAudioStream, NoFaceFound
from visavis.core.types import FPS, Floats, Picture, Waveform
from visavis.media.geometry import apply, estimate_similarity, smooth_over_time, warp
from visavis.media.lip_crop import Square, lip_boxes

if TYPE_CHECKING:
    from visavis.models.face_landmarker.predictor import Face, FaceLandmarker
    from visavis.models.yunet.predictor import FaceDetector

ALIGNED = 256
"""Pixels of a side of an aligned face."""
_ANCHORS = np.array([33, 133, 362, 263, 168, 6, 197, 195, 5, 4, 2])
"""Corners of the eyes and the nose: by these a face is aligned."""
_EYES_AT = ((78.0, 104.0), (178.0, 104.0))
"""Where the outer corners of the eyes come to lie on it: forehead and chin are on the picture, too."""
_STEADY = 1.5
"""Frames over which the place of a face is smoothed, or landmarks that tremble would count as flicker."""
_HEARD = 0.5
"""Speech probability from which on somebody is heard."""
SAMPLE_RATE = 16000

Stop: TypeAlias = Callable[[], bool]
Progress: TypeAlias = Callable[[float], None]


@dataclass(frozen=True, slots=True, eq=False)
class FaceSeries:
    """The most certain face of each frame; NaN where none was found.

    Attributes:
        landmarks: float32 (T, 478, 3) pixels.
        units: float32 (T, 52) ARKit blendshapes.
        pose: float32 (T, 3) degrees: yaw, pitch, roll.
        size: Width and height of the frames in pixels.
    """

    landmarks: Floats
    units: Floats
    pose: Floats
    size: tuple[int, int]

    def __len__(self) -> int:
        return len(self.landmarks)

    @property
    def seen(self) -> npt.NDArray[np.bool_]:
        """Where a face was found, (T,)."""
        seen: npt.NDArray[np.bool_] = ~np.isnan(self.landmarks[:, 0, 0])
        return seen


@dataclass(frozen=True, slots=True, eq=False)
class Sound:
    """What is heard.

    Attributes:
        waveform: 16 kHz.
        speaking: bool (T,): whether somebody speaks in that frame.
        loudness: float32 (T,) root mean square of each frame.
    """

    waveform: Waveform
    speaking: npt.NDArray[np.bool_]
    loudness: Floats


@dataclass(frozen=True, slots=True, eq=False)
class SeenFace:
    """A frame with a face.

    Attributes:
        index: Of the frame.
        image: uint8 (H, W, 3), the whole frame.
        aligned: uint8 (256, 256, 3); the eyes have one place in all frames.
        marks: float32 (478, 2) landmarks in pixels of it.
    """

    index: int
    image: Picture
    aligned: Picture
    marks: Floats


def read_faces(
    path: Path,
    detector: FaceDetector,
    landmarker: FaceLandmarker,
    *,
    most_frames: int | None = None,
    progress: Progress | None = None,
    stop: Stop | None = None,
) -> FaceSeries:
    """Find the face in each frame: the largest at first, and then the same one.

    Args:
        path: A video.
        detector: Finds faces.
        landmarker: Reads them.
        most_frames: Where to stop reading.
        progress: Told the seconds read.
        stop: Asked now and then whether to stop.

    Raises:
        FileUnreadable: Missing, broken or no media.
        NoVideoStream: Sound only.
        NoFaceFound: In no frame.
        Cancelled: ``stop`` said so.
    """
    from visavis.media.video import read_video

    landmarks, units, poses = [], [], []
    size = (0, 0)
    face: Face | None = None
    nothing = np.full((478, 3), np.nan, np.float32)
    for frame in read_video(path):
        if most_frames is not None and frame.index >= most_frames:
            break
        if stop is not None and stop():
            raise Cancelled(f"stopped while {path} was read")
        size = frame.image.shape[1], frame.image.shape[0]
        face = landmarker.track(frame.image, face, anew=False)
        if face is None:
            found = detector.detect(frame.image)
            if found:
                face = landmarker.detect(frame.image, found[0].box)
        landmarks.append(nothing if face is None else face.landmarks)
        units.append(np.full(52, np.nan, np.float32) if face is None else face.blendshapes)
        poses.append(np.full(3, np.nan, np.float32) if face is None else face.pose)
        if progress is not None and not frame.index % FPS:
            progress(frame.index / FPS)
    series = FaceSeries(np.stack(landmarks), np.stack(units), np.stack(poses), size)
    if not series.seen.any():
        raise NoFaceFound(f"no face is in any frame of {path}; give a video of one person's face")
    return series


def hear(path: Path, frames: int) -> Sound | None:
    """Read the sound of a video, as long as its frames; None where it has none."""
    from visavis.media.audio import read_audio
    from visavis.models.silero.predictor import CHUNK, SileroVad

    try:
        waveform = read_audio(path, SAMPLE_RATE)
    except NoAudioStream:
        return None
    per_frame = SAMPLE_RATE // FPS
    samples = np.zeros(frames * per_frame, np.float32)
    count = min(len(samples), len(waveform.samples))
    samples[:count] = waveform.samples[:count]
    vad = SileroVad()
    chunks = np.pad(samples, (0, -len(samples) % CHUNK)).reshape(-1, CHUNK)
    likely = np.array([vad.speech_probability(chunk) for chunk in chunks])
    middles = (np.arange(frames) + 0.5) * per_frame
    speaking = likely[np.minimum((middles / CHUNK).astype(int), len(likely) - 1)] >= _HEARD
    loudness = np.sqrt((samples.reshape(frames, per_frame).astype(np.float64) ** 2).mean(1))
    return Sound(Waveform(samples, SAMPLE_RATE), speaking, loudness.astype(np.float32))


def align_faces(path: Path, series: FaceSeries) -> Iterator[SeenFace]:
    """Cut the face out of each frame that has one."""
    from visavis.media.video import read_video

    maps = alignments(series)
    for frame in read_video(path):
        if frame.index >= len(series):
            return
        to_aligned = maps.get(frame.index)
        if to_aligned is None:
            continue
        marks = apply(to_aligned, series.landmarks[frame.index, :, :2]).astype(np.float32)
        aligned = warp(frame.image, to_aligned, ALIGNED, ALIGNED)
        yield SeenFace(frame.index, frame.image, aligned, marks)


def alignments(series: FaceSeries) -> dict[int, npt.NDArray[np.float64]]:
    """Maps (2, 3) from a frame to its aligned face, of the frames that have one."""
    anchors = fill_gaps(series.landmarks[:, _ANCHORS, :2])
    steady = smooth_over_time(anchors.reshape(len(anchors), -1), _STEADY).reshape(anchors.shape)
    # One shape for all frames, so that a face that turns is not stretched: it is only moved.
    shape = np.median(steady - steady.mean(1, keepdims=True), axis=0)
    right, left = shape[0], shape[3]
    upright = estimate_similarity(np.stack([right, left]), _EYES_AT)
    target = apply(upright, shape)
    return {
        int(k): estimate_similarity(steady[k], target) for k in np.flatnonzero(series.seen)
    }  # fmt: skip


def lip_squares(series: FaceSeries) -> list[Square]:
    """Of each frame the square that lip-sync networks see; gaps are bridged."""
    return [Square.of(box) for box in lip_boxes(fill_gaps(series.landmarks))]


def fill_gaps(values: Floats) -> Floats:
    """Bridge frames (T, ...) that are NaN in a line, and hold the ends.

    Raises:
        ValueError: All are NaN.
    """
    flat = values.reshape(len(values), -1)
    seen = ~np.isnan(flat).any(1)
    if seen.all():
        return values
    if not seen.any():
        raise ValueError("there is no frame with a face")
    at = np.arange(len(flat))
    filled = np.stack([np.interp(at, at[seen], column[seen]) for column in flat.T], axis=1)
    bridged: Floats = filled.reshape(values.shape).astype(np.float32)
    return bridged
