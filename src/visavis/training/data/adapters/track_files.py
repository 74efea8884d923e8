"""The label files of one laboratory's datasets: LRS2, LRS3, VoxCeleb 1 and 2.

Fields with a colon, then a table of the face in each frame, then one of the words; each part may be
missing::

    Text:  THANK YOU                    Identity  :  id00017
    Conf:  4                            Reference :  _mjZ87sK6cA
    Ref:   00j9bKdiOjk                  Offset    :  2

    FRAME   X       Y       W       H
    008809  0.123   0.136   0.422   0.749

    WORD START END ASDSCORE
    THANK 0.10 0.32 8.1

Frames are counted at 25 a second in the video that the clip was cut from. Boxes are shares of the
picture in LRS3 and VoxCeleb2, pixels in VoxCeleb1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from visavis.training.data.adapters import label_files as files
from visavis.training.data.adapters.record import Box, Origin, Problem, Tell, Word

FPS = 25
_FRAMES = ["FRAME", "X", "Y", "W", "H"]
_WORDS = ["WORD", "START", "END"]
_WATCH = "https://www.youtube.com/watch?v="


@dataclass(frozen=True, slots=True)
class TrackFile:
    """What a label file says.

    Attributes:
        fields: By name in small letters.
        words: Seconds from the beginning of the clip.
        start: Seconds of the first frame in the video that the clip was cut from, or None.
        end: Seconds of the end of the last frame, or None.
        box: Around the face in all frames, or None.
    """

    fields: Mapping[str, str]
    words: tuple[Word, ...]
    start: float | None
    end: float | None
    box: Box | None

    @property
    def seconds(self) -> float | None:
        """How long the clip is: by its frames, or None where it has none."""
        return None if self.start is None or self.end is None else self.end - self.start

    def origin(self, name: str) -> Origin:
        """What the clip was cut from, by YouTube's name of it."""
        return Origin(name, _WATCH + name, self.start, self.end, self.box)


def read_track_file(
    path: Path, root: Path, unit: Literal["pixels", "share"], tell: Tell
) -> TrackFile | None:
    """Read one; rows that cannot be read are told and left out. None where there is no file."""
    text = files.read_label(path, root, tell)
    if text is None:
        return None
    place = files.place_of(path, root)
    fields: dict[str, str] = {}
    frames: list[int] = []
    box: tuple[float, float, float, float] | None = None
    words: list[Word] = []
    table = ""
    for number, line in enumerate(text.split("\n"), 1):
        parts = line.split()
        if not parts:
            continue
        if parts == _FRAMES or parts[:3] == _WORDS:
            table = parts[0]
            continue
        if table == "":
            name, colon, value = line.partition(":")
            if colon:
                fields[name.strip().lower()] = value.strip()
                continue
        elif table == "FRAME" and len(parts) == 5:
            values = [files.to_number(part) for part in parts]
            if None not in values:
                frame, x, y, width, height = (value for value in values if value is not None)
                frames.append(int(frame))
                box = _union(box, (x, y, x + width, y + height))
                continue
        elif table == "WORD" and len(parts) in (3, 4):
            start, end = files.to_number(parts[1]), files.to_number(parts[2])
            if start is not None and end is not None and end >= start:
                words.append(Word(parts[0], start, end))
                continue
        tell(Problem(f"{place}:{number}", "malformed label row", line.strip()))
    if frames and frames != list(range(frames[0], frames[0] + len(frames))):
        tell(Problem(place, "frames not one after the other"))
    return TrackFile(
        fields,
        tuple(words),
        min(frames) / FPS if frames else None,
        (max(frames) + 1) / FPS if frames else None,
        Box(*box, unit) if box is not None else None,
    )


def _union(
    one: tuple[float, float, float, float] | None, other: tuple[float, float, float, float]
) -> tuple[float, float, float, float]:
    if one is None:
        return other
    return (
        min(one[0], other[0]),
        min(one[1], other[1]),
        max(one[2], other[2]),
        max(one[3], other[3]),
    )
