"""Recipe: the mouth network, from speech of our own voices with exact phoneme times.

    visavis train audio2mouth --data CORPUS -o OUT
    python -m visavis.models.audio2mouth.export OUT/last.pt
    python -m visavis.training.recipes.audio2mouth_report CORPUS FIGURES.json

Needs the ``train`` extra. The corpus is made by ``visavis.training.data.speech_corpus``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from visavis.models.audio2mouth.network import Config, MouthNet
from visavis.models.common.units import MOUTH_UNITS
from visavis.models.puppet.visemes import VISEMES
from visavis.training.data.mouth_clips import MouthClips, stack
from visavis.training.data.speech_corpus import Utterance, describe_corpus, read_corpus
from visavis.training.loop import Outcome, train
from visavis.training.prefetch import make_ahead
from visavis.training.task import Batch, Held, LoopConfig, Share, Task

CHANNEL_WEIGHTS = (1.5, 1.5, 1.0, 0.7, 1.0, 1.5, 0.7, 1.5, 1.0, 1.2, 1.5, 0.4)
"""In the order of ``MOUTH_UNITS``: small channels count as much as large ones, the hidden tongue less."""
_ARRAYS = ("features", "mouth", "speaking")
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
        loop=LoopConfig(
            steps=12, learning_rate=2e-2, warmup=2, log_every=3, mean_decay=0.5, board=False
        ),
        batch=2,
        clip_frames=25,
    )


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
    gap = (weight * (signed_gap(shown) - signed_gap(wanted)).abs()).mean()
    motion = ((shown.diff(dim=1) - wanted.diff(dim=1)).abs() * channels).mean()
    speech = nn.functional.binary_cross_entropy_with_logits(logits[..., -1], speaking)
    total = (
        mouth
        + config.gap_weight * gap
        + config.motion_weight * motion
        + config.speaking_weight * speech
    )
    return total, {"mouth": mouth, "gap": gap, "motion": motion, "speaking": speech}


def signed_gap(mouth: Tensor) -> Tensor:
    """`visavis.models.puppet.coarticulation.lip_gap` without its floor, which has no gradient."""
    lips = 0.25 * (mouth[..., _LOWER] + mouth[..., _UPPER])
    opening = mouth[..., _JAW] - mouth[..., _CLOSE] + lips
    return opening - 0.3 * mouth[..., _ROLL_LOWER] - 0.2 * mouth[..., _PRESS]


class MouthObjective(nn.Module):
    """The network and its loss."""

    def __init__(self, network: nn.Module, config: TrainConfig) -> None:
        super().__init__()
        self.network = network
        self._config = config

    def forward(self, held: Held, step: int) -> tuple[Tensor, Mapping[str, Tensor], None]:
        """Clips of a batch to the loss and its parts."""
        clips = tuple(held.batch[name] for name in _ARRAYS)
        return *mouth_loss(self.network, clips, self._config), None


class MouthTask(Task):
    """The mouth network's side of training.

    Args:
        config: A recipe's result.
        utterances: Those of the split ``train`` are used.
        workers: Threads that make clips.
    """

    def __init__(self, config: TrainConfig, utterances: list[Utterance], workers: int = 1) -> None:
        torch.manual_seed(config.loop.seed)
        self.network = MouthNet(config.network)
        self.objective = MouthObjective(self.network, config)
        self.samples = (config.batch, "clips")
        self._config, self._workers = config, workers
        chosen = [u for u in utterances if u.split == "train"]
        sizes = config.clip_frames, config.network.left, config.network.right
        self._clips = MouthClips(chosen, *sizes, config.data_seed)

    def content(self) -> Mapping[str, Any]:
        """The network's sizes."""
        return {"network": asdict(self._config.network)}

    def batches(self, first: int, share: Share) -> Iterator[Batch]:
        """Batch n is made of clips n * batch to (n + 1) * batch."""
        number = first * share.world + share.rank
        return make_ahead(self._make, number, share.world, workers=self._workers)

    def _make(self, number: int) -> Batch:
        first, count = number * self._config.batch, self._config.batch
        arrays = stack([self._clips.make(first + i) for i in range(count)])
        return {name: torch.from_numpy(a) for name, a in zip(_ARRAYS, arrays, strict=True)}


def run_recipe(
    config: TrainConfig,
    data: Path,
    out: Path,
    *,
    tell: Callable[[str], None],
    time_limit: float = 0.0,
) -> Outcome:
    """Train on a corpus; also writes the manifest of what it was trained on."""
    out.mkdir(parents=True, exist_ok=True)
    manifest = {"recipe": asdict(config), "corpus": describe_corpus(data)}
    (out / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n", "utf-8")
    task = MouthTask(config, list(read_corpus(data)))
    return train(task, config.loop, out, tell=tell, time_limit=time_limit)


def export_recipe(checkpoint: Path, target: Path) -> None:
    """Write the network as .onnx, checked against torch."""
    from visavis.models.audio2mouth.export import export

    export(checkpoint, target)
