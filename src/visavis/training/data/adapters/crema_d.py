"""CREMA-D: 91 actors, 12 sentences, six emotions, some at three levels.

As published (the repository; its files are Git LFS pointers until they are pulled)::

    VideoFlash/1001_DFA_ANG_XX.flv    actor, sentence, emotion, level
    AudioWAV/1001_DFA_ANG_XX.wav      AudioMP3/ the same
    SentenceFilenames.csv  VideoDemographics.csv  processedResults/summaryTable.csv

The emotion is the one that was asked of the actor; what raters saw is in ``processedResults`` and is
not read. Levels are LO, MD, HI and XX (unspecified); the intensities 0.2, 0.5, 0.8 are the numbers 20,
50, 80 that the repository's README gives them (``dispLevel``). No split is published.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from visavis.core.types import Emotion
from visavis.training.data.adapters import label_files as files
from visavis.training.data.adapters.record import About, Adapter, ClipRecord, Problem, Tell
from visavis.training.data.clip_sources import SUFFIXES

_NAME = re.compile(r"(1\d{3})_([A-Z]{3})_([A-Z]{3})_([A-Z]{2})", re.ASCII)
SENTENCES = {
    "IEO": "It's eleven o'clock",
    "TIE": "That is exactly what happened",
    "IOM": "I'm on my way to the meeting",
    "IWW": "I wonder what this is about",
    "TAI": "The airplane is almost full",
    "MTI": "Maybe tomorrow it will be cold",
    "IWL": "I would like a new alarm clock",
    "ITH": "I think I have a doctor's appointment",
    "DFA": "Don't forget a jacket",
    "ITS": "I think I've seen this before",
    "TSI": "The surface is slick",
    "WSI": "We'll stop in a couple of minutes",
}
EMOTIONS: dict[str, Emotion] = {
    "ANG": "angry",
    "DIS": "disgusted",
    "FEA": "fear",
    "HAP": "happy",
    "NEU": "neutral",
    "SAD": "sad",
}
LEVELS = {"LO": 0.2, "MD": 0.5, "HI": 0.8, "XX": None}
_LFS = b"version https://git-lfs"
BROKEN = {
    "1076_MTI_SAD_XX": "no sound",
    "1076_MTI_NEU_XX": "almost empty",
    "1064_TIE_SAD_XX": "no duration",
    "1064_IEO_DIS_MD": "all emotions of the sentence in one file",
}
"""Clips that users of the dataset found broken as published; told, and left to whoever reads."""

ABOUT = About(
    title="Crowd-sourced Emotional Multimodal Actors Dataset",
    paper="Cao, Cooper, Keutmann, Gur, Nenkova, Verma: CREMA-D. IEEE Transactions on Affective"
    " Computing 5 (4), 2014",
    size="91 actors, 7,442 clips, 11.1 h by the survey's table",
    licence="ODbL 1.0",
    terms="Open Database License 1.0; single contents under the Database Contents License 1.0.",
    page="https://github.com/CheyneyComputerScience/CREMA-D",
    unverified="The list of broken clips is of others who used the dataset.",
)


def matches(root: Path) -> bool:
    """Whether videos have CREMA-D's names."""
    return any(
        _NAME.fullmatch(path.stem)
        for folder in (root / "VideoFlash", root)
        for path in files.first_files(folder, SUFFIXES)
    )


def records(root: Path, tell: Tell) -> Iterator[ClipRecord]:
    """One record for each video."""
    folder = root / "VideoFlash" if (root / "VideoFlash").is_dir() else root
    for video in files.list_videos(folder, tell):
        place = files.place_of(video, root)
        name = _NAME.fullmatch(video.stem)
        if name is None:
            tell(Problem(place, "no CREMA-D file name"))
            continue
        actor, sentence, emotion, level = name.groups()
        if sentence not in SENTENCES:
            tell(Problem(place, "unknown sentence", sentence))
        if emotion not in EMOTIONS:
            tell(Problem(place, "unknown emotion", emotion))
        if level not in LEVELS:
            tell(Problem(place, "unknown level", level))
        if video.stem in BROKEN:
            tell(Problem(place, "known to be broken", BROKEN[video.stem]))
        if _is_pointer(video):
            tell(Problem(place, "Git LFS pointer", "the file itself was not pulled"))
            continue
        sound = root / "AudioWAV" / f"{video.stem}.wav"
        yield ClipRecord(
            "crema-d",
            place,
            speaker=actor,
            audio=files.place_of(sound, root) if sound.is_file() else "",
            text=SENTENCES.get(sentence, ""),
            language="en",
            emotion=EMOTIONS.get(emotion),
            emotion_label=emotion,
            intensity=LEVELS.get(level),
            intensity_label=level,
            licence=ABOUT.licence,
        )


def _is_pointer(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(_LFS)) == _LFS
    except OSError:
        return False


ADAPTER = Adapter(
    "crema-d", ABOUT, "VideoFlash/ with files named as 1001_DFA_ANG_XX.flv", matches, records
)
