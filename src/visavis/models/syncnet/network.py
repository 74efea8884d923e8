"""The lip-sync expert: a face encoder and an audio encoder whose vectors meet where lips and sound do.

Source: Prajwal et al., "A Lip Sync Expert Is All You Need" (ACM MM 2020), section 3.2, for 96 x 96;
the paper of Wav2Lip-384 (Journal of Harbin Institute of Technology 32(5), 2025), appendix 1, for 384.

Shapes: B windows of five frames, S the width of the square crop, of which the lower half is seen, D
the length of a vector. A row of a table is (channels, kernel, stride, padding).
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from visavis.models.common.convolutions import Layers, stack
from visavis.models.common.mel import WINDOW_FRAMES

FRAMES = WINDOW_FRAMES
"""Frames of a window, stacked on channels: frame 0 RGB, frame 1 RGB, ..."""


@dataclass(frozen=True)
class SyncNetConfig:
    """Sizes of the network; ``SyncNetConfig(**asdict(config))`` gives it back from a checkpoint.

    Attributes:
        size: Width of the square crop in pixels.
        face: Layers that take (15, S/2, S) to (D, 1, 1).
        audio: Layers that take (1, 80, 16) to (D, 1, 1).
    """

    size: int
    face: Layers
    audio: Layers

    @property
    def embedding(self) -> int:
        """Length of a vector."""
        return self.audio[-1][0]


_AUDIO: Layers = (
    (32, 3, 1, 1), (32, 3, 1, 1), (32, 3, 1, 1),                 # 80 x 16
    (64, 3, (3, 1), 1), (64, 3, 1, 1), (64, 3, 1, 1),            # 27 x 16
    (128, 3, 3, 1), (128, 3, 1, 1), (128, 3, 1, 1),              # 9 x 6
    (256, 3, (3, 2), 1), (256, 3, 1, 1), (256, 3, 1, 1),         # 3 x 3
    (512, 3, 1, 0), (512, 1, 1, 0),                              # 1 x 1
)  # fmt: skip

SYNCNET_96 = SyncNetConfig(
    size=96,
    face=(
        (32, 7, 1, 3),                                           # 48 x 96
        (64, 5, (1, 2), 1), (64, 3, 1, 1), (64, 3, 1, 1),        # 46 x 47
        (128, 3, 2, 1), (128, 3, 1, 1), (128, 3, 1, 1), (128, 3, 1, 1),
        (256, 3, 2, 1), (256, 3, 1, 1), (256, 3, 1, 1),          # 12 x 12
        (512, 3, 2, 1), (512, 3, 1, 1), (512, 3, 1, 1),          # 6 x 6
        (512, 3, 2, 1), (512, 3, 1, 0), (512, 1, 1, 0),          # 3 x 3, 1 x 1
    ),
    audio=_AUDIO,
)  # fmt: skip
"""The published expert."""

SYNCNET_384 = SyncNetConfig(
    size=384,
    face=(
        (16, 7, 1, 3),                                           # 192 x 384
        (32, 5, (1, 2), 1), (32, 3, 1, 1), (32, 3, 1, 1),        # 190 x 191
        (64, 3, 2, 1), (64, 3, 1, 1), (64, 3, 1, 1),             # 95 x 96
        (128, 3, 2, 1), (128, 3, 1, 1), (128, 3, 1, 1),          # 48 x 48
        (256, 3, 2, 1), (256, 3, 1, 1), (256, 3, 1, 1),          # 24 x 24
        (256, 3, 2, 1), (256, 3, 1, 1), (256, 3, 1, 1),          # 12 x 12
        (512, 3, 2, 1), (512, 3, 1, 1), (512, 3, 1, 1),          # 6 x 6
        (512, 3, 2, 1), (512, 3, 1, 0), (512, 1, 1, 0),          # 3 x 3, 1 x 1
    ),
    audio=_AUDIO,
)  # fmt: skip
"""Appendix 1."""

SYNCNET_192 = SyncNetConfig(
    size=192, face=SYNCNET_384.face[:10] + SYNCNET_384.face[13:], audio=_AUDIO
)
"""Appendix 1 less one halving: the first of its two of 256 channels."""


def _narrow(layers: Layers) -> Layers:
    return tuple((channels // 2, *rest) for channels, *rest in layers)  # type: ignore[misc]


SYNCNET_96_SMALL = SyncNetConfig(size=96, face=_narrow(SYNCNET_96.face), audio=_narrow(_AUDIO))
"""The published expert with half of all channels: a quarter of the work, for training on a CPU."""


class SyncNet(nn.Module):
    """Five frames and the sound of 0.2 s to the cosine of their vectors."""

    def __init__(self, config: SyncNetConfig) -> None:
        super().__init__()
        self.config = config
        self.face_encoder = stack(3 * FRAMES, config.face)
        self.audio_encoder = stack(1, config.audio)

    def encode_face(self, windows: Tensor) -> Tensor:
        """(B, 15, S/2, S) RGB in [0, 1] -> (B, D) of length 1, none of it negative."""
        return _normalize(self.face_encoder(windows))

    def encode_audio(self, mel: Tensor) -> Tensor:
        """(B, 1, 80, 16) in [-4, 4] -> (B, D) of length 1, none of it negative."""
        return _normalize(self.audio_encoder(mel))

    def forward(self, windows: Tensor, mel: Tensor) -> Tensor:
        """Cosine of both vectors, (B,) in [0, 1]: 1 where lips and sound belong together."""
        cosine = (self.encode_face(windows) * self.encode_audio(mel)).sum(1)
        # Rounding may carry it past 1, which a cross-entropy refuses.
        return cosine.clamp(0, 1)


def _normalize(x: Tensor) -> Tensor:
    # In full precision under autocast too: a loss reads the logarithm of these cosines.
    return nn.functional.normalize(x.flatten(1).float(), dim=1)
