"""The mouth network: residual temporal convolutions that hear a little ahead.

Shapes: B clips, F video frames out, R = 4 (F + left + right) feature rows in, 80 bands, 13 outputs.
No convolution pads: what lies before and after a chunk is always given, so that a chunk computes
exactly what the whole does.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from visavis.models.audio2mouth.features import BANDS, ROWS_PER_FRAME
from visavis.models.common.units import MOUTH_UNITS


@dataclass(frozen=True)
class Config:
    """Sizes of the network.

    Attributes:
        width: Channels inside.
        ahead_blocks: Blocks that see one frame before and one after; with the stem's one, their
            number plus one is the lookahead in frames.
        dilations: Of the blocks that see only what was.
    """

    width: int = 128
    ahead_blocks: int = 3
    dilations: tuple[int, ...] = (2, 4, 8, 8)

    @property
    def right(self) -> int:
        """Frames after a frame that are needed for it."""
        return 1 + self.ahead_blocks

    @property
    def left(self) -> int:
        """Frames before a frame that are needed for it."""
        return 1 + self.ahead_blocks + 2 * sum(self.dilations)


class Block(nn.Module):
    """Norm, dilated convolution over three frames, mixing; added to what came in."""

    def __init__(self, width: int, dilation: int, ahead: bool) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.temporal = nn.Conv1d(width, width, 3, dilation=dilation)
        self.mix = nn.Conv1d(width, width, 1)
        self.first = dilation if ahead else 2 * dilation
        self.last = dilation if ahead else 0

    def forward(self, x: Tensor) -> Tensor:
        """(B, width, T) -> (B, width, T - 2 dilation)."""
        y = self.norm(x.transpose(1, 2)).transpose(1, 2)
        y = self.mix(nn.functional.gelu(self.temporal(y)))
        return x[:, :, self.first : x.shape[2] - self.last] + y


class MouthNet(nn.Module):
    """Features of sound to mouth channels and whether somebody speaks."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        rows = 3 * ROWS_PER_FRAME
        self.stem = nn.Conv1d(BANDS, config.width, rows, stride=ROWS_PER_FRAME)
        ahead = [Block(config.width, 1, ahead=True) for _ in range(config.ahead_blocks)]
        behind = [Block(config.width, d, ahead=False) for d in config.dilations]
        self.blocks = nn.Sequential(*ahead, *behind)
        self.norm = nn.LayerNorm(config.width)
        self.head = nn.Linear(config.width, len(MOUTH_UNITS) + 1)

    def forward(self, features: Tensor) -> Tensor:
        """(B, 4 (left + F + right), 80) -> logits (B, F, 13): the mouth's channels, then speech."""
        x = nn.functional.gelu(self.stem(features.transpose(1, 2)))
        x = self.blocks(x)
        logits: Tensor = self.head(self.norm(x.transpose(1, 2)))
        return logits
