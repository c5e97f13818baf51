"""How many turns may there be at once, and for whom are places kept free?

Pure: monotonic times come in as arguments. A turn has a place from its beginning to its end. There
are kinds of places, so that those who wait for a server that may never answer take no place from
those whose servers do: probes, our own DSNs, destinations that did not answer last, destinations
that did. A turn changes its kind as it goes on: it is ASKING again when the greeting takes long, it
is ANSWERING once it came, and HANGING when a transaction takes long.

The last part of each kind is for destinations that have no turn, of customers that have few.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from satellite.delivery.decisions.hold import ASKED_S_MIN
from satellite.delivery.queue.entries import QueueEntry

OPENING_S = 1.0  # a server that answers has greeted by then
TALKING_S = 5.0  # and taken a message by then
SHARED_SHARE = 0.8  # of the places of a kind; what is beyond is for who has none
CUT_MAX = 25  # turns that make room in one step of the loop
CUSTOMER_SHARE = 0.25  # likewise; who has more has no first right to another place


class PlaceKind(StrEnum):
    """What places are for. Strings, whose hash is quick: each turn looks here some twenty times."""

    SPOOL = "spool"  # turns that ask no server
    PROBE = "probe"  # to find out whether a customer's server is back
    STRANGER_PROBE = "stranger_probe"  # likewise that of a stranger, who is to have a DSN
    STRANGER = "stranger"  # our own DSNs
    ASKING = "asking"  # deliveries to those who did not answer last, or in time
    ANSWERING = "answering"  # deliveries to those who did
    HANGING = "hanging"  # transactions that take long; nothing begins here


# For memory and descriptors: each has a connection. 900 probes find out about 10 000 servers within
# 45 s when each is given two seconds, though a turn takes a second more on a busy machine.
MOST = {
    PlaceKind.SPOOL: 100,
    PlaceKind.PROBE: 900,
    PlaceKind.STRANGER_PROBE: 60,
    PlaceKind.STRANGER: 60,
    PlaceKind.ASKING: 200,
    PlaceKind.ANSWERING: 400,
    PlaceKind.HANGING: 200,
}
# Who waits for a place gets that of a turn that asks for longest. Those that hang are left alone.
_CUT = (PlaceKind.ASKING, PlaceKind.STRANGER, PlaceKind.PROBE, PlaceKind.STRANGER_PROBE)


@dataclass(slots=True)
class _Holder:
    """One turn that has a place."""

    kind: PlaceKind
    customer: str
    since_s: float  # of what it does now
    waits: bool = False  # for its server: it stands in a row of those who do
    is_leaving: bool = False  # it was told to make room


class Places:
    """The places of one worker.

    Args:
        connections_max: to next hops, for descriptors; the kinds share what there is.
    """

    def __init__(self, connections_max: int = sum(MOST.values())) -> None:
        share = min(1.0, connections_max / sum(MOST.values()))
        self._most = {kind: max(1, int(most * share)) for kind, most in MOST.items()}
        self._shared = {kind: max(1, int(m * SHARED_SHARE)) for kind, m in self._most.items()}
        self._holders: dict[QueueEntry, _Holder] = {}
        self._taken = dict.fromkeys(PlaceKind, 0)
        self._leaving = dict.fromkeys(PlaceKind, 0)
        self._of_customer: dict[PlaceKind, dict[str, int]] = {kind: {} for kind in PlaceKind}
        self._opening: dict[PlaceKind, OrderedDict[QueueEntry, _Holder]] = {
            kind: OrderedDict() for kind in PlaceKind
        }
        self._hopeful: OrderedDict[QueueEntry, _Holder] = OrderedDict()  # opening, for a moment
        self._talking: OrderedDict[QueueEntry, _Holder] = OrderedDict()

    def has_room(self, kind: PlaceKind, *, is_first: bool, promised: int = 0) -> bool:
        """Say whether a turn may take a place of a kind.

        Args:
            kind: which one.
            is_first: its destination has no turn, and its customer few.
            promised: places that are given away already, and not taken yet.
        """
        most = self._most if is_first else self._shared
        return self._taken[kind] + promised < most[kind]

    def is_crowded(self, kind: PlaceKind, customer: str) -> bool:
        """Say whether a customer has its share of the places of a kind.

        Strangers are no customer, and have one share together where what hangs is kept.
        """
        if not customer and kind is not PlaceKind.HANGING:
            return False
        return self._of_customer[kind].get(customer, 0) >= max(
            1, int(self._most[kind] * CUSTOMER_SHARE)
        )

    def most(self, kind: PlaceKind) -> int:
        """Return how many places of a kind there are."""
        return self._most[kind]

    def taken(self, kind: PlaceKind) -> int:
        """Return how many places of a kind are taken."""
        return self._taken[kind]

    def begin(self, entry: QueueEntry, kind: PlaceKind, *, customer: str, now_s: float) -> None:
        """Give a turn its place; ``end`` takes it back."""
        holder = _Holder(kind, customer, now_s)
        self._holders[entry] = holder
        self._count(holder, 1)

    def opens(self, entry: QueueEntry, *, now_s: float) -> None:
        """Take note that a turn begins to open a session."""
        holder = self.heard(entry)
        holder.since_s = now_s
        holder.waits = True
        self._opening[holder.kind][entry] = holder
        if not entry.is_probe:
            self._hopeful[entry] = holder

    def talks(self, entry: QueueEntry, *, now_s: float) -> None:
        """Take note that a turn has its session, and its transaction begins."""
        holder = self._holders[entry]
        if holder.waits:
            self.heard(entry)
        if holder.is_leaving:  # it came just in time
            holder.is_leaving = False
            self._leaving[holder.kind] -= 1
        if holder.kind is PlaceKind.ASKING:
            self._move(holder, PlaceKind.ANSWERING)
        holder.since_s = now_s
        if holder.kind is not PlaceKind.HANGING:
            holder.waits = True
            self._talking[entry] = holder

    def heard(self, entry: QueueEntry) -> _Holder:
        """Take note that a turn waits for its server no more, whatever became of it."""
        holder = self._holders[entry]
        if holder.waits:
            holder.waits = False
            if self._talking.pop(entry, None) is None:  # a session is opened, or talked in
                self._opening[holder.kind].pop(entry, None)
                self._hopeful.pop(entry, None)
        return holder

    def end(self, entry: QueueEntry) -> None:
        """Take a turn's place back."""
        if self._holders[entry].waits:
            self.heard(entry)
        holder = self._holders.pop(entry)
        self._count(holder, -1)
        self._leaving[holder.kind] -= holder.is_leaving

    def slow(self, now_s: float) -> Iterator[QueueEntry]:
        """Yield deliveries whose session is not open in time, once: none of them is ANSWERING."""
        while self._hopeful:
            entry, holder = next(iter(self._hopeful.items()))
            if now_s - holder.since_s < OPENING_S:
                return
            del self._hopeful[entry]
            if holder.kind is PlaceKind.ANSWERING:
                del self._opening[holder.kind][entry]
                self._move(holder, PlaceKind.ASKING)
                self._opening[holder.kind][entry] = holder
            yield entry

    def hanging(self, now_s: float) -> Iterator[QueueEntry]:
        """Yield turns whose transaction takes long, once; move them while there is room."""
        while self._talking:
            entry, holder = next(iter(self._talking.items()))
            if now_s - holder.since_s < TALKING_S:
                return
            del self._talking[entry]
            has_room = self._taken[PlaceKind.HANGING] < self._most[PlaceKind.HANGING]
            if has_room and not self.is_crowded(PlaceKind.HANGING, holder.customer):
                self._move(holder, PlaceKind.HANGING)
            yield entry

    def surplus(self, now_s: float, *, waiting: Callable[[PlaceKind], int]) -> Iterator[QueueEntry]:
        """Yield turns that have to make room for others: those that ask for longest.

        Args:
            now_s: monotonic time.
            waiting: how many destinations wait for a place of a kind.
        """
        for kind in _CUT:
            opening = self._opening[kind]
            if not opening:  # most of the time: sessions are kept
                continue
            for _ in range(min(len(opening), self._wanted(kind, waiting), CUT_MAX)):
                entry, holder = next(iter(opening.items()))
                if now_s - holder.since_s < ASKED_S_MIN:
                    break
                del opening[entry]
                holder.is_leaving = True
                self._leaving[kind] += 1
                yield entry

    def next_s(self, *, waiting: Callable[[PlaceKind], int]) -> float | None:
        """Return when one of ``slow``, ``hanging`` and ``surplus`` yields something, or None."""
        rows = [(self._hopeful, OPENING_S), (self._talking, TALKING_S)]
        for kind in _CUT:
            opening = self._opening[kind]
            if opening and self._wanted(kind, waiting) > 0:
                rows.append((opening, ASKED_S_MIN))
        dues = [next(iter(row.values())).since_s + wait_s for row, wait_s in rows if row]
        return min(dues, default=None)

    def __len__(self) -> int:
        return len(self._holders)

    def _wanted(self, kind: PlaceKind, waiting: Callable[[PlaceKind], int]) -> int:
        """Return how many more places of a kind are wanted than there are."""
        return max(0, self._taken[kind] - self._leaving[kind] + waiting(kind) - self._most[kind])

    def _move(self, holder: _Holder, kind: PlaceKind) -> None:
        self._count(holder, -1)
        holder.kind = kind
        self._count(holder, 1)

    def _count(self, holder: _Holder, change: int) -> None:
        self._taken[holder.kind] += change
        of_customer = self._of_customer[holder.kind]
        count = of_customer.get(holder.customer, 0) + change
        if count:
            of_customer[holder.customer] = count
        else:
            del of_customer[holder.customer]
