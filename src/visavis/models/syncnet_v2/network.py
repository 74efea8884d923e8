"""SyncNet v2: five frames of a face and 0.2 s of sound to vectors that lie near each other in time.

Source: Chung and Zisserman, "Out of time: automated lip sync in the wild" (ACCV workshops 2016),
section 2; sizes and names of weights are those of the authors' published ``syncnet_v2.model``.
Needs the ``train`` extra.

Shapes: B windows of five frames. A row of a table is (channels, kernel, stride, padding) of a
convolution, which a batch norm and a ReLU follow, and (kernel, stride, padding) of the pooling after
it, or None.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from torch import Tensor, nn

EMBEDDING = 1024
"""Length of a vector."""
SIZE = 224
"""Width of the square crops in pixels."""
FRAMES = 5
COEFFICIENTS, STEPS = 13, 20
"""Of the cepstrum: how many, and how many hundredths of a second belong to five frames."""

_Sizes: TypeAlias = tuple[int, ...]
_Pool: TypeAlias = tuple[_Sizes, _Sizes, _Sizes] | None
_Row: TypeAlias = tuple[int, _Sizes, _Sizes, _Sizes, _Pool]

_AUDIO: tuple[_Row, ...] = (
    # The first pooling keeps all; it is there for the numbers in the names of weights.
    (64, (3, 3), (1, 1), (1, 1), ((1, 1), (1, 1), (0, 0))),      # 13 x 20
    (192, (3, 3), (1, 1), (1, 1), ((3, 3), (1, 2), (0, 0))),     # 11 x 9
    (384, (3, 3), (1, 1), (1, 1), None),
    (256, (3, 3), (1, 1), (1, 1), None),
    (256, (3, 3), (1, 1), (1, 1), ((3, 3), (2, 2), (0, 0))),     # 5 x 4
    (512, (5, 4), (1, 1), (0, 0), None),                         # 1 x 1
)  # fmt: skip

_LIPS: tuple[_Row, ...] = (
    (96, (5, 7, 7), (1, 2, 2), (0, 0, 0), ((1, 3, 3), (1, 2, 2), (0, 0, 0))),   # 1 x 54 x 54
    (256, (1, 5, 5), (1, 2, 2), (0, 1, 1), ((1, 3, 3), (1, 2, 2), (0, 1, 1))),  # 1 x 13 x 13
    (256, (1, 3, 3), (1, 1, 1), (0, 1, 1), None),
    (256, (1, 3, 3), (1, 1, 1), (0, 1, 1), None),
    (256, (1, 3, 3), (1, 1, 1), (0, 1, 1), ((1, 3, 3), (1, 2, 2), (0, 0, 0))),  # 1 x 6 x 6
    (512, (1, 6, 6), (1, 1, 1), (0, 0, 0), None),                               # 1 x 1 x 1
)  # fmt: skip


class SyncNetV2(nn.Module):
    """Two towers; vectors are of any length, and their Euclidean distance is what is measured."""

    def __init__(self) -> None:
        super().__init__()
        self.netcnnaud = _convolutions(1, _AUDIO)
        self.netfcaud = _head(_AUDIO[-1][0])
        self.netcnnlip = _convolutions(3, _LIPS)
        self.netfclip = _head(_LIPS[-1][0])

    def encode_speech(self, cepstrum: Tensor) -> Tensor:
        """(B, 1, 13, 20) coefficients by hundredths of a second -> (B, 1024)."""
        found: Tensor = self.netfcaud(self.netcnnaud(cepstrum).flatten(1))
        return found

    def encode_face(self, windows: Tensor) -> Tensor:
        """(B, 3, 5, 224, 224), blue, green, red in 0 to 255 -> (B, 1024)."""
        found: Tensor = self.netfclip(self.netcnnlip(windows).flatten(1))
        return found


def _convolutions(channels: int, rows: tuple[_Row, ...]) -> nn.Sequential:
    layers: list[nn.Module] = []
    for wide, kernel, stride, padding, pool in rows:
        kinds: tuple[Any, Any, Any] = nn.Conv3d, nn.BatchNorm3d, nn.MaxPool3d
        if len(kernel) == 2:
            kinds = nn.Conv2d, nn.BatchNorm2d, nn.MaxPool2d
        convolve, norm, take = kinds
        layers += [convolve(channels, wide, kernel, stride, padding), norm(wide), nn.ReLU()]
        if pool is not None:
            layers.append(take(*pool))
        channels = wide
    return nn.Sequential(*layers)


def _head(wide: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(wide, 512), nn.BatchNorm1d(512), nn.ReLU(), nn.Linear(512, EMBEDDING)
    )
