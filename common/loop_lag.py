"""How long was the event loop in one step, while everything else waited?

Touches the event loop: a timer measures how late it comes. A step shows with its length less
``PERIOD_S`` at the most, whatever it was: Python, a system call, other threads, or a machine that
gave us no turn. It costs a timer a hundred times a second, and nothing for each message. While
no step is as long the timer rings less often, and the first long one shows with its length less
``CALM_PERIOD_S``: to wake a process that has nothing else to do takes a tenth of a millisecond.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterable
from itertools import accumulate

import structlog
from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from common.clock import Clock

log = structlog.get_logger()

PERIOD_S = 0.01
CALM_PERIOD_S = 0.05
# Below it a ring is on time: in a calm loop it comes within a millisecond, but on a busy machine
# other processes have their turn first, and an idle worker would be woken a hundred times a second.
LATE_S = PERIOD_S
CALM_RINGS = 50  # in a row that were on time: half a second
WINDOW_S = 60.0  # how long the longest step is remembered
SLOT_S = 5.0  # what is remembered is forgotten a slot at a time
LONG_S = 0.1  # a step that a sender notices, and that the log tells of
TOLD_S = 10.0  # between two lines of the log
BOUNDS_S = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0)


class LoopLag(Collector):
    """The steps of one event loop, as a timer in it sees them.

    Args:
        clock: the time.
        period_s: between two rings of the timer, as long as steps are long. ``CALM_PERIOD_S`` suits
            a loop that mail does not wait for: on a busy machine nearly all rings are late.
    """

    def __init__(self, clock: Clock, *, period_s: float = PERIOD_S) -> None:
        self._clock = clock
        self._period_s = period_s
        self._due_s = 0.0
        self._on_time = 0  # rings in a row
        self._timer: asyncio.TimerHandle | None = None
        self._counts = [0] * (len(BOUNDS_S) + 1)
        self._sum_s = 0.0
        self._longest: deque[tuple[int, float]] = deque()  # by slot, the oldest first
        self._long = 0  # steps since the log told of one
        self._told_s: float | None = None

    def start(self) -> None:
        """Measure the running event loop, until ``stop``."""
        self._wait(asyncio.get_running_loop().call_later, self._clock.monotonic_s())

    def stop(self) -> None:
        """Measure no more."""
        if self._timer is not None:
            self._timer.cancel()

    def longest_s(self) -> float:
        """Return the longest step within the last minute."""
        oldest = int((self._clock.monotonic_s() - WINDOW_S) // SLOT_S)
        return max((late_s for slot, late_s in self._longest if slot > oldest), default=0.0)

    def was_late(self, late_s: float) -> None:
        """Take in by how much the timer came too late.

        Args:
            late_s: 0 or more.
        """
        self._take_in(late_s, self._clock.monotonic_s())

    def _take_in(self, late_s: float, now_s: float) -> None:
        self._counts[bisect_left(BOUNDS_S, late_s)] += 1
        self._sum_s += late_s
        slot = int(now_s // SLOT_S)
        if not self._longest or self._longest[-1][0] != slot:
            self._longest.append((slot, late_s))
            if len(self._longest) > WINDOW_S / SLOT_S:
                self._longest.popleft()
        elif late_s > self._longest[-1][1]:
            self._longest[-1] = (slot, late_s)
        if late_s >= LONG_S:
            self._tell(late_s, now_s)

    def collect(self) -> Iterable[Metric]:
        """Return the numbers as they are now."""
        bounds = [*map(floatToGoString, BOUNDS_S), "+Inf"]
        return [
            HistogramMetricFamily(
                "borderscout_loop_lag_seconds",
                "Steps of the event loop as a timer met them, up to 100 a second; all else waited",
                buckets=list(zip(bounds, accumulate(self._counts), strict=True)),
                sum_value=self._sum_s,
            ),
            GaugeMetricFamily(
                "borderscout_loop_lag_max_seconds",
                "Longest step of the event loop within the last minute",
                value=self.longest_s(),
            ),
        ]

    # ---- inside

    def _wait(self, call_later: Callable[..., asyncio.TimerHandle], now_s: float) -> None:
        period_s = self._period_s if self._on_time < CALM_RINGS else CALM_PERIOD_S
        self._due_s = now_s + period_s
        self._timer = call_later(period_s, self._ring, call_later)

    def _ring(self, call_later: Callable[..., asyncio.TimerHandle]) -> None:
        now_s = self._clock.monotonic_s()
        late_s = max(0.0, now_s - self._due_s)
        self._on_time = self._on_time + 1 if late_s < LATE_S else 0
        self._take_in(late_s, now_s)
        self._wait(call_later, now_s)

    def _tell(self, late_s: float, now_s: float) -> None:
        self._long += 1
        if self._told_s is not None and now_s - self._told_s < TOLD_S:
            return
        log.warning("loop.step_long", step_ms=round(late_s * 1000), steps=self._long)
        self._long, self._told_s = 0, now_s
