"""How much sooner the first picture comes when the stages work at once.

Baseline, in the same run: one stage after the other (the whole answer, then all sound, then all
frames). Fakes with fixed delays stand in for the stages, so only the flow is measured.

    python benchmarks/streaming.py [--json]
"""

import asyncio
import json
import sys
import time

from visavis.core.types import Message, Sentence
from visavis.pipeline.conversation import Conversation
from visavis.pipeline.manner import Limits, Manner
from visavis.pipeline.sentences import SentenceSplitter
from visavis.stages import fakes

ANSWER = "Bring your identity card and a photo. The office opens at nine. It takes ten days. " * 2
WRITING, SPEAKING, SHOWING = 0.01, 0.01, 0.005
"""Seconds for four characters, for a word, and for 200 ms of frames."""


def make_stages():
    return (
        fakes.PaintingAnimator(SHOWING).open(fakes.make_avatar(size=64)),
        fakes.ToneSynthesizer(SPEAKING),
        fakes.EchoResponder(ANSWER, delay=WRITING),
    )


async def run_in_sequence() -> tuple[float, float]:
    performance, synthesizer, responder = make_stages()
    began = time.perf_counter()
    text = "".join([piece async for piece in responder.reply([Message("user", "?")])])
    splitter = SentenceSplitter()
    sentences = [*splitter.feed(text), *splitter.flush()]
    speeches = [
        speech
        for number, words in enumerate(sentences)
        async for speech in synthesizer.speak(Sentence(1, number, words, "en"), "tone_low")
    ]
    first = 0.0
    for speech in speeches:
        for _ in performance.feed(speech):
            first = first or time.perf_counter() - began
    list(performance.flush())
    return first, time.perf_counter() - began


async def run_at_once() -> tuple[float, float]:
    manner = Manner({"en": "tone_low", "zh": "tone_low"})
    # Room for all of it: the reader must not be what is measured.
    async with Conversation(*make_stages(), manner=manner, limits=Limits(frames=10_000)) as talk:
        began = time.perf_counter()
        first = 0.0
        async for _ in talk.play(talk.ask_text("?")):
            first = first or time.perf_counter() - began
        return first, time.perf_counter() - began


def main() -> None:
    rows = {}
    for name, work in (("in sequence", run_in_sequence), ("at once", run_at_once)):
        runs = sorted(asyncio.run(work()) for _ in range(5))
        first, total = runs[len(runs) // 2]
        rows[name] = {"first_s": round(first, 3), "total_s": round(total, 3)}
    if "--json" in sys.argv:
        print(json.dumps(rows, indent=2))
        return
    for name, row in rows.items():
        print(f"{name:<12} first picture {row['first_s']:.3f} s, all {row['total_s']:.3f} s")
    sooner = rows["in sequence"]["first_s"] / rows["at once"]["first_s"]
    print(f"the first picture comes {sooner:.1f} times sooner")


if __name__ == "__main__":
    main()
