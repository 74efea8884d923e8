"""HDTF: talking heads of YouTube in high definition; labels only.

As published (the repository)::

    HDTF_dataset/RD_video_url.txt        NAME URL                    RD radio, WDA and WRA the weekly
    HDTF_dataset/RD_annotion_time.txt    NAME.mp4 MM:SS-MM:SS …      addresses of the two parties
    HDTF_dataset/RD_crop_wh.txt          NAME_INDEX.mp4 X WIDTH Y HEIGHT, pixels
    HDTF_dataset/RD_resolution.txt       NAME.mp4 LINES, the height that pixels are of

Each stretch of time is a clip. No videos are offered. Copies are looked for in the root, ``videos/`` and
``_videos_raw/``, by the README's names (``Radio11_0.mp4`` cut, ``Radio11.mp4`` whole) and by those of
the repository's program (``RD_Radio11_000.mp4`` cut and cropped, ``RD_Radio11.mp4`` whole).

Names of addresses are people's, with a number where there are several; names of ``RD`` are numbers and
tell nobody, so each is a speaker of its own. No split is published. The lists do not agree everywhere
(stretches without a crop, names without an address): that is told.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlparse

from visavis.training.data.adapters import label_files as files
from visavis.training.data.adapters.record import (
    About,
    Adapter,
    Box,
    ClipRecord,
    Origin,
    Problem,
    Tell,
)

_PARTS = ("RD", "WDA", "WRA")
_PLACES = ("", "videos", "_videos_raw")

ABOUT = About(
    title="High-definition Talking Face dataset",
    paper="Zhang, Li, Ding, Fan: Flow-guided One-shot Talking Face Generation with a High-resolution"
    " Audio-visual Dataset. CVPR 2021",
    size="about 300 people, 16 h, 720 or 1080 lines",
    licence="CC BY 4.0 (u)",
    terms="Labels CC BY 4.0, by others' word; videos belong to who published them on YouTube.",
    page="https://github.com/MRzzm/HDTF",
    unverified="Licence of the labels: the README that was read states none.",
)


def matches(root: Path) -> bool:
    """Whether the list of stretches of one of the three parts is there."""
    return any((_top(root) / f"{part}_annotion_time.txt").is_file() for part in _PARTS)


def records(root: Path, tell: Tell) -> Iterator[ClipRecord]:
    """One record for each stretch."""
    top = _top(root)
    for part in _PARTS:
        times = top / f"{part}_annotion_time.txt"
        if not times.is_file():
            tell(Problem(files.place_of(times, root), "label file missing"))
            continue
        urls = _table(top / f"{part}_video_url.txt", root, tell)
        crops = _table(top / f"{part}_crop_wh.txt", root, tell)
        lines = _table(top / f"{part}_resolution.txt", root, tell)
        for number, line in files.read_lines(times, root, tell):
            place = f"{files.place_of(times, root)}:{number}"
            name, *stretches = line.split()
            name = name.removesuffix(".mp4")
            if not stretches:
                tell(Problem(place, "no time", name))
            url = (urls.get(name) or [""])[0]
            if not url:
                tell(Problem(place, "no address", name))
            before = 0.0
            for index, stretch in enumerate(stretches):
                span = _read_span(stretch)
                if span is None:
                    tell(Problem(place, "malformed time", stretch))
                    continue
                if span[0] < before:
                    tell(Problem(place, "stretches overlap", stretch))
                before = max(before, span[1])
                box = _read_box(crops.get(f"{name}_{index}.mp4"), lines.get(f"{name}.mp4"))
                if box is None:
                    tell(Problem(place, "no crop", f"{name}_{index}"))
                yield _record(root, part, name, index, span, box, url)


def _record(
    root: Path,
    part: str,
    name: str,
    index: int,
    span: tuple[float, float],
    box: Box | None,
    url: str,
) -> ClipRecord:
    cut = (f"{name}_{index}.mp4", f"{part}_{name}_{index:03d}.mp4")
    whole = (f"{name}.mp4", f"{part}_{name}.mp4")
    video = _find(root, cut)
    is_whole = video is None and (found := _find(root, whole)) is not None
    if is_whole:
        video = found
    start, end = span
    return ClipRecord(
        "hdtf",
        files.place_of(video or root / cut[0], root),
        speaker=name if part == "RD" else name.rstrip("0123456789"),
        start=start if is_whole else None,
        end=end if is_whole else None,
        seconds=end - start,
        box=box if is_whole else None,
        origin=Origin(_video_id(url) or name, url, start, end, box),
        licence=ABOUT.licence,
    )


def _top(root: Path) -> Path:
    return root / "HDTF_dataset" if (root / "HDTF_dataset").is_dir() else root


def _find(root: Path, names: tuple[str, ...]) -> Path | None:
    paths = (root / place / name for place in _PLACES for name in names)
    return next((path for path in paths if path.is_file()), None)


def _table(path: Path, root: Path, tell: Tell) -> dict[str, list[str]]:
    """Rows by their first cell; some hundred."""
    rows = (line.split() for _, line in files.read_lines(path, root, tell))
    return {row[0]: row[1:] for row in rows}


def _read_span(text: str) -> tuple[float, float] | None:
    start, _, end = text.partition("-")
    times = [_read_time(start), _read_time(end)]
    if times[0] is None or times[1] is None or times[1] <= times[0]:
        return None
    return times[0], times[1]


def _read_time(text: str) -> float | None:
    """Seconds of MM:SS or HH:MM:SS."""
    parts = text.split(":")
    if not 2 <= len(parts) <= 3 or not all(part.isdecimal() for part in parts):
        return None
    total = 0.0
    for part in parts:
        total = 60 * total + int(part)
    return total


def _read_box(crop: list[str] | None, lines: list[str] | None) -> Box | None:
    numbers = [files.to_number(cell) for cell in crop or []]
    if len(numbers) != 4:
        return None
    left, width, top, height = numbers
    if left is None or width is None or top is None or height is None:
        return None
    tall = files.to_number(lines[0]) if lines else None
    return Box(left, top, left + width, top + height, "pixels", int(tall or 0))


def _video_id(url: str) -> str:
    return (parse_qs(urlparse(url).query).get("v") or [""])[0]


ADAPTER = Adapter(
    "hdtf", ABOUT, "HDTF_dataset/ with RD_, WDA_ or WRA_annotion_time.txt", matches, records
)
