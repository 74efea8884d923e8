"""Whether the live server is as it was after many visits: `visavis bench live --visits`.

One listener after the other comes in, asks, hears the beginning of the answer and is gone: one half
says so, the other vanishes without a word. What the server then holds more than after the first
visits has leaked.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import httpx

from visavis.apps.live_benchmark import (
    QUESTIONS,
    UNREMEMBERED,
    describe,
    speak_questions,
    start_server,
)
from visavis.apps.live_listener import Listener
from visavis.apps.processes import ProcessMeter
from visavis.core.errors import StageError
from visavis.core.types import Language, Waveform

if TYPE_CHECKING:
    from visavis.apps.assemble import Cast

FIRST = 20
"""Visits after which the server is compared with: until then it loads, and caches fill."""
_PLACES = 16
"""Sessions that it lets in: those who vanish keep their place until it is noticed."""
_SETTINGS = {**UNREMEMBERED, "VISAVIS_SERVER_VANISHED_LIMIT": "2"}
"""Beside it, some 15 s pass without a receiver's report until a connection is given up."""
_HEARD_FOR = 0.4
"""Seconds of an answer that a visitor hears."""
_PATIENCE = 40.0
_GONE_WITHIN = 90.0
"""Seconds in which the sessions of all who are gone must have ended."""
_CALM = 2.0
"""Seconds for which the number of threads and files stays the same when the server is at rest."""


def bench_visits(
    cast: Cast, visits: int, tell: Callable[[str], None] = lambda line: None
) -> dict[str, Any]:
    """Let visitors come and go, and compare what the server holds at the end and early on.

    Args:
        cast: Makes the spoken questions.
        visits: How many, one after the other; every fourth asks by voice.
        tell: Called with a line now and then.

    Returns:
        ``machine`` and ``figures``; plain JSON values, times in seconds. ``early``, ``middle`` and
        ``end`` are what the server held when all were gone: resident ``memory_mb``, ``threads``, open
        ``files``, ``sessions`` still listed, after visit ``visit``. ``grown`` is the difference of end
        and early. What leaks grows as much after the middle as before; what malloc keeps in its
        arenas for the next session, some tens of megabytes, does not.

    Raises:
        StageError: The server did not start, or more than one visit in ten failed.
    """
    from visavis.apps.benchmarking import describe_machine

    machine = describe_machine()
    speech = asyncio.run(speak_questions(cast))
    tell("the server starts")
    with start_server(_PLACES, environment=_SETTINGS) as (url, token, pid):
        figures = asyncio.run(_visit_often(url, token, pid, speech, visits, tell))
    return {"machine": machine, "figures": figures}


async def _visit_often(
    url: str,
    token: str,
    pid: int,
    speech: dict[Language, list[Waveform]],
    visits: int,
    tell: Callable[[str], None],
) -> dict[str, Any]:
    meter = ProcessMeter(pid)
    taken: dict[str, list[float]] = {}
    failures: list[str] = []
    early_at = FIRST if visits > FIRST else max(1, visits // 2)
    middle_at = (early_at + visits) // 2
    held: dict[int, dict[str, float]] = {}
    spent = 0.0
    for number in range(visits):
        began = time.monotonic()
        try:
            await _visit(url, token, speech, number, taken)
        except StageError as error:
            failures.append(str(error))
            tell(f"visit {number + 1} failed: {error}")
            if len(failures) > max(1, visits // 10):
                raise
        spent += time.monotonic() - began
        if number + 1 in (early_at, middle_at, visits):
            held[number + 1] = stock = await _take_stock(url, token, meter)
            tell(f"{number + 1} visits, all are gone: {stock}")
        elif (number + 1) % 10 == 0:
            tell(f"{number + 1} visits: {meter.memory():.0f} MB, {meter.threads()} threads")
    early, middle, end = held[early_at], held[middle_at], held[visits]
    return {
        "visits": visits,
        "spoken": sum(map(is_spoken, range(visits))),
        "vanished": sum(map(vanishes, range(visits))),
        "failed": len(failures),
        "seconds_a_visit": round(spent / visits, 2),
        **{name: describe(values) for name, values in sorted(taken.items())},
        "early": {"visit": early_at, **early},
        "middle": {"visit": middle_at, **middle},
        "end": {"visit": visits, **end},
        "grown": {name: round(end[name] - early[name], 1) for name in end},
        "grown_since_middle": {name: round(end[name] - middle[name], 1) for name in end},
    }


def is_spoken(number: int) -> bool:
    """Whether a visitor asks by voice: every fourth does."""
    return number % 4 == 0


def vanishes(number: int) -> bool:
    """Whether a visitor goes without a word: half of them, and half of those who speak."""
    return (number + number // 4) % 2 == 1


async def _visit(
    url: str,
    token: str,
    speech: dict[Language, list[Waveform]],
    number: int,
    taken: dict[str, list[float]],
) -> None:
    language: Language = "en" if number % 3 == 2 else "zh"
    which = number % len(QUESTIONS[language])
    spoken = is_spoken(number)
    async with Listener(
        url, token, language=language, microphone="open" if spoken else "off"
    ) as listener:
        if spoken:
            asked = await listener.microphone.say(speech[language][which]).ended
        else:
            asked = await listener.send(type="ask", text=QUESTIONS[language][which])
        await listener.wait_for(lambda e: bool(e["type"] == "sentence.started"), asked, _PATIENCE)
        until = time.monotonic() + _PATIENCE
        while (heard := listener.sound.first_loud(asked)) is None:
            if time.monotonic() > until:
                raise StageError(f"an answer began and was not heard within {_PATIENCE:g} s")
            await asyncio.sleep(0.05)
        taken.setdefault("spoken_to_sound" if spoken else "typed_to_sound", []).append(
            heard - asked
        )
        await asyncio.sleep(_HEARD_FOR)
        if vanishes(number):
            await listener.vanish()


async def _take_stock(url: str, token: str, meter: ProcessMeter) -> dict[str, float]:
    """Wait until all sessions are gone and the server is at rest; tell what it holds."""
    left, until = 1, time.monotonic() + _GONE_WITHIN
    while left and time.monotonic() < until:
        # A connection of its own each time: one kept open would be a file more.
        async with httpx.AsyncClient(headers={"Authorization": f"Bearer {token}"}) as client:
            answer = await client.get(f"{url}/api/v1/sessions")
        answer.raise_for_status()
        left = len(answer.json()["sessions"])
        await asyncio.sleep(0.5)
    held, since = (meter.threads(), meter.files()), time.monotonic()
    while time.monotonic() - since < _CALM and time.monotonic() < until + _CALM:
        await asyncio.sleep(0.25)
        if (now := (meter.threads(), meter.files())) != held:
            held, since = now, time.monotonic()
    return {
        "memory_mb": round(meter.memory(), 1),
        "threads": meter.threads(),
        "files": meter.files(),
        "sessions": left,
    }
