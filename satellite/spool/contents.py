"""What can be read from the spool: messages, bodies, counts, holds, records?

Touches the reading connection and body files. Everything here is as it is committed.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from common.clock import Clock
from common.ids import MessageId
from common.records import LogRecord
from common.states import UNFINISHED, State
from satellite.spool.disk.bodies import Body, open_body
from satellite.spool.disk.rows import Select, read_message, read_pending
from satellite.spool.finding import FoundRecipient, part
from satellite.spool.leftover import Left, left
from satellite.spool.message_cache import MessageCache
from satellite.spool.model.age import AgeClock
from satellite.spool.model.messages import HoldMark, PendingRow, Stored, Upload
from satellite.spool.outbox import Outbox


class Contents:
    """The part of the spool that reads."""

    _age: AgeClock
    _cache: MessageCache
    _bodies: Path
    _clock: Clock
    _counts: Counter[State]
    _outbox: Outbox
    _select: Select

    def message(self, message: MessageId) -> Stored | None:
        """Return a message as it is committed, or None when it has gone."""
        return self._cache.take(message) or read_message(self._select, message)

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

    def left(self) -> list[Left]:
        """Return what has not ended, by the recipients' domain and state."""
        return left(self._select)

    def recipients(self, *, after: str, messages: int) -> list[FoundRecipient]:
        """Return the recipients of the next messages after an id, the oldest first."""
        return part(self._select, after=after, messages=messages)

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

    def backlog_sizes(self) -> tuple[int, int]:
        """Return how many records and how many uploads the core has not acknowledged."""
        return self._outbox.sizes()

    def release_is_known(self, release_id: str) -> bool:
        """Say whether a release was taken before."""
        return bool(self._select("SELECT 1 FROM release WHERE id=?", (release_id,)))

    def _meta(self) -> dict[str, Any]:
        return {str(name): value for name, value in self._select("SELECT * FROM meta", ())}
