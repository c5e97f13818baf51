"""How are the rooms of one shard built and connected?

Touches everything of a shard. The composition root: it builds the adapters and connects the rooms,
which meet nowhere else.

Long because all rooms of a worker are made and connected in one place.
"""

from __future__ import annotations

import asyncio
import secrets
import socket
from collections.abc import Callable, Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path

import structlog
from prometheus_client import CollectorRegistry

from common.certificate import CertificateMetrics
from common.clock import Clock, SystemClock
from common.errors import BorderScoutError, EnvironmentFailure, SettingsError
from common.loop_lag import LoopLag
from common.pushed_rules import PushedRules
from common.records import AcceptingRecord, NotAcceptingRecord, StoppedRecord
from common.reports import NodeReport
from common.settings.satellite import SatelliteSettings
from common.tasks import keep_running
from common.wireguard.tunnel_metrics import TunnelMetrics
from common.wireguard.tunnel_told import told_health
from satellite.app.engine_watch import EngineWatch
from satellite.app.listed_at_connect import ListedAtConnect
from satellite.app.listed_clients import ListedClients
from satellite.app.looking_inside import looks_inside
from satellite.app.mail_log import MailLog
from satellite.app.node_definitions import NodeDefinitions
from satellite.app.refusals import Refusals
from satellite.app.second_look import second_look_of
from satellite.delivery.worker import Delivery
from satellite.filtering.catalogue import build_filters, filter_reports
from satellite.filtering.filter import Filter, FilterContext, FilterLearns
from satellite.filtering.filters.dnsbl import Dnsbl
from satellite.filtering.idle_documents import WatchedDocuments
from satellite.filtering.putting_off import PuttingOff
from satellite.filtering.resolver import DnsResolver
from satellite.filtering.run import Filters
from satellite.judging.scan_before_answer import PolicyScanBeforeAnswer
from satellite.judging.stage import JudgingStage
from satellite.link.client import Link
from satellite.link.metrics import LinkMetrics
from satellite.link.status import LinkStatus
from satellite.loop_round import LoopRound
from satellite.node.told_settings import ToldSettings
from satellite.overload.acceptance import Acceptance
from satellite.overload.draining import ToldDrain
from satellite.overload.pressure import RefusalCause, outbox_bytes_max
from satellite.scanning.engine import EngineContext, build_engines
from satellite.scanning.helper import Helper
from satellite.scanning.risk import Risk
from satellite.scanning.run import Scanner
from satellite.smtp.backpressure import Backpressure
from satellite.smtp.metrics import SmtpMetrics
from satellite.smtp.refusal_log import RefusalLog
from satellite.smtp.server import FrontEnd
from satellite.spool.listeners import SpoolListeners
from satellite.spool.mending.renewal import ask_for_renewal
from satellite.spool.metrics import SpoolMetrics
from satellite.spool.store import Spool
from satellite.tallies.metrics import TalliesMetrics
from satellite.tallies.shared_tallies import SharedTallies

log = structlog.get_logger()

DRAIN_S = 10.0  # for sessions in flight when it is told to stop
SAVE_AGE_S = 60.0
TLS_RESULTS_S = 3600.0  # between two tellings of how TLS went; a report is of a day
COMPACT_S = 0.05  # between steps of making the spool's file shorter, while little comes in
LOOK_S = 1.0  # between looks at whether mail may be accepted
RETIRING = "retiring: there are fewer workers now, and this shard only empties itself"


class Shard:
    """One worker's rooms, connected.

    Args:
        spool: open, and connected to nobody yet.
        settings: of the node.
        sockets: to listen on; none: it takes no mail.
        on_broken: called when only another process can go on with this spool.
        on_renewal: called when the next process is to begin a new life of it.
        loop_lag: of the loop that all of it runs in.
    """

    def __init__(
        self,
        spool: Spool,
        settings: SatelliteSettings,
        *,
        sockets: list[socket.socket],
        on_broken: Callable[[], None],
        on_renewal: Callable[[], None],
        loop_lag: LoopLag,
    ) -> None:
        self.spool = spool
        self.settings = settings
        self.clock: Clock = SystemClock()
        self.loop_lag = loop_lag
        self.registry = CollectorRegistry()
        self.listening = False
        self._sockets = sockets
        self._on_renewal = on_renewal
        self._accepting_reason = "starting"
        self._told_cause: RefusalCause | None = None
        self._preferred = asyncio.Event()
        self._loop_round = LoopRound(self.clock)
        self._build()
        self.spool.connect(
            SpoolListeners(
                received=self.judging.add,
                queued=self.delivery.offer,
                ended=MailLog(self.clock).ended if settings.mail_log else lambda ends: None,
                outgoing=self.link.outgoing,
                broken=on_broken,
            )
        )

    def _yara_rules(self) -> tuple[PushedRules, ...]:
        """Return the rules of the revision that is in force now."""
        return self.spool.preferences.yara_rules()

    def _build(self) -> None:
        settings, clock, registry = self.settings, self.clock, self.registry
        self.helper = Helper(clock=clock)
        context = EngineContext(clock=clock, helper=self.helper, yara_rules=self._yara_rules)
        risk = Risk(self.helper)
        self.scanner = Scanner(build_engines(settings.engines, context), clock, registry=registry)
        self.engines = EngineWatch(self.scanner, lambda: self.spool.preferences, clock)
        self.tallies = SharedTallies(
            settings.cluster, clock=clock, salt=secrets.randbits(64), life=secrets.token_hex(8)
        )
        resolver = DnsResolver(settings.resolver)
        filter_context = FilterContext(
            clock=clock, resolver=resolver, metrics=registry, tallies=self.tallies
        )
        built = build_filters(settings.filters, filter_context)
        self.filters = Filters(built, clock=clock, metrics=registry)
        self._filter_reports = filter_reports(settings.filters)
        self._documents = WatchedDocuments(settings.filters, lambda: self.spool.preferences)
        dns_lists = next(one for one in built if isinstance(one, Dnsbl))  # it is always there
        self.definitions = NodeDefinitions(
            settings,
            clock,
            shard=self.spool.shard,
            on_change=self._have_definitions,
            core_address=self._core_address,
        )
        self.delivery = Delivery(
            self.spool,
            settings,
            clock,
            registry=registry,
            folder=self.spool.folder,
            loop_round=self._loop_round,
            counts=self.tallies,
        )
        self.second_look = second_look_of(
            self.spool,
            self.scanner,
            self.delivery,
            engines=lambda: self.engines.reports,
            is_idle=lambda: not self._unjudged(),
            settings=settings,
            clock=clock,
            registry=registry,
        )
        backpressure = Backpressure(self._unjudged)
        self.judging = JudgingStage(
            spool=self.spool,
            scanner=self.scanner,
            filters=self.filters,
            looks=looks_inside(self.helper, resolver=settings.resolver, clock=clock),
            risk=risk,
            ring=self.second_look.ring,
            settings=settings,
            clock=clock,
            judged=self.delivery.offer,
            starts_at_once=self.delivery.starts_at_once,
            on_done=backpressure.judged,
        )
        self.scanner.absences.on_return = self.judging.hurry
        self.acceptance = Acceptance(
            self.spool, self.judging, self.delivery, settings=settings, clock=clock
        )
        refusal_log = RefusalLog()
        self.refusals = Refusals(refusal_log, self.spool, clock, is_logged=settings.mail_log)
        self.front_end = FrontEnd(
            self.spool,
            settings,
            clock,
            SmtpMetrics(registry),
            backpressure=backpressure,
            scan_before_answer=PolicyScanBeforeAnswer(self.spool, self.judging),
            refuses_mail_for=self.acceptance.refuses_mail_for,
            offered_for=self.delivery.offers.for_recipient,
            verification=self.delivery.verification,
            block_lists=ListedClients(dns_lists, lambda: self.spool.preferences, clock),
            connect_lists=ListedAtConnect(
                dns_lists, resolver, lambda: self.spool.preferences, clock
            ),
            refusal_log=refusal_log,
            loop_round=self._loop_round,
            puts_off=PuttingOff(
                self.tallies, preferences=lambda: self.spool.preferences, clock=clock
            ).cause,
        )
        self.settings_told = ToldSettings(
            settings.node, shard=self.spool.shard, preferences=lambda: self.spool.preferences
        )
        self.drain_told = ToldDrain(Path(settings.state), self.empty)
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
            on_definitions=self.definitions.offered,
            on_settings=self.settings_told.told,
            on_drain=self.drain_told.told,
            tallies=self.tallies,
            learners=self._learners(built),
        )
        self.metrics = SpoolMetrics(self.spool, registry)
        registry.register(self.loop_lag)
        LinkMetrics(self.link_status, registry)
        TalliesMetrics(self.tallies.status, registry)
        if self.spool.shard == 0:  # the tunnel is the node's: one worker tells of it
            told = partial(told_health, settings.wireguard.state)
            TunnelMetrics(told, registry, now_s=lambda: clock.now_us() / 1e6)
        CertificateMetrics(
            {"smtp": self.front_end.certificate_status, "link": self.link.certificate_status},
            registry,
        )

    def _learners(self, filters: Sequence[Filter]) -> dict[str, FilterLearns]:
        """Return the filters that learn; one worker hears the lessons for its node."""
        if self.spool.shard != 0:
            return {}
        return {each.name: each for each in filters if isinstance(each, FilterLearns)}

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
                ("draining", self.drain_told.run),
                ("probing", self.engines.run),
                ("second look", self.second_look.run),
                ("age", self._save_age),
                ("compacting", self._compact),
                ("bounding the outbox", self._bound_outbox),
                ("tls results", self._tell_tls_results),
                ("listening", self._listen),
                ("refusals", self.refusals.run),
                ("definitions", self.definitions.run),
                ("measuring", self._measure),
                ("watch of filters", partial(self.filters.watch, lambda: self.spool.preferences)),
            ):
                group.create_task(keep_running(work, name=name, clock=self.clock), name=name)

    def _core_address(self) -> str:
        """Return where the core is; definitions and the link each need the other."""
        return self.link.core_address()

    async def _measure(self) -> None:
        """Measure the way to the customers' servers; one worker does so for its node."""
        if self.spool.shard == 0:
            await self.delivery.measuring.run()

    def _have_definitions(self, engine: str) -> None:
        log.info("shard.definitions_changed", engine=engine)
        self.scanner.forget(engine)  # clamd does not tell of databases that are not ClamAV's own
        self.second_look.definitions_changed()

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
        await self.refusals.tell(at_once=True)

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
        holds = tuple(hold.report() for hold in self.delivery.holds())
        untold = self.delivery.away() - len(holds)
        counts = {state.value: count for state, count in self.spool.counts().items() if count}
        return NodeReport(
            spool=counts,
            engines=self.engines.reports,
            holds=holds,
            holds_untold=untold,
            accepting=self.listening and not self.not_accepting_reason,
            not_accepting_reason=self.not_accepting_reason,
            oldest_us=self.metrics.oldest_us(),
            problems=self.problems(),
            reached=self.delivery.reached(),
            round_trips=self.delivery.measuring.untold(),
            definitions=self.definitions.reports(),
            filters=self._filter_reports,
            **self.settings_told.of_report(),
        )

    def problems(self) -> tuple[str, ...]:
        """Return what an operator should know of this shard, a sentence each."""
        stress = ("connections run out: silent clients are sent away early",)
        return (
            *self.spool.problems(),
            *self._certificate_problems(),
            *self._helper_problems(),
            *self.definitions.problems(),
            *self.settings_told.problems(),
            *self.engines.problems(),
            *self.scanner.problems(),
            *self.filters.problems(),
            *self._documents.problems(),
            *stress * self.front_end.is_stressed,
        )

    def _certificate_problems(self) -> tuple[str, ...]:
        """Return why a renewed certificate is not shown to senders; the link tells of its own."""
        status = self.front_end.certificate_status()
        if status is None or not status.problem:
            return ()
        return (f"the STARTTLS certificate is not renewed: {status.problem}",)

    def _helper_problems(self) -> tuple[str, ...]:
        if not self.helper.not_isolated:
            return ()
        return (f"helper processes keep network and files: {self.helper.not_isolated}",)

    @property
    def not_accepting_reason(self) -> str:
        """Why no mail may come in; empty: it may. What a client hears at MAIL is not older."""
        return self._accepting_reason or self.spool.refusal() or ""

    def link_status(self) -> LinkStatus:
        """Return how the link to the core is now."""
        return self.link.status(now_s=self.clock.monotonic_s())

    async def empty(self, on: bool) -> None:
        """Begin to empty this shard, or end it: take no mail, and try now what is to be delivered.

        Args:
            on: False takes it back.
        """
        self.acceptance.is_draining = on
        await self._shut(on)

    async def pause(self, on: bool) -> None:
        """Empty this shard for now, since its process is to end; nothing outlives it.

        Args:
            on: False takes it back; what an operator has said of emptying the node stands.
        """
        if on is not self.acceptance.is_pausing:
            self.acceptance.is_pausing = on
            await self._shut(on)

    async def _shut(self, on: bool) -> None:
        """Take no mail from now on, and try what is to be delivered; or see whether it may come."""
        if self.listening:
            await self._look()
        if on:
            self.delivery.flush()

    async def renew(self) -> None:
        """Let the next process begin a new life of the spool, and this one end in order.

        Raises:
            OSError: that cannot be written down.
        """
        await asyncio.to_thread(ask_for_renewal, self.spool.folder)
        self._on_renewal()

    async def _listen(self) -> None:
        """Listen once there are preferences, and say whenever mail may not be accepted."""
        if not self.listening:  # else a look has failed, and this is begun again
            await self._begin_listening()
        while self.listening:
            await self._look()
            await self.clock.sleep(LOOK_S)

    async def _begin_listening(self) -> None:
        if not self.spool.preferences.position.revision:
            self._accepting_reason = "no preferences yet"
            await self._preferred.wait()
        if self.spool.shard >= self.settings.workers:
            self._accepting_reason = RETIRING
            return
        self.front_end.refuse(self.acceptance.look())  # known before the first client comes
        if self._sockets:
            await self._start_front_end()
        self.listening, self._accepting_reason = True, ""
        log.info("shard.listening", shard=self.spool.shard)

    async def _start_front_end(self) -> None:
        """Return once it listens. What the node's start looked at may be broken by now."""
        while True:
            try:
                return await self.front_end.start(self._sockets)
            except SettingsError as error:
                if self._accepting_reason != str(
                    error
                ):  # said once, and seen for as long as it is so
                    log.error("shard.cannot_listen", complaints=error.complaints)
                self._accepting_reason = str(error)
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

    async def _tell_tls_results(self) -> None:
        while True:
            await self.clock.sleep(TLS_RESULTS_S)
            try:
                await self.spool.note(*self.delivery.take_tls_results())
            except BorderScoutError as error:  # numbers for a report, and nobody's mail
                log.warning("shard.record_lost", lost="tls_results", reason=error.what)

    async def _save_age(self) -> None:
        while True:
            await self.clock.sleep(SAVE_AGE_S)
            await self.spool.save_age()
            await self.delivery.offers.save()

    async def _compact(self) -> None:
        while True:
            is_more = False
            try:
                is_more = await self.spool.compact()
            except EnvironmentFailure as error:  # a full disk: the file is as it was
                log.warning("shard.not_compacted", reason=error.what)
            is_idle = is_more and not self.spool.is_busy
            await self.clock.sleep(COMPACT_S if is_idle else LOOK_S)

    async def _bound_outbox(self) -> None:
        settings = self.settings
        while True:
            await self.clock.sleep(LOOK_S)
            bytes_max = outbox_bytes_max(
                disk_bytes=self.spool.space.total_bytes(),
                reserve_bytes=settings.disk_reserve_bytes,
                share=settings.limits.outbox_share_max,
                workers=settings.workers,
            )
            try:
                await self.spool.bound_outbox(bytes_max)
            except EnvironmentFailure as error:
                log.warning("shard.outbox_not_bounded", reason=error.what)
