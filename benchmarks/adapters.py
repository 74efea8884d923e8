"""Delay from an agent's sound to the first frame of speech, as an ``AvatarRunner`` gets it.

    python benchmarks/adapters.py [size]        on a machine that does nothing else

``fast``: all sound is there at once, as from a synthesiser. ``real time``: it comes as it is spoken.
"""

import asyncio
import statistics
import sys
import time
import wave
from itertools import pairwise
from pathlib import Path

from livekit import rtc
from livekit.agents.voice.avatar import AudioSegmentEnd

from visavis.apps.adapters.livekit import AvatarGenerator
from visavis.apps.adapters.opening import Look

SPEECH = Path(__file__).parent.parent / "tests" / "fixtures" / "speech_en.wav"
SECONDS = 2
TIMES = 10


def read_frames() -> list[rtc.AudioFrame]:
    with wave.open(str(SPEECH)) as file:
        rate = file.getframerate()
        parts = [file.readframes(rate // 20) for _ in range(SECONDS * 20)]
    return [rtc.AudioFrame(part, rate, 1, len(part) // 2) for part in parts]


async def measure(size: int, *, real_time: bool) -> None:
    face = await AvatarGenerator.open(Look(size=size))
    first: asyncio.Queue[float] = asyncio.Queue()
    ended, shown = asyncio.Event(), []

    async def watch() -> None:
        speaking = False
        async for item in face:
            if isinstance(item, AudioSegmentEnd):
                speaking = False
                ended.set()
            elif isinstance(item, rtc.VideoFrame):
                shown.append(time.perf_counter())
            elif not speaking:
                speaking = True
                first.put_nowait(time.perf_counter())

    watching = asyncio.create_task(watch())
    delays = []
    for _ in range(TIMES):
        await asyncio.sleep(0.5)
        ended.clear()
        began = time.perf_counter()
        for number, frame in enumerate(read_frames(), 1):
            if real_time:
                await asyncio.sleep(max(0.0, began + number / 20 - time.perf_counter()))
            await face.push_audio(frame)
        await face.push_audio(AudioSegmentEnd())
        await ended.wait()
        delays.append(1000 * (await first.get() - began))
    await face.aclose()
    await watching
    gaps = sorted(1000 * (b - a) for a, b in pairwise(shown))
    print(
        f"{size} px, {'real time' if real_time else 'fast'}: first frame of speech after"
        f" {statistics.median(delays):.0f} ms (at most {max(delays):.0f});"
        f" {1000 / statistics.mean(gaps):.1f} frames a second,"
        f" p99 between two {gaps[len(gaps) * 99 // 100]:.0f} ms"
    )


if __name__ == "__main__":
    chosen = int(sys.argv[1]) if len(sys.argv) > 1 else 512
    asyncio.run(measure(chosen, real_time=False))
    asyncio.run(measure(chosen, real_time=True))
