"""Segments into one MP4: H.264 and AAC, the sound and its pictures in step to the sample."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np

from visavis.core.errors import StageError
from visavis.core.types import FPS, Floats, Picture, Segment
from visavis.media.files import commit_part, create_part, discard_part, unwritable
from visavis.media.resampling import Resampler

if TYPE_CHECKING:
    from visavis.media.label import Label

_LOG = logging.getLogger(__name__)

GENERATED_KEY = "ai_generated"
"""Key of the JSON object in the file's ``description``; true for what visavis made."""
_AAC_FRAME = 1024
_BT709 = 1
_LIMITED_RANGE = 1
_KEYFRAME_SECONDS = 2
"""Between pictures that a player can jump to."""


class VideoWriter:
    """Write segments one after another into an MP4 that browsers play while it loads.

    Use it as a context manager: leaving it normally finishes the file and gives it its name;
    leaving it by any exception, also by Ctrl-C, deletes what was written. Memory does not grow with
    the length. Timestamps are frame and sample counts, so nothing drifts.

    There are no B-frames: their reordering delay is hidden by an edit list, and players that ignore
    edit lists would show the picture two frames late. Without them even those are off by the AAC
    priming only, half a frame.

    Args:
        path: The target; its folder must exist. An existing file is replaced on success.
        sample_rate: Hz of the sound in the file; segments of any rate are converted to it.
        fps: Of the segments.
        crf: x264's quality, 0 (lossless) to 51; 20 is hard to tell from the source.
        preset: x264's speed. ``veryfast`` takes about a tenth of real time for 512x512.
        threads: For the picture's encoder.
        bit_rate: Of the sound, bits a second.
        label: Drawn on every frame, or None.
        metadata: More text fields, such as ``title`` and ``artist``.
        generated: Whether the file says that a machine made it: in ``comment`` in words, and in
            ``description`` as JSON with ``ai_generated``, IPTC's ``digitalSourceType`` and the
            ``AIGC`` field of GB 45438-2025.

    Raises:
        OutputUnwritable: The place is read-only, full, or not a folder.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        sample_rate: Literal[24000, 48000] = 48000,
        fps: int = FPS,
        crf: int = 20,
        preset: str = "veryfast",
        threads: int = 1,
        bit_rate: int = 96_000,
        label: Label | None = None,
        metadata: Mapping[str, str] | None = None,
        generated: bool = True,
    ) -> None:
        self.path = Path(path)
        self.sample_rate = sample_rate
        self.fps = fps
        self.frames_written = 0
        self._settings = {"crf": str(crf), "preset": preset, "threads": str(threads)}
        self._bit_rate = bit_rate
        self._label = label
        self._metadata = {**(_generated_fields() if generated else {}), **(metadata or {})}
        self._resampler: Resampler | None = None
        self._waiting: Floats = np.zeros(0, np.float32)
        self._samples_written = 0
        self._size: tuple[int, int] | None = None
        self._container: Any = None
        self._video: Any = None
        self._audio: Any = None
        self._reformatter: Any = None
        self._part: Path | None = create_part(self.path)

    @property
    def duration(self) -> float:
        """Seconds written so far."""
        return self.frames_written / self.fps

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.abort()

    def write(self, segment: Segment) -> None:
        """Append a segment.

        Raises:
            OutputUnwritable: The disk is full, or was taken away.
        """
        if self._part is None:
            raise ValueError("the video is closed; open another writer")
        if not segment.frames:
            return
        if segment.frames[0].fps != self.fps:
            raise ValueError(f"a segment has {segment.frames[0].fps} fps, the video {self.fps}")
        try:
            self._write(segment)
        except OSError as error:
            self.abort()
            raise unwritable(self.path, error) from error
        except BaseException:
            self.abort()
            raise

    def close(self) -> None:
        """Finish the file and give it its name. Closing twice does nothing.

        Raises:
            OutputUnwritable: The disk is full, or was taken away.
            StageError: No segment was written.
        """
        if self._part is None:
            return
        if self._container is None:
            self.abort()
            raise StageError(f"there is nothing to write into {self.path}: no frame was made")
        try:
            if self._resampler is not None:
                self._queue(self._resampler.flush())
            self._encode_audio(final=True)
            self._container.mux(self._video.encode(None))
            self._container.mux(self._audio.encode(None))
            self._container.close()
        except OSError as error:
            self.abort()
            raise unwritable(self.path, error) from error
        except BaseException:
            self.abort()
            raise
        part, self._part = self._part, None
        self._container = None
        commit_part(part, self.path)

    def abort(self) -> None:
        """Stop and delete what was written. Safe to call twice."""
        part, self._part = self._part, None
        container, self._container = self._container, None
        if container is not None:
            try:
                container.close()
            except Exception as error:  # the file is thrown away, whatever is wrong with it
                _LOG.debug("closing an abandoned video: %s", error)
        if part is not None:
            discard_part(part)

    def _write(self, segment: Segment) -> None:
        if self._container is None:
            self._open(segment.frames[0].image)
        for frame in segment.frames:
            self._encode_frame(frame.image)
        rate = segment.audio.sample_rate
        if self._resampler is None or self._resampler.from_rate != rate:
            if self._resampler is not None:
                self._queue(self._resampler.flush())
            self._resampler = Resampler(rate, self.sample_rate)
        self._queue(self._resampler.feed(segment.audio.samples))
        self._encode_audio()

    def _open(self, image: Picture) -> None:
        import av
        from av.video.reformatter import VideoReformatter

        assert self._part is not None
        height, width = image.shape[:2]
        self._size = (height, width)
        # "file:" so that a name with a colon is no URL.
        self._container = av.open(
            f"file:{self._part}", "w", format="mp4", container_options={"movflags": "+faststart"}
        )
        self._container.metadata.update(self._metadata)
        video = self._container.add_stream(
            "libx264", rate=self.fps, options={"profile": "high", "bf": "0", **self._settings}
        )
        video.width, video.height = width + width % 2, height + height % 2
        video.pix_fmt = "yuv420p"
        video.gop_size = _KEYFRAME_SECONDS * self.fps
        context = video.codec_context
        context.time_base = Fraction(1, self.fps)
        context.color_range = _LIMITED_RANGE
        context.colorspace = context.color_primaries = context.color_trc = _BT709
        audio = self._container.add_stream("aac", rate=self.sample_rate, layout="mono")
        audio.bit_rate = self._bit_rate
        audio.codec_context.time_base = Fraction(1, self.sample_rate)
        self._video, self._audio = video, audio
        # Kept, because a frame's own would be set up anew for each.
        self._reformatter = VideoReformatter()

    def _encode_frame(self, image: Picture) -> None:
        import av

        if image.shape[:2] != self._size:
            raise ValueError(f"a frame is {image.shape[:2]}, the video {self._size}")
        if self._label is not None:
            image = self._label.draw(image)
        height, width = image.shape[:2]
        if height % 2 or width % 2:
            image = np.pad(image, ((0, height % 2), (0, width % 2), (0, 0)), "edge")
        rgb = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), "rgb24")
        frame = self._reformatter.reformat(
            rgb, format="yuv420p", dst_colorspace=_BT709, dst_color_range="MPEG", threads=1
        )
        frame.pts = self.frames_written
        frame.time_base = Fraction(1, self.fps)
        self._container.mux(self._video.encode(frame))
        self.frames_written += 1

    def _queue(self, samples: Floats) -> None:
        self._waiting = np.concatenate([self._waiting, samples])

    def _encode_audio(self, *, final: bool = False) -> None:
        """Encode whole AAC frames; at the end also the short last one, which keeps its length."""
        import av

        end = len(self._waiting) if final else len(self._waiting) // _AAC_FRAME * _AAC_FRAME
        samples = np.clip(np.nan_to_num(self._waiting[:end]), -1, 1).astype(np.float32)
        self._waiting = self._waiting[end:].copy()
        for start in range(0, end, _AAC_FRAME):
            piece = np.ascontiguousarray(samples[None, start : start + _AAC_FRAME])
            frame = av.AudioFrame.from_ndarray(piece, "fltp", "mono")
            frame.sample_rate = self.sample_rate
            frame.pts = self._samples_written
            frame.time_base = Fraction(1, self.sample_rate)
            self._container.mux(self._audio.encode(frame))
            self._samples_written += piece.shape[1]


def _generated_fields() -> dict[str, str]:
    from visavis import __version__

    stated = {
        GENERATED_KEY: True,
        "generator": f"visavis {__version__}",
        "digitalSourceType": (
            "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
        ),
        "AIGC": {"Label": "1", "ContentProducer": "visavis"},
    }
    return {
        "comment": "AI generated / AI 生成",
        "description": json.dumps(stated),
        "encoder": f"visavis {__version__}",
    }
