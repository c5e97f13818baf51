"""How are the migrations run?

Touches the database, through the connection of whoever runs them: the transaction is theirs, so
that a database is of one version or of the next and never between.
"""

from __future__ import annotations

from alembic import context

from core.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
)
context.run_migrations()
