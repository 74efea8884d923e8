"""A lip generator learns on from videos of one person.

Needs the ``train`` extra. The clips are cut to equal lengths, so that silence is among them; the last
ones are held out, and what is learnt counts only if it is better on those.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from visavis.core.errors import Cancelled, FaceUnusable, InputError
from visavis.core.types import Floats, Picture
from visavis.media.files import finish_or_discard
from visavis.models.assets.store import find
from visavis.models.common.network_card import read_network_card
from visavis.models.lpips.network import ASSET as LPIPS
from visavis.models.syncnet.restore import restore as restore_expert
from visavis.models.wav2lip.export import export, load_network
from visavis.models.wav2lip.network import Wav2Lip, Wav2LipConfig
from visavis.models.wav2lip.restore import CONFIGS, restore
from visavis.training.checkpoint import save_checkpoint
from visavis.training.data.clip_cutting import Cutting
from visavis.training.data.clip_making import Making
from visavis.training.data.clip_store import ClipInfo, ClipStore
from visavis.training.data.lip_augmentation import LipAugmentation
from visavis.training.data.prepare import PrepareSettings, Progress, prepare
from visavis.training.lip_training import LipTask, LipTrainConfig
from visavis.training.loop import BEST, LAST, train
from visavis.training.recipes.wav2lip import wav2lip_96, wav2lip_192, wav2lip_384
from visavis.training.task import Evaluation

Tell = Callable[[str], None]

CLIP_SECONDS = 2.0
HELD_OUT = 0.12
"""Share of the clips that is judged on, at the end of the recording."""
MOST_HELD_OUT = 16
LEAST_SECONDS = 20.0
"""Of clips in all; less says too little about a mouth."""
LEARNING_RATE = 1e-4
GAIN = 0.005
"""Of the judge's score, below which it was not worth it: a quarter of a hundredth of LPIPS, or half a
hundredth of the sync of real video."""
_RECIPES = {96: wav2lip_96, 192: wav2lip_192, 384: wav2lip_384}
_BEFORE = "before.json"


@dataclass(frozen=True, slots=True)
class TuneSettings:
    """How a generator is tuned.

    Attributes:
        minutes: Of learning.
        steps: Instead of as many as fit into the minutes; 0 for those.
        expert: Folder of an exported lip-sync expert, or None to learn from pictures alone.
        least_seconds: Of clips, below which a video is refused.
        jobs: Processes that prepare videos.
        configs: Sizes that the generator may have.
    """

    minutes: float = 20.0
    steps: int = 0
    expert: Path | None = None
    least_seconds: float = LEAST_SECONDS
    jobs: int = 1
    configs: Sequence[Wav2LipConfig] = CONFIGS


@dataclass(frozen=True, slots=True)
class Tuned:
    """What came of it.

    Attributes:
        before: Figures of the generator as it was, on clips that were held out; see
            `visavis.training.lip_judge.LipFigures`.
        after: The same of the best that was learnt.
        is_better: Whether it was worth it by the judge's score.
        steps: Made.
        clips: Learnt from.
        held_out: Judged on.
        seconds: Of all clips.
        size: Width of the square that is drawn, pixels.
    """

    before: Mapping[str, float]
    after: Mapping[str, float]
    is_better: bool
    steps: int
    clips: int
    held_out: int
    seconds: float
    size: int


class HeldOut:
    """A store whose last clips are for validation, whoever is in it.

    Args:
        store: Prepared clips.
        share: Of them.

    Raises:
        InputError: There are fewer than two.
    """

    def __init__(self, store: ClipStore, share: float = HELD_OUT) -> None:
        self._store = store
        ordered = sorted(store.clips, key=lambda clip: (clip.source, clip.start))
        if len(ordered) < 2:
            raise InputError(
                "the video gave fewer than two clips in which the face speaks and is seen well; record"
                " more of it: a minute or two, looking at the camera"
            )
        # Two at least, so that each can be given the other's sound, where that leaves some to learn.
        held = max(1 if len(ordered) < 4 else 2, round(share * len(ordered)))
        first = len(ordered) - min(held, MOST_HELD_OUT)
        self.clips = tuple(
            replace(clip, split="train" if i < first else "val") for i, clip in enumerate(ordered)
        )

    def frames(self, clip: Any, indices: npt.ArrayLike | None = None) -> Picture:
        """As `ClipStore.frames`."""
        return self._store.frames(clip, None if indices is None else list(np.asarray(indices)))

    def mel(self, clip: Any) -> Floats:
        """As `ClipStore.mel`."""
        return self._store.mel(clip)

    def audio(self, clip: Any) -> Floats:
        """As `ClipStore.audio`."""
        return self._store.audio(clip)

    def landmarks(self, clip: Any) -> Floats:
        """As `ClipStore.landmarks`."""
        return self._store.landmarks(clip)

    def split(self, name: str) -> list[ClipInfo]:
        """Clips of a split."""
        return [clip for clip in self.clips if clip.split == name]


def tune(
    videos: Sequence[Path],
    start: Path,
    work: Path,
    target: Path,
    settings: TuneSettings,
    *,
    tell: Tell,
    prepared: Callable[[float], None] = lambda share: None,
) -> Tuned:
    """Let a generator learn on, or go on where an earlier call was stopped.

    Args:
        videos: Of the person, speaking.
        start: Folder of the exported generator to begin with.
        work: Folder for clips and checkpoints; the same one goes on.
        target: Folder that the tuned generator is exported to, if it is better.
        settings: How.
        tell: Takes lines for whoever watches.
        prepared: Told the share of the videos that is cut into clips.

    Raises:
        InputError: The videos hold too little of a face that speaks, or the generator cannot learn.
        Cancelled: The process was asked to stop; the same call goes on.
    """
    network = restore(start, settings.configs)
    card = read_network_card(start, "wav2lip")
    store = _prepare(videos, work, network.config.size, settings, tell, prepared)
    top = int(card["top"])
    config = _configure(network, top, settings, _place_expert(settings.expert, work, tell), tell)
    out = work / "training"
    task = LipTask(config, store, out)
    if not (out / LAST).exists():
        task.begin_with(network)
    before = _judge_once(task, out / _BEFORE)
    tell(f"before: {before['summary']}")
    task.heed(before["figures"])
    limit = 0.0 if settings.steps else 60 * settings.minutes
    outcome = train(task, config.loop, out, tell=tell, time_limit=limit)
    if outcome.ended == "asked":
        raise Cancelled("stopped; the same command goes on")
    best = load_network(out / BEST if (out / BEST).exists() else outcome.checkpoint)
    after = task.evaluate(best, outcome.step)
    assert after is not None
    tell(f"after: {after.summary}")
    is_better = after.score > before["score"] + GAIN
    if is_better:
        export(best, target, "fp16", top=top)
    return Tuned(
        before["figures"],
        dict(after.figures),
        is_better,
        outcome.step,
        len(store.split("train")),
        len(store.split("val")),
        sum(clip.seconds for clip in store.clips),
        network.config.size,
    )


def _prepare(
    videos: Sequence[Path],
    work: Path,
    size: int,
    settings: TuneSettings,
    tell: Tell,
    prepared: Callable[[float], None],
) -> HeldOut:
    folder = work / "clips"

    def told(progress: Progress) -> None:
        prepared(progress.share)

    making = Making(size=max(192, size), cutting=Cutting(seconds=CLIP_SECONDS))
    manifest = prepare(
        videos, folder, PrepareSettings(making, "folder", 0.0), jobs=settings.jobs, told=told
    )
    reasons = "; ".join(_list_reasons(manifest["sources"]))
    clips = ClipStore(folder) if manifest["clips"] else None
    seconds = sum(clip.seconds for clip in clips.clips) if clips is not None else 0.0
    if clips is None or seconds < settings.least_seconds:
        raise FaceUnusable(
            f"only {seconds:.0f} s of the video show a face that speaks"
            f"{f': {reasons}' if reasons else ''}; record a minute or more, looking at the camera"
        )
    if settings.expert is not None:
        _measure_offset(folder, clips, settings.expert, tell)
        clips = ClipStore(folder)
    store = HeldOut(clips)
    tell(
        f"{seconds:.0f} s of speech in {len(store.clips)} clips, of which {len(store.split('val'))}"
        " are held out to judge on"
    )
    return store


def _list_reasons(sources: Sequence[Mapping[str, Any]]) -> list[str]:
    """Why videos, or stretches of them, gave no clip; the commonest first."""
    found: Counter[str] = Counter()
    for source in sources:
        if source["error"]:
            found[str(source["error"])] += 1
        for reason, count in source["refused"].items():
            found[reason] += count
    return [f"{reason} ({count} times)" for reason, count in found.most_common(3)]


def _measure_offset(folder: Path, store: ClipStore, expert: Path, tell: Tell) -> None:
    from visavis.models.syncnet.predictor import SyncExpert
    from visavis.training.data.clip_offsets import measure_offsets

    if any(clip.confidence for clip in store.clips):
        return
    measured = measure_offsets(folder, SyncExpert(expert), together="source")
    offsets = {round(m.offset, 1) for m in measured.values()}
    tell(f"the sound comes {', '.join(f'{o:+g}' for o in sorted(offsets))} frames late")


def _place_expert(folder: Path | None, work: Path, tell: Tell) -> str:
    """Write the expert as a checkpoint that the recipe reads; empty where there is none."""
    if folder is None:
        tell("there is no lip-sync expert: it learns from pictures alone")
        return ""
    expert = restore_expert(folder)
    path = work / "expert.pt"
    save_checkpoint(path, {"network": asdict(expert.config), "weights": expert.state_dict()})
    return str(path)


def _configure(
    network: Wav2Lip, top: int, settings: TuneSettings, expert: str, tell: Tell
) -> LipTrainConfig:
    base = _RECIPES.get(network.config.size, wav2lip_96)()
    on_gpu = torch.cuda.is_available()
    loop = replace(
        base.loop,
        steps=settings.steps,
        learning_rate=LEARNING_RATE,
        warmup=min(20, settings.steps // 4) if settings.steps else 20,
        mean_decay=0.99,
        evaluate_s=max(300.0, 60 * settings.minutes / 4),
        board=False,
    )
    config = replace(
        base,
        network=network.config,
        loop=loop,
        expert=expert,
        top=top,
        sync_weight=base.sync_weight if expert else 0.0,
        # It hears already.
        ear_weight=0.0,
        hears_as_expert=False,
        critic_weight=0.0,
        # A face is not its mirror image, and is filmed in one light.
        augmentation=LipAugmentation(flip=0.0, light=0.05, saturation=0.05),
        val_clips=MOST_HELD_OUT,
    )
    if on_gpu:
        config = replace(config, batch=2 * base.batch, backbone="vgg16", workers=4)
    if find(LPIPS) is None:
        tell("LPIPS is not on this machine (`visavis models pull lpips`): it learns without")
        config = replace(config, lpips_weight=0.0, feature_weight=0.0)
    return config


def _judge_once(task: LipTask, path: Path) -> dict[str, Any]:
    """Judge a task's network before it learns; an earlier call's judgement is kept."""
    if path.exists():
        kept: dict[str, Any] = json.loads(path.read_text("utf-8"))
        kept["figures"] = {k: math.nan if v is None else v for k, v in kept["figures"].items()}
        return kept
    found = task.evaluate(task.network, 0)
    assert found is not None
    judged = _plain(found)
    path.parent.mkdir(parents=True, exist_ok=True)
    finite = {k: v if math.isfinite(v) else None for k, v in judged["figures"].items()}
    with finish_or_discard(path) as part:
        part.write_text(json.dumps({**judged, "figures": finite}), "utf-8")
    return judged


def _plain(found: Evaluation) -> dict[str, Any]:
    return {"figures": dict(found.figures), "score": found.score, "summary": found.summary}
