"""Which message is next, and for which destination?

Pure: the time comes in as an argument. Each destination has a lane with its own limit of
transactions at once; lanes take turns, so that one customer's backlog holds up nobody else. Of a
message only what orders it is kept here: it is read from the spool when its turn comes.

A lane whose destination is away (``hold``) gives out one parked message at a time, the probe, and
those that are not on hold yet, so that the spool learns of it.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum, auto
from itertools import count

from common.ids import MessageId
from satellite.delivery.hold import Hold
from satellite.delivery.routing import Destination

NARROW_S = 60.0  # then a destination that took no more connections is asked for more again
EVERY_TRY_US = 1 << 62  # recipients take part whatever their next try says


class Place(Enum):
    """Where an entry is in its lane."""

    WAITING = auto()  # for its time
    READY = auto()
    ACTIVE = auto()  # taken
    PARKED = auto()  # its destination is away


@dataclass(slots=True)
class Entry:
    """One message in the lane of one destination."""

    id: MessageId
    destination: Destination
    customer: str
    body_bytes: int
    received_us: int
    expires_age_us: int  # the spool's age beyond which it has expired
    until_us: int  # recipients whose next try is not later than this take part
    place: Place = Place.WAITING
    stamp: int = 0  # of the heap item that counts; older ones are leftovers
    is_probe: bool = False
    offered_again: bool = False  # somebody changed it while it was taken


@dataclass(slots=True)
class _Lane:
    entries: dict[MessageId, Entry] = field(default_factory=dict)
    ready: deque[MessageId] = field(default_factory=deque)
    parked: dict[MessageId, None] = field(default_factory=dict)  # the next probe first
    active: int = 0
    active_max: int = 0  # fewer than configured, until `narrow_until_s`; 0: as configured
    narrow_until_s: float = 0.0
    hold: Hold | None = None
    probe_stamp: int = 0  # of the tick that counts; 0: none is planned
    probe_is_due: bool = False
    is_probing: bool = False
    in_turn: bool = False


@dataclass(frozen=True, slots=True)
class Held:
    """One destination on hold and what is parked for it."""

    destination: Destination
    hold: Hold
    entries: tuple[Entry, ...]


class Lanes:
    """All destinations that have something to do.

    Args:
        active_max: transactions at once for one destination.
    """

    def __init__(self, *, active_max: int) -> None:
        self._active_max = active_max
        self._lanes: dict[Destination, _Lane] = {}
        self._turns: deque[Destination] = deque()
        # (due, stamp, destination, message); no message: the lane's probe
        self._heap: list[tuple[float, int, Destination, MessageId | None]] = []
        self._stamps = count(1)
        self._now_s = 0.0  # of the last turn
        self._emptied: set[Destination] = set()  # lanes that may have nothing left

    def put(self, entry: Entry, *, due_s: float, is_held: bool) -> None:
        """Take in a message, or change when it is due; harmless while it is taken.

        Args:
            entry: the message.
            due_s: monotonic time.
            is_held: all its recipients here are on hold already.
        """
        lane = self._lanes.setdefault(entry.destination, _Lane())
        known = lane.entries.get(entry.id)
        if known is not None and known.place is Place.ACTIVE:
            known.offered_again = True
            return
        if known is not None and known.place is Place.READY:
            return  # no time is nearer
        lane.parked.pop(entry.id, None)
        lane.entries[entry.id] = entry
        if is_held and lane.hold is not None:
            self._park(lane, entry)
        else:
            entry.place = Place.WAITING
            entry.stamp = next(self._stamps)
            heapq.heappush(self._heap, (due_s, entry.stamp, entry.destination, entry.id))

    def take(self, *, now_s: float) -> Entry | None:
        """Return the next message whose turn it is, or None; give it back with ``done``."""
        self._now_s = now_s
        self._forget_empty()
        self._wake(now_s)
        while self._turns:
            destination = self._turns.popleft()
            lane = self._lanes[destination]
            lane.in_turn = False
            entry = self._next(lane)
            if entry is not None:
                entry.place = Place.ACTIVE
                lane.active += 1
                self._enter_turn(destination, lane)
                return entry
        return None

    def done(self, entry: Entry) -> bool:
        """Forget a taken message; return whether it was offered again meanwhile."""
        lane = self._lanes[entry.destination]
        del lane.entries[entry.id]
        lane.active -= 1
        if entry.is_probe:
            lane.is_probing = False
            # A probe that ended without asking the host must not have been the last one.
            lane.probe_is_due = lane.hold is not None and not lane.probe_stamp
        self._enter_turn(entry.destination, lane)
        if not lane.entries:
            self._emptied.add(entry.destination)
        return entry.offered_again

    def narrow(self, destination: Destination) -> None:
        """Have fewer transactions at once for a destination that takes no more connections."""
        lane = self._lanes[destination]
        lane.active_max = max(1, lane.active - 1)
        lane.narrow_until_s = self._now_s + NARROW_S

    def away(self, destination: Destination, hold: Hold, *, next_probe_s: float) -> None:
        """Put a destination on hold, or go on holding it, and probe at a monotonic time."""
        lane = self._lanes[destination]
        since_us = lane.hold.since_us if lane.hold is not None else hold.since_us
        lane.hold = Hold(since_us, hold.reason)
        lane.probe_is_due = False
        lane.probe_stamp = next(self._stamps)
        heapq.heappush(self._heap, (next_probe_s, lane.probe_stamp, destination, None))

    def returned(self, destination: Destination) -> None:
        """A host answers again: everything parked is due at once."""
        lane = self._lanes.get(destination)
        if lane is None or lane.hold is None:
            return
        lane.hold = None
        lane.probe_is_due = False
        for message in list(lane.parked):
            self._ready(lane, lane.entries[message])
        self._enter_turn(destination, lane)

    def hold_of(self, destination: Destination) -> Hold | None:
        """Return the hold of a destination, or None while it is not away."""
        lane = self._lanes.get(destination)
        return lane.hold if lane is not None else None

    def is_free(self, destination: Destination) -> bool:
        """Say whether a message for a destination would have its turn at once."""
        lane = self._lanes.get(destination)
        if lane is None:
            return True
        return lane.hold is None and lane.active + len(lane.ready) < self._limit(lane)

    def expire(self, destination: Destination, *, age_us: int) -> None:
        """Give out the parked messages of a destination whose days are over."""
        lane = self._lanes.get(destination)
        if lane is None:
            return
        for message in list(lane.parked):
            if lane.entries[message].expires_age_us < age_us:
                self._ready(lane, lane.entries[message])
        self._enter_turn(destination, lane)

    def flush(self, name: str = "") -> None:
        """Make everything due for the destinations of a name, or for all, and probe at once."""
        for destination, lane in self._lanes.items():
            if name not in ("", destination.name):
                continue
            for entry in lane.entries.values():
                if entry.place is Place.WAITING:
                    self._ready(lane, entry)
            lane.probe_is_due = lane.hold is not None and not lane.is_probing
            self._enter_turn(destination, lane)

    def next_due_s(self) -> float | None:
        """Return the monotonic time at which there may be something to take, or None."""
        while self._heap and not self._counts(*self._heap[0]):
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def held(self) -> Iterator[Held]:
        """Return the destinations that are away and have mail."""
        for destination, lane in self._lanes.items():
            if lane.hold is not None and lane.entries:
                yield Held(destination, lane.hold, tuple(lane.entries.values()))

    def __len__(self) -> int:
        return sum(len(lane.entries) for lane in self._lanes.values())

    def _wake(self, now_s: float) -> None:
        while self._heap and self._heap[0][0] <= now_s:
            item = heapq.heappop(self._heap)
            if not self._counts(*item):
                continue
            _, _, destination, message = item
            lane = self._lanes[destination]
            if message is None:
                lane.probe_is_due = True
                lane.probe_stamp = 0
            else:
                self._ready(lane, lane.entries[message], every_try=False)
            self._enter_turn(destination, lane)

    def _counts(
        self, _due_s: float, stamp: int, destination: Destination, message: MessageId | None
    ) -> bool:
        lane = self._lanes.get(destination)
        if lane is None:
            return False
        if message is None:
            return lane.hold is not None and lane.probe_stamp == stamp
        entry = lane.entries.get(message)
        return entry is not None and entry.place is Place.WAITING and entry.stamp == stamp

    def _next(self, lane: _Lane) -> Entry | None:
        if lane.hold is not None and lane.probe_is_due and not lane.is_probing:
            message = next(iter(lane.parked), None)
            if message is not None:
                lane.probe_is_due, lane.probe_stamp = False, 0
                lane.is_probing = True
                del lane.parked[message]
                entry = lane.entries[message]
                entry.is_probe = True
                entry.until_us = EVERY_TRY_US
                return entry
        if lane.active >= self._limit(lane) or not lane.ready:
            return None
        return lane.entries[lane.ready.popleft()]

    def _limit(self, lane: _Lane) -> int:
        if lane.active_max and self._now_s < lane.narrow_until_s:
            return lane.active_max
        return self._active_max

    def _ready(self, lane: _Lane, entry: Entry, *, every_try: bool = True) -> None:
        lane.parked.pop(entry.id, None)
        entry.place = Place.READY
        if every_try:
            entry.until_us = EVERY_TRY_US
        lane.ready.append(entry.id)

    def _park(self, lane: _Lane, entry: Entry) -> None:
        entry.place = Place.PARKED
        lane.parked[entry.id] = None

    def _enter_turn(self, destination: Destination, lane: _Lane) -> None:
        has_probe = lane.probe_is_due and not lane.is_probing and bool(lane.parked)
        has_room = bool(lane.ready) and lane.active < self._limit(lane)
        if (has_probe or has_room) and not lane.in_turn:
            lane.in_turn = True
            self._turns.append(destination)

    def _forget_empty(self) -> None:
        """Drop lanes that have had nothing since the last turn; their hold goes with them."""
        for destination in self._emptied:
            lane = self._lanes.get(destination)
            if lane is not None and not lane.entries and not lane.in_turn:
                del self._lanes[destination]
        self._emptied.clear()
