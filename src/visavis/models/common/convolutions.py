"""Convolution, batch norm and ReLU from tables of layers: what the networks of lip sync are made of.

Needs torch: only the ``network.py`` files import it. Names of parameters are those of Wav2Lip's
published code, so that its checkpoints load.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

from torch import Tensor, nn

Layer: TypeAlias = tuple[int, int, int | tuple[int, int], int]
"""Channels that come out, kernel, stride, padding: a row of the papers' tables."""
Layers: TypeAlias = tuple[Layer, ...]


class ConvNorm(nn.Module):
    """Convolution and batch norm, added to what came in where the shape is kept; then ReLU.

    Layers of 1x1 add nothing, though they keep the shape: so it is in the published code.

    Args:
        channels: That come in.
        layer: What it is.
        may_add: False where nothing is added in any case.
    """

    def __init__(self, channels: int, layer: Layer, may_add: bool = True) -> None:
        super().__init__()
        out, kernel, stride, padding = layer
        self.conv_block = nn.Sequential(
            nn.Conv2d(channels, out, kernel, stride, padding), nn.BatchNorm2d(out)
        )
        keeps_shape = channels == out and stride == 1 and 2 * padding == kernel - 1
        self.is_residual = may_add and keeps_shape and kernel > 1

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C', H', W')."""
        y: Tensor = self.conv_block(x)
        return nn.functional.relu(y + x if self.is_residual else y)


class DeconvNorm(nn.Module):
    """Transposed convolution, batch norm, ReLU; with stride 2, twice the width and height."""

    def __init__(self, channels: int, layer: Layer) -> None:
        super().__init__()
        out, kernel, stride, padding = layer
        more = 0 if stride == 1 else 1
        self.conv_block = nn.Sequential(
            nn.ConvTranspose2d(channels, out, kernel, stride, padding, output_padding=more),
            nn.BatchNorm2d(out),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C', H', W')."""
        y: Tensor = self.conv_block(x)
        return nn.functional.relu(y)


def stack(channels: int, layers: Iterable[Layer]) -> nn.Sequential:
    """Chain layers, the first of which takes ``channels``."""
    parts = []
    for layer in layers:
        parts.append(ConvNorm(channels, layer))
        channels = layer[0]
    return nn.Sequential(*parts)
