"""Recipes: the lip-sync expert; see `sync_training` for how it learns.

Sources: Prajwal et al., "A Lip Sync Expert Is All You Need" (ACM MM 2020), section 3.2; the paper of
Wav2Lip-384.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from visavis.models.syncnet.network import (
    SYNCNET_96,
    SYNCNET_96_SMALL,
    SYNCNET_192,
    SYNCNET_384,
    SyncNetConfig,
)
from visavis.training.data.sync_augmentation import (
    SyncAugmentation,
)
from visavis.training.data.sync_clips import Clips, load_sync_clips
from visavis.training.loop import Outcome, train
from visavis.training.pace import left_of
from visavis.training.sync_training import SyncTask, SyncTrainConfig
from visavis.training.task import LoopConfig


def syncnet_96_small() -> SyncTrainConfig:
    """The published expert with half of all channels: an hour or two on a CPU."""
    # The crops are upright and do not follow the jaw: moved ones would blur what is to be read.
    mild = SyncAugmentation(
        flip=0.0, shift=0.0, scale=0.0, turn=0.0, light=0.2, sharpness=0.4, codec=0.1, noise=0.03,
        hide=0.0, hiss=0.3, stretch=0.1, masks=(6, 0),
    )  # fmt: skip
    return SyncTrainConfig(
        loop=replace(SyncTrainConfig().loop, steps=3000, learning_rate=1e-3, warmup=60),
        clips=48,
        windows=2,
        heard=7,
        choice_weight=1.0,
        cosine_weight=0.2,
        lips_steps=600,
        lips_weight=1.0,
        read_weight=1.0,
        dropout=0.1,
        augmentation=mild,
    )


def syncnet_96() -> SyncTrainConfig:
    """The published expert of Wav2Lip; for a GPU."""
    return _for_gpu(SYNCNET_96)


def syncnet_192() -> SyncTrainConfig:
    """The paper's expert less one halving; for a GPU."""
    return _for_gpu(SYNCNET_192)


def syncnet_384() -> SyncTrainConfig:
    """The paper's expert, appendix 1; for a GPU."""
    return _for_gpu(SYNCNET_384)


def tiny_syncnet() -> SyncTrainConfig:
    """A few seconds of a tiny expert, for tests and for trying out."""
    face, audio = (
        tuple((max(8, channels // 8), *rest) for channels, *rest in layers)
        for layers in (SYNCNET_96_SMALL.face, SYNCNET_96_SMALL.audio)
    )
    loop = LoopConfig(
        steps=80,
        learning_rate=3e-3,
        warmup=10,
        mean_decay=0.9,
        log_every=5,
        evaluate_every=80,
        device="cpu",
        board=False,
    )
    network = SyncNetConfig(size=96, face=face, audio=audio)  # type: ignore[arg-type]
    return SyncTrainConfig(network, loop, clips=6, windows=5, heard=12, augmentation=None)


def _for_gpu(network: SyncNetConfig) -> SyncTrainConfig:
    config = syncnet_96_small()
    loop = replace(config.loop, steps=SyncTrainConfig().loop.steps, evaluate_s=240.0)
    return replace(config, network=network, loop=loop, windows=8, heard=20, workers=4)


def run(
    config: SyncTrainConfig,
    store: Clips,
    out: Path,
    *,
    tell: Callable[[str], None],
    time_limit: float = 0.0,
) -> Outcome:
    """Train the expert on a store's split ``train`` and judge it on ``val``.

    Args:
        config: A recipe's result.
        store: Prepared clips.
        out: Folder for the checkpoints and curves.
        tell: Takes lines for whoever watches.
        time_limit: Seconds; 0 for none.
    """
    began = time.monotonic()
    size, offsets = config.network.size, config.use_offsets
    clips = load_sync_clips(store, "train", size, use_offsets=offsets, limit=config.train_clips)
    val = (
        load_sync_clips(store, "val", size, use_offsets=offsets, limit=config.val_clips)
        if any(clip.split == "val" for clip in store.clips)
        else []
    )
    windows = sum(len(clip.starts) for clip in clips)
    people = len({clip.person for clip in clips})
    tell(
        f"{len(clips)} clips of {people} people, {windows} windows, to train on; {len(val)} clips to"
        " judge on"
    )
    limit = left_of(time_limit, began)
    return train(SyncTask(config, clips, val), config.loop, out, tell=tell, time_limit=limit)


def run_recipe(
    config: SyncTrainConfig,
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
    """Write the expert into a folder as .onnx, with weights in 16 bits."""
    from visavis.models.syncnet.export import export, load_network

    export(load_network(checkpoint), target)
