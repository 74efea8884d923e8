"""LRW: 500 words from British television, up to 1000 times each, in the middle of 29 frames.

As published::

    lipread_mp4/ABOUT/train/ABOUT_00001.mp4    256x256, 25 frames a second, 1.16 s
    lipread_mp4/ABOUT/train/ABOUT_00001.txt    with a line "Duration: 0.36 seconds"
    lipread_mp4/ABOUT/{val,test}/…

The word lies in the middle of its clip and lasts as long as ``Duration`` says; from that its times are
made. Who speaks is not published.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from visavis.training.data.adapters import label_files as files
from visavis.training.data.adapters.record import (
    About,
    Adapter,
    ClipRecord,
    Problem,
    Split,
    Tell,
    Word,
)
from visavis.training.data.clip_sources import SUFFIXES

_SECONDS = 29 / 25
_SPLITS: tuple[Split, ...] = ("train", "val", "test")
_WORD = re.compile(r"[A-Z]+", re.ASCII)
_DURATION = re.compile(r"^\s*Duration:\s*([0-9.]+)", re.MULTILINE)

ABOUT = About(
    title="Lip Reading in the Wild",
    paper="Chung, Zisserman: Lip Reading in the Wild. ACCV 2016",
    size="500 words, 514,000 clips for training and validation, 25,000 for testing, 173 h",
    licence="BBC, academic research only",
    terms="Signed agreement with BBC Research & Development; not for industrial research.",
    page="https://www.robots.ox.ac.uk/~vgg/data/lip_reading/lrw1.html",
    unverified="Lines of the text files other than Duration, which is what users of the dataset read.",
)


def matches(root: Path) -> bool:
    """Whether a word's folder has splits with clips of its name."""
    return any(
        re.fullmatch(rf"{word.name}_\d{{5}}", path.stem, re.ASCII)
        for word in files.first_folders(_top(root))
        if _WORD.fullmatch(word.name)
        for split in _SPLITS
        for path in files.first_files(word / split, [*SUFFIXES, ".txt"])
    )


def records(root: Path, tell: Tell) -> Iterator[ClipRecord]:
    """One record for each video or text file."""
    for word in files.list_folders(_top(root), tell):
        for split in _SPLITS:
            if not (word / split).is_dir():
                tell(Problem(files.place_of(word, root), "split missing", split))
            for name in files.list_stems([word / split], [*SUFFIXES, ".txt"]):
                if not name.startswith(f"{word.name}_"):
                    tell(Problem(files.place_of(word / split / name, root), "no LRW file name"))
                    continue
                labels = word / split / f"{name}.txt"
                yield ClipRecord(
                    "lrw",
                    files.place_of(labels.with_suffix(".mp4"), root),
                    split=split,
                    seconds=_SECONDS,
                    text=word.name,
                    words=_times(labels, word.name, root, tell),
                    language="en",
                    licence=ABOUT.licence,
                )


def _top(root: Path) -> Path:
    return root / "lipread_mp4" if (root / "lipread_mp4").is_dir() else root


def _times(path: Path, word: str, root: Path, tell: Tell) -> tuple[Word, ...]:
    text = files.read_label(path, root, tell)
    if text is None:
        return ()
    found = _DURATION.search(text)
    duration = files.to_number(found[1]) if found else None
    if duration is None or not 0 < duration <= _SECONDS:
        tell(Problem(files.place_of(path, root), "no duration", found[0].strip() if found else ""))
        return ()
    return (Word(word, (_SECONDS - duration) / 2, (_SECONDS + duration) / 2),)


ADAPTER = Adapter(
    "lrw", ABOUT, "lipread_mp4/ABOUT/train/ABOUT_00001.mp4 and the like", matches, records
)
