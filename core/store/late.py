"""Which mail was delivered before it was known what it holds?

Touches the database.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from common.clock import Clock
from core.records.late import ALARM_HOURS, HOUR_US, LateAlarm, by_customer
from core.records.reports import EVER_US
from core.records.search import iso_time
from core.store import late_rows
from core.store.retention import Rest
from core.store.writer import StoreReaders, StoreWriter

MESSAGES_MAX = 1_000  # in one answer


class LateStore:
    """The report of a second look, and what is remembered for it."""

    def __init__(
        self, writer: StoreWriter, readers: StoreReaders, clock: Clock, *, hours: float
    ) -> None:
        self._writer = writer
        self._reader = readers.people
        self._clock = clock
        self._hours = hours

    async def report(
        self,
        *,
        since_us: int = 0,
        until_us: int = EVER_US,
        customer: str | None = None,
        limit: int = MESSAGES_MAX,
    ) -> dict[str, Any]:
        """Return the messages that were found in a time, by customer, the newest first.

        Args:
            since_us, until_us: when they were found, microseconds since the epoch, UTC.
            customer: his recipients alone; None: all.
            limit: at most so many messages.
        """
        most = max(0, min(limit, MESSAGES_MAX))
        found = await self._reader.run(
            lambda c: late_rows.found(
                c, since_us=since_us, until_us=until_us, customer=customer, limit=most
            )
        )
        return {
            "since": iso_time(since_us),
            "until": iso_time(until_us) if until_us < EVER_US else None,
            "messages": len(found),
            "customers": by_customer(found),
        }

    async def alarm(self) -> LateAlarm:
        """Return whether somebody should look at the report."""
        now_us = self._clock.now_us()
        since_us = now_us - int(ALARM_HOURS * HOUR_US)
        return await self._reader.run(
            lambda c: late_rows.alarm(c, since_us=since_us, now_us=now_us)
        )

    async def forget(self, *, rest: Rest) -> int:
        """Delete what is compared no more, and what no report names; return how much that was.

        Args:
            rest: awaited after each step.
        """
        now_us, count = self._clock.now_us(), 0
        step = partial(late_rows.forget, now_us=now_us, hours=self._hours)
        while gone := await self._writer.run(step):
            count += gone
            await rest()
        return count
