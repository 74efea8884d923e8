"""Video files in and out. Frames are RGB uint8 (H, W, 3), always 25 a second unless told otherwise."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Generator, Mapping
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from visavis.core.errors import FileUnreadable, NoVideoStream
from visavis.core.types import FPS, Picture, VideoFrame
from visavis.media.container import decode_frames, find_video, open_input
from visavis.media.video_writer import GENERATED_KEY, VideoWriter

if TYPE_CHECKING:
    import av
    from av.container import InputContainer
    from av.video.reformatter import VideoReformatter
    from av.video.stream import VideoStream

__all__ = ["MediaInfo", "VideoWriter", "probe", "read_video"]

_LONGEST_HOLD = 60
"""Seconds that one picture may stand; a longer jump of the timestamps is damage."""
_BT709 = 1
_HD_LINES = 720
"""From this height on, video that does not say its colour matrix is BT.709, below BT.601."""


@dataclasses.dataclass(frozen=True, slots=True)
class MediaInfo:
    """What a media file holds.

    Attributes:
        format: FFmpeg's name of the container.
        duration: Seconds; the longest stream's.
        width: Pixels as shown, after rotation; 0 without video.
        height: Pixels as shown.
        fps: Average frames a second; 0 without video.
        frames: Number of pictures, by the container or estimated.
        rotation: Degrees by which the picture is turned clockwise for showing.
        video_codec: Empty without video.
        video_duration: Seconds.
        audio_codec: Empty without sound.
        sample_rate: Hz; 0 without sound.
        channels: Of the sound.
        audio_duration: Seconds.
        metadata: The container's text fields.
    """

    format: str
    duration: float
    width: int = 0
    height: int = 0
    fps: float = 0.0
    frames: int = 0
    rotation: int = 0
    video_codec: str = ""
    video_duration: float = 0.0
    audio_codec: str = ""
    sample_rate: int = 0
    channels: int = 0
    audio_duration: float = 0.0
    metadata: Mapping[str, str] = dataclasses.field(default_factory=dict)

    @property
    def is_ai_generated(self) -> bool:
        """Whether the file says so in the way that ``VideoWriter`` does."""
        try:
            stated = json.loads(self.metadata.get("description", ""))
        except ValueError:
            return False
        return isinstance(stated, dict) and bool(stated.get(GENERATED_KEY))


def probe(path: str | Path) -> MediaInfo:
    """Say what a media file holds, from its headers and first picture.

    Raises:
        FileUnreadable: Missing, broken or no media.
    """
    with open_input(path) as container:
        total = (container.duration or 0) / 1_000_000
        info: dict[str, Any] = {}
        audio = container.streams.audio[0] if container.streams.audio else None
        if audio is not None and audio.codec_context is not None:
            length = _stream_seconds(audio) or total
            info |= {
                "audio_codec": audio.codec_context.codec.canonical_name,
                "sample_rate": audio.sample_rate,
                "channels": audio.channels,
                "audio_duration": length,
            }
        video = find_video(container)
        if video is not None and video.codec_context is not None:
            length = _stream_seconds(video) or total
            fps = float(video.average_rate or 0)
            first = next(decode_frames(path, container, video), None)
            if first is None:
                raise FileUnreadable(f"no picture of {path} can be decoded; give another file")
            width, height = _shown_size(first, video)
            info |= {
                "video_codec": video.codec_context.codec.canonical_name,
                "video_duration": length,
                "fps": fps,
                "frames": video.frames or round(length * fps),
                "rotation": -first.rotation % 360,
                "width": width,
                "height": height,
            }
        if not info:
            raise FileUnreadable(f"{path} has neither sound nor picture; give a media file")
        total = max(total, info.get("audio_duration", 0), info.get("video_duration", 0))
        return MediaInfo(container.format.name, total, metadata=dict(container.metadata), **info)


def read_video(
    path: str | Path, fps: int = FPS, max_side: int | None = None
) -> Generator[VideoFrame, None, None]:
    """Decode lazily at a constant frame rate.

    Output frame k is what a viewer sees at k / fps seconds, to the nearest frame: pictures are
    repeated or left out by their timestamps, so variable rates stay in step with the sound. Frames
    that repeat share one array; do not write into it.

    Args:
        path: Any container and codec that FFmpeg knows.
        fps: Of the result.
        max_side: Shrink so that neither side is longer (pixels).

    Raises:
        FileUnreadable: Missing, broken or no media.
        NoVideoStream: Sound only.
    """
    from av.video.reformatter import VideoReformatter

    swscale = VideoReformatter()
    with open_input(path) as container:
        stream = find_video(container)
        if stream is None or stream.codec_context is None:
            if not container.streams.audio:
                raise FileUnreadable(f"{path} has neither sound nor picture; give a video")
            raise NoVideoStream(f"{path} has no moving picture; give a video")
        stream.thread_type = "AUTO"
        stream.codec_context.thread_count = 2
        made = 0
        pending: tuple[av.VideoFrame, Any] | None = None
        last_end = Fraction(0)
        for frame, start, end in _timed(path, container, stream):
            slot = math.floor(start * fps + Fraction(1, 2))
            if pending is not None and slot > made:
                image = _to_rgb(pending[0], stream, max_side, swscale)
                while made < slot:
                    yield VideoFrame(image, made, fps)
                    made += 1
            pending, last_end = (frame, slot), end
        if pending is None:
            raise FileUnreadable(f"no picture of {path} can be decoded; give another file")
        image = _to_rgb(pending[0], stream, max_side, swscale)
        until = max(1, math.floor(last_end * fps + Fraction(1, 2)))
        if pending[1] < last_end * fps:
            until = max(until, pending[1] + 1)
        while made < until:
            yield VideoFrame(image, made, fps)
            made += 1


def _timed(
    path: str | Path, container: InputContainer, stream: VideoStream
) -> Generator[tuple[av.VideoFrame, Fraction, Fraction], None, None]:
    """Decoded frames with their start and end in seconds since the file's beginning."""
    rate = stream.average_rate or stream.guessed_rate or Fraction(FPS)
    usual = 1 / rate
    origin = Fraction(container.start_time or 0, 1_000_000)
    end = Fraction(0)
    frame: av.VideoFrame
    for frame in decode_frames(path, container, stream):
        if frame.pts is None or frame.time_base is None:
            start = end
        else:
            start = frame.pts * frame.time_base - origin
            if not -_LONGEST_HOLD < start - end < _LONGEST_HOLD:
                origin += start - end
                start = end
        length = usual
        if frame.duration and frame.time_base is not None:
            length = min(frame.duration * frame.time_base, Fraction(_LONGEST_HOLD))
        end = start + length
        yield frame, start, end


def _shown_size(frame: av.VideoFrame, stream: VideoStream) -> tuple[int, int]:
    """Width and height after pixel aspect and rotation."""
    aspect = stream.sample_aspect_ratio or Fraction(1)
    width, height = frame.width, frame.height
    if aspect > 0 and aspect != 1:
        width = max(1, round(width * aspect))
    return (height, width) if frame.rotation % 180 else (width, height)


def _to_rgb(
    frame: av.VideoFrame, stream: VideoStream, max_side: int | None, swscale: VideoReformatter
) -> Picture:
    """Colours, size and pixel aspect in one pass of swscale, then the rotation."""
    width, height = _shown_size(frame, stream)
    longest = max(width, height)
    if max_side is not None and longest > max_side:
        width = max(1, round(width * max_side / longest))
        height = max(1, round(height * max_side / longest))
    if frame.rotation % 180:
        width, height = height, width
    unspecified = int(frame.colorspace) == 2
    matrix = _BT709 if unspecified and frame.height >= _HD_LINES else None
    full = int(frame.color_range) == 2 or "yuvj" in frame.format.name
    converted = swscale.reformat(
        frame,
        width=width,
        height=height,
        format="rgb24",
        src_colorspace=matrix if frame.format.name.startswith(("yuv", "nv")) else None,
        src_color_range="JPEG" if full else None,
        interpolation="AREA" if width < frame.width or height < frame.height else "BICUBIC",
        threads=2,
    )
    image = np.asarray(converted.to_ndarray(), np.uint8)
    turns = round(frame.rotation / 90) % 4
    return np.ascontiguousarray(np.rot90(image, turns)) if turns else image


def _stream_seconds(stream: Any) -> float:
    if stream.duration is None or stream.time_base is None:
        return 0.0
    return float(stream.duration * stream.time_base)
