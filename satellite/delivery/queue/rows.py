"""Which destinations stand in line for a place, and which of them is next?

Pure: monotonic time comes in as an argument. There are two rows for each kind of
place, one of them for those with a first right: where there is no place no row is looked into,
however many wait there, and who waits keeps its place in its row.

A lane may be *unsorted*: something has happened to it, and what it wants is looked at when the next
message is taken. It stands in at most one row beside (``lane.row``). After a restart, or once all
is to be tried, that are all lanes there are: new mail for one of them is looked at between them.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterator
from typing import NamedTuple

from satellite.delivery.queue.entries import QueueEntry
from satellite.delivery.queue.lane import Lane
from satellite.delivery.queue.places import PlaceKind, Places

LOOKED_MAX = 100  # lanes for one message: the probes of ten thousand may be due at once


class TakenEntry(NamedTuple):
    """An entry that was taken, and the kind that its place is of."""

    entry: QueueEntry
    kind: PlaceKind
    lane: Lane


class LaneRows:
    """The rows of all lanes."""

    def __init__(self) -> None:
        # In the order in which something happened to them; the others may wait.
        self._unsorted: OrderedDict[Lane, None] = OrderedDict()
        self._unsorted_others: OrderedDict[Lane, None] = OrderedDict()
        self._standing = 0  # lanes in all rows
        self._begun = 0  # looks for a message
        self.is_behind = False  # not all were looked at when a message was taken last
        self._rows: dict[tuple[PlaceKind, bool], OrderedDict[Lane, None]] = {
            (kind, is_first): OrderedDict() for kind in PlaceKind for is_first in (True, False)
        }

    def enter(self, lane: Lane, *, may_wait: bool = False) -> None:
        """Look at a lane anew: it may have something to take, or something else than before.

        Args:
            lane: which one.
            may_wait: it is one of very many, perhaps; who may not wait goes between them.
        """
        if not may_wait:
            if self._unsorted_others:
                self._unsorted_others.pop(lane, None)
            self._unsorted[lane] = None
        elif lane not in self._unsorted:
            self._unsorted_others[lane] = None

    def waiting(self, kind: PlaceKind) -> int:
        """Return how many destinations wait for a place of a kind; each may want several."""
        return len(self._rows[kind, True]) + len(self._rows[kind, False])

    def take(self, places: Places | None, now_s: float, idle: list[Lane]) -> TakenEntry | None:
        """Return the next message whose turn it is, or None; for good, unless ``is_behind``.

        Args:
            places: those there are; None: as many as are wanted.
            now_s: monotonic time.
            idle: takes the lanes that turned out to have nothing now.
        """
        self.is_behind = False
        if not (self._unsorted or self._unsorted_others or self._standing):  # every other time
            return None
        for looked, lane in enumerate(self._candidates(places), start=1):
            taken = self._sorted(lane, places, now_s, idle)
            if taken is not None:
                return taken
            if looked == LOOKED_MAX:
                self.is_behind = True
                break
        return None

    def _candidates(self, places: Places | None) -> Iterator[Lane]:
        """Yield lanes that may have something: of the unsorted, the others and the rows in turn.

        From one look to the next another of the three is the first.
        """
        if not (self._standing or (self._unsorted and self._unsorted_others)):  # most of the time
            return _emptied(self._unsorted or self._unsorted_others)
        sources = deque(
            (
                _emptied(self._unsorted),
                _emptied(self._unsorted_others),
                self._standing_lanes(places),
            )
        )
        self._begun += 1
        sources.rotate(self._begun)
        return _in_turn(sources)

    def _standing_lanes(self, places: Places | None) -> Iterator[Lane]:
        for key, row in self._rows.items():
            while row and _has_room(places, *key):
                yield next(iter(row))

    def _sorted(
        self, lane: Lane, places: Places | None, now_s: float, idle: list[Lane]
    ) -> TakenEntry | None:
        """Put a lane into its row, or take from it when it is the first there and has a place."""
        wanted = lane.wants(now_s)
        if wanted is None:
            if lane.row is not None:
                self._leaves(lane)
            idle.append(lane)
            return None
        kind, turn, entry = wanted
        key = kind, self._is_first(lane, kind, places)
        if lane.row is not None and lane.row != key:
            self._leaves(lane)
        row = self._rows[key]
        if _has_room(places, *key) and (not row or next(iter(row)) is lane):
            if lane.row is not None:
                self._leaves(lane)
            lane.begin(entry, turn, now_s)
            self.enter(lane, may_wait=True)  # destinations take turns
            return TakenEntry(entry, kind, lane)
        if lane.row is None:
            row[lane] = None
            lane.row = key
            self._standing += 1
        return None

    def forget(self, lane: Lane) -> None:
        """Drop a lane that is no more."""
        self._unsorted.pop(lane, None)
        self._unsorted_others.pop(lane, None)
        if lane.row is not None:
            self._leaves(lane)

    def _leaves(self, lane: Lane) -> None:
        assert lane.row is not None
        del self._rows[lane.row][lane]
        lane.row = None
        self._standing -= 1

    def _is_first(self, lane: Lane, kind: PlaceKind, places: Places | None) -> bool:
        if lane.turns.active:
            return False
        return places is None or not places.is_crowded(kind, lane.terms.customer)


def _emptied(lanes: OrderedDict[Lane, None]) -> Iterator[Lane]:
    while lanes:
        yield lanes.popitem(last=False)[0]


def _in_turn(sources: deque[Iterator[Lane]]) -> Iterator[Lane]:
    """Yield one lane of each source after the other, until none has more."""
    while sources:
        source = sources.popleft()
        for lane in source:
            yield lane
            sources.append(source)
            break


def _has_room(places: Places | None, kind: PlaceKind, is_first: bool) -> bool:
    return places is None or places.has_room(kind, is_first=is_first)
