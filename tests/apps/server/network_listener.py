"""A listener in a network of its own; the tests tell it over stdin what to do.

Lines: ``ask TEXT``, ``end``. It prints ``here`` when sound and picture have come, and at the end one
JSON object with what arrived when, on the machine's monotonic clock.
"""

import asyncio
import json
import sys

from visavis.apps.live_listener import Listener


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


async def listen(url: str, token: str) -> None:
    lines: asyncio.Queue[str] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    loop.add_reader(sys.stdin, lambda: lines.put_nowait(sys.stdin.readline()))
    async with Listener(url, token, language="zh") as listener:
        _say("here")
        while (line := (await lines.get()).strip()) != "end":
            word, _, rest = line.partition(" ")
            if word == "ask":
                await listener.send(type="ask", text=rest)
        kept = {
            "session": listener.session,
            "sound": [listener.sound.times, listener.sound.stamps, listener.sound.loud],
            "picture": [listener.picture.times, listener.picture.stamps],
            "events": listener.events,
        }
        _say(json.dumps(kept))


if __name__ == "__main__":
    asyncio.run(listen(sys.argv[1], sys.argv[2]))
