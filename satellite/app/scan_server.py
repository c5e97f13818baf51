"""How does a scanning server start, listen and end?

Touches everything of it: its state folder, its sockets, the engines. One process, without workers:
it keeps nothing, so that there is nothing to recover. SIGTERM takes no more mail and lets what is
being passed on come to its answer; a kill at any time leaves each message with the mail server that
brought it.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import os
import shutil
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

import structlog
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest

from common.clock import Clock, SystemClock
from common.kinds import Group, load_kinds
from common.loop_lag import LoopLag
from common.preferences import Preferences
from common.preferences.deliver_to import parse_deliver_to
from common.records import NodeRecord
from common.settings.scan_server import ScanMilterSettings, ScanServerSettings
from common.strangers import outcome_of_call
from common.supervisor import STOPPING, ServiceCondition, keep_told, supervisor
from common.tasks import keep_running
from common.telemetry import configure_logging
from satellite.app.refusals import Refusals
from satellite.app.without_spool import built_rooms
from satellite.filtering.catalogue import BUILT_IN
from satellite.node.health_pages import ANSWER_S, HealthPages
from satellite.node.kept_sockets import KeptSockets
from satellite.node.sockets import listening_sockets
from satellite.overload.descriptors import raise_limit
from satellite.scan_server.examiner import Examiner
from satellite.scan_server.kept_mail import KeptMail
from satellite.scan_server.milter_server import MilterServer
from satellite.scan_server.milter_session import Milter
from satellite.scan_server.passage import NextServer
from satellite.scan_server.passing_front_end import PassingFrontEnd, front_end, mending
from satellite.scan_server.passing_log import PassingLog
from satellite.scan_server.passing_message import PassingIntake
from satellite.scan_server.passing_session import Passing
from satellite.scanning.run import Scanner
from satellite.smtp.metrics import SmtpMetrics
from satellite.smtp.refusal_log import RefusalLog
from satellite.smtp.server import FrontEnd
from satellite.spool.disk.lock import ShardLock

log = structlog.get_logger()

LOOK_S = 2.0  # at the next hop, before anybody is let in
DRAIN_S = 10.0  # for sessions in flight when it is told to stop
PROBE_S = 10.0  # between looks at the engines
PASSING = "passing"  # the folder of large messages that are being scanned
NO_HOP = "127.0.0.1:25"  # stands where only the milter is used, and is never asked


class _NoOutbox:
    """There is no core to tell."""

    async def note(self, *records: NodeRecord) -> None:
        """Do nothing: the log has it."""

    def backlog_sizes(self) -> tuple[int, int]:
        return 0, 0


class ScanServer:
    """One scanning server.

    Args:
        settings: its own.
        state: its folder, which is ours and locked.
        examiner: says what is done with a message.
        registry: where the metrics are collected.
        clock: the time.
    """

    def __init__(
        self,
        settings: ScanServerSettings,
        *,
        state: Path,
        examiner: Examiner,
        registry: CollectorRegistry,
        clock: Clock,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._refusal_log = RefusalLog()
        self.refusals = Refusals(self._refusal_log, _NoOutbox(), clock, is_logged=settings.mail_log)
        kept = KeptMail(state, bytes_max=settings.kept_bytes_max, clock=clock)
        self._server = NextServer(
            parse_deliver_to(settings.next_hop or NO_HOP),
            hostname=settings.hostname,
            timeout_s=settings.next_hop_timeout_s,
        )
        self._passing = Passing(
            examiner=examiner,
            server=self._server,
            kept=kept if settings.quarantine == "keep" else None,
            log=PassingLog(
                registry,
                is_logged=settings.mail_log,
                kept_bytes=lambda: kept.bytes,
                is_away=lambda: self._server.is_away,
            ),
            can_reject=settings.queue == "before",
            clients=tuple(ipaddress.ip_network(one) for one in settings.clients),
            scan_s_max=settings.scan_s_max,
        )
        self._intake = PassingIntake(state / PASSING, lambda: examiner.preferences, clock)
        self._smtp_metrics = SmtpMetrics(registry)
        self._front_end: FrontEnd | None = None
        self._milter: MilterServer | None = None

    def prefer(self, preferences: Preferences) -> None:
        """Go by other preferences from the next message on."""
        self._passing.examiner.prefer(preferences)

    async def start(self) -> None:
        """Listen.

        Raises:
            EnvironmentFailure: a port cannot be had.
            SettingsError: the certificate cannot be used.
        """
        settings = self._settings
        if settings.smtp is not None:
            with contextlib.suppress(TimeoutError):  # it is asked again with the first message
                async with asyncio.timeout(LOOK_S):
                    await self._server.look()
            self._front_end = front_end(
                PassingFrontEnd(
                    hostname=settings.hostname,
                    # What tells our own trace fields from a neighbour's, and nothing else.
                    mail_domain=settings.hostname.lower(),
                    smtp=mending(settings.smtp, settings.clients),
                ),
                self._passing,
                self._intake,
                metrics=self._smtp_metrics,
                refusal_log=self._refusal_log,
                clock=self._clock,
            )
            sockets = listening_sockets(settings.smtp.listen, KeptSockets.taken_over())
            await self._front_end.start(sockets)
        if settings.milter is not None:
            self._milter = self._milter_of(settings.milter)
            await self._milter.start(settings.milter.listen)

    def _milter_of(self, settings: ScanMilterSettings) -> MilterServer:
        passing = self._passing
        milter = Milter(
            examiner=passing.examiner,
            intake=self._intake,
            log=passing.log,
            mail_domain=mail_domain_of(self._settings),
            refuses_quarantine=self._settings.quarantine == "refuse",
            message_bytes_max=settings.message_bytes_max,
            scan_s_max=passing.scan_s_max,
            clock=self._clock,
        )
        return MilterServer(
            milter, clients=passing.clients, connections_max=settings.connections_max
        )

    async def drain(self) -> None:
        """Take nothing new, and let what is being passed on come to its answer."""
        if self._front_end is not None:
            await self._front_end.drain(DRAIN_S)
        if self._milter is not None:
            await self._milter.drain(DRAIN_S)
        await self.refusals.tell(at_once=True)

    @property
    def why_not_ready(self) -> list[str]:
        """Why no mail can pass now, a line each."""
        return ["the next hop does not answer"] * self._server.is_away


def mail_domain_of(settings: ScanServerSettings) -> str:
    """Return the authserv-id."""
    return (settings.mail_domain or settings.hostname).lower()


async def serve(settings: ScanServerSettings, read_preferences: Callable[[], Preferences]) -> None:
    """Run until SIGTERM or SIGINT; SIGHUP reads the preferences anew.

    Args:
        settings: with absolute paths.
        read_preferences: returns what filters and policies go by; it may raise anything.

    Raises:
        SettingsError: an engine, a filter or the certificate cannot be.
        EnvironmentFailure: a port or the state folder cannot be had.
    """
    configure_logging(node=settings.hostname, process="scan-server")
    if os.geteuid() == 0:
        log.warning("scan.root", hint="nothing here needs root once the port is bound")
    raise_limit()
    load_kinds(Group.ENGINES, [engine.kind for engine in settings.engines])
    load_kinds(Group.FILTERS, [*BUILT_IN, *(one.kind for one in settings.filters)])
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with _running(settings, read_preferences(), SystemClock()) as server:
        loop.add_signal_handler(signal.SIGHUP, _prefer_anew, server, read_preferences)
        log.info(
            "scan.listening",
            smtp=settings.smtp.listen if settings.smtp is not None else [],
            milter=settings.milter.listen if settings.milter is not None else [],
            next_hop=settings.next_hop,
            queue=settings.queue,
            engines=[engine.name for engine in settings.engines],
        )
        manager = supervisor()
        telling = asyncio.create_task(
            keep_told(manager, partial(_condition, server), clock=SystemClock())
        )
        await stop.wait()
        manager.tell(STOPPING)
        log.info("scan.stopping")
        await server.drain()
        telling.cancel()
    log.info("scan.stopped")


async def _condition(server: ScanServer) -> ServiceCondition:
    """Return how it stands: a next hop that is away is no fault of ours."""
    return ServiceCondition(
        is_ready=True, status="; ".join(server.why_not_ready) or "mail can pass"
    )


def _prefer_anew(server: ScanServer, read_preferences: Callable[[], Preferences]) -> None:
    """Take the preferences as they are now; what is wrong leaves those that are in use."""
    found = outcome_of_call(read_preferences)
    if isinstance(found, Exception):
        log.error("scan.preferences_refused", reason=repr(found))
    else:
        server.prefer(found)
        log.info("scan.preferences_taken")


@asynccontextmanager
async def _running(
    settings: ScanServerSettings, preferences: Preferences, clock: Clock
) -> AsyncIterator[ScanServer]:
    registry = CollectorRegistry()
    loop_lag = LoopLag(clock)
    registry.register(loop_lag)
    state = Path(settings.state)
    examiner: Examiner | None = None

    def in_force() -> Preferences:
        return examiner.preferences if examiner is not None else preferences

    async with AsyncExitStack() as stack:
        _make_ready(state)
        lock = ShardLock(state)
        stack.callback(lock.release)
        await lock.acquire(clock)  # who comes second waits for the first to be gone, and says so
        _empty(state / PASSING)
        rooms = await stack.enter_async_context(
            built_rooms(
                settings.engines,
                settings.filters,
                resolver=settings.resolver,
                registry=registry,
                clock=clock,
                yara_rules=lambda: in_force().yara_rules(),
            )
        )
        examiner = Examiner(
            rooms.examining,
            preferences,
            engines=[engine.name for engine in settings.engines],
            hostname=settings.hostname,
            mail_domain=mail_domain_of(settings),
            clock=clock,
        )
        server = ScanServer(
            settings, state=state, examiner=examiner, registry=registry, clock=clock
        )
        loop_lag.start()
        stack.callback(loop_lag.stop)
        await server.start()
        if settings.metrics:
            pages = HealthPages(
                settings.metrics,
                metrics=partial(_metrics_page, registry, asyncio.get_running_loop()),
                why_not_ready=lambda: server.why_not_ready,
            )
            pages.start()
            stack.push_async_callback(asyncio.to_thread, pages.stop)
        async with asyncio.TaskGroup() as group:
            beside = [
                group.create_task(keep_running(work, name=name, clock=clock), name=name)
                for name, work in (
                    ("probing", lambda: _probe(rooms.scanner, clock)),
                    ("refusals", server.refusals.run),
                    ("watch of filters", partial(rooms.filters.watch, in_force)),
                )
            ]
            try:
                yield server
            finally:
                for task in beside:
                    task.cancel()


def _metrics_page(registry: CollectorRegistry, loop: asyncio.AbstractEventLoop) -> bytes:
    """Return the metrics, for a thread: they are counted in the event loop, and gathered there."""

    async def page() -> bytes:
        return generate_latest(registry)

    return asyncio.run_coroutine_threadsafe(page(), loop).result(ANSWER_S)


def _make_ready(state: Path) -> None:
    state.mkdir(parents=True, exist_ok=True, mode=0o700)


def _empty(folder: Path) -> None:
    """Throw away what a crash has left: each of these messages is with its sender still."""
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(mode=0o700)


async def _probe(scanner: Scanner, clock: Clock) -> None:
    """Ask the engines now and then, so that the metrics tell of one that is away."""
    while True:
        await scanner.probe_all()
        await clock.sleep(PROBE_S)
