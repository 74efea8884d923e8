"""lrc_ar: short clips of Arabic news with their words; what this project's networks learn from.

As it lies::

    manifest.json                  source, licence, clips: file, duration, fps, frames, sha256, …
    train/id20/00139.mp4           256x256, mostly 25 frames a second; val/ likewise
    train/id20/00139.csv           a column "word", or columns "conf,end,start,word" with times in s

The manifest is one JSON file and is held as a whole while reading.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

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

_MANIFEST = "manifest.json"
_SPLITS: dict[str, Split] = {"train": "train", "val": "val", "test": "test"}

ABOUT = About(
    title="lrc_ar, a part of LRW-AR/LRC-AR",
    paper="Essa-Ramzy, Arabic-Lip-Reading (repository), at 0f0c904",
    size="37 people, 1,869 clips of about 1.24 s, 38 min",
    licence="research only",
    terms="The repository is MIT; the pictures are broadcast news, for research only.",
    page="https://github.com/Essa-Ramzy/Arabic-Lip-Reading",
    unverified="Nothing: it was read as it lies.",
)


def matches(root: Path) -> bool:
    """Whether the manifest is there and lists clips in folders of splits."""
    path = root / _MANIFEST
    if not path.is_file():
        return False
    clips = _read_manifest(path, root, lambda problem: None)
    first = clips[0] if clips else None
    return isinstance(first, dict) and _split_path(first.get("file")) is not None


def records(root: Path, tell: Tell) -> Iterator[ClipRecord]:
    """One record for each clip of the manifest."""
    seen: set[str] = set()
    for index, clip in enumerate(_read_manifest(root / _MANIFEST, root, tell)):
        place = f"{_MANIFEST}: clip {index}"
        name = clip.get("file") if isinstance(clip, dict) else None
        parts = _split_path(name)
        if parts is None:
            tell(Problem(place, "malformed row", str(name)))
            continue
        video, split, speaker = parts
        if video in seen:
            tell(Problem(place, "listed twice", video))
            continue
        seen.add(video)
        duration = clip.get("duration")
        if not isinstance(duration, int | float) or duration <= 0:
            tell(Problem(place, "no duration", video))
            duration = None
        text, words = _read_words((root / video).with_suffix(".csv"), root, tell)
        yield ClipRecord(
            "lrc-ar",
            video,
            split=split,
            speaker=speaker,
            seconds=duration,
            text=text,
            words=words,
            language="ar",
            licence=ABOUT.licence,
        )


def _read_manifest(path: Path, root: Path, tell: Tell) -> list[Any]:
    text = files.read_label(path, root, tell)
    if text is None:
        return []
    try:
        clips = json.loads(text)["clips"]
    except (ValueError, KeyError, TypeError) as error:
        tell(Problem(_MANIFEST, "malformed manifest", str(error)))
        return []
    return clips if isinstance(clips, list) else []


def _split_path(name: object) -> tuple[str, Split, str] | None:
    """Path, split and speaker of SPLIT/SPEAKER/NAME.mp4."""
    if not isinstance(name, str):
        return None
    parts = PurePosixPath(name).parts
    if len(parts) != 3 or parts[0] not in _SPLITS or ".." in parts:
        return None
    return name, _SPLITS[parts[0]], parts[1]


def _read_words(path: Path, root: Path, tell: Tell) -> tuple[str, tuple[Word, ...]]:
    rows = csv.DictReader(line for _, line in files.read_lines(path, root, tell))
    spoken, words = [], []
    for row in rows:
        word = (row.get("word") or "").strip()
        if not word:
            tell(Problem(files.place_of(path, root), "malformed row", str(list(row.values()))))
            continue
        spoken.append(word)
        if "start" in row:
            start, end = _time(row.get("start")), _time(row.get("end"))
            if start is None or end is None or end < start:
                tell(Problem(files.place_of(path, root), "malformed time", word))
            else:
                words.append(Word(word, start, end))
    return " ".join(spoken), tuple(words)


def _time(cell: str | None) -> float | None:
    return files.to_number(cell or "")


ADAPTER = Adapter("lrc-ar", ABOUT, "manifest.json with clips of train/ and val/", matches, records)
