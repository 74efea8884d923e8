"""Knowledge bases that are kept: pairs, documents, history and vectors, in SQLite or PostgreSQL."""

from visavis.knowledge.store.contents import wording_text
from visavis.knowledge.store.records import (
    BaseInfo,
    DocumentInfo,
    Near,
    StoredDocument,
    StoredPassage,
    TextKind,
    UnknownBase,
    UnknownEntry,
    Version,
    VersionConflict,
)
from visavis.knowledge.store.store import KnowledgeStore

__all__ = [
    "BaseInfo",
    "DocumentInfo",
    "KnowledgeStore",
    "Near",
    "StoredDocument",
    "StoredPassage",
    "TextKind",
    "UnknownBase",
    "UnknownEntry",
    "Version",
    "VersionConflict",
    "wording_text",
]
