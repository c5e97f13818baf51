"""How does the delivery room run: taking turns from its queue, and what others may ask of it?

Touches the spool, next hops and the clock. The one task of the room: it gives each message its turn
and waits for the next one. Nothing here is lost with the process: what is in the lanes is in the
spool, and start-up offers it again.

Long because every part of the room is put together here, once.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path

from prometheus_client import CollectorRegistry

from common.address import domain_of
from common.clock import Clock
from common.ids import ULID_RANDOM_BYTES, MessageId, ulid
from common.records import TlsResultsRecord
from common.settings.satellite import SatelliteSettings
from common.tasks import keep_running, spawn, spawn_beside
from satellite.delivery.connecting import next_hops_of
from satellite.delivery.decisions.hold import HoldInfo
from satellite.delivery.decisions.route_cache import RouteCache
from satellite.delivery.decisions.routing import Destination, Leg
from satellite.delivery.decisions.schedule import Schedule
from satellite.delivery.decisions.terms import Terms, terms_of
from satellite.delivery.destination_status import DestinationStatus, status_of
from satellite.delivery.dsn.allowance import Allowance, CountsEverywhere
from satellite.delivery.dsn.status_part import Reporter
from satellite.delivery.hop.lookup import MxResolver
from satellite.delivery.learned_offers import LearnedOffers
from satellite.delivery.marks import HoldMarks
from satellite.delivery.measuring import Measuring
from satellite.delivery.own import own_of
from satellite.delivery.placing import Placing
from satellite.delivery.queue.entries import QueueEntry, Turn
from satellite.delivery.queue.lanes import Lanes
from satellite.delivery.queue.places import PlaceKind, Places
from satellite.delivery.queue.promises import Promises
from satellite.delivery.slow_servers import SlowServers
from satellite.delivery.stopping import DeliveryStops
from satellite.delivery.turns.attempt import Attempt
from satellite.delivery.turns.context import FAULT_PAUSE_S, DeliverySpool, TurnContext
from satellite.delivery.turns.giving_back import GivenBack, give_back
from satellite.delivery.turns.metrics import Metrics
from satellite.delivery.turns.without_server import TurnWithoutServer
from satellite.delivery.verification import RecipientVerification
from satellite.loop_round import LoopRound
from satellite.overload import descriptors
from satellite.spool.model.messages import Origin, Stored

STARTED_MAX = 25  # turns begun in one pass, so that others get the loop
PASS_S = 0.005  # or after so long: a hundred lanes may be looked at before one begins
TERMS_MAX = 10_000  # destinations whose terms are remembered
CLOSE_S = 5.0  # for transactions that are under way; SIGTERM ends within 20 s
_SECOND_US = 1_000_000


class Delivery:
    """The delivery room of one worker.

    Args:
        spool: the shard's store.
        settings: the node's.
        clock: every wait goes through it.
        resolver: MX and addresses, without what domains publish of TLS; left out: the settings' DNS
            or the system's, for all of it.
        registry: where metrics go.
        randomness: gives that many random octets, for ids and jitter.
        folder: where what was learned of next hops is kept; None: it is learned anew.
        loop_round: whose rounds of the event loop they are; None: nobody else's.
        counts: sum over all sites how many DSNs a domain gets; None: nobody does.

    Attributes:
        offers, verification: what servers offered last, and say of single recipients.
        measuring: how long the way to them is; it runs where somebody lets it.

    Raises:
        SettingsError: the smart host or the file of authorities is none.
    """

    def __init__(
        self,
        spool: DeliverySpool,
        settings: SatelliteSettings,
        clock: Clock,
        *,
        resolver: MxResolver | None = None,
        registry: CollectorRegistry | None = None,
        randomness: Callable[[int], bytes] = secrets.token_bytes,
        folder: Path | None = None,
        loop_round: LoopRound | None = None,
        counts: CountsEverywhere | None = None,
    ) -> None:
        delivery = settings.delivery
        self._spool = spool
        self._clock = clock
        self._randomness = randomness
        self._terms: dict[Destination, Terms] = {}
        self._lanes = Lanes(most=delivery.connections_per_destination_max, terms=self._terms_of)
        self._woken = asyncio.Event()
        self._places = Places(descriptors.for_next_hops(descriptors.limit()))
        self.offers = LearnedOffers(folder, clock.now_us, destination_of=self._destination_of)
        self._own = own_of(settings)
        self._routes = RouteCache(self._own)
        self._marks = HoldMarks(spool, clock)
        self._lanes.remember(self._marks.read())
        self._preferences = spool.preferences
        self._promises = Promises()
        schedule = Schedule(
            first_wait_s=delivery.first_wait_s, longest_wait_s=delivery.longest_wait_s
        )
        self._placing = Placing(
            spool,
            self._lanes,
            clock,
            routes=self._routes,
            promises=self._promises,
            longest_wait_s=schedule.planned_s_max,
        )
        self._stopping = DeliveryStops(spool, self._lanes, self._placing, routes=self._routes)
        metrics = Metrics(
            registry,
            lanes=self._lanes,
            places=self._places,
            silent=lambda: len(self._connections.silent),
        )
        next_hops = next_hops_of(
            settings,
            self._own,
            resolver=resolver,
            count_lookup=metrics.count_lookup,
            clock=clock,
            spread=self._spread,
            greets_again=self._lanes.greets_again,
        )
        self._published = next_hops.published
        self.measuring = Measuring(
            next_hops.finder,
            clock,
            preferences=lambda: spool.preferences,
            every_s=delivery.measure_every_s,
            spread=self._spread,
        )
        self._connections = next_hops.connections(
            idle_max=delivery.connections_per_destination_max, reached=self.measuring.reached
        )
        wake = self._woken.set
        self._slow = SlowServers(self._lanes, self._places, self._connections, clock, wake=wake)
        self.verification = RecipientVerification(
            next_hops.connections(idle_max=0),
            delivery,
            clock,
            leg_of=self._leg_of,
            is_away=self.is_away,
            terms=self._terms_of,
        )
        self._context = TurnContext(
            spool=spool,
            connections=self._connections,
            lanes=self._lanes,
            places=self._places,
            open_s=delivery.open_timeout_s,
            clock=clock,
            loop_round=loop_round or LoopRound(clock),
            routes=self._routes,
            schedule=schedule,
            allowance=Allowance(
                delivery.notices_per_domain_hour_max,
                bytes_per_hour=delivery.returned_bytes_per_domain_hour_max,
                workers=settings.workers,
                of_all_sites=delivery.notices_of_all_sites_max,
                counts=counts,
            ),
            reporter=Reporter(hostname=settings.hostname, mail_domain=settings.mail_domain),
            metrics=metrics,
            spread=self._spread,
            new_id=self._new_id,
            offer=self.offer,
            terms=self._terms_of,
            wake=wake,
            learn=self.offers.note,
        )
        self._turns: set[asyncio.Task[None]] = set()
        self._attempts: dict[QueueEntry, Attempt] = {}
        self._alarm: tuple[float, asyncio.Task[None]] | None = None
        self._marking: asyncio.Task[None] | None = None
        self._is_closing = False

    def offer(self, message: MessageId) -> None:
        """Say that a message has recipients to deliver to; harmless when it has none or is known.

        Called after a judgement, a release and a DSN. What was there before the start is found
        without being offered.
        """
        self._placing.offer(message)
        self._woken.set()

    def starts_at_once(self, message: MessageId, address: str) -> bool:
        """Say whether a message would be sent to a recipient as soon as it is judged.

        Then its sending mark is written with the judgement, which saves a commit. Such a turn is
        promised, so that no more marks are given than there are turns. When it does not start
        after all, a crash counts it as possibly delivered without need, and no more.
        """
        destination = self._routes.leg(address, Origin.SMTP, self._spool.preferences).destination
        now_s = self._clock.monotonic_s()
        promised = self._promises.given(destination, now_s=now_s)
        if message in promised:
            return True
        before = len(promised) + self._placing.unpromised
        if not self._lanes.is_free(destination, promised=before):
            return False
        kind = PlaceKind.ANSWERING if destination in self._lanes.answering else PlaceKind.ASKING
        if not self._places.has_room(kind, is_first=False, promised=len(self._promises)):
            return False
        self._promises.give(destination, message, now_s=now_s)
        return True

    def flush(self, destination: str = "") -> None:
        """Try again now, for one destination (a domain) or for all."""
        self._lanes.flush(destination)
        self._woken.set()

    async def freeze(self, message: MessageId, numbers: Collection[int], *, reason: str) -> bool:
        """Stop recipients of a message whose turn has not begun; return whether there are any."""
        is_stopped = await self._stopping.freeze(message, numbers, reason=reason)
        self._woken.set()
        return is_stopped

    def hurry(self, message: MessageId) -> bool:
        """Try one message now; False when it waits for nothing here."""
        stored = self._spool.message(message)
        is_here = stored is not None and self._lanes.hurry(message, self._routes.ways(stored))
        self._woken.set()
        return is_here

    async def give_back(self, message: MessageId, *, reason: str = "") -> GivenBack | None:
        """Send what is frozen or damaged of a message back to its sender; see ``give_back``."""
        return await give_back(self._context, message, reason=reason)

    def is_one_domain(self, destination: str) -> bool:
        """Say whether a destination is that of one domain's recipients and of nobody else's."""
        is_of_postmaster = destination == domain_of(self._own.postmaster)
        return ":" not in destination and not is_of_postmaster

    def destination_of(self, address: str, origin: Origin) -> str:
        """Return the name of the destination of a recipient's mail."""
        leg = self._routes.leg(address, origin, self._spool.preferences)
        return leg.destination.name

    def standing(self, address: str, origin: Origin) -> DestinationStatus:
        """Return how it is with the mail for a recipient, for an operator who asks."""
        return status_of(
            address,
            origin,
            preferences=self._spool.preferences,
            own=self._own,
            lanes=self._lanes,
            now_s=self._clock.monotonic_s(),
            longest_wait_s=self._placing.longest_wait_s,
        )

    def hint(self, destination: str) -> None:
        """Ask now whether a destination is back: another shard or site has reached it.

        At most once in two seconds for each destination; nothing when it is not away.
        """
        self._lanes.hint(destination, now_s=self._clock.monotonic_s())
        self._woken.set()

    def take_tls_results(self) -> tuple[TlsResultsRecord, ...]:
        """Return how sessions went, since the last call, with domains that may publish a policy."""
        return self._published.take_records()

    def reached(self) -> tuple[str, ...]:
        """Return destinations whose servers answered since the last call, at most 500."""
        return self._lanes.take_reached()

    def preferences_changed(self) -> None:
        """Go on under the preferences that are applied now: orders take effect at once."""
        self._woken.set()

    def holds(self) -> list[HoldInfo]:
        """Return the destinations that are away and have mail, by name, the first thousand."""
        now_us, now_s = self._clock.now_us(), self._clock.monotonic_s()
        return [held.info(now_us=now_us, now_s=now_s) for held in self._lanes.on_hold.first()]

    def away(self) -> int:
        """Return how many destinations are away and have mail."""
        return self._lanes.on_hold.in_all().destinations

    def is_idle(self) -> bool:
        """Say whether nothing is under way, and nothing is on its way into a lane."""
        return not self._turns and not self._placing.is_behind

    def held_bytes(self) -> int:
        """Return the octets of mail whose destination is away."""
        return self._lanes.on_hold.in_all().bytes

    def is_away(self, address: str) -> bool:
        """Say whether mail for a recipient would be held now."""
        return self._lanes.hold_of(self._destination_of(address)) is not None

    async def run(self) -> None:
        """Deliver until ``close``."""
        async with asyncio.TaskGroup() as group:
            name = "delivery.published"
            fetched = keep_running(self._published.run, name=name, clock=self._clock)
            fetching = spawn(group, fetched, name=name)
            try:
                # A fault between turns must cut none of them: some have said their final dot.
                work = partial(self._take_turns, group)
                await keep_running(work, name="delivery.taking", clock=self._clock)
            finally:
                fetching.cancel()
                self._cancel_alarm()
                if self._marking is not None:
                    self._marking.cancel()

    async def close(self) -> None:
        """Begin nothing new, let transactions end for ``CLOSE_S``, and end all sessions.

        What is cut off after its final dot keeps its sending mark: recovery tells of it.
        """
        self._is_closing = True
        self._woken.set()
        if self._turns:
            _, late = await asyncio.wait(set(self._turns), timeout=CLOSE_S)
            for task in late:
                task.cancel()
        await asyncio.gather(*(session.quit() for session in self._connections.close()))
        await self.offers.save()

    # ---- inside

    async def _take_turns(self, group: asyncio.TaskGroup) -> None:
        while not self._is_closing:
            self._woken.clear()
            is_sweeping = self._review()
            self._placing.place()
            self._slow.look_after(self._attempts)
            has_more = self._start_turns(group) or self._placing.has_more
            self._slow.ask_hosts(group)
            self._write_marks(group)
            for session in self._connections.overdue():
                spawn_beside(group, session.quit(), name="delivery.quit")
            if has_more or is_sweeping:
                await asyncio.sleep(0)  # others have their turn of the loop
            else:
                self._set_alarm(group)
                await self._woken.wait()

    def _leg_of(self, address: str) -> Leg:
        return self._routes.leg(address, Origin.SMTP, self._spool.preferences)

    def _destination_of(self, address: str) -> Destination:
        return self._leg_of(address).destination

    def _review(self) -> bool:
        if self._preferences is not self._spool.preferences:
            self._preferences = self._spool.preferences
            self._terms.clear()
            self._lanes.review()
        return self._lanes.sweep_some()

    def _terms_of(self, destination: Destination) -> Terms:
        terms = self._terms.get(destination)
        if terms is None:
            if len(self._terms) >= TERMS_MAX:
                self._terms.clear()
            terms = terms_of(destination, self._preferences)
            self._terms[destination] = terms
        return terms

    def _write_marks(self, group: asyncio.TaskGroup) -> None:
        changes = self._lanes.take_marks()
        if not changes:
            return
        self._marks.want(changes)
        if self._marking is None or self._marking.done():
            self._marking = spawn_beside(group, self._marks.write(), name="delivery.marks")

    def _start_turns(self, group: asyncio.TaskGroup) -> bool:
        """Begin turns; return whether there may be more at once."""
        now_s = self._clock.monotonic_s()
        for _ in range(STARTED_MAX):
            entry = self._lanes.take(now_s=now_s, places=self._places)
            if entry is None:
                break
            turn = self._turn(entry, self._placing.fresh(entry.id))
            task = spawn(group, turn, name=f"delivery {entry.id}")
            self._turns.add(task)
            task.add_done_callback(self._turns.discard)
            if self._clock.monotonic_s() - now_s >= PASS_S:
                break
        self._placing.end_pass()
        return entry is not None or self._lanes.is_behind

    async def _turn(self, entry: QueueEntry, fresh: Stored | None) -> None:
        kind = TurnWithoutServer if entry.turn is Turn.WITHOUT_SERVER else Attempt
        work = kind(entry, self._context, fresh=fresh)
        if isinstance(work, Attempt):
            self._attempts[entry] = work
        try:
            await keep_running(
                work.run, name="delivery.turn", clock=self._clock, pause_s=FAULT_PAUSE_S
            )
        finally:
            self._attempts.pop(entry, None)
            self._places.end(entry)
            if self._lanes.done(entry, is_unfinished=work.is_unfinished):
                self._placing.again(entry)
            self._woken.set()

    def _set_alarm(self, group: asyncio.TaskGroup) -> None:
        dues = [
            self._lanes.next_due_s(),
            self._connections.next_overdue_s(),
            self._slow.next_s(),
            self._placing.next_s(),
        ]
        due_s = min([due for due in dues if due is not None], default=None)
        if due_s is None:
            return
        if self._alarm is not None:
            planned_s, task = self._alarm
            if not task.done() and planned_s <= due_s:
                return
            task.cancel()
        wait_s = max(0.0, due_s - self._clock.monotonic_s())
        task = spawn(group, self._ring(wait_s), name="delivery.alarm")
        self._alarm = (due_s, task)

    async def _ring(self, wait_s: float) -> None:
        await self._clock.sleep(wait_s)
        self._woken.set()

    def _cancel_alarm(self) -> None:
        if self._alarm is not None:
            self._alarm[1].cancel()
            self._alarm = None

    def _spread(self) -> float:
        return int.from_bytes(self._randomness(4), "big") / 2**32

    def _new_id(self) -> MessageId:
        return MessageId(
            ulid(now_us=self._clock.now_us(), randomness=self._randomness(ULID_RANDOM_BYTES))
        )
