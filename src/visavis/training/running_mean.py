"""The running mean of a network's weights, which is what is kept in the end."""

from __future__ import annotations

import copy

import torch
from torch import nn


class RunningMean:
    """A second network whose weights follow those of the first.

    Args:
        network: The one that is trained. The mean begins as it is.
        decay: Share of the old mean that a step keeps.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.network = copy.deepcopy(network).eval().requires_grad_(False)
        self._decay = decay

    @torch.no_grad()
    def follow(self, network: nn.Module, step: int) -> None:
        """Take in the weights after a step, counted from 0."""
        # The mean follows fast at first, else it would remember the initial weights.
        keep = min(self._decay, (1 + step) / (10 + step))
        values = network.state_dict()
        for name, mean in self.network.state_dict().items():
            if mean.is_floating_point():
                mean.lerp_(values[name].to(mean.dtype), 1 - keep)
            else:
                mean.copy_(values[name])
