"""The tables as the newest migration leaves them; a test holds them against the migrated schema."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    Dialect,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
)
from sqlalchemy.types import TypeDecorator

from visavis.apps.server.store.records import MARKS


class Json(TypeDecorator[Any]):
    """JSON kept as text, in ASCII: PostgreSQL's own type refuses characters that users may send."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        """Write it down."""
        return None if value is None else json.dumps(value, allow_nan=False)

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        """Read it back."""
        return None if value is None else json.loads(value)


metadata = MetaData()

sessions = Table(
    "sessions",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("created", Double, nullable=False),
    Column("ended", Double),
    Column("reason", String(16), nullable=False, server_default=""),
    Column("avatar", Text, nullable=False, server_default=""),
    Column("language", String(8), nullable=False, server_default=""),
    Column("transport", String(16), nullable=False, server_default=""),
    Column("turns", Integer, nullable=False, server_default="0"),
    Column("frames", Integer, nullable=False, server_default="0"),
    Column("late", Integer, nullable=False, server_default="0"),
    Index("sessions_by_time", "created"),
)

turns = Table(
    "turns",
    metadata,
    Column("session", String(64), ForeignKey("sessions.id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("time", Double, nullable=False),
    Column("kind", String(8), nullable=False),
    Column("question", Text),
    Column("question_key", String(32)),
    Column("answer", Text),
    Column("redacted", Boolean, nullable=False),
    Column("outcome", String(8), nullable=False),
    Column("confidence", Double),
    Column("matched", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("language", String(8), nullable=False),
    *(Column(mark, Double) for mark in MARKS),
    Column("ended", String(16), nullable=False),
    Column("heard", Double),
    Column("sound", Double),
    Index("turns_by_time", "time"),
    Index("turns_by_question", "question_key", "time"),
)

feedback = Table(
    "feedback",
    metadata,
    Column("session", String(64), ForeignKey("sessions.id", ondelete="CASCADE"), primary_key=True),
    Column("turn", Integer, primary_key=True, autoincrement=False),
    Column("rating", String(4), nullable=False),
    Column("comment", Text, nullable=False),
    Column("time", Double, nullable=False),
    Index("feedback_by_time", "time"),
)

reviews = Table(
    "reviews",
    metadata,
    Column("question_key", String(32), primary_key=True),
    Column("verdict", String(16), nullable=False),
    Column("time", Double, nullable=False),
)

jobs = Table(
    "jobs",
    metadata,
    # Orders the queue where two jobs came within one tick of the clock, or the clock was set back.
    Column("position", Integer, primary_key=True, autoincrement=True),
    Column("id", String(64), nullable=False, unique=True),
    Column("kind", String(32), nullable=False),
    Column("request", Json, nullable=False),
    Column("state", String(16), nullable=False),
    Column("progress", Double, nullable=False),
    Column("error", Text, nullable=False),
    Column("result", Json),
    Column("created", Double, nullable=False),
    Column("updated", Double, nullable=False),
    Column("expires", Double),
    Column("owner", String(64), nullable=False),
    Index("jobs_by_state", "state", "position"),
)
