from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from visavis.apps.live_cpu import STAGES, share_by_stage
from visavis.apps.processes import ProcessMeter
from visavis.models.runtime import naming_threads

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def spin(seconds: float) -> None:
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        pass


@contextmanager
def run_thread(name: str, seconds: float) -> Iterator[None]:
    """A thread of that name that has worked so long and stays."""
    worked, leave = threading.Event(), threading.Event()

    def work() -> None:
        spin(seconds)
        worked.set()
        leave.wait()

    thread = threading.Thread(target=work)
    with naming_threads(name):
        thread.start()
    worked.wait()
    yield
    leave.set()
    thread.join()
    while Path(f"/proc/self/task/{thread.native_id}").exists():
        time.sleep(0.001)  # the system ends it a moment after Python has


def comm(thread: int | None = None) -> str:
    return Path(f"/proc/self/task/{thread or threading.get_native_id()}/comm").read_text().strip()


def test_threads_that_start_meanwhile_have_the_name() -> None:
    before, seen = comm(), []

    def look() -> None:
        seen.append(comm())

    with naming_threads("a-name-longer-than-fifteen"):
        first = threading.Thread(target=look)
        first.start()
    second = threading.Thread(target=look)
    second.start()
    first.join()
    second.join()
    assert seen == ["a-name-longer-t", before]
    assert comm() == before


def test_the_own_name_comes_back_after_a_failure() -> None:
    before = comm()
    with pytest.raises(ZeroDivisionError), naming_threads("voice"):
        raise ZeroDivisionError
    assert comm() == before


def test_each_stage_gets_what_its_threads_took() -> None:
    meter = ProcessMeter(os.getpid())
    began = time.monotonic()
    with run_thread("synthesizer", 0.2), run_thread("voice", 0.1), run_thread("ears", 0.1):
        spin(0.1)
        found, seconds = share_by_stage(meter), time.monotonic() - began
    taken = {name: share * seconds for name, share in found.items()}
    # The system counts in hundredths of a second.
    assert taken["voice"] == pytest.approx(0.3, abs=0.06)
    assert taken["hearing"] == pytest.approx(0.1, abs=0.04)
    assert taken["encoding and network"] >= 0.06
    assert taken["face"] == 0
    assert taken["all"] >= 0.5 - 0.06
    assert set(found) == {*STAGES, "rest", "all"}


def test_what_ended_threads_took_is_in_the_rest() -> None:
    meter = ProcessMeter(os.getpid())
    began = time.monotonic()
    with run_thread("face", 0.3):
        pass
    found, seconds = share_by_stage(meter), time.monotonic() - began
    assert found["face"] == 0
    assert found["rest"] * seconds == pytest.approx(0.3, abs=0.06)
    parts = [share for name, share in found.items() if name != "all"]
    assert sum(parts) == pytest.approx(found["all"], abs=0.01)


def test_threads_and_files_are_counted(tmp_path: Path) -> None:
    meter = ProcessMeter(os.getpid())
    threads, files = meter.threads(), meter.files()
    with (tmp_path / "open").open("w"), run_thread("one", 0):
        assert meter.threads() == threads + 1
        assert meter.files() == files + 1
    assert meter.files() == files


def test_of_a_process_that_is_gone_nothing_is_known() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    meter = ProcessMeter(process.pid)
    assert share_by_stage(meter)["all"] == 0
    assert (meter.threads(), meter.files(), meter.memory()) == (0, 0, 0)


HOLDERS = """
import ctypes, sys, threading
from visavis.apps.processes import limit_arenas
print(limit_arenas() if sys.argv[1] == "limited" else False)
barrier = threading.Barrier(12)
def hold():
    block = bytes(5000)  # larger than what Python keeps in pools of its own
    barrier.wait()
threads = [threading.Thread(target=hold) for _ in range(12)]
[thread.start() for thread in threads], [thread.join() for thread in threads]
libc = ctypes.CDLL(None)
libc.fdopen.restype = ctypes.c_void_p
sys.stdout.flush()
out = ctypes.c_void_p(libc.fdopen(1, b"w"))
libc.malloc_info(0, out)
libc.fflush(out)
"""


@pytest.mark.skipif(
    not hasattr(os, "confstr") or "glibc" not in (os.confstr("CS_GNU_LIBC_VERSION") or ""),
    reason="tunes glibc",
)
def test_arenas_are_few() -> None:
    def run(how: str, **more: str) -> tuple[bool, int]:
        environment = {k: v for k, v in os.environ.items() if k != "MALLOC_ARENA_MAX"} | more
        command = [sys.executable, "-c", HOLDERS, how]
        said = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        return said.stdout.startswith("True"), said.stdout.count("<heap nr=")

    limited, arenas = run("limited")
    assert limited
    assert arenas <= 2
    assert run("free")[1] > arenas
    assert run("limited", MALLOC_ARENA_MAX="5")[0] is False
