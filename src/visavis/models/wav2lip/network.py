"""The lip generator: a face without its lower half, a reference of it, and sound to the whole face.

Source: Prajwal et al., "A Lip Sync Expert Is All You Need" (ACM MM 2020), for 96 x 96; the paper of
Wav2Lip-384 (Journal of Harbin Institute of Technology 32(5), 2025), appendices 2 and 3, for 384. The
output block is Wav2Lip's; the paper prints none.

Shapes: B frames, S the width of the square crop, L blocks. The face encoder knows no sound, so what
it gives for a frame of an avatar may be kept. Feature k is of encoder block k; the decoder takes the
last of them first. A row of a table is (channels, kernel, stride, padding), a line is a block.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from visavis.core.errors import ConfigError
from visavis.models.common.convolutions import ConvNorm, DeconvNorm, Layers, stack


@dataclass(frozen=True)
class Wav2LipConfig:
    """Sizes of the network; ``Wav2LipConfig(**asdict(config))`` gives it back from a checkpoint.

    Attributes:
        size: Width of the square crop in pixels.
        face: Blocks that take (6, S, S) to (C, 1, 1); C is 512 as published.
        audio: Layers that take (1, 80, 16) to (C, 1, 1).
        decoder: As many blocks, back to S x S; each but the first begins with a deconvolution.
        output: Channels before the picture.
        lead: Frames by which the mel window of a frame begins before it. With 2 it lies evenly
            around the frame.
        light: Mean colour of the faces that it learnt from, 0 to 255 (`visavis.media.lip_crop.light_of`);
            faces in another light are brought to it. Empty where that is not known.
        detail: Width in pixels of the crops that it learnt from, as they were kept; 0 where that is not known. What
            it draws finer than that is none of theirs.
    """

    size: int
    face: tuple[Layers, ...]
    audio: Layers
    decoder: tuple[Layers, ...]
    output: int = 32
    lead: int = 2
    light: tuple[int, ...] = ()
    detail: int = 0

    @property
    def feature_shapes(self) -> tuple[tuple[int, int, int], ...]:
        """(channels, height, width) of what the face encoder gives, block by block."""
        shapes = []
        side = self.size
        for block in self.face:
            for _, kernel, stride, padding in block:
                assert isinstance(stride, int)
                side = (side + 2 * padding - kernel) // stride + 1
            shapes.append((block[-1][0], side, side))
        return tuple(shapes)

    def first_rows(self, top: int) -> tuple[int, ...]:
        """Of each feature the first row that is needed for a picture from row ``top`` on.

        Upwards, each convolution of 3 x 3 needs one row more.
        """
        rows = []
        need = max(0, top - 1)
        for block in reversed(self.decoder):
            rows.append(need)
            is_halved = block[0][2] == 2
            need = max(0, need - (len(block) - 1)) // 2 if is_halved else 0
        return tuple(rows)


_AUDIO: Layers = (
    (32, 3, 1, 1), (32, 3, 1, 1), (32, 3, 1, 1),                 # 80 x 16
    (64, 3, (3, 1), 1), (64, 3, 1, 1), (64, 3, 1, 1),            # 27 x 16
    (128, 3, 3, 1), (128, 3, 1, 1), (128, 3, 1, 1),              # 9 x 6
    (256, 3, (3, 2), 1), (256, 3, 1, 1),                         # 3 x 3
    (512, 3, 1, 0), (512, 1, 1, 0),                              # 1 x 1
)  # fmt: skip

WAV2LIP_96 = Wav2LipConfig(
    size=96,
    face=(
        ((16, 7, 1, 3),),                                        # 96
        ((32, 3, 2, 1), (32, 3, 1, 1), (32, 3, 1, 1)),           # 48
        ((64, 3, 2, 1), (64, 3, 1, 1), (64, 3, 1, 1), (64, 3, 1, 1)),
        ((128, 3, 2, 1), (128, 3, 1, 1), (128, 3, 1, 1)),        # 12
        ((256, 3, 2, 1), (256, 3, 1, 1), (256, 3, 1, 1)),        # 6
        ((512, 3, 2, 1), (512, 3, 1, 1)),                        # 3
        ((512, 3, 1, 0), (512, 1, 1, 0)),                        # 1
    ),
    audio=_AUDIO,
    decoder=(
        ((512, 1, 1, 0),),                                       # 1
        ((512, 3, 1, 0), (512, 3, 1, 1)),                        # 3
        ((512, 3, 2, 1), (512, 3, 1, 1), (512, 3, 1, 1)),        # 6
        ((384, 3, 2, 1), (384, 3, 1, 1), (384, 3, 1, 1)),        # 12
        ((256, 3, 2, 1), (256, 3, 1, 1), (256, 3, 1, 1)),        # 24
        ((128, 3, 2, 1), (128, 3, 1, 1), (128, 3, 1, 1)),        # 48
        ((64, 3, 2, 1), (64, 3, 1, 1), (64, 3, 1, 1)),           # 96
    ),
)  # fmt: skip
"""The published generator. Its published weights were trained with a lead of 1."""

WAV2LIP_384 = Wav2LipConfig(
    size=384,
    face=(
        ((8, 7, 1, 3),),                                         # 384
        ((16, 3, 2, 1), (16, 3, 1, 1), (16, 3, 1, 1)),           # 192
        ((32, 3, 2, 1), (32, 3, 1, 1), (32, 3, 1, 1)),           # 96
        ((64, 3, 2, 1), (64, 3, 1, 1), (64, 3, 1, 1)),           # 48
        ((128, 3, 2, 1), (128, 3, 1, 1), (128, 3, 1, 1)),        # 24
        ((256, 3, 2, 1), (256, 3, 1, 1), (256, 3, 1, 1)),        # 12
        ((512, 3, 2, 1), (512, 3, 1, 1), (512, 3, 1, 1)),        # 6
        ((512, 3, 2, 1), (512, 3, 1, 1)),                        # 3
        # The paper prints a second kernel of 3 x 3 without padding, for which 1 x 1 has no room.
        ((512, 3, 2, 0), (512, 1, 1, 0)),                        # 1
    ),
    audio=_AUDIO,
    decoder=(
        ((512, 1, 1, 0),),                                       # 1
        ((512, 3, 1, 0), (512, 3, 1, 1)),                        # 3
        ((512, 3, 2, 1), (512, 3, 1, 1), (512, 3, 1, 1)),        # 6
        ((256, 3, 2, 1), (256, 3, 1, 1), (256, 3, 1, 1)),        # 12
        ((128, 3, 2, 1), (128, 3, 1, 1), (128, 3, 1, 1)),        # 24
        ((64, 3, 2, 1), (64, 3, 1, 1), (64, 3, 1, 1)),           # 48
        ((32, 3, 2, 1), (32, 3, 1, 1), (32, 3, 1, 1)),           # 96
        ((16, 3, 2, 1), (16, 3, 1, 1), (16, 3, 1, 1)),           # 192
        ((8, 3, 2, 1), (8, 3, 1, 1), (8, 3, 1, 1)),              # 384
    ),
)  # fmt: skip
"""Appendices 2 and 3."""

WAV2LIP_192 = Wav2LipConfig(
    size=192,
    face=(((16, 7, 1, 3),), *WAV2LIP_384.face[2:]),
    audio=_AUDIO,
    decoder=WAV2LIP_384.decoder[:-1],
)
"""Appendices 2 and 3 without their outermost blocks."""

_LEAST = 16


def _narrow(layers: Layers) -> Layers:
    return tuple((min(c, max(_LEAST, c // 2)), *rest) for c, *rest in layers)  # type: ignore[misc]


def _small(size: int, halvings: int, first: Layers) -> Wav2LipConfig:
    """Half the channels of ``WAV2LIP_384``, without so many of its outermost blocks."""
    face, decoder = WAV2LIP_384.face[1 + halvings :], WAV2LIP_384.decoder
    return Wav2LipConfig(
        size,
        (first, *map(_narrow, face)),
        # With one layer more, as the expert's ear, with which its training begins.
        _narrow((*_AUDIO[:11], _AUDIO[10], *_AUDIO[11:])),
        tuple(map(_narrow, decoder[: len(decoder) - halvings])),
        output=16,
    )


WAV2LIP_384_SMALL = _small(384, 0, WAV2LIP_384.face[0])
"""With half of all channels, but not below 16: for training on a CPU."""
WAV2LIP_192_SMALL = _small(192, 1, ((16, 7, 1, 3),))
"""The same without its outermost blocks."""
WAV2LIP_96_SMALL = _small(96, 2, ((16, 7, 1, 3),))
"""The same without its two outermost blocks."""


class Wav2Lip(nn.Module):
    """Face, reference and sound to a face whose lips say the sound."""

    def __init__(self, config: Wav2LipConfig) -> None:
        super().__init__()
        self.config = config
        encoded = [6, *(block[-1][0] for block in config.face)]
        self.face_encoder_blocks = nn.ModuleList(
            stack(channels, block)
            for channels, block in zip(encoded[:-1], config.face, strict=True)
        )
        self.audio_encoder = stack(1, config.audio)
        self.face_decoder_blocks = nn.ModuleList()
        channels = config.audio[-1][0]
        for block, skip in zip(config.decoder, reversed(encoded[1:]), strict=True):
            self.face_decoder_blocks.append(_decoder_block(channels, block))
            channels = block[-1][0] + skip
        self.output_block = nn.Sequential(
            ConvNorm(channels, (config.output, 3, 1, 1), may_add=False),
            nn.Conv2d(config.output, 3, 1),
            nn.Sigmoid(),
        )

    @torch.no_grad()
    def grow_from(self, smaller: Wav2Lip) -> None:
        """Take the inner blocks of a generator of half the width; the outer ones stay as they are.

        Source: Karras et al., "Progressive Growing of GANs" (ICLR 2018): what is coarse is learnt
        where pictures are small, and cheap.

        Raises:
            ConfigError: It is of other layers.
        """
        offset = len(self.face_encoder_blocks) - len(smaller.face_encoder_blocks)
        pairs = [
            (self.audio_encoder, smaller.audio_encoder),
            *zip(
                self.face_encoder_blocks[offset + 1 :], smaller.face_encoder_blocks[1:], strict=True
            ),
            *zip(self.face_decoder_blocks, smaller.face_decoder_blocks, strict=False),
        ]
        if not offset:
            pairs += [
                (self.face_encoder_blocks[0], smaller.face_encoder_blocks[0]),
                (self.output_block, smaller.output_block),
            ]
        try:
            for mine, its in pairs:
                mine.load_state_dict(its.state_dict())
        except RuntimeError as error:
            raise ConfigError("a generator of other layers has nothing to grow from") from error

    def encode_audio(self, mel: Tensor) -> Tensor:
        """(B, 1, 80, 16) in [-4, 4] -> (B, C, 1, 1); C is 512 as published."""
        encoded: Tensor = self.audio_encoder(mel)
        return encoded

    def encode_face(self, face: Tensor) -> list[Tensor]:
        """Encode a face, L features as ``Wav2LipConfig.feature_shapes`` has them.

        Args:
            face: (B, 6, S, S) RGB in [0, 1]: the frame with its lower half zero, then the
                reference.
        """
        features = []
        for block in self.face_encoder_blocks:
            face = block(face)
            features.append(face)
        return features

    def decode(self, audio: Tensor, features: Sequence[Tensor], top: int = 0) -> Tensor:
        """Decode the rows of a picture from ``top`` on.

        Args:
            audio: (B, C, 1, 1), encoded sound.
            features: Of the face, each without the rows before ``Wav2LipConfig.first_rows(top)``.
            top: Less is computed for the lower part alone, and the same comes out.

        Returns:
            (B, 3, S - top, S) RGB in [0, 1].
        """
        x, first = audio, 0
        blocks = zip(
            self.face_decoder_blocks,
            reversed(features),
            reversed(self.config.first_rows(top)),
            self.config.decoder,
            strict=True,
        )
        for block, skip, needed, layers in blocks:
            given = 2 * first if layers[0][2] == 2 else 0
            x = torch.cat([block(x)[:, :, needed - given :], skip], 1)
            first = needed
        picture: Tensor = self.output_block(x)[:, :, top - first :]
        return picture

    def forward(self, mel: Tensor, face: Tensor) -> Tensor:
        """(B, 1, 80, 16) and (B, 6, S, S) -> (B, 3, S, S) RGB in [0, 1]."""
        return self.decode(self.encode_audio(mel), self.encode_face(face))


def _decoder_block(channels: int, block: Layers) -> nn.Sequential:
    first, *rest = block
    if first[1] == 1:
        return stack(channels, block)
    return nn.Sequential(DeconvNorm(channels, first), *stack(first[0], rest))
