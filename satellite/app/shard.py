"""How are the rooms of one shard built and connected?

Touches everything of a shard. The composition root: it builds the adapters and connects the rooms,
which meet nowhere else.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from dataclasses import asdict
from importlib.metadata import version

import structlog
from prometheus_client import CollectorRegistry

from common.certificate import CertificateMetrics
from common.clock import Clock, SystemClock
from common.errors import BorderScoutError, EnvironmentFailure
from common.records import AcceptingRecord, NotAcceptingRecord, StoppedRecord
from common.reports import EngineReport, HoldReport, NodeReport
from common.settings.satellite import SatelliteSettings
from common.tasks import keep_running
from satellite.delivery.worker import Delivery
from satellite.filtering.catalogue import build_filters
from satellite.filtering.filter import FilterContext
from satellite.filtering.resolver import DnsResolver
from satellite.filtering.run import Filters
from satellite.judging.scan_before_answer import PolicyScanBeforeAnswer
from satellite.judging.stage import JudgingStage
from satellite.link.client import Link
from satellite.link.metrics import LinkMetrics
from satellite.link.status import LinkStatus
from satellite.overload.acceptance import Acceptance
from satellite.overload.pressure import RefusalCause
from satellite.scanning.engine import EngineContext, build_engines
from satellite.scanning.helper import Helper
from satellite.scanning.run import Scanner
from satellite.smtp.backpressure import Backpressure
from satellite.smtp.metrics import SmtpMetrics
from satellite.smtp.server import FrontEnd
from satellite.spool.listeners import SpoolListeners
from satellite.spool.metrics import SpoolMetrics
from satellite.spool.store import Spool

log = structlog.get_logger()

DRAIN_S = 10.0  # for sessions in flight when it is told to stop
SAVE_AGE_S = 60.0
PROBE_S = 10.0  # between looks at the engines
LOOK_S = 1.0  # between looks at whether mail may be accepted
RETIRING = "retiring: there are fewer workers now, and this shard only empties itself"


class Shard:
    """One worker's rooms, connected.

    Args:
        spool: open, and connected to nobody yet.
        settings: of the node.
        sockets: to listen on; none: it takes no mail.
        on_broken: called when only another process can go on with this spool.
    """

    def __init__(
        self,
        spool: Spool,
        settings: SatelliteSettings,
        *,
        sockets: list[socket.socket],
        on_broken: Callable[[], None],
    ) -> None:
        self.spool = spool
        self.settings = settings
        self.clock: Clock = SystemClock()
        self.registry = CollectorRegistry()
        self.listening = False
        self._sockets = sockets
        self._accepting_reason = "starting"
        self._told_cause: RefusalCause | None = None
        self._engines: tuple[EngineReport, ...] = ()
        self._preferred = asyncio.Event()
        self._build()
        self.spool.connect(
            SpoolListeners(
                received=self.judging.add,
                queued=self.delivery.offer,
                outgoing=self.link.outgoing,
                broken=on_broken,
            )
        )

    def _build(self) -> None:
        settings, clock, registry = self.settings, self.clock, self.registry
        self.helper = Helper(clock=clock)
        context = EngineContext(clock=clock, helper=self.helper)
        self.scanner = Scanner(build_engines(settings.engines, context), clock, registry=registry)
        filter_context = FilterContext(
            clock=clock, resolver=DnsResolver(settings.resolver), metrics=registry
        )
        self.filters = Filters(
            build_filters(settings.filters, filter_context), clock=clock, metrics=registry
        )
        self.delivery = Delivery(self.spool, settings, clock, registry=registry)
        backpressure = Backpressure(self._unjudged)
        self.judging = JudgingStage(
            spool=self.spool,
            scanner=self.scanner,
            filters=self.filters,
            settings=settings,
            clock=clock,
            judged=self.delivery.offer,
            starts_at_once=self.delivery.starts_at_once,
            on_done=backpressure.judged,
        )
        self.acceptance = Acceptance(
            self.spool, self.judging, self.delivery, settings=settings, clock=clock
        )
        self.front_end = FrontEnd(
            self.spool,
            settings,
            clock,
            SmtpMetrics(registry),
            backpressure=backpressure,
            scan_before_answer=PolicyScanBeforeAnswer(self.spool, self.judging),
            refuses_mail_for=self.acceptance.refuses_mail_for,
        )
        self.link = Link(
            self.spool,
            settings,
            clock,
            version=version("border-scout"),
            shards=settings.workers,
            report=self.report,
            on_preferences=self._have_preferences,
            on_flush=self.delivery.flush,
            on_hint=self.delivery.hint,
            on_released=self.delivery.offer,
        )
        self.metrics = SpoolMetrics(self.spool, registry)
        LinkMetrics(self.link_status, registry)
        CertificateMetrics(
            {"smtp": self.front_end.certificate_status, "link": self.link.certificate_status},
            registry,
        )

    def _unjudged(self) -> int:
        """Return how many messages wait; judging and backpressure each need the other."""
        return self.judging.unjudged()

    async def run(self) -> None:
        """Work until cancelled."""
        for message, due_us in self.spool.backlog.scan:
            self.judging.add(message, due_us)
        async with asyncio.TaskGroup() as group:
            for name, work in (
                ("judging", self.judging.run),
                ("delivery", self.delivery.run),
                ("link", self.link.run),
                ("probing", self._probe),
                ("age", self._save_age),
                ("listening", self._listen),
            ):
                group.create_task(keep_running(work, name=name, clock=self.clock), name=name)

    def _have_preferences(self) -> None:
        self._preferred.set()
        self.delivery.preferences_changed()

    async def drain(self, *, turns_away: bool) -> None:
        """Take nothing new, and let sessions and delivery transactions in flight end.

        Args:
            turns_away: whoever comes meanwhile is told to come back; else left to other workers.
        """
        await self.front_end.drain(DRAIN_S, turns_away=turns_away)
        await self.delivery.close()

    async def say_stopped(self) -> None:
        """Write the record of an end in order."""
        try:
            await self.spool.note(StoppedRecord())
        except EnvironmentFailure as error:  # a disk that is full or broken must not hold us
            log.warning("shard.record_lost", lost=StoppedRecord.event.value, reason=error.what)

    async def close(self) -> None:
        """Let go of what the rooms hold."""
        await self.filters.close()
        await self.scanner.close()
        await self.helper.close()

    def report(self) -> NodeReport:
        """Return what the core is told of this shard."""
        holds = tuple(HoldReport(**asdict(hold)) for hold in self.delivery.holds())
        counts = {state.value: count for state, count in self.spool.counts().items() if count}
        return NodeReport(
            spool=counts,
            engines=self._engines,
            holds=holds,
            accepting=self.listening and not self._accepting_reason,
            not_accepting_reason=self._accepting_reason,
            oldest_us=self.metrics.oldest_us(),
            problems=(*self.spool.problems(), *self._certificate_problems()),
            reached=self.delivery.reached(),
        )

    def _certificate_problems(self) -> tuple[str, ...]:
        """Return why a renewed certificate is not shown to senders; the link tells of its own."""
        status = self.front_end.certificate_status()
        if status is None or not status.problem:
            return ()
        return (f"the STARTTLS certificate is not renewed: {status.problem}",)

    @property
    def not_accepting_reason(self) -> str:
        return self._accepting_reason

    def link_status(self) -> LinkStatus:
        """Return how the link to the core is now."""
        return self.link.status(now_s=self.clock.monotonic_s())

    async def empty(self, on: bool) -> None:
        """Begin to empty this shard, or end it: take no mail, and try now what is to be delivered.

        Args:
            on: False takes it back.
        """
        self.acceptance.is_draining = on
        if self.listening:
            await self._look()
        if on:
            self.delivery.flush()

    async def _listen(self) -> None:
        """Listen once there are preferences, and say whenever mail may not be accepted."""
        if not self.spool.preferences.position.revision:
            self._accepting_reason = "no preferences yet"
            await self._preferred.wait()
        if self.spool.shard >= self.settings.workers:
            self._accepting_reason = RETIRING
            return
        self.front_end.refuse(self.acceptance.look())  # known before the first client comes
        if self._sockets:
            await self.front_end.start(self._sockets)
        self.listening, self._accepting_reason = True, ""
        log.info("shard.listening", shard=self.spool.shard)
        while True:
            await self._look()
            await self.clock.sleep(LOOK_S)

    async def _look(self) -> None:
        refusal = self.acceptance.look()
        self.front_end.refuse(refusal)
        self._accepting_reason = refusal.detail if refusal is not None else ""
        cause = refusal.cause if refusal is not None else None
        if cause is self._told_cause:
            return
        self._told_cause = cause
        log.warning("shard.accepting", accepting=refusal is None, reason=self._accepting_reason)
        record = (
            AcceptingRecord()
            if refusal is None
            else NotAcceptingRecord(reason=refusal.detail, cause=str(refusal.cause))
        )
        try:
            await self.spool.note(record)
        except BorderScoutError as error:  # the very disk that is full
            log.warning("shard.record_lost", lost=record.event.value, reason=error.what)

    async def _probe(self) -> None:
        while True:
            found = await self.scanner.probe_all()
            self._engines = tuple(
                EngineReport(
                    name=name,
                    answering=health.answering,
                    version=health.version,
                    detail=health.detail,
                )
                for name, health in found.items()
            )
            await self.clock.sleep(PROBE_S)

    async def _save_age(self) -> None:
        while True:
            await self.clock.sleep(SAVE_AGE_S)
            await self.spool.save_age()
