"""How do messages come from the spool into the delivery queue, new ones and after a restart?

Touches the spool. Fresh messages are offered by id and read whole, since most have their turn at
once. What was there before a restart is read in rows, a chunk at a time between fresh ones, so that
a million held messages keep nobody waiting.
"""

from __future__ import annotations

import gc
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple

import structlog

from common.address import domain_of
from common.clock import Clock
from common.envelope import Notify
from common.errors import EnvironmentFailure
from common.ids import MessageId
from common.states import State
from common.strangers import outcome_of_call
from satellite.delivery.decisions.hold import Hold
from satellite.delivery.decisions.route_cache import RouteCache
from satellite.delivery.decisions.routing import Destination, is_postmaster
from satellite.delivery.queue.entries import EVERY_TRY_US, QueueEntry
from satellite.delivery.queue.lanes import Lanes
from satellite.delivery.queue.promises import Promises
from satellite.delivery.turns.context import FAULT_PAUSE_S, PENDING, DeliverySpool
from satellite.spool.model.messages import Origin, PendingRow, Recipient, Stored

log = structlog.get_logger()

PLACED_MAX = 500  # messages read from the spool in one pass, so that others get the loop
RESTORED_ROWS = 1200  # likewise, of what was there before; more than one message has recipients
RESTORED_S = 0.005  # of a pass, for putting them into their lanes
SETTLED_ROWS_MIN = 5_000  # of fewer a full garbage collection takes some five milliseconds
MARKED_MAX = 500  # messages kept at hand from one pass to the next
HELD_BEFORE = "held when the satellite stopped"
_HELD = frozenset({State.HELD})
_SENDING = frozenset({State.SENDING})
_TRIED = frozenset({State.HELD, State.DEFERRED})
_SECOND_US = 1_000_000
# One for all messages in which only that recipient is meant, which are most of a million.
_ALONE = tuple((number,) for number in range(64))


class _Wait(NamedTuple):
    """One recipient, as far as it orders its message."""

    number: int
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
        promises: turns that were promised; they are kept once a message is in its lanes.
        longest_wait_s: no try is planned later, since the wall clock may have jumped.
    """

    def __init__(
        self,
        spool: DeliverySpool,
        lanes: Lanes,
        clock: Clock,
        *,
        routes: RouteCache,
        promises: Promises,
        longest_wait_s: float,
    ) -> None:
        self._spool = spool
        self._lanes = lanes
        self._clock = clock
        self._routes = routes
        self._promises = promises
        self.longest_wait_s = longest_wait_s
        # The age clock goes with the monotonic one. Fixed, so that one message has one age whenever
        # it is placed, and the order of two never turns.
        self._started_s = clock.monotonic_s()
        self._started_age_us = spool.age_us()
        self._offered: deque[MessageId] = deque()
        self._unpromised: set[MessageId] = set()  # of these
        self._again: list[QueueEntry] = []
        self._unread: deque[tuple[float, MessageId]] = deque()  # failed, and when to try again
        self._fresh: dict[MessageId, Stored] = {}
        self._marked: dict[MessageId, Stored] = {}
        self._kept_out: set[MessageId] = set()
        self._restored_up_to = ""
        self._read: deque[list[PendingRow]] = deque()  # by message, and not restored yet
        # By domain: most mail of a backlog is for a few of them.
        self._read_routes: dict[str, Destination] = {}
        self._is_restored = False
        self._restored_rows = 0
        self._found_held: set[Destination] = set()  # by what was restored so far

    @property
    def has_more(self) -> bool:
        """Whether another pass would place something."""
        return bool(self._offered) or not self._is_restored

    @property
    def is_behind(self) -> bool:
        """Whether something is offered that is not in a lane yet."""
        return bool(self._offered)

    @property
    def unpromised(self) -> int:
        """How many messages are offered that may take the turn that another one is promised."""
        return len(self._unpromised)

    def offer(self, message: MessageId) -> None:
        """Take in a message that may be new."""
        self._offered.append(message)
        if message not in self._promises:
            self._unpromised.add(message)

    def again(self, entry: QueueEntry) -> None:
        """Take in a message that had its turn and is not finished."""
        self._again.append(entry)

    @contextmanager
    def kept_out(self, message: MessageId) -> Iterator[None]:
        """Place nothing of a message until the end of the block, and then look at it anew."""
        self._marked.pop(message, None)
        self._fresh.pop(message, None)
        self._kept_out.add(message)
        try:
            yield
        finally:
            self._kept_out.discard(message)
            self.offer(message)

    def place(self) -> None:
        """Do one pass."""
        while self._unread and self._unread[0][0] <= self._clock.monotonic_s():
            self._offered.append(self._unread.popleft()[1])
        again, self._again = self._again, []
        for entry in again:
            self._lanes.forget(entry)
            self._try_to(self._place_again, entry, message=entry.id)
        for number in range(min(PLACED_MAX, len(self._offered))):
            # From both ends: a flood of offers must not keep the latest from its turn, nor the
            # latest the flood from theirs.
            message = self._offered.pop() if number % 2 else self._offered.popleft()
            self._try_to(self._place, message, message=message)
        if not self._is_restored:
            self._restore()

    def fresh(self, message: MessageId) -> Stored | None:
        """Return a message that was read in this pass, or that nobody else can have changed."""
        return self._marked.pop(message, None) or self._fresh.pop(message, None)

    def end_pass(self) -> None:
        """Forget what was read in this pass and had no turn."""
        self._fresh.clear()

    def next_s(self) -> float | None:
        """Return the monotonic time at which what could not be read is tried again, or None."""
        return self._unread[0][0] if self._unread else None

    # ---- inside

    def _try_to(self, step: Callable[..., None], *about: Any, message: MessageId) -> None:
        """Do a step for a message; one that fails, as a disk may, is done anew after a pause.

        Otherwise the message would lie in the spool until a restart, and others behind it.
        """
        failure = outcome_of_call(step, *about)
        if isinstance(failure, Exception):
            fault = None if isinstance(failure, EnvironmentFailure) else failure
            log.error("delivery.not_placed", message=message, reason=str(failure), exc_info=fault)
            self._unread.append((self._clock.monotonic_s() + FAULT_PAUSE_S, message))

    def _place(self, message: MessageId) -> None:
        """Put a message into the lane of each destination that it still has to go to."""
        self._marked.pop(message, None)
        self._promises.keep(message)
        self._unpromised.discard(message)
        stored = None if message in self._kept_out else self._spool.message(message)
        if stored is None:
            return
        groups = self._groups_of(stored, stored.recipients)
        for destination, group in groups.items():
            self._put(stored, destination, group)
        if not groups:
            return
        # With the sending mark on, nobody changes it but the turn that it waits for.
        is_marked = {one.state for group in groups.values() for one in group} == _SENDING
        if is_marked and len(self._marked) < MARKED_MAX:
            self._marked[message] = stored
        else:
            self._fresh[message] = stored

    def _place_again(self, entry: QueueEntry) -> None:
        """Put what is left of a turn back into its lane; the others know of theirs."""
        self._marked.pop(entry.id, None)
        is_out = entry.id in self._kept_out
        stored = None if is_out else self._spool.part(entry.id, entry.numbers)
        if stored is None:
            return
        mine = set(entry.numbers)
        recipients = [one for one in stored.recipients if one.number in mine]
        groups = self._groups_of(stored, recipients)
        is_alone = groups.keys() <= {entry.destination}
        if entry.offered_again or not is_alone:  # somebody changed it, or where it goes
            self._place(entry.id)
        elif groups:
            self._put(stored, entry.destination, groups[entry.destination])

    def _groups_of(
        self, stored: Stored, recipients: Sequence[Recipient]
    ) -> dict[Destination, list[_Wait]]:
        groups: dict[Destination, list[_Wait]] = {}
        for r in recipients:
            if r.state in PENDING:
                wait = _Wait(r.number, r.state, r.next_us, _may_be_told(stored, r))
                destination = self._destination(r.address, stored.origin)
                groups.setdefault(destination, []).append(wait)
        return groups

    def _restore(self) -> None:
        if not self._read and not self._read_more():
            self._is_restored = True
            self._found_held.clear()
            self._lanes.forget_remembered()
        end_s = self._clock.monotonic_s() + RESTORED_S
        while self._read:
            group = self._read.popleft()
            self._try_to(self._put_rows, group, self._read_routes, message=group[0].message)
            if self._clock.monotonic_s() >= end_s:
                return

    def _read_more(self) -> bool:
        """Read what was there before, or a part of it; return whether there was any."""
        if self._restored_rows > SETTLED_ROWS_MIN:
            _settle_memory()
        rows = self._spool.pending(after=self._restored_up_to, limit=RESTORED_ROWS)
        self._read.extend(list(group) for _, group in groupby(rows, key=itemgetter(0)))
        self._read_routes.clear()
        if rows:
            self._restored_up_to = rows[-1].message
        self._restored_rows += len(rows)
        return bool(rows)

    def _put_rows(self, rows: Sequence[PendingRow], routes: dict[str, Destination]) -> None:
        first = rows[0]
        if first.message in self._kept_out:
            return
        origin = Origin(first.origin)
        message = _Message(first.message, origin, first.size, first.age_us)
        groups: dict[Destination, list[_Wait]] = {}
        for row in rows:
            wait = _Wait(row.number, State(row.state), row.next_us, bool(row.may_be_told))
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
        message: _Message | Stored,
        destination: Destination,
        group: Sequence[_Wait],
    ) -> bool:
        """Put a message into one of its lanes; return whether all of it there is held."""
        now_s, now_us = self._clock.monotonic_s(), self._clock.now_us()
        times_us = [wait.next_us for wait in group]
        next_us = min(times_us)
        # Bounded, since the wall clock may have jumped; the monotonic one decides from here on.
        wait_s = min(max((next_us - now_us) / _SECOND_US, 0.0), self.longest_wait_s)
        # A time that the schedule cannot have set must not keep a recipient from the others' turns.
        is_beyond = max(times_us) > now_us + int(self.longest_wait_s * _SECOND_US)
        states = {wait.state for wait in group}
        is_held = states == _HELD
        entry = QueueEntry(
            id=message.id,
            destination=destination,
            body_bytes=message.size,
            born_s=self._started_s + (message.age_us - self._started_age_us) / _SECOND_US,
            until_us=EVERY_TRY_US if is_beyond else next_us,
            numbers=_numbers_of(group),
            may_be_told=message.origin is not Origin.BOUNCE
            and True in [wait.may_be_told for wait in group],
        )
        self._lanes.put(
            entry,
            due_s=now_s + wait_s,
            now_s=now_s,
            is_held=is_held,
            was_tried=not states.isdisjoint(_TRIED),
        )
        return is_held


def _settle_memory() -> None:
    """Let no garbage collection look at what was restored: of a million it takes a second.

    A part at a time: a hundred thousand of them, not yet looked at, are a tenth of a second. Who
    has a turn meanwhile stays too, and is freed as it is let go of, unless it refers to itself.
    """
    gc.collect(0)
    gc.freeze()


def _numbers_of(group: Sequence[_Wait]) -> tuple[int, ...]:
    if len(group) == 1 and group[0].number < len(_ALONE):
        return _ALONE[group[0].number]
    return tuple([wait.number for wait in group])


def _may_be_told(stored: Stored, recipient: Recipient) -> bool:
    """Say whether nothing that stands in the spool is against a notice of delay.

    What the notice itself looks at, when it is due, has the last word.
    """
    if recipient.told_us or not stored.envelope.sender:
        return False
    return not recipient.dsn.notify or Notify.DELAY in recipient.dsn.notify
