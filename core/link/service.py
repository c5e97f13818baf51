"""How does the core serve its satellites?

Touches the network: one gRPC server with mutual TLS, the Link service and the health service. The
handlers are put together here; what they decide stands in their own files.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import grpc
import grpc.aio
import structlog
from borderscout.v1 import link_service_pb2_grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio as health

from common import rpc
from common.certificate import CertificateStatus
from common.clock import Clock
from common.link import Command, CoreStanding, DrainOrder, Flush, SettingsOrder
from common.settings.core import CoreSettings, NodeEntry
from common.tasks import keep_running
from core.feed.feed import Feed
from core.fleet.certificate_ends import CertificateEnds
from core.fleet.fleet import Fleet
from core.fleet.refused_callers import RefusedCallers
from core.fleet.roster import Roster
from core.fleet.tally_sums import TallySums
from core.link.calls import Access, Streams, guarded
from core.link.control import ControlStreams
from core.link.lessons import LessonStreams
from core.link.open_calls import OpenCalls
from core.link.ports import CaseSink, LessonSource, ReleaseSource, Store
from core.link.preferences import PreferenceStreams
from core.link.quarantine import QuarantineStreams
from core.link.records import RecordStreams
from core.link.releases import ReleaseCalls
from core.link.tallies import TallyStreams

log = structlog.get_logger()

SERVICE = "borderscout.v1.Link"


class _Handlers:
    """The methods of the service, by the names that the stubs ask for."""

    def __init__(
        self,
        calls: OpenCalls,
        callers: RefusedCallers,
        **handlers: Callable[[Any, Any], Awaitable[Any]],
    ) -> None:
        for name, handler in handlers.items():
            setattr(self, name, guarded(calls.while_let_in(handler), callers))


class LinkService:
    """The link of the core to all satellites.

    Args:
        settings: where to listen, our certificate, and the nodes that there are.
        database: the store.
        arrivals: where quarantined mail goes.
        releases: who gets which release.
        lessons: what each node's filters are to learn.
        clock: for waits, bookmarks and the fleet.
    """

    def __init__(
        self,
        *,
        settings: CoreSettings,
        database: Store,
        arrivals: CaseSink,
        releases: ReleaseSource,
        lessons: LessonSource,
        clock: Clock,
    ) -> None:
        self.port = 0  # once started
        self._settings = settings
        self._preferences = database.preferences
        self._table = database.fleet
        self._clock = clock
        self._fleet = Fleet([(node.name, node.site) for node in settings.nodes])
        self._streams = Streams()
        self.callers = RefusedCallers(clock)
        self.certificate_ends = CertificateEnds()
        self.tallies = TallySums()  # what all shards have seen lately
        self._health = health.HealthServicer()
        self._server: grpc.aio.Server | None = None
        self._certificate: rpc.ServerCertificate | None = None
        self._offering: asyncio.Task[None] | None = None
        offers_due = asyncio.Event()
        self._life = secrets.token_hex(16)  # no earlier process of this core is taken for this one
        self.roster = Roster(settings.nodes)
        self._calls = OpenCalls(self.roster, clock=clock)
        access = Access(cluster=settings.cluster, roster=self.roster, standing=self._standing)
        self._control = ControlStreams(
            core=settings.name,
            access=access,
            streams=self._streams,
            fleet=self._fleet,
            certificates=self.certificate_ends,
            table=database.fleet,
            lost=database.lost,
            round_trips=database.round_trips,
            clock=clock,
            on_connected=offers_due.set,
        )
        self._releases = ReleaseCalls(
            access=access,
            fleet=self._fleet,
            source=releases,
            clock=clock,
            due=offers_due,
            connected=self._control.connected,
            tell=self._control.tell,
        )
        preferences = PreferenceStreams(
            access=access,
            streams=self._streams,
            fleet=self._fleet,
            table=database.fleet,
            feed=Feed(database.preferences, clock=clock, bookmark_s=settings.bookmark_s),
            clock=clock,
        )
        records = RecordStreams(
            access=access,
            streams=self._streams,
            fleet=self._fleet,
            table=database.fleet,
            sink=database.records,
            clock=clock,
        )
        quarantine = QuarantineStreams(
            access=access,
            streams=self._streams,
            fleet=self._fleet,
            table=database.fleet,
            sink=arrivals,
            clock=clock,
        )
        tallies = TallyStreams(access=access, streams=self._streams, sums=self.tallies, clock=clock)
        taught = LessonStreams(access=access, streams=self._streams, source=lessons, clock=clock)
        self._handlers = _Handlers(
            self._calls,
            self.callers,
            Control=self._control.serve,
            Preferences=preferences.serve,
            Records=records.serve,
            Quarantine=quarantine.serve,
            Tallies=tallies.serve,
            Lessons=taught.serve,
            Claim=self._releases.claim,
            Fetch=self._releases.fetch,
        )

    @property
    def fleet(self) -> Fleet:
        """All satellites, compared with where the preferences are now."""
        self._fleet.moved(self._preferences.position)
        return self._fleet

    def certificate_status(self) -> CertificateStatus | None:
        """Read the certificate's files, and return until when it is good; None before the start."""
        return self._certificate.look() if self._certificate is not None else None

    async def start(self) -> None:
        """Listen for satellites.

        Raises:
            EnvironmentFailure: the certificate cannot be read, or the address not be bound.
        """
        tls = self._settings.tls
        files = rpc.TlsFiles(
            certificate=Path(tls.certificate), key=Path(tls.key), authority=Path(tls.authority)
        )
        self._certificate = rpc.ServerCertificate(files)
        await self._remember()
        server, self.port = rpc.open_server(self._settings.grpc, self._certificate)
        # Coroutines that write to their context, where the stubs expect generators: a stream that
        # is cut ends them at once, and nothing is left to the collector.
        link = cast("link_service_pb2_grpc.LinkServicer", self._handlers)
        link_service_pb2_grpc.add_LinkServicer_to_server(link, server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
        await server.start()
        self._server = server
        for name in (SERVICE, ""):
            await self._health.set(name, health_pb2.HealthCheckResponse.SERVING)
        self._offering = asyncio.create_task(
            keep_running(self._releases.offer, name="link.offers", clock=self._clock),
            name="link.offers",
        )
        log.info("link.listening", port=self.port)

    async def stop(self, grace_s: float = 1.0) -> None:
        """End all streams, then the server; harmless when it never started.

        Args:
            grace_s: seconds for what is under way.
        """
        if self._server is None:
            return
        await self._health.enter_graceful_shutdown()
        if self._offering is not None:
            self._offering.cancel()
            await asyncio.gather(self._offering, return_exceptions=True)
        self._streams.stop()  # open streams would use up the grace
        await self._server.stop(grace_s)
        self._server = None

    async def _remember(self) -> None:
        """Tell the fleet when the core's earlier runs heard each shard last."""
        now_s, now_us = self._clock.monotonic_s(), self._clock.now_us()
        for row in await self._table.shards():
            ago_s = max(0.0, (now_us - row.last_seen_us) / 1e6)
            shards = int(row.hello.get("shards", 1))
            ends_s = row.hello.get("certificate_ends_s")
            if isinstance(ends_s, float):
                self.certificate_ends.remember(row.node, ends_s)
            self._fleet.remember((row.node, row.shard), heard_s=now_s - ago_s, shards=shards)

    def take_nodes(self, nodes: Sequence[NodeEntry]) -> int:
        """Let in these nodes from here on, and nobody else; return how many calls ended.

        Args:
            nodes: all that there are.
        """
        self.roster.take(nodes)
        self._fleet.take([(node.name, node.site) for node in nodes])
        return self._calls.end_others()

    def take_members(self, members: Mapping[str, frozenset[str]]) -> int:
        """Let members in with these certificates alone; return how many calls ended.

        Args:
            members: by node.
        """
        self.roster.take_members(members)
        return self._calls.end_others()

    def _standing(self) -> CoreStanding:
        preferences = self._preferences
        return CoreStanding(
            position=preferences.position, digest=preferences.digest, life=self._life
        )

    def visits(self) -> dict[tuple[str, int], int]:
        """Return the connected shards, by node and number, each with one that no visit had."""
        return self._control.visits()

    def tell(self, node: str, shard: int, command: Command) -> bool:
        """Give a command to a connected shard; False when it is not, or has too many unsent."""
        return self._control.tell(node, shard, command)

    def take_settings(self, node: str, digest: str, *, drain_s: int = 0) -> bool:
        """Let a node take the settings of its document; False: no shard of it can be told now.

        One shard is told, for it has one parent.

        Args:
            node: whose.
            digest: theirs.
            drain_s: so long at most it takes no mail and empties itself before.
        """
        shards = [shard for name, shard in self._control.connected() if name == node]
        order = SettingsOrder(digest, drain_s)
        return any(self._control.tell(node, shard, order) for shard in shards)

    def drain(self, node: str, *, on: bool) -> int:
        """Let a node take no mail from now on, or take mail again; return how many shards heard."""
        shards = [shard for name, shard in self._control.connected() if name == node]
        return sum(self._control.tell(node, shard, DrainOrder(on)) for shard in shards)

    def flush(self, destination: str = "", *, node: str | None = None) -> int:
        """Let shards try deferred and held mail now; return how many were told.

        Args:
            destination: empty for all of it.
            node: None for all nodes.
        """
        places = [place for place in self._control.connected() if node in (None, place[0])]
        return sum(self._control.tell(name, shard, Flush(destination)) for name, shard in places)
