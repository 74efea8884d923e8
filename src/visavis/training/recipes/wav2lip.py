"""Recipes: the lip generator; see `lip_training` for how it learns.

Sources: Prajwal et al., "A Lip Sync Expert Is All You Need" (ACM MM 2020), section 3; the paper of
Wav2Lip-384.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch

from visavis.models.common.convolutions import Layers
from visavis.models.wav2lip.export import default_top, load_network
from visavis.models.wav2lip.network import (
    WAV2LIP_96,
    WAV2LIP_96_SMALL,
    WAV2LIP_192,
    WAV2LIP_192_SMALL,
    WAV2LIP_384,
    WAV2LIP_384_SMALL,
    Wav2LipConfig,
)
from visavis.training.data.lip_augmentation import LipAugmentation
from visavis.training.data.sync_clips import Clips
from visavis.training.lip_training import LipTask, LipTrainConfig
from visavis.training.loop import Outcome, train
from visavis.training.pace import left_of
from visavis.training.task import LoopConfig


def wav2lip_96() -> LipTrainConfig:
    """The published generator; hours on a CPU."""
    return LipTrainConfig(ear_weight=0.1, sync_start="always")


def wav2lip_192() -> LipTrainConfig:
    """Twice the width, for as much work as the published one; hours on a CPU."""
    return replace(wav2lip_96(), network=WAV2LIP_192, top=default_top(192))


def wav2lip_384() -> LipTrainConfig:
    """The paper's generator, appendices 2 and 3; for a GPU, or a night on a CPU."""
    return replace(wav2lip_96(), network=WAV2LIP_384, top=default_top(384), batch=4)


def wav2lip_96_small() -> LipTrainConfig:
    """Half the channels, and the expert's ear to begin with; an hour on a CPU, to grow from."""
    return replace(
        wav2lip_96(),
        network=WAV2LIP_96_SMALL,
        ear_weight=0.0,
        hears_as_expert=True,
        loop=replace(wav2lip_96().loop, learning_rate=1e-3, warmup=50, mean_decay=0.99),
    )


def wav2lip_192_small() -> LipTrainConfig:
    """Twice the width; grows from ``wav2lip-96-small``, named as ``start``."""
    return replace(wav2lip_96_small(), network=WAV2LIP_192_SMALL, top=default_top(192), looks_at=1)


def wav2lip_384_small() -> LipTrainConfig:
    """The paper's width with half the channels; grows from ``wav2lip-192-small``."""
    return replace(wav2lip_192_small(), network=WAV2LIP_384_SMALL, top=default_top(384), batch=4)


def wav2lip_96_gpu() -> LipTrainConfig:
    """The published generator, in large batches."""
    return _for_gpu(wav2lip_96())


def wav2lip_192_gpu() -> LipTrainConfig:
    """Twice the width, in large batches, with VGG16 and a critic."""
    return _for_gpu(wav2lip_192())


def wav2lip_384_gpu() -> LipTrainConfig:
    """The paper's generator, in large batches, with VGG16 and a critic."""
    return replace(_for_gpu(wav2lip_384()), batch=32)


def tiny_wav2lip() -> LipTrainConfig:
    """A minute of a tiny generator, for tests and for trying out."""

    def thin(block: Layers) -> Layers:
        return tuple((max(8, channels // 8), *rest) for channels, *rest in block)  # type: ignore[misc]

    # Half the published width: without its outermost blocks.
    face = (((8, 7, 1, 3),), *map(thin, WAV2LIP_96.face[2:]))
    decoder = tuple(map(thin, WAV2LIP_96.decoder[:-1]))
    network = Wav2LipConfig(48, face, thin(WAV2LIP_96.audio), decoder, output=16)
    loop = LoopConfig(
        steps=160,
        learning_rate=4e-3,
        warmup=5,
        weight_decay=0.0,
        mean_decay=0.9,
        log_every=10,
        evaluate_every=80,
        device="cpu",
        board=False,
    )
    plain = LipAugmentation(light=0.0, saturation=0.0)
    return LipTrainConfig(
        network,
        loop,
        batch=4,
        top=default_top(48),
        lpips_weight=0.0,
        augmentation=plain,
        sound=None,
        val_clips=3,
        workers=1,
    )


def _for_gpu(config: LipTrainConfig) -> LipTrainConfig:
    return replace(
        config,
        loop=replace(config.loop, evaluate_s=300.0, learning_rate=4e-4),
        batch=64,
        critic_weight=0.01,
        backbone="vgg16",
        workers=12,
    )


def run(
    config: LipTrainConfig,
    store: Clips,
    out: Path,
    *,
    tell: Callable[[str], None],
    time_limit: float = 0.0,
) -> Outcome:
    """Train the generator.

    Args:
        config: A recipe's result.
        store: Prepared clips.
        out: Folder for the checkpoints, curves and samples.
        tell: Takes lines for whoever watches.
        time_limit: Seconds; 0 for none.
    """
    began = time.monotonic()
    task = LipTask(config, store, out)
    tell(f"{len(task)} clips to train on")
    if task.grown is not None:
        tell(
            f"the outer layers see as the smaller one's do to {task.grown.seen:.1%} of the variance, and draw"
            f" to {task.grown.drawn:.1%}"
        )
    return train(task, config.loop, out, tell=tell, time_limit=left_of(time_limit, began))


def run_recipe(
    config: LipTrainConfig,
    data: Path,
    out: Path,
    *,
    tell: Callable[[str], None],
    time_limit: float = 0.0,
) -> Outcome:
    """Train on the store in a folder; what `visavis train` calls."""
    from visavis.training.data.clip_store import ClipStore

    return run(config, ClipStore(data), out, tell=tell, time_limit=time_limit)


def export_recipe(checkpoint: Path, target: Path) -> None:
    """Write the generator into a folder as .onnx, with weights in 16 bits."""
    from visavis.models.wav2lip.export import export

    top = int(torch.load(checkpoint, map_location="cpu", weights_only=True)["recipe"]["top"])
    export(load_network(checkpoint), target, top=top)
