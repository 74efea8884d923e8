"""The sound of questions as files, one a turn, in a folder beside the database."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import re
import time
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from visavis.core.types import Waveform
from visavis.media.files import finish_or_discard, unwritable

_LOG = logging.getLogger(__name__)

LONGEST = 30.0
"""Seconds of a question that are kept."""
MEDIA_TYPE = "audio/flac"
_NAME = re.compile(r"([A-Za-z0-9_-]{1,64})\.([1-9][0-9]{0,9})\.flac")
_PART = re.compile(r".{1,120}\.part")
_PART_AGE = 600.0
"""Seconds after which nobody is still writing an unfinished file."""


@dataclass(frozen=True, slots=True)
class KeptSound:
    """A file of sound: whose it is, when it was written (Unix seconds), and its bytes."""

    session: str
    number: int
    path: Path
    time: float
    size: int


class SoundFolder:
    """Files of sound. Any thread may use it, and many processes.

    Args:
        path: Made, readable by its owner alone, when something is kept first.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, session: str, number: int, sound: Waveform) -> float:
        """Write a question's sound as FLAC, mono and 16-bit at its own rate; it appears whole.

        Returns:
            Seconds of it that are kept, ``LONGEST`` at most.

        Raises:
            OutputUnwritable: The disk is full, or the folder cannot be written.
        """
        samples = sound.samples[: round(LONGEST * sound.sample_rate)]
        coded = _encode(Waveform(samples, sound.sample_rate))
        target = self._place(session, number)
        try:
            self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise unwritable(target, error) from error
        with finish_or_discard(target) as part:
            part.chmod(0o600)
            part.write_bytes(coded)
        return len(samples) / sound.sample_rate

    def find(self, session: str, number: int) -> Path | None:
        """Find a question's sound; None where none is kept."""
        if not _NAME.fullmatch(f"{session}.{number}.flac"):
            return None
        path = self._place(session, number)
        return path if path.is_file() else None

    def list_kept(self) -> list[KeptSound]:
        """Give what is kept, oldest first; what was never finished is deleted."""
        found, unfinished = [], time.time() - _PART_AGE
        try:
            with os.scandir(self.path) as entries:
                for entry in entries:
                    with contextlib.suppress(OSError):  # another process deleted it
                        stat, path = entry.stat(), Path(entry.path)
                        if name := _NAME.fullmatch(entry.name):
                            whose = name[1], int(name[2])
                            found.append(KeptSound(*whose, path, stat.st_mtime, stat.st_size))
                        elif _PART.fullmatch(entry.name) and stat.st_mtime < unfinished:
                            path.unlink()
        except FileNotFoundError:
            pass
        except OSError as error:
            _LOG.warning("the folder of sound %s cannot be read: %s", self.path, error.strerror)
        return sorted(found, key=lambda one: (one.time, one.path))

    def delete(self, session: str, number: int | None = None) -> int:
        """Delete the sound of a session, or of one question of it; returns how many."""
        if number is not None:
            path = self.find(session, number)
            return 0 if path is None else _unlink([path])
        return _unlink(one.path for one in self.list_kept() if one.session == session)

    def expire(self, before: float) -> int:
        """Delete what was written before a moment (Unix seconds); returns how many."""
        return _unlink(one.path for one in self.list_kept() if one.time < before)

    def make_room(self, limit: int) -> list[KeptSound]:
        """Delete the oldest until what is kept takes ``limit`` bytes at most; returns what went."""
        kept = self.list_kept()
        total, gone = sum(one.size for one in kept), []
        for one in kept:
            if total <= limit:
                break
            total -= one.size
            gone.append(one)
        _unlink(one.path for one in gone)
        return gone

    def _place(self, session: str, number: int) -> Path:
        return self.path / f"{session}.{number}.flac"


def _unlink(paths: Iterable[Path]) -> int:
    gone = 0
    for path in paths:
        try:
            path.unlink()
            gone += 1
        except FileNotFoundError:
            pass
        except OSError as error:
            _LOG.warning("the sound %s could not be deleted: %s", path, error.strerror)
    return gone


def _encode(sound: Waveform) -> bytes:
    """Code as FLAC; the length stands in its head, which a stream could not tell."""
    import av
    from av.audio.frame import AudioFrame

    samples = np.clip(np.nan_to_num(sound.samples), -1, 1)
    plain = np.rint(samples * 32767).astype(np.int16)
    file = io.BytesIO()
    with av.open(file, "w", format="flac") as container:
        stream: Any = container.add_stream("flac", rate=sound.sample_rate)
        stream.layout, stream.format = "mono", "s16"
        frame = AudioFrame.from_ndarray(plain[None], format="s16", layout="mono")
        frame.sample_rate = sound.sample_rate
        frame.pts, frame.time_base = 0, Fraction(1, sound.sample_rate)
        for piece in (frame, None):
            for packet in stream.encode(piece):
                container.mux(packet)
    return file.getvalue()
