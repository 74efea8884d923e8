"""Exported graphs as torch networks again, so that they can learn on. Needs the ``train`` extra.

`graph_export.fold` makes batch norms, and what layers add to their outcome, part of the convolutions.
Both are taken out of them again here: a network is then as one that was built anew, and gives what the
graphs give.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

import numpy as np
import onnx
import torch
from torch import Tensor, nn

from visavis.core.errors import ChecksumMismatch
from visavis.models.common.convolutions import ConvNorm, DeconvNorm

_PREFIX, _HALVED, _NORMS = "network.", ".half", ".conv_block.1."

Restored = TypeVar("Restored", bound=nn.Module)


def restore_first_that_fits(networks: Iterable[Restored], graphs: Iterable[Path]) -> Restored:
    """Give weights of exported graphs to the first network that has such layers.

    Args:
        networks: Of layers of `visavis.models.common.convolutions`; tried in their order.
        graphs: Files as an ``export.py`` wrote them, not in 8 bits; together they hold all weights.

    Returns:
        The network, in evaluation mode. Its batch norms do nothing; call `settle_norms` before it
        learns.

    Raises:
        ChecksumMismatch: A file cannot be read, or none of the networks has such layers.
    """
    graphs = list(graphs)
    weights = {name: value for path in graphs for name, value in _read(path).items()}
    shapes = {name: value.shape for name, value in weights.items()}
    for network in networks:
        state = network.state_dict()
        wanted = {n: tuple(value.shape) for n, value in state.items() if _NORMS not in n}
        if wanted != shapes:
            continue
        network.load_state_dict({n: torch.from_numpy(w) for n, w in weights.items()}, strict=False)
        _unfold(network)
        return network.eval()
    raise ChecksumMismatch(f"the network in {graphs[0].parent} has other layers than those known")


@torch.no_grad()
def settle_norms(network: nn.Module, run: Callable[[], object]) -> None:
    """Let the batch norms of a network expect what they see, and change nothing.

    In training they divide by what a batch shows. Norms that do nothing would then change all that
    was learnt.

    Args:
        network: In evaluation mode, as it stays.
        run: Runs it on as many examples as there is room for.
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
        run()
    finally:
        for hook in hooks:
            hook.remove()


def _unfold(network: nn.Module) -> None:
    for layer in _layers(network):
        conv, norm = layer.conv_block
        assert isinstance(conv, nn.Conv2d | nn.ConvTranspose2d)
        assert isinstance(norm, nn.BatchNorm2d)
        norm.weight.data.fill_(math.sqrt(1 + norm.eps))
        if isinstance(layer, ConvNorm) and layer.is_residual:
            channels, middle = torch.arange(conv.out_channels), conv.kernel_size[0] // 2
            conv.weight.data[channels, channels, middle, middle] -= 1


def _layers(network: nn.Module) -> list[ConvNorm | DeconvNorm]:
    return [part for part in network.modules() if isinstance(part, ConvNorm | DeconvNorm)]


def _read(path: Path) -> dict[str, np.ndarray]:
    try:
        graph = onnx.load(str(path)).graph
    except Exception as error:  # protobuf's own exceptions share no base
        raise ChecksumMismatch(f"{path} cannot be read: {error}") from error
    return {
        tensor.name.removeprefix(_PREFIX).removesuffix(_HALVED): np.array(
            onnx.numpy_helper.to_array(tensor), np.float32
        )
        for tensor in graph.initializer
        if tensor.name.startswith(_PREFIX)
    }
