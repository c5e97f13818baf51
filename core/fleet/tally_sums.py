"""What have all shards together seen lately, and which of it is to be told to whom?

Pure: the time arrives as ``now_s``. Each shard's own word is kept, so that what it repeats counts
once and what others are told leaves out their own. Nothing is durable: a core that starts anew
knows nothing, and is told again. A node has a bounded room, whatever it says: what it told of
first gives way, and nobody else's.
"""

from __future__ import annotations

from collections.abc import Iterable

from common.frozen import dataclass
from common.sliding_count import KEEP_S, SlidingCount
from common.tallies import TALLIES_OF_MESSAGE_MAX, TallyKey, ToldTally

CELLS_OF_NODE_MAX = 60_000  # some 45 megabytes of memory for a node that fills its room
KINDS_OF_NODE_MAX = 64
CELLS_SUMMED_MAX = 4_000  # for one piece of a telling: some four milliseconds of the event loop
UNTOLD_MAX = 50_000  # keys that wait for one shard; whoever hears so little misses the oldest

Place = tuple[str, int]  # node, shard


@dataclass(frozen=True, slots=True)
class TallyOrigin:
    """One life of a shard's process: what counted."""

    place: Place
    life: str


class _Hearer:
    """One connected shard, and what it is still to be told."""

    def __init__(self, backlog: Iterable[TallyKey]) -> None:
        self.fresh: dict[TallyKey, None] = {}
        self.backlog = dict.fromkeys(backlog)


class _Room:
    """What one node has told."""

    def __init__(self) -> None:
        self.counts: dict[tuple[TallyKey, TallyOrigin], SlidingCount] = {}  # told last last
        self.cells = 0
        self.kinds: dict[str, int] = {}  # and how many counts of each


class TallySums:
    """What is known of all shards' counts."""

    def __init__(self) -> None:
        self._rooms: dict[str, _Room] = {}  # by node
        self._holders: dict[TallyKey, dict[TallyOrigin, SlidingCount]] = {}
        self._hearers: dict[TallyOrigin, _Hearer] = {}
        self.given_way = 0  # counts that had to go so far, since their node's room was full

    def __len__(self) -> int:
        """Return how many keys are known."""
        return len(self._holders)

    @property
    def cells(self) -> int:
        """How many cells all counts have."""
        return sum(room.cells for room in self._rooms.values())

    def came(self, origin: TallyOrigin) -> None:
        """A shard is connected: it is told all that there is, and then what grows."""
        self._hearers[origin] = _Hearer(reversed(self._holders))

    def left(self, origin: TallyOrigin) -> None:
        """A shard is not connected any more; what it counted goes on to count."""
        self._hearers.pop(origin, None)

    def told(self, origin: TallyOrigin, tallies: Iterable[ToldTally], *, now_s: float) -> None:
        """Take in what a shard has seen, in place of what the same life of it said before."""
        room = self._rooms.setdefault(origin.place[0], _Room())
        for tally in tallies:
            count = tally.counted(now_s=now_s)
            if len(count) and self._has_place(room, tally.key[0]):
                self._put(room, origin, tally.key, count)
        while room.cells > CELLS_OF_NODE_MAX:
            self._drop_first(room)
            self.given_way += 1
        while room.counts and now_s - next(iter(room.counts.values())).newest_s >= KEEP_S:
            self._drop_first(room)

    def untold(self, origin: TallyOrigin, *, now_s: float) -> tuple[ToldTally, ...]:
        """Return what a connected shard is to be told now, what is new before all else.

        It is a piece of it where very many shards have seen the same; the next piece is the rest.
        """
        hearer = self._hearers.get(origin)
        if hearer is None:
            return ()
        told: list[ToldTally] = []
        summed = 0
        for waiting in (hearer.fresh, hearer.backlog):
            while waiting and len(told) < TALLIES_OF_MESSAGE_MAX and summed < CELLS_SUMMED_MAX:
                key = next(iter(waiting))
                del waiting[key]
                others = [
                    count for who, count in self._holders.get(key, {}).items() if who != origin
                ]
                summed += sum(map(len, others))
                if others and (ages := _sum_of(others, now_s=now_s).ages(now_s=now_s)):
                    told.append(ToldTally(key, ages))
        return tuple(told)

    def _has_place(self, room: _Room, kind: str) -> bool:
        return kind in room.kinds or len(room.kinds) < KINDS_OF_NODE_MAX

    def _put(self, room: _Room, origin: TallyOrigin, key: TallyKey, count: SlidingCount) -> None:
        self._drop(room, key, origin)
        room.counts[key, origin] = count
        room.cells += len(count)
        room.kinds[key[0]] = room.kinds.get(key[0], 0) + 1
        self._holders.setdefault(key, {})[origin] = count
        for who, hearer in self._hearers.items():
            if who != origin:
                hearer.fresh[key] = None
                if len(hearer.fresh) > UNTOLD_MAX:
                    del hearer.fresh[next(iter(hearer.fresh))]

    def _drop_first(self, room: _Room) -> None:
        key, origin = next(iter(room.counts))
        self._drop(room, key, origin)

    def _drop(self, room: _Room, key: TallyKey, origin: TallyOrigin) -> None:
        former = room.counts.pop((key, origin), None)
        if former is None:
            return
        room.cells -= len(former)
        room.kinds[key[0]] -= 1
        if not room.kinds[key[0]]:
            del room.kinds[key[0]]
        holders = self._holders[key]
        del holders[origin]
        if not holders:
            del self._holders[key]


def _sum_of(counts: list[SlidingCount], *, now_s: float) -> SlidingCount:
    return counts[0] if len(counts) == 1 else SlidingCount.sum_of(counts, now_s=now_s)
