"""Worker processes that make clips of videos. They write no files; the parent does.

A worker that dies (memory, a codec that crashes) costs the video that it was at, nothing else.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import multiprocessing
import signal
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

from visavis.core.errors import AssetError, Error
from visavis.core.types import FPS
from visavis.training.data.clip_making import Making, make_clips
from visavis.training.data.clip_scan import FaceReaders, load_readers
from visavis.training.data.clip_sources import Source
from visavis.training.data.clip_writer import PackedClip

_LOG = logging.getLogger(__name__)

_TELL_EVERY = 0.5
"""Seconds."""
_PATIENCE = 5.0
"""Seconds."""
_HASH_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a video.

    Attributes:
        source: Its name.
        sha256: Of the file; empty where it could not be read.
        refused: Reasons why parts of it became no clip, and how often.
        error: Why nothing could be made of it, or empty.
        is_final: Whether trying again would come to the same.
    """

    source: str
    sha256: str
    refused: Mapping[str, int] = field(default_factory=dict)
    error: str = ""
    is_final: bool = True


@dataclass(frozen=True, slots=True)
class Position:
    """How far a video is.

    Attributes:
        source: Its name.
        share: Done, 0..1.
        frames: Looked at since the last word.
    """

    source: str
    share: float
    frames: int


Event = Outcome | Position | PackedClip


def run_pool(
    sources: Sequence[Source],
    making: Making,
    have: Mapping[str, Sequence[str]],
    jobs: int,
    expert: Path | None = None,
) -> Iterator[Event]:
    """Make clips of videos in worker processes.

    Args:
        sources: The videos.
        making: What clips are to be like.
        have: For each source, clips that are there already.
        jobs: Processes.
        expert: Folder of a sync expert, which tells who speaks where that is not clear.

    Yields:
        Clips and how far it is, as they come; one ``Outcome`` for each source after its clips.

    Raises:
        AssetError: A network is not on this machine.
    """
    context = multiprocessing.get_context("spawn")
    waiting = list(reversed(sources))
    workers: list[_Worker] = []
    try:
        while waiting or any(worker.source for worker in workers):
            while waiting and len(workers) < jobs:
                workers.append(_Worker(context, making, expert))
            for worker in workers:
                if waiting and worker.source is None:
                    source = waiting.pop()
                    worker.give(source, tuple(have.get(source.name, ())))
            for pipe in wait([worker.pipe for worker in workers]):
                worker = next(worker for worker in workers if worker.pipe is pipe)
                event = worker.receive()
                if event is None:
                    workers.remove(worker)
                    event = worker.describe_death()
                    worker.stop()
                if isinstance(event, Error):
                    raise event
                if event is not None:
                    yield event
    finally:
        for worker in workers:
            worker.stop()


class _Worker:
    """One process and the video that it is at.

    Each has a pipe of its own: who is killed while it speaks leaves no lock behind, and one whose
    words are not read waits with its next.
    """

    def __init__(self, context: Any, making: Making, expert: Path | None) -> None:
        self.source: str | None = None
        self.pipe, theirs = context.Pipe()
        self.process: Any = context.Process(
            target=_work, args=(making, expert, theirs), daemon=True
        )
        self.process.start()
        theirs.close()

    def give(self, source: Source, have: tuple[str, ...]) -> None:
        self.source = source.name
        with contextlib.suppress(OSError):  # it died; its end of the pipe tells
            self.pipe.send((source, have))

    def receive(self) -> Event | Error | None:
        """What it says; None when it died."""
        try:
            event: Event | Error = self.pipe.recv()
        except (EOFError, OSError):
            return None
        if isinstance(event, Outcome):
            self.source = None
        return event

    def describe_death(self) -> Outcome | None:
        self.process.join(_PATIENCE)
        if self.source is None:
            return None
        return Outcome(
            self.source,
            "",
            error=f"the process that read it died (exit code {self.process.exitcode});"
            " it may have had too little memory",
            is_final=False,
        )

    def stop(self) -> None:
        self.pipe.close()
        self.process.terminate()
        self.process.join(_PATIENCE)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()


def _work(making: Making, expert: Path | None, pipe: Any) -> None:
    """What a worker process does."""
    # Ctrl-C goes to the whole group; the parent decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    import cv2

    cv2.setNumThreads(1)
    # What is wrong with a video goes to the report, and not between the lines of the terminal.
    logging.getLogger().addHandler(logging.NullHandler())
    try:
        readers = load_readers(making.identify, expert)
    except AssetError as error:
        pipe.send(error)
        return
    # The pipe breaks where the parent has gone.
    with contextlib.suppress(EOFError, OSError):
        while True:
            source, have = pipe.recv()
            pipe.send(_make(source, have, making, readers, pipe))


def _make(
    source: Source, have: Sequence[str], making: Making, readers: FaceReaders, pipe: Any
) -> Outcome | Error:
    """Make and send the clips of one video; say what became of it."""
    refused: Counter[str] = Counter()
    sha256 = problem = ""
    is_final = True
    try:
        sha256 = _hash(source.path)
        for clip in make_clips(
            source.path,
            source.name,
            source.person,
            making,
            readers,
            refused,
            have=have,
            told=_teller(source, pipe),
        ):
            pipe.send(clip)
    except AssetError as error:
        return error
    except BrokenPipeError:
        raise
    except Error as error:
        problem = str(error)
    except Exception as error:
        # One odd file must not end hours of work; it is named in the report.
        _LOG.exception("%s could not be prepared", source.path)
        problem, is_final = f"unexpected: {type(error).__name__}: {error}", False
    return Outcome(source.name, sha256, dict(refused), problem, is_final)


def _teller(source: Source, pipe: Any) -> Any:
    """A function that tells the parent now and then how far it is."""
    from visavis.media.video import probe

    with contextlib.suppress(Error):
        expected = max(1, round(probe(source.path).video_duration * FPS))
        told = {"at": time.monotonic(), "frames": 0}

        def tell(frames: int) -> None:
            now = time.monotonic()
            if now - told["at"] >= _TELL_EVERY:
                new = int(frames - told["frames"])
                pipe.send(Position(source.name, min(1.0, frames / expected), new))
                told["at"], told["frames"] = now, frames

        return tell
    return None


def _hash(path: Path) -> str:
    """SHA-256 of a file's content."""
    from visavis.media.files import check_input, unreadable

    check_input(path)
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while block := file.read(_HASH_BLOCK):
                digest.update(block)
    except OSError as error:
        raise unreadable(path, error) from error
    return digest.hexdigest()
