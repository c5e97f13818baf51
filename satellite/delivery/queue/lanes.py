"""How do destinations take turns in the delivery queue, and which are on hold?

Pure: the time comes in as an argument. Each destination has a lane; lanes take turns, so that one
customer's backlog holds up nobody else. Of a message only what orders it is kept here: it is read
from the spool when its turn comes.

Theory of operation. A destination has a lane for as long as it has entries; which of them is next
is the lane's to say (``lane.py``), and which lane is next the rows' (``rows.py``). Whatever may
give a lane something to take, or something else than before, puts it into the rows anew. A lane
that turns out to have nothing sets its alarm (``alarm_s``), which puts it there again; one that
comes too early finds nothing and sets the next one. ``take`` gives None once there is nothing to do
until ``next_due_s``, the end of a turn or another event.

A message goes ``put``, ``take``, perhaps ``settling``, ``done``. If it comes back, it counts until
it is read anew: then ``forget`` drops it, and what is left of it is put again as a new entry.

A destination is on hold from ``away`` to ``returned``, or until it has no mail any more. The holds
of the last run (``remember``) each become that of a lane with its first message, and
``forget_remembered`` drops the others once all was placed. ``take_marks`` has what began, changed
its reason or ended since it was asked last.

After each step: a lane that could give a message stands in a row, or its alarm is due; a message
is in the lane of each of its destinations once; a lane without entries is gone before another
message is taken, its hold with it, and at most its narrow pace is remembered.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import partial
from itertools import count

from common.ids import MessageId
from satellite.delivery.decisions.hold import Hold
from satellite.delivery.decisions.routing import Destination, Via
from satellite.delivery.decisions.terms import Terms
from satellite.delivery.queue.answering import Answering
from satellite.delivery.queue.entries import STALE_MIN, Place, QueueEntry
from satellite.delivery.queue.held import LanesOnHold
from satellite.delivery.queue.lane import Lane
from satellite.delivery.queue.pace import Pace
from satellite.delivery.queue.places import Places
from satellite.delivery.queue.rows import LaneRows
from satellite.delivery.queue.sweep import Sweep

NARROW_MAX = 1000  # destinations without mail whose narrow pace is remembered
WOKEN_MAX = 100  # alarms for one message
REACHED_MAX = 500  # destinations that are told of between two reports


class Lanes:
    """All destinations that have something to do.

    Args:
        most: turns at once for one destination.
        terms: gives what the preferences say of a destination now.
    """

    def __init__(self, *, most: int, terms: Callable[[Destination], Terms]) -> None:
        self._most = most
        self._terms = terms
        self._lanes: dict[Destination, Lane] = {}
        self.rows = LaneRows()
        self.answering = Answering()
        self.on_hold = LanesOnHold()
        self.is_behind = False  # not all that is due was looked at when a message was taken last
        self._alarms: list[tuple[float, int, Lane]] = []
        self._serials = count(1)
        self._emptied: set[Destination] = set()  # lanes that may have nothing left
        self._narrow: dict[Destination, Pace] = {}
        self._remembered: dict[str, Hold] = {}
        self._marks: dict[str, Hold | None] = {}
        self._reached: dict[str, None] = {}
        self._sweep = Sweep(self._lanes, terms, changed=partial(self._enter_turn, may_wait=True))

    # ---- messages

    def put(
        self,
        entry: QueueEntry,
        *,
        due_s: float,
        now_s: float,
        is_held: bool = False,
        was_tried: bool = False,
    ) -> None:
        """Take in a message, or change when it is due; harmless while it is taken.

        Args:
            entry: the message, not put before.
            due_s: monotonic time.
            now_s: monotonic time.
            is_held: all its recipients here are held in the spool.
            was_tried: some of them are held or deferred.
        """
        lane = self._lane(entry.destination)
        lane.put(entry, due_s=due_s, now_s=now_s, is_held=is_held, was_tried=was_tried)
        self._enter_turn(lane, may_wait=was_tried)

    def take(self, *, now_s: float, places: Places | None = None) -> QueueEntry | None:
        """Return the next message whose turn it is, or None; give it back with ``done``.

        Very many destinations are looked at a part at a time: None is final unless ``is_behind``.

        Args:
            now_s: monotonic time.
            places: of those that there are the turn takes one; None: there are enough.
        """
        self._forget_empty()
        is_late = self._wake(now_s)
        idle: list[Lane] = []
        taken = self.rows.take(places, now_s, idle)
        self.is_behind = is_late or self.rows.is_behind
        for lane in idle:
            self._set_alarm(lane)
        if taken is None:
            return None
        if places is not None:
            customer = taken.lane.terms.customer
            places.begin(taken.entry, taken.kind, customer=customer, now_s=now_s)
        return taken.entry

    def settling(self, entry: QueueEntry) -> bool:
        """Give up the place with the server of one still taken; return if another may want it."""
        lane = self._lanes[entry.destination]
        if not lane.settling(entry):
            return False
        self._enter_turn(lane)
        return True

    def hangs(self, entry: QueueEntry) -> None:
        """Let others go by while a taken message's server takes long."""
        lane = self._lanes[entry.destination]
        if lane.hangs(entry):
            self._enter_turn(lane)

    def done(self, entry: QueueEntry, *, is_unfinished: bool = False) -> bool:
        """End a taken message's turn; return whether it is to be read and put again.

        Then it counts, for whoever asks what is held, until ``forget`` or until it is put. So a
        hold with one message is there while that one has been probed with.

        Args:
            entry: from ``take``.
            is_unfinished: some of its recipients here have not ended.
        """
        lane = self._lanes[entry.destination]
        comes_back = is_unfinished or entry.offered_again
        lane.done(entry, comes_back=comes_back)
        if lane.entries:
            self._enter_turn(lane)
        else:
            self._emptied.add(entry.destination)
        return comes_back

    def forget(self, entry: QueueEntry) -> None:
        """Drop a message whose turn is over, since it is read anew now."""
        lane = self._lanes.get(entry.destination)
        if lane is not None:
            lane.forget(entry)
            if not lane.entries:
                self._emptied.add(entry.destination)

    def withdraw(self, message: MessageId, ways: Collection[Destination]) -> None:
        """Forget a message wherever it waits; ``ways`` are the destinations that it can have."""
        for destination in ways:
            lane = self._lanes.get(destination)
            if lane is not None and lane.withdraw(message) and not lane.entries:
                self._emptied.add(destination)

    def hurry(self, message: MessageId, ways: Collection[Destination]) -> bool:
        """Make one message due wherever it waits, as ``withdraw``; False if it waits nowhere."""
        lanes = [self._lanes[destination] for destination in ways if destination in self._lanes]
        found = [lane for lane in lanes if lane.hurry(message)]
        for lane in found:
            self._enter_turn(lane)
        return bool(found)

    def flush(self, name: str = "") -> None:
        """Make everything due for the destinations of a name, or for all, and probe at once.

        As ``sweep_some`` is called: there may be a million messages.
        """
        self._sweep.flush(lane.destination for lane in self._named(name))

    def review(self) -> None:
        """Go on under the preferences as they are now, as ``sweep_some`` is called."""
        self._sweep.review(self._lanes)

    def sweep_some(self) -> bool:
        """Do a part of what was asked of very many messages; return whether there is more."""
        return self._sweep.some()

    def is_free(self, destination: Destination, *, promised: int = 0) -> bool:
        """Say whether a message for a destination would have its turn at once.

        Args:
            destination: where to.
            promised: messages on their way here of which that was said before.
        """
        lane = self._lanes.get(destination)
        if lane is None:
            return destination.mark not in self._remembered and promised < self._most
        return lane.takes_at_once(promised)

    def has_turn(self, destination: Destination, message: MessageId) -> bool:
        """Say whether a message's turn with a destination has begun and is not over."""
        lane = self._lanes.get(destination)
        entry = lane.entries.get(message) if lane is not None else None
        return entry is not None and entry.place is Place.ACTIVE

    def next_due_s(self) -> float | None:
        """Return the monotonic time at which there may be something to take, or None."""
        while self._alarms and self._alarms[0][2].alarm_s != self._alarms[0][0]:
            heapq.heappop(self._alarms)
        return self._alarms[0][0] if self._alarms else None

    def __len__(self) -> int:
        return sum(len(lane.entries) for lane in self._lanes.values())

    # ---- how servers answer

    def answered(self, destination: Destination) -> None:
        """Take note that a server has greeted in time: its mail has the places of those who do."""
        lane = self._lanes.get(destination)
        if lane is not None and not lane.answers:
            lane.answers = True
            self.answering.add(destination)
            self._enter_turn(lane)

    def is_slow(self, entry: QueueEntry) -> None:
        """Take note that a taken message's server has not greeted in time.

        Where there is another host, others do not wait for what becomes of it.
        """
        lane = self._lanes[entry.destination]
        self._no_longer_answers(lane)
        if len(lane.terms.targets) > 1:
            lane.hangs(entry)
        self._enter_turn(lane)

    def succeeded(self, entry: QueueEntry) -> None:
        """Take note that a server took part in a turn's transaction to its end."""
        lane = self._lanes[entry.destination]
        if lane.pace.succeeded():
            self._enter_turn(lane)
        if len(self._reached) < REACHED_MAX:
            self._reached[entry.destination.name] = None

    def pushed_back(self, entry: QueueEntry) -> None:
        """Take note that a server wants fewer connections than it had when a turn began."""
        self._lanes[entry.destination].pace.pushed_back(entry.round)

    def away(self, destination: Destination, hold: Hold, *, next_probe_s: float) -> None:
        """Put a destination on hold, or go on holding it, and probe at a monotonic time."""
        lane = self._lanes[destination]
        before = lane.hold
        self._no_longer_answers(lane)
        lane.away(hold, next_probe_s=next_probe_s)
        if before is None:
            self.on_hold.add(lane)
        if before is None or before.reason != hold.reason:
            self._marks[destination.mark] = lane.hold
        self._enter_turn(lane)

    def returned(self, destination: Destination) -> None:
        """A host answers again: everything parked is due."""
        lane = self._lanes.get(destination)
        if lane is None or lane.hold is None:
            return
        lane.returned()
        self.on_hold.remove(lane)
        self._marks[destination.mark] = None
        self._enter_turn(lane)

    def greets_again(self, destination: Destination) -> None:
        """Probe a destination now, if it is away: one of its hosts has answered somebody."""
        lane = self._lanes.get(destination)
        if lane is not None:
            lane.ask_now()
            self._enter_turn(lane)

    def hint(self, name: str, *, now_s: float) -> None:
        """Probe the destinations of a name now, if they are away: somebody has reached them."""
        for lane in self._named(name):
            lane.hint(now_s)
            self._enter_turn(lane)

    def take_reached(self) -> tuple[str, ...]:
        """Return the names of destinations with a success since the last call."""
        reached = tuple(self._reached)
        self._reached.clear()
        return reached

    # ---- holds

    def hold_of(self, destination: Destination) -> Hold | None:
        """Return the hold of a destination, or None while it is not away."""
        lane = self._lanes.get(destination)
        return lane.hold if lane is not None else None

    def next_probe_s(self, destination: Destination) -> float | None:
        """Return when a destination is asked next whether it is back; None: it is not planned."""
        lane = self._lanes.get(destination)
        return lane.next_probe_s() if lane is not None else None

    def remember(self, holds: Mapping[str, Hold]) -> None:
        """Begin with holds from before a restart, by mark: each is probed once, not stormed."""
        self._remembered = dict(holds)

    def forget_remembered(self) -> None:
        """Drop the holds from before a restart for which there turned out to be no mail."""
        for mark in self._remembered:
            self._marks[mark] = None
        self._remembered.clear()

    def take_marks(self) -> dict[str, Hold | None]:
        """Return the holds that began, changed or ended (None) since the last call, by mark."""
        marks, self._marks = self._marks, {}
        return marks

    # ---- inside

    def _lane(self, destination: Destination) -> Lane:
        lane = self._lanes.get(destination)
        if lane is None:
            pace = self._narrow.pop(destination, None) or Pace(most=self._most)
            lane = Lane(destination, self._terms(destination), most=self._most, pace=pace)
            lane.answers = destination in self.answering
            self._lanes[destination] = lane
            if self._remembered:
                hold = self._remembered.pop(destination.mark, None)
                if hold is not None:
                    lane.away(hold, next_probe_s=0.0)
                    self.on_hold.add(lane)
        return lane

    def _named(self, name: str) -> Iterator[Lane]:
        if not name:
            yield from self._lanes.values()
            return
        for via in Via:
            lane = self._lanes.get(Destination(via, name))
            if lane is not None:
                yield lane

    def _enter_turn(self, lane: Lane, *, may_wait: bool = False) -> None:
        # On hold there are probes at most, and very many may be due.
        self.rows.enter(lane, may_wait=may_wait or lane.hold is not None)

    def _no_longer_answers(self, lane: Lane) -> None:
        lane.answers = False
        self.answering.discard(lane.destination)

    def _wake(self, now_s: float) -> bool:
        """Let alarms ring that are due; return whether there may be more of them."""
        for _ in range(WOKEN_MAX):
            if not self._alarms or self._alarms[0][0] > now_s:
                return False
            due_s, _, lane = heapq.heappop(self._alarms)
            if lane.alarm_s == due_s:
                lane.alarm_s = None
                self._enter_turn(lane, may_wait=True)
        return True

    def _set_alarm(self, lane: Lane) -> None:
        due_s = lane.next_due_s()
        if due_s is None or (lane.alarm_s is not None and lane.alarm_s <= due_s):
            return  # an early alarm finds nothing to do, and sets the next one
        lane.alarm_s = due_s
        heapq.heappush(self._alarms, (due_s, next(self._serials), lane))
        if len(self._alarms) > 2 * len(self._lanes) + STALE_MIN:  # a lane has one that counts
            self._alarms = [alarm for alarm in self._alarms if alarm[2].alarm_s == alarm[0]]
            heapq.heapify(self._alarms)

    def _forget_empty(self) -> None:
        """Drop lanes that have had nothing since the last turn; their hold goes with them."""
        for destination in self._emptied:
            lane = self._lanes.get(destination)
            if lane is None or lane.entries:
                continue
            del self._lanes[destination]
            lane.alarm_s = None
            self.rows.forget(lane)
            if lane.hold is not None:
                self.on_hold.remove(lane)
                self._marks[destination.mark] = None
            if lane.pace.is_narrow:
                if len(self._narrow) >= NARROW_MAX:
                    del self._narrow[next(iter(self._narrow))]
                self._narrow[destination] = lane.pace
        self._emptied.clear()
