"""The lip-sync expert as two .onnx files, checked against torch's numbers.

Needs the ``train`` extra::

    python -m visavis.models.syncnet.export CHECKPOINT FOLDER [--precision fp32|fp16|int8]
        [--calibration FILE.npz]
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
from typing import Literal, TypeAlias, get_args

import numpy as np
import torch
from torch import Tensor, nn

from visavis.core.types import Floats, Picture
from visavis.models.common.graph_export import export_graph
from visavis.models.common.graph_precision import halve_weights, quantize
from visavis.models.common.network_card import write_network_card
from visavis.models.syncnet.network import FRAMES, SyncNet, SyncNetConfig

_log = logging.getLogger(__name__)

Precision: TypeAlias = Literal["fp32", "fp16", "int8"]
FACE, AUDIO = "face_encoder.onnx", "audio_encoder.onnx"


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """Examples that tell the ranges of what is computed in 8 bits; some dozens, of many people.

    Attributes:
        windows: uint8 (N, 5, S, S, 3) RGB: five frames that follow each other.
        mel_windows: float32 (N, 80, 16).
    """

    windows: Picture
    mel_windows: Floats

    @classmethod
    def read(cls, path: Path) -> Calibration:
        """Read an .npz with arrays of these names."""
        with np.load(path) as arrays:
            return cls(arrays["windows"], arrays["mel_windows"])

    def faces(self) -> Iterator[dict[str, Floats]]:
        """Give the face encoder's inputs, one by one."""
        for window in self.windows:
            size = window.shape[1]
            lower = window[:, size // 2 :].transpose(0, 3, 1, 2).astype(np.float32) / 255
            yield {"windows": lower.reshape(1, 3 * FRAMES, size - size // 2, size)}

    def mels(self) -> Iterator[dict[str, Floats]]:
        """Give the audio encoder's inputs, one by one."""
        for mel in self.mel_windows:
            yield {"mel": mel[None, None]}


class _Encoder(nn.Module):
    def __init__(self, network: SyncNet, which: Literal["face", "audio"]) -> None:
        super().__init__()
        self.network, self.which = network, which

    def forward(self, x: Tensor) -> Tensor:
        network = self.network
        return network.encode_face(x) if self.which == "face" else network.encode_audio(x)


def export(
    network: SyncNet,
    folder: Path,
    precision: Precision = "fp16",
    calibration: Calibration | None = None,
) -> dict[str, int]:
    """Write an expert as ONNX.

    Args:
        network: With its weights.
        folder: Where the files go; made if it is not there.
        precision: ``fp16``: weights take half the space, and all is computed in single precision.
            ``int8``: convolutions compute in 8 bits. What measures should not be measured itself:
            8 bits are for where the expert runs all the time.
        calibration: Needed for ``int8``.

    Returns:
        Bytes of each file.

    Raises:
        ValueError: An exported graph differs from torch's numbers, or calibration is missing.
    """
    if precision == "int8" and calibration is None:
        raise ValueError("8 bits need examples for calibration")
    network = copy.deepcopy(network).cpu().eval()
    size = network.config.size
    shape = (3 * FRAMES, size - size // 2, size)
    residuals = 0 if precision == "int8" else None
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        full = Path(scratch)
        export_graph(
            _Encoder(network, "face"),
            lambda count: {"windows": torch.rand(count, *shape)},
            ["face"],
            full / FACE,
            residuals=residuals,
        )
        export_graph(
            _Encoder(network, "audio"),
            lambda count: {"mel": torch.randn(count, 1, 80, 16).clamp(-4, 4)},
            ["speech"],
            full / AUDIO,
            residuals=residuals,
        )
        for name in (FACE, AUDIO):
            if precision == "fp16":
                halve_weights(full / name, folder / name)
            elif precision == "fp32":
                shutil.copyfile(full / name, folder / name)
            else:
                assert calibration is not None
                inputs = calibration.faces() if name == FACE else calibration.mels()
                quantize(full / name, folder / name, inputs)
    write_network_card(folder, {"network": "syncnet", "size": size, "precision": precision})
    sizes = {name: (folder / name).stat().st_size for name in (FACE, AUDIO)}
    _log.info("%s: %s", folder, ", ".join(f"{n} {s / 1e6:.1f} MB" for n, s in sizes.items()))
    return sizes


def load_network(checkpoint: Path) -> SyncNet:
    """Build the expert of a checkpoint: ``network``, its Config as a dict, and ``weights``."""
    stored = torch.load(checkpoint, map_location="cpu", weights_only=True)
    network = SyncNet(SyncNetConfig(**stored["network"]))
    network.load_state_dict(stored["weights"])
    return network.eval()


def main() -> None:
    """Read the command line and export."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--precision", choices=get_args(Precision), default="fp16")
    parser.add_argument("--calibration", type=Path)
    given = parser.parse_args()
    examples = Calibration.read(given.calibration) if given.calibration else None
    export(load_network(given.checkpoint), given.folder, given.precision, examples)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    main()
