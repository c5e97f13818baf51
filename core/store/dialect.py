"""What is different between SQLite and PostgreSQL?

Touches nothing by itself; the connections that it prepares do. Everything else in this room is
written once for both. On SQLite one connection writes and checkpoints, and ``synchronous`` is FULL:
with NORMAL every commit of a power-cut test was lost.

Source: https://sqlite.org/pragma.html, https://sqlite.org/wal.html.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from common.errors import DiskFull, EnvironmentFailure
from core.store.errors import StoreFailure

REWRITTEN_BYTES_MAX = 64 * 1024 * 1024  # of an older database, at the first start: a second or two
BUSY_TIMEOUT_MS = 10_000  # nobody else writes; only a checkpoint can make a reader wait

_WRITER_PRAGMAS: Mapping[str, str | int] = {
    "journal_mode": "wal",
    "synchronous": 2,  # FULL
    "foreign_keys": 1,
    "busy_timeout": BUSY_TIMEOUT_MS,
}
_READER_PRAGMAS: Mapping[str, str | int] = {
    "query_only": 1,
    "wal_autocheckpoint": 0,  # checkpoints are the writer's alone
    "busy_timeout": BUSY_TIMEOUT_MS,
}


def database_url(target: str | Path) -> URL:
    """Return the URL of a database: a path is a SQLite file, anything with ``://`` a URL.

    Raises:
        StoreFailure: it is neither SQLite nor PostgreSQL.
    """
    if isinstance(target, Path) or "://" not in target:
        return URL.create("sqlite+pysqlite", database=str(target))
    try:
        url = make_url(target)
    except ArgumentError as error:
        raise StoreFailure(f"the database URL cannot be read: {error}") from None
    match url.get_backend_name():
        case "sqlite" if url.database:
            return URL.create("sqlite+pysqlite", database=url.database)
        case "postgresql":
            return url.set(drivername="postgresql+psycopg")
    raise StoreFailure(
        f"no database of kind {url.get_backend_name()!r} can be used",
        hint="write sqlite:///PATH or postgresql://HOST/NAME",
    )


def sqlite_file(url: URL) -> Path | None:
    """Return the file of a SQLite database, or None for a server."""
    if url.get_backend_name() != "sqlite":
        return None
    return Path(url.database or "")


def shown_url(url: URL) -> str:
    """Return the URL of a server's database as a person may see it and type it: no password."""
    shown = URL.create("postgresql", url.username, None, url.host, url.port, url.database)
    return shown.render_as_string()


def writing_engine(url: URL) -> Engine:
    """Return an engine of exactly one connection, the only one that ever writes."""
    engine = create_engine(url, pool_size=1, max_overflow=0)
    if url.get_backend_name() == "sqlite":
        event.listen(engine, "connect", _let_shrink)
        _prepare_sqlite(engine, _WRITER_PRAGMAS, begin="BEGIN IMMEDIATE")
    return engine


def reading_engine(url: URL, *, connections: int) -> Engine:
    """Return an engine of so many connections, which can only read."""
    engine = create_engine(url, pool_size=connections, max_overflow=0)
    if url.get_backend_name() == "sqlite":
        _prepare_sqlite(engine, _READER_PRAGMAS, begin="BEGIN")
    return engine


def _let_shrink(connection: Any, _record: Any) -> None:
    """Let the file of a database become shorter, when it is new or small enough to be rewritten."""
    connection.isolation_level = None
    connection.execute("PRAGMA auto_vacuum=2")  # incremental; a new file takes it at once
    size = _number(connection, "page_count") * _number(connection, "page_size")
    if _number(connection, "auto_vacuum") != 2 and size <= REWRITTEN_BYTES_MAX:
        connection.execute("PRAGMA busy_timeout=0")
        with suppress(sqlite3.OperationalError):  # the disk is full, or it is no database
            connection.execute("VACUUM")


def _number(connection: Any, name: str) -> int:
    with suppress(sqlite3.DatabaseError):
        return int(connection.execute(f"PRAGMA {name}").fetchone()[0])
    return 0


def _prepare_sqlite(engine: Engine, pragmas: Mapping[str, str | int], *, begin: str) -> None:
    @event.listens_for(engine, "connect")
    def connected(connection: Any, _record: Any) -> None:
        # The driver must not begin or commit by itself: DDL and savepoints would escape us.
        connection.isolation_level = None
        for name, value in pragmas.items():
            connection.execute(f"PRAGMA {name}={value}")
            found = connection.execute(f"PRAGMA {name}").fetchone()[0]
            if found != value:
                raise StoreFailure(
                    f"SQLite keeps {name} at {found!r} instead of {value!r}",
                    hint="put the database on a local file system",
                )

    @event.listens_for(engine, "begin")
    def begun(connection: Connection) -> None:
        connection.exec_driver_sql(begin)


def failure_of(error: SQLAlchemyError) -> EnvironmentFailure:
    """Return what the database said as an error of ours."""
    cause = getattr(error, "orig", None)
    text = str(cause or error)
    disk_is_full = (isinstance(cause, sqlite3.OperationalError) and "full" in text) or getattr(
        cause, "sqlstate", ""
    ) == "53100"
    if disk_is_full:
        return DiskFull(f"the core's database has no room: {text}", hint="free disk space")
    return StoreFailure(f"the core's database failed: {' '.join(text.split())[:300]}")
