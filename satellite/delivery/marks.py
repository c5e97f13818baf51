"""How is it written to the spool which destinations are on hold, so that a restart knows?

Touches the spool. Only what changed is written, in the background: mail itself is held by the state
of its recipients, so a mark that a crash lost costs its ``since`` and nothing more.
"""

from __future__ import annotations

from collections.abc import Mapping

import structlog

from common.clock import Clock
from common.errors import EnvironmentFailure
from satellite.delivery.decisions.hold import Hold
from satellite.delivery.turns.context import FAULT_PAUSE_S, DeliverySpool
from satellite.spool.model.messages import HoldMark

log = structlog.get_logger()


class HoldMarks:
    """Holds on their way into the spool; the last word on each destination is written.

    Args:
        spool: where they are kept.
        clock: for the pause after a fault.
    """

    def __init__(self, spool: DeliverySpool, clock: Clock) -> None:
        self._spool = spool
        self._clock = clock
        self._wanted: dict[str, Hold | None] = {}

    def read(self) -> dict[str, Hold]:
        """Return the holds of the time before a restart, by mark; none began later than now."""
        now_us = self._clock.now_us()  # which may have been set back
        return {
            mark.destination: Hold(min(mark.since_us, now_us), mark.reason)
            for mark in self._spool.holds()
        }

    def want(self, changes: Mapping[str, Hold | None]) -> None:
        """Take in what changed; None: the hold is over."""
        self._wanted.update(changes)

    async def write(self) -> None:
        """Return when all that is wanted is durable."""
        while self._wanted:
            mark, hold = next(iter(self._wanted.items()))
            try:
                await self._write_one(mark, hold)
            except EnvironmentFailure as error:
                log.error("delivery.hold_not_marked", destination=mark, reason=error.what)
                await self._clock.sleep(FAULT_PAUSE_S)
                continue
            if self._wanted.get(mark) is hold:
                del self._wanted[mark]

    async def _write_one(self, mark: str, hold: Hold | None) -> None:
        if hold is None:
            await self._spool.mark_back(mark)
            return
        made = HoldMark(destination=mark, since_us=hold.since_us, reason=hold.reason)
        await self._spool.mark_away(made)
