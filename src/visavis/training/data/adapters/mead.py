"""MEAD: 60 actors by its paper, eight emotions at three levels, seven cameras.

As published, the archives of an actor unpacked::

    M003/video/front/angry/level_1/001.mp4     also down, top, left_30, left_60, right_30, right_60
    M003/audio/angry/level_1/001.m4a           one sound for all cameras
    W009/…                                     M are men, W women

The eight emotions are this project's eight. Intensity is the level divided by three; ``neutral`` has
level 1 only, which says nothing of strength, so it has none. Videos run at 30 frames a second. No split
is published, nor which sentence a number stands for (it depends on emotion and level).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from visavis.core.types import EMOTIONS, Emotion
from visavis.training.data.adapters import label_files as files
from visavis.training.data.adapters.record import About, Adapter, ClipRecord, Problem, Tell

_ACTOR = re.compile(r"[MW]\d{3}", re.ASCII)
_LEVEL = re.compile(r"level_([123])", re.ASCII)
_VIEWS = frozenset({"front", "down", "top", "left_30", "left_60", "right_30", "right_60"})
_BY_NAME: dict[str, Emotion] = {name: name for name in EMOTIONS}
_SOUND = (".m4a", ".wav", ".mp3")

ABOUT = About(
    title="Multi-view Emotional Audio-visual Dataset",
    paper="Wang, Wu, Song, Yang, Wu, Qian, He, Qiao, Loy: MEAD: A Large-scale Audio-visual Dataset for"
    " Emotional Talking-face Generation. ECCV 2020",
    size="60 actors, about 40 h",
    licence="research only (u)",
    terms="Its terms of use are a PDF in its repository; asked for is research that is not commercial,"
    " by others' word.",
    page="https://wywu.github.io/projects/MEAD/MEAD.html",
    unverified="Whether every video has a sound track of its own; how many actors are published.",
)


def matches(root: Path) -> bool:
    """Whether an actor's folder has a level below a camera and an emotion."""
    return any(
        _LEVEL.fullmatch(level.name)
        for actor in files.first_folders(root)
        if _ACTOR.fullmatch(actor.name)
        for view in files.first_folders(actor / "video")
        for emotion in files.first_folders(view)
        for level in files.first_folders(emotion)
    )


def records(root: Path, tell: Tell) -> Iterator[ClipRecord]:
    """One record for each video."""
    for actor in files.list_folders(root, tell):
        if not _ACTOR.fullmatch(actor.name):
            continue
        if not (actor / "video").is_dir():
            packed = " (video.tar is not unpacked)" if (actor / "video.tar").is_file() else ""
            tell(Problem(actor.name, "actor without video", packed.strip()))
        for view in files.list_folders(actor / "video"):
            if view.name not in _VIEWS:
                tell(Problem(files.place_of(view, root), "unknown camera", view.name))
            for emotion in files.list_folders(view, tell):
                for level in files.list_folders(emotion, tell):
                    yield from _level(root, actor, view, emotion, level, tell)


def _level(
    root: Path, actor: Path, view: Path, emotion: Path, level: Path, tell: Tell
) -> Iterator[ClipRecord]:
    """The videos of one folder; a wrong name of it is told once."""
    place = files.place_of(level, root)
    known = _BY_NAME.get(emotion.name)
    if known is None:
        tell(Problem(place, "unknown emotion", emotion.name))
    strength = _LEVEL.fullmatch(level.name)
    if strength is None:
        tell(Problem(place, "unknown level", level.name))
    intensity = int(strength[1]) / 3 if strength and known not in (None, "neutral") else None
    for video in files.list_videos(level, tell):
        spoken = actor / "audio" / emotion.name / level.name / video.name
        sound = files.find_sibling(spoken, _SOUND)
        if sound is None:
            tell(Problem(files.place_of(video, root), "no sound file"))
        yield ClipRecord(
            "mead",
            files.place_of(video, root),
            speaker=actor.name,
            audio=files.place_of(sound, root) if sound else "",
            language="en",
            emotion=known,
            emotion_label=emotion.name,
            intensity=intensity,
            intensity_label=level.name,
            view=view.name,
            licence=ABOUT.licence,
        )


ADAPTER = Adapter("mead", ABOUT, "M003/video/front/angry/level_1/ and the like", matches, records)
