"""An exported lip generator as a torch network again, so that it can learn on.

Needs the ``train`` extra. In exported graphs batch norms and what layers add to their outcome are
part of the convolutions. Both are taken out of them again: the network is as one that was built
anew, and gives what the graphs give.
"""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import torch
from torch import Tensor, nn

from visavis.core.errors import ChecksumMismatch, InputError
from visavis.models.common.convolutions import ConvNorm, DeconvNorm
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
        The network, in evaluation mode. Its batch norms do nothing; call `settle_norms` before it
        learns.

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
    weights = _read(folder)
    wanted = {
        name: tuple(value.shape)
        for name, value in network.state_dict().items()
        if ".conv_block.1." not in name  # the norms
    }
    if {name: value.shape for name, value in weights.items()} != wanted:
        raise ChecksumMismatch(
            f"the lip generator in {folder} has other layers than one of {size} pixels"
        )
    network.load_state_dict(
        {name: torch.from_numpy(value) for name, value in weights.items()}, strict=False
    )
    for layer in _layers(network):
        conv, norm = layer.conv_block
        norm.weight.data.fill_(math.sqrt(1 + norm.eps))
        if isinstance(layer, ConvNorm) and layer.is_residual:
            channels, middle = torch.arange(conv.out_channels), conv.kernel_size[0] // 2
            conv.weight.data[channels, channels, middle, middle] -= 1
    return network.eval()


@torch.no_grad()
def settle_norms(network: Wav2Lip, mel: Tensor, face: Tensor) -> None:
    """Let the batch norms of a network expect what they see, and change nothing.

    In training they divide by what a batch shows. Norms that do nothing would then change all that
    was learnt.

    Args:
        network: In evaluation mode, as it stays.
        mel: (B, 1, 80, 16), of as many examples as there is room for.
        face: (B, 6, S, S).
    """

    def settle(norm: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        assert isinstance(norm, nn.BatchNorm2d)
        assert norm.running_mean is not None
        assert norm.running_var is not None
        variance, mean = torch.var_mean(inputs[0], (0, 2, 3), correction=0)
        gain = norm.weight / torch.sqrt(norm.running_var + norm.eps)
        shift = norm.bias - norm.running_mean * gain
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(variance)
        norm.weight.copy_(gain * torch.sqrt(variance + norm.eps))
        norm.bias.copy_(shift + mean * gain)

    hooks = [layer.conv_block[1].register_forward_pre_hook(settle) for layer in _layers(network)]
    try:
        network(mel, face)
    finally:
        for hook in hooks:
            hook.remove()


def _layers(network: nn.Module) -> list[ConvNorm | DeconvNorm]:
    return [part for part in network.modules() if isinstance(part, ConvNorm | DeconvNorm)]


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
