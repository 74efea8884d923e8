"""What the server keeps: sessions, turns, feedback and render jobs, in SQLite or PostgreSQL."""

from visavis.apps.server.store.records import (
    FeedbackRecord,
    JobRecord,
    JobState,
    SessionRecord,
    TurnRecord,
)
from visavis.apps.server.store.store import Store, open_store

__all__ = [
    "FeedbackRecord",
    "JobRecord",
    "JobState",
    "SessionRecord",
    "Store",
    "TurnRecord",
    "open_store",
]
