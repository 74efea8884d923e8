"""Questions that are the same are found by a key, and can be reviewed; sessions count frames."""

from __future__ import annotations

import hashlib
import unicodedata

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_AT_ONCE = 1000


def _key(question: str) -> str:
    # A copy of `similar.question_key` as it was: a migration must not change with the program.
    folded = unicodedata.normalize("NFKC", question).casefold()
    plain = "".join(c for c in folded if c.isalnum())
    return hashlib.sha256((plain or folded).encode("utf-8", "replace")).hexdigest()[:32]


def upgrade() -> None:
    """Add the key, fill it for what is there, and add reviews."""
    for name in ("frames", "late"):
        op.add_column("sessions", sa.Column(name, sa.Integer, nullable=False, server_default="0"))
    op.add_column("turns", sa.Column("question_key", sa.String(32)))
    op.create_table(
        "reviews",
        sa.Column("question_key", sa.String(32), primary_key=True),
        sa.Column("verdict", sa.String(16), nullable=False),
        sa.Column("time", sa.Double, nullable=False),
    )
    connection = op.get_bind()
    turns = sa.table(
        "turns",
        sa.column("session"),
        sa.column("number"),
        sa.column("question"),
        sa.column("question_key"),
    )
    kept = connection.execute(
        sa.select(turns.c.session, turns.c.number, turns.c.question).where(
            turns.c.question.is_not(None)
        )
    ).all()
    fill = (
        sa.update(turns)
        .where(turns.c.session == sa.bindparam("of"), turns.c.number == sa.bindparam("nth"))
        .values(question_key=sa.bindparam("key"))
    )
    for first in range(0, len(kept), _AT_ONCE):
        connection.execute(
            fill,
            [
                {"of": row.session, "nth": row.number, "key": _key(row.question)}
                for row in kept[first : first + _AT_ONCE]
            ],
        )
    op.create_index("turns_by_question", "turns", ["question_key", "time"])
