"""Pictures of a face and its sound in, vectors, offset and confidence of their match out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from visavis.core.errors import InputError
from visavis.core.types import FPS, Floats, Picture
from visavis.models.common.mel import ROWS_PER_SECOND, WINDOW_FRAMES, WINDOW_ROWS, mel_windows
from visavis.models.common.network_card import read_network_card
from visavis.models.runtime import Network, Runtime, load

SEARCHED = 15
"""Frames of offset that are tried, both ways."""
FEWEST_ROWS = 8
"""Windows that an offset must have in common to be tried: 0.48 s of picture."""
_AT_ONCE = 16


@dataclass(frozen=True, slots=True, eq=False)
class SyncMeasure:
    """How sound and lips of a clip match.

    Attributes:
        offset: Frames by which the sound is late; negative where it is early.
        distance: LSE-D: the mean distance of the vectors at that offset, the least of all; in
            [0, 1.41], for the vectors have length 1 and are nowhere negative.
        confidence: LSE-C: the median over all offsets less that least.
        distances: float32 (31,) at the offsets -15 to 15; NaN where too little is in common.
    """

    offset: int
    distance: float
    confidence: float
    distances: Floats


class SyncExpert:
    """The lip-sync expert. Thread-safe.

    Args:
        folder: Holds ``face_encoder.onnx``, ``audio_encoder.onnx`` and ``network.json``, as
            ``export.py`` writes them.
        runtime: As `visavis.models.runtime.load` takes it.
        threads: Likewise.

    Raises:
        MissingWeights: A file is missing.
        ChecksumMismatch: A file cannot be read.
    """

    def __init__(
        self, folder: Path, *, runtime: Runtime = "auto", threads: int | None = None
    ) -> None:
        self.size = int(read_network_card(folder, "syncnet")["size"])
        """Width of the crops that it sees, in pixels."""
        # In full precision: what measures should say the same on every machine.
        self._face, self._audio = (
            load(folder / name, runtime=runtime, threads=threads, precision="fp32")
            for name in ("face_encoder.onnx", "audio_encoder.onnx")
        )

    def embed_faces(self, frames: Picture) -> Floats:
        """Embed each window of five frames.

        Args:
            frames: uint8 (T, S, S, 3) RGB, crops of a face; only the lower half is looked at.

        Returns:
            float32 (T - 4, D), rows of length 1; row k is of the frames k to k + 4. None for fewer
            than five frames.

        Raises:
            InputError: The pictures have another size.
        """
        if frames.ndim != 4 or frames.shape[1:] != (self.size, self.size, 3):
            raise InputError(
                f"the sync expert sees pictures of {self.size} x {self.size} pixels in RGB; these"
                f" have the shape {frames.shape[1:]}"
            )
        lower = frames[:, self.size // 2 :].transpose(0, 3, 1, 2)
        count = max(0, len(frames) - WINDOW_FRAMES + 1)
        stacked = np.arange(count)[:, None] + np.arange(WINDOW_FRAMES)
        shape = (3 * WINDOW_FRAMES, self.size - self.size // 2, self.size)

        def windows(first: int, last: int) -> Floats:
            pictures = lower[stacked[first:last]].astype(np.float32) / 255
            return pictures.reshape(-1, *shape)

        return _embed(self._face, windows, count)

    def embed_speech(self, mel: Floats) -> Floats:
        """Embed the sound of each window of five frames that lies wholly within.

        Args:
            mel: float32 (T, 80), as `visavis.models.common.mel.log_mel` gives it.

        Returns:
            float32 (N, D), rows of length 1; row k is of the frames k to k + 4. Sound that lasts F
            frames has N = F - 4.
        """
        room = len(mel) - WINDOW_ROWS
        # Frame k begins with row floor(3.2 k): the last k whose row leaves room for a window.
        count = 0 if room < 0 else ((room + 1) * FPS - 1) // ROWS_PER_SECOND + 1

        def windows(first: int, last: int) -> Floats:
            return mel_windows(mel, np.arange(first, last))[:, None]

        return _embed(self._audio, windows, count)

    def measure(self, frames: Picture, mel: Floats) -> SyncMeasure:
        """Compare a clip's lips and sound; see `measure_sync`."""
        return measure_sync(self.embed_faces(frames), self.embed_speech(mel))

    def offset(self, frames: Picture, mel: Floats) -> int:
        """Frames by which a clip's sound is late."""
        return self.measure(frames, mel).offset

    def confidence(self, frames: Picture, mel: Floats) -> float:
        """LSE-C of a clip."""
        return self.measure(frames, mel).confidence


def measure_sync(faces: Floats, speech: Floats) -> SyncMeasure:
    """Slide the sound of a clip along its pictures.

    Only windows that both have are compared: nothing is made up beyond the ends, so that a short
    clip is tried at fewer offsets.

    Source: Chung and Zisserman, "Out of time" (2016), and Wav2Lip's LSE-C and LSE-D, whose vectors
    are longer: figures of other experts are not comparable.

    Args:
        faces: float32 (n, D), rows of length 1.
        speech: float32 (m, D), rows of length 1; row k belongs to row k of the faces.

    Raises:
        InputError: Not even offset 0 has ``FEWEST_ROWS`` windows in common.
    """
    if min(len(faces), len(speech)) < FEWEST_ROWS:
        raise InputError(
            f"there are {len(faces)} windows of picture and {len(speech)} of sound; measuring sync"
            f" needs {FEWEST_ROWS}, that is {(FEWEST_ROWS + WINDOW_FRAMES - 1) / FPS:.2f} s"
        )
    every = np.sqrt(np.maximum(0, 2 - 2 * faces @ speech.T))
    distances = np.full(2 * SEARCHED + 1, np.nan, np.float32)
    for index, shift in enumerate(range(-SEARCHED, SEARCHED + 1)):
        along = np.diagonal(every, shift)
        if len(along) >= FEWEST_ROWS:
            distances[index] = along.mean()
    best = int(np.nanargmin(distances))
    least = float(distances[best])
    confidence = float(np.nanmedian(distances)) - least
    return SyncMeasure(best - SEARCHED, least, confidence, distances)


def _embed(network: Network, windows: Callable[[int, int], Floats], count: int) -> Floats:
    width = network.outputs[0].shape[1]
    parts = [np.zeros((0, width or 0), np.float32)]
    for first in range(0, count, _AT_ONCE):
        inputs = windows(first, min(count, first + _AT_ONCE))
        (vectors,) = network.run({network.inputs[0].name: inputs}).values()
        parts.append(vectors)
    return np.concatenate(parts)
