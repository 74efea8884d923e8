"""What was answered may be kept beside what was asked."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the answers; of what is there none is known."""
    op.add_column("turns", sa.Column("answer", sa.Text))
