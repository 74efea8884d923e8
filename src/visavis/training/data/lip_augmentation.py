"""What makes few faces go further: mirrors and light, the same for all pictures of a sample.

Shapes: B samples of N pictures.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class LipAugmentation:
    """How much of everything; 0 switches it off.

    Attributes:
        flip: Probability of a mirror.
        light: Brightness and contrast, either way, as a share.
        saturation: Either way, as a share.
    """

    flip: float = 0.5
    light: float = 0.15
    saturation: float = 0.2


def to_pictures(pixels: Tensor) -> Tensor:
    """Uint8 (B, N, S, S, 3) to float (B, N, 3, S, S) in [0, 1]."""
    return pixels.permute(0, 1, 4, 2, 3).float().div_(255)


def augment_faces(pictures: Tensor, kind: LipAugmentation, seed: int) -> Tensor:
    """Float (B, N, 3, S, S) to the same in another light, mirrored or not.

    What shall be drawn and its reference are given together, for they must stay alike.
    """
    generator = torch.Generator().manual_seed(seed)

    def draw(most: float) -> Tensor:
        drawn = torch.rand(len(pictures), generator=generator)
        return (1 + (2 * drawn - 1) * most).to(pictures.device).view(-1, 1, 1, 1, 1)

    mirrored = (torch.rand(len(pictures), generator=generator) < kind.flip).to(pictures.device)
    x = torch.where(mirrored.view(-1, 1, 1, 1, 1), pictures.flip(-1), pictures)
    grey = x.mean(2, keepdim=True)
    x = grey + draw(kind.saturation) * (x - grey)
    middle = grey.mean((1, 3, 4), keepdim=True)
    x = (middle + draw(kind.light) * (x - middle)) * draw(kind.light)
    return x.clamp(0, 1)
