"""What is the schema of the spool's database, and how is it migrated?

Touches the database file. Every setting that durability rests on is read back: a connection that
did not take it is refused, since WAL with ``synchronous=NORMAL`` lost every commit in a power cut.
"""

from __future__ import annotations

from pathlib import Path

import apsw
import structlog

from common.errors import EnvironmentFailure, LocalError
from satellite.spool.disk import compaction
from satellite.spool.disk.pages import PAGE_BYTES
from satellite.spool.disk.sqlite_failures import failure_of
from satellite.spool.model.states import LYING

log = structlog.get_logger()

VERSION = 7  # PRAGMA user_version; a newer file is refused, an older one migrated

CHECKPOINT_PAGES = 1000  # the WAL stays near 4 MiB
LOG_BYTES_MAX = 16 << 20  # of the file, once the log was emptied: one commit may be larger
CACHE_KIB = 8192  # per connection

_TABLES = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE message (
  id TEXT PRIMARY KEY, origin TEXT NOT NULL, received_us INTEGER NOT NULL,
  age_us INTEGER NOT NULL, client_address TEXT NOT NULL, helo TEXT NOT NULL,
  sender TEXT NOT NULL, smtputf8 INTEGER NOT NULL, eight_bit INTEGER NOT NULL,
  tls TEXT NOT NULL, size INTEGER NOT NULL, sha256 BLOB NOT NULL, trace BLOB NOT NULL,
  in_file INTEGER NOT NULL, revision INTEGER NOT NULL DEFAULT 0,
  subject TEXT NOT NULL DEFAULT '', scans INTEGER NOT NULL DEFAULT 0,
  released_from TEXT NOT NULL DEFAULT '', quarantined_us INTEGER NOT NULL DEFAULT 0,
  quarantine_reason TEXT NOT NULL DEFAULT '', quarantine_detail TEXT NOT NULL DEFAULT ''
) WITHOUT ROWID;
CREATE INDEX upload ON message (quarantined_us) WHERE quarantined_us > 0;
CREATE TABLE recipient (
  message TEXT NOT NULL, number INTEGER NOT NULL, address TEXT NOT NULL, state TEXT NOT NULL,
  disposition TEXT NOT NULL DEFAULT '', decided TEXT NOT NULL DEFAULT '',
  reason TEXT NOT NULL DEFAULT '',
  attempts INTEGER NOT NULL DEFAULT 0, next_us INTEGER NOT NULL DEFAULT 0,
  reply TEXT NOT NULL DEFAULT '', copy INTEGER NOT NULL DEFAULT -1,
  PRIMARY KEY (message, number)
) WITHOUT ROWID;
CREATE TABLE copy (
  message TEXT NOT NULL, number INTEGER NOT NULL, head BLOB NOT NULL, skip INTEGER NOT NULL,
  PRIMARY KEY (message, number)
) WITHOUT ROWID;
CREATE TABLE body (message TEXT PRIMARY KEY, data BLOB NOT NULL);
CREATE TABLE outbox (
  sequence INTEGER PRIMARY KEY, time_us INTEGER NOT NULL, event TEXT NOT NULL,
  message TEXT NOT NULL, fields BLOB NOT NULL
);
CREATE TABLE document (
  kind TEXT NOT NULL, key TEXT NOT NULL, revision INTEGER NOT NULL, body BLOB NOT NULL,
  PRIMARY KEY (kind, key)
) WITHOUT ROWID;
CREATE TABLE release (id TEXT PRIMARY KEY, message TEXT NOT NULL, taken_us INTEGER NOT NULL)
  WITHOUT ROWID;
"""

# The domain of a recipient's address, in lower case: what stands behind the last @.
DOMAIN = "lower(substr(address, length(rtrim(address, replace(address, '@', ''))) + 1))"
# The recipients that lie in the spool for longer, as a condition; the index below has these alone.
# Not IN: for that SQLite makes a set in each statement that writes a recipient, twice its cost.
IS_LYING = "({})".format(" OR ".join(f"state='{state}'" for state in sorted(LYING)))

# What each version added to the one before. A new file goes through all of them, so that an old
# one and a new one cannot differ.
_STEPS = {
    1: _TABLES,
    2: """
ALTER TABLE message ADD COLUMN returned TEXT NOT NULL DEFAULT '';
ALTER TABLE message ADD COLUMN envelope_id TEXT NOT NULL DEFAULT '';
ALTER TABLE recipient ADD COLUMN notify TEXT NOT NULL DEFAULT '';
ALTER TABLE recipient ADD COLUMN original TEXT NOT NULL DEFAULT '';
ALTER TABLE recipient ADD COLUMN told_us INTEGER NOT NULL DEFAULT 0;
ALTER TABLE recipient ADD COLUMN suspect INTEGER NOT NULL DEFAULT 0;
CREATE TABLE hold (
  destination TEXT PRIMARY KEY, since_us INTEGER NOT NULL, reason TEXT NOT NULL
) WITHOUT ROWID;
""",
    # Of very much mail that lies here: how much is it for whom, and which is it? By an index that
    # has all that is asked for. Mail that comes and goes is not in it, and pays nothing.
    3: f"""
ALTER TABLE recipient ADD COLUMN size INTEGER NOT NULL DEFAULT 0;
ALTER TABLE recipient ADD COLUMN received_us INTEGER NOT NULL DEFAULT 0;
ALTER TABLE recipient ADD COLUMN age_us INTEGER NOT NULL DEFAULT 0;
UPDATE recipient SET (size, received_us, age_us) =
  (SELECT size, received_us, age_us FROM message WHERE id = message);
CREATE INDEX lying ON recipient ({DOMAIN}, state, message, size, received_us, age_us)
  WHERE {IS_LYING};
""",  # noqa: S608 - expressions of ours
    4: """
ALTER TABLE message ADD COLUMN faults TEXT NOT NULL DEFAULT '';
""",
    # The same, under a condition that costs less where it does not hold.
    5: f"""
DROP INDEX lying;
CREATE INDEX lying ON recipient ({DOMAIN}, state, message, size, received_us, age_us)
  WHERE {IS_LYING};
""",
    # What the core refused to take is passed over without being looked at again.
    6: """
ALTER TABLE message ADD COLUMN set_aside TEXT NOT NULL DEFAULT '';
DROP INDEX upload;
CREATE INDEX upload ON message (quarantined_us) WHERE quarantined_us > 0 AND set_aside = '';
CREATE INDEX aside ON message (id) WHERE set_aside > '';
""",
    # Documents of a large revision that is on its way; without a body: one that goes.
    7: """
CREATE TABLE document_next (
  kind TEXT NOT NULL, key TEXT NOT NULL, revision INTEGER NOT NULL, body BLOB,
  PRIMARY KEY (kind, key)
) WITHOUT ROWID;
""",
}


class SpoolTooNew(LocalError):
    """The file was written by a later version."""


def open_writer(path: Path, *, is_incremental: bool = True) -> apsw.Connection:
    """Open the one connection that writes, with its tables made or migrated.

    Args:
        path: the file.
        is_incremental: whether a new one can give back its last pages; False: as the first
            versions made it.

    Raises:
        SpoolTooNew: a later version wrote the file.
        EnvironmentFailure: a setting was not taken, or the file cannot be opened.
    """
    connection = _connect(path, apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE)
    try:
        _prepare(connection, is_incremental=is_incremental)
        _empty_log(connection)
        _migrate(connection, path)
    except apsw.Error as error:
        close(connection)
        raise failure_of(error) from error
    except BaseException:  # a file of a later version, a fault of ours: no file stays open
        close(connection)
        raise
    return connection


def close(connection: apsw.Connection) -> None:
    """Close a connection; what the disk says meanwhile loses nothing.

    The last one empties the write-ahead log into the file; when that fails, the log stays.
    """
    try:
        connection.close()
    except apsw.Error as error:
        log.warning("spool.not_closed", reason=str(error))


def _prepare(connection: apsw.Connection, *, is_incremental: bool) -> None:
    connection.set_busy_timeout(0)  # nobody else writes; waiting would stop the event loop
    _set(connection, "page_size", PAGE_BYTES)
    # Before the log's mode, which writes the first page; and never again, since that writes too.
    if is_incremental and not compaction.is_incremental(connection):
        # Not read back: a file of an earlier version gets it when it is written anew.
        connection.execute("PRAGMA auto_vacuum=INCREMENTAL").fetchall()
    _set(connection, "journal_mode", "wal")
    _set(connection, "synchronous", 2)  # FULL
    _set(connection, "wal_autocheckpoint", 0)  # commits do it, and hear of what fails
    _set(connection, "journal_size_limit", LOG_BYTES_MAX)
    _set(connection, "cache_size", -CACHE_KIB)
    # Pages that leave the cache before COMMIT would write in the event loop.
    connection.execute("PRAGMA cache_spill=OFF").fetchall()


def open_reader(path: Path) -> apsw.Connection:
    """Open a connection that only reads, so that reads never wait for a COMMIT in its thread."""
    connection = _connect(path, apsw.SQLITE_OPEN_READONLY)
    connection.set_busy_timeout(1000)
    return connection


def _empty_log(connection: apsw.Connection) -> None:
    """Write what an earlier process left in the write-ahead log into the file, and sync it.

    If a sync of that process failed, the kernel shows us pages of the log that are not on the disk
    and that no further sync would write. What we commit after them would be lost with them in a
    power cut. Copied into the file they are written anew.

    Raises:
        EnvironmentFailure: somebody else reads the file, or the disk failed.
    """
    busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()[0]
    if busy:
        raise failure_of(apsw.BusyError("a checkpoint must wait"))


def _connect(path: Path, flags: int) -> apsw.Connection:
    try:
        return apsw.Connection(str(path), flags=flags)
    except apsw.Error as error:
        raise failure_of(error) from error


def _set(connection: apsw.Connection, name: str, value: int | str) -> None:
    # One statement at a time: a script stops silently at the first one that gives a row.
    connection.execute(f"PRAGMA {name}={value}").fetchall()
    taken = connection.execute(f"PRAGMA {name}").get
    if taken != value:
        raise EnvironmentFailure(
            f"the spool did not take {name}={value}, it has {taken}",
            hint="the file system must support SQLite's write-ahead log",
        )


def _migrate(connection: apsw.Connection, path: Path) -> None:
    version = connection.execute("PRAGMA user_version").get
    assert isinstance(version, int)
    if version > VERSION:
        raise SpoolTooNew(
            f"the spool {path} has version {version}, this program knows {VERSION}",
            hint="start the version that wrote it",
        )
    if version == VERSION:
        return
    if version:
        log.info("spool.migrating", version=version, to=VERSION)  # a minute for a million messages
    connection.execute("BEGIN IMMEDIATE")
    for step in range(version + 1, VERSION + 1):
        connection.execute(_STEPS[step])
    connection.execute(f"PRAGMA user_version={VERSION}")
    connection.execute("COMMIT")
    if version:
        # Whoever looks at the file alone, such as an older package that is to be installed over us,
        # finds the version there: it must not say for hours that it is readable to both.
        _empty_log(connection)
    if not version and compaction.is_incremental(connection):
        # Tables begin at the same pages in every file that was written anew, which is what finds
        # them when the first page is damaged. A new one is empty, and begins so.
        compaction.write_anew(connection)
