"""Which gRPC streams does a shard keep to the core, and with which certificate?

Touches the network. One stream for each class, each opened anew whenever it ends, and nothing in
the satellite waits for any of them: with the core away mail goes on (P4). A renewed certificate is
used at once, by a new channel: an open one keeps the old (docs/design/faults.md, F12). All streams
share one channel, and so reach one core; to dial another address is to open another channel.
"""

from __future__ import annotations

import asyncio
import dataclasses
import random
from collections.abc import Awaitable, Callable, Mapping

import grpc
import grpc.aio
from borderscout.v1.link_service_pb2_grpc import LinkStub

from common import rpc
from common.backoff import Backoff
from common.certificate import CertificateStatus
from common.clock import Clock, new_id
from common.identity import ShardIdentity
from common.ids import MessageId
from common.link import CoreStanding, DefinitionsOffer, Hello, ReleaseOffer, SettingsOrder
from common.reports import NodeReport
from common.settings.satellite import SatelliteSettings
from common.tasks import finish, keep_running
from satellite.link.accepted_core import AcceptedCore
from satellite.link.control import ControlStream
from satellite.link.core_choice import ChoiceWaits, Reached
from satellite.link.core_search import CoreSearch, standing_of
from satellite.link.core_verdict import UNNAMED
from satellite.link.lessons import LearnsLessons, LessonStream
from satellite.link.other_core import FollowedCore
from satellite.link.own_certificate import OwnCertificate, link_files
from satellite.link.preferences import PreferenceStream
from satellite.link.quarantine import QuarantineStream
from satellite.link.records import RecordStream
from satellite.link.releases import FETCHERS, ReleaseTaker
from satellite.link.spool import LinkSpool
from satellite.link.status import LinkStatus
from satellite.link.streams import Stream
from satellite.link.tallies import SharesTallies, TallyStream


class Link:
    """The link of one shard.

    Args:
        spool: what is sent from, and where preferences and releases go.
        settings: where the core is, and our certificate.
        clock: for waits and reports.
        version: of this program.
        shards: how many this node has.
        report: returns the shard's state; the link adds what it knows itself.
        on_preferences: called after other preferences are in force.
        on_flush: called with a destination to be tried now; an empty one is all of them.
        on_hint: called with a destination whose server another shard has reached.
        on_released: called with a released message that is durable and queued.
        on_definitions: called with a set of definitions that is to be used.
        on_settings: called with which settings the node shall take.
        on_drain: called with whether the node shall take no mail from now on.
        tallies: what is counted here, and told of all others.
        learners: the filters that learn, by name, where this shard is to hear their lessons.
        spread: a random number from 0 up to 1, for the waits.
        backoff: how long a stream waits after it ended.
        waits: how long an address is kept at which the core is not.
    """

    def __init__(
        self,
        spool: LinkSpool,
        settings: SatelliteSettings,
        clock: Clock,
        *,
        version: str,
        shards: int,
        report: Callable[[], NodeReport],
        on_preferences: Callable[[], None],
        on_flush: Callable[[str], None],
        on_hint: Callable[[str], None],
        on_released: Callable[[MessageId], None],
        on_definitions: Callable[[DefinitionsOffer], None],
        on_settings: Callable[[SettingsOrder], None],
        on_drain: Callable[[bool], None],
        tallies: SharesTallies,
        learners: Mapping[str, LearnsLessons] | None = None,
        spread: Callable[[], float] = random.random,
        backoff: Backoff | None = None,
        waits: ChoiceWaits | None = None,
    ) -> None:
        self._spool = spool
        self._settings = settings
        self._clock = clock
        self._report = report
        self._spread = spread
        self._backoff = backoff or Backoff()
        self._channel: grpc.aio.Channel | None = None
        self._stub: LinkStub | None = None
        self._certificate = OwnCertificate(link_files(settings.core), clock)
        life = spool.life
        self._identity = identity = ShardIdentity(
            spool.node, spool.shard, life.incarnation, run=new_id(clock), origin=life.origin
        )
        addresses = (settings.core.address, *settings.core.standbys)
        self._search = CoreSearch(addresses, clock=clock, spread=spread, waits=waits)
        core = AcceptedCore(clock)
        self._releases = ReleaseTaker(
            spool=spool,
            identity=identity,
            mail_domain=settings.mail_domain,
            stub=self._calls,
            core=core,
            clock=clock,
            spread=spread,
            backoff=self._backoff,
            on_released=on_released,
        )
        self._control_stream = self._stream(
            "control", lambda wait: self._control.once(self._calls(), wait=wait)
        )
        self._control = ControlStream(
            hello=Hello(identity=identity, shards=shards, version=version),
            clock=clock,
            core=core,
            report=self._full_report,
            on_flush=on_flush,
            on_hint=on_hint,
            on_release=self._offered,
            on_definitions=on_definitions,
            on_settings=on_settings,
            on_drain=on_drain,
            heard=self._control_stream.heard,
        )
        self._preferences_stream = self._stream(
            "preferences", lambda wait: self._preferences.once(self._calls(), wait=wait)
        )
        self._preferences = PreferenceStream(
            spool=spool,
            identity=identity,
            clock=clock,
            core=core,
            on_preferences=on_preferences,
            heard=self._preferences_stream.heard,
        )
        self._records_stream = self._stream(
            "records", lambda wait: self._records.once(self._calls(), wait=wait)
        )
        self._records = RecordStream(
            spool=spool,
            identity=identity,
            clock=clock,
            core=core,
            heard=self._records_stream.heard,
        )
        self._quarantine_stream = self._stream(
            "quarantine", lambda wait: self._quarantine.once(self._calls(), wait=wait)
        )
        self._quarantine = QuarantineStream(
            spool=spool,
            identity=identity,
            clock=clock,
            core=core,
            heard=self._quarantine_stream.heard,
            is_known=self._records.is_known,
        )
        self._tallies_stream = self._stream(
            "tallies", lambda wait: self._tallies.once(self._calls(), wait=wait)
        )
        self._tallies = TallyStream(
            tallies=tallies,
            identity=identity,
            clock=clock,
            core=core,
            heard=self._tallies_stream.heard,
        )
        self._streams = [
            self._control_stream,
            self._preferences_stream,
            self._records_stream,
            self._quarantine_stream,
            self._tallies_stream,
        ]
        if learners:
            self._lessons_stream = self._stream(
                "lessons", lambda wait: self._lessons.once(self._calls(), wait=wait)
            )
            self._lessons = LessonStream(
                learners=learners,
                identity=identity,
                core=core,
                heard=self._lessons_stream.heard,
            )
            self._streams.append(self._lessons_stream)

    async def run(self) -> None:
        """Keep the link until cancelled; calls and channel are closed then."""
        tls = None
        while True:
            tls = await self._certificate.usable(tls)
            await self._run_with(tls)

    def core_address(self) -> str:
        """Return where the core is dialled now, HOST:PORT."""
        return self._search.address

    def certificate_status(self) -> CertificateStatus | None:
        """Return until when our certificate is good; None while there is none to use."""
        return self._certificate.status

    def outgoing(self) -> None:
        """There are new durable records or uploads in the spool."""
        self._records.kick.set()
        self._quarantine.kick.set()

    def status(self, *, now_s: float) -> LinkStatus:
        """Return how the link is.

        Args:
            now_s: the monotonic clock, in seconds.
        """
        follower = self._preferences.follower
        failures = (f"{s.name}: {s.failure}" for s in self._streams if s.failure)
        return LinkStatus(
            connected=self._control_stream.is_open,
            lag=follower.lag(now_s=now_s),
            age_s=follower.age_s(now_s=now_s),
            skew_us=self._preferences.skew_us,
            core_refused=follower.core_refused,
            damages=self._preferences.damages,
            problems=(*self._problems(), *failures),
            forked=self._spool.life.forked,
            reconnects={stream.name: stream.reconnects for stream in self._streams},
            core=self._search.address,
            is_standby=self._search.is_standby,
            moves=self._search.moves,
            other_cores=self._search.other_cores,
        )

    # ---- inside

    def _offered(self, offer: ReleaseOffer) -> None:
        """Take note of a release; a spool that the core may not know waits: it is offered again."""
        if self._records.is_known.is_set() and not self._spool.life.forked:
            self._releases.offer(offer)

    async def _run_with(self, tls: rpc.TlsMaterial) -> None:
        """Keep the streams on one channel until the certificate's files or the address change."""
        channel = self._channel = self._open(self._search.address, tls)
        self._stub = LinkStub(channel)
        works = [(f"link.{stream.name}", stream.keep) for stream in self._streams]
        works += [("link.releases", self._releases.run)] * FETCHERS
        tasks = [
            asyncio.create_task(keep_running(work, name=name, clock=self._clock), name=name)
            for name, work in works
        ]
        ends = [
            asyncio.create_task(self._certificate.renewed(tls), name="link.renewed"),
            asyncio.create_task(self._moved(tls), name="link.moved"),
        ]
        try:
            done, _ = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            for end in done:
                end.result()
        finally:
            # The calls first, then the channel: in this order gRPC stays quiet.
            for task in (*ends, *tasks):
                task.cancel()
            await finish(_closed([*ends, *tasks], channel.close))
            self._stub = self._channel = None

    async def _moved(self, tls: rpc.TlsMaterial) -> None:
        """Return once the core is to be dialled at another address."""

        def look(address: str) -> Awaitable[CoreStanding | None]:
            channel = self._open(address, tls)
            return standing_of(channel, self._identity, self._followed().position)

        await self._search.moved(reached=self._reached, ours=self._followed, look=look)
        for stream in self._streams:
            stream.moved()

    def _open(self, address: str, tls: rpc.TlsMaterial) -> grpc.aio.Channel:
        core = self._settings.core
        return rpc.open_channel(address, tls, cluster=self._settings.cluster, core_name=core.name)

    def _reached(self) -> Reached:
        """Say what there is where the core is dialled."""
        hearing = self._control.hearing
        if hearing is not None and hearing.objection is not None:
            return Reached.REFUSED if hearing.objection else Reached.ACCEPTED
        if self._preferences_stream.is_open:  # as while another life may speak on control
            return Reached.ACCEPTED
        assert self._channel is not None, "nobody asks but while there is a channel"
        is_there = self._channel.get_state() is grpc.ChannelConnectivity.READY
        return Reached.UNJUDGED if is_there else Reached.NOTHING

    def _followed(self) -> FollowedCore:
        follower = self._preferences.follower
        life = UNNAMED if follower.verdict is None else follower.verdict.life
        return FollowedCore(life, follower.latest, follower.applied)

    def _calls(self) -> LinkStub:
        assert self._stub is not None, "streams run only while there is a channel"
        return self._stub

    def _full_report(self) -> NodeReport:
        report = self._report()
        records, uploads = self._spool.backlog_sizes()
        return dataclasses.replace(
            report,
            time_us=self._clock.now_us(),
            applied=self._preferences.follower.applied,
            refused=self._preferences.follower.refused,
            core_refused=self._preferences.follower.core_refused,
            outbox_records=records,
            outbox_quarantine=uploads,
            problems=(*report.problems, *self._problems(), *self._closed()),
        )

    def _closed(self) -> tuple[str, ...]:
        """Return what does not go on, though the core is there to hear of it.

        A core that is refused gets nothing at all, which one other problem says.
        """
        if not self._control_stream.is_open or self._preferences.follower.core_refused:
            return ()
        closed = (
            ("limits of volume and copies go by one worker's counts", self._tallies_stream),
            ("log records wait on the node", self._records_stream),
            ("quarantined messages wait on the node", self._quarantine_stream),
            ("changes of the preferences wait at the core", self._preferences_stream),
        )
        return tuple(f"{what}: {stream.failure}" for what, stream in closed if stream.failure)

    def _problems(self) -> tuple[str, ...]:
        refused = self._preferences.follower.core_refused
        found = (
            f"nothing is handed to this core: {refused}" if refused else "",
            self._certificate.problem,
            self._certificate.ended,
            self._preferences.problem,
            self._records.problem,
            self._quarantine.problem,
            *self._search.other_cores,
        )
        return tuple(problem for problem in found if problem)

    def _stream(self, name: str, once: Callable[[bool], Awaitable[None]]) -> Stream:
        return Stream(name, once, clock=self._clock, spread=self._spread, backoff=self._backoff)


async def _closed(tasks: list[asyncio.Task[None]], close: Callable[[], Awaitable[None]]) -> None:
    await asyncio.gather(*tasks, return_exceptions=True)
    await close()
