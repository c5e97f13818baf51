"""What was seen at one worker, in how much memory?

Pure: the time arrives as ``now_s``. Things are counted one by one as long as there is room; what
was not seen for the longest time gives way, of the kind that has most, so that a flood of one kind
drives no other out. What gave way is in a sketch, and is taken back from there with what others may
have added: a count is never too little.
"""

from __future__ import annotations

from collections.abc import Iterator

from common.sliding_count import SlidingCount
from common.tallies import TallyKey
from satellite.tallies.sketch import Sketch

KINDS_MAX = 64  # far more than we count; others may say what they like
CELLS_MAX = 60_000  # of all counts together: some 20 megabytes when each thing was seen once


class Counts:
    """Counts by kind and digest.

    Args:
        salt: of the sketches, drawn by the process; None: what gives way is forgotten.
        cells_max: how many cells all counts have at most.
    """

    def __init__(self, salt: int | None, *, cells_max: int = CELLS_MAX) -> None:
        self._salt = salt
        self._cells_max = cells_max
        self._kinds: dict[str, dict[bytes, SlidingCount]] = {}  # last seen last
        self._sketches: dict[str, Sketch] = {}
        self._cells = 0
        self.given_way = 0  # counts that had to go so far

    def __len__(self) -> int:
        """Return how many things are counted one by one."""
        return sum(map(len, self._kinds.values()))

    @property
    def cells(self) -> int:
        """How many cells their counts have."""
        return self._cells

    def add(self, key: TallyKey, amount: int, *, now_s: float) -> int:
        """Count something that was seen now; return all that is counted of it."""
        kind, digest = key
        known = self._kinds.setdefault(kind, {})
        count = known.pop(digest, None)
        if count is None:
            count = self._taken_back(kind, digest, now_s=now_s)
        else:
            self._cells -= len(count)
        count.add(amount, now_s=now_s)
        known[digest] = count
        self._cells += len(count)
        while self._cells > self._cells_max:
            self._give_way(now_s=now_s)
        return count.total(float("inf"), now_s=now_s)

    def put(self, key: TallyKey, count: SlidingCount, *, now_s: float) -> None:
        """Take what somebody else has counted of a thing, in place of what he said before."""
        kind, digest = key
        if not len(count) or (kind not in self._kinds and len(self._kinds) >= KINDS_MAX):
            return
        known = self._kinds.setdefault(kind, {})
        former = known.pop(digest, None)
        if former is not None:
            self._cells -= len(former)
        known[digest] = count
        self._cells += len(count)
        while self._cells > self._cells_max:
            self._give_way(now_s=now_s)

    def get(self, key: TallyKey) -> SlidingCount | None:
        """Return what is counted of a thing one by one."""
        known = self._kinds.get(key[0])
        return None if known is None else known.get(key[1])

    def total(self, key: TallyKey, window_s: float, *, now_s: float) -> int:
        """Return how much was seen of a thing within the last seconds."""
        count = self.get(key)
        if count is not None:
            return count.total(window_s, now_s=now_s)
        sketch = self._sketches.get(key[0])
        return 0 if sketch is None else sketch.estimate(key[1], now_s=now_s)

    def latest_first(self) -> Iterator[TallyKey]:
        """Yield all things that are counted one by one, those seen last first in each kind."""
        for kind, known in self._kinds.items():
            for digest in reversed(known):
                yield kind, digest

    def _taken_back(self, kind: str, digest: bytes, *, now_s: float) -> SlidingCount:
        count = SlidingCount()
        sketch = self._sketches.get(kind)
        if sketch is not None and (amount := sketch.estimate(digest, now_s=now_s)):
            count.add(amount, now_s=now_s)
        return count

    def _give_way(self, *, now_s: float) -> None:
        kind = max(self._kinds, key=lambda each: len(self._kinds[each]))
        known = self._kinds[kind]
        digest = next(iter(known))
        count = known.pop(digest)
        if not known:
            del self._kinds[kind]
        self._cells -= len(count)
        self.given_way += 1
        if self._salt is None:
            return
        sketch = self._sketches.get(kind)
        if sketch is None:
            sketch = self._sketches[kind] = Sketch(self._salt)
        sketch.add(digest, count.total(float("inf"), now_s=now_s), now_s=now_s)
