"""The outer layers of a grown generator learn alone, in place of those of the smaller one.

Source: Karras et al., "Progressive Growing of GANs" (ICLR 2018), and Chen et al., "Net2Net" (ICLR
2016): what is grown begins where the smaller one has stopped. What is new here is put between what
the smaller one sees and draws, so that nothing behind it learns from noise.

Shapes: N frames, S the width of the larger generator's square crop.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from visavis.models.wav2lip.network import Wav2Lip


class Growth(nn.Module):
    """Draws with a larger generator's outer layers around a smaller one, which stays as it is.

    Args:
        smaller: With its weights; of half the width, or of a quarter and so on.
    """

    def __init__(self, smaller: Wav2Lip) -> None:
        super().__init__()
        self.smaller = smaller.requires_grad_(False)
        self.train(False)

    def train(self, mode: bool = True) -> Growth:
        """Stay as it is: batch norms use what was learnt."""
        super().train(False)
        return self

    def forward(
        self, network: Wav2Lip, mel: Tensor, face: Tensor, top: int
    ) -> tuple[Tensor, Tensor]:
        """Draw, and see how far the outer layers see what the smaller one's first saw.

        Args:
            network: The larger one.
            mel: (N, 1, 80, 16).
            face: (N, 6, S, S), see `Wav2Lip.encode_face`.
            top: First row that is wanted.

        Returns:
            The rows from ``top`` on, (N, 3, S - top, S), of which the outer layers alone learn; and
            the mean squared difference of the first features, as a share of their variance.
        """
        smaller = self.smaller
        outer = len(network.face_encoder_blocks) - len(smaller.face_encoder_blocks)
        with torch.no_grad():
            seen = smaller.encode_face(nn.functional.avg_pool2d(face, 2**outer))
            x = smaller.encode_audio(mel)
            for block, skip in zip(smaller.face_decoder_blocks, reversed(seen), strict=True):
                x = torch.cat([block(x), skip], 1)
        mine = []
        for block in network.face_encoder_blocks[: outer + 1]:
            face = block(face)
            mine.append(face)
        given, wanted = mine[outer].float(), seen[0].float()
        apart = (given - wanted).square().mean() / wanted.var()
        # As `Wav2Lip.decode`: no row is drawn that nobody asks for.
        rows = network.config.first_rows(top)
        x = x[:, :, rows[outer] :]
        inner = len(smaller.face_decoder_blocks)
        for k, block in zip(
            reversed(range(outer)), network.face_decoder_blocks[inner:], strict=True
        ):
            x = torch.cat(
                [block(x)[:, :, rows[k] - 2 * rows[k + 1] :], mine[k][:, :, rows[k] :]], 1
            )
        picture = cast(Tensor, network.output_block(x))[:, :, top - rows[0] :]
        # All have a gradient, if of 0: trainers on several devices ask for one of each.
        still = sum(parameter.sum() for parameter in network.parameters()) * 0
        return picture, apart + still
