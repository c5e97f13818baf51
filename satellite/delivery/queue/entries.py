"""What is kept in memory of a queued message, and which is the oldest?

Pure. A hundred thousand may wait for one destination, so an entry is small, and finding the oldest,
taking it and forgetting one in the middle never look at all of them.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto

from common.ids import MessageId
from satellite.delivery.decisions.routing import Destination

EVERY_TRY_US = 1 << 62  # recipients take part whatever their next try says
STALE_MIN = 64  # below it a heap is not worth tidying


class Place(Enum):
    """Where an entry is in its lane."""

    WAITING = auto()  # for its time
    READY = auto()
    PARKED = auto()  # held in the spool: its destination is away, or was a moment ago
    CALLED = auto()  # something is to be done for it that asks no server
    ACTIVE = auto()  # taken
    LEAVING = auto()  # it had its turn, and is read from the spool anew
    GONE = auto()


class Turn(Enum):
    """What an entry was taken for."""

    DELIVERY = auto()
    PROBE = auto()  # a delivery that finds out whether the destination is back
    WITHOUT_SERVER = auto()  # no server is asked: hold it, tell of the delay, expire it, return it


@dataclass(slots=True, eq=False)
class QueueEntry:
    """One message in the lane of one destination."""

    id: MessageId
    destination: Destination
    body_bytes: int
    # When it was accepted, as the spool's age clock counts, on the scale of this process's
    # monotonic clock: one that came before a restart may be below zero.
    born_s: float
    until_us: int  # recipients whose next try is not later than this take part
    # Those that may be meant, so that nobody reads them all for each of a thousand destinations.
    numbers: tuple[int, ...] = ()
    may_be_told: bool = False  # its sender may have to be told of a delay
    place: Place = Place.WAITING
    turn: Turn = Turn.DELIVERY
    round: int = 0  # of its lane's pace when it was taken
    offered_again: bool = False  # somebody changed it while it was taken
    is_hanging: bool = False  # its server takes long, and does not hold up the others
    is_settling: bool = False  # its server is done with it, and the result waits for its commit

    def share_numbers(self, other: QueueEntry) -> None:
        """Let two entries of one message mean whom either of them means."""
        if self.numbers != other.numbers:
            self.numbers = other.numbers = tuple({*self.numbers, *other.numbers})

    def __lt__(self, other: QueueEntry) -> bool:
        """Say whether it is older."""
        if self.born_s != other.born_s:
            return self.born_s < other.born_s
        return self.id < other.id

    @property
    def is_probe(self) -> bool:
        """Whether its turn finds out if the destination is back."""
        return self.turn is Turn.PROBE


def drop_stale(heap: list[tuple[float, QueueEntry]], *, entries: int) -> None:
    """Drop what waits no more from a heap by time, once it outnumbers all entries that are."""
    if len(heap) > 2 * entries + STALE_MIN:
        heap[:] = [one for one in heap if one[1].place is Place.WAITING]
        heapq.heapify(heap)


class Aged:
    """Entries by age, the oldest first; each is pushed once.

    Args:
        belongs: says whether an entry still does; once it does not, it never does again.

    Attributes:
        live: how many belong.
    """

    __slots__ = ("_belongs", "_heap", "live")

    def __init__(self, belongs: Callable[[QueueEntry], bool]) -> None:
        self._belongs = belongs
        self._heap: list[QueueEntry] = []
        self.live = 0

    def push(self, entry: QueueEntry) -> None:
        """Take in an entry that belongs."""
        heapq.heappush(self._heap, entry)
        self.live += 1

    def left(self) -> None:
        """Take note that an entry has ceased to belong; it is dropped when it comes up."""
        self.live -= 1
        if len(self._heap) > 2 * self.live + STALE_MIN:
            self._heap = [entry for entry in self._heap if self._belongs(entry)]
            heapq.heapify(self._heap)
            self.live = len(self._heap)  # also of those that left before they were pushed

    def oldest(self) -> QueueEntry | None:
        """Return the oldest entry that belongs, or None."""
        heap = self._heap
        while heap and not self._belongs(heap[0]):
            heapq.heappop(heap)
        return heap[0] if heap else None
