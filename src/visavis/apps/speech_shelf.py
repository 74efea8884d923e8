"""Spoken sentences on disk: what was said before, or prepared, begins at once after a restart too."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import queue
import re
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from visavis.apps.speech_file import FORMAT, LARGEST, FileBroken, read_speeches, write_speeches
from visavis.core.errors import OutputUnwritable
from visavis.core.types import Sentence, Speech
from visavis.media.files import create_part, discard_part, unwritable

logger = logging.getLogger(__name__)

_NAME = re.compile(r"[0-9a-f]{64}\.npz")
_PART = re.compile(r"[0-9a-f]{64}\.npz\.[0-9a-f]{8}\.part|[0-9a-f]{8}\.part")
_PART_AGE = 600.0
"""Seconds after which nobody is still writing an unfinished file."""
_WAITING = 32
"""Sentences that may wait to be written; more are not kept."""


@dataclass(frozen=True, slots=True)
class _Entry:
    path: Path
    used: float
    size: int


class SpeechShelf:
    """A folder of spoken sentences, one file each. Any thread may use it, and many processes.

    Nothing here raises for what is wrong with the disk: speech goes on without it, and the log says
    why.

    Args:
        folder: Made when something is kept first.
        limit: Bytes; the sentences not used for longest make room.

    Attributes:
        trouble: What the disk refused last, in words; empty since something went well.
    """

    def __init__(self, folder: Path, limit: int) -> None:
        self.folder = folder
        self.limit = limit
        self._lock = threading.Lock()
        self._room = 0
        self.trouble = ""
        self._waiting: queue.Queue[tuple[str, tuple[Speech, ...]]] = queue.Queue(_WAITING)
        self._writer: threading.Thread | None = None

    def recall(self, name: str, sentence: Sentence) -> tuple[Speech, ...]:
        """Give the speech that is kept under a name, as that of the sentence; empty for none."""
        path = self._path(name)
        try:
            if path.stat().st_size > LARGEST:
                raise FileBroken(f"it is larger than {LARGEST >> 20} MB")
            with path.open("rb") as file:
                speeches = read_speeches(file, name, sentence)
        except FileNotFoundError:
            return ()
        except FileBroken as error:
            logger.warning("%s is dropped from the kept speech: %s", path.name, error)
            with contextlib.suppress(OSError):
                path.unlink()
            return ()
        except OSError as error:
            self._complain(f"the kept speech {path} cannot be read: {error.strerror}")
            return ()
        self.touch([name])
        return speeches

    def has(self, name: str) -> bool:
        """Whether a sentence is there."""
        return self._path(name).exists()

    def touch(self, names: Iterable[str]) -> None:
        """Count sentences as used just now, those that are there; the last one as used last."""
        # The system's own time of a file moves in steps in which many are touched.
        now = time.time_ns()
        for number, name in enumerate(names):
            at = now + 1_000 * number
            with contextlib.suppress(OSError):
                os.utime(self._path(name), ns=(at, at))

    def keep(self, name: str, speeches: Sequence[Speech], *, dropping: float | None = None) -> bool:
        """Put a whole sentence there.

        Args:
            name: From ``name_sentence``.
            speeches: To the last.
            dropping: What was used after this moment does not make room; Unix seconds.

        Returns:
            Whether it is there now: it is not where the disk refuses, or nothing may make room.
        """
        if not speeches or not speeches[-1].is_last:
            return False
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            part = create_part(self._path(name))
        except (OSError, OutputUnwritable) as error:
            self._complain(f"speech cannot be kept: {error}")
            return False
        try:
            with part.open("wb") as file:
                write_speeches(file, name, speeches)
            if not self._make_room(part.stat().st_size, dropping):
                discard_part(part)
                return False
            # Not forced to the disk: what a power cut breaks is found broken, and spoken anew.
            part.replace(self._path(name))
        except OSError as error:
            discard_part(part)
            self._complain(f"speech cannot be kept: {unwritable(self._path(name), error)}")
            return False
        self.trouble = ""
        return True

    def keep_soon(self, name: str, speeches: Sequence[Speech]) -> None:
        """Put a whole sentence there from a thread of its own; a slow disk holds nobody up."""
        with self._lock:
            if self._writer is None:
                self._writer = threading.Thread(target=self._write, name="shelf", daemon=True)
                self._writer.start()
        with contextlib.suppress(queue.Full):
            self._waiting.put_nowait((name, tuple(speeches)))

    def settle(self) -> None:
        """Wait until everything is written."""
        self._waiting.join()

    def measure(self) -> tuple[int, int]:
        """Count the sentences, and their bytes."""
        entries = self._list()
        return len(entries), sum(entry.size for entry in entries)

    def expire(self, before: float) -> int:
        """Delete what was not used since a moment, in Unix seconds; returns how many."""
        old = [entry for entry in self._list() if entry.used < before]
        for entry in old:
            _delete(entry.path)
        return len(old)

    def _write(self) -> None:
        while True:
            name, speeches = self._waiting.get()
            try:
                self.keep(name, speeches)
            except Exception:
                logger.exception("a sentence was not kept")
            finally:
                self._waiting.task_done()

    def _make_room(self, size: int, dropping: float | None) -> bool:
        """Make sure that ``size`` more bytes fit, looking at the folder only now and then."""
        with self._lock:
            if size <= self._room:
                self._room -= size
                return True
            entries = sorted(self._list(), key=lambda entry: entry.used)
            total = sum(entry.size for entry in entries) + size
            # A tenth more than needed, so that the next sentences need not look again.
            wanted = total - self.limit * 9 // 10 if total > self.limit else 0
            for entry in entries:
                if wanted <= 0 or (dropping is not None and entry.used >= dropping):
                    break
                _delete(entry.path)
                wanted -= entry.size
                total -= entry.size
            # A quarter, as other processes put something here as well.
            self._room = max(0, self.limit - total) // 4
            return total <= self.limit

    def _list(self) -> list[_Entry]:
        found, unfinished = [], time.time() - _PART_AGE
        try:
            with os.scandir(self.folder) as entries:
                for entry in entries:
                    with contextlib.suppress(OSError):  # another process deleted it
                        stat = entry.stat()
                        if _NAME.fullmatch(entry.name):
                            found.append(_Entry(Path(entry.path), stat.st_mtime, stat.st_size))
                        elif _PART.fullmatch(entry.name) and stat.st_mtime < unfinished:
                            _delete(Path(entry.path))
        except FileNotFoundError:
            pass
        except OSError as error:
            self._complain(f"the folder of kept speech cannot be read: {error}")
        return found

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.npz"

    def _complain(self, what: str) -> None:
        """Say it once; again only after something went well."""
        if not self.trouble:
            logger.warning("%s; it is spoken anew each time", what)
        self.trouble = what


def name_sentence(sentence: Sentence, voice: str, spoken_by: str) -> str:
    """Name a sentence's speech by everything that it depends on.

    Args:
        sentence: Its turn does not matter, and its index only in whether it is the first: that one
            is spoken in shorter pieces.
        voice: Name of the voice.
        spoken_by: What identifies the stage, its weights and its sample rate.
    """
    parts: tuple[str | float | bool, ...] = (
        FORMAT,
        spoken_by,
        voice,
        sentence.text,
        sentence.language,
        sentence.emotion,
        sentence.intensity,
        sentence.index == 0,
    )
    if (
        sentence.rate != 1.0
    ):  # left out else: what is kept from before there were paces keeps its name
        parts = (*parts, sentence.rate)
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _delete(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink()
