"""ObamaSet: the weekly addresses of one president, 2009 to 2016.

As published (the repository of the paper, which has labels and no videos)::

    obama_data/processed_fps.txt                 a line is YOUTUBE_ID<tab>DATE
    obama_data/2AFpAATHXtc}}00/nframe.txt        length of a part that was used, in frames
    obama_data/2AFpAATHXtc}}00/startframe.txt    its first frame, from 1; 1 where there is no file
    obama_data/2AFpAATHXtc}}00/*.bin             mouth coefficients, not read

Frames are at 29.97 a second. Each part is a record, or the whole address where it has none. Videos are
looked for as ID.mp4 (or another video's ending) in ``videos/`` or in the root: that place is this
project's choice. No split is published. Some addresses are listed twice.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from visavis.training.data.adapters import label_files as files
from visavis.training.data.adapters.record import About, Adapter, ClipRecord, Origin, Problem, Tell
from visavis.training.data.clip_sources import SUFFIXES

FPS = 29.97
_LIST = "processed_fps.txt"
_ROW = re.compile(r"([\w-]{11})\t(.+)", re.ASCII)

ABOUT = About(
    title="ObamaSet (Synthesizing Obama)",
    paper="Suwajanakorn, Seitz, Kemelmacher-Shlizerman: Synthesizing Obama: Learning Lip Sync from"
    " Audio. ACM Transactions on Graphics 36 (4), 2017",
    size="1 person, about 300 addresses, 17 h by the paper, 14 h by the survey",
    licence="none stated",
    terms="The repository states no licence; the addresses are of the White House, on YouTube.",
    page="https://github.com/supasorn/synthesizing_obama_network_training",
    unverified="That startframe.txt and nframe.txt are in the repository: its program reads them.",
)


def matches(root: Path) -> bool:
    """Whether the list of addresses is there."""
    path = _find_list(root)
    if path is None:
        return False
    first = next(files.read_lines(path, root, lambda problem: None), (0, ""))[1]
    return _ROW.fullmatch(first) is not None


def records(root: Path, tell: Tell) -> Iterator[ClipRecord]:
    """One record for each part of each address."""
    path = _find_list(root)
    if path is None:
        tell(Problem(f"obama_data/{_LIST}", "label file missing"))
        return
    seen: set[str] = set()
    for number, line in files.read_lines(path, root, tell):
        place = f"{files.place_of(path, root)}:{number}"
        row = _ROW.fullmatch(line)
        if row is None:
            tell(Problem(place, "malformed list row", line))
            continue
        if row[1] in seen:
            tell(Problem(place, "listed twice", row[1]))
            continue
        seen.add(row[1])
        yield from _parts(root, path.parent, row[1], tell)


def _find_list(root: Path) -> Path | None:
    places = (root / "obama_data" / _LIST, root / _LIST)
    return next((path for path in places if path.is_file()), None)


def _parts(root: Path, top: Path, name: str, tell: Tell) -> Iterator[ClipRecord]:
    video = _find_video(root, name)
    parts: list[Path | None] = []
    parts += sorted(path for path in top.glob(f"{name}}}}}[0-9]*") if path.is_dir())
    for part in parts or [None]:
        start = end = None
        if part is not None:
            first = _number(part / "startframe.txt", root, 1, tell)
            frames = _number(part / "nframe.txt", root, None, tell)
            if first is None or frames is None:
                continue
            start, end = (first - 1) / FPS, (first - 1 + frames) / FPS
        yield ClipRecord(
            "obama-set",
            files.place_of(video, root),
            speaker="Barack Obama",
            start=start,
            end=end,
            seconds=None if start is None or end is None else end - start,
            language="en",
            origin=Origin(name, f"https://www.youtube.com/watch?v={name}"),
            licence=ABOUT.licence,
        )


def _find_video(root: Path, name: str) -> Path:
    # YouTube's names may hold what looks like an ending, so nothing is replaced, only appended.
    for folder in (root / "videos", root):
        for suffix in sorted(SUFFIXES):
            if (folder / f"{name}{suffix}").is_file():
                return folder / f"{name}{suffix}"
    return root / "videos" / f"{name}.mp4"


def _number(path: Path, root: Path, missing: int | None, tell: Tell) -> int | None:
    if missing is not None and not path.is_file():
        return missing
    text = files.read_label(path, root, tell)
    if text is None:
        return None
    number = files.to_number(text.strip().partition("\n")[0])
    if number is None or number < 1:
        tell(Problem(files.place_of(path, root), "no frame number", text.strip()[:40]))
        return None
    return int(number)


ADAPTER = Adapter("obama-set", ABOUT, f"obama_data/{_LIST}", matches, records)
