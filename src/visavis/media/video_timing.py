"""When the pictures that ``read_video`` gives were shown, to a fraction of a frame."""

from __future__ import annotations

import math
from fractions import Fraction
from pathlib import Path

import numpy as np

from visavis.core.errors import NoVideoStream
from visavis.core.types import FPS
from visavis.media.container import find_video, open_input


def picture_lateness(path: str | Path, fps: int = FPS) -> float:
    """Seconds by which pictures come after the times ``index / fps`` of ``read_video``, on average.

    A video whose first picture comes 15 ms after its sound has frames at 15, 55, 95 ms; they are
    numbered as if they came at 0, 40, 80. Where lips must fit the sound to the millisecond, the
    sound for frame k is taken this much later. Never more than half a frame.

    Raises:
        FileUnreadable: Missing, broken or no media.
        NoVideoStream: Sound only.
    """
    with open_input(path) as container:
        stream = find_video(container)
        if stream is None:
            raise NoVideoStream(f"{path} has no moving picture; give a video")
        origin = Fraction(container.start_time or 0, 1_000_000)
        times = sorted(
            packet.pts * packet.time_base - origin
            for packet in container.demux(stream)
            if packet.pts is not None and packet.time_base is not None and not packet.is_discard
        )
    shown: dict[int, Fraction] = {}
    for time in times:  # of two pictures for one frame the later stands
        shown[math.floor(time * fps + Fraction(1, 2))] = time
    apart = [float(time - Fraction(slot, fps)) for slot, time in shown.items()]
    return float(np.mean(apart)) if apart else 0.0
