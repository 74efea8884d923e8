"""The process that speaks ahead of time: ``python -m visavis.apps.server.preparing.worker``.

It reads its order as one line of JSON; a line of JSON comes out after each sentence, as `Progress`
says; the last one has its end. It may be killed at any moment:
what is on the shelf already is not spoken again. It ends when its standard input does, as that means
that the server has died.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from visavis.core.errors import Error, InputError

if TYPE_CHECKING:
    from visavis.apps.assemble import Cast
    from visavis.apps.speech_shelf import SpeechShelf
    from visavis.core.types import Sentence

logger = logging.getLogger(__name__)

NICENESS = 19
_STEP = 2.0
"""Seconds in which the coarsest file systems tell time."""
LOCK = ".preparing"
End = Literal["done", "full", "taken"]


@dataclass(slots=True)
class Progress:
    """How far it is.

    Attributes:
        ready: Sentences on the shelf, of those that are foreseen.
        foreseen: All of them that can be spoken.
        end: How it ended; None while it goes on.
        problem: Why the disk refused, where that is the end; empty otherwise.
    """

    ready: int = 0
    foreseen: int = 0
    end: End | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class _Plan:
    names: list[str] = field(default_factory=list)
    sentences: list[tuple[Sentence, str]] = field(default_factory=list)


def main() -> None:
    """Take the order and speak."""
    # Whatever a library prints must not come between the lines of JSON.
    lines = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the server is in the same terminal, and stops it
    order: dict[str, Any] = json.loads(sys.stdin.buffer.readline())
    threading.Thread(target=_watch_server, daemon=True).start()
    give_way()

    def tell(progress: Progress) -> None:
        lines.write(json.dumps(asdict(progress)) + "\n")
        lines.flush()

    from visavis.apps.cli import limit_threads

    limit_threads()
    try:
        work(order, tell)
    except (Error, OSError) as error:
        sys.exit(str(error))


def work(order: dict[str, Any], tell: Callable[[Progress], None]) -> None:
    """Do what ``describe_order`` says, unless somebody else is at it.

    Raises:
        Error: An avatar, a voice or weights are not there.
        OSError: The folder cannot be made.
    """
    from visavis.apps.assemble import Cast
    from visavis.apps.settings import Settings
    from visavis.apps.speech_shelf import SpeechShelf

    cast = Cast(Settings(**order["settings"]), **order["cast"])
    shelf = SpeechShelf(Path(order["folder"]), order["limit"])
    with contextlib.ExitStack() as stack:
        if not take_folder(shelf.folder, stack):
            tell(Progress(end="taken"))
            return
        asyncio.run(speak_ahead(cast, shelf, tell))


def give_way() -> None:
    """Let everything else go first, and let memory be taken from here where it runs out."""
    os.nice(NICENESS)
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")


def take_folder(folder: Path, stack: contextlib.ExitStack) -> bool:
    """Make sure that this is the only process that prepares a folder; a dead one holds nothing."""
    import fcntl

    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = stack.enter_context((folder / LOCK).open("w"))
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


async def speak_ahead(cast: Cast, shelf: SpeechShelf, tell: Callable[[Progress], None]) -> None:
    """Speak what the responder foresees and put it on the shelf, the opening sentences first.

    Args:
        cast: Its avatar's voices speak, in its manner.
        shelf: Where it goes. What was there before and is not foreseen makes room.
        tell: Called after each sentence, and at the end.
    """
    began = time.time() - _STEP
    plan = _make_plan(cast)
    there = [shelf.has(name) for name in plan.names]
    # From last to first: what is wanted most counts as used last.
    shelf.touch(reversed(plan.names))
    progress = Progress(sum(there), len(there))
    tell(progress)
    for name, (sentence, voice), is_there in zip(plan.names, plan.sentences, there, strict=True):
        if is_there:
            continue
        try:
            speeches = [speech async for speech in cast.router.speak(sentence, voice)]
        except InputError as error:
            logger.info("%r is left out: %s", sentence.text, error)
            progress.foreseen -= 1
            continue
        if not shelf.keep(name, speeches, dropping=began):
            progress.end, progress.problem = "full", shelf.trouble
            tell(progress)
            return
        progress.ready += 1
        tell(progress)
    progress.end = "done"
    tell(progress)


def _make_plan(cast: Cast) -> _Plan:
    from visavis.apps.speech_shelf import name_sentence
    from visavis.pipeline.foreseeing import foresee_sentences
    from visavis.pipeline.manner import Manner

    settings = cast.settings
    voices = cast.choose_voices(cast.load_avatar())
    manner = Manner(voices, settings.language, cast.emotion or settings.emotion, cast.strength)
    plan = _Plan()
    for sentence in foresee_sentences(cast.responder, manner):
        voice = voices[sentence.language]
        plan.names.append(name_sentence(sentence, voice, cast.router.identify(voice)))
        plan.sentences.append((sentence, voice))
    return plan


def describe_order(cast: Cast, shelf: SpeechShelf) -> dict[str, Any]:
    """Write down for ``main`` what to speak, and where to."""
    names = ("avatar", "voice", "emotion", "intensity")
    return {
        "settings": asdict(cast.settings),
        "cast": {name: getattr(cast, name) for name in names},
        "folder": str(shelf.folder.absolute()),
        "limit": shelf.limit,
    }


def _watch_server() -> None:
    """End at once when the server has."""
    # Not through sys.stdin: its lock is wanted when the interpreter ends, and this waits with it.
    while os.read(0, 1):
        pass
    os._exit(0)


if __name__ == "__main__":
    main()
