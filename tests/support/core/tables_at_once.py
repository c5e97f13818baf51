"""How does a new database of a test have its tables at once?

Touches a database in memory. The migrations run once in a process; every other empty SQLite file is
given what they made, a statement at a time, and one that has their version is left as it is. An
older one goes their way, and so does a server; tests/unit/core/store shows that both ways lead to
the same tables.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import pytest
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, create_engine, inspect

from core.store.schema import bring_up


@cache
def _made() -> tuple[str | None, tuple[str, ...]]:
    """Return the version of a new database, and the statements that make it."""
    engine = create_engine("sqlite://")
    try:
        with engine.begin() as connection:
            bring_up(connection)
        with engine.connect() as connection:
            driver = connection.connection.driver_connection
            assert driver is not None
            dumped: tuple[str, ...] = tuple(driver.iterdump())
            version = _version(connection)
    finally:
        engine.dispose()
    return version, tuple(one for one in dumped if one not in {"BEGIN TRANSACTION;", "COMMIT;"})


def _version(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def bring_up_at_once(connection: Connection) -> None:
    """Do what ``bring_up`` does, to an empty database without running the migrations."""
    version, statements = _made()
    if connection.dialect.name == "sqlite" and _version(connection) == version:
        return
    if connection.dialect.name != "sqlite" or inspect(connection).get_table_names():
        bring_up(connection)
        return
    for statement in statements:
        connection.exec_driver_sql(statement)


@pytest.fixture(scope="session", autouse=True)
def tables_at_once() -> Iterator[None]:
    """Let every new database of these tests have its tables at once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("core.store.database.bring_up", bring_up_at_once)
        yield
