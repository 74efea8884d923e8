"""A frozen expert that says how well generated lips fit the sound.

Source: Prajwal et al., "A Lip Sync Expert Is All You Need" (ACM MM 2020), section 3.3: the expert
learns no more, so that it cannot get used to what the generator makes.

Shapes: B samples of five frames, S the width of the square crop.
"""

from __future__ import annotations

from pathlib import Path

from torch import Tensor, nn

from visavis.core.errors import ConfigError, MissingWeights, UnknownAsset
from visavis.models.assets import locate
from visavis.models.common.network_card import NAME
from visavis.models.syncnet.network import SyncNet, SyncNetConfig
from visavis.models.syncnet.restore import restore
from visavis.training.checkpoint import load_checkpoint

ASSET = "syncnet"
"""The expert that comes with visavis; for research only."""
_EDGE = 1e-4


class FrozenExpert(nn.Module):
    """The sync loss of pictures of any size.

    Args:
        network: With its weights; its parameters and batch norms stay as they are.
    """

    def __init__(self, network: SyncNet) -> None:
        super().__init__()
        self.network = network.requires_grad_(False)
        self.train(False)

    def train(self, mode: bool = True) -> FrozenExpert:
        """Stay as it is: batch norms use what was learnt."""
        super().train(False)
        return self

    def cosine(self, frames: Tensor, mel: Tensor) -> Tensor:
        """Cosine of lips and sound.

        Args:
            frames: (B, 5, 3, S', S) in [0, 1], the lower halves (S' = S / 2) of square crops.
            mel: (B, 80, 16) of the same five frames.

        Returns:
            (B,) in [0, 1].
        """
        windows = fit_windows(frames, self.network.config.size)
        faces = self.network.encode_face(windows)
        sounds = self.network.encode_audio(mel[:, None])
        return (faces.float() * sounds.float()).sum(1)

    def forward(self, frames: Tensor, mel: Tensor) -> Tensor:
        """Mean cross-entropy of the cosines, see `cosine`: 0 where lips and sound fit perfectly."""
        likely = _EDGE + (1 - 2 * _EDGE) * self.cosine(frames, mel)
        return -likely.log().mean()


def fit_windows(frames: Tensor, size: int) -> Tensor:
    """Lower halves (B, 5, 3, S', S) to what an expert of another size sees, (B, 15, size/2, size)."""
    windows = frames.flatten(1, 2)
    if windows.shape[-1] == size:
        return windows
    shape = (size // 2, size)
    return nn.functional.interpolate(windows.float(), shape, mode="bilinear", antialias=True)


def load_expert(checkpoint: str | Path) -> FrozenExpert:
    """Read an expert that `visavis train syncnet-…` trained.

    Args:
        checkpoint: Its ``best.pt``, the folder of it, a folder that an expert was exported to, or
            empty for the one that comes with visavis.

    Raises:
        ConfigError: It is not of an expert, or none is named and none comes with this visavis.
        FileUnreadable: It is missing or cut short.
    """
    path = Path(checkpoint) if str(checkpoint) else _find_shipped()
    if (path / NAME).exists():
        return FrozenExpert(restore(path))
    stored = load_checkpoint(path / "best.pt" if path.is_dir() else path)
    try:
        network = SyncNet(SyncNetConfig(**stored["network"]))
        network.load_state_dict(stored["weights"])
    except (KeyError, TypeError, RuntimeError) as error:
        raise ConfigError(f"{path} is not a checkpoint of a lip-sync expert") from error
    return FrozenExpert(network)


def _find_shipped() -> Path:
    try:
        return locate(ASSET)
    except (UnknownAsset, MissingWeights) as error:
        raise ConfigError(
            "the sync loss needs an expert: train one (visavis train syncnet-96-small) and name it"
            " (--set expert=FOLDER), or do without (--set sync_weight=0 --set ear_weight=0)"
        ) from error
