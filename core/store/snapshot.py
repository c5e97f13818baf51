"""How is a database of SQLite copied while a core writes to it, and what does a copy say?

Touches files of SQLite, by connections of its own. A copy is of one instant: the transaction that
is open while it is made keeps what others write out of it, so that it is never begun anew, and
nobody waits for it. Meanwhile SQLite's log grows by what is written.

Source: https://sqlite.org/backup.html, https://sqlite.org/isolation.html.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from core.quarantine.cases import KEEPING_BODY
from core.store.errors import StoreFailure

PAGES = 1_000  # between two reports of progress, some four megabytes
BUSY_S = 10.0
FETCHED = 1_000  # rows at a time

_KEEPING = ", ".join(f"'{state}'" for state in KEEPING_BODY)
_KEPT = f"SELECT DISTINCT sha256, size FROM quarantine_case WHERE state IN ({_KEEPING})"  # noqa: S608 - words of our own

Step = Callable[[str, int, int | None], None]  # what is done, how many are, of how many


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseFacts:
    """What a database says of itself."""

    generation: int
    epoch: str
    revision: int
    schema: str


@dataclass(frozen=True, slots=True)
class KeptBody:
    """A body that a case stands on."""

    sha256: bytes
    size: int


def copy_database(source: Path, target: Path, *, step: Step) -> None:
    """Copy a database as it is now into a new file that needs no other beside it.

    Raises:
        StoreFailure: SQLite says no.
        OSError: the new file cannot be made.
    """
    os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    with _open(source) as live, closing(sqlite3.connect(target)) as copy, _told(target):
        live.execute("BEGIN")
        live.execute("SELECT count(*) FROM sqlite_schema").fetchone()  # from here on, one instant
        live.backup(
            copy,
            pages=PAGES,
            progress=lambda _status, left, total: step("copying the database", total - left, total),
        )
        live.execute("ROLLBACK")
        copy.execute("PRAGMA journal_mode=DELETE")


def facts_of(file: Path) -> DatabaseFacts:
    """Return what a database says of itself.

    Raises:
        StoreFailure: it is none of a core, or cannot be read.
    """
    with _open(file) as live, _told(file):
        row = live.execute("SELECT generation, identifier FROM epoch").fetchone()
        revision = live.execute("SELECT max(number) FROM revision").fetchone()[0]
        schema = live.execute("SELECT version_num FROM alembic_version").fetchone()
        if row is None or schema is None:
            raise StoreFailure(f"{file}: this database was never a core's")
        return DatabaseFacts(
            generation=row[0], epoch=row[1], revision=revision or 0, schema=schema[0]
        )


def kept_bodies(file: Path) -> Iterator[KeptBody]:
    """Yield every body that a case of a database stands on, in the order of their digests."""
    with _open(file) as live, _told(file):
        cursor = live.execute(f"{_KEPT} ORDER BY sha256")
        while rows := cursor.fetchmany(FETCHED):
            for sha256, size in rows:
                yield KeptBody(bytes(sha256), size)


def kept_totals(file: Path) -> tuple[int, int]:
    """Return how many bodies the cases of a database stand on, and how large they are together."""
    with _open(file) as live, _told(file):
        query = f"SELECT count(*), coalesce(sum(size), 0) FROM ({_KEPT})"  # noqa: S608 - words of our own
        count, size = live.execute(query).fetchone()
        return count, size


def follow_deletions(copy: Path, live: Path, bodies: Sequence[bytes]) -> list[bytes]:
    """Delete in a copy the cases that were deleted since it was made; return what is left.

    Args:
        copy: the copy.
        live: the database that it was made of.
        bodies: digests of bodies that are not there.

    Returns:
        The digests of those that the live database still stands on: they were lost, not deleted.
    """
    lost = []
    with _open(live) as now, closing(sqlite3.connect(copy)) as then, _told(copy), then:
        for sha256 in bodies:
            if now.execute(f"{_KEPT} AND sha256 = ?", (sha256,)).fetchone():
                lost.append(sha256)
                continue
            gone = now.execute(
                "SELECT state, deleted_us, deleted_by, message_id FROM quarantine_case"
                " WHERE sha256 = ? AND state = 'deleted'",
                (sha256,),
            )
            then.executemany(
                "UPDATE quarantine_case SET state = ?, deleted_us = ?, deleted_by = ?"
                " WHERE message_id = ?",
                gone.fetchall(),
            )
    return lost


def fold_log(file: Path) -> None:
    """Write what SQLite's log has into the database, so that it needs no other file beside it.

    Raises:
        StoreFailure: the database cannot be read.
    """
    uri = f"{file.absolute().as_uri()}?mode=rw"
    with _told(file), closing(sqlite3.connect(uri, uri=True, timeout=BUSY_S)) as live:
        live.execute("PRAGMA wal_checkpoint(TRUNCATE)")


@contextmanager
def _open(file: Path) -> Iterator[sqlite3.Connection]:
    """Give a connection that reads; the log's index, beside the file, it may have to write."""
    with _told(file):
        connection = sqlite3.connect(
            f"{file.absolute().as_uri()}?mode=rw", uri=True, timeout=BUSY_S, isolation_level=None
        )
    with closing(connection):
        connection.execute("PRAGMA query_only=1")
        connection.execute("PRAGMA wal_autocheckpoint=0")  # checkpoints are the core's
        yield connection


@contextmanager
def _told(file: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise StoreFailure(
            f"{file}: {error}", hint="is it the database of a core, on a disk that works?"
        ) from None
