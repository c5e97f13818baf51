"""What can be read from the spool: messages, bodies, counts, holds, records?

Touches the reading connection and body files. Everything here is as it is committed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from common.clock import Clock
from common.ids import MessageId
from common.records import GapRecord, LogRecord
from common.states import OUTCOMES, UNFINISHED, State
from satellite.spool.disk.bodies import Body, open_body
from satellite.spool.disk.pages import PAGE_BYTES
from satellite.spool.disk.rows import (
    NO_FAULTS,
    Select,
    faults_of,
    read_message,
    read_part,
    read_pending,
)
from satellite.spool.finding import FoundRecipient, part
from satellite.spool.leftover import Left, lying, worked_on
from satellite.spool.message_cache import MessageCache
from satellite.spool.model.age import AgeClock
from satellite.spool.model.messages import HoldMark, PendingRow, Stored, Upload, UploadsSetAside
from satellite.spool.outbox import Outbox
from satellite.spool.reader import Reader


class Contents:
    """The part of the spool that reads."""

    _age: AgeClock
    _cache: MessageCache
    _bodies: Path
    _clock: Clock
    _counts: Counter[State]
    _outbox: Outbox
    _reader: Reader
    _select: Select

    def message(self, message: MessageId) -> Stored | None:
        """Return a message as it is committed, or None when it has gone."""
        return self._cache.take(message) or read_message(self._select, message)

    def part(self, message: MessageId, numbers: Collection[int]) -> Stored | None:
        """Return a message with these of its recipients at least; None when it has gone."""
        return self._cache.take(message) or read_part(self._select, message, numbers)

    def faults(self, message: MessageId) -> Mapping[str, int]:
        """Return which engines could not finish a message, and how often, as ``wait`` was told."""
        rows = self._select("SELECT faults FROM message WHERE id=?", (message,))
        return faults_of(rows[0][0]) if rows else NO_FAULTS

    def open_body(self, message: Stored) -> Body:
        """Return a message's octets; close it after use.

        Raises:
            BodyDamaged: they are not what was accepted, as far as that is seen at once: a file is
                hashed as it is read.
        """
        data = self._cache.body(message.id)
        if data is not None:
            return Body(size=message.size, data=data)
        return open_body(
            self._select,
            self._bodies,
            message,
            is_at_hand=self._cache.has_file(message.id),
        )

    def unfinished(self, *, limit: int) -> list[Stored]:
        """Return messages that have not ended, the oldest first."""
        rows = self._select("SELECT id FROM message ORDER BY id LIMIT ?", (limit,))
        found = (self.message(MessageId(row[0])) for row in rows)
        return [message for message in found if message is not None]

    def pending(self, *, after: str, limit: int) -> list[PendingRow]:
        """Return what orders the messages that are to be delivered; see ``read_pending``."""
        return read_pending(self._select, after=after, limit=limit)

    async def left(self, *, after: str, limit: int) -> list[Left]:
        """Return what has not ended, by the recipients' domain and state, a page at a time.

        What is worked on now is on the first page, beside what lies here.

        Args:
            after: the domain that was read last; empty: from the beginning.
            limit: lines, more than there are states.
        """
        is_worked_on = self._counts[State.RECEIVED] + self._counts[State.SENDING] > 0

        def question(select: Select) -> list[Left]:
            found = lying(select, after=after, limit=limit)
            if is_worked_on and not after:
                found += worked_on(select, limit=limit)
            return found

        return await self._reader.apart(question)

    async def recipients(
        self, *, after: str, messages: int, domain: str, states: Collection[State]
    ) -> list[FoundRecipient]:
        """Return the recipients of the next messages after an id, the oldest first; see ``part``.

        What nobody is in is not looked for.
        """
        there = frozenset(states)
        if domain or len(there) < len(State):
            there = frozenset(one for one in there if one in OUTCOMES or self._counts[one])
        return await self._reader.apart(
            lambda select: part(select, after=after, messages=messages, domain=domain, states=there)
        )

    def counts(self) -> dict[State, int]:
        """Return how many recipients are in each state that is no outcome."""
        return {state: self._counts[state] for state in UNFINISHED}

    def age_us(self) -> int:
        """Return the age clock."""
        return self._age.age_us(monotonic_s=self._clock.monotonic_s())

    def holds(self) -> list[HoldMark]:
        """Return the destinations that were away when that was last written, by name."""
        rows = self._select("SELECT * FROM hold ORDER BY destination", ())
        return [HoldMark(destination=name, since_us=us, reason=why) for name, us, why in rows]

    def records(self, *, after: int, limit: int) -> list[LogRecord]:
        """Return durable records in order, from the first after a sequence number."""
        return self._outbox.records(after=after, limit=limit)

    def uploads(self, *, limit: int) -> list[Upload]:
        """Return quarantined messages that the core has not taken yet, the oldest first."""
        return self._outbox.uploads(limit=limit)

    def set_aside(self) -> UploadsSetAside | None:
        """Return which quarantined messages the core does not take; None: it takes all."""
        return self._outbox.set_aside()

    def outbox_gap(self) -> GapRecord | None:
        """Return what stands in the place of records that went; None when none did."""
        return self._outbox.gap()

    def file_pages(self) -> tuple[int, int]:
        """Return the pages of the database, and how many of these hold nothing."""
        names = ("page_count", "freelist_count")
        pages, free_pages = (int(self._select(f"PRAGMA {name}", ())[0][0]) for name in names)
        return pages, free_pages

    def unused_bytes(self) -> int:
        """Return the octets of the database that hold nothing, and take whatever comes next."""
        return int(self._select("PRAGMA freelist_count", ())[0][0]) * PAGE_BYTES

    def backlog_sizes(self) -> tuple[int, int]:
        """Return how many records and how many uploads the core has not acknowledged."""
        return self._outbox.sizes()

    def release_is_known(self, release_id: str) -> bool:
        """Say whether a release was taken before."""
        return bool(self._select("SELECT 1 FROM release WHERE id=?", (release_id,)))

    def _meta(self) -> dict[str, Any]:
        return {str(name): value for name, value in self._select("SELECT * FROM meta", ())}
