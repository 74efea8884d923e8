"""Recipe: the mouth network, from speech of our own voices with exact phoneme times.

    python -m visavis.training.recipes.audio2mouth CORPUS OUT [--steps N]
    python -m visavis.models.audio2mouth.export OUT/last.pt
    python -m visavis.training.recipes.audio2mouth_report CORPUS FIGURES.json

Needs the ``train`` extra. The corpus is made by ``visavis.training.data.speech_corpus``.
"""

from __future__ import annotations

import argparse
import json
import logging
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from visavis.models.audio2mouth.network import Config, MouthNet
from visavis.models.common.units import MOUTH_UNITS
from visavis.models.puppet.visemes import VISEMES
from visavis.training.data.mouth_clips import MouthClips, stack
from visavis.training.data.speech_corpus import Utterance, describe_corpus, read_corpus
from visavis.training.loop import LoopConfig, train

CHANNEL_WEIGHTS = (1.5, 1.5, 1.0, 0.7, 1.0, 1.5, 0.7, 1.5, 1.0, 1.2, 1.5, 0.4)
"""In the order of ``MOUTH_UNITS``: small channels count as much as large ones, the hidden tongue less."""
_JAW, _CLOSE, _ROLL_LOWER, _PRESS, _LOWER, _UPPER = (
    MOUTH_UNITS.index(name)
    for name in ("jawOpen", "mouthClose", "mouthRollLower", "mouthPress", "mouthLowerDown",
                 "mouthUpperUp")
)  # fmt: skip


@dataclass(frozen=True)
class TrainConfig:
    """All that the result depends on, besides the corpus.

    Attributes:
        network: Sizes.
        loop: Length and speed.
        batch: Clips in a step.
        clip_frames: Length of a clip, in frames of 40 ms.
        contact_weight: How much more a frame counts in which the lips meet. With much more than this
            the mouth shuts for other stops and nasals, too.
        teeth_weight: How much more one counts in which the lower lip is at the teeth; without it the
            rare f and v are never shown.
        gap_weight: Of the error of the distance between the lips.
        motion_weight: Of the error of the difference between frames.
        speaking_weight: Of the error of whether somebody speaks.
        data_seed: Of the clips.
    """

    network: Config = field(default_factory=Config)
    loop: LoopConfig = field(default_factory=lambda: LoopConfig(steps=3000))
    batch: int = 16
    clip_frames: int = 150
    contact_weight: float = 1.5
    teeth_weight: float = 4.0
    gap_weight: float = 1.0
    motion_weight: float = 0.5
    speaking_weight: float = 0.05
    data_seed: int = 1


def base() -> TrainConfig:
    """What the shipped weights were trained with."""
    return TrainConfig()


def smoke() -> TrainConfig:
    """A few steps of a tiny network, for tests."""
    return TrainConfig(
        network=Config(width=16, dilations=(2,)),
        loop=LoopConfig(steps=12, learning_rate=2e-2, warmup=2, log_every=3, mean_decay=0.5),
        batch=2,
        clip_frames=25,
    )


class _Batches(Dataset[tuple[Tensor, Tensor, Tensor]]):
    """Batch n is made of clips n * batch to (n + 1) * batch."""

    def __init__(self, clips: MouthClips, batch: int, first: int, steps: int) -> None:
        self._clips, self._batch, self._first, self._steps = clips, batch, first, steps

    def __len__(self) -> int:
        return self._steps - self._first

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor, Tensor]:
        number = (self._first + index) * self._batch
        arrays = stack([self._clips.make(number + i) for i in range(self._batch)])
        features, mouth, speaking = (torch.from_numpy(a) for a in arrays)
        return features, mouth, speaking


def mouth_loss(
    net: nn.Module, batch: tuple[Tensor, Tensor, Tensor], config: TrainConfig
) -> tuple[Tensor, Mapping[str, Tensor]]:
    """Absolute errors: a mean would blur short closures away.

    Args:
        net: Features to logits (B, F, 13).
        batch: Features (B, R, 80), mouth (B, F, 12), speaking (B, F).
        config: The weights of the parts.
    """
    features, wanted, speaking = batch
    logits = net(features)
    shown = torch.sigmoid(logits[..., :-1])
    lips = wanted[..., _PRESS] / VISEMES["closed"].targets[_PRESS]
    teeth = (wanted[..., _ROLL_LOWER] / VISEMES["teeth"].targets[_ROLL_LOWER] - lips).clamp(min=0)
    weight = 1 + config.contact_weight * lips + config.teeth_weight * teeth
    channels = torch.tensor(CHANNEL_WEIGHTS)
    error = nn.functional.smooth_l1_loss(shown, wanted, reduction="none", beta=0.02)
    mouth = (error * channels * weight[..., None]).mean()
    gap = (weight * (_gap(shown) - _gap(wanted)).abs()).mean()
    motion = ((shown.diff(dim=1) - wanted.diff(dim=1)).abs() * channels).mean()
    speech = nn.functional.binary_cross_entropy_with_logits(logits[..., -1], speaking)
    total = (
        mouth
        + config.gap_weight * gap
        + config.motion_weight * motion
        + config.speaking_weight * speech
    )
    return total, {"mouth": mouth, "gap": gap, "motion": motion, "speaking": speech}


def _gap(mouth: Tensor) -> Tensor:
    """`visavis.models.puppet.coarticulation.lip_gap` without its floor, which has no gradient."""
    lips = 0.25 * (mouth[..., _LOWER] + mouth[..., _UPPER])
    opening = mouth[..., _JAW] - mouth[..., _CLOSE] + lips
    return opening - 0.3 * mouth[..., _ROLL_LOWER] - 0.2 * mouth[..., _PRESS]


def run(config: TrainConfig, utterances: list[Utterance], out: Path, workers: int = 1) -> Path:
    """Train and return the checkpoint.

    Args:
        config: A recipe's result.
        utterances: Those of the split ``train`` are used.
        out: Folder for the checkpoint and the loss curve.
        workers: Processes that make clips.
    """
    torch.manual_seed(config.loop.seed)
    net = MouthNet(config.network)
    chosen = [u for u in utterances if u.split == "train"]
    clips = MouthClips(
        chosen, config.clip_frames, config.network.left, config.network.right, config.data_seed
    )

    def batches(first: int) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        data = _Batches(clips, config.batch, first, config.loop.steps)
        loader = DataLoader(
            data, batch_size=None, num_workers=workers, prefetch_factor=4 if workers else None
        )
        return iter(loader)

    extra: dict[str, Any] = {"network": asdict(config.network)}
    return train(net, batches, lambda n, b: mouth_loss(n, b, config), config.loop, out, extra)


def main() -> None:
    """Train from the command line; also writes the manifest of what it was trained on."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("corpus", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    logging.basicConfig(level=logging.INFO)
    torch.set_num_threads(given.threads)
    config = base()
    if given.steps:
        config = replace(config, loop=replace(config.loop, steps=given.steps))
    given.out.mkdir(parents=True, exist_ok=True)
    manifest = {"recipe": asdict(config), "corpus": describe_corpus(given.corpus)}
    (given.out / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n", "utf-8")
    run(config, list(read_corpus(given.corpus)), given.out)


if __name__ == "__main__":
    main()
