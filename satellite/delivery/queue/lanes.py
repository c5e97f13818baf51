"""How do destinations take turns in the delivery queue, and which are on hold?

Pure: the time comes in as an argument. Each destination has a lane; lanes take turns, so that one
customer's backlog holds up nobody else. Of a message only what orders it is kept here: it is read
from the spool when its turn comes.

Theory of operation. A destination has a lane for as long as it has entries; which of them is next
is the lane's to say (``lane.py``). Of its lanes this file knows

- the row, ``_turns``: each lane that may have something to take stands in it once (``in_turn``);
- the alarms: of a lane that has nothing to take now, when it may have something (``alarm_s``).

Who moves a lane: whatever may give it something to take (``put``, ``settling``, ``done``,
``hurry``, ``flush``, ``review``, ``succeeded``, ``away``, ``returned``, ``hint``) puts it at the
end of the row. ``take`` asks the first of the row; one that gives a message goes to the end, one
that does not leaves the row and sets its alarm, which puts it there again. An alarm that comes too
early finds nothing and sets the next one. ``take`` gives None once each lane was asked: then there
is nothing to do until ``next_due_s``, the end of a turn or another event.

A message goes ``put``, ``take``, perhaps ``settling``, ``done``. If it comes back, it counts until
it is read anew: then ``forget`` drops it, and what is left of it is put again as a new entry.

A destination is on hold from ``away`` to ``returned``, or until it has no mail any more. The holds
of the last run (``remember``) each become that of a lane with its first message, and
``forget_remembered`` drops the others once all was placed. ``take_marks`` has what began, changed
its reason or ended since it was asked last.

After each step: a lane that could give a message stands in the row, or its alarm is due; a message
is in the lane of each of its destinations once; a lane without entries is gone before another
message is taken, its hold with it, and at most its narrow pace is remembered.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import count

from common.ids import MessageId
from satellite.delivery.decisions.hold import Hold
from satellite.delivery.decisions.routing import Destination
from satellite.delivery.decisions.terms import Terms
from satellite.delivery.queue.entries import QueueEntry
from satellite.delivery.queue.lane import Lane
from satellite.delivery.queue.pace import Pace

NARROW_MAX = 1000  # destinations without mail whose narrow pace is remembered
REACHED_MAX = 500  # destinations that are told of between two reports


@dataclass(frozen=True, slots=True)
class Held:
    """One destination on hold and what waits for it."""

    destination: Destination
    customer: str
    hold: Hold
    messages: int
    bytes: int
    oldest: QueueEntry
    hold_s: float


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
        self._turns: deque[Lane] = deque()
        self._alarms: list[tuple[float, int, Lane]] = []
        self._serials = count(1)
        self._emptied: set[Destination] = set()  # lanes that may have nothing left
        self._narrow: dict[Destination, Pace] = {}
        self._remembered: dict[str, Hold] = {}
        self._marks: dict[str, Hold | None] = {}
        self._reached: dict[str, None] = {}

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
        self._enter_turn(lane)

    def take(self, *, now_s: float, idle_only: bool = False) -> QueueEntry | None:
        """Return the next message whose turn it is, or None; give it back with ``done``.

        Args:
            now_s: monotonic time.
            idle_only: pass over destinations that have a turn already.
        """
        self._forget_empty()
        self._wake(now_s)
        for _ in range(len(self._turns)):
            lane = self._turns.popleft()
            if idle_only and lane.active:
                self._turns.append(lane)
                continue
            lane.in_turn = False
            entry = lane.next(now_s)
            if entry is not None:
                self._enter_turn(lane)
                return entry
            self._set_alarm(lane)
        return None

    def settling(self, entry: QueueEntry) -> bool:
        """Give a taken message's place with the server to the next one; it is still taken."""
        lane = self._lanes[entry.destination]
        if not lane.settling(entry):
            return False
        self._enter_turn(lane)
        return True

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
        self._enter_turn(lane)
        if not lane.entries:
            self._emptied.add(entry.destination)
        return comes_back

    def forget(self, entry: QueueEntry) -> None:
        """Drop a message whose turn is over, since it is read anew now."""
        lane = self._lanes.get(entry.destination)
        if lane is not None:
            lane.forget(entry)
            if not lane.entries:
                self._emptied.add(entry.destination)

    def withdraw(self, message: MessageId) -> None:
        """Forget a message wherever it waits."""
        for destination, lane in self._lanes.items():
            if lane.withdraw(message) and not lane.entries:
                self._emptied.add(destination)

    def hurry(self, message: MessageId) -> bool:
        """Make one message due wherever it waits; False when it waits nowhere."""
        found = [lane for lane in self._lanes.values() if lane.hurry(message)]
        for lane in found:
            self._enter_turn(lane)
        return bool(found)

    def flush(self, name: str = "") -> None:
        """Make everything due for the destinations of a name, or for all, and probe at once."""
        for lane in self._named(name):
            lane.flush()
            self._enter_turn(lane)

    def review(self) -> None:
        """Go on under new preferences."""
        for lane in self._lanes.values():
            terms = self._terms(lane.destination)
            if terms != lane.terms:
                lane.review(terms)
                self._enter_turn(lane)

    def is_free(self, destination: Destination) -> bool:
        """Say whether a message for a destination would have its turn at once."""
        lane = self._lanes.get(destination)
        if lane is None:
            return destination.mark not in self._remembered
        return lane.takes_at_once()

    def next_due_s(self) -> float | None:
        """Return the monotonic time at which there may be something to take, or None."""
        while self._alarms and self._alarms[0][2].alarm_s != self._alarms[0][0]:
            heapq.heappop(self._alarms)
        return self._alarms[0][0] if self._alarms else None

    def __len__(self) -> int:
        return sum(len(lane.entries) for lane in self._lanes.values())

    # ---- how servers answer

    def succeeded(self, entry: QueueEntry) -> None:
        """Take note that a server took part in a turn's transaction to its end."""
        lane = self._lanes[entry.destination]
        lane.pace.succeeded()
        if len(self._reached) < REACHED_MAX:
            self._reached[entry.destination.name] = None
        self._enter_turn(lane)

    def pushed_back(self, entry: QueueEntry) -> None:
        """Take note that a server wants fewer connections than it had when a turn began."""
        self._lanes[entry.destination].pace.pushed_back(entry.round)

    def away(self, destination: Destination, hold: Hold, *, next_probe_s: float) -> None:
        """Put a destination on hold, or go on holding it, and probe at a monotonic time."""
        lane = self._lanes[destination]
        before = lane.hold
        lane.away(hold, next_probe_s=next_probe_s)
        if before is None or before.reason != hold.reason:
            self._marks[destination.mark] = lane.hold
        self._enter_turn(lane)

    def returned(self, destination: Destination) -> None:
        """A host answers again: everything parked is due."""
        lane = self._lanes.get(destination)
        if lane is None or lane.hold is None:
            return
        lane.returned()
        self._marks[destination.mark] = None
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

    def held(self) -> Iterator[Held]:
        """Return the destinations that are away and have mail."""
        for lane in self._lanes.values():
            oldest = lane.oldest()
            if lane.hold is None or oldest is None:
                continue
            yield Held(
                destination=lane.destination,
                customer=lane.terms.customer,
                hold=lane.hold,
                messages=len(lane.entries),
                bytes=lane.bytes,
                oldest=oldest,
                hold_s=lane.terms.hold_s,
            )

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
            self._lanes[destination] = lane
            if self._remembered:
                hold = self._remembered.pop(destination.mark, None)
                if hold is not None:
                    lane.away(hold, next_probe_s=0.0)
        return lane

    def _named(self, name: str) -> Iterator[Lane]:
        for destination, lane in self._lanes.items():
            if name in ("", destination.name):
                yield lane

    def _enter_turn(self, lane: Lane) -> None:
        if not lane.in_turn:
            lane.in_turn = True
            self._turns.append(lane)

    def _wake(self, now_s: float) -> None:
        while self._alarms and self._alarms[0][0] <= now_s:
            due_s, _, lane = heapq.heappop(self._alarms)
            if lane.alarm_s == due_s:
                lane.alarm_s = None
                self._enter_turn(lane)

    def _set_alarm(self, lane: Lane) -> None:
        due_s = lane.next_due_s()
        if due_s is None or (lane.alarm_s is not None and lane.alarm_s <= due_s):
            return  # an early alarm finds nothing to do, and sets the next one
        lane.alarm_s = due_s
        heapq.heappush(self._alarms, (due_s, next(self._serials), lane))

    def _forget_empty(self) -> None:
        """Drop lanes that have had nothing since the last turn; their hold goes with them."""
        for destination in self._emptied:
            lane = self._lanes.get(destination)
            if lane is None or lane.entries:
                continue
            del self._lanes[destination]
            lane.alarm_s = None
            if lane.hold is not None:
                self._marks[destination.mark] = None
            if lane.pace.is_narrow:
                if len(self._narrow) >= NARROW_MAX:
                    del self._narrow[next(iter(self._narrow))]
                self._narrow[destination] = lane.pace
        self._emptied.clear()
