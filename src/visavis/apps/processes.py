"""What a process takes: CPU by its threads' names, memory, files. Linux only; zeros elsewhere."""

from __future__ import annotations

import ctypes
import os
import time
from pathlib import Path

_ARENAS = -8
"""M_ARENA_MAX of glibc's malloc.h."""


def limit_arenas(most: int = 2) -> bool:
    """Let glibc's allocator keep so few arenas; threads that exist keep theirs.

    By default it makes eight for each core, and what each once held at most stays resident: of a
    process with many short-lived threads and large pictures that is the greater part.

    Returns:
        Whether it did: not where another allocator is at work, nor where MALLOC_ARENA_MAX is set.
    """
    if "MALLOC_ARENA_MAX" in os.environ:
        return False
    try:
        return bool(ctypes.CDLL(None).mallopt(_ARENAS, most))
    except (OSError, AttributeError, TypeError):
        return False


class ProcessMeter:
    """Reads a process's share of one core, from ``restart`` on.

    Args:
        pid: The process.
    """

    def __init__(self, pid: int) -> None:
        self._folder = Path(f"/proc/{pid}")
        self._tick = os.sysconf("SC_CLK_TCK")
        self.restart()

    def restart(self) -> None:
        """Count from now on."""
        self._since = time.monotonic()
        self._before = self._read()
        self._all_before = self._read_all()

    def shares(self) -> dict[str, float]:
        """CPU by thread name, 1.0 being one core; that of the first thread is under ``main``."""
        seconds = max(time.monotonic() - self._since, 1e-6)
        spent: dict[str, float] = {}
        for (thread, name), ticks in self._read().items():
            used = (ticks - self._before.get((thread, name), 0)) / self._tick
            name = "main" if thread == self._folder.name else name
            spent[name] = spent.get(name, 0.0) + used
        return {name: s / seconds for name, s in sorted(spent.items())}

    def share(self) -> float:
        """CPU of the process, threads that have ended included."""
        seconds = max(time.monotonic() - self._since, 1e-6)
        return round((self._read_all() - self._all_before) / self._tick / seconds, 3)

    def memory(self) -> float:
        """Resident megabytes."""
        try:
            lines = (self._folder / "status").read_text().splitlines()
        except OSError:
            return 0.0
        return next((int(x.split()[1]) / 1024 for x in lines if x.startswith("VmRSS")), 0.0)

    def threads(self) -> int:
        """Threads that live."""
        return len(list(self._folder.glob("task/*")))

    def files(self) -> int:
        """Open file descriptors, sockets among them."""
        return len(list(self._folder.glob("fd/*")))

    def _read(self) -> dict[tuple[str, str], int]:
        """Ticks of CPU by thread and its name."""
        return {
            (task.name, found[0]): found[1]
            for task in self._folder.glob("task/*")
            if (found := _read_ticks(task)) is not None
        }

    def _read_all(self) -> int:
        found = _read_ticks(self._folder)
        return found[1] if found is not None else 0


def _read_ticks(folder: Path) -> tuple[str, int] | None:
    """Name and ticks of CPU; None where it ended meanwhile."""
    try:
        head, _, rest = (folder / "stat").read_text().rpartition(")")
    except OSError:
        return None
    fields = rest.split()
    return head.partition("(")[2].strip(), int(fields[11]) + int(fields[12])
