"""Figures counted by the database are those that counting by hand gives."""

from __future__ import annotations

import math
import random
from collections import Counter
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from visavis.apps.server.store import FeedbackRecord, SessionRecord, Store, TurnRecord
from visavis.apps.server.store.records import Item
from visavis.core.errors import InputError

SHANGHAI = ZoneInfo("Asia/Shanghai")
# Half an hour after midnight in Shanghai: in UTC it is still the day before.
NOW = datetime(2026, 3, 10, 0, 30, tzinfo=SHANGHAI).timestamp()
DAY = 86_400


def make_records(seed: int = 3) -> list[Item]:
    chance = random.Random(seed)
    items: list[Item] = []
    for n in range(300):
        began = NOW - chance.uniform(0, 40 * DAY)
        items.append(
            SessionRecord(
                f"s{n}", began, "mei", "zh", "webrtc", began + 60,
                chance.choice(["left", "idle"]), 3, 1500, chance.randrange(20),
            )
        )  # fmt: skip
        for number in range(1, 4):
            latencies = {"first_sound": chance.lognormvariate(0, 0.4)}
            if chance.random() < 0.2:
                latencies["silence"] = chance.uniform(0.05, 0.3)
            items.append(
                TurnRecord(
                    f"s{n}", number, began + number,
                    kind=chance.choice(["text", "audio", "audio", "script"]),
                    outcome=chance.choice(["answer", "answer", "choice", "hint", "refusal", ""]),
                    language=chance.choice(["zh", "en"]),
                    latencies=latencies,
                    ended=chance.choice(["complete", "interrupted", "failed"]),
                    heard=chance.choice([None, chance.random()]),
                )
            )  # fmt: skip
        if chance.random() < 0.3:
            items.append(FeedbackRecord(f"s{n}", 1, chance.choice(["up", "down"]), began + 5))
    return items


@pytest.mark.parametrize("zone", ["Asia/Shanghai", "UTC", "Asia/Kathmandu", "America/New_York"])
async def test_figures_are_right_in_every_time_zone(store: Store, zone: str) -> None:
    items = make_records()
    await store.write(items)
    clock = ZoneInfo(zone)
    today = datetime.fromtimestamp(NOW, clock).date()

    def day(at: float) -> str:
        return datetime.fromtimestamp(at, clock).date().isoformat()

    found = await store.statistics(days=30, zone=zone, now=NOW)
    assert len(found.days) == 30
    assert found.days[-1].day == today.isoformat()
    assert [d.day for d in found.days] == sorted(d.day for d in found.days)
    inside = {d.day for d in found.days}
    turns = [
        t
        for t in items
        if isinstance(t, TurnRecord) and day(t.time) in inside and t.kind != "script"
    ]
    every = [t for t in items if isinstance(t, TurnRecord) and day(t.time) in inside]
    sessions = [s for s in items if isinstance(s, SessionRecord) and day(s.created) in inside]
    feedback = [f for f in items if isinstance(f, FeedbackRecord) and day(f.time) in inside]
    for figures in found.days:
        own = [t for t in turns if day(t.time) == figures.day]
        assert figures.sessions == sum(day(s.created) == figures.day for s in sessions)
        assert figures.questions == len(own)
        assert figures.answered == sum(t.outcome == "answer" for t in own)
        assert figures.unanswered == sum(t.outcome in ("hint", "refusal") for t in own)
        assert figures.unclear == sum(t.outcome == "choice" for t in own)
        assert figures.other == sum(t.outcome == "" for t in own)
        ratings = Counter(f.rating for f in feedback if day(f.time) == figures.day)
        assert (figures.up, figures.down) == (ratings["up"], ratings["down"])
    assert found.outcomes == Counter(t.outcome for t in turns)
    assert found.ended == Counter(t.ended for t in turns)
    assert found.kinds == Counter(t.kind for t in turns)
    assert found.languages == Counter(t.language for t in turns)
    assert found.reasons == Counter(s.reason for s in sessions)
    assert found.frames == sum(s.frames for s in sessions)
    assert found.late == sum(s.late for s in sessions)
    heard = [t.heard for t in turns if t.heard is not None]
    assert found.heard == pytest.approx(sum(heard) / len(heard))
    for mark in ("first_sound", "silence"):
        values = sorted(t.latencies[mark] for t in every if mark in t.latencies)
        figures = found.latencies[mark]
        assert figures.count == len(values) == sum(figures.bins)
        for share, value in ((0.5, figures.p50), (0.95, figures.p95), (0.99, figures.p99)):
            exact = values[math.ceil(share * len(values)) - 1]
            assert value == pytest.approx(exact, abs=0.0026)
    assert set(found.latencies) == {"first_sound", "silence"}


async def test_nothing_yet(store: Store) -> None:
    found = await store.statistics(days=7)
    assert len(found.days) == 7
    assert sum(d.sessions + d.questions + d.up + d.down for d in found.days) == 0
    assert (found.latencies, found.heard, found.frames) == ({}, None, 0)


async def test_a_day_of_23_hours_is_a_day(store: Store) -> None:
    berlin = ZoneInfo("Europe/Berlin")
    times = [datetime(2026, 3, 29, hour, 59, tzinfo=berlin).timestamp() for hour in range(24)]
    await store.write([TurnRecord("s", n + 1, at) for n, at in enumerate(sorted(set(times)))])
    found = await store.statistics(days=3, zone="Europe/Berlin", now=times[-1] + 3600)
    assert [(d.day, d.questions) for d in found.days] == [
        ("2026-03-28", 0), ("2026-03-29", len(set(times))), ("2026-03-30", 0)
    ]  # fmt: skip


async def test_an_unknown_time_zone_is_told(store: Store) -> None:
    for name in ("Mars/Olympus", "../../etc/passwd", "/etc/localtime"):
        with pytest.raises(InputError, match="IANA"):
            await store.statistics(zone=name)


async def test_those_who_look_often_get_what_was_counted_a_moment_ago(store: Store) -> None:
    first = await store.recent_statistics(days=7)
    await store.add_turn(TurnRecord("s", 1, NOW))
    assert await store.recent_statistics(days=7) is first
    assert await store.recent_statistics(days=8) is not first
    await store.purge(0)
    assert await store.recent_statistics(days=7) is not first


async def test_midnight_belongs_to_the_day_that_begins(store: Store) -> None:
    shanghai = [datetime(2026, 3, day, tzinfo=SHANGHAI).timestamp() for day in range(1, 11)]
    await store.write([TurnRecord("s", n + 1, at) for n, at in enumerate(shanghai)])
    found = await store.statistics(days=10, zone="Asia/Shanghai", now=NOW)
    assert [(d.day[-2:], d.questions) for d in found.days] == [(f"{n:02}", 1) for n in range(1, 11)]
