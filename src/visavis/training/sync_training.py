"""How the lip-sync expert learns to tell whether five frames and a sound belong together.

Sources: Prajwal et al., "A Lip Sync Expert Is All You Need" (ACM MM 2020), section 3.2; the paper of
Wav2Lip-384. Unlike theirs, a batch has many windows of each clip, and every sound of the clip that is
two frames off or more is a negative of every picture: with little data and small machines these are
what keeps the loss from resting at 0.69.

**First the lips, then the picture.** A picture has 69,120 numbers, and which of them are lips is
what takes longest to find out. A store has the landmarks, though: a small tower on those and the sound
learn to meet first, within minutes (``lips_steps``); then the face encoder learns to say of a picture what
that tower says of its landmarks, and to meet the sound itself. The tower is thrown away afterwards.

Shapes: K clips, W windows of picture and A of sound of each, F = K W, M = K A.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from visavis.models.syncnet.network import (
    SYNCNET_96_SMALL,
    SyncNet,
    SyncNetConfig,
)
from visavis.training.data.sync_augmentation import (
    SyncAugmentation,
    augment_mel,
    augment_mouths,
    to_windows,
)
from visavis.training.data.sync_batches import SyncBatches
from visavis.training.data.sync_clips import (
    LIPS,
    WINDOW_FRAMES,
    SyncClip,
)
from visavis.training.losses.sync import (
    Across,
    Pairs,
    choice_accuracy,
    choice_cross_entropy,
    cosine_cross_entropy,
    find_pairs,
)
from visavis.training.plateau import PlateauGuard
from visavis.training.prefetch import make_ahead
from visavis.training.sync_judge import describe, judge
from visavis.training.task import Batch, Evaluation, Held, LoopConfig, Share, Task

_MOST_SCALE = 100.0
_LIPS_DROPOUT = 0.3


@dataclass(frozen=True)
class SyncTrainConfig:
    """All that the result depends on, besides the data.

    Attributes:
        network: Sizes.
        loop: Length, speed and precision.
        clips: Clips in a batch.
        windows: Windows of picture of each.
        heard: Windows of sound of each, those of the picture included. One costs a sixth of a picture's.
        nearest: Fewest frames between picture and sound of a false pair.
        across: Whether other clips give false pairs, too: ``none``, ``person`` or ``all``.
        cosine_weight: Of the cross-entropy of the cosine.
        choice_weight: Of the choice among all that compete.
        lips_steps: Steps at first in which the sound meets the landmarks of lips, and pictures are
            only read; 0 for none. For stores with landmarks.
        lips_weight: After those, of the picture's choice among the landmarks' vectors and of its
            cosine with the right one; while the tower and the sound go on learning.
        read_weight: Of the landmarks told from the picture, by a linear layer on what the last layer
            of the face encoder sees.
        hidden: Channels of the tower.
        lips_noise: Standard deviations of noise on the landmarks, of each number and of each clip.
        temperature: Of that choice, in the beginning.
        learn_temperature: Whether it is learnt.
        dropout: Of the vectors' components, while training.
        augmentation: What is done to pictures and sound; None for nothing.
        use_offsets: Whether the clips' stored offsets are corrected.
        train_clips: At most, 0 for all; for trying things out.
        val_clips: At most, 0 for all.
        plateau_steps: Steps at 0.69 after which the guard speaks.
        data_seed: Of the batches.
        workers: Threads that make batches.
    """

    network: SyncNetConfig = SYNCNET_96_SMALL
    loop: LoopConfig = field(
        default_factory=lambda: LoopConfig(
            steps=20_000,
            learning_rate=5e-4,
            warmup=500,
            weight_decay=0.05,
            clip_norm=5.0,
            mean_decay=0.999,
            precision="bf16-mixed",
            channels_last=True,
            log_every=20,
            evaluate_s=900.0,
        )
    )
    clips: int = 16
    windows: int = 8
    heard: int = 20
    nearest: int = 2
    across: Across = "none"
    cosine_weight: float = 1.0
    choice_weight: float = 0.5
    lips_steps: int = 0
    lips_weight: float = 0.0
    read_weight: float = 0.0
    hidden: int = 512
    lips_noise: tuple[float, float] = (0.1, 0.3)
    temperature: float = 0.07
    learn_temperature: bool = True
    dropout: float = 0.0
    augmentation: SyncAugmentation | None = field(default_factory=SyncAugmentation)
    use_offsets: bool = True
    train_clips: int = 0
    val_clips: int = 0
    plateau_steps: int = 300
    data_seed: int = 1
    workers: int = 1


class LipsTower(nn.Module):
    """Landmarks of five frames, (N, LIPS), to vectors (N, D) of length 1, none of it negative."""

    def __init__(self, hidden: int, embedding: int) -> None:
        super().__init__()
        sizes = (LIPS, hidden, hidden)
        self.layers = nn.Sequential(
            *(
                nn.Sequential(
                    nn.Linear(inputs, outputs, bias=False),
                    nn.BatchNorm1d(outputs),
                    nn.ReLU(),
                    nn.Dropout(_LIPS_DROPOUT),
                )
                for inputs, outputs in pairwise(sizes)
            ),
            nn.Linear(hidden, embedding, bias=False),
            nn.BatchNorm1d(embedding),
            nn.ReLU(),
        )

    def forward(self, lips: Tensor) -> Tensor:
        """Vectors."""
        return nn.functional.normalize(self.layers(lips).float(), dim=1)


class SyncObjective(nn.Module):
    """The expert and the loss of a batch.

    Args:
        network: The expert.
        config: The weights of the parts.
    """

    def __init__(self, network: nn.Module, config: SyncTrainConfig) -> None:
        super().__init__()
        self.network = network
        self.log_scale = nn.Parameter(
            torch.tensor(math.log(1 / config.temperature)), requires_grad=config.learn_temperature
        )
        self.lips = (
            LipsTower(config.hidden, config.network.embedding)
            if config.lips_weight or config.lips_steps
            else None
        )
        self.read = nn.Linear(config.network.face[-2][0], LIPS) if config.read_weight else None
        self._config = config

    def forward(self, held: Held, step: int) -> tuple[Tensor, Mapping[str, Tensor], None]:
        """Windows of a batch (see `SyncBatch`) to the loss and its parts."""
        config, batch = self._config, held.batch
        mel = batch["mel"]
        if config.augmentation is not None:
            with torch.no_grad(), torch.autocast(mel.device.type, enabled=False):
                mel = augment_mel(mel, config.augmentation, batch["seed"])
        sounds = self.network.encode_audio(mel.flatten(0, 1)[:, None])  # type: ignore[operator]
        scale = self.log_scale.exp().clamp(max=_MOST_SCALE)
        sounds = self._thin(sounds)
        total, nothing = scale.new_zeros(()), scale.new_tensor(math.nan)
        parts = {"sync": nothing, "accuracy": nothing, "scale": scale}
        if self.lips is not None:
            parts |= {"follow": nothing, "like_lips": nothing}
            lips = self._encode_lips(batch)
            total, parts["lips"], parts["lips_accuracy"] = self._meet(
                lips, sounds, batch, batch["heard"], scale
            )
            lips = lips.detach()
        features, faces = self._encode_faces(batch)
        if self.read is not None and features is not None:
            told, lips_seen = self.read(features), batch["lips"][:, : batch["seen"].shape[1]]
            parts["read"] = nn.functional.mse_loss(told.float(), lips_seen.flatten(0, 1))
            total = total + config.read_weight * parts["read"]
        if step < config.lips_steps:
            # Distributed training wants a gradient of every weight.
            return total + 0 * faces.sum(), parts, None
        faces = self._thin(faces)
        met, parts["sync"], parts["accuracy"] = self._meet(
            faces, sounds, batch, batch["seen"], scale
        )
        total = total + met
        if self.lips is not None:
            with torch.autocast(faces.device.type, enabled=False):
                pairs = self._pair(batch, batch["seen"])
                cosines = faces @ lips.T
                right = cosines[pairs.positive]
                parts["follow"] = choice_cross_entropy(cosines, pairs, scale) + (1 - right).mean()
                parts["like_lips"] = right.mean()
            total = total + config.lips_weight * parts["follow"]
        return total, parts, None

    def _meet(
        self, seen: Tensor, sounds: Tensor, batch: Batch, starts: Tensor, scale: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Loss, its first part, and how often the right sound is chosen."""
        config = self._config
        # A cosine in bfloat16 has three digits, and its logarithm is wanted.
        with torch.autocast(seen.device.type, enabled=False):
            cosines, pairs = seen @ sounds.T, self._pair(batch, starts)
            bce = cosine_cross_entropy(cosines, pairs)
            choice = choice_cross_entropy(cosines, pairs, scale)
            accuracy = choice_accuracy(cosines.detach(), pairs)
        return config.cosine_weight * bce + config.choice_weight * choice, bce, accuracy

    def _pair(self, batch: Batch, starts: Tensor) -> Pairs:
        config = self._config
        return find_pairs(
            starts,
            batch["heard"],
            batch["clips"],
            batch["people"],
            nearest=config.nearest,
            across=config.across,
        )

    def _encode_faces(self, batch: Batch) -> tuple[Tensor | None, Tensor]:
        """What the last layer sees of the pictures, (F, C), if it is read, and the vectors, (F, D)."""
        config, mouths = self._config, batch["mouths"].flatten(0, 1)
        with torch.no_grad(), torch.autocast(mouths.device.type, enabled=False):
            if config.augmentation is None:
                windows = to_windows(mouths)
            else:
                windows = augment_mouths(mouths, config.augmentation, batch["seed"])
            if config.loop.channels_last:
                windows = windows.contiguous(memory_format=torch.channels_last)
        if self.read is None:
            return None, self.network.encode_face(windows)  # type: ignore[operator]
        seen: list[Tensor] = []
        last = self.network.face_encoder[-1]  # type: ignore[index]
        with last.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0])):  # type: ignore[union-attr]
            faces: Tensor = self.network.encode_face(windows)  # type: ignore[operator]
        return seen[0].flatten(1), faces

    def _encode_lips(self, batch: Batch) -> Tensor:
        assert self.lips is not None
        lips = batch["lips"]
        each, clip = self._config.lips_noise if self.training else (0.0, 0.0)
        lips = lips + each * torch.randn_like(lips)
        lips = lips + clip * torch.randn_like(lips[:, :1]).unflatten(2, (WINDOW_FRAMES, -1))[
            :, :, :1
        ].repeat(1, 1, WINDOW_FRAMES, 1).flatten(2)
        return self.lips(lips.flatten(0, 1))  # type: ignore[no-any-return]

    def _thin(self, vectors: Tensor) -> Tensor:
        with torch.autocast(vectors.device.type, enabled=False):
            thinned = nn.functional.dropout(vectors.float(), self._config.dropout, self.training)
            return nn.functional.normalize(thinned, dim=1)


class SyncTask(Task):
    """The expert's side of training.

    Args:
        config: A recipe's result.
        clips: To train on.
        val: To judge on, of other people.
    """

    def __init__(
        self, config: SyncTrainConfig, clips: Sequence[SyncClip], val: Sequence[SyncClip]
    ) -> None:
        torch.manual_seed(config.loop.seed)
        self.network = SyncNet(config.network)
        self.objective = SyncObjective(self.network, config)
        self.samples = (config.clips * config.windows, "windows")
        self._config, self._val = config, val
        self._batches = SyncBatches(
            clips, config.clips, config.windows, config.heard, config.data_seed
        )
        self._guard = PlateauGuard(config.plateau_steps)

    def content(self) -> Mapping[str, Any]:
        """The network's sizes and the recipe."""
        return {"network": asdict(self._config.network), "recipe": asdict(self._config)}

    def batches(self, first: int, share: Share) -> Iterator[Batch]:
        """Make batches ahead in threads."""
        return make_ahead(
            self._make,
            first * share.world + share.rank,
            share.world,
            depth=self._config.workers + 2,
            workers=self._config.workers,
        )

    def evaluate(self, network: nn.Module, step: int) -> Evaluation | None:
        """Judge the expert on people it has not seen."""
        if not self._val:
            return None
        figures = judge(network, self._val, self._config.loop)
        values = {name: float(value) for name, value in asdict(figures).items()}
        if any(clip.offset for clip in self._val):
            raw = judge(network, self._val, self._config.loop, as_recorded=True)
            values |= {"auc_as_recorded": raw.auc, "found_as_recorded": raw.found}
        return Evaluation(values, figures.auc, describe(figures))

    def watch(self, parts: Mapping[str, float]) -> str | None:
        """Notice the 0.69 plateau."""
        return self._guard.check(parts["sync"])

    def _make(self, number: int) -> Batch:
        batch = self._batches.make(number)
        arrays = {
            "mouths": batch.mouths,
            "mel": batch.mel,
            "seen": batch.seen,
            "heard": batch.heard,
            "clips": batch.clips,
            "people": batch.people,
            "lips": batch.lips,
        }
        return {**{name: torch.from_numpy(a) for name, a in arrays.items()}, "seed": batch.seed}
