"""How the lip generator learns to draw the lower half of a face as the sound demands.

Sources: Prajwal et al., "A Lip Sync Expert Is All You Need" (ACM MM 2020), section 3; the paper of
Wav2Lip-384. The losses are theirs: absolute error, a frozen expert, optionally a critic of quality.
LPIPS and features of VGG16 may be added, which keep teeth and lips sharp where the absolute error
alone would blur what it cannot foresee.

Shapes: B samples of five frames, S the width of the square crop, N = 5 B.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import torch
from torch import Tensor, nn

from visavis.core.errors import ConfigError
from visavis.media.lip_crop import light_of
from visavis.models.common.graph_restore import settle_norms
from visavis.models.lpips.network import Backbone
from visavis.models.wav2lip.export import default_top, load_network
from visavis.models.wav2lip.network import (
    WAV2LIP_96,
    Wav2Lip,
    Wav2LipConfig,
)
from visavis.models.wav2lip.restore import CONFIGS, restore
from visavis.training.data.lip_augmentation import LipAugmentation, augment_faces, to_pictures
from visavis.training.data.lip_batches import LipBatches
from visavis.training.data.sync_augmentation import SyncAugmentation, augment_mel
from visavis.training.data.sync_clips import WINDOW_FRAMES, Clips, StoredClip
from visavis.training.growing import Fitted, fit_outer
from visavis.training.lip_judge import LipJudge
from visavis.training.loop import LAST
from visavis.training.losses.lip_sync import FrozenExpert, load_expert
from visavis.training.losses.perceptual import PerceptualLoss
from visavis.training.losses.quality_critic import CriticObjective, QualityCritic, fool
from visavis.training.prefetch import make_ahead
from visavis.training.task import Batch, Evaluation, Held, LoopConfig, Share, Task

_HEARD = 8
"""Batches of sound that an ear's norms are settled on."""
_EXAMPLES, _WINDOWS = 72, 112
"""Frames, and windows of them, that outer layers are fitted on."""
_SETTLING = 32
"""Frames that the norms of what it begins with are settled on."""
_LIT = 64
"""Clips whose light is measured."""
_MOUTH = ((0.5, 0.86), (0.24, 0.76))
"""Rows and columns of crops within which mouths lie, as shares of the side."""
SyncStart: TypeAlias = Literal["ready", "always"]


@dataclass(frozen=True)
class LipTrainConfig:
    """All that the result depends on, besides the data and the expert's weights.

    Attributes:
        network: Sizes.
        loop: Length, speed and precision.
        expert: Checkpoint of the lip-sync expert, or its folder; empty for the one that comes with
            visavis.
        batch: Samples of five frames in a batch.
        top: First row that is drawn, above the lower half: what the shipped decoder draws. 0 for all,
            as published, which costs half as much again.
        sync_weight: Of the expert's loss.
        sync_start: ``ready``: from when the evaluation's sync loss is below ``sync_ready``, as
            published; ``always``: from the first step, for which a lower weight is wise.
        sync_ready: See there.
        ear_weight: Of how well the expert's vector of each sound can be told from the generator's own,
            by a linear layer that is thrown away: the expert has learnt what sounds do to lips,
            and pixels teach it slowly.
        hears_as_expert: Begin with the expert's ear; the generator's has the same layers then.
        start: Checkpoint of a generator of half the width, or of the same, or a folder that one was
            exported to, to begin with; see `Wav2Lip.grow_from`. Empty for none.
        growing_steps: Of L-BFGS, for which the outer layers of what grows from a smaller one are fitted to
            its, before anything learns; see `fit_outer`. 0: they begin with nothing.
        still_norms: Batch norms divide by what was learnt before, not by what a batch shows: for a little more
            learning in small batches, whose own means would change what is drawn.
        shut_references: Share of the samples whose reference is one frame with the mouth shut, as that of an
            avatar is. With references of any mouth a generator learns to copy what it sees there, and opens
            an avatar's mouth too little.
        critic_weight: Of being taken for real by the critic of quality; 0 for no critic. 0.07 is
            the published one.
        mouth_weight: Of the absolute error of the middle of the lower half, where the mouth is, beside that of all
            that is drawn.
        lpips_weight: Of LPIPS of the lower half.
        looks_at: Frames of each five that LPIPS and features are computed of.
        feature_weight: Of the absolute difference of the backbone's features.
        backbone: Of both: ``alexnet`` is cheap, ``vgg16`` is the usual one.
        augmentation: Of the pictures.
        sound: Augmentation of the generator's sound; None for nothing. Only what it says of mel
            windows counts.
        train_clips: At most, 0 for all; for trying things out.
        val_clips: Clips that are judged, evenly taken, 0 for all.
        data_seed: Of the batches.
        workers: Threads that make batches.
    """

    network: Wav2LipConfig = WAV2LIP_96
    loop: LoopConfig = field(
        default_factory=lambda: LoopConfig(
            steps=10_000,
            learning_rate=3e-4,
            warmup=200,
            weight_decay=0.0,
            clip_norm=1.0,
            mean_decay=0.999,
            precision="bf16-mixed",
            channels_last=True,
            log_every=20,
            evaluate_s=1800.0,
        )
    )
    expert: str = ""
    batch: int = 8
    top: int = default_top(96)
    sync_weight: float = 0.03
    sync_start: SyncStart = "ready"
    sync_ready: float = 0.75
    ear_weight: float = 0.0
    hears_as_expert: bool = False
    start: str = ""
    growing_steps: int = 160
    still_norms: bool = False
    shut_references: float = 0.0
    critic_weight: float = 0.0
    mouth_weight: float = 0.0
    lpips_weight: float = 0.1
    looks_at: int = WINDOW_FRAMES
    feature_weight: float = 0.0
    backbone: Backbone = "alexnet"
    augmentation: LipAugmentation = field(default_factory=LipAugmentation)
    sound: SyncAugmentation | None = field(
        default_factory=lambda: SyncAugmentation(hiss=0.3, masks=(4, 0))
    )
    train_clips: int = 0
    val_clips: int = 24
    data_seed: int = 1
    workers: int = 2


class LipObjective(nn.Module):
    """The generator and the loss of a batch.

    Args:
        network: The generator.
        config: The weights of the parts.
        expert: Frozen, or None.
        looks: The perceptual loss, or None.
        critic: Learns beside, or None.
    """

    sync_on: Tensor

    def __init__(
        self,
        network: Wav2Lip,
        config: LipTrainConfig,
        expert: FrozenExpert | None,
        looks: PerceptualLoss | None,
        critic: QualityCritic | None,
    ) -> None:
        super().__init__()
        self.network, self.expert, self.looks = network, expert, looks
        # In a tuple, so that its weights are not this module's.
        self._critic = (critic,)
        self._config = config
        self.ear = (
            nn.Linear(config.network.audio[-1][0], expert.network.config.embedding)
            if expert is not None and config.ear_weight
            else None
        )
        self.register_buffer("sync_on", torch.tensor(config.sync_start == "always"))

    def train(self, mode: bool = True) -> LipObjective:
        """Learn or not; norms that shall be still stay as they are."""
        super().train(mode)
        if self._config.still_norms:
            for layer in self.network.modules():
                if isinstance(layer, nn.BatchNorm2d):
                    layer.eval()
        return self

    def forward(
        self, held: Held, step: int
    ) -> tuple[Tensor, Mapping[str, Tensor], tuple[Tensor, Tensor]]:
        """Frames of a batch (see `LipBatch`) to the loss, its parts, and made and real halves."""
        config, batch = self._config, held.batch
        size, top = config.network.size, config.top
        with torch.no_grad(), torch.autocast(batch["mel"].device.type, enabled=False):
            pictures = torch.cat([batch["frames"], batch["references"]], 1)
            pictures = augment_faces(to_pictures(pictures), config.augmentation, batch["seed"])
            wanted, reference = pictures.split(WINDOW_FRAMES, 1)
            face = join_face(wanted.flatten(0, 1), reference.flatten(0, 1))
            mel = batch["mel"]
            if config.sound is not None:
                mel = augment_mel(mel, config.sound, batch["seed"])
            if config.loop.channels_last:
                face = face.contiguous(memory_format=torch.channels_last)
        mel = mel.flatten(0, 1)[:, None]
        heard = self.network.encode_audio(mel)
        made = draw(self.network, heard, face, top).float()
        real = wanted.flatten(0, 1)[:, :, top:]
        half = size // 2 - top
        made_half, real_half = made[:, :, half:], real[:, :, half:]
        total = l1 = (made - real).abs().mean()
        parts = {"l1": l1}
        if config.mouth_weight:
            rows, columns = (slice(round(a * size), round(b * size)) for a, b in _MOUTH)
            rows = slice(rows.start - top, rows.stop - top)
            mouth = (made[:, :, rows, columns] - real[:, :, rows, columns]).abs().mean()
            total, parts["mouth"] = total + config.mouth_weight * mouth, mouth
        if self.ear is not None:
            assert self.expert is not None
            with torch.no_grad():
                meant = self.expert.network.encode_audio(batch["mel"].flatten(0, 1)[:, None])
            told = self.ear(heard.flatten(1)).float()
            ear = (1 - nn.functional.cosine_similarity(told, meant.float())).mean()
            total, parts["ear"] = total + config.ear_weight * ear, ear
        if self.expert is not None and config.sync_weight and bool(self.sync_on):
            frames = made_half.unflatten(0, (-1, WINDOW_FRAMES))
            sync = self.expert(frames, batch["sync_mel"])
            total, parts["sync"] = total + config.sync_weight * sync, sync
        if self.looks is not None:
            some = batch["seed"] % WINDOW_FRAMES
            seen = [(some + i) % WINDOW_FRAMES for i in range(config.looks_at)]
            made_seen, real_seen = (
                half.unflatten(0, (-1, WINDOW_FRAMES))[:, seen].flatten(0, 1)
                for half in (made_half, real_half)
            )
            looks = self.looks(made_seen, real_seen)
            total = total + config.lpips_weight * looks.lpips
            total = total + config.feature_weight * looks.features
            parts |= {"lpips": looks.lpips, "features": looks.features}
        (critic,) = self._critic
        if critic is not None:
            fooled = fool(critic, made_half)
            total, parts["fool"] = total + config.critic_weight * fooled, fooled
        return total, parts, (made_half, real_half)


def join_face(frames: Tensor, references: Tensor) -> Tensor:
    """Frames without their lower halves and references, (N, 3, S, S) each, to (N, 6, S, S)."""
    masked = frames.clone()
    masked[:, :, frames.shape[2] // 2 :] = 0
    return torch.cat([masked, references], 1)


def draw(network: Wav2Lip, heard: Tensor, face: Tensor, top: int) -> Tensor:
    """Rows from ``top`` on: vectors of sound and (N, 6, S, S) to (N, 3, S - top, S)."""
    features = network.encode_face(face)
    rows = network.config.first_rows(top)
    kept = [feature[:, :, row:] for feature, row in zip(features, rows, strict=True)]
    return network.decode(heard, kept, top)


class LipTask(Task):
    """The generator's side of training.

    Args:
        config: A recipe's result.
        store: Prepared clips; its split ``train`` is learnt from, ``val`` judged on.
        out: Folder for the samples.

    Attributes:
        grown: How near what grew from a smaller one came to it; None where nothing grew.
    """

    def __init__(self, config: LipTrainConfig, store: Clips, out: Path) -> None:
        torch.manual_seed(config.loop.seed)
        learnt = [clip for clip in store.clips if clip.split == "train"]
        said = {"light": _find_light(store, learnt), "detail": _find_detail(store, learnt)}
        self.network: Wav2Lip = Wav2Lip(replace(config.network, **said))
        critic = QualityCritic(config.network.size) if config.critic_weight else None
        judging = [clip for clip in store.clips if clip.split == "val"]
        asks = config.sync_weight or config.ear_weight or config.expert or config.hears_as_expert
        expert = load_expert(config.expert) if asks else None
        looks = config.lpips_weight or config.feature_weight
        self.objective = LipObjective(
            self.network,
            config,
            expert if config.sync_weight or config.ear_weight else None,
            PerceptualLoss(config.backbone) if looks else None,
            critic,
        )
        self.critic = CriticObjective(critic) if critic is not None else None
        self.frozen = ("expert.", "looks.")
        self.samples = (config.batch * WINDOW_FRAMES, "frames")
        self.grown: Fitted | None = None
        self._config = config
        self._batches = LipBatches(
            store,
            _first(learnt, config.train_clips),
            config.network.size,
            config.network.lead,
            config.batch,
            config.data_seed,
            config.shut_references,
        )
        if not (out / LAST).exists():
            self._begin(expert)
        self._judge = (
            LipJudge(store, _first(judging, config.val_clips), expert, config.loop, config.top, out)
            if judging
            else None
        )

    def __len__(self) -> int:
        return len(self._batches)

    def content(self) -> Mapping[str, Any]:
        """The network's sizes, light and detail of what it learns from, and the recipe."""
        return {"network": asdict(self.network.config), "recipe": asdict(self._config)}

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
        """Draw clips of people that it has not seen, with their own sound and with others'."""
        assert isinstance(network, Wav2Lip)
        return self._judge.judge(network, step) if self._judge is not None else None

    def heed(self, figures: Mapping[str, float]) -> None:
        """Switch the expert's loss on, once lips are near enough for it to mean something."""
        objective = self.objective
        assert isinstance(objective, LipObjective)
        if figures.get("sync_loss", float("inf")) < self._config.sync_ready:
            objective.sync_on.fill_(True)

    def begin_with(self, network: Wav2Lip) -> None:
        """Take the weights of a network of the same width, or grow from a smaller one.

        Args:
            network: In evaluation mode. Norms that do nothing, as an exported one's, expect these faces
                from now on.
        """
        mine, config = self.network, self._config
        grows = network.config.size < mine.config.size and config.growing_steps > 0
        face, mel = self._read_examples(_EXAMPLES if grows else _SETTLING)
        mine.grow_from(network)
        mine.eval()
        if grows:
            self.grown = fit_outer(
                mine,
                network,
                face,
                mel,
                top=config.top,
                windows=_WINDOWS,
                steps=config.growing_steps,
            )
        settle_norms(mine, lambda: mine(mel[:_SETTLING], face[:_SETTLING]))

    def _begin(self, expert: FrozenExpert | None) -> None:
        """Take what was learnt elsewhere."""
        if self._config.start:
            self.begin_with(_load_start(Path(self._config.start), self._config.network))
        elif self._config.hears_as_expert:
            assert expert is not None
            ear = self.network.audio_encoder
            windows = np.concatenate([self._batches.make(i).mel for i in range(_HEARD)])
            mel = torch.from_numpy(windows)
            try:
                ear.load_state_dict(expert.network.audio_encoder.state_dict())
            except RuntimeError as error:
                raise ConfigError(
                    "the expert's ear has other layers than the generator's; take a recipe for an"
                    " expert with half the channels, or --set hears_as_expert=false"
                ) from error
            # An exported one's norms do nothing.
            ear.eval()
            settle_norms(ear, lambda: ear(mel.flatten(0, 1)[:, None]))
            ear.train()

    def _read_examples(self, count: int) -> tuple[Tensor, Tensor]:
        """Frames of as many clips, as the network takes them: (N, 6, S, S), (N, 1, 80, 16)."""
        faces, mels = [], []
        for number in range(-(-count // self._config.batch)):
            batch = self._make(number)
            frame = number % WINDOW_FRAMES
            pictures = torch.stack([batch["frames"][:, frame], batch["references"][:, frame]], 1)
            pictures = augment_faces(
                to_pictures(pictures), self._config.augmentation, batch["seed"]
            )
            faces.append(join_face(pictures[:, 0], pictures[:, 1]))
            mels.append(batch["mel"][:, frame, None])
        return torch.cat(faces)[:count], torch.cat(mels)[:count]

    def _make(self, number: int) -> Batch:
        batch = self._batches.make(number)
        arrays = {
            "frames": batch.frames,
            "references": batch.references,
            "mel": batch.mel,
            "sync_mel": batch.sync_mel,
        }
        return {**{name: torch.from_numpy(a) for name, a in arrays.items()}, "seed": batch.seed}


def _find_light(store: Clips, clips: Sequence[StoredClip]) -> tuple[int, ...]:
    """Mean colour of the first frames of some clips; see `Wav2LipConfig.light`."""
    if not clips:
        return ()
    light = np.mean([light_of(store.frames(clip, [0])) for clip in _first(clips, _LIT)], 0)
    return tuple(int(value) for value in light.round())


def _find_detail(store: Clips, clips: Sequence[StoredClip]) -> int:
    """Width of their crops; see `Wav2LipConfig.detail`."""
    return int(store.frames(clips[0], [0]).shape[1]) if clips else 0


def _load_start(path: Path, own: Wav2LipConfig) -> Wav2Lip:
    """A checkpoint's network, or that of a folder that was exported to, if of known sizes."""
    return restore(path, (own, *CONFIGS)) if path.is_dir() else load_network(path)


def _first(clips: Sequence[Any], most: int) -> Sequence[Any]:
    """At most so many, evenly taken; 0 for all."""
    if not most or len(clips) <= most:
        return clips
    return [clips[i * len(clips) // most] for i in range(most)]
