"""The critic of how real a mouth looks, and what it and the generator learn of each other.

Source: Prajwal et al., "A Lip Sync Expert Is All You Need" (ACM MM 2020), section 3.4, and the
``Wav2Lip_disc_qual`` of its published code: it sees the lower halves, each by itself, and no sound.

Shapes: B pictures, S the width of the square crop; a lower half is S/2 x S.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from visavis.training.task import Held


class QualityCritic(nn.Module):
    """Lower halves to logits: more than 0 for real.

    Args:
        size: Pixels; 96 is the published network, larger ones begin with more halvings.
            Smaller ones are for trying out.
        width: Channels of the first layer.
    """

    def __init__(self, size: int, width: int = 32) -> None:
        super().__init__()
        w = width
        layers: list[nn.Module] = []
        channels, side = 3, size
        while side > 96:
            layers += _leaky(channels, w // 2, 5, 2, 2)
            channels, side = w // 2, side // 2
        layers += _leaky(channels, w, 7, 1, 3)
        layers += [*_leaky(w, 2 * w, 5, (1, 2), 2), *_leaky(2 * w, 2 * w, 5, 1, 2)]
        layers += [*_leaky(2 * w, 4 * w, 5, 2, 2), *_leaky(4 * w, 4 * w, 5, 1, 2)]
        layers += [*_leaky(4 * w, 8 * w, 5, 2, 2), *_leaky(8 * w, 8 * w, 5, 1, 2)]
        layers += [*_leaky(8 * w, 16 * w, 3, 2, 1), *_leaky(16 * w, 16 * w, 3, 1, 1)]
        layers += [
            *_leaky(16 * w, 16 * w, 3, 2, 1),
            *_leaky(16 * w, 16 * w, 3, 1, 0 if size >= 96 else 1),
        ]
        self.layers = nn.Sequential(*layers, nn.Conv2d(16 * w, 1, 1))

    def forward(self, halves: Tensor) -> Tensor:
        """(B, 3, S/2, S) in [0, 1] -> logits (B,)."""
        logits: Tensor = self.layers(halves).mean((1, 2, 3))
        return logits


class CriticObjective(nn.Module):
    """What the critic learns: to tell what was made from what is real.

    Args:
        critic: The network.
    """

    def __init__(self, critic: QualityCritic) -> None:
        super().__init__()
        self.critic = critic

    def forward(
        self, held: Held, step: int, shown: tuple[Tensor, Tensor]
    ) -> tuple[Tensor, Mapping[str, Tensor]]:
        """Made and real lower halves (B, 3, S/2, S) to a loss and the share that it gets right."""
        made, real = (halves.detach() for halves in shown)
        of_made, of_real = self.critic(made), self.critic(real)
        softplus = nn.functional.softplus
        loss = (softplus(of_made).mean() + softplus(-of_real).mean()) / 2
        right = torch.cat([of_made < 0, of_real > 0]).float().mean()
        return loss, {"critic_right": right}


def fool(critic: QualityCritic, made: Tensor) -> Tensor:
    """What the generator learns of the critic: to be taken for real."""
    return nn.functional.softplus(-critic(made)).mean()


def _leaky(
    channels: int, out: int, kernel: int, stride: int | tuple[int, int], padding: int
) -> list[nn.Module]:
    return [nn.Conv2d(channels, out, kernel, stride, padding), nn.LeakyReLU(0.01, inplace=True)]
