"""Questions that were not answered: grouped where they are alike, and reviewed by the operator."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from sqlalchemy import and_, delete, func, or_, select
from sqlalchemy.dialects import postgresql, sqlite

from visavis.apps.server.store.database import Database
from visavis.apps.server.store.records import UNANSWERED
from visavis.apps.server.store.similar import group_alike
from visavis.apps.server.store.tables import reviews, turns

MOST = 1_000
"""Different questions that are compared with one another; those asked most, then latest."""

Verdict: TypeAlias = Literal["open", "done", "dismissed"]


@dataclass(frozen=True, slots=True)
class Gap:
    """Questions that are alike and were not answered.

    Attributes:
        question: The wording that was asked most.
        keys: Of all wordings; a verdict goes for them.
        wordings: Other wordings, at most ten.
        count: How often any was asked.
        first: When it was asked first.
        last: When it was asked last.
        nearest: The stored question that came nearest, if the responder named one.
        confidence: Of the responder, at best.
        languages: In which it was asked.
    """

    question: str
    keys: tuple[str, ...]
    wordings: tuple[str, ...]
    count: int
    first: float
    last: float
    nearest: str
    confidence: float | None
    languages: tuple[str, ...]


class GapRows(Database):
    """What the knowledge base lacks."""

    async def list_gaps(
        self, *, verdict: Verdict = "open", since: float = 0.0, limit: int = 200
    ) -> list[Gap]:
        """Group what was not answered, what is asked most first.

        Args:
            verdict: Those nobody has looked at, or that were asked again after they were marked as
                done; or those marked as done, or as not worth an answer.
            since: Unix seconds; nothing older counts.
            limit: Groups at most.
        """
        judged = {
            # Who marked it as done has added an answer; asked and missed again, it is open again.
            "open": or_(
                reviews.c.verdict.is_(None),
                and_(reviews.c.verdict == "done", turns.c.time > reviews.c.time),
            ),
            "done": and_(reviews.c.verdict == "done", turns.c.time <= reviews.c.time),
            "dismissed": reviews.c.verdict == "dismissed",
        }[verdict]
        number = func.count().label("number")
        last = func.max(turns.c.time).label("last")
        query = (
            select(
                turns.c.question_key,
                func.max(turns.c.question),
                number,
                func.min(turns.c.time),
                last,
                func.max(turns.c.matched),
                func.max(turns.c.confidence),
                func.min(turns.c.language),
                func.max(turns.c.language),
            )
            .outerjoin(reviews, reviews.c.question_key == turns.c.question_key)
            .where(
                turns.c.question_key.is_not(None),
                turns.c.outcome.in_(UNANSWERED),
                turns.c.time >= since,
                judged,
            )
            .group_by(turns.c.question_key)
            .order_by(number.desc(), last.desc())
            .limit(MOST)
        )
        async with self.reading() as connection:
            rows = (await connection.execute(query)).all()
        # Comparing takes a tenth of a second for the most there can be: not on the event loop.
        groups = await asyncio.to_thread(group_alike, [row[1] for row in rows])
        gaps = [_join([rows[n] for n in group]) for group in groups]
        gaps.sort(key=lambda gap: (-gap.count, -gap.last))
        return gaps[:limit]

    async def review(self, keys: Sequence[str], verdict: Verdict) -> None:
        """Give a verdict on questions; ``open`` takes it back."""
        async with self.writing() as connection:
            if verdict == "open":
                await connection.execute(delete(reviews).where(reviews.c.question_key.in_(keys)))
                return
            insert = sqlite.insert if self.is_sqlite else postgresql.insert
            statement = insert(reviews)
            new: Any = {name: statement.excluded[name] for name in ("verdict", "time")}
            now = time.time()
            await connection.execute(
                statement.on_conflict_do_update(index_elements=["question_key"], set_=new),
                [{"question_key": key, "verdict": verdict, "time": now} for key in keys],
            )


def _join(rows: Sequence[Any]) -> Gap:
    sure = [row[6] for row in rows if row[6] is not None]
    spoken = {language for row in rows for language in (row[7], row[8]) if language}
    return Gap(
        question=rows[0][1],
        keys=tuple(row[0] for row in rows),
        wordings=tuple(row[1] for row in rows[1:11]),
        count=sum(row[2] for row in rows),
        first=min(row[3] for row in rows),
        last=max(row[4] for row in rows),
        nearest=next((row[5] for row in rows if row[5]), ""),
        confidence=max(sure, default=None),
        languages=tuple(sorted(spoken)),
    )
