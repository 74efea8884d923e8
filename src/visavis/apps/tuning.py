"""Tuning an avatar's lips: find what is needed, let the training room do it, keep what came of it."""

from __future__ import annotations

import hashlib
import logging
import math
import os
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from visavis.core.errors import InputError, MissingExtra, MissingWeights

if TYPE_CHECKING:
    from visavis.core.types import Avatar
    from visavis.training.tuning import Tuned, TuneSettings

EXPERT = "syncnet"
"""The asset that judges whether lips fit their sound."""
_SHOWN: Mapping[str, str] = {
    "mouth_psnr": "mouth PSNR, dB",
    "lpips": "LPIPS (less is better)",
    "sync_own": "sync with its own sound, of real video's",
    "sync_crossed": "sync with another sound, of real video's",
}


def tune_avatar(
    name: str,
    videos: Sequence[Path],
    *,
    minutes: float,
    weights: str = "",
    expert: Path | None = None,
    settings: TuneSettings | None = None,
    tell: Callable[[str], None],
    prepared: Callable[[float], None] = lambda share: None,
) -> dict[str, Any]:
    """Tune the lip generator of a stored avatar to videos of the person.

    Clips and checkpoints lie in the cache while it lasts, so that the same call goes on after a stop;
    they are deleted when it is done.

    Args:
        name: A stored avatar.
        videos: Of the same person, speaking.
        minutes: Of learning.
        weights: What to begin with, as the animator takes it; empty to go on from what the avatar
            was tuned with.
        expert: Folder of an exported lip-sync expert; by default the one that comes with visavis.
        settings: Of tuning, instead of those that follow from the others.
        tell: Takes lines for whoever watches.
        prepared: Told the share of the videos that is cut into clips.

    Returns:
        ``before`` and ``after`` as figures, ``kept`` (where, or None), and what it was made from.

    Raises:
        UnknownAvatar: There is none of that name.
        LicenceNotAccepted: No weights were chosen.
        InputError: The videos hold too little of a face that speaks.
        Cancelled: It was stopped; the same call goes on.
        MissingExtra: The extra ``train`` is not installed.
    """
    from visavis.media.files import check_input
    from visavis.stages.animators.wav2lip_weights import find_weights
    from visavis.stages.avatars import store
    from visavis.stages.avatars.tuned import keep_tuned

    try:
        from visavis.training.tuning import TuneSettings, tune
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("visavis"):
            raise
        raise MissingExtra(
            f"tuning needs the extra `train` ({error.name} is missing): pip install 'visavis[train]'"
        ) from error
    if not videos:
        raise InputError("no video is given; give one of the avatar's person, speaking")
    avatar = store.load(store.find(name).path)
    start = find_weights(weights, avatar, own_first=False)
    for video in videos:
        check_input(video)
    if settings is None:
        settings = TuneSettings(
            minutes, expert=expert or _find_expert(), jobs=len(os.sched_getaffinity(0))
        )
    work = store.cache().parent / "tuning" / _key(avatar, videos, start)
    work.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    tuned = tune(videos, start, work, work / "generator", settings, tell=tell, prepared=prepared)
    about = _describe(tuned, videos, start, time.monotonic() - began)
    kept = keep_tuned(avatar, work / "generator", about) if tuned.is_better else None
    shutil.rmtree(work, ignore_errors=True)
    return {"avatar": avatar.name, **about, "kept": str(kept) if kept else None}


def describe(made: Mapping[str, Any]) -> list[str]:
    """Lines that say what came of tuning."""
    lines = [f"{'':<42}{'before':>9}{'after':>9}"]
    for key, title in _SHOWN.items():
        before, after = made["before"].get(key), made["after"].get(key)
        if before is not None and after is not None:
            lines.append(f"{title:<42}{before:>9.3f}{after:>9.3f}")
    lines.append(
        f"on {made['held_out']} clips that were held out, after {made['steps']} steps on"
        f" {made['clips']} others"
    )
    if made["kept"]:
        lines.append(f"kept in {made['kept']}; `--animator wav2lip` takes it by itself")
    else:
        lines.append("it became no better, so nothing is kept; try more minutes, or more video")
    return lines


def _find_expert() -> Path | None:
    from visavis.core.errors import UnknownAsset
    from visavis.models.assets import locate

    try:
        folder = locate(EXPERT)
    except (UnknownAsset, MissingWeights):
        return None
    if (folder / "network.json").is_file():
        return folder
    found = sorted(card.parent for card in folder.glob("*/network.json"))
    return found[0] if found else None


def _key(avatar: Avatar, videos: Sequence[Path], start: Path) -> str:
    """Name of the folder in which the same tuning goes on."""
    from visavis.stages.avatars.tuned import digest_of

    parts = [digest_of(avatar), str(start.resolve())]
    for video in videos:
        stat = video.stat()
        parts.append(f"{video.resolve()} {stat.st_size} {stat.st_mtime_ns}")
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]


def _describe(tuned: Tuned, videos: Sequence[Path], start: Path, seconds: float) -> dict[str, Any]:
    return {
        "videos": [video.name for video in videos],
        "began_with": start.name,
        "licence": "as the weights that it began with: research only where those are",
        "size": tuned.size,
        "minutes": round(seconds / 60, 1),
        "steps": tuned.steps,
        "clips": tuned.clips,
        "held_out": tuned.held_out,
        "seconds": round(tuned.seconds, 1),
        "before": _finite(tuned.before),
        "after": _finite(tuned.after),
    }


def _finite(figures: Mapping[str, float]) -> dict[str, float]:
    return {key: round(value, 5) for key, value in figures.items() if math.isfinite(value)}
