"""Are the documents in the database those that the last revision made, and if not, which are?

Touches the database. The digest of each whole set stands beside its revision; a document's row that
changes in any other way than by a revision does not make it any more. What the history still has is
made anew from there; an older document that was changed can only be told.

Source: docs/design/link-guarantees.md, G10.
"""

from __future__ import annotations

from dataclasses import dataclass

import structlog
from sqlalchemy import Connection, Row, delete, func, insert, select

from common.clock import Clock
from common.preferences.digest import EMPTY_DIGEST, changed, document_hash
from core.store import tables
from core.store.audit import write_entry
from core.store.revision_rows import is_settled, settle
from core.store.writer import StoreReaders, StoreWriter

log = structlog.get_logger()

WHO = "core"  # for the audit: nobody asked for it
RESTORE = "restore the core from a backup: borderscout core restore"
DAMAGED = "documents in the core's database were changed, and its history does not make them anew"


@dataclass(frozen=True, slots=True)
class RowsRead:
    """What the documents' rows make, and what they should.

    Args:
        revision: the newest; 0: there is none.
        announced: the digest of the set that it made.
        found: the digest of the rows.
    """

    revision: int
    announced: bytes
    found: bytes

    @property
    def are_whole(self) -> bool:
        """Whether the rows are what the revision made."""
        return self.announced == self.found


class PreferenceRows:
    """Looks at the documents' rows while the core runs; what is in force comes from memory."""

    def __init__(self, writer: StoreWriter, readers: StoreReaders, clock: Clock) -> None:
        self._writer = writer
        self._readers = readers
        self._clock = clock
        self.problem = ""  # what an operator should know; empty when all is well
        self.damages = 0  # times that rows were found changed, in this life

    async def look(self) -> None:
        """Compare the rows with what the newest revision made, and mend them.

        Raises:
            EnvironmentFailure: the database cannot be read or written now.
        """
        while await self._writer.run(settle):
            pass  # of a large revision whose publication was cut short
        read = await self._readers.people.run(read_rows)
        if read.are_whole:
            self.problem = ""
            return
        self.damages += 1
        now_us = self._clock.now_us()
        mended = await self._writer.run(lambda connection: mend_rows(connection, now_us=now_us))
        self.problem = "" if mended else DAMAGED


def read_rows(connection: Connection) -> RowsRead:
    """Return what the documents' rows make at one moment, and what they should.

    Nothing is said of them while those of a large revision are on their way.
    """
    table = tables.revision
    newest = connection.execute(
        select(table.c.number, table.c.digest).order_by(table.c.number.desc()).limit(1)
    ).one_or_none()
    if newest is not None and not is_settled(connection):
        return RowsRead(newest.number, newest.digest, newest.digest)
    found = connection.execute(select(tables.document))
    digest = changed(EMPTY_DIGEST, added=sum(map(_hash, found)))
    if newest is None:
        return RowsRead(0, EMPTY_DIGEST, digest)
    return RowsRead(newest.number, newest.digest, digest)


def mend_rows(connection: Connection, *, now_us: int) -> bool:
    """Make the documents' rows what the newest revision made, from the history.

    Returns:
        Whether they are that now. Otherwise nothing was changed: the history has a gap, or is
        another one; somebody has to restore the core.
    """
    read = read_rows(connection)
    if read.are_whole:
        return True
    table = tables.change
    rows = _older_rows(connection)
    query = select(table.c.revision, table.c.kind, table.c.key, table.c.after)
    query = query.where(table.c.revision <= read.revision)
    for row in connection.execute(query.order_by(table.c.revision, table.c.place)):
        rows.pop((row.kind, row.key), None)
        if row.after is not None:
            rows[row.kind, row.key] = row.revision, row.after
    made = sum(document_hash(kind, key, body) for (kind, key), (_, body) in rows.items())
    if changed(EMPTY_DIGEST, added=made) != read.announced:
        log.error("preferences.damaged", revision=read.revision, mended=False, hint=RESTORE)
        return False
    connection.execute(delete(tables.document))
    values = [
        {"kind": kind, "key": key, "revision": revision, "body": body}
        for (kind, key), (revision, body) in rows.items()
    ]
    if values:
        connection.execute(insert(tables.document), values)
    detail = "documents were changed by other means than a revision; made anew from the history"
    write_entry(
        connection,
        now_us=now_us,
        who=WHO,
        what="preferences.mended",
        subject=f"revision {read.revision}",
        detail=detail,
    )
    log.error("preferences.damaged", revision=read.revision, mended=True)
    return True


def _older_rows(connection: Connection) -> dict[tuple[str, str], tuple[int, bytes]]:
    """Return the documents that stood before the history that is kept, as far as they stand."""
    first = connection.scalar(select(func.min(tables.revision.c.number))) or 0
    found = connection.execute(select(tables.document).where(tables.document.c.revision < first))
    return {(row.kind, row.key): (row.revision, _octets(row.body)) for row in found}


def _octets(body: object) -> bytes:
    return body if isinstance(body, bytes) else repr(body).encode()


def _hash(row: Row[tuple[str, str, int, bytes]]) -> int:
    return document_hash(row.kind, row.key, _octets(row.body))
