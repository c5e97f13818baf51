"""Which customer's server is tried next, and what did the tries of the last day give?

Pure: monotonic times and chance come in as arguments. A server is a target, an entry of
``deliver_to``: thousands of domains may share one, and it is tried once for all of them. New ones
begin spread over an interval, and later tries drift apart. Whoever was silent waits in a line of
its own, so that it holds up no other.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from statistics import median_low

from common.round_trips import TOLD_AT_ONCE_MAX, TRIES_MAX, WINDOW_S, RoundTrip

CELL_S = 3_600  # tries are forgotten by the hour
CELLS = WINDOW_S // CELL_S
SAMPLES_MAX = 33  # round trips of which the middle one counts
SETTLE = 0.1  # of an interval: a node that has just begun has other things to do
JITTER = 0.1  # of an interval, added: never sooner


@dataclass(slots=True)
class _Cell:
    hour: int
    tries: int = 0
    failures: int = 0


@dataclass(slots=True)
class _Measured:
    """What is known of one target."""

    next_s: float
    last_s: float = float("-inf")
    is_silent: bool = False
    is_being_tried: bool = False
    cells: deque[_Cell] = field(default_factory=lambda: deque(maxlen=CELLS))
    samples: deque[tuple[int, int]] = field(default_factory=lambda: deque(maxlen=SAMPLES_MAX))

    def counts(self, rtt_us: int | None, *, now_s: float) -> None:
        hour = int(now_s // CELL_S)
        if not self.cells or self.cells[-1].hour != hour:
            self.cells.append(_Cell(hour))
        self.cells[-1].tries += 1
        if rtt_us is None:
            self.cells[-1].failures += 1
        else:
            self.samples.append((hour, rtt_us))
        self.last_s = now_s

    def told(self, target: str, *, now_s: float) -> RoundTrip | None:
        oldest = int(now_s // CELL_S) - CELLS
        cells = [cell for cell in self.cells if cell.hour > oldest]
        tries, failures = sum(c.tries for c in cells), sum(c.failures for c in cells)
        if not tries:
            return None
        if tries > TRIES_MAX:  # tried more often than a word may weigh
            tries, failures = TRIES_MAX, failures * TRIES_MAX // tries
        rtts = [rtt_us for hour, rtt_us in self.samples if hour > oldest]
        rtt_us = median_low(rtts) if rtts else None
        return RoundTrip(target, rtt_us, tries, failures, max(0, int(now_s - self.last_s)))


class MeasuredTargets:
    """The targets that there are, and what is known of each.

    Args:
        every_s: between two tries of one target.
        spread: gives a number from 0 up to 1, drawn anew each time.
    """

    def __init__(self, *, every_s: float, spread: Callable[[], float]) -> None:
        self._every_s = every_s
        self._spread = spread
        self._known: dict[str, _Measured] = {}
        self._lines: dict[bool, list[tuple[float, str]]] = {False: [], True: []}  # by silence
        self._untold: dict[str, None] = {}

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._known)

    def take(self, targets: Collection[str], *, now_s: float) -> None:
        """Go by these targets from here on; what is known of those that stay is kept."""
        wanted = set(targets)
        for gone in self._known.keys() - wanted:
            del self._known[gone]
            self._untold.pop(gone, None)
        for new in sorted(wanted - self._known.keys()):
            wait = SETTLE + (1.0 - SETTLE) * self._spread()
            self._known[new] = _Measured(now_s + self._every_s * wait)
            self._line_up(new)

    def begin(self, *, now_s: float, silent: bool) -> str | None:
        """Return a target that is due and is being tried from now on, or None.

        Args:
            silent: of those that were silent when they were tried last; else of the others.
        """
        line = self._lines[silent]
        while line and line[0][0] <= now_s:
            due_s, target = heapq.heappop(line)
            one = self._known.get(target)
            if one is None or one.is_being_tried:
                continue
            if one.next_s != due_s or one.is_silent != silent:
                continue  # it has lined up anew since
            one.is_being_tried = True
            return target
        return None

    def ended(self, target: str, rtt_us: int | None, *, now_s: float, silent: bool) -> None:
        """Take in what a try came to.

        Args:
            target: what ``begin`` returned.
            rtt_us: the time of its connect; None: it failed.
            silent: it took all the time that it may.
        """
        one = self._known.get(target)
        if one is None:  # it has gone meanwhile
            return
        one.is_silent = silent
        self._count(target, one, rtt_us, now_s=now_s)

    def unasked(self, target: str, *, now_s: float) -> None:
        """Take note that a try said nothing of a target, as when our DNS failed."""
        one = self._known.get(target)
        if one is not None:
            self._later(target, one, now_s=now_s)

    def reached(self, target: str, rtt_us: int, *, now_s: float) -> None:
        """Take in that mail has reached a target: that is a try, where one is due soon anyway.

        One for each interval counts, so that a busy target's failures weigh what others' do.
        """
        one = self._known.get(target)
        if one is None or one.is_being_tried or now_s - one.last_s < self._every_s:
            return
        one.is_silent = False
        self._count(target, one, rtt_us, now_s=now_s)

    def untold(self, *, now_s: float) -> tuple[RoundTrip, ...]:
        """Return what was measured and not told yet, at most ``TOLD_AT_ONCE_MAX``; each once."""
        told: list[RoundTrip] = []
        while self._untold and len(told) < TOLD_AT_ONCE_MAX:
            target = next(iter(self._untold))
            del self._untold[target]
            one = self._known[target].told(target, now_s=now_s)
            if one is not None:
                told.append(one)
        return tuple(told)

    def _count(self, target: str, one: _Measured, rtt_us: int | None, *, now_s: float) -> None:
        one.counts(rtt_us, now_s=now_s)
        self._untold[target] = None
        self._later(target, one, now_s=now_s)

    def _later(self, target: str, one: _Measured, *, now_s: float) -> None:
        one.is_being_tried = False
        one.next_s = now_s + self._every_s * (1.0 + JITTER * self._spread())
        self._line_up(target)

    def _line_up(self, target: str) -> None:
        one = self._known[target]
        heapq.heappush(self._lines[one.is_silent], (one.next_s, target))
