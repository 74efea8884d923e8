"""Ask the embedded language model, and measure its first token and its speed.

Needs the extra ``local-llm`` and `visavis models pull qwen2.5-coder-1.5b-instruct` (1.1 GB).

python benchmarks/local_llm.py [QUESTION …]
"""

from __future__ import annotations

import asyncio
import sys
import time

from visavis.core.types import Message
from visavis.stages.responders.language_model import LanguageModelResponder

QUESTIONS = ("1加1等于几？", "What is a passport good for?", "请用一句话介绍你自己。")


async def main() -> None:
    seconds = time.perf_counter()
    responder = LanguageModelResponder(model="embedded")
    print(f"ready in {time.perf_counter() - seconds:.1f} s")
    for question in sys.argv[1:] or QUESTIONS:
        began, first, answer = time.perf_counter(), 0.0, ""
        async for piece in responder.reply([Message("user", question)]):
            first = first or time.perf_counter() - began
            answer += piece
        total = time.perf_counter() - began
        print(f"{question}\n  {answer}\n  first sentence {first:.1f} s, all {total:.1f} s")


if __name__ == "__main__":
    asyncio.run(main())
