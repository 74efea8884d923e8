"""What a lip generator draws, to look at: a sheet of pictures and a video with sound."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from visavis.core.types import FPS, Floats, Picture, Segment, VideoFrame, Waveform
from visavis.media.picture import write_png
from visavis.media.video_writer import VideoWriter

RATE = 16_000
_COLUMNS = 6
_GAP = 6
_SCALE = 2


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """A clip, and what was made of it.

    Attributes:
        real: uint8 (T, S, S, 3).
        own: Drawn with the clip's own sound.
        crossed: Drawn with another clip's sound.
        sound: The clip's own, float32 at 16 kHz.
        other_sound: The other's.
        other: The other clip's real pictures.
    """

    real: Picture
    own: Picture
    crossed: Picture
    sound: Floats
    other_sound: Floats
    other: Picture


def make_sheet(samples: Sequence[Sample], path: Path) -> Picture:
    """Write a sheet: of each clip a row of real frames, one drawn with its sound, one with another's."""
    rows = []
    for sample in samples:
        count = min(len(sample.real), len(sample.own), len(sample.crossed))
        shown = np.linspace(0, count - 1, _COLUMNS + 1).round().astype(int)[1:]
        rows += [
            _in_a_row(pictures[shown]) for pictures in (sample.real, sample.own, sample.crossed)
        ]
        rows.append(np.full((_GAP, rows[-1].shape[1], 3), 255, np.uint8))
    sheet = np.concatenate(rows[:-1])
    write_png(path, sheet)
    return sheet


def write_video(samples: Sequence[Sample], path: Path) -> None:
    """Write a video: real beside drawn, first with a clip's own sound, then with another's.

    In the second part the real face is the one whose sound it is.
    """
    with VideoWriter(path) as writer:
        index = 0
        for sample in samples:
            for left, right, sound in (
                (sample.real, sample.own, sample.sound),
                (sample.other, sample.crossed, sample.other_sound),
            ):
                count = min(len(left), len(right))
                frames = tuple(
                    VideoFrame(_enlarge(_in_a_row(np.stack([left[i], right[i]]))), index + i)
                    for i in range(count)
                )
                heard = np.zeros(count * RATE // FPS, np.float32)
                part = sound[: len(heard)]
                heard[: len(part)] = part
                writer.write(Segment(0, Waveform(heard, RATE, index * RATE // FPS), frames))
                index += count


def _in_a_row(pictures: Picture) -> Picture:
    return np.concatenate(list(pictures), axis=1)


def _enlarge(picture: Picture) -> Picture:
    import cv2

    enlarged: Picture = cv2.resize(
        picture, None, fx=_SCALE, fy=_SCALE, interpolation=cv2.INTER_CUBIC
    )
    return enlarged
