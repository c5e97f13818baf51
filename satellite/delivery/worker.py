"""How does the delivery room run: taking turns from its queue, and what others may ask of it?

Touches the spool, next hops and the clock. The one task of the room: it gives each message its turn
and waits for the next one. Nothing here is lost with the process: what is in the lanes is in the
spool, and start-up offers it again.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable

from prometheus_client import CollectorRegistry

from common.clock import Clock
from common.ids import ULID_RANDOM_BYTES, MessageId, ulid, ulid_ms
from common.settings.satellite import SatelliteSettings
from common.settings.values import split_endpoint
from common.tasks import keep_running, spawn
from satellite.delivery.decisions.hold import HoldInfo
from satellite.delivery.decisions.route_cache import RouteCache
from satellite.delivery.decisions.routing import Destination, Own
from satellite.delivery.decisions.schedule import SPREAD_SHARE, Schedule
from satellite.delivery.decisions.terms import Terms, terms_of
from satellite.delivery.destination_status import DestinationStatus, status_of
from satellite.delivery.dsn.allowance import Allowance
from satellite.delivery.dsn.status_part import Reporter
from satellite.delivery.hop.connections import Connections
from satellite.delivery.hop.lookup import DnsMxResolver, MxResolver
from satellite.delivery.hop.protection import Protection
from satellite.delivery.hop.session import Deadlines
from satellite.delivery.marks import HoldMarks
from satellite.delivery.placing import Placing
from satellite.delivery.queue.entries import QueueEntry, Turn
from satellite.delivery.queue.lanes import Lanes
from satellite.delivery.turns.attempt import Attempt
from satellite.delivery.turns.context import FAULT_PAUSE_S, DeliverySpool, TurnContext
from satellite.delivery.turns.giving_back import GivenBack, give_back
from satellite.delivery.turns.metrics import Metrics
from satellite.delivery.turns.without_server import TurnWithoutServer
from satellite.spool.model.messages import Origin, Stored

ACTIVE_MAX = 500  # turns at once of one worker, for file descriptors
ACTIVE_SHARED_MAX = 400  # beyond it only destinations that have none get one: nobody waits behind
TERMS_MAX = 10_000  # destinations whose terms are remembered
CLOSE_S = 5.0  # for transactions that are under way; SIGTERM ends within 20 s
_SECOND_US = 1_000_000


class Delivery:
    """The delivery room of one worker.

    Args:
        spool: the shard's store.
        settings: the node's.
        clock: every wait goes through it.
        resolver: DNS; the settings' or the system's when left out.
        registry: where metrics go.
        randomness: gives that many random octets, for ids and jitter.

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
    ) -> None:
        delivery = settings.delivery
        self._spool = spool
        self._clock = clock
        self._randomness = randomness
        self._terms: dict[Destination, Terms] = {}
        self._lanes = Lanes(most=delivery.connections_per_destination_max, terms=self._terms_of)
        self._own = _own(settings)
        self._routes = RouteCache(self._own)
        self._marks = HoldMarks(spool, clock)
        self._lanes.remember(self._marks.read())
        self._preferences = spool.preferences
        self._placing = Placing(
            spool,
            self._lanes,
            clock,
            routes=self._routes,
            longest_wait_s=delivery.longest_wait_s * (1.0 + SPREAD_SHARE),
        )
        metrics = Metrics(registry, lanes=self._lanes)
        self._connections = Connections(
            hostname=settings.hostname,
            own=self._own,
            deadlines=Deadlines(
                connect_s=delivery.connect_timeout_s,
                reply_s=delivery.reply_timeout_s,
                dot_s=delivery.dot_timeout_s,
            ),
            idle_max=delivery.connections_per_destination_max,
            protection=Protection(delivery.authorities),
            resolver=resolver or _resolver(settings),
            clock=clock,
            spread=self._spread,
        )
        self._woken = asyncio.Event()
        self._context = TurnContext(
            spool=spool,
            connections=self._connections,
            lanes=self._lanes,
            clock=clock,
            routes=self._routes,
            schedule=Schedule(
                first_wait_s=delivery.first_wait_s, longest_wait_s=delivery.longest_wait_s
            ),
            allowance=Allowance(delivery.notices_per_domain_hour_max),
            reporter=Reporter(hostname=settings.hostname, mail_domain=settings.mail_domain),
            metrics=metrics,
            spread=self._spread,
            new_id=self._new_id,
            offer=self.offer,
            terms=self._terms_of,
            wake=self._woken.set,
        )
        self._turns: set[asyncio.Task[None]] = set()
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

    def starts_at_once(self, address: str) -> bool:
        """Say whether mail for a recipient would be sent as soon as it is judged.

        Then its sending mark is written with the judgement, which saves a commit. When it does
        not start after all, a crash counts it as possibly delivered without need, and no more.
        """
        leg = self._routes.leg(address, Origin.SMTP, self._spool.preferences)
        if self._placing.is_behind or len(self._turns) >= ACTIVE_SHARED_MAX:
            return False
        return self._lanes.is_free(leg.destination)

    def flush(self, destination: str = "") -> None:
        """Try again now, for one destination (a domain) or for all."""
        self._lanes.flush(destination)
        self._woken.set()

    def stopped(self, message: MessageId) -> None:
        """Look at a message anew: an operator has stopped it, or some of its recipients.

        What is stopped must not count as held, nor be the message that finds a server back.
        """
        self._lanes.withdraw(message)
        self.offer(message)

    def hurry(self, message: MessageId) -> bool:
        """Try one message now; False when it waits for nothing here."""
        is_here = self._lanes.hurry(message)
        self._woken.set()
        return is_here

    async def give_back(self, message: MessageId, *, reason: str = "") -> GivenBack | None:
        """Send what is frozen or damaged of a message back to its sender; see ``give_back``."""
        return await give_back(self._context, message, reason=reason)

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
        )

    def hint(self, destination: str) -> None:
        """Ask now whether a destination is back: another shard or site has reached it.

        At most once in two seconds for each destination; nothing when it is not away.
        """
        self._lanes.hint(destination, now_s=self._clock.monotonic_s())
        self._woken.set()

    def reached(self) -> tuple[str, ...]:
        """Return destinations whose servers answered since the last call, at most 500."""
        return self._lanes.take_reached()

    def preferences_changed(self) -> None:
        """Go on under the preferences that are applied now: orders take effect at once."""
        self._woken.set()

    def holds(self) -> list[HoldInfo]:
        """Return the destinations that are away and have mail, by name."""
        now_us, now_s = self._clock.now_us(), self._clock.monotonic_s()
        found = [
            HoldInfo(
                customer=held.customer,
                destination=held.destination.name,
                since_us=held.hold.since_us,
                reason=held.hold.reason,
                messages=held.messages,
                bytes=held.bytes,
                oldest_us=ulid_ms(held.oldest.id) * 1000,
                expires_us=now_us
                + max(0, round((held.oldest.born_s + held.hold_s - now_s) * _SECOND_US)),
            )
            for held in self._lanes.held()
        ]
        return sorted(found, key=lambda info: info.destination)

    def is_idle(self) -> bool:
        """Say whether nothing is under way, and nothing is on its way into a lane."""
        return not self._turns and not self._placing.is_behind

    def held_bytes(self) -> int:
        """Return the octets of mail whose destination is away."""
        return sum(held.bytes for held in self._lanes.held())

    def is_away(self, address: str) -> bool:
        """Say whether mail for a recipient would be held now."""
        leg = self._routes.leg(address, Origin.SMTP, self._spool.preferences)
        return self._lanes.hold_of(leg.destination) is not None

    async def run(self) -> None:
        """Deliver until ``close``; may be started again after a fault."""
        async with asyncio.TaskGroup() as group:
            try:
                while not self._is_closing:
                    self._woken.clear()
                    self._review()
                    self._placing.place()
                    self._start_turns(group)
                    self._write_marks(group)
                    for session in self._connections.overdue():
                        spawn(group, session.quit(), name="delivery.quit")
                    self._set_alarm(group)
                    if self._placing.has_more:
                        await asyncio.sleep(0)  # others have their turn of the loop
                    else:
                        await self._woken.wait()
            finally:
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

    # ---- inside

    def _review(self) -> None:
        if self._preferences is self._spool.preferences:
            return
        self._preferences = self._spool.preferences
        self._terms.clear()
        self._lanes.review()

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
            self._marking = spawn(group, self._marks.write(), name="delivery.marks")

    def _start_turns(self, group: asyncio.TaskGroup) -> None:
        now_s = self._clock.monotonic_s()
        while len(self._turns) < ACTIVE_MAX:
            entry = self._lanes.take(now_s=now_s, idle_only=len(self._turns) >= ACTIVE_SHARED_MAX)
            if entry is None:
                break
            turn = self._turn(entry, self._placing.fresh(entry.id))
            task = spawn(group, turn, name=f"delivery {entry.id}")
            self._turns.add(task)
            task.add_done_callback(self._turns.discard)
        self._placing.end_pass()

    async def _turn(self, entry: QueueEntry, fresh: Stored | None) -> None:
        kind = TurnWithoutServer if entry.turn is Turn.WITHOUT_SERVER else Attempt
        work = kind(entry, self._context, fresh=fresh)
        try:
            await keep_running(
                work.run, name="delivery.turn", clock=self._clock, pause_s=FAULT_PAUSE_S
            )
        finally:
            if self._lanes.done(entry, is_unfinished=work.is_unfinished):
                self._placing.again(entry)
            self._woken.set()

    def _set_alarm(self, group: asyncio.TaskGroup) -> None:
        is_full = len(self._turns) >= ACTIVE_MAX  # then the end of a turn wakes us
        lanes_due_s = None if is_full else self._lanes.next_due_s()
        dues = (lanes_due_s, self._connections.next_overdue_s())
        due_s = min((due for due in dues if due is not None), default=None)
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


def _own(settings: SatelliteSettings) -> Own:
    return Own(
        mail_domain=settings.mail_domain.lower(),
        hostname=settings.hostname.lower(),
        addresses=frozenset(split_endpoint(listen)[0] for listen in settings.smtp.listen),
        postmaster=settings.postmaster,
        smarthost=settings.delivery.smarthost,
    )


def _resolver(settings: SatelliteSettings) -> MxResolver:
    return (
        DnsMxResolver(*split_endpoint(settings.resolver)) if settings.resolver else DnsMxResolver()
    )
