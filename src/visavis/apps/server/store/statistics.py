"""Figures over many turns, counted by the database: no row of a turn comes to this process."""

from __future__ import annotations

import math
import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sqlalchemy import ColumnElement, Integer, case, cast, func, select

from visavis.apps.server.store.database import Database
from visavis.apps.server.store.records import MARKS, UNANSWERED, Mark
from visavis.apps.server.store.tables import feedback, sessions, turns
from visavis.core.errors import InputError

_DAY = 86_400
_EPOCH = date(1970, 1, 1)
_STEP = 200
"""Latencies are counted in two-hundredths of a second."""


@dataclass(frozen=True, slots=True)
class DayFigures:
    """What happened on one day of the time zone asked for.

    Attributes:
        day: ISO date.
        unanswered: Hints and refusals.
        unclear: The user was asked which of several questions was meant.
        other: The responder did not say, or the turn was broken off before.
    """

    day: str
    sessions: int = 0
    questions: int = 0
    answered: int = 0
    unanswered: int = 0
    unclear: int = 0
    other: int = 0
    up: int = 0
    down: int = 0


@dataclass(frozen=True, slots=True)
class LatencyFigures:
    """How long something took, to 5 ms.

    Attributes:
        count: How many turns have it.
        bins: How many took 0 to 0.1 s, 0.1 to 0.2 s and so on; the last one holds all above.
    """

    count: int
    p50: float
    p95: float
    p99: float
    bins: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Statistics:
    """Figures of some days.

    Attributes:
        days: Every day, the oldest first, those on which nothing happened too.
        outcomes: Questions by outcome, the empty one included.
        ended: Questions by how their turns ended.
        kinds: Questions by how they were asked.
        languages: Questions by language.
        reasons: Sessions by why they ended.
        frames: That left the server; ``late`` of them after their moment.
        heard: Mean share of an answer that was heard; None without answers.
    """

    days: tuple[DayFigures, ...]
    outcomes: Mapping[str, int]
    ended: Mapping[str, int]
    kinds: Mapping[str, int]
    languages: Mapping[str, int]
    reasons: Mapping[str, int]
    latencies: Mapping[Mark, LatencyFigures] = field(default_factory=dict)
    frames: int = 0
    late: int = 0
    heard: float | None = None


BINS = 40
"""Of a tenth of a second each; the last holds what is longer."""


class StatisticsRows(Database):
    """Figures over turns, sessions and feedback."""

    async def statistics(
        self, *, days: int = 30, zone: str = "", now: float | None = None
    ) -> Statistics:
        """Count what happened within some days, today included.

        Args:
            days: 1..366.
            zone: IANA name of the time zone whose days are meant; empty for the server's own.
            now: Unix seconds.

        Raises:
            InputError: There is no such time zone.
            StoreUnavailable: The database does not answer.
        """
        clock = find_zone(zone)
        today = datetime.fromtimestamp(time.time() if now is None else now, clock).date()
        first = today - timedelta(days=days - 1)
        since = _midnight(first, clock)
        zone_steps = _find_steps(clock, since, _midnight(today + timedelta(days=2), clock))
        asked = (turns.c.time >= since, turns.c.kind != "script")
        by: defaultdict[str, Counter[str]] = defaultdict(Counter)
        totals: defaultdict[str, Counter[str]] = defaultdict(Counter)

        async with self.reading() as connection:
            local = self._local_day(turns.c.time, zone_steps).label("local")
            for at, outcome, number in await connection.execute(
                select(local, turns.c.outcome, func.count())
                .where(*asked)
                .group_by("local", turns.c.outcome)
            ):
                day = by[_day(at)]
                day["questions"] += number
                day[_CLASS.get(outcome, "other")] += number
                totals["outcomes"][outcome] += number

            columns = (turns.c.ended, turns.c.kind, turns.c.language)
            heard_sum, heard_count = 0.0, 0
            for *values, number, heard, listened in await connection.execute(
                select(*columns, func.count(), func.sum(turns.c.heard), func.count(turns.c.heard))
                .where(*asked)
                .group_by(*columns)
            ):
                for name, value in zip(("ended", "kinds", "languages"), values, strict=True):
                    totals[name][value] += number
                heard_sum += heard or 0.0
                heard_count += listened

            frames = late = 0
            local = self._local_day(sessions.c.created, zone_steps).label("local")
            for at, reason, number, sent, behind in await connection.execute(
                select(
                    local,
                    sessions.c.reason,
                    func.count(),
                    func.sum(sessions.c.frames),
                    func.sum(sessions.c.late),
                )
                .where(sessions.c.created >= since)
                .group_by("local", sessions.c.reason)
            ):
                by[_day(at)]["sessions"] += number
                if reason:
                    totals["reasons"][reason] += number
                frames += sent
                late += behind

            local = self._local_day(feedback.c.time, zone_steps).label("local")
            for at, rating, number in await connection.execute(
                select(local, feedback.c.rating, func.count())
                .where(feedback.c.time >= since)
                .group_by("local", feedback.c.rating)
            ):
                by[_day(at)][rating] += number

            latencies: dict[Mark, LatencyFigures] = {}
            for mark in MARKS:
                step = self._whole(turns.c[mark] * _STEP).label("step")
                rows = await connection.execute(
                    select(step, func.count())
                    .where(turns.c.time >= since, turns.c[mark].is_not(None))
                    .group_by("step")
                )
                found = sorted((int(at), int(number)) for at, number in rows)
                if found:
                    latencies[mark] = _summarise(found)

        names = [(first + timedelta(days=n)).isoformat() for n in range(days)]
        return Statistics(
            days=tuple(DayFigures(name, **by[name]) for name in names),
            outcomes=dict(totals["outcomes"]),
            ended=dict(totals["ended"]),
            kinds=dict(totals["kinds"]),
            languages=dict(totals["languages"]),
            reasons=dict(totals["reasons"]),
            latencies=latencies,
            frames=frames,
            late=late,
            heard=heard_sum / heard_count if heard_count else None,
        )

    def _local_day(
        self, column: ColumnElement[float], steps: Sequence[tuple[float, float]]
    ) -> ColumnElement[int]:
        """Give the number of the local day: counted in the database, where the rows are."""
        *changes, (_, last) = steps
        whole = self._whole((column + last) / _DAY)
        if not changes:
            return whole
        return case(
            *((column < end, self._whole((column + offset) / _DAY)) for end, offset in changes),
            else_=whole,
        )

    def _whole(self, value: ColumnElement[Any]) -> ColumnElement[int]:
        """Cut off what is behind the point: SQLite does when it casts, PostgreSQL would round."""
        return cast(value if self.is_sqlite else func.floor(value), Integer)


_CLASS = {"answer": "answered", "choice": "unclear", **dict.fromkeys(UNANSWERED, "unanswered")}


def find_zone(name: str) -> tzinfo | None:
    """Find a time zone; None stands for the machine's own.

    Raises:
        InputError: There is none of that name.
    """
    if not name:
        return None
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InputError(
            f"there is no time zone {name!r}; give an IANA name such as Asia/Shanghai"
        ) from None


def _midnight(day: date, clock: tzinfo | None) -> float:
    start = datetime(day.year, day.month, day.day)
    return (start.replace(tzinfo=clock) if clock else start).timestamp()


def _day(number: int) -> str:
    return (_EPOCH + timedelta(days=number)).isoformat()


def _offset(at: float, clock: tzinfo | None) -> float:
    """Give the seconds that local time is ahead of UTC."""
    found = datetime.fromtimestamp(at, clock).astimezone(clock).utcoffset()
    assert found is not None
    return found.total_seconds()


def _find_steps(clock: tzinfo | None, first: float, last: float) -> list[tuple[float, float]]:
    """Find where a zone's offset changes: pairs of the end of a stretch and its offset."""
    steps: list[tuple[float, float]] = []
    at = first
    while at < last:
        after = at + _DAY
        offset = _offset(at, clock)
        if _offset(after, clock) != offset:
            low, high = int(at), int(after)
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (middle, high) if _offset(middle, clock) == offset else (low, middle)
            steps.append((high, offset))
        at = after
    return [*steps, (math.inf, _offset(at, clock))]


def _summarise(found: Sequence[tuple[int, int]]) -> LatencyFigures:
    """Make percentiles by nearest rank of counts by step, ascending."""
    total = sum(number for _, number in found)
    bins = [0] * BINS
    for step, number in found:
        bins[min(max(0, step * 10 // _STEP), BINS - 1)] += number

    def percentile(share: float) -> float:
        rank, passed = max(1, math.ceil(share * total)), 0
        for step, number in found:
            passed += number
            if passed >= rank:
                return (step + 0.5) / _STEP
        raise AssertionError("ranks go no further than the total")

    return LatencyFigures(total, percentile(0.5), percentile(0.95), percentile(0.99), tuple(bins))
