"""AVSpeech: 290,000 YouTube videos, three to ten seconds of one speaker each; labels only.

As published::

    avspeech_train.csv  avspeech_test.csv     no header; YOUTUBE_ID,START,END,X,Y

START and END are seconds in the video; X and Y the middle of the face at the beginning, as shares of
the picture. No videos are offered. Copies are looked for in ``train/`` and ``test/``, as what a widely
used downloader writes, ``ID_START_END.mp4`` (the cut clip), or as ``ID.mp4`` (the whole video). Who
speaks, what and in which language is not published.
"""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from visavis.training.data.adapters import label_files as files
from visavis.training.data.adapters.record import (
    About,
    Adapter,
    Box,
    ClipRecord,
    Origin,
    Problem,
    Split,
    Tell,
)

_SPLITS: tuple[Split, ...] = ("train", "test")
_ID = re.compile(r"[\w-]{11}", re.ASCII)
_LOOKED_AT = 20
"""Lines of a list that are looked at to recognise it."""
_ENDINGS = (".mp4", ".mkv", ".webm")

ABOUT = About(
    title="AVSpeech",
    paper="Ephrat, Mosseri, Lang, Dekel, Wilson, Hassidim, Freeman, Rubinstein: Looking to Listen at the"
    " Cocktail Party. ACM Transactions on Graphics 37 (4), 2018",
    size="about 150,000 people, 2.6 million segments for training, 183,000 for testing, 4,700 h",
    licence="CC BY 4.0 (u)",
    terms="Labels CC BY 4.0, by others' word; videos belong to who published them on YouTube.",
    page="https://looking-to-listen.github.io/avspeech/",
    unverified="How copies are laid out: it is everybody's own choice.",
)


def matches(root: Path) -> bool:
    """Whether one of the lists is there, with five columns."""
    for split in _SPLITS:
        lines = files.read_lines(_list(root, split), root, lambda problem: None)
        if any(_read(line) is not None for _, line in islice(lines, _LOOKED_AT)):
            return True
    return False


def records(root: Path, tell: Tell) -> Iterator[ClipRecord]:
    """One record for each row."""
    top = str(root)
    for split in _SPLITS:
        path = _list(root, split)
        for number, line in files.read_lines(path, root, tell):
            place = f"{path.name}:{number}"
            row = _read(line)
            if row is None:
                tell(Problem(place, "malformed row", line))
                continue
            name, begins, ends, (start, end, x, y) = row
            if end <= start:
                tell(Problem(place, "ends before it starts", line))
                continue
            point = None
            if 0 <= x <= 1 and 0 <= y <= 1:
                point = Box(x, y, x, y, "share")
            else:
                tell(Problem(place, "face outside the picture", f"{x}, {y}"))
            video, is_cut = _find_video(top, split, name, begins, ends)
            yield ClipRecord(
                "avspeech",
                video,
                split=split,
                start=None if is_cut else start,
                end=None if is_cut else end,
                seconds=end - start,
                box=point,
                origin=Origin(name, f"https://www.youtube.com/watch?v={name}", start, end, point),
                licence=ABOUT.licence,
            )


def _list(root: Path, split: str) -> Path:
    return root / f"avspeech_{split}.csv"


def _read(line: str) -> tuple[str, str, str, tuple[float, float, float, float]] | None:
    """Name, both times as written, and the four numbers."""
    cells = [cell.strip() for cell in next(csv.reader([line]), [])]
    if len(cells) != 5 or not _ID.fullmatch(cells[0]):
        return None
    start, end, x, y = (files.to_number(cell) for cell in cells[1:])
    if start is None or end is None or x is None or y is None:
        return None
    return cells[0], cells[1], cells[2], (start, end, x, y)


def _find_video(top: str, split: str, name: str, start: str, end: str) -> tuple[str, bool]:
    """Path of the video below the root, and whether it is the cut clip, which is also said of none.

    Plain strings: a path object for each of millions of rows would take most of the time.
    """
    for stem, is_cut in ((f"{name}_{start}_{end}", True), (name, False)):
        for ending in _ENDINGS:
            if os.path.isfile(f"{top}/{split}/{stem}{ending}"):
                return f"{split}/{stem}{ending}", is_cut
    return f"{split}/{name}_{start}_{end}.mp4", True


ADAPTER = Adapter("avspeech", ABOUT, "avspeech_train.csv or avspeech_test.csv", matches, records)
