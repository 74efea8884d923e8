"""Faces and sound in, faces whose lips say the sound out.

A prepared avatar's frames are encoded once; a frame is then rendered from what was kept and the sound.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from visavis.core.errors import InputError
from visavis.core.types import Floats, Picture
from visavis.models.common.mel import BANDS, SILENCE, WINDOW_ROWS
from visavis.models.common.network_card import read_network_card
from visavis.models.runtime import Precision, Runtime, load


@dataclass(frozen=True, slots=True, eq=False)
class FaceFeatures:
    """What is kept of one frame.

    Attributes:
        maps: What the face encoder's blocks give, from the first to the last: (1, channels, height,
            width) in the type in which the decoder takes them, without rows that it has no use for.
        upper: uint8 (top, S, 3): what is shown above the rows that are rendered.
    """

    maps: tuple[npt.NDArray[Any], ...]
    upper: Picture

    @property
    def nbytes(self) -> int:
        """Memory that it takes."""
        return self.upper.nbytes + sum(one.nbytes for one in self.maps)


class Wav2LipPredictor:
    """The lip generator. Thread-safe.

    Args:
        folder: Holds ``face_encoder.onnx``, ``audio_encoder.onnx``, ``decoder.onnx`` and
            ``network.json``, as ``export.py`` writes them.
        runtime: As `visavis.models.runtime.load` takes it.
        threads: Likewise.
        precision: Likewise.

    Raises:
        MissingWeights: A file is missing.
        ChecksumMismatch: A file cannot be read.
    """

    def __init__(
        self,
        folder: Path,
        *,
        runtime: Runtime = "auto",
        threads: int | None = None,
        precision: Precision = "auto",
    ) -> None:
        card = read_network_card(folder, "wav2lip")
        self.size = int(card["size"])
        """Width of the crops that it takes and gives, in pixels."""
        self.top = int(card["top"])
        """First row that is rendered; the rows above are those of the frame."""
        self.lead = int(card["lead"])
        """Frames by which the mel window of a frame begins before it."""
        self.light: tuple[int, ...] = tuple(card.get("light", ()))
        """Mean colour of the faces that it learnt from; empty where that is not known."""
        self.detail = int(card.get("detail", 0))
        """Width in pixels of the crops that it learnt from, as they were kept; 0 where that is not known."""
        self._hush: Floats | None = None
        self._face, self._audio, self._decoder = (
            load(folder / name, runtime=runtime, threads=threads, precision=precision)
            for name in ("face_encoder.onnx", "audio_encoder.onnx", "decoder.onnx")
        )
        self.description = self._decoder.description
        """Runtime, device and threads."""

    def encode(self, frames: Picture, references: Picture | None = None) -> list[FaceFeatures]:
        """Encode frames whose lips are to move; the sound plays no part in it.

        Args:
            frames: uint8 (N, S, S, 3) RGB crops; their lower halves are not looked at.
            references: uint8 (N, S, S, 3) crops of the same face that show what is below; by
                default the frames themselves.

        Raises:
            InputError: The pictures have another size, or their numbers differ.
        """
        references = frames if references is None else references
        wanted = (self.size, self.size, 3)
        if frames.shape[1:] != wanted or references.shape != frames.shape:
            raise InputError(
                f"the lip generator takes pictures of {self.size} x {self.size} pixels in RGB, as"
                f" many references as frames; these have the shapes {frames.shape} and"
                f" {references.shape}"
            )
        return [self._encode(*pair) for pair in zip(frames, references, strict=True)]

    def _encode(self, frame: Picture, reference: Picture) -> FaceFeatures:
        face = np.concatenate([frame, reference], 2, dtype=np.float32).transpose(2, 0, 1) / 255
        face[:3, self.size // 2 :] = 0
        maps = tuple(self._face.run({"face": face[None]}).values())
        return FaceFeatures(maps, frame[: self.top].copy())

    def render(
        self, features: Sequence[FaceFeatures], mel_windows: Floats, emphasis: float = 1.0
    ) -> Picture:
        """Render a frame for each mel window.

        Args:
            features: N, as `encode` gave them; one may occur several times.
            mel_windows: float32 (N, 80, 16), as `visavis.models.common.mel.mel_windows` cuts them
                at the numbers of the frames less ``lead``.
            emphasis: How many times as far from silence the sound is taken to be as it is. What is heard
                is a vector whose numbers are 0 or more; those that would not be become 0. Above 1 the
                mouth moves further. The idea is that of guidance without a classifier (Ho and Salimans,
                2022), without its training: silence stands for what is said without a condition.

        Returns:
            uint8 (N, S, S, 3) RGB.

        Raises:
            InputError: There is not one window for each.
        """
        if len(features) != len(mel_windows):
            raise InputError(
                f"there are {len(features)} faces and {len(mel_windows)} windows of sound"
            )
        pictures = np.empty((len(features), self.size, self.size, 3), np.uint8)
        if not len(features):
            return pictures
        heard = self._audio.run({"mel": np.asarray(mel_windows, np.float32)[:, None]})["audio"]
        if emphasis != 1:
            heard = np.maximum(self._silence() + emphasis * (heard - self._silence()), 0)
        # One after the other: a batch is no faster on a CPU and would copy what is kept.
        for index, face in enumerate(features):
            inputs = {f"feature_{k}": one for k, one in enumerate(face.maps)}
            inputs["audio"] = heard[index : index + 1]
            pictures[index, : self.top] = face.upper
            pictures[index, self.top :] = self._decoder.run(inputs)["picture"][0]
        return pictures

    def _silence(self) -> Floats:
        """What is heard of silence: (1, channels, 1, 1)."""
        if self._hush is None:
            silent = np.full((1, 1, BANDS, WINDOW_ROWS), SILENCE, np.float32)
            self._hush = np.asarray(self._audio.run({"mel": silent})["audio"], np.float32)
        return self._hush
