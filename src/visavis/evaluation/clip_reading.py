"""A video as metrics see it: whose face is where in each frame, and when somebody is heard.

A file is read minute by minute: each first for the landmarks of its frames, which are kept while it is
measured (6 kB a frame), and then for pictures cut by them, which are not.

Shapes: T frames of a stretch, at 25 a second.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt

from visavis.core.errors import Cancelled, NoAudioStream
from visavis.core.types import FPS, Floats, Picture, VideoFrame, Waveform
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
_PER_FRAME = SAMPLE_RATE // FPS
STRETCH = 60 * FPS
"""Frames that are measured at a time."""

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


class Reel:
    """A video that several readers go through, each at its own pace, stretch by stretch.

    Args:
        path: Of the video.
        most_frames: That are read; None for all.
    """

    def __init__(self, path: Path, most_frames: int | None = None) -> None:
        self.path = path
        self._most = most_frames
        self._readers: dict[str, Generator[VideoFrame, None, None]] = {}

    def take(self, reader: str, start: int, count: int) -> Iterator[VideoFrame]:
        """Give frames from ``start`` on, numbered from 0.

        A reader never goes back.

        Raises:
            FileUnreadable: Missing, broken or no media.
            NoVideoStream: Sound only.
        """
        from visavis.media.video import read_video

        end = start + count if self._most is None else min(start + count, self._most)
        if start >= end:
            return
        frames = self._readers.setdefault(reader, read_video(self.path))
        for frame in frames:
            if frame.index >= start:
                yield VideoFrame(frame.image, frame.index - start)
            if frame.index + 1 >= end:
                return

    def close(self) -> None:
        """Close the file, for all readers."""
        for frames in self._readers.values():
            frames.close()
        self._readers.clear()


class FaceFollower:
    """Finds the face in each frame: the largest at first, and then the same one.

    Args:
        detector: Finds faces.
        landmarker: Reads them.
        stop: Asked for each frame whether to stop.
    """

    def __init__(
        self, detector: FaceDetector, landmarker: FaceLandmarker, stop: Stop | None = None
    ) -> None:
        self._detector, self._landmarker, self._stop = detector, landmarker, stop
        self._face: Face | None = None

    def read(self, frames: Iterable[VideoFrame], progress: Progress | None = None) -> FaceSeries:
        """Read a stretch, which may be empty.

        Args:
            frames: Those after what was read before.
            progress: Told the seconds of it that were read.

        Raises:
            Cancelled: ``stop`` said so.
        """
        landmarks, units, poses = [], [], []
        size = (0, 0)
        face = self._face
        for frame in frames:
            if self._stop is not None and self._stop():
                raise Cancelled("stopped while a video was read")
            size = frame.image.shape[1], frame.image.shape[0]
            face = self._landmarker.track(frame.image, face, anew=False)
            if face is None:
                found = self._detector.detect(frame.image)
                if found:
                    face = self._landmarker.detect(frame.image, found[0].box)
            landmarks.append(_nothing(478, 3) if face is None else face.landmarks)
            units.append(_nothing(52) if face is None else face.blendshapes)
            poses.append(_nothing(3) if face is None else face.pose)
            if progress is not None and not frame.index % FPS:
                progress(frame.index / FPS)
        self._face = face
        return FaceSeries(
            np.array(landmarks, np.float32).reshape(-1, 478, 3),
            np.array(units, np.float32).reshape(-1, 52),
            np.array(poses, np.float32).reshape(-1, 3),
            size,
        )


class Hearing:
    """The sound of a video, stretch by stretch, and when somebody speaks in it."""

    def __init__(self, path: Path) -> None:
        from visavis.models.silero.predictor import SileroVad

        self._path = path
        self._chunks: Iterator[Waveform] | None = None
        self._waiting = np.empty(0, np.float32)
        self._heard: list[bool] = []
        self._unheard = np.empty(0, np.float32)
        self._vad = SileroVad()
        self._offset = 0

    def take(self, frames: int) -> Sound | None:
        """Give what goes with the next frames; None where the file has no sound. Silence is put after its end."""
        from visavis.media.audio import iterate_audio

        if self._chunks is None:
            self._chunks = iterate_audio(self._path, SAMPLE_RATE)
        wanted = frames * _PER_FRAME
        parts = [self._waiting]
        have = len(self._waiting)
        try:
            while have < wanted:
                chunk = next(self._chunks, None)
                if chunk is None:
                    parts.append(np.zeros(wanted - have, np.float32))
                    break
                parts.append(chunk.samples)
                have += len(chunk.samples)
        except NoAudioStream:
            return None
        joined = np.concatenate(parts)
        samples, self._waiting = joined[:wanted], joined[wanted:]
        speaking = self._find_speech(samples, frames)
        power = (samples.reshape(frames, _PER_FRAME).astype(np.float64) ** 2).mean(1)
        return Sound(Waveform(samples, SAMPLE_RATE), speaking, np.sqrt(power).astype(np.float32))

    def _find_speech(self, samples: Floats, frames: int) -> npt.NDArray[np.bool_]:
        from visavis.models.silero.predictor import CHUNK

        given = np.concatenate([self._unheard, samples])
        whole = len(given) // CHUNK * CHUNK
        for start in range(0, whole, CHUNK):
            self._heard.append(self._vad.speech_probability(given[start : start + CHUNK]) >= _HEARD)
        self._unheard = given[whole:]
        middles = self._offset + ((np.arange(frames) + 0.5) * _PER_FRAME).astype(int)
        self._offset += frames * _PER_FRAME
        known = np.array(self._heard or [False])
        return np.asarray(known[np.minimum(middles // CHUNK, len(known) - 1)])


def _nothing(*shape: int) -> Floats:
    return np.full(shape, np.nan, np.float32)


def align_faces(frames: Iterable[VideoFrame], series: FaceSeries) -> Iterator[SeenFace]:
    """Cut the face out of each frame that has one.

    Args:
        frames: Of the stretch.
        series: What was read of it.
    """
    maps = alignments(series)
    for frame in frames:
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
