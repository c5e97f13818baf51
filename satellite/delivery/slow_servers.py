"""What is done about servers that take long, so that nobody else waits behind them?

Touches next hops. Turns that take long change their places, or make room for others; hosts that
mail passes over are asked whether they greet again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from common.clock import Clock
from common.tasks import spawn_beside
from satellite.delivery.decisions.hold import PROBE_OPEN_S_MAX
from satellite.delivery.hop.connections import Connections
from satellite.delivery.queue.entries import QueueEntry
from satellite.delivery.queue.lanes import Lanes
from satellite.delivery.queue.places import Places
from satellite.delivery.turns.attempt import Attempt

ASKED_MAX = 50  # hosts that are asked at once, beside those that probes ask


class SlowServers:
    """Those who look after turns that take long.

    Args:
        lanes: which mail waits.
        places: which turns there are.
        connections: with the next hops.
        clock: the time.
        wake: is called when there is something to do.
    """

    def __init__(
        self,
        lanes: Lanes,
        places: Places,
        connections: Connections,
        clock: Clock,
        *,
        wake: Callable[[], None],
    ) -> None:
        self._lanes = lanes
        self._places = places
        self._connections = connections
        self._clock = clock
        self._wake = wake
        self._asking: set[asyncio.Task[None]] = set()

    def look_after(self, attempts: Mapping[QueueEntry, Attempt]) -> None:
        """Let nobody wait behind turns that take long."""
        now_s = self._clock.monotonic_s()
        for entry in self._places.slow(now_s):
            self._lanes.is_slow(entry)
        for entry in self._places.hanging(now_s):
            self._lanes.hangs(entry)
            attempts[entry].hangs()
        for entry in self._places.surplus(now_s, waiting=self._lanes.rows.waiting):
            attempts[entry].give_way()

    def ask_hosts(self, group: asyncio.TaskGroup) -> None:
        """Ask silent hosts that mail passes over whether they greet again."""
        silent, now_s = self._connections.silent, self._clock.monotonic_s()
        while len(self._asking) < ASKED_MAX and (host := silent.due(now_s)) is not None:
            asking = self._connections.ask(host, within_s=PROBE_OPEN_S_MAX)
            task = spawn_beside(group, asking, name="delivery.ask")
            self._asking.add(task)
            task.add_done_callback(self._asked)

    def next_s(self) -> float | None:
        """Return the monotonic time at which there may be something to do, or None."""
        dues = [self._places.next_s(waiting=self._lanes.rows.waiting)]
        if len(self._asking) < ASKED_MAX:  # else the end of one wakes us
            dues.append(self._connections.silent.next_due_s())
        return min([due for due in dues if due is not None], default=None)

    def _asked(self, task: asyncio.Task[None]) -> None:
        self._asking.discard(task)
        self._wake()
