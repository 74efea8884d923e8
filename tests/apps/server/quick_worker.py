"""A job's process for tests of the queue: it speaks as the real one does and needs no models.

What it does is in ``request["do"]``: ``done``, ``fail``, ``crash``, ``stubborn``, or ``wait``, which
works until a file ``go`` is in its folder.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path

order = json.loads(sys.stdin.buffer.readline())
do = order["request"]["do"]
Path("pid").write_text(str(os.getpid()))
with Path("runs").open("a") as runs:
    runs.write(".")
Path("half.mp4.part").write_text("half")


def say(**row: object) -> None:
    sys.stdout.write(json.dumps(row) + "\n")
    sys.stdout.flush()


say(progress=0.25)
if do == "stubborn":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if do in ("wait", "stubborn"):
    while not Path("go").exists():
        time.sleep(0.01)
if do == "crash":
    os.kill(os.getpid(), signal.SIGKILL)
if do == "fail":
    say(error={"code": "OutputUnwritable", "message": "the disk is full; free some space"})
else:
    Path("half.mp4.part").rename("video.mp4")
    say(result={"files": ["video.mp4"], "seconds": 1.0})
