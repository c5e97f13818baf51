"""How does what was kept for long enough leave the database, while others work with it?

Touches the database: a reader looks, the writer deletes some rows at a time, and after each step
there is a rest, so that nobody waits for more than one. What is wanted is said by ``old_rows``.

Source: https://sqlite.org/pragma.html, ``incremental_vacuum``.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

from sqlalchemy import Connection

from core.quarantine.cases import CaseState
from core.store import kept, look_rows, old_rows
from core.store.kept import Kept, Room
from core.store.old_rows import OldPage
from core.store.writer import StoreReaders, StoreWriter

VACUUM_PAGES = 256  # given back in one step, a megabyte
UNUSED_SHARE = 20  # one part in so many of the file stays free, for what comes next
UNUSED_BYTES_MIN = 8 * 1024 * 1024  # and so much at least

Rest = Callable[[], Awaitable[None]]
Step = Callable[[Connection], int]

_EVER_US = 1 << 62


class RetentionStore:
    """What goes, in steps. Each method returns how many rows of its class went."""

    def __init__(self, writer: StoreWriter, readers: StoreReaders) -> None:
        self._writer = writer
        self._reader = readers.people

    async def kept(self) -> tuple[Mapping[str, Kept], Room]:
        """Return how much is kept of each class, and the room that it takes."""
        return await self._reader.run(lambda c: (kept.kept(c), kept.room(c)))

    async def records(self, *, before_us: int, unended_us: int, rest: Rest) -> int:
        """Delete records that were taken before a time, but for messages that have not ended.

        Args:
            before_us: microseconds since the epoch, UTC.
            unended_us: theirs too, when they were taken before this.
            rest: awaited after each step.
        """
        count = 0
        for life in await self._reader.run(old_rows.lives):
            look = partial(
                old_rows.old_records, life=life, before_us=before_us, unended_us=unended_us
            )
            go = partial(old_rows.delete_records, life=life)
            count += await self._walk(look, go, 0, rest)
        return count

    async def refusals(self, *, before_us: int, rest: Rest) -> int:
        """Delete refusals that were taken before a time, with their records."""
        count = 0
        for life in await self._reader.run(old_rows.lives):
            look = partial(old_rows.old_refusals, life=life, before_us=before_us)
            go = partial(old_rows.delete_records, life=life)
            count += await self._walk(look, go, 0, rest)
        return count

    async def messages(self, *, before_us: int, future_us: int, unended_us: int, rest: Rest) -> int:
        """Delete messages without records that were received before a time, or in the future.

        Args:
            before_us: microseconds since the epoch, UTC, as their nodes had it.
            future_us: no clock that is right is as late as this.
            unended_us: those that have not ended only when they were received before this.
            rest: awaited after each step.
        """
        count = 0
        for first_us, end_us, limit_us in (
            (0, before_us, unended_us),
            (future_us, _EVER_US, _EVER_US),
        ):

            def look(
                connection: Connection, after: int, end_us: int = end_us, limit_us: int = limit_us
            ) -> OldPage:
                return old_rows.old_messages(
                    connection, from_us=after, before_us=end_us, unended_us=limit_us
                )

            count += await self._walk(look, old_rows.delete_messages, first_us, rest)
        return count

    async def cases(self, *, before_us: int, rest: Rest) -> int:
        """Delete the rows of cases whose bodies are deleted and that were opened before a time."""
        look = partial(old_rows.old_cases, before_us=before_us)
        go = partial(old_rows.delete_cases, state=CaseState.DELETED)
        return await self._walk(look, go, (0, ""), rest)

    async def dead_arrivals(self, *, before_us: int, rest: Rest) -> int:
        """Delete cases that never arrived, of lives that are over, opened before a time."""
        look = partial(old_rows.dead_arrivals, before_us=before_us)
        go = partial(old_rows.delete_cases, state=CaseState.ARRIVING)
        return await self._walk(look, go, (0, ""), rest)

    async def changes(self, *, before_us: int, rest: Rest) -> int:
        """Delete revisions of before a time, but for the newest ones, and what they changed."""
        count = await self._repeat(partial(old_rows.delete_revisions, before_us=before_us), rest)
        await self._repeat(old_rows.delete_changes, rest)
        return count

    async def audit(self, *, before_us: int, rest: Rest) -> int:
        """Delete entries of before a time."""
        return await self._repeat(partial(old_rows.delete_audit, before_us=before_us), rest)

    async def outboxes(self, *, rest: Rest) -> int:
        """Delete the positions of lives that are over and have no records any more."""
        return await self._repeat(old_rows.delete_outboxes, rest)

    async def look_counts(self, *, before_day: int, rest: Rest) -> int:
        """Delete what engines said in all on days before one, in days since the epoch."""
        return await self._repeat(partial(look_rows.forget, before=before_day), rest)

    async def give_back(self, *, rest: Rest) -> int:
        """Give the octets back to the file system that nothing is in; return how many."""
        return await self._repeat(_vacuum, rest)

    async def _walk(
        self,
        look: Callable[..., OldPage],
        go: Callable[[Connection, Any], int],
        after: Any,
        rest: Rest,
    ) -> int:
        """Look at page after page, and delete what may go of each."""
        count = 0
        while after is not None:
            page = await self._reader.run(partial(look, after=after))
            if page.gone:
                gone = page.gone
                count += await self._writer.run(lambda c, gone=gone: go(c, gone))  # type: ignore[misc]
            after = page.after
            await rest()
        return count

    async def _repeat(self, step: Step, rest: Rest) -> int:
        """Take a step until there is nothing left for it."""
        count = 0
        while done := await self._writer.run(step):
            count += done
            await rest()
        return count


def _vacuum(connection: Connection) -> int:
    """Shorten SQLite's file by some pages; return by how many octets. A server does so itself."""
    if connection.dialect.name != "sqlite":
        return 0
    before = kept.room(connection)
    wanted = max(UNUSED_BYTES_MIN, before.database_bytes // UNUSED_SHARE)
    if before.unused_bytes <= wanted:
        return 0
    cursor = connection.connection.cursor()
    for _ in range(VACUUM_PAGES):  # Python's driver gives back one page each time, however many
        cursor.execute("PRAGMA incremental_vacuum(1)")
    return before.database_bytes - kept.room(connection).database_bytes
