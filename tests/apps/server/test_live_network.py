"""A server and a listener in two networks with a real, bad wire between them."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from visavis.apps.live_benchmark import start_server

pytestmark = [pytest.mark.assets, pytest.mark.slow, pytest.mark.timeout(240)]

HERE, THERE = "10.213.77.1", "10.213.77.2"
STAGES = {"responder", "synthesizer", "animator", "webrtc"}
"""Threads that each session has of its own."""
QUESTION = "身份证丢了怎么补办？"


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)


class Wire:
    """Two ends of a cable: this machine, and a network namespace."""

    def __init__(self) -> None:
        self.name = f"visavis{os.getpid()}"
        self.here, self.there = f"va{os.getpid()}", f"vb{os.getpid()}"
        _run("ip", "netns", "add", self.name)
        _run("ip", "link", "add", self.here, "type", "veth", "peer", "name", self.there)
        _run("ip", "link", "set", self.there, "netns", self.name)
        _run("ip", "addr", "add", f"{HERE}/24", "dev", self.here)
        _run("ip", "link", "set", self.here, "up")
        _run(*self.inside("ip", "addr", "add", f"{THERE}/24", "dev", self.there))
        _run(*self.inside("ip", "link", "set", self.there, "up"))
        _run(*self.inside("ip", "link", "set", "lo", "up"))

    def inside(self, *command: str) -> list[str]:
        return ["ip", "netns", "exec", self.name, *command]

    def shape(self, rate: str) -> None:
        """Let no more than a rate through, in both directions; what does not fit is lost."""
        shape = ["root", "tbf", "rate", rate, "burst", "2000", "limit", "24000"]
        _run("tc", "qdisc", "replace", "dev", self.here, *shape)
        _run(*self.inside("tc", "qdisc", "replace", "dev", self.there, *shape))

    def heal(self) -> None:
        _run("tc", "qdisc", "del", "dev", self.here, "root")
        _run(*self.inside("tc", "qdisc", "del", "dev", self.there, "root"))

    def cut(self) -> None:
        for command in (
            ["ip", "link", "del", self.here],
            ["ip", "netns", "del", self.name],
        ):
            subprocess.run(command, capture_output=True, check=False)


@pytest.fixture(scope="module")
def wire() -> Iterator[Wire]:
    if shutil.which("ip") is None or shutil.which("tc") is None or os.geteuid() != 0:
        pytest.skip("needs root, ip and tc (Debian: iproute2) to lay a cable of its own")
    cable = Wire()
    yield cable
    cable.cut()


@pytest.fixture(scope="module")
def server(wire: Wire) -> Iterator[tuple[str, str, int]]:
    options = {"VISAVIS_SERVER_VANISHED_LIMIT": "4"}
    with start_server(3, host=HERE, environment=options) as started:
        yield started


class Far:
    """A listener at the other end of the cable."""

    def __init__(self, wire: Wire, url: str, token: str) -> None:
        script = Path(__file__).with_name("network_listener.py")
        self.process = subprocess.Popen(
            wire.inside(sys.executable, str(script), url, token),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        assert self.process.stdout.readline().strip() == "here"

    def tell(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def end(self) -> dict[str, Any]:
        self.tell("end")
        assert self.process.stdout is not None
        kept: dict[str, Any] = json.loads(self.process.stdout.readline())
        self._close()
        return kept

    def vanish(self) -> None:
        self.process.kill()
        self._close()

    def _close(self) -> None:
        self.process.wait(30)
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            with contextlib.suppress(BrokenPipeError):
                pipe.close()


@pytest.fixture
def far(wire: Wire, server: tuple[str, str, int]) -> Iterator[Far]:
    listener = Far(wire, server[0], server[1])
    yield listener
    if listener.process.poll() is None:
        listener.vanish()


def _behind(track: list[list[float]], since: float, until: float) -> float:
    """Median of arrival minus the track's own time, within a stretch."""
    times, stamps = np.array(track[0]), np.array(track[1])
    keep = (times >= since) & (times < until)
    assert keep.any(), f"nothing came between {since} and {until}"
    return float(np.median(times[keep] - stamps[keep]))


def _sessions(server: tuple[str, str, int]) -> list[dict[str, Any]]:
    answer = httpx.get(
        f"{server[0]}/api/v1/sessions", headers={"Authorization": f"Bearer {server[1]}"}
    )
    answer.raise_for_status()
    found: list[dict[str, Any]] = answer.json()["sessions"]
    return found


def _threads(process: int) -> Counter[str]:
    """Count the threads of a process by their names."""
    names: Counter[str] = Counter()
    for task in Path(f"/proc/{process}/task").iterdir():
        with contextlib.suppress(OSError):  # it ended meanwhile
            names[(task / "comm").read_text().strip()] += 1
    return names


def test_after_a_stall_the_picture_is_of_now_and_nothing_is_stale(wire: Wire, far: Far) -> None:
    began = time.monotonic()
    time.sleep(3)
    far.tell(f"ask {QUESTION}")
    time.sleep(4)
    stalled = time.monotonic()
    wire.shape("8kbit")
    time.sleep(3)
    wire.heal()
    healed = time.monotonic()
    time.sleep(8)
    end = time.monotonic()
    kept = far.end()
    for track in (kept["sound"], kept["picture"]):
        before = _behind(track, began, stalled)
        after = _behind(track, healed + 4, end)
        # Had anything been queued it would be three seconds late; a busy machine takes its part.
        assert abs(after - before) < 1.0
    drift = _behind(kept["picture"], healed + 4, end) - _behind(kept["sound"], healed + 4, end)
    assert abs(drift - _behind(kept["picture"], began, stalled)
               + _behind(kept["sound"], began, stalled)) < 0.12  # fmt: skip
    numbers = [event["seq"] for _, event in kept["events"]]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))


def test_on_a_thin_wire_sound_comes_whole(wire: Wire, far: Far) -> None:
    wire.shape("900kbit")
    try:
        time.sleep(2)
        began = time.monotonic()
        far.tell(f"ask {QUESTION}")
        time.sleep(8)
        kept = far.end()
    finally:
        wire.heal()
    sound = np.array(kept["sound"][1])[np.array(kept["sound"][0]) > began]
    # Of what was sent: a machine that is too slow sends less, and says so in its time stamps.
    sent = round((sound[-1] - sound[0]) * 50) + 1
    assert sent > 0.8 * 8 * 50
    assert len(sound) > 0.97 * sent
    pictures = np.array(kept["picture"][1])[np.array(kept["picture"][0]) > began]
    shown = pictures[-1] - pictures[0]
    assert shown > 0.8 * 8
    assert len(pictures) > 0.6 * shown * 25


def test_who_vanishes_is_missed_and_leaves_nothing(
    wire: Wire, server: tuple[str, str, int], far: Far
) -> None:
    def vanish(visitor: Far) -> Counter[str]:
        assert len(_sessions(server)) == 1
        visitor.tell(f"ask {QUESTION}")
        time.sleep(2)
        assert _threads(server[2]).keys() >= STAGES, "it was in the middle of an answer"
        visitor.vanish()
        until = time.monotonic() + 60
        while _sessions(server):
            assert time.monotonic() < until, "the session of one who vanished lives on"
            time.sleep(0.5)
        while STAGES & _threads(server[2]).keys():
            assert time.monotonic() < until, _threads(server[2])
            time.sleep(0.5)
        return _threads(server[2])

    threads = vanish(far)  # what is made once is made
    again = vanish(Far(wire, server[0], server[1]))
    assert sum(again.values()) <= sum(threads.values()), (threads, again)
