"""Exported lip generators on clips of people whom they have not seen, as a table.

    python -m visavis.training.lip_judging CLIPS GENERATOR… [--expert FOLDER] [--count 24] [--read]

CLIPS is what `visavis prepare` made; a GENERATOR is a folder that was exported to, or the width of one
that comes with visavis (``192``). All are judged on the same clips by the same expert, by default the one
that comes with visavis, from which they have learnt: see `visavis.training.lip_judge`. With ``--read`` the lips are read off by landmarks,
too, which have taught none of them: see `visavis.training.lip_reading`.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import fields
from functools import partial
from pathlib import Path

from visavis.models.assets import locate
from visavis.models.common.network_card import read_network_card
from visavis.models.face_landmarker.predictor import FaceLandmarker
from visavis.models.wav2lip.restore import restore
from visavis.training.data.sync_clips import Clips, StoredClip
from visavis.training.lip_judge import Further, LipJudge
from visavis.training.lip_reading import LipReading, read_lips
from visavis.training.losses.lip_sync import load_expert
from visavis.training.task import Evaluation, LoopConfig


def judge_exported(
    folder: Path,
    store: Clips,
    clips: Sequence[StoredClip],
    expert: str | Path = "",
    samples: Path | None = None,
    further: Further | None = None,
) -> Evaluation:
    """Judge an exported generator, in single precision.

    Args:
        folder: Of its .onnx files, not in 8 bits.
        store: Prepared clips.
        clips: Those to judge on.
        expert: See `load_expert`.
        samples: Folder for a sheet and a video, or None for none.
        further: Measures something else of what was drawn.
    """
    top = int(read_network_card(folder, "wav2lip")["top"])
    with tempfile.TemporaryDirectory() as scratch:
        out = samples or Path(scratch)
        judge = LipJudge(store, clips, load_expert(expert), LoopConfig(steps=0), top, out, further)
        return judge.judge(restore(folder), 0)


def main() -> None:
    """Read the command line and judge."""
    from visavis.training.data.clip_store import ClipStore

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clips", type=Path)
    parser.add_argument("generators", nargs="+")
    parser.add_argument("--expert", default="")
    parser.add_argument("--split", default="val")
    parser.add_argument("--count", type=int, default=0, help="clips, evenly taken; 0 for all")
    parser.add_argument("--samples", type=Path)
    parser.add_argument("--read", action="store_true", help="read lips off by landmarks, too")
    given = parser.parse_args()
    store = ClipStore(given.clips)
    clips = [clip for clip in store.clips if clip.split == given.split]
    if given.count:
        clips = [clips[i * len(clips) // given.count] for i in range(min(given.count, len(clips)))]
    further = partial(read_lips, landmarker=FaceLandmarker()) if given.read else None
    for name in given.generators:
        folder = locate(f"wav2lip-{name}") if name.isdigit() else Path(name)
        samples = given.samples / folder.name if given.samples else None
        found = judge_exported(folder, store, clips, given.expert, samples, further)
        sys.stdout.write(f"{name}: {found.summary}\n")
        if given.read:
            read = (f"{f.name} {found.figures[f.name]:.3g}" for f in fields(LipReading))
            sys.stdout.write(f"{name}: {', '.join(read)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
