"""How different pictures look, as a loss: what a network sees in them instead of their pixels.

Sources: Johnson et al., "Perceptual Losses for Real-Time Style Transfer" (ECCV 2016); Zhang et al.,
LPIPS (CVPR 2018). Both share one pass of the network.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from visavis.models.lpips.network import SMALLEST, Backbone, load_lpips

_DEPTH = 3
"""Depths whose features are compared by `features`: up to 1/4 of the size, where pixels still count."""


@dataclass(frozen=True, slots=True, eq=False)
class Looks:
    """Distances of two batches of pictures.

    Attributes:
        lpips: Mean LPIPS.
        features: Mean absolute difference of the first three depths' features.
    """

    lpips: Tensor
    features: Tensor


class PerceptualLoss(nn.Module):
    """Both distances; does not learn.

    Args:
        backbone: ``vgg16`` is the usual one; ``alexnet`` costs a tenth.
    """

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.metric = load_lpips(backbone)

    def train(self, mode: bool = True) -> PerceptualLoss:
        """Stay as it is."""
        super().train(False)
        return self

    def forward(self, made: Tensor, real: Tensor) -> Looks:
        """Two times (B, 3, H, W) in [0, 1]."""
        made, real = enlarge(made), enlarge(real)
        with torch.no_grad():
            wanted = self.metric.features(real)
        found = self.metric.features(made)
        pairs = zip(found[:_DEPTH], wanted[:_DEPTH], strict=True)
        features = torch.stack([(a.float() - b.float()).abs().mean() for a, b in pairs]).mean()
        return Looks(self.metric.compare(found, wanted).float().mean(), features)


def enlarge(pictures: Tensor, smallest: int = 2 * SMALLEST) -> Tensor:
    """Scale pictures up until their shorter side has so many pixels."""
    shorter = min(pictures.shape[-2:])
    if shorter >= smallest:
        return pictures
    height, width = (round(side * smallest / shorter) for side in pictures.shape[-2:])
    return nn.functional.interpolate(pictures, (height, width), mode="bilinear")
