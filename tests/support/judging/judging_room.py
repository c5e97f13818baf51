"""How does a test judge mail with a real spool, and engines and filters that say what it wants?

Touches a spool's files through the fixtures of ``tests.support.spool.open_spool``.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from typing import Any

from common.ids import MessageId
from common.preferences import Document
from common.preferences.risky_types import RiskyType
from common.records import Event
from common.states import State
from common.verdict import Outcome, Test, Verdict
from satellite.filtering.filter import Mail
from satellite.judging.delivered_ring import DeliveredRing
from satellite.judging.examination import ScansMail
from satellite.judging.stage import JudgingStage
from satellite.scanning.risk import FindsRisk
from satellite.scanning.sample import Sample
from satellite.spool.model.messages import Recipient
from satellite.spool.store import Spool
from tests.support.clock import FakeClock
from tests.support.core.preferences import at, preferences
from tests.support.judging.looks import given_looks
from tests.support.node.shard import settings
from tests.support.spool.listening import listen

RETRY_S = 15.0
LARGE = b"Subject: large\r\n\r\n" + b"0123456789abcde\r\n" * 10_000
CLEAN = Verdict(by="yara", outcome=Outcome.CLEAN, version="1.0", ms=3)
SILENT = Verdict(by="yara", outcome=Outcome.UNAVAILABLE, detail="no connection")
OTHER = Verdict(by="clamav", outcome=Outcome.CLEAN)  # so that yara is not the only one
INFECTED = Verdict(by="yara", outcome=Outcome.INFECTED, threats=("Eicar-Test",))


class ScriptedEngines:
    """Says what the test wants of every message; ``meanwhile`` runs while it scans."""

    def __init__(self) -> None:
        self.verdicts: tuple[Verdict, ...] = (CLEAN,)
        self.failures: list[Exception] = []
        self.seen: list[tuple[MessageId, bytes]] = []
        self.may_leave: list[bool] = []
        self.said_within_s: list[float] = []
        self.answers_others = False  # other mail than this
        self.dies_alone = True  # while nobody else is there
        self.known: list[frozenset[str]] = []
        self.set_aside_of: list[tuple[str, MessageId]] = []
        self.meanwhile: Callable[[], Any] | None = None

    def answered_since(self, name: str, began_s: float, *, size: int) -> bool:
        return self.answers_others

    def died_alone(self, name: str, sha256: bytes) -> bool:
        return self.dies_alone

    def set_aside(self, verdict: Verdict, message: MessageId) -> None:
        self.set_aside_of.append((verdict.by, message))

    async def scan(
        self,
        sample: Sample,
        *,
        known: Collection[str] = (),
        others_done: Callable[[], None] = lambda: None,
    ) -> tuple[Verdict, ...]:
        self.known.append(frozenset(known))
        self.seen.append((sample.id, sample.read(0, sample.size)))
        self.may_leave.append(sample.may_leave)
        self.said_within_s.append(sample.said_within_s)
        if self.meanwhile is not None:
            await self.meanwhile()
        if self.failures:
            raise self.failures.pop(0)
        return self.verdicts


class ScriptedFilters:
    """Filters that give the tests that the test wants."""

    def __init__(self) -> None:
        self.tests: tuple[Test, ...] = ()
        self.seen: list[Mail] = []
        self.waits = True

    def at_once(self, mail: Mail) -> tuple[Verdict, ...] | None:
        if self.waits:
            return None
        self.seen.append(mail)
        return (Verdict(by="rules", outcome=Outcome.SCORED, tests=self.tests),)

    async def examine(self, mail: Mail) -> tuple[Verdict, ...]:
        self.seen.append(mail)
        return (Verdict(by="rules", outcome=Outcome.SCORED, tests=self.tests),)


class ScriptedRisk:
    """Says of which risky types every message is."""

    def __init__(self) -> None:
        self.types: frozenset[RiskyType] | None = frozenset()
        self.seen: list[MessageId] = []

    async def types_of(self, sample: Sample) -> frozenset[RiskyType] | None:
        self.seen.append(sample.id)
        return self.types


class JudgingRoom:
    """The stage under test, its two rooms, and the spool."""

    def __init__(
        self,
        spool: Spool,
        clock: FakeClock,
        *,
        scanner: ScansMail | None = None,
        risk: FindsRisk | None = None,
        kept_bytes_max: int = 0,
        **node: Any,
    ) -> None:
        self.spool = spool
        self.scanner = scanner
        self.clock = clock
        self.engines = ScriptedEngines()
        self.filters = ScriptedFilters()
        self.risk = ScriptedRisk()
        self.free_bytes = 1 << 40
        self.ring = DeliveredRing(
            spool.folder,
            hours=24.0,
            bytes_max=kept_bytes_max,
            reserve_bytes=1 << 20,
            free_bytes=lambda: self.free_bytes,
            clock=clock,
        )
        self.offered: list[MessageId] = []
        self.free: set[str] = set()  # recipients whose delivery would start at once
        self.judging = JudgingStage(
            spool=spool,
            scanner=scanner or self.engines,
            filters=self.filters,
            looks=given_looks(),
            risk=risk or self.risk,
            ring=self.ring,
            settings=settings(waiting_retry_s=RETRY_S, **node),
            clock=clock,
            judged=self.offered.append,
            on_done=lambda: None,
            starts_at_once=lambda _message, address: address in self.free,
        )

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[None]:
        """Let the stage run as it does in a shard."""
        listen(self.spool, received=self.judging.add)
        run = asyncio.create_task(self.judging.run())
        try:
            yield
        finally:
            run.cancel()
            await asyncio.gather(run, return_exceptions=True)

    async def prefer(self, *documents: Document, revision: int = 1) -> None:
        wanted = preferences(*documents, revision=revision)
        await self.spool.apply_preferences(
            list(documents), position=at(revision), digest=wanted.digest, snapshot=True
        )

    def has_scanned(self, count: int) -> bool:
        return len(self.engines.seen) == count

    def recipients(self, message: MessageId) -> dict[str, Recipient]:
        stored = self.spool.message(message)
        return {one.address: one for one in stored.recipients} if stored is not None else {}

    def states(self, message: MessageId) -> set[State]:
        return {one.state for one in self.recipients(message).values()}

    def head(self, message: MessageId, address: str) -> str:
        stored = self.spool.message(message)
        assert stored is not None
        copy = stored.copies[self.recipients(message)[address].copy]
        return copy.head.decode().replace("\r\n ", " ")

    def records(self, event: Event, message: MessageId) -> list[dict[str, Any]]:
        return [
            json.loads(record.fields)
            for record in self.spool.records(after=0, limit=1000)
            if record.event == event and record.message_id == message
        ]
