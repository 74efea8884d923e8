"""The lip generator as three .onnx files, checked against torch's numbers.

Needs the ``train`` extra::

    python -m visavis.models.wav2lip.export CHECKPOINT FOLDER [--precision fp32|fp16|int8]
        [--calibration FILE.npz] [--top ROW]

``face_encoder.onnx`` is for what is computed once for a frame of an avatar, ``audio_encoder.onnx`` and
``decoder.onnx`` for what is computed while it speaks.
"""

from __future__ import annotations

import argparse
import copy
import logging
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
import torch
from torch import Tensor, nn

from visavis.core.types import Floats, Picture
from visavis.models.common.graph_export import TOLERANCE, export_graph
from visavis.models.common.graph_precision import halve_weights, pass_bytes, quantize, run_graph
from visavis.models.common.network_card import write_network_card
from visavis.models.wav2lip.network import Wav2Lip, Wav2LipConfig

_log = logging.getLogger(__name__)

Precision: TypeAlias = Literal["fp32", "fp16", "int8"]
FACE, AUDIO, DECODER = "face_encoder.onnx", "audio_encoder.onnx", "decoder.onnx"
_HALF_TOLERANCE = 2e-3
"""Of what is kept in 16 bits: a number may be rounded the other way."""
_BYTE_TOLERANCE = 1e-2
"""Likewise for pictures."""
_FEW_CHANNELS = 16
"""In 8 bits OpenVINO adds in passing what was given to a layer; of fewer channels it takes a pass."""


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """Examples that tell the ranges of what is computed in 8 bits; some dozens, of many people.

    Attributes:
        frames: uint8 (N, S, S, 3) RGB.
        references: uint8 (N, S, S, 3) RGB.
        mel_windows: float32 (N, 80, 16).
    """

    frames: Picture
    references: Picture
    mel_windows: Floats

    @classmethod
    def read(cls, path: Path) -> Calibration:
        """Read an .npz with arrays of these names."""
        with np.load(path) as arrays:
            return cls(arrays["frames"], arrays["references"], arrays["mel_windows"])

    def faces(self) -> Iterator[dict[str, Floats]]:
        """Give the face encoder's inputs, one by one."""
        for frame, reference in zip(self.frames, self.references, strict=True):
            face = np.concatenate([frame, reference], 2, dtype=np.float32).transpose(2, 0, 1) / 255
            face[:3, face.shape[1] // 2 :] = 0
            yield {"face": face[None]}


def default_top(size: int) -> int:
    """First row that is rendered by default: what is above is as it was given.

    The lower half is new; an eighth of the height more leaves room for blending.
    """
    return size * 3 // 8


def export(
    network: Wav2Lip,
    folder: Path,
    precision: Precision = "fp16",
    calibration: Calibration | None = None,
    top: int | None = None,
) -> dict[str, int]:
    """Write a generator as ONNX.

    Args:
        network: With its weights.
        folder: Where the files go; made if it is not there.
        precision: ``fp16``: weights and kept features take half the space, and all is computed in
            single precision. ``int8``: convolutions compute in 8 bits and features are kept in 8;
            the audio encoder, a fiftieth of the work, is as with ``fp16``.
        calibration: Needed for ``int8``.
        top: First row that the decoder renders, at most half the height; 0 for all.

    Returns:
        Bytes of each file.

    Raises:
        ValueError: An exported graph differs from torch's numbers, or calibration is missing.
    """
    if precision == "int8" and calibration is None:
        raise ValueError("8 bits need examples for calibration")
    network = copy.deepcopy(network).cpu().eval()
    size = network.config.size
    top = default_top(size) if top is None else top
    if not 0 <= top <= size // 2:
        raise ValueError(
            f"the decoder renders the lower half at least; its first row cannot be {top}"
        )
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        full = Path(scratch)
        _export_full(network, full, top, precision)
        if precision == "int8":
            assert calibration is not None
            _quantize(full, calibration, [f"feature_{k}" for k in range(len(network.config.face))])
        for name in (FACE, AUDIO, DECODER):
            if precision == "fp16" or (precision == "int8" and name == AUDIO):
                halve_weights(full / name, folder / name)
            else:
                shutil.copyfile(full / name, folder / name)
    card: dict[str, Any] = {
        "size": size,
        "top": top,
        "lead": network.config.lead,
        "precision": precision,
        "light": list(network.config.light),
        "detail": network.config.detail,
    }
    write_network_card(folder, {"network": "wav2lip", **card})
    sizes = {name: (folder / name).stat().st_size for name in (FACE, AUDIO, DECODER)}
    _log.info("%s: %s", folder, ", ".join(f"{n} {s / 1e6:.1f} MB" for n, s in sizes.items()))
    return sizes


class _FaceEncoder(nn.Module):
    """Gives of each feature the rows that the decoder needs."""

    def __init__(self, network: Wav2Lip, top: int, kept: torch.dtype) -> None:
        super().__init__()
        self.network, self.kept = network, kept
        self.rows = network.config.first_rows(top)

    def forward(self, face: Tensor) -> list[Tensor]:
        features = self.network.encode_face(face)
        return [x[:, :, row:].to(self.kept) for x, row in zip(features, self.rows, strict=True)]


class _AudioEncoder(nn.Module):
    def __init__(self, network: Wav2Lip) -> None:
        super().__init__()
        self.network = network

    def forward(self, mel: Tensor) -> Tensor:
        return self.network.encode_audio(mel)


class _Decoder(nn.Module):
    """Gives pictures of bytes, a pixel's channels together."""

    def __init__(self, network: Wav2Lip, top: int) -> None:
        super().__init__()
        self.network, self.top = network, top

    def forward(self, audio: Tensor, *features: Tensor) -> Tensor:
        decoded = self.network.decode(audio, [feature.float() for feature in features], self.top)
        return (255 * decoded).round().to(torch.uint8).permute(0, 2, 3, 1)


def _export_full(network: Wav2Lip, folder: Path, top: int, precision: Precision) -> None:
    """Write the three graphs as they are before their weights are made smaller."""
    size = network.config.size
    kept = torch.float16 if precision == "fp16" else torch.float32
    residuals = _FEW_CHANNELS if precision == "int8" else None
    encoder, ear = _FaceEncoder(network, top, kept), _AudioEncoder(network)
    names = [f"feature_{k}" for k in range(len(network.config.face))]

    def faces(count: int) -> dict[str, Tensor]:
        return {"face": torch.rand(count, 6, size, size)}

    def mels(count: int) -> dict[str, Tensor]:
        return {"mel": torch.randn(count, 1, 80, 16).clamp(-4, 4)}

    def encoded(count: int) -> dict[str, Tensor]:
        with torch.no_grad():
            features = encoder.eval()(*faces(count).values())
            audio = ear.eval()(*mels(count).values())
        return {"audio": audio, **dict(zip(names, features, strict=True))}

    tolerance = TOLERANCE if kept == torch.float32 else _HALF_TOLERANCE
    decoder = _Decoder(network, top)
    export_graph(encoder, faces, names, folder / FACE, tolerance, residuals)
    export_graph(ear, mels, ["audio"], folder / AUDIO)
    export_graph(decoder, encoded, ["picture"], folder / DECODER, _BYTE_TOLERANCE, residuals)


def _quantize(folder: Path, calibration: Calibration, features: list[str]) -> None:
    """Bring the face encoder and the decoder to 8 bits, and what goes from one to the other."""
    quantize(folder / FACE, folder / FACE, calibration.faces())

    def encoded() -> Iterator[dict[str, Floats]]:
        mels = ({"mel": mel[None, None]} for mel in calibration.mel_windows)
        heard = run_graph(folder / AUDIO, mels)
        seen = run_graph(folder / FACE, calibration.faces())
        for audio, maps in zip(heard, seen, strict=True):
            yield {**audio, **maps}

    quantize(folder / DECODER, folder / DECODER, encoded())
    pass_bytes(folder / FACE, folder / DECODER, features)


def load_network(checkpoint: Path) -> Wav2Lip:
    """Build the generator of a checkpoint: ``network``, its Config as a dict, and ``weights``."""
    stored = torch.load(checkpoint, map_location="cpu", weights_only=True)
    network = Wav2Lip(Wav2LipConfig(**stored["network"]))
    network.load_state_dict(stored["weights"])
    return network.eval()


def main() -> None:
    """Read the command line and export."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--precision", choices=get_args(Precision), default="fp16")
    parser.add_argument("--calibration", type=Path)
    parser.add_argument("--top", type=int)
    given = parser.parse_args()
    examples = Calibration.read(given.calibration) if given.calibration else None
    export(load_network(given.checkpoint), given.folder, given.precision, examples, given.top)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    main()
