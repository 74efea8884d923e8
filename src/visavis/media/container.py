"""Opening media containers: any path, no network, failures as one clear sentence."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from visavis.core.errors import FileUnreadable
from visavis.media.files import unreadable

if TYPE_CHECKING:
    from av.container import InputContainer

_LOG = logging.getLogger(__name__)

_NOT_MEDIA = ("tty", "bin", "xbin", "adf", "idf", "subviewer", "srt", "webvtt", "ass", "ffmetadata")
"""FFmpeg reads plain text as an ANSI movie; nobody who gives a text file means that."""


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
        try:
            file = stack.enter_context(Path(path).open("rb"))
            empty = not file.read(1)
            file.seek(0)
        except (OSError, ValueError) as error:
            raise unreadable(path, error) from error
        if empty:
            raise FileUnreadable(f"{path} is empty (0 bytes); give a complete file")
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
        if name in _NOT_MEDIA or name.endswith(("_pipe", "image2")):
            what = "a picture" if "tty" not in name and "pipe" in name else "text"
            raise FileUnreadable(f"{path} is {what}, not sound or video; give a media file")
        yield container


def describe_failure(path: str | Path, error: Exception) -> FileUnreadable:
    """Say that FFmpeg could not make sense of a file."""
    _LOG.debug("%s: %s", path, error)
    return FileUnreadable(
        f"{path} is broken or of a kind unknown here; convert it to MP4 or WAV, or give another"
    )
