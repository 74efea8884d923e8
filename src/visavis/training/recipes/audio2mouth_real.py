"""Recipe: the mouth network learns on from people who really speak; for research only, as the data are.

    visavis train audio2mouth-real --data CLIPS -o OUT --export OUT/audio2mouth.onnx

Needs the ``train`` extra. It begins with the shipped network, which learnt from our own voices' phoneme
times by the rules of coarticulation, and takes real coarticulation from prepared clips (see
`visavis.training.data.real_mouths`). What no picture shows, the tongue and whether somebody speaks,
stays what the shipped network says.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from visavis.core.errors import InputError
from visavis.core.types import Floats
from visavis.models.assets import locate
from visavis.models.audio2mouth.network import MouthNet
from visavis.models.audio2mouth.restore import restore
from visavis.models.common.units import MOUTH_UNITS
from visavis.models.puppet.coarticulation import lip_gap
from visavis.training.data.augmentation import NOISES, colour, make_noise
from visavis.training.data.real_mouths import RealMouth, hear, read_real_mouths
from visavis.training.loop import Outcome, train
from visavis.training.prefetch import make_ahead
from visavis.training.recipes.audio2mouth import CHANNEL_WEIGHTS, signed_gap
from visavis.training.task import Batch, Evaluation, Held, LoopConfig, Share, Task

_UNSEEN = MOUTH_UNITS.index("tongueUp")
_JAW = MOUTH_UNITS.index("jawOpen")
_EDGE = 3
"""Frames at either end of a clip that do not count: what was said before and comes after is cut off."""


@dataclass(frozen=True)
class TrainConfig:
    """All that the result depends on, besides the clips and the network it begins with.

    Attributes:
        loop: Length and speed.
        batch: Clips in a step; all of a batch have the same number of frames.
        gap_weight: Of the error of the distance between the lips.
        shut_weight: How much more a frame counts the nearer the lips are to each other.
        motion_weight: Of the error of the difference between frames.
        keep_weight: Of what stays as the network said before: the tongue, whether somebody speaks.
        data_seed: Of the batches.
    """

    loop: LoopConfig = field(
        default_factory=lambda: LoopConfig(
            steps=1500, learning_rate=5e-4, weight_decay=0.05, mean_decay=0.99, evaluate_every=250
        )
    )
    batch: int = 32
    gap_weight: float = 2.0
    shut_weight: float = 2.0
    motion_weight: float = 1.0
    keep_weight: float = 0.5
    data_seed: int = 1


def base() -> TrainConfig:
    """What the research-only weights were trained with."""
    return TrainConfig()


class RealMouthObjective(nn.Module):
    """The network and its loss."""

    def __init__(self, network: MouthNet, before: MouthNet, config: TrainConfig) -> None:
        super().__init__()
        self.network = network
        self.before = before.requires_grad_(False).eval()
        self._config = config

    def forward(self, held: Held, step: int) -> tuple[Tensor, Mapping[str, Tensor], None]:
        """Clips of a batch to the loss and its parts."""
        config, features, wanted = self._config, held.batch["features"], held.batch["mouth"]
        self.before.eval()
        logits = self.network(features)
        with torch.no_grad():
            before = torch.sigmoid(self.before(features))
        inner = slice(_EDGE, -_EDGE)
        shown = torch.sigmoid(logits[..., :-1])
        kept = torch.cat([logits[..., _UNSEEN : _UNSEEN + 1], logits[..., -1:]], -1)
        stay = torch.cat([before[..., _UNSEEN : _UNSEEN + 1], before[..., -1:]], -1)
        keep = nn.functional.binary_cross_entropy_with_logits(kept, stay)
        shown, wanted = shown[:, inner, :_UNSEEN], wanted[:, inner, :_UNSEEN]
        gap, real_gap = signed_gap(shown), signed_gap(wanted)
        weight = 1 + config.shut_weight * (1 - real_gap / 0.1).clamp(0, 1)
        channels = shown.new_tensor(CHANNEL_WEIGHTS[:_UNSEEN])
        error = nn.functional.smooth_l1_loss(shown, wanted, reduction="none", beta=0.02)
        mouth = (error * channels * weight[..., None]).mean()
        apart = (weight * (gap - real_gap).abs()).mean()
        motion = ((shown.diff(dim=1) - wanted.diff(dim=1)).abs() * channels).mean()
        total = (
            mouth
            + config.gap_weight * apart
            + config.motion_weight * motion
            + config.keep_weight * keep
        )
        return total, {"mouth": mouth, "gap": apart, "motion": motion, "keep": keep}, None


class RealMouthTask(Task):
    """The side of training.

    Args:
        config: A recipe's result.
        clips: To train on.
        val: To judge on, of other people.
        network: That learns on.

    Raises:
        InputError: There is nothing to train on.
    """

    frozen = ("before.",)

    def __init__(
        self,
        config: TrainConfig,
        clips: Sequence[RealMouth],
        val: Sequence[RealMouth],
        network: Callable[[], MouthNet],
    ) -> None:
        if not clips:
            raise InputError("there is no clip of the split 'train'; prepare more videos")
        torch.manual_seed(config.loop.seed)
        self.network = network().train()
        self.objective = RealMouthObjective(self.network, network(), config)
        self.samples = (config.batch, "clips")
        self._config, self._val = config, val
        # A batch is cut to the shortest of its clips: those of a length learn together.
        self._clips = sorted(clips, key=lambda clip: len(clip.mouth))
        self._sizes = self.network.config.left, self.network.config.right

    def content(self) -> Mapping[str, Any]:
        """The network's sizes and the recipe."""
        return {"network": asdict(self.network.config), "recipe": asdict(self._config)}

    def batches(self, first: int, share: Share) -> Iterator[Batch]:
        """Batch n is a function of n."""
        return make_ahead(self._make, first * share.world + share.rank, share.world)

    def evaluate(self, network: nn.Module, step: int) -> Evaluation | None:
        """Compare with what people not seen in training did."""
        if not self._val:
            return None

        def show(clip: RealMouth) -> Floats:
            features = torch.from_numpy(hear(clip.sound, len(clip.mouth), *self._sizes))
            device = next(network.parameters()).device
            with torch.no_grad():
                logits = network(features[None].to(device))[0, :, :-1]
            shown: Floats = torch.sigmoid(logits).cpu().numpy()
            return shown

        network.eval()
        figures = compare(self._val, show)
        summary = (
            f"correlation of the jaw {figures['jaw']:.3f}, of the lips' distance"
            f" {figures['gap']:.3f}, of all channels {figures['all']:.3f}; {len(self._val)} clips"
        )
        return Evaluation(figures, figures["gap"] + figures["all"], summary)

    def _make(self, number: int) -> Batch:
        rng = np.random.default_rng((self._config.data_seed, number))
        first = int(rng.integers(max(1, len(self._clips) - self._config.batch + 1)))
        chosen = self._clips[first : first + self._config.batch]
        frames = len(chosen[0].mouth)
        features, mouths = [], []
        for clip in chosen:
            start = int(rng.integers(len(clip.mouth) - frames + 1))
            sound = clip.sound[640 * start : 640 * (start + frames)]
            features.append(hear(_record(sound, rng), frames, *self._sizes))
            mouths.append(clip.mouth[start : start + frames])
        return {
            "features": torch.from_numpy(np.stack(features)),
            "mouth": torch.from_numpy(np.stack(mouths)),
        }


def compare(clips: Sequence[RealMouth], show: Callable[[RealMouth], Floats]) -> dict[str, float]:
    """How well a network shows what people did.

    Args:
        clips: Of people who were not seen in training.
        show: A clip's mouth (T, 12) from its sound.

    Returns:
        Correlations, the mean over clips of those within each: ``jaw``, the lips' distance ``gap``,
        ``all`` channels that a picture shows; ``jaw_error`` and ``gap_error``, mean absolute ones;
        ``spread``, how much the shown jaw moves for each unit that the real one does.
    """
    inner = slice(_EDGE, -_EDGE)
    rows = []
    for clip in clips:
        shown, real = show(clip)[inner], clip.mouth[inner]
        gaps = lip_gap(shown), lip_gap(real)
        every = [
            _correlate(shown[:, i], real[:, i]) for i in range(_UNSEEN) if real[:, i].std() > 0.005
        ]
        rows.append(
            {
                "jaw": _correlate(shown[:, _JAW], real[:, _JAW]),
                "gap": _correlate(*gaps),
                "all": float(np.mean(every)) if every else 0.0,
                "jaw_error": float(np.abs(shown[:, _JAW] - real[:, _JAW]).mean()),
                "gap_error": float(np.abs(gaps[0] - gaps[1]).mean()),
                "spread": float(shown[:, _JAW].std() / max(real[:, _JAW].std(), 1e-3)),
            }
        )
    return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}


def _correlate(a: Floats, b: Floats) -> float:
    a, b = a - a.mean(), b - b.mean()
    norm = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return float((a * b).sum()) / norm if norm > 1e-6 else 0.0


def _record(sound: Floats, rng: np.random.Generator) -> Floats:
    """Room, noise and gain."""
    if rng.random() < 0.5:
        sound = colour(sound, rng)
    if rng.random() < 0.5:
        noise = make_noise(NOISES[int(rng.integers(len(NOISES)))], len(sound), rng)
        level = float(np.sqrt(np.mean(sound**2))) + 1e-5
        sound = sound + noise * (10 * level * 10 ** (-rng.uniform(8, 35) / 20))
    gain = 10 ** (rng.uniform(-20, 10) / 20)
    return np.asarray((sound * gain).clip(-1, 1), np.float32)


def run_recipe(
    config: TrainConfig,
    data: Path,
    out: Path,
    *,
    tell: Callable[[str], None],
    time_limit: float = 0.0,
) -> Outcome:
    """Train on prepared clips; also writes what it was trained on."""
    from visavis.training.data.clip_store import ClipStore

    store = ClipStore(data, correct=True)
    clips, val = (read_real_mouths(store, split) for split in ("train", "val"))
    out.mkdir(parents=True, exist_ok=True)
    manifest = {
        "recipe": asdict(config),
        "clips": {"train": len(clips), "val": len(val)},
        "people": {
            split: sorted({clip.person for clip in part})
            for split, part in (("train", clips), ("val", val))
        },
    }
    (out / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n", "utf-8")
    began = locate("audio2mouth")
    task = RealMouthTask(config, clips, val, lambda: restore(began))
    if val:
        before = task.evaluate(task.network, 0)
        assert before is not None
        tell(f"before: {before.summary}")
    return train(task, config.loop, out, tell=tell, time_limit=time_limit)


def export_recipe(checkpoint: Path, target: Path) -> None:
    """Write the network as .onnx, checked against torch."""
    from visavis.models.audio2mouth.export import export

    export(checkpoint, target)
