"""How is the audit kept?

Touches the database, in the transaction of what an entry tells of.
"""

from __future__ import annotations

from sqlalchemy import Connection, insert, select

from common.clock import Clock
from common.records.bounds import LABEL_LENGTH_MAX, NAME_LENGTH_MAX, storable
from core.people.audit import AuditEntry
from core.store import tables
from core.store.writer import StoreReaders, StoreWriter

ENTRIES_MAX = 1_000  # in one answer


def write_entry(
    connection: Connection, *, now_us: int, who: str, what: str, subject: str, detail: str = ""
) -> None:
    """Add one entry to the connection's transaction."""
    connection.execute(
        insert(tables.audit).values(
            time_us=now_us,
            who=storable(who, length_max=NAME_LENGTH_MAX),
            what=storable(what, length_max=LABEL_LENGTH_MAX),
            subject=storable(subject),
            detail=storable(detail),
        )
    )


class AuditStore:
    """The audit table."""

    def __init__(self, writer: StoreWriter, readers: StoreReaders, clock: Clock) -> None:
        self._writer = writer
        self._reader = readers.people
        self._clock = clock

    async def note(self, *, who: str, what: str, subject: str = "", detail: str = "") -> None:
        """Write an entry of its own, for what changes nothing else in the database."""
        now_us = self._clock.now_us()
        await self._writer.run(
            lambda connection: write_entry(
                connection, now_us=now_us, who=who, what=what, subject=subject, detail=detail
            )
        )

    async def recent(self, *, before: int | None = None, limit: int = 100) -> list[AuditEntry]:
        """Return the newest entries, or those before the entry of number ``before``."""
        table = tables.audit
        query = select(table).order_by(table.c.id.desc()).limit(min(limit, ENTRIES_MAX))
        if before is not None:
            query = query.where(table.c.id < before)

        def read(connection: Connection) -> list[AuditEntry]:
            return [
                AuditEntry(
                    number=row.id,
                    time_us=row.time_us,
                    who=row.who,
                    what=row.what,
                    subject=row.subject,
                    detail=row.detail,
                )
                for row in connection.execute(query)
            ]

        return await self._reader.run(read)
