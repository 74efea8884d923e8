"""What a process takes: CPU by its threads' names, and memory. Linux only; zeros elsewhere."""

from __future__ import annotations

import os
import time
from pathlib import Path


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

    def shares(self) -> dict[str, float]:
        """CPU by thread name, 1.0 being one core; ``all`` is the sum."""
        seconds = max(time.monotonic() - self._since, 1e-6)
        spent: dict[str, float] = {}
        for (thread, name), ticks in self._read().items():
            used = (ticks - self._before.get((thread, name), 0)) / self._tick
            spent[name] = spent.get(name, 0.0) + used
        shares = {name: round(s / seconds, 3) for name, s in spent.items() if s / seconds >= 0.005}
        return {**dict(sorted(shares.items())), "all": self.share()}

    def share(self) -> float:
        """CPU of all threads together."""
        seconds = max(time.monotonic() - self._since, 1e-6)
        used = sum(self._read().values()) - sum(self._before.values())
        return round(used / self._tick / seconds, 3)

    def memory(self) -> float:
        """Resident megabytes."""
        try:
            lines = (self._folder / "status").read_text().splitlines()
        except OSError:
            return 0.0
        return next((int(x.split()[1]) / 1024 for x in lines if x.startswith("VmRSS")), 0.0)

    def _read(self) -> dict[tuple[str, str], int]:
        found = {}
        for task in self._folder.glob("task/*"):
            try:
                head, _, rest = (task / "stat").read_text().rpartition(")")
            except OSError:
                continue  # the thread ended meanwhile
            fields = rest.split()
            name = head.partition("(")[2].strip()
            found[(task.name, name)] = int(fields[11]) + int(fields[12])
        return found
