"""How does the core hear of a shard, and tell it what to do?

Touches control streams. What a shard says goes to the fleet; commands wait in a short queue for
each stream. One that finds no room is not lost: whoever gave it gives it again.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any, assert_never

import structlog
from borderscout.v1 import control_pb2

from common import wire
from common.clock import Clock
from common.errors import DiskFull, EnvironmentFailure, PeerError
from common.identity import ShardIdentity
from common.link import Command, Hello, Hint, Unreadable, Welcome
from common.node_rates import NodeRates
from common.reports import NodeReport
from common.round_trips import RoundTrip
from common.rpc import peer_ends_s
from common.tasks import finish
from core.fleet.certificate_ends import CertificateEnds
from core.fleet.fleet import Fleet
from core.fleet.hints import Hints
from core.link.calls import Access, Context, Streams, first_message, host_of, until_first
from core.link.ports import FleetTable, LostMail, RoundTripTable
from core.records.lives import Fenced, ForkedSpool, LifeStanding, TooManyLives, in_words

log = structlog.get_logger()

COMMANDS_MAX = 256  # unsent to one shard
KEEP_REPORT_S = 60.0  # between reports of a shard that are written to the store
NEWS_MAX = 8  # beside these, of one stream: that the shard is emptied, or not any more
MEASURED_PER_S_MAX = 1.0  # reports of one node of which what it measured is kept: 100 rows each
MEASURED_BURST = 10.0  # and at once: one that reconnects says it more often

CommandQueue = asyncio.Queue[Command]


class ControlStreams:
    """The control streams of all shards.

    Args:
        core: our name.
        access: who may speak for which node.
        streams: the open ones.
        fleet: told what the shards say.
        certificates: told until when those of the nodes are good.
        table: keeps it over a restart, and fences.
        lost: told of lives that began with nothing.
        round_trips: told what the first shard of each node has measured.
        clock: for the fleet.
        on_connected: called after a shard came.
    """

    def __init__(
        self,
        *,
        core: str,
        access: Access,
        streams: Streams,
        fleet: Fleet,
        certificates: CertificateEnds,
        table: FleetTable,
        lost: LostMail,
        round_trips: RoundTripTable,
        clock: Clock,
        on_connected: Callable[[], None],
    ) -> None:
        self._core = core
        self._access = access
        self._streams = streams
        self._fleet = fleet
        self._table = table
        self._lost = lost
        self._round_trips = round_trips
        self._clock = clock
        self._on_connected = on_connected
        self._certificates = certificates
        self._hints = Hints()
        self._measured = NodeRates()
        self._queues: dict[tuple[str, int], CommandQueue] = {}
        self._visits: dict[tuple[str, int], int] = {}  # how often each shard has come

    def tell(self, node: str, shard: int, command: Command) -> bool:
        """Give a command to a connected shard; False when it is not, or has too many unsent."""
        queue = self._queues.get((node, shard))
        if queue is None or queue.full():
            return False
        queue.put_nowait(command)
        return True

    def connected(self) -> list[tuple[str, int]]:
        """Return the shards that commands would reach."""
        return sorted(self._queues)

    def visits(self) -> dict[tuple[str, int], int]:
        """Return the shards that commands would reach, with a number that is new each time."""
        return {place: self._visits[place] for place in self._queues}

    async def serve(
        self, messages: AsyncIterator[control_pb2.ControlRequest], context: Context
    ) -> None:
        """Serve one control stream."""
        hello = wire.control_request_from_wire(await first_message(messages))
        if not isinstance(hello, Hello):
            raise PeerError("a control stream begins with a hello")
        identity = hello.identity
        await self._access.admit(context, identity)
        ends_s = peer_ends_s(context.auth_context())
        told = {
            "shards": hello.shards,
            "version": hello.version,
            "protocol_version": hello.protocol_version,
            "certificate_ends_s": ends_s,
        }
        await self._admit(identity, told, context)
        queue: CommandQueue = asyncio.Queue(COMMANDS_MAX)
        with self._streams.only("control", identity) as ended:
            self._certificates.showed(identity.node, ends_s)
            self._queues[identity.place] = queue
            self._visits[identity.place] = self._visits.get(identity.place, 0) + 1
            self._fleet.greeted(
                identity,
                shards=hello.shards,
                version=hello.version,
                now_s=self._clock.monotonic_s(),
            )
            log.info("link.satellite_came", shard=str(identity), version=hello.version)
            try:
                welcome = Welcome(self._core, self._clock.now_us(), self._access.standing())
                await context.write(wire.control_response_to_wire(welcome))
                self._on_connected()
                await until_first(
                    self._listen(identity, messages), self._command(queue, context), ended
                )
            finally:
                if self._queues.get(identity.place) is queue:
                    del self._queues[identity.place]
                    self._fleet.left(identity)
                    self._hints.left(identity.place)
                log.info("link.satellite_went", shard=str(identity))

    async def _admit(self, identity: ShardIdentity, told: dict[str, Any], context: Context) -> None:
        """Take note of who came; a copy of a spool may say how it is while nobody else does.

        Raises:
            Fenced: a later life of the shard has spoken, or another process on the same one.
            TooManyLives: its node has begun too many.
        """
        now_s, host = self._clock.monotonic_s(), host_of(context)
        try:
            standing = await self._noted(identity, told)
        except (Fenced, TooManyLives) as error:
            self._fleet.warned(identity, f"not heard, from {host}: {error}", now_s=now_s)
            raise
        self._streams.let_in(identity, standing)
        if not standing.is_settled:
            await self._settle(identity)
        mark = standing.fork_of(identity)
        if mark is not None:
            self._warn(identity, mark.why, host)
            return
        who = identity.run or host
        later = self._streams.comers.came(identity, who, now_s=now_s)
        if later:
            await self._part(identity, later, host, is_caller=later == who)

    async def _noted(self, identity: ShardIdentity, told: dict[str, Any]) -> LifeStanding:
        """Keep what was said, and return how the shard stands.

        A core without room must not make a site seem silent that is there: whoever is known by now
        needs nothing written, and the hello is kept the next time.
        """
        try:
            return await self._table.note_hello(identity, told)
        except DiskFull:
            return await self._table.note_life(identity)

    async def _settle(self, identity: ShardIdentity) -> None:
        try:
            await self._lost.settle(identity)
        except DiskFull as error:  # with the next report that can be kept
            log.error("link.not_settled", shard=str(identity), reason=error.what)

    async def _part(
        self, identity: ShardIdentity, later: str, host: str, *, is_caller: bool
    ) -> None:
        """Fence the later of two processes that speak for one life.

        Raises:
            ForkedSpool: it is the one that calls.
        """
        why = f"two processes speak for one life of {identity}, each on a copy of its spool"
        # One of a version before does not say which process it is, and cannot be told apart.
        if identity.run:
            copy = replace(identity, run=later)
            await finish(self._table.note_fork(copy, why))
            self._streams.fork(copy, why)
        self._warn(identity, why, host)
        if is_caller and identity.run:
            raise ForkedSpool(identity, why)

    def _warn(self, identity: ShardIdentity, why: str, host: str) -> None:
        log.error("link.forked", shard=str(identity), reason=why, host=host)
        now_s = self._clock.monotonic_s()
        self._fleet.warned(identity, in_words(identity, why), now_s=now_s)

    async def _command(self, queue: CommandQueue, context: Context) -> None:
        while True:
            await context.write(wire.control_response_to_wire(await queue.get()))

    async def _listen(
        self, identity: ShardIdentity, messages: AsyncIterator[control_pb2.ControlRequest]
    ) -> None:
        kept_s, was_emptied, news = -KEEP_REPORT_S, False, NEWS_MAX
        async for message in messages:
            request = wire.control_request_from_wire(message)
            match request:
                case NodeReport():
                    now_s = self._clock.monotonic_s()
                    measured = request.round_trips
                    request = replace(request, round_trips=())  # no part of how a shard is
                    # It was heard before anything is written: that may wait for the store.
                    self._fleet.reported(
                        identity, request, now_s=now_s, now_us=self._clock.now_us()
                    )
                    self._hint(identity, request, now_s)
                    if measured:
                        await self._take(identity, measured, now_s=now_s)
                    is_news = news > 0 and request.is_emptied is not was_emptied
                    if is_news or now_s - kept_s >= KEEP_REPORT_S:
                        kept_s, was_emptied = now_s, request.is_emptied
                        news -= is_news
                        await self._keep(identity, request)
                case Hello():
                    raise PeerError("a second hello on one control stream")
                case Unreadable(reason=reason):
                    log.warning("link.message_unknown", shard=str(identity), reason=reason)
                case _:
                    assert_never(request)

    def _hint(self, identity: ShardIdentity, report: NodeReport, now_s: float) -> None:
        """Let the shards that hold mail for what this one has reached ask at once."""
        due = self._hints.reported(
            identity.place,
            held=(hold.destination for hold in report.holds),
            reached=report.reached,
            now_s=now_s,
        )
        for (node, shard), destination in due:
            log.info("link.hint", shard=f"{node}/{shard}", by=str(identity))
            self.tell(node, shard, Hint(destination))

    async def _take(
        self, identity: ShardIdentity, told: tuple[RoundTrip, ...], *, now_s: float
    ) -> None:
        """Keep what a node has measured; what cannot be kept is measured again.

        The bound is the node's, since a stream costs it nothing: whoever has its certificate opens
        a hundred a second. What is too much is passed over, as waiting would make it seem silent.
        """
        if identity.shard != 0:  # one shard measures for its node
            return
        bucket = self._measured.of(identity.node, per_s=MEASURED_PER_S_MAX, burst=MEASURED_BURST)
        if bucket.wait_s(now_s=now_s):
            return
        bucket.take()
        try:
            await self._round_trips.take(identity.node, told)
        except EnvironmentFailure as error:
            log.error("link.round_trips_not_kept", shard=str(identity), reason=error.what)

    async def _keep(self, identity: ShardIdentity, report: NodeReport) -> None:
        try:
            standing = await self._table.note_report(identity, dataclasses.asdict(report))
            if not standing.is_settled:
                await self._settle(identity)
        except EnvironmentFailure as error:
            # What is shown comes from memory: a store that is full must not make all seem silent.
            log.error("link.report_not_kept", shard=str(identity), reason=error.what)
