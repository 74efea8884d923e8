"""The tables as the newest schema has them; a test holds them against the migrated database."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData()

# SQLite counts rows up by itself only in a column that is called INTEGER.
_Number = BigInteger().with_variant(Integer(), "sqlite")


def _base() -> Column[int]:
    return Column("base", _Number, ForeignKey("kb_bases.id", ondelete="CASCADE"), primary_key=True)


state = Table(
    "kb_state",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("schema_version", Integer, nullable=False),
    Column("revision", BigInteger, nullable=False),
)

bases = Table(
    "kb_bases",
    metadata,
    Column("id", _Number, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("title", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("next_position", BigInteger, nullable=False),
    Column("changed", Double, nullable=False),
)

versions = Table(
    "kb_versions",
    metadata,
    _base(),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("at", Double, nullable=False),
    Column("author", Text, nullable=False),
    Column("note", Text, nullable=False),
    Column("added", Integer, nullable=False),
    Column("changed", Integer, nullable=False),
    Column("removed", Integer, nullable=False),
    Column("undoes", Integer),
    Column("undone", Boolean, nullable=False),
)

# What a base holds now. `kind` is pair, document, passage or synonyms; `sub` is a pair's language
# or a passage's number; `content` is JSON.
entries = Table(
    "kb_entries",
    metadata,
    _base(),
    Column("kind", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("sub", Text, primary_key=True),
    Column("position", BigInteger, nullable=False),
    Column("gap", Boolean, nullable=False),
    Column("content", Text, nullable=False),
    Index("kb_entries_by_position", "base", "kind", "position"),
    Index("kb_entries_counted", "base", "kind", "sub", "gap"),
)

# What each version did to an entry; a side that is NULL says that there was none.
changes = Table(
    "kb_changes",
    metadata,
    _base(),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("kind", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("sub", Text, primary_key=True),
    Column("before_position", BigInteger),
    Column("before_content", Text),
    Column("after_position", BigInteger),
    Column("after_content", Text),
    Index("kb_changes_by_entry", "base", "kind", "id", "sub", "version"),
)

# Every text that has or needs a vector, once; `key` is its SHA-256.
texts = Table(
    "kb_texts",
    metadata,
    Column("id", _Number, primary_key=True),
    Column("key", LargeBinary, nullable=False, unique=True),
    Column("text", Text, nullable=False),
    sqlite_autoincrement=True,
)

# Where a text stands in the bases as they are now.
uses = Table(
    "kb_uses",
    metadata,
    _base(),
    Column("kind", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("language", Text, primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("text", _Number, ForeignKey("kb_texts.id"), nullable=False),
    Index("kb_uses_by_text", "text"),
)

# A space is what one encoder makes: vectors of different fingerprints are never compared.
spaces = Table(
    "kb_spaces",
    metadata,
    Column("id", _Number, primary_key=True),
    Column("fingerprint", Text, nullable=False, unique=True),
    Column("dimension", Integer, nullable=False),
    sqlite_autoincrement=True,
)

# Ids only grow and are never given twice, so that an index knows what it has not seen.
# PostgreSQL keeps `vector` as pgvector's halfvec; SQLite as little-endian float16.
vectors = Table(
    "kb_vectors",
    metadata,
    Column("id", _Number, primary_key=True),
    Column("space", _Number, ForeignKey("kb_spaces.id", ondelete="CASCADE"), nullable=False),
    Column("text", _Number, ForeignKey("kb_texts.id", ondelete="CASCADE"), nullable=False),
    Column("vector", LargeBinary, nullable=False),
    UniqueConstraint("space", "text"),
    Index("kb_vectors_by_text", "text"),
    Index("kb_vectors_by_space", "space", "id"),
    sqlite_autoincrement=True,
)
