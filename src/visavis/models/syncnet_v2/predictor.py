"""LSE-D and LSE-C: a clip's frames and sound in, the published judge's figures out.

Source: Chung and Zisserman, "Out of time" (2016), section 3.2, and Prajwal et al., "A Lip Sync Expert
Is All You Need" (ACM MM 2020), section 4.2, whose figures these are. Needs the ``train`` extra.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from visavis.core.errors import InputError, MissingExtra
from visavis.core.types import FPS, Floats, Picture
from visavis.models.syncnet_v2 import face_crop
from visavis.models.syncnet_v2.cepstrum import ROWS_PER_SECOND, SAMPLE_RATE, cepstrum

if TYPE_CHECKING:
    from torch import Tensor

SEARCHED = 15
"""Frames of offset that are tried, both ways."""
_FRAMES, _ROWS = 5, 20
"""Of a window: pictures, and rows of the cepstrum."""
_LENGTH = 1024
"""Of a vector."""
_BATCH = 16
_BLOCK = 4096
_NEAR = 1e-6
"""Added to each difference, as torch's pairwise distance does."""


@dataclass(frozen=True, slots=True, eq=False)
class SyncNetMeasure:
    """How sound and lips of a clip match, by the published weights.

    Attributes:
        offset: Frames as the published judge prints them: **positive where the sound is early**.
        distance: LSE-D: the mean distance of the vectors at that offset, the least of all.
        confidence: LSE-C: the median over all offsets less that least.
        distances: float32 (31,) for the sound -15 to 15 frames later than the pictures.
    """

    offset: int
    distance: float
    confidence: float
    distances: Floats

    @property
    def lateness(self) -> int:
        """Frames by which the sound is late, as the rest of this project counts."""
        return -self.offset


class SyncNetJudge:
    """The published SyncNet v2. One thread at a time.

    Args:
        weights: ``syncnet_v2.model``, which the user has fetched.
        detect: Finds faces.
        detector: What that is called, for protocols.
        sha256: What the file must be, see `visavis.models.syncnet_v2.checkpoint.load_network`;
            ``published`` is the authors' file, None any.
        device: Of torch; None takes a GPU where there is one.

    Raises:
        MissingExtra: There is no torch.
        FileUnreadable: The file is missing, no checkpoint, or of another network.
        ChecksumMismatch: It is not the published file.
    """

    def __init__(
        self,
        weights: Path,
        detect: face_crop.Detect,
        detector: str,
        *,
        sha256: str | Literal["published"] | None = "published",
        device: str | None = None,
    ) -> None:
        try:
            import torch
        except ModuleNotFoundError as error:
            raise MissingExtra(
                "SyncNet v2 needs the extra `train` (torch is missing): pip install 'visavis[train]'"
            ) from error
        from visavis.models.syncnet_v2.checkpoint import PUBLISHED_SHA256, load_network

        if sha256 == "published":
            sha256 = PUBLISHED_SHA256
        network, found = load_network(weights, sha256)
        self._device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        self._network: Any = network.to(self._device)
        self._detect = detect
        name = "SyncNet v2" if found == PUBLISHED_SHA256 else "unpublished weights of SyncNet v2"
        self.network = (
            f"{name} {found[:16]}, faces by {detector} in place of S3FD, one passage through JPEG"
        )
        """Which network it is and how it was fed, for protocols."""

    def measure(
        self, frames: Callable[[], Iterable[Picture]], landmarks: Floats, samples: Floats
    ) -> SyncNetMeasure:
        """Measure one face of a clip.

        Args:
            frames: Begins the clip anew: uint8 (H, W, 3) RGB, 25 a second. Called twice: places of
                faces are smoothed over time before any is cut out.
            landmarks: (T, K, 2 or 3) pixels: whose face; rows are NaN where it is not seen.
            samples: float32 (n,), 16 kHz, beginning with the first frame.

        Raises:
            NoFaceFound: The detector does not see that face.
            InputError: It, or the sound, is too short.
        """
        boxes = [
            face_crop.find_box(image, marks, self._detect)
            for image, marks in zip(frames(), landmarks, strict=False)
        ]
        track = face_crop.follow_face(np.reshape(boxes, (-1, 4)))
        per_frame = SAMPLE_RATE // FPS
        heard = samples[track.first * per_frame : (track.first + len(track)) * per_frame]
        count = min(len(track), len(heard) // per_frame) - _FRAMES
        if count < 1:
            raise InputError(
                f"picture and sound have {count + _FRAMES} frames in common; SyncNet needs"
                f" {_FRAMES + 1}"
            )
        # The last window is left out, as published.
        faces = self.embed_faces(_crops(frames(), track))[:count]
        return measure_distances(faces, self.embed_speech(cepstrum(heard), count))

    def embed_faces(self, crops: Iterable[Picture]) -> Floats:
        """Embed each window of five frames, in constant memory.

        Args:
            crops: uint8 (224, 224, 3), **blue, green, red**.

        Returns:
            float32 (T - 4, 1024); row k is of the frames k to k + 4.
        """
        kept: list[Picture] = []
        found: list[Floats] = []
        for crop in crops:
            kept.append(crop)
            if len(kept) == _BATCH + _FRAMES - 1:
                found.append(self._embed_windows(kept))
                kept = kept[_BATCH:]
        if len(kept) >= _FRAMES:
            found.append(self._embed_windows(kept))
        return np.concatenate(found) if found else np.empty((0, _LENGTH), np.float32)

    def embed_speech(self, rows: Floats, count: int) -> Floats:
        """Embed the sound of each window of five frames.

        Args:
            rows: float32 (R, 13), as `visavis.models.syncnet_v2.cepstrum.cepstrum` gives them.
            count: Windows; the last needs 4 count + 16 rows.

        Returns:
            float32 (count, 1024); row k is of the frames k to k + 4.
        """
        per_frame = ROWS_PER_SECOND // FPS
        views = np.lib.stride_tricks.sliding_window_view(rows, _ROWS, axis=0)[::per_frame][:count]
        parts = [
            self._run(self._network.encode_speech, views[first : first + _BATCH, None])
            for first in range(0, count, _BATCH)
        ]
        return np.concatenate(parts)

    def _embed_windows(self, crops: Sequence[Picture]) -> Floats:
        planes = np.stack(crops).transpose(3, 0, 1, 2)
        windows = [planes[:, first : first + _FRAMES] for first in range(len(crops) - _FRAMES + 1)]
        return self._run(self._network.encode_face, np.stack(windows))

    def _run(self, encode: Callable[[Tensor], Tensor], values: Any) -> Floats:
        import torch

        # What measures should say the same on every machine, so no half precision on GPUs.
        with torch.inference_mode(), torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            whole = np.ascontiguousarray(values, np.float32)
            vectors = encode(torch.from_numpy(whole).to(self._device))
            found: Floats = vectors.cpu().numpy()
        return found


def measure_distances(faces: Floats, speech: Floats) -> SyncNetMeasure:
    """Slide the sound of a clip along its pictures.

    Beyond its ends the sound's vectors are zeros, as published: such pairs count in the means, so
    that figures of short clips are not those of long ones.

    Args:
        faces: float32 (n, D), n at least 1.
        speech: float32 (n, D); row k belongs to row k of the faces.
    """
    count = len(faces)
    padded = np.pad(speech, ((SEARCHED, SEARCHED), (0, 0)))
    sums = np.zeros(2 * SEARCHED + 1)
    for first in range(0, count, _BLOCK):
        some = faces[first : first + _BLOCK]
        for shift in range(len(sums)):
            apart = some - padded[first + shift : first + shift + len(some)] + np.float32(_NEAR)
            sums[shift] += np.sqrt(np.square(apart, dtype=np.float64).sum(1)).sum()
    means = sums / count
    best = int(np.argmin(means))
    confidence = float(np.median(means) - means[best])
    distances = means.astype(np.float32)
    return SyncNetMeasure(SEARCHED - best, float(means[best]), confidence, distances)


def _crops(frames: Iterable[Picture], track: face_crop.Track) -> Iterator[Picture]:
    files = face_crop.JpegFiles()
    of_track = islice(frames, track.first, track.first + len(track))
    for image, square in zip(of_track, track.squares, strict=True):
        yield files.write_and_read(face_crop.crop_square(image, square))
