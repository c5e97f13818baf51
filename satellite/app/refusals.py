"""When is what was refused at the door told to the core and to the node's own log?

Touches the spool and the log. Every few seconds, so that a flood costs one commit in that time and
not one for each refusal; what is not told yet when a worker is killed is lost, as no mail is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Protocol

import structlog

from common.clock import Clock
from common.errors import BorderScoutError
from common.records import NodeRecord, RefusedRecord
from satellite.smtp.refusal_log import RefusalLog

log = structlog.get_logger()

TELL_EVERY_S = 5.0
BEHIND_RECORDS = 50_000  # in the outbox; a busy core beside a full node has had 17 000 to catch up


class RecordOutbox(Protocol):
    """Where records go; the spool."""

    async def note(self, *records: NodeRecord) -> None: ...

    def backlog_sizes(self) -> tuple[int, int]: ...


class Refusals:
    """Tells of refusals.

    Args:
        refusal_log: where the front end notes them.
        outbox: where their records go.
        clock: the time.
        is_logged: whether the node's own log is told too.
    """

    def __init__(
        self, refusal_log: RefusalLog, outbox: RecordOutbox, clock: Clock, *, is_logged: bool
    ) -> None:
        self._refusal_log = refusal_log
        self._outbox = outbox
        self._clock = clock
        self._is_logged = is_logged

    async def run(self) -> None:
        """Tell of them as they come, for ever."""
        while True:
            await self._clock.sleep(TELL_EVERY_S)
            await self.tell()

    async def tell(self, *, at_once: bool = False) -> None:
        """Tell what is due; the sums of this while too, when nobody will do so later."""
        if self._refusal_log.is_empty:
            return
        waiting, _ = self._outbox.backlog_sizes()
        records = self._refusal_log.due(
            now_s=self._clock.monotonic_s(),
            is_behind=waiting > BEHIND_RECORDS,
            at_once=at_once,
        )
        if not records:
            return
        self._say(records)
        try:
            await self._outbox.note(*records)
        except BorderScoutError as error:  # a full disk is often why they were refused
            log.warning("shard.record_lost", lost=records[0].event.value, reason=error.what)

    def _say(self, records: Sequence[RefusedRecord]) -> None:
        if self._is_logged:
            for record in records:
                log.info("smtp.refused", **asdict(record))
