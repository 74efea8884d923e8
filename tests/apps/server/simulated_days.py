"""Some weeks of an information desk, written by the store's own interface."""

from __future__ import annotations

import math
import random
import time

from visavis.apps.server.store import FeedbackRecord, SessionRecord, Store, TurnRecord
from visavis.apps.server.store.records import Item
from visavis.apps.server.store.redaction import redact

GAPS = [
    ("狗怎么上户口", "zh", 9),
    ("给狗上户口去哪里办", "zh", 5),
    ("怎么给狗上户口?我电话13800138000", "zh", 3),
    ("附近哪里可以停车", "zh", 8),
    ("停车场在附近哪里", "zh", 3),
    ("Can I pay with a foreign card?", "en", 6),
    ("pay with foreign card", "en", 2),
    ("周末几点关门", "zh", 4),
    ("Where is the lost property office?", "en", 3),
    ("身份证11010519491231002X可以网上换吗", "zh", 2),
    ("厕所在几楼", "zh", 2),
]
COMMENTS = [
    "讲得很清楚",
    "地址是旧的，已经搬了",
    "Very helpful",
    "说得太快了",
    "",
    "",
    "材料清单不全",
]


async def simulate(store: Store, days: int = 30, seed: int = 5, now: float | None = None) -> None:
    chance = random.Random(seed)
    now = time.time() if now is None else now
    texts = [(text, language) for text, language, times in GAPS for _ in range(times)]
    items: list[Item] = []
    for back in range(days):
        weekday = time.gmtime(now - back * 86_400).tm_wday
        busy = 6 if weekday >= 5 else 22 + 8 * math.sin(back / 4)
        for n in range(max(1, round(chance.gauss(busy, 3)))):
            began = now - back * 86_400 - chance.uniform(300, 30_000)
            id, turns = f"{back:03}-{n:03}", chance.choice([1, 2, 2, 3, 4, 6])
            spoken = chance.random() < 0.7
            for number in range(1, turns + 1):
                outcome = chance.choices(
                    ["answer", "choice", "hint", "refusal", ""], [78, 6, 6, 8, 2]
                )[0]
                language = chance.choices(["zh", "en"], [8, 2])[0]
                question = None
                redacted = False
                if outcome in ("hint", "refusal"):
                    text, language = chance.choice(texts)
                    question, redacted = redact(text)
                broken = chance.random() < 0.12
                sound = chance.lognormvariate(-0.05, 0.28)
                latencies = {
                    "first_sound": sound,
                    "first_picture": sound + 0.04,
                    "responder": chance.lognormvariate(-3.5, 0.4),
                    "synthesizer": chance.lognormvariate(-0.9, 0.3),
                    "animator": chance.lognormvariate(-0.5, 0.3),
                }
                if spoken:
                    latencies["recognizer"] = chance.lognormvariate(-0.7, 0.3)
                if broken:
                    latencies["silence"] = chance.lognormvariate(-2.4, 0.35)
                at = began + 25 * number
                items.append(
                    TurnRecord(
                        id, number, at, "audio" if spoken else "text", question, redacted, outcome,
                        chance.betavariate(6, 2), "如何补办居民身份证" if outcome != "refusal" else "",
                        "户籍业务", language, latencies, "interrupted" if broken else "complete",
                        chance.random() if broken else 1.0,
                    )
                )  # fmt: skip
                if chance.random() < 0.12:
                    rating = "up" if chance.random() < 0.8 else "down"
                    items.append(
                        FeedbackRecord(id, number, rating, at + 20, chance.choice(COMMENTS))
                    )
            frames = 25 * (30 + 25 * turns)
            items.append(
                SessionRecord(
                    id, began, chance.choice(["mei", "lin"]), "zh",
                    chance.choices(["webrtc", "mse"], [9, 1])[0], began + frames / 25,
                    chance.choice(["left", "left", "idle", "vanished"]), turns, frames,
                    chance.randrange(frames // 300 + 1),
                )
            )  # fmt: skip
    items.sort(key=lambda item: not isinstance(item, SessionRecord))
    for first in range(0, len(items), 500):
        await store.write(items[first : first + 500])
