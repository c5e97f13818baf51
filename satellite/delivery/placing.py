"""How do messages come from the spool into the delivery queue, new ones and after a restart?

Touches the spool. Fresh messages are offered by id and read whole, since most have their turn at
once. What was there before a restart is read in rows, a chunk at a time between fresh ones, so that
a hundred thousand held messages keep nobody waiting.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple

from common.address import domain_of
from common.clock import Clock
from common.envelope import Notify
from common.ids import MessageId
from common.states import State
from satellite.delivery.decisions.hold import Hold
from satellite.delivery.decisions.route_cache import RouteCache
from satellite.delivery.decisions.routing import Destination, is_postmaster
from satellite.delivery.queue.entries import QueueEntry
from satellite.delivery.queue.lanes import Lanes
from satellite.delivery.turns.context import PENDING, DeliverySpool
from satellite.spool.model.messages import Origin, PendingRow, Recipient, Stored

PLACED_MAX = 500  # messages read from the spool in one pass, so that others get the loop
RESTORED_ROWS = 1200  # likewise, of what was there before; more than one message has recipients
MARKED_MAX = 500  # messages kept at hand from one pass to the next
HELD_BEFORE = "held when the satellite stopped"
_HELD = frozenset({State.HELD})
_TRIED = frozenset({State.HELD, State.DEFERRED})
_SECOND_US = 1_000_000


class _Wait(NamedTuple):
    """One recipient, as far as it orders its message."""

    state: State
    next_us: int
    may_be_told: bool


class _Message(NamedTuple):
    """A message, as far as its recipients are ordered by it."""

    id: MessageId
    origin: Origin
    size: int
    age_us: int


class Placing:
    """Messages on their way from the spool into the lanes.

    Args:
        spool: where they are.
        lanes: where they go.
        clock: the time.
        routes: where recipients' mail goes.
        longest_wait_s: no try is planned later, since the wall clock may have jumped.
    """

    def __init__(
        self,
        spool: DeliverySpool,
        lanes: Lanes,
        clock: Clock,
        *,
        routes: RouteCache,
        longest_wait_s: float,
    ) -> None:
        self._spool = spool
        self._lanes = lanes
        self._clock = clock
        self._routes = routes
        self._longest_wait_s = longest_wait_s
        # The age clock goes with the monotonic one. Fixed, so that one message has one age whenever
        # it is placed, and the order of two never turns.
        self._started_s = clock.monotonic_s()
        self._started_age_us = spool.age_us()
        self._offered: deque[MessageId] = deque()
        self._again: list[QueueEntry] = []
        self._fresh: dict[MessageId, Stored] = {}
        self._marked: dict[MessageId, Stored] = {}
        self._restored_up_to = ""
        self._is_restored = False
        self._found_held: set[Destination] = set()  # by what was restored so far

    @property
    def has_more(self) -> bool:
        """Whether another pass would place something."""
        return bool(self._offered) or not self._is_restored

    @property
    def is_behind(self) -> bool:
        """Whether what is offered now is not placed in the next pass as a matter of course."""
        return bool(self._offered)

    def offer(self, message: MessageId) -> None:
        """Take in a message that may be new."""
        self._offered.append(message)

    def again(self, entry: QueueEntry) -> None:
        """Take in a message that had its turn and is not finished."""
        self._again.append(entry)

    def place(self) -> None:
        """Do one pass."""
        again, self._again = self._again, []
        for entry in again:
            self._lanes.forget(entry)
            self._place(entry.id)
        for number in range(min(PLACED_MAX, len(self._offered))):
            # From both ends: a flood of offers must not keep the latest from its turn, nor the
            # latest the flood from theirs.
            self._place(self._offered.pop() if number % 2 else self._offered.popleft())
        if not self._is_restored:
            self._restore()

    def fresh(self, message: MessageId) -> Stored | None:
        """Return a message that was read in this pass, or that nobody else can have changed."""
        return self._marked.pop(message, None) or self._fresh.pop(message, None)

    def end_pass(self) -> None:
        """Forget what was read in this pass and had no turn."""
        self._fresh.clear()

    # ---- inside

    def _place(self, message: MessageId) -> None:
        """Put a message into the lane of each destination that it still has to go to."""
        self._marked.pop(message, None)
        stored = self._spool.message(message)
        if stored is None:
            return
        groups: dict[Destination, list[_Wait]] = {}
        is_marked = True
        for r in stored.recipients:
            if r.state in PENDING:
                is_marked = is_marked and r.state is State.SENDING
                wait = _Wait(r.state, r.next_us, _may_be_told(stored, r))
                destination = self._destination(r.address, stored.origin)
                groups.setdefault(destination, []).append(wait)
        for destination, group in groups.items():
            placed = _Message(stored.id, stored.origin, stored.size, stored.age_us)
            self._put(placed, destination, group)
        if not groups:
            return
        # With the sending mark on, nobody changes it but the turn that it waits for.
        if is_marked and len(self._marked) < MARKED_MAX:
            self._marked[message] = stored
        else:
            self._fresh[message] = stored

    def _restore(self) -> None:
        rows = self._spool.pending(after=self._restored_up_to, limit=RESTORED_ROWS)
        routes: dict[
            str, Destination
        ] = {}  # by domain: most mail of a backlog is for a few of them
        for _, group in groupby(rows, key=itemgetter(0)):
            self._put_rows(list(group), routes)
        if rows:
            self._restored_up_to = rows[-1].message
        else:
            self._is_restored = True
            self._found_held.clear()
            self._lanes.forget_remembered()

    def _put_rows(self, rows: Sequence[PendingRow], routes: dict[str, Destination]) -> None:
        first = rows[0]
        origin = Origin(first.origin)
        message = _Message(first.message, origin, first.size, first.age_us)
        groups: dict[Destination, list[_Wait]] = {}
        for row in rows:
            wait = _Wait(State(row.state), row.next_us, bool(row.may_be_told))
            if origin is not Origin.SMTP or is_postmaster(row.address):
                destination = self._destination(row.address, origin)
            else:
                domain = domain_of(row.address)
                known = routes.get(domain)
                destination = known or self._destination(row.address, origin)
                routes[domain] = destination
            groups.setdefault(destination, []).append(wait)
        for destination, group in groups.items():
            is_held = self._put(message, destination, group)
            if not is_held or destination in self._found_held:
                continue
            self._found_held.add(destination)
            if self._lanes.hold_of(destination) is None:
                # Its mark was lost. Mail that is held is probed first, whatever else is known.
                hold = Hold(self._clock.now_us(), HELD_BEFORE)
                self._lanes.away(destination, hold, next_probe_s=self._clock.monotonic_s())

    def _destination(self, address: str, origin: Origin) -> Destination:
        return self._routes.leg(address, origin, self._spool.preferences).destination

    def _put(
        self,
        message: _Message,
        destination: Destination,
        group: Sequence[_Wait],
    ) -> bool:
        """Put a message into one of its lanes; return whether all of it there is held."""
        now_s = self._clock.monotonic_s()
        next_us = min([wait.next_us for wait in group])
        wait_s = (next_us - self._clock.now_us()) / _SECOND_US if next_us else 0.0
        # Bounded, since the wall clock may have jumped; the monotonic one decides from here on.
        wait_s = min(max(wait_s, 0.0), self._longest_wait_s)
        states = {wait.state for wait in group}
        is_held = states == _HELD
        entry = QueueEntry(
            id=message.id,
            destination=destination,
            body_bytes=message.size,
            born_s=self._started_s + (message.age_us - self._started_age_us) / _SECOND_US,
            until_us=next_us,
            may_be_told=message.origin is not Origin.BOUNCE
            and any(wait.may_be_told for wait in group),
        )
        self._lanes.put(
            entry,
            due_s=now_s + wait_s,
            now_s=now_s,
            is_held=is_held,
            was_tried=not states.isdisjoint(_TRIED),
        )
        return is_held


def _may_be_told(stored: Stored, recipient: Recipient) -> bool:
    """Say whether nothing that stands in the spool is against a notice of delay.

    What the notice itself looks at, when it is due, has the last word.
    """
    if recipient.told_us or not stored.envelope.sender:
        return False
    return not recipient.dsn.notify or Notify.DELAY in recipient.dsn.notify
