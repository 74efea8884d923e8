"""A preparing process for tests of who minds it: it speaks as the real one does and needs no models.

``order["do"]`` is ``finish``, ``work`` (a sentence each 50 ms, for ever), ``crash``, ``late`` (crashes after
two sentences), ``full``, ``crowded`` (the disk is full), ``taken`` or ``babble``. What it is at is in the
file ``order["mark"]``.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

order = json.loads(sys.stdin.buffer.readline())
mark = Path(order["mark"])
do = order["do"]
with mark.open("a") as runs:
    runs.write(f"{os.getpid()}\n")


def watch() -> None:
    while os.read(0, 1):
        pass
    os._exit(0)


def say(ready: int, end: Any = None, foreseen: int = 100, problem: str = "") -> None:
    told = {"ready": ready, "foreseen": foreseen, "end": end, "problem": problem}
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()


threading.Thread(target=watch, daemon=True).start()
before = 2 * len(mark.read_text().splitlines()) - 2
if do == "taken":
    say(0, "taken", 0)
elif do == "babble":
    sys.stdout.write("hello\n")
elif do == "crash":
    sys.exit("no such voice")
else:
    say(before)
    if do == "late" and before < 4:
        say(before + 2)
        os._exit(1)
    if do == "work":
        for ready in range(before, 10_000):
            time.sleep(0.05)
            say(ready % 100)
    if do == "crowded":
        say(before, "full", problem="no space left on device")
    say(100, "full" if do == "full" else "done")
