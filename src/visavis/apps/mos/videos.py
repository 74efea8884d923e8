"""What a rater's browser needs to know of a video, and what would give away who made it."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from visavis.apps.mos.plan import Plan
from visavis.core.errors import FileUnreadable
from visavis.media.container import find_video, open_input

_PLAYED = {"h264", "vp8", "vp9", "av1"}
"""Codecs that browsers of phones and desktops play."""
_PIXELS = {"yuv420p", "yuvj420p"}
"""Of H.264; what else there is plays on some devices only."""


@dataclass(frozen=True, slots=True)
class Video:
    """A file as its header describes it.

    Attributes:
        seconds: Length.
        width: Pixels.
        height: Pixels.
        has_sound: Whether there is an audio stream.
        told: The texts of its header, lower case.
    """

    seconds: float
    width: int
    height: int
    has_sound: bool
    told: str


def look_at(path: Path) -> Video:
    """Read the header of a video.

    Raises:
        FileUnreadable: It is no video, or none that browsers play.
    """
    with open_input(path) as container:
        stream = find_video(container)
        if stream is None:
            raise FileUnreadable(f"{path} has no picture; give a video")
        codec = stream.codec_context.name
        known = "av1" if "av1" in codec else codec.removeprefix("lib")
        if known not in _PLAYED or (known == "h264" and stream.pix_fmt not in _PIXELS):
            raise FileUnreadable(
                f"{path} is {codec} ({stream.pix_fmt}), which many browsers do not play;"
                " convert it to H.264 with yuv420p"
            )
        if container.duration is not None:
            seconds = container.duration / 1e6
        elif stream.duration is not None and stream.time_base is not None:
            seconds = float(stream.duration * stream.time_base)
        else:
            raise FileUnreadable(f"{path} does not say how long it is; write it anew as MP4")
        texts = [*container.metadata.values(), *stream.metadata.values()]
        return Video(
            seconds=seconds,
            width=stream.width,
            height=stream.height,
            has_sound=bool(container.streams.audio),
            told=" ".join(texts).casefold(),
        )


def find_hints(plan: Plan, videos: dict[Path, Video]) -> list[str]:
    """Find differences of videos by which a rater could tell systems apart, as sentences."""
    hints = []
    differing: dict[str, list[str]] = defaultdict(list)
    for item in plan.items:
        ours = [videos[files[item]] for files in plan.systems.values()]
        if len({(v.width, v.height) for v in ours}) > 1:
            differing["size"].append(item)
        if len({v.has_sound for v in ours}) > 1:
            differing["presence of sound"].append(item)
        lengths = [v.seconds for v in ours]
        if max(lengths) - min(lengths) > 0.25:
            differing["length"].append(item)
    for what, items in differing.items():
        hints.append(
            f"the videos of {len(items)} items (such as {items[0]}) differ in {what} between"
            " systems, by which raters may tell them apart"
        )
    for system, files in plan.systems.items():
        name = system.casefold()
        if len(name) > 2 and any(name in videos[path].told for path in files.values()):
            hints.append(
                f"headers of videos of {system!r} hold that name; the page does not show it, but"
                " who saves the file can read it"
            )
    return hints
