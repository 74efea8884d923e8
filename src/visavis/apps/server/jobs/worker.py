"""The process of one job: ``python -m visavis.apps.server.jobs.worker``.

It reads its order as one line of JSON and works in the folder that it is in. Lines of JSON come out:
``{"progress": 0.4}``, at last ``{"result": …}`` or ``{"error": {"code", "message"}}``. It ends when
its standard input does, as that means that the server has died.
"""

from __future__ import annotations

import json
import logging
import math
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

from visavis.apps.cli import limit_threads
from visavis.core.errors import Error

NICENESS = 10
_TELL_SECONDS = 0.25
_SPEED = {"zh": 4.3, "en": 14.0}
"""Characters spoken a second, for the progress."""
_ANSWER_SECONDS = 15.0
VIDEO = "video.mp4"

Tell = Callable[[float], None]


def main() -> None:
    """Do the job."""
    # Whatever a library prints must not come between the lines of JSON.
    lines = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    signal.signal(signal.SIGTERM, _leave)
    os.nice(NICENESS)
    limit_threads()
    order = json.loads(sys.stdin.buffer.readline())
    threading.Thread(target=_watch_server, daemon=True).start()
    do = {"render": render, "avatar": make_avatar}[order["kind"]]
    request: dict[str, Any] = order["request"]
    try:
        _write(lines, {"result": do(request, _Telling(lines))})
    except Error as error:
        logging.getLogger(__name__).info("the job failed", exc_info=True)
        message = name_upload(str(error), request)
        _write(lines, {"error": {"code": type(error).__name__, "message": message}})
    except OSError as error:
        from visavis.media.files import unwritable

        message = name_upload(str(unwritable(Path(VIDEO), error)), request)
        _write(lines, {"error": {"code": "OutputUnwritable", "message": message}})
    except KeyboardInterrupt:
        sys.exit(130)


def render(request: Mapping[str, Any], tell: Tell) -> dict[str, Any]:
    """Make a video of a text, a question or a recording."""
    from visavis.apps import rendering
    from visavis.apps.answering import answer
    from visavis.apps.assemble import Cast, clean_text
    from visavis.apps.recording import run
    from visavis.apps.settings import load_settings

    names = ("size", "seed", "label", "label_text", "language")
    given = {k: request[k] for k in names if request.get(k) is not None}
    settings = replace(load_settings(), **given)
    cast = Cast(
        settings,
        request.get("avatar") or "",
        request.get("voice") or "",
        request.get("emotion"),
        request.get("intensity"),
        request.get("pose") or "natural",
    )
    output, subtitles = Path(VIDEO), request.get("subtitles") is not False
    audio = Path(request["file"]) if request.get("file") else None
    if text := request.get("text"):
        text = clean_text(text, settings.max_characters)
        progress = _share(tell, estimate_seconds(text))
        result = run(rendering.render_text(cast, text, output, subtitles, progress))
    elif question := request.get("question"):
        question = clean_text(question, settings.max_question, "question")
        progress = _share(tell, _ANSWER_SECONDS)
        result = run(answer(cast, output, question, subtitles=subtitles, progress=progress))
    elif audio is not None and request.get("use") == "question":
        progress = _share(tell, _ANSWER_SECONDS)
        result = run(answer(cast, output, None, audio, subtitles=subtitles, progress=progress))
    else:
        assert audio is not None
        from visavis.media.video import probe

        progress = _share(tell, probe(audio).audio_duration)
        result = run(rendering.render_audio(cast, audio, output, subtitles, progress))
    files = [VIDEO, *(Path(path).name for path in result.pop("subtitles"))]
    del result["video"]
    return {**result, "files": files, "bytes": output.stat().st_size}


def make_avatar(request: Mapping[str, Any], tell: Tell) -> dict[str, Any]:
    """Make an avatar and store it."""
    from visavis.stages.avatars import store

    _, avatar, report = store.create(
        Path(request["file"]),
        request["name"],
        voice=request.get("voice") or {},
        force=bool(request.get("force")),
        overwrite=bool(request.get("overwrite")),
        progress=lambda step, done: tell(done),
    )
    check = report.describe()
    check["source"] = request["shown"]
    height, width = avatar.frames.shape[1:3]
    return {
        "name": avatar.name,
        "frames": len(avatar.frames),
        "width": width,
        "height": height,
        "check": check,
        "files": [],
    }


def estimate_seconds(text: str) -> float:
    """Estimate how long a text takes to say."""
    wide = sum(ord(c) > 0x2E80 for c in text)
    return 0.5 + wide / _SPEED["zh"] + (len(text) - wide) / _SPEED["en"]


def name_upload(message: str, request: Mapping[str, Any]) -> str:
    """Let a message speak of an upload as its sender called it, and of no place on this machine."""
    message = message.replace(f"{Path.cwd()}{os.sep}", "")
    stored, shown = request.get("file"), request.get("shown")
    if stored and shown:
        message = message.replace(repr(stored), shown).replace(stored, shown)
    return message


def _share(tell: Tell, total: float) -> Callable[[float], None]:
    """Turn seconds made into a share of the seconds expected, which are a guess."""

    def told(seconds: float) -> None:
        share = seconds / max(total, 0.1)
        tell(share if share < 0.9 else 0.9 + 0.09 * (1 - math.exp(-(share - 0.9) / 0.3)))

    return told


class _Telling:
    """Writes progress, not too often."""

    def __init__(self, lines: IO[str]) -> None:
        self._lines = lines
        self._told = -math.inf

    def __call__(self, progress: float) -> None:
        now = time.monotonic()
        if now - self._told >= _TELL_SECONDS:
            self._told = now
            _write(self._lines, {"progress": round(min(progress, 0.99), 3)})


def _write(lines: IO[str], row: Mapping[str, Any]) -> None:
    lines.write(json.dumps(row, ensure_ascii=False) + "\n")
    lines.flush()


def _leave(number: int, frame: object) -> None:
    raise KeyboardInterrupt


def _watch_server() -> None:
    """End when the server has: nobody would fetch the result."""
    # Not through sys.stdin: its lock is wanted when the interpreter ends, and this waits with it.
    while os.read(0, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(2.0)
    os._exit(1)


if __name__ == "__main__":
    main()
