"""Opening media containers: any path, no network, failures as one clear sentence."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from visavis.core.errors import FileUnreadable
from visavis.media.files import check_input, unreadable

if TYPE_CHECKING:
    from av.audio.stream import AudioStream
    from av.container import InputContainer
    from av.video.stream import VideoStream

_LOG = logging.getLogger(__name__)

_NOT_MEDIA = ("tty", "bin", "xbin", "adf", "idf", "subviewer", "srt", "webvtt", "ass", "ffmetadata")
"""FFmpeg reads plain text as an ANSI movie; nobody who gives a text file means that."""
_HOPELESS = 100
"""Damaged packets before the first good one after which a file is given up."""


@contextlib.contextmanager
def open_input(path: str | Path) -> Iterator[InputContainer]:
    """Open a file for demuxing.

    The file is opened by Python and handed over, so that a name with a colon is no URL and one in
    any encoding works; playlists cannot reach the network or other files.

    Raises:
        FileUnreadable: Missing, empty, a folder, not allowed, or no format that FFmpeg knows.
    """
    import av

    with contextlib.ExitStack() as stack:
        check_input(path)
        try:
            file = stack.enter_context(Path(path).open("rb"))
        except OSError as error:
            raise unreadable(path, error) from error
        try:
            container = stack.enter_context(
                av.open(
                    file,
                    "r",
                    container_options={"protocol_whitelist": "none"},
                    metadata_errors="replace",
                )
            )
        except av.error.FFmpegError as error:
            raise describe_failure(path, error) from error
        name = container.format.name
        if name in _NOT_MEDIA:
            raise FileUnreadable(f"{path} is text, not sound or video; give a media file")
        if name.endswith(("_pipe", "image2")):
            raise FileUnreadable(f"{path} is a picture, not sound or video; give a media file")
        if not container.streams:
            raise FileUnreadable(f"{path} has only a header left; give a complete copy")
        yield container


def find_video(container: InputContainer) -> VideoStream | None:
    """First stream that is a moving picture; the cover of a song is none."""
    from av.stream import Disposition

    for stream in container.streams.video:
        if not stream.disposition & Disposition.attached_pic:
            return stream
    return None


def decode_frames(
    path: str | Path, container: InputContainer, stream: AudioStream | VideoStream
) -> Iterator[Any]:
    """Decode a stream; a damaged packet costs its own content only.

    Raises:
        FileUnreadable: Nothing could be decoded at all.
    """
    import av

    good = bad = 0
    last: Exception | None = None
    packets: Iterator[Any] = container.demux(stream)
    while True:
        try:
            packet = next(packets, None)
            if packet is None:
                break
            for frame in packet.decode():
                good += 1
                yield frame
        except av.error.EOFError:
            break
        except av.error.FFmpegError as error:
            bad, last = bad + 1, error
            if not good and bad > _HOPELESS:
                break
    if last is not None and not good:
        raise describe_failure(path, last) from last
    if bad:
        _LOG.warning("%s: %d damaged packets were left out", path, bad)


def describe_failure(path: str | Path, error: Exception) -> FileUnreadable:
    """Say that FFmpeg could not make sense of a file."""
    _LOG.debug("%s: %s", path, error)
    return FileUnreadable(
        f"{path} is broken or of a kind unknown here; convert it to MP4 or WAV, or give another"
    )
