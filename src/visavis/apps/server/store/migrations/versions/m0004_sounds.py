"""How a question sounded may be kept beside its text."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the seconds of sound that are kept; of what is there none is."""
    op.add_column("turns", sa.Column("sound", sa.Double))
