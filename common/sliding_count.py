"""How much of one thing was seen within the last seconds, minutes or days?

Pure: the time arrives as ``now_s``, of any clock that only grows. A count is a few cells, each with
an amount and the time of its newest part; the older cells are, the coarser: a window of seconds
to days costs some ten cells. What is asked of a window is never too little. It is too much by what
the cell at its edge holds of older things: by a sixth of the window, or five seconds.
"""

from __future__ import annotations

from collections.abc import Iterable

KEEP_S = 7 * 86_400.0  # RFC 6647 section 5: who passed is remembered for at least a week
AMOUNT_MAX = 1 << 48  # nobody counts further: what a hostile peer says cannot grow without end

# Cells that are at most so old stand for so many seconds each.
_WIDTHS = ((60.0, 5.0), (600.0, 60.0), (7_200.0, 600.0), (86_400.0, 7_200.0))
_LAST_WIDTH_S = 86_400.0
CELLS_MAX = 64  # of one count: the widths above allow no more


class SlidingCount:
    """How much of one thing was seen when."""

    __slots__ = ("_amounts", "_times")

    def __init__(self) -> None:
        self._times: list[float] = []  # of the newest part of each cell; they only grow
        self._amounts: list[int] = []

    def __len__(self) -> int:
        """Return how many cells there are."""
        return len(self._times)

    @property
    def newest_s(self) -> float:
        """When something was seen last; minus infinity: never."""
        return self._times[-1] if self._times else float("-inf")

    def add(self, amount: int, *, now_s: float) -> None:
        """Count something that was seen now."""
        times = self._times
        if times and _slice(times[-1], 5.0) == _slice(now_s, 5.0):
            self._amounts[-1] = min(self._amounts[-1] + amount, AMOUNT_MAX)
            times[-1] = max(now_s, times[-1])
            return
        times.append(max(now_s, self.newest_s))
        self._amounts.append(min(amount, AMOUNT_MAX))
        if len(times) > 2:
            self._merge(now_s)

    def total(self, window_s: float, *, now_s: float) -> int:
        """Return how much was seen within the last ``window_s`` seconds."""
        from_s = now_s - window_s
        if self._times and self._times[0] > from_s:
            return sum(self._amounts)
        amount = 0
        for seen_s, seen in zip(reversed(self._times), reversed(self._amounts), strict=True):
            if seen_s <= from_s:
                break
            amount += seen
        return amount

    def ages(self, *, now_s: float) -> tuple[tuple[int, int], ...]:
        """Return the cells that are still of interest: pairs of age in seconds and amount."""
        cells = list(zip(self._times, self._amounts, strict=True))[-CELLS_MAX:]
        return tuple(
            (max(0, int(now_s - seen_s)), amount)
            for seen_s, amount in cells
            if now_s - seen_s < KEEP_S
        )

    @classmethod
    def of_ages(cls, ages: Iterable[tuple[int, int]], *, now_s: float) -> SlidingCount:
        """Return a count of cells, in any order, as ``ages`` returns them."""
        made = cls()
        cells = sorted(((now_s - age, amount) for age, amount in ages), key=lambda cell: cell[0])
        made._times = [seen_s for seen_s, _ in cells]
        made._amounts = [min(amount, AMOUNT_MAX) for _, amount in cells]
        made._merge(now_s)
        return made

    @classmethod
    def sum_of(cls, counts: Iterable[SlidingCount], *, now_s: float) -> SlidingCount:
        """Return all of several counts as one."""
        made = cls()
        cells = sorted(
            cell
            for count in counts
            for cell in zip(count._times, count._amounts, strict=True)  # its own
        )
        made._times = [seen_s for seen_s, _ in cells]
        made._amounts = [amount for _, amount in cells]
        made._merge(now_s)
        return made

    def _merge(self, now_s: float) -> None:
        """Make one of neighbours that are in one slice, and forget what is too old."""
        times: list[float] = []
        amounts: list[int] = []
        for seen_s, amount in zip(self._times, self._amounts, strict=True):
            if now_s - seen_s >= KEEP_S:
                continue
            width_s = _width_s(now_s - seen_s)
            if times and _slice(times[-1], width_s) == _slice(seen_s, width_s):
                times[-1] = seen_s
                amounts[-1] = min(amounts[-1] + amount, AMOUNT_MAX)
            else:
                times.append(seen_s)
                amounts.append(amount)
        self._times, self._amounts = times, amounts


def _slice(seen_s: float, width_s: float) -> int:
    return int(seen_s // width_s)


def _width_s(age_s: float) -> float:
    for age_max_s, width_s in _WIDTHS:
        if age_s <= age_max_s:
            return width_s
    return _LAST_WIDTH_S
