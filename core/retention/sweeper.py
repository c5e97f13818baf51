"""When does what was kept for long enough go, and what is told of it?

Touches the database, the folder of bodies and the clock. Once an hour each class has its turn, in
steps of some milliseconds with a rest after each: the link has the writer in between. A class that
fails is told of and tried again in the next hour, and stops none of the others.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

import structlog

from common.clock import Clock
from common.counted import counted
from common.errors import EnvironmentFailure
from common.settings.core import CoreSettings
from core.custody.custody import RETENTION, Custody
from core.quarantine.retention import DAY_US, BodyDays, kept_since_us
from core.retention.report import ClassReport, RetentionReport
from core.store.database import Database

log = structlog.get_logger()

SWEEP_S = 3_600.0  # between the beginnings of two sweeps, if one takes no longer
REST_S = 0.05  # after each step; with 500 rows a step these are some 30 million an hour

Sweep = Callable[[], Awaitable[int]]


class Sweeper:
    """Sweeps once an hour, and says how that went.

    Args:
        settings: for how long what is kept.
        database: what is swept.
        custody: the bodies.
        clock: for age, and for the rests.
    """

    def __init__(
        self, settings: CoreSettings, *, database: Database, custody: Custody, clock: Clock
    ) -> None:
        self._settings = settings
        self._database = database
        self._custody = custody
        self._clock = clock
        self.report = RetentionReport()

    async def run(self) -> None:
        """Sweep until cancelled."""
        while True:
            await self.sweep()
            await self._clock.sleep(SWEEP_S)

    async def sweep(self) -> RetentionReport:
        """Let each class have its turn, and return what came of it."""
        began_us = self._clock.now_us()
        gone: dict[str, int] = {}
        problems: dict[str, str] = {}
        for name, sweep in self._sweeps(began_us).items():
            try:
                gone[name] = await sweep()
            except EnvironmentFailure as error:
                problems[name] = error.what
                log.error("retention.failed", kept=name, reason=error.what, hint=error.hint)
        if gone.get("bodies"):
            await self._tell(gone["bodies"])
        self.report = await self._reported(began_us, gone, problems)
        log.info("retention.swept", **gone, ms=(self.report.ended_us - began_us) // 1_000)
        return self.report

    def _sweeps(self, now_us: int) -> Mapping[str, Sweep]:
        """Return what has its turn, in order: first what stands on something else."""
        store, kept, rest = self._database.retention, self._settings.retention, self._rest

        def since(days: int) -> int:
            return kept_since_us(now_us=now_us, days=days)

        unended_us = since(kept.unended_days)
        bodies = BodyDays(days=kept.bodies_days, by_reason=kept.bodies_days_by_reason)
        return {
            "refusals": lambda: store.refusals(before_us=since(kept.refusals_days), rest=rest),
            "records": lambda: store.records(
                before_us=since(kept.records_days), unended_us=unended_us, rest=rest
            ),
            "messages": lambda: store.messages(
                before_us=since(kept.messages_days),
                future_us=now_us + DAY_US,
                unended_us=unended_us,
                rest=rest,
            ),
            "bodies": lambda: self._custody.expire(bodies, rest=rest),
            "cases": lambda: store.cases(before_us=since(kept.cases_days), rest=rest),
            "arriving": lambda: store.dead_arrivals(before_us=since(kept.dead_days), rest=rest),
            "files": self._files,
            "changes": lambda: store.changes(before_us=since(kept.changes_days), rest=rest),
            "audit": lambda: store.audit(before_us=since(kept.audit_days), rest=rest),
            "look_counts": lambda: store.look_counts(
                before_day=now_us // DAY_US - self._settings.look_counts_days, rest=rest
            ),
            "late": lambda: self._database.late.forget(rest=rest),
            "round_trips": lambda: self._database.round_trips.forget(rest=rest),
            "outboxes": lambda: store.outboxes(rest=rest),
            "octets": lambda: store.give_back(rest=rest),
        }

    async def _files(self) -> int:
        swept = await self._custody.sweep(rest=self._rest)
        if swept.aside:
            log.warning(
                "core.bodies_unknown",
                bodies=swept.aside,
                hint="was the database put back? they are in bodies/aside of the state folder",
            )
        return swept.partials + swept.bodies

    async def _tell(self, bodies: int) -> None:
        await self._database.audit.note(
            who=RETENTION, what="quarantine.expire", subject=counted(bodies, "body", "bodies")
        )

    async def _rest(self) -> None:
        await self._clock.sleep(REST_S)

    async def _reported(
        self, began_us: int, gone: Mapping[str, int], problems: Mapping[str, str]
    ) -> RetentionReport:
        kept, room = await self._database.retention.kept()
        days = self._settings.retention.days_by_class() | {
            "look_counts": self._settings.look_counts_days
        }
        ended_us = self._clock.now_us()
        return RetentionReport(
            began_us=began_us,
            ended_us=ended_us,
            next_us=ended_us + round(SWEEP_S * 1_000_000),
            database_bytes=room.database_bytes,
            unused_bytes=room.unused_bytes,
            problems=dict(problems),
            classes=tuple(
                ClassReport(
                    name=name,
                    rows=one.rows,
                    oldest_us=one.oldest_us,
                    days=days[name],
                    gone=gone.get(name, 0),
                )
                for name, one in kept.items()
            ),
        )
