"""How does mail leave?

Touches the spool, next hops and the clock. The one task of the room: it gives each message its turn
and waits for the next one. Nothing here is lost with the process: what is in the lanes is in the
spool, and start-up offers it again.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from collections.abc import Callable

from prometheus_client import CollectorRegistry

from common.clock import Clock
from common.errors import SettingsError
from common.ids import ULID_RANDOM_BYTES, MessageId, ulid
from common.preferences.documents import split_target
from common.tasks import keep_running, spawn
from satellite.delivery.attempt import Attempt
from satellite.delivery.connections import Connections
from satellite.delivery.hold import HoldInfo, expires_age_us
from satellite.delivery.lanes import Entry, Lanes
from satellite.delivery.lookup import DnsResolver, Resolver
from satellite.delivery.metrics import Metrics
from satellite.delivery.room import FAULT_PAUSE_S, PENDING, DeliverySpool, Room
from satellite.delivery.routing import Destination, Leg, Own, leg_of
from satellite.delivery.schedule import SPREAD_SHARE, Schedule
from satellite.delivery.session import Deadlines
from satellite.delivery.status_part import Reporter
from satellite.settings import SatelliteSettings, split_endpoint
from satellite.spool.messages import Origin, Recipient, Stored
from satellite.spool.states import State

PLACED_MAX = 500  # messages read from the spool in one pass, so that others get the loop
ACTIVE_MAX = 500  # transactions at once of one worker, for file descriptors
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
        SettingsError: the smart host is none.
    """

    def __init__(
        self,
        spool: DeliverySpool,
        settings: SatelliteSettings,
        clock: Clock,
        *,
        resolver: Resolver | None = None,
        registry: CollectorRegistry | None = None,
        randomness: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        delivery = settings.delivery
        self._spool = spool
        self._clock = clock
        self._randomness = randomness
        self._longest_wait_s = delivery.longest_wait_s * (1.0 + SPREAD_SHARE)
        self._lanes = Lanes(active_max=delivery.connections_per_destination_max)
        self._own = _own(settings)
        metrics = Metrics(registry)
        metrics.away.set_function(lambda: sum(1 for _ in self._lanes.held()))
        metrics.queued.set_function(lambda: len(self._lanes))
        self._connections = Connections(
            hostname=settings.hostname,
            own=self._own,
            deadlines=Deadlines(
                connect_s=delivery.connect_timeout_s,
                reply_s=delivery.reply_timeout_s,
                dot_s=delivery.dot_timeout_s,
            ),
            idle_max=delivery.connections_per_destination_max,
            resolver=resolver or _resolver(settings),
            clock=clock,
            spread=self._spread,
        )
        self._room = Room(
            spool=spool,
            connections=self._connections,
            lanes=self._lanes,
            clock=clock,
            own=self._own,
            schedule=Schedule(
                first_wait_s=delivery.first_wait_s, longest_wait_s=delivery.longest_wait_s
            ),
            reporter=Reporter(hostname=settings.hostname, mail_domain=settings.mail_domain),
            metrics=metrics,
            spread=self._spread,
            new_id=self._new_id,
            offer=self.offer,
        )
        self._offered: deque[MessageId] = deque()
        self._again: list[MessageId] = []  # had their turn and are not finished
        self._fresh: dict[MessageId, Stored] = {}  # read in this pass
        self._turns: set[asyncio.Task[None]] = set()
        self._woken = asyncio.Event()
        self._alarm: tuple[float, asyncio.Task[None]] | None = None
        self._is_closing = False

    def offer(self, message: MessageId) -> None:
        """Say that a message has recipients to deliver to; harmless when it has none or is known.

        Called after a judgement, a release, a DSN and for everything that start-up finds.
        """
        self._offered.append(message)
        self._woken.set()

    def starts_at_once(self, address: str) -> bool:
        """Say whether mail for a recipient would be sent as soon as it is judged.

        Then its sending mark is written with the judgement, which saves a commit. When it does
        not start after all, a crash counts it as possibly delivered without need, and no more.
        """
        leg = leg_of(address, Origin.SMTP, preferences=self._spool.preferences, own=self._own)
        if self._offered or len(self._turns) >= ACTIVE_MAX:
            return False
        return self._lanes.is_free(leg.destination)

    def flush(self, destination: str = "") -> None:
        """Try again now, for one destination (a domain) or for all."""
        self._lanes.flush(destination)
        self._woken.set()

    def holds(self) -> list[HoldInfo]:
        """Return the destinations that are away and have mail, by name."""
        age_us, now_us = self._spool.age_us(), self._clock.now_us()
        found = [
            HoldInfo(
                customer=held.entries[0].customer,
                destination=held.destination.name,
                since_us=held.hold.since_us,
                reason=held.hold.reason,
                messages=len(held.entries),
                bytes=sum(entry.body_bytes for entry in held.entries),
                oldest_us=min(entry.received_us for entry in held.entries),
                expires_us=now_us
                + max(0, min(entry.expires_age_us for entry in held.entries) - age_us),
            )
            for held in self._lanes.held()
        ]
        return sorted(found, key=lambda info: info.destination)

    async def run(self) -> None:
        """Deliver until ``close``; may be started again after a fault."""
        async with asyncio.TaskGroup() as group:
            try:
                while not self._is_closing:
                    self._woken.clear()
                    self._place_offered()
                    self._start_turns(group)
                    for session in self._connections.overdue():
                        spawn(group, session.quit(), name="delivery.quit")
                    self._set_alarm(group)
                    await self._woken.wait()
            finally:
                self._cancel_alarm()

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

    def _place_offered(self) -> None:
        again, self._again = self._again, []
        for message in again:
            self._place(message)
        for _ in range(min(PLACED_MAX, len(self._offered))):
            self._place(self._offered.popleft())
        if self._offered:
            self._woken.set()

    def _place(self, message: MessageId) -> None:
        """Put a message into the lane of each destination that it still has to go to."""
        stored = self._spool.message(message)
        if stored is None:
            return
        ways: dict[Destination, list[tuple[Recipient, Leg]]] = {}
        preferences = self._spool.preferences
        for recipient in stored.recipients:
            if recipient.state in PENDING:
                leg = leg_of(
                    recipient.address, stored.origin, preferences=preferences, own=self._own
                )
                ways.setdefault(leg.destination, []).append((recipient, leg))
        for pairs in ways.values():
            self._put(stored, pairs)
        if ways:
            self._fresh[message] = stored

    def _put(self, stored: Stored, pairs: list[tuple[Recipient, Leg]]) -> None:
        leg = pairs[0][1]
        next_us = min(recipient.next_us for recipient, _ in pairs)
        wait_s = (next_us - self._clock.now_us()) / _SECOND_US
        # Bounded, since the wall clock may have jumped; the monotonic one decides from here on.
        wait_s = min(max(wait_s, 0.0), self._longest_wait_s)
        entry = Entry(
            id=stored.id,
            destination=leg.destination,
            customer=leg.customer,
            body_bytes=stored.size,
            received_us=stored.received_us,
            expires_age_us=expires_age_us(stored.age_us, hold_days=leg.hold_days),
            until_us=next_us,
        )
        is_held = all(recipient.state is State.HELD for recipient, _ in pairs)
        self._lanes.put(entry, due_s=self._clock.monotonic_s() + wait_s, is_held=is_held)

    def _start_turns(self, group: asyncio.TaskGroup) -> None:
        now_s = self._clock.monotonic_s()
        while len(self._turns) < ACTIVE_MAX:
            entry = self._lanes.take(now_s=now_s)
            if entry is None:
                break
            turn = self._turn(entry, self._fresh.pop(entry.id, None))
            task = spawn(group, turn, name=f"delivery {entry.id}")
            self._turns.add(task)
            task.add_done_callback(self._turns.discard)
        self._fresh.clear()

    async def _turn(self, entry: Entry, fresh: Stored | None) -> None:
        attempt = Attempt(entry, self._room, fresh=fresh)
        try:
            await keep_running(
                attempt.run, name="delivery.attempt", clock=self._clock, pause_s=FAULT_PAUSE_S
            )
        finally:
            if self._lanes.done(entry) or attempt.is_unfinished:
                self._again.append(entry.id)
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
    smarthost = settings.delivery.smarthost
    if smarthost:
        try:
            split_target(smarthost)
        except ValueError as error:
            raise SettingsError([f"delivery.smarthost: {error}; write HOST:PORT"]) from None
    return Own(
        mail_domain=settings.mail_domain.lower(),
        hostname=settings.hostname.lower(),
        addresses=frozenset(split_endpoint(listen)[0] for listen in settings.smtp.listen),
        postmaster=settings.postmaster,
        smarthost=smarthost,
    )


def _resolver(settings: SatelliteSettings) -> Resolver:
    return DnsResolver(*split_endpoint(settings.resolver)) if settings.resolver else DnsResolver()
