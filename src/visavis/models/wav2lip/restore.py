"""An exported lip generator as a torch network again, so that it can learn on.

Needs the ``train`` extra. Exported graphs have their batch norms multiplied into the convolutions;
the network that is restored has none, and keeps the scale of its values by itself. That suits
learning on with few examples of one face, whose statistics would be no one else's.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import torch
from torch import nn

from visavis.core.errors import ChecksumMismatch, InputError
from visavis.models.common.network_card import read_network_card
from visavis.models.wav2lip.network import (
    WAV2LIP_96,
    WAV2LIP_192,
    WAV2LIP_384,
    Wav2Lip,
    Wav2LipConfig,
)

CONFIGS = {config.size: config for config in (WAV2LIP_96, WAV2LIP_192, WAV2LIP_384)}
_GRAPHS = ("face_encoder.onnx", "audio_encoder.onnx", "decoder.onnx")
_PREFIX, _HALVED = "network.", ".half"


def restore(folder: Path, config: Wav2LipConfig | None = None) -> Wav2Lip:
    """Read the weights of an exported generator.

    Args:
        folder: As `visavis.models.wav2lip.export.export` wrote it, not in 8 bits.
        config: Its sizes; by default those of ``CONFIGS``.

    Returns:
        A network without batch norms, in evaluation mode.

    Raises:
        InputError: It computes in 8 bits.
        MissingWeights: The folder holds no generator.
        ChecksumMismatch: Its files are not those of such a network.
    """
    card = read_network_card(folder, "wav2lip")
    if card.get("precision") == "int8":
        raise InputError(f"the lip generator in {folder} computes in 8 bits and cannot learn on")
    size = int(card["size"])
    if config is None and size not in CONFIGS:
        raise ChecksumMismatch(f"the lip generator in {folder} draws {size} pixels, as none does")
    config = config or CONFIGS[size]
    network = Wav2Lip(replace(config, lead=int(card["lead"])))
    drop_norms(network)
    weights = _read(folder)
    wanted = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    if {name: value.shape for name, value in weights.items()} != wanted:
        raise ChecksumMismatch(
            f"the lip generator in {folder} has other layers than one of {size} pixels"
        )
    network.load_state_dict({name: torch.from_numpy(value) for name, value in weights.items()})
    return network.eval()


def drop_norms(network: nn.Module) -> None:
    """Take the batch norms out of a network, in place."""
    for part in network.modules():
        if isinstance(part, nn.Sequential):
            for index, layer in enumerate(part):
                if isinstance(layer, nn.BatchNorm2d):
                    part[index] = nn.Identity()


def _read(folder: Path) -> dict[str, np.ndarray]:
    weights = {}
    for name in _GRAPHS:
        try:
            graph = onnx.load(str(folder / name)).graph
        except Exception as error:  # protobuf's own exceptions share no base
            raise ChecksumMismatch(f"{folder / name} cannot be read: {error}") from error
        for tensor in graph.initializer:
            if tensor.name.startswith(_PREFIX):
                value = np.array(onnx.numpy_helper.to_array(tensor), np.float32)
                weights[tensor.name.removeprefix(_PREFIX).removesuffix(_HALVED)] = value
    return weights
