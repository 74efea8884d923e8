"""Alembic's entry: the store hands over an open connection, inside a transaction and a lock."""

from __future__ import annotations

from alembic import context

from visavis.apps.server.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    # All steps in the caller's one transaction, DDL included: a program that is killed half-way
    # leaves the database as it was. SQLite can do that, but Alembic does not assume it.
    transactional_ddl=True,
)
context.run_migrations()
