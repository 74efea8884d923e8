"""Whether a file's sound begins when its pictures do."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

from visavis.core.errors import NoAudioStream, NoVideoStream
from visavis.media.container import find_video, open_input


def stream_offset(path: Path) -> float:
    """Milliseconds from the first picture of a file to the first of its sound, by its timestamps.

    Positive: the sound begins later. What players do with it differs; 0 is the same for all. Says
    nothing of whether the sound fits the lips: that is ``sync_offset``.

    Raises:
        FileUnreadable: Missing, broken or no media.
        NoVideoStream: Sound only.
        NoAudioStream: No sound.
    """
    with open_input(path) as container:
        video = find_video(container)
        if video is None:
            raise NoVideoStream(f"{path} has no moving picture; give a video")
        if not container.streams.audio:
            raise NoAudioStream(f"{path} has no sound; give a video with sound")
        starts = [
            Fraction(stream.start_time or 0) * Fraction(stream.time_base or 1)
            for stream in (video, container.streams.audio[0])
        ]
    return float(1000 * (starts[1] - starts[0]))
