"""Sessions, turns, feedback and jobs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_MARKS = (
    "first_sound",
    "first_picture",
    "silence",
    "recognizer",
    "responder",
    "synthesizer",
    "animator",
)


def _session() -> sa.Column[str]:
    return sa.Column(
        "session",
        sa.String(64),
        sa.ForeignKey("sessions.id", ondelete="CASCADE"),
        primary_key=True,
    )


def upgrade() -> None:
    """Make the first tables."""
    op.create_table(
        "sessions",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("created", sa.Double, nullable=False),
        sa.Column("ended", sa.Double),
        sa.Column("reason", sa.String(16), nullable=False, server_default=""),
        sa.Column("avatar", sa.Text, nullable=False, server_default=""),
        sa.Column("language", sa.String(8), nullable=False, server_default=""),
        sa.Column("transport", sa.String(16), nullable=False, server_default=""),
        sa.Column("turns", sa.Integer, nullable=False, server_default="0"),
    )
    op.create_index("sessions_by_time", "sessions", ["created"])
    op.create_table(
        "turns",
        _session(),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("time", sa.Double, nullable=False),
        sa.Column("kind", sa.String(8), nullable=False),
        sa.Column("question", sa.Text),
        sa.Column("redacted", sa.Boolean, nullable=False),
        sa.Column("outcome", sa.String(8), nullable=False),
        sa.Column("confidence", sa.Double),
        sa.Column("matched", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("language", sa.String(8), nullable=False),
        *(sa.Column(mark, sa.Double) for mark in _MARKS),
        sa.Column("ended", sa.String(16), nullable=False),
        sa.Column("heard", sa.Double),
    )
    op.create_index("turns_by_time", "turns", ["time"])
    op.create_table(
        "feedback",
        _session(),
        sa.Column("turn", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("rating", sa.String(4), nullable=False),
        sa.Column("comment", sa.Text, nullable=False),
        sa.Column("time", sa.Double, nullable=False),
    )
    op.create_index("feedback_by_time", "feedback", ["time"])
    op.create_table(
        "jobs",
        sa.Column("position", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("id", sa.String(64), nullable=False, unique=True),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("request", sa.Text, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("progress", sa.Double, nullable=False),
        sa.Column("error", sa.Text, nullable=False),
        sa.Column("result", sa.Text),
        sa.Column("created", sa.Double, nullable=False),
        sa.Column("updated", sa.Double, nullable=False),
        sa.Column("expires", sa.Double),
        sa.Column("owner", sa.String(64), nullable=False),
    )
    op.create_index("jobs_by_state", "jobs", ["state", "position"])
