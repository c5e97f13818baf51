"""What is one shard made of?

Touches everything of a shard. The composition root: it opens the spool, builds the adapters, and
connects the rooms, which meet nowhere else. Run by the parent, never by hand.
"""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
from contextlib import AsyncExitStack
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

import structlog
import uvloop
from prometheus_client import CollectorRegistry

from common.clock import SystemClock
from common.errors import BorderScoutError
from common.records import Event
from common.reports import EngineReport, HoldReport, NodeReport
from common.tasks import keep_running
from common.telemetry import configure_logging
from satellite.app.channel import LINE_BYTES_MAX, answer_lines
from satellite.app.desk import Desk
from satellite.app.judging import Judging
from satellite.app.measures import SpoolMetrics
from satellite.app.parent import RETIRED, shard_folder
from satellite.app.sockets import inherited
from satellite.app.tether import die_with_parent
from satellite.delivery.worker import Delivery
from satellite.filtering.catalogue import build_filters
from satellite.filtering.filter import FilterContext
from satellite.filtering.resolver import DnsResolver
from satellite.filtering.run import Filters
from satellite.link.client import Link
from satellite.scanning.engine import EngineContext, build_engines
from satellite.scanning.helper import Helper
from satellite.scanning.run import Scanner
from satellite.settings import SatelliteSettings, load_settings
from satellite.smtp.metrics import SmtpMetrics
from satellite.smtp.server import FrontEnd
from satellite.spool.messages import Outgoing
from satellite.spool.store import Spool

log = structlog.get_logger()

DRAIN_S = 10.0  # for sessions in flight when it is told to stop
SAVE_AGE_S = 60.0
PROBE_S = 10.0  # between looks at the engines
LOOK_S = 1.0  # between looks at whether mail may be accepted


class Shard:
    """One worker's rooms, connected."""

    def __init__(
        self, spool: Spool, settings: SatelliteSettings, *, sockets: list[socket.socket]
    ) -> None:
        self.spool = spool
        self.settings = settings
        self.clock = SystemClock()
        self.registry = CollectorRegistry()
        self.listening = False
        self._sockets = sockets
        self._accepting_reason = "starting"
        self._engines: tuple[EngineReport, ...] = ()
        self._preferred = asyncio.Event()
        self._build()

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
        self.judging = Judging(
            spool=self.spool,
            scanner=self.scanner,
            filters=self.filters,
            settings=settings,
            clock=clock,
            judged=self.delivery.offer,
        )
        self.front_end = FrontEnd(self.spool, settings, clock, SmtpMetrics(registry))
        self.link = Link(
            self.spool,
            settings,
            clock,
            version=version("border-scout"),
            shards=settings.workers,
            report=self.report,
            on_preferences=self._preferred.set,
            on_flush=self.delivery.flush,
            on_released=self.delivery.offer,
        )
        self.metrics = SpoolMetrics(self.spool, registry)
        self.spool.on_received = self.judging.add
        self.spool.on_queued = self.delivery.offer
        self.spool.on_outgoing = self.link.outgoing

    async def run(self) -> None:
        """Work until cancelled."""
        for message, due_us in self.spool.backlog.scan:
            self.judging.add(message, due_us)
        for message in self.spool.backlog.deliver:
            self.delivery.offer(message)
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

    async def close(self) -> None:
        """Let go of what the rooms hold, in the order in which mail flows."""
        await self.delivery.close()
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
        )

    @property
    def not_accepting_reason(self) -> str:
        return self._accepting_reason

    async def _listen(self) -> None:
        """Listen once there are preferences, and say whenever mail may not be accepted."""
        if not self.spool.preferences.position.revision:
            self._accepting_reason = "no preferences yet"
            await self._preferred.wait()
        if self._sockets:
            await self.front_end.start(self._sockets)
        self.listening, self._accepting_reason = True, ""
        log.info("shard.listening", shard=self.spool.shard)
        while True:
            await self._look()
            await self.clock.sleep(LOOK_S)

    async def _look(self) -> None:
        reason = self.spool.refusal() or ""
        if bool(reason) == bool(self._accepting_reason):
            return
        self._accepting_reason = reason
        log.warning("shard.accepting", accepting=not reason, reason=reason)
        event = Event.NOT_ACCEPTING if reason else Event.ACCEPTING
        try:
            await self.spool.note(Outgoing(event=event, fields={"reason": reason}))
        except BorderScoutError as error:  # the very disk that is full
            log.warning("shard.record_lost", lost=event.value, reason=error.what)

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


async def _retire(shard: Shard) -> None:
    """Return when a shard that is one too many has nothing left to do."""
    while any(shard.spool.counts().values()) or any(shard.spool.backlog_sizes()):
        await shard.clock.sleep(1.0)


async def _work(
    settings: SatelliteSettings, number: int, channel: socket.socket, sockets: list[socket.socket]
) -> int:
    """Run one shard until SIGTERM, the parent's end, or a spool that must not be trusted."""
    clock = SystemClock()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    loop.add_signal_handler(signal.SIGINT, lambda: None)  # the parent tells us
    async with AsyncExitStack() as stack:
        spool = await Spool.open(
            shard_folder(Path(settings.state), number),
            node=settings.node,
            shard=number,
            clock=clock,
            reserve_bytes=settings.disk_reserve_bytes,
        )
        stack.push_async_callback(spool.close)
        shard = Shard(spool, settings, sockets=sockets)
        stack.push_async_callback(shard.close)
        found = {state.value: count for state, count in spool.backlog.found.items()}
        started = {
            "version": version("border-scout"),
            "incarnation": spool.incarnation,
            "found": found,
        }
        await spool.note(Outgoing(event=Event.STARTED, fields=started))
        reader, writer = await asyncio.open_connection(sock=channel, limit=LINE_BYTES_MAX)
        desk = asyncio.create_task(answer_lines(reader, writer, Desk(shard).answer))
        running = asyncio.create_task(shard.run(), name="shard")
        waits = [asyncio.create_task(stop.wait()), running, desk]
        retiring = number >= settings.workers
        if retiring:
            waits.append(asyncio.create_task(_retire(shard)))
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        retired = retiring and waits[-1].done()
        if not running.done():
            await shard.front_end.drain(DRAIN_S)
            await spool.note(Outgoing(event=Event.STOPPED))
        for task in (*waits, running):
            task.cancel()
        await asyncio.gather(*waits, return_exceptions=True)
    return RETIRED if retired else 0


def main(arguments: list[str]) -> int:
    """Run a worker: CONFIG SHARD PARENT_PID CHANNEL_FD [LISTENING_FD …]."""
    config, number, parent, channel, *listening = arguments
    die_with_parent(int(parent))
    settings = load_settings(Path(config))
    configure_logging(node=settings.node, shard=int(number), process="worker")
    sockets = inherited([int(descriptor) for descriptor in listening])
    end = socket.socket(fileno=int(channel))
    try:
        return uvloop.run(_work(settings, int(number), end, sockets))
    except BorderScoutError as error:
        log.error("worker.failed", reason=str(error))
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
