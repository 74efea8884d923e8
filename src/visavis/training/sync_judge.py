"""Judging the sync expert on clips of people it has not seen.

    python -m visavis.training.sync_judge CLIPS [--expert FOLDER] [--split val]

judges an exported expert, by default the one that comes with visavis, with the offsets that are noted
in the clips taken out, and as recorded.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn

from visavis.evaluation.sync import EmbeddedClip, SyncFigures, measure_sync
from visavis.training.data.sync_augmentation import to_windows
from visavis.training.data.sync_clips import SyncClip, window_frames
from visavis.training.devices import autocast
from visavis.training.task import LoopConfig


@torch.no_grad()
def embed(
    network: nn.Module, clip: SyncClip, loop: LoopConfig, *, as_recorded: bool = False
) -> EmbeddedClip:
    """Vectors of all windows of a clip.

    Args:
        network: A `SyncNet`.
        clip: Whose stored offset is corrected.
        loop: Its precision is used.
        as_recorded: Do not correct the offset.
    """
    device = next(network.parameters()).device
    starts = clip.starts
    mel = clip.mel_windows(starts, 0.0 if as_recorded else None)
    mouths = torch.from_numpy(clip.mouths[window_frames(starts)]).to(device)
    with autocast(loop.precision, device):
        windows = to_windows(mouths)
        if loop.channels_last:
            windows = windows.contiguous(memory_format=torch.channels_last)
        faces = network.encode_face(windows)  # type: ignore[operator]
        speech = network.encode_audio(torch.from_numpy(mel).to(device)[:, None])  # type: ignore[operator]
    return EmbeddedClip(faces.float().cpu().numpy(), speech.float().cpu().numpy(), clip.name)


def judge(
    network: nn.Module,
    clips: Sequence[SyncClip],
    loop: LoopConfig,
    *,
    as_recorded: bool = False,
) -> SyncFigures:
    """Measure an expert on clips; see `measure_sync`."""
    network.eval()
    return measure_sync(embed(network, clip, loop, as_recorded=as_recorded) for clip in clips)


def describe(figures: SyncFigures) -> str:
    """Put what an expert reaches into one line."""
    longest = figures.longest_rows + 4
    return (
        f"AUC {figures.auc:.3f} over 0.2 s, {figures.auc_second:.3f} over 1 s (to"
        f" {figures.second_shift} frames off), {figures.auc_longest:.3f} over {longest / 25:.2f} s;"
        f" offsets found {figures.found:.1%} (exactly {figures.found_exactly:.1%});"
        f" cosine {figures.in_sync:.3f} in time, {figures.off:.3f} off; {figures.clips} clips"
    )


def main() -> None:
    """Read the command line and judge."""
    from visavis.models.assets import locate
    from visavis.models.syncnet.restore import restore
    from visavis.training.data.clip_store import ClipStore
    from visavis.training.data.sync_clips import load_sync_clips
    from visavis.training.losses.lip_sync import ASSET

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clips", type=Path)
    parser.add_argument("--expert", type=Path)
    parser.add_argument("--split", default="val")
    given = parser.parse_args()
    network = restore(given.expert or locate(ASSET))
    clips = load_sync_clips(ClipStore(given.clips), given.split, network.config.size)
    loop = LoopConfig(steps=0)
    for name, raw in (("in step", False), ("as recorded", True)):
        told = describe(judge(network, clips, loop, as_recorded=raw))
        sys.stdout.write(f"{name}: {told}\n")


if __name__ == "__main__":
    main()
