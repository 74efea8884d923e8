"""Measures the live server as a listener gets it: `visavis bench live`.

A server of its own is started, listeners come in over WebRTC, ask by voice and by text, and
interrupt; every figure is of sound and pictures that came over the wire. Server and listeners share
the machine, so the listeners' decoding is part of the load; their share is told.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from visavis.apps.live_cpu import share_by_stage
from visavis.apps.live_listener import Listener
from visavis.apps.processes import ProcessMeter
from visavis.core.errors import StageError
from visavis.core.types import FPS, Language, Waveform

if TYPE_CHECKING:
    from visavis.apps.assemble import Cast

QUESTIONS: dict[Language, tuple[str, ...]] = {
    "zh": ("身份证丢了怎么补办？", "办理居住证需要什么材料？", "护照有效期是多久？"),
    "en": (
        "How do I replace a lost identity card?",
        "What do I need for a residence permit?",
        "How long is a passport valid?",
    ),
}
_ASKERS: dict[Language, str] = {"zh": "zm_yunjian", "en": "am_michael"}
"""Who asks has another voice than who answers: the same one would be taken for an echo more often."""
LATE = 1 / FPS
"""Seconds after its time from which a frame is late: one frame."""
_PATIENCE = 40.0
UNREMEMBERED = {"VISAVIS_SERVER_REMEMBERED_SPEECH": "0"}
"""The same questions come again and again here; each answer is spoken anew."""
_SPOKEN_FOR = 2.5
"""Seconds of an answer that are listened to before it is interrupted."""


@dataclass(slots=True)
class Shown:
    """What a session showed, by the server's own counts.

    Attributes:
        ticks: Pictures sent.
        repeats: Of them, how many were the one before once more.
    """

    ticks: int = 0
    repeats: int = 0

    def note(self, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
        """Add what lies between two of the session's ``LiveSession.snapshot``."""
        self.ticks += after["ticks"] - before["ticks"]
        self.repeats += after["repeats"] - before["repeats"]

    @property
    def distinct_fps(self) -> float:
        """Pictures a second that were not the one before; 0 where none were sent."""
        return round(FPS * (1 - self.repeats / self.ticks), 2) if self.ticks else 0.0


@contextlib.contextmanager
def start_server(
    sessions: int,
    *,
    host: str = "127.0.0.1",
    environment: Mapping[str, str] = MappingProxyType({}),
    data: Path | None = None,
    patience: float = 180.0,
) -> Iterator[tuple[str, str, int]]:
    """Start ``visavis serve`` on a free port with a store of its own; yield URL, token, process id.

    Args:
        sessions: That it lets in.
        host: Address to listen at.
        environment: Settings besides those of this process; without any, no speech lies on disk.
        data: Folder of its store, which may hold one; a new one by default.
        patience: Seconds to wait for it.

    Raises:
        StageError: It did not start.
    """
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "server.log"
        with log.open("wb") as out:
            process = subprocess.Popen(
                [sys.executable, "-c", "from visavis.apps.cli import main; main()", "serve", "--host", host, "--port", "0",
                 "--sessions", str(sessions), "--data", str(data or folder)],
                stdout=out, stderr=subprocess.STDOUT, env={**os.environ, "PYTHONUNBUFFERED": "1", "VISAVIS_SERVER_SPEECH_SHELF_MB": "0", **environment},
            )  # fmt: skip
        try:
            until = time.monotonic() + patience
            while True:
                said = log.read_text(encoding="utf-8", errors="replace")
                link = re.search(r"(https?://[^\s/]+)/\?token=([^\s]+)", said)
                if link is not None:
                    break
                if process.poll() is not None or time.monotonic() > until:
                    raise StageError(f"the server did not start: {said[-500:].strip()}")
                time.sleep(0.1)
            yield link[1], link[2], process.pid
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@contextlib.contextmanager
def serve_answers(
    sessions: int, known: bool, tell: Callable[[str], None]
) -> Iterator[tuple[str, str, int]]:
    """Start a server that has spoken every answer before, or none; see ``start_server``.

    Args:
        sessions: That it lets in.
        known: Whether it has.
        tell: Called with a line on each step.
    """
    tell("the server starts")
    with start_server(sessions, environment={} if known else UNREMEMBERED) as served:
        if known:
            tell("every answer is given once")
            url, token, _ = served
            asyncio.run(hear_all(url, token))
        yield served


def bench_live(
    cast: Cast,
    turns: int,
    sessions: int,
    minutes: float,
    tell: Callable[[str], None] = lambda line: None,
    *,
    known: bool = False,
) -> dict[str, Any]:
    """Measure a server with some listeners at once.

    Args:
        cast: Makes the spoken questions.
        turns: Spoken questions, typed questions and interruptions, each so many in each session.
        sessions: Listeners at once.
        minutes: How long the listeners stay at least; turns go on until then.
        tell: Called with a line on each step.
        known: Whether every answer was spoken before, as those of a base are ahead of time.

    Returns:
        ``machine`` and ``figures``; plain JSON values, times in seconds.
    """
    from visavis.apps.benchmarking import describe_machine

    machine = describe_machine()
    speech = asyncio.run(speak_questions(cast))
    with serve_answers(sessions, known, tell) as (url, token, pid):
        tell("listeners come in")
        figures = asyncio.run(
            measure_listeners(url, token, pid, speech, turns, sessions, minutes, tell)
        )
    return {"machine": machine, "sessions": sessions, "known": known, "figures": figures}


async def hear_all(url: str, token: str) -> None:
    """Have every question answered to its end."""
    for language, questions in QUESTIONS.items():
        async with Listener(url, token, microphone="off", language=language) as listener:
            for question in questions:
                asked = await listener.send(type="ask", text=question)
                await listener.wait_for(lambda e: e["type"] == "turn.ended", asked, 4 * _PATIENCE)


async def speak_questions(cast: Cast) -> dict[Language, list[Waveform]]:
    """Speak the questions, in a voice that does not answer here."""
    from visavis.apps.demonstration import say

    return {
        language: [await say(cast, text, language, _ASKERS[language]) for text in texts]
        for language, texts in QUESTIONS.items()
    }


async def measure_listeners(
    url: str,
    token: str,
    pid: int,
    speech: dict[Language, list[Waveform]],
    turns: int,
    sessions: int,
    minutes: float,
    tell: Callable[[str], None],
) -> dict[str, Any]:
    """Let listeners come in, talk at the same time and leave; see ``bench_live``.

    Returns:
        Delays, each with ``n``, ``p50`` and ``p95`` in seconds, and of the listener who has it worst:

        - ``fps``: pictures a second that came.
        - ``distinct_fps``, ``distinct_fps_speaking``: of the 25 pictures of each second, how many were
          other than the one before; in all, and within answers.
        - ``late_share``: of the pictures, 0..1, how many came more than one frame later than the median
          picture. A delay that all of them share, as of a slow start, does not show in it.
        - ``drift``: seconds that sound and picture moved against each other.
        - ``shown_twice``, ``without_sound``: shares of the ticks, 0..1.

    Raises:
        StageError: A listener was not let in, or got no answer; maybe within an exception group.
    """
    server, own = ProcessMeter(pid), ProcessMeter(os.getpid())
    taken: dict[str, list[float]] = {}
    async with contextlib.AsyncExitStack() as stack:
        listeners = [
            await stack.enter_async_context(
                Listener(url, token, microphone="open", language="zh" if i % 2 == 0 else "en")
            )
            for i in range(sessions)
        ]
        await asyncio.sleep(2)
        began, memory = time.monotonic(), [server.memory()]
        quiet = await _watch_idle(server, own, 5.0)
        server.restart()
        own.restart()
        before = [await listener.describe() for listener in listeners]
        heard = [Shown() for _ in listeners]

        async def talk(listener: Listener, language: Language, shown: Shown) -> None:
            done = 0
            while done < turns or time.monotonic() - began < minutes * 60:
                await _one_round(listener, language, speech[language], done, taken, shown)
                memory.append(server.memory())
                done += 1
                tell(f"round {done} is done ({memory[-1]:.0f} MB)")

        async with asyncio.TaskGroup() as group:
            for i, listener in enumerate(listeners):
                group.create_task(talk(listener, "zh" if i % 2 == 0 else "en", heard[i]))
        talking = share_by_stage(server)
        pictures = [_watch_pictures(listener, began) for listener in listeners]
        counts = [await listener.describe() for listener in listeners]
        shown = [Shown() for _ in listeners]
        for part, first, last in zip(shown, before, counts, strict=True):
            part.note(first, last)
    return {
        **{name: describe(values) for name, values in sorted(taken.items())},
        "fps": min(p["fps"] for p in pictures),
        "distinct_fps": min(part.distinct_fps for part in shown),
        "distinct_fps_speaking": min(part.distinct_fps for part in heard),
        "late_share": max(p["late_share"] for p in pictures),
        "drift": max(p["drift"] for p in pictures),
        "shown_twice": max(round(c["repeats"] / c["ticks"], 4) for c in counts),
        "without_sound": max(round(c["starved"] / c["ticks"], 4) for c in counts),
        "memory_mb": {"first": memory[0], "last": memory[-1], "highest": max(memory)},
        "cpu_idle": quiet,
        "cpu_talking": talking,
        "cpu_listeners": own.share(),
        "seconds": round(time.monotonic() - began, 1),
    }


async def _one_round(
    listener: Listener,
    language: Language,
    speech: list[Waveform],
    number: int,
    taken: dict[str, list[float]],
    shown: Shown,
) -> None:
    """Ask by voice and hear it out for a while, stop it; ask by text, stop it by speaking."""

    def note(name: str, seconds: float | None) -> None:
        if seconds is not None:
            taken.setdefault(name, []).append(seconds)

    ended = await listener.microphone.say(speech[number % len(speech)]).ended
    await listener.wait_for(_speaks, ended, _PATIENCE)
    await _hear_on(listener, shown)
    note("spoken_to_sound", _since(ended, listener.sound.first_loud(ended)))
    note("spoken_to_picture", _since(ended, _picture_of(listener, ended)))
    await _stop(listener, await listener.send(type="interrupt"), "stop_to_silence", note)

    text = QUESTIONS[language][number % len(speech)]
    asked = await listener.send(type="ask", text=text)
    await listener.wait_for(_speaks, asked, _PATIENCE)
    await _hear_on(listener, shown)
    note("typed_to_sound", _since(asked, listener.sound.first_loud(asked)))
    note("typed_to_picture", _since(asked, _picture_of(listener, asked)))
    saying = listener.microphone.say(speech[(number + 1) % len(speech)])
    await _stop(listener, await saying.began, "speech_to_silence", note)
    ended = await saying.ended
    await listener.wait_for(_speaks, ended, _PATIENCE)
    await _stop(listener, await listener.send(type="interrupt"), "stop_to_silence", note)


async def _hear_on(listener: Listener, shown: Shown) -> None:
    """Listen to an answer for a while, and count its pictures unless it ends meanwhile."""
    before, began = await listener.describe(), time.monotonic()
    await asyncio.sleep(_SPOKEN_FOR)
    after = await listener.describe()
    if not any(t >= began and e["type"] == "turn.ended" for t, e in listener.events):
        shown.note(before, after)


def _speaks(event: dict[str, Any]) -> bool:
    return bool(event["type"] == "sentence.started")


async def _stop(
    listener: Listener, at: float, name: str, note: Callable[[str, float | None], None]
) -> None:
    ended = await listener.wait_for(lambda e: e["type"] == "turn.ended", at, _PATIENCE)
    await asyncio.sleep(0.6)
    if ended["reason"] == "interrupted":
        # A next turn cannot be heard before the question that interrupts is over.
        last = listener.sound.last_loud(at, at + 1.5)
        note(name, _since(at, last) if last is not None else 0.0)


def _since(start: float, end: float | None) -> float | None:
    return None if end is None else end - start


def _picture_of(listener: Listener, after: float) -> float | None:
    """When the picture came that belongs to the first speech after a moment."""
    heard = listener.sound.first_loud(after)
    if heard is None:
        return None
    stamp = listener.sound.stamps[listener.sound.times.index(heard)]
    pictures = zip(listener.picture.times, listener.picture.stamps, strict=True)
    return next((t for t, s in pictures if s >= stamp - 1e-6 and t >= after), None)


def _watch_pictures(listener: Listener, since: float) -> dict[str, float]:
    late = listener.picture.lateness(since)
    times = [t for t in listener.picture.times if t >= since]
    behind = np.array(listener.picture.times) - np.array(listener.picture.stamps)
    sound = np.array(listener.sound.times) - np.array(listener.sound.stamps)
    part = max(1, min(len(behind), len(sound)) // 10)
    # How far picture and sound moved against each other from the first tenth to the last.
    start = np.median(behind[:part]) - np.median(sound[: 2 * part])
    end = np.median(behind[-part:]) - np.median(sound[-2 * part :])
    return {
        "fps": round((len(times) - 1) / (times[-1] - times[0]), 2),
        "late_share": round(float(np.mean(late > np.median(late) + LATE)), 4),
        "drift": round(float(abs(end - start)), 4),
    }


async def _watch_idle(server: ProcessMeter, own: ProcessMeter, seconds: float) -> dict[str, float]:
    server.restart()
    own.restart()
    await asyncio.sleep(seconds)
    return {**share_by_stage(server), "listeners": own.share()}


def describe(values: list[float]) -> dict[str, float]:
    """Give number, median and 95th percentile, in seconds."""
    return {
        "n": len(values),
        "p50": round(float(np.percentile(values, 50)), 3),
        "p95": round(float(np.percentile(values, 95)), 3),
    }
