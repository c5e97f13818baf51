"""How long is the way to each customer's server, and does it greet?

Touches DNS and the servers of the routes: a connection, its greeting, QUIT. Nobody else is asked:
neither a stranger's MX nor the smart host. Tries have places of their own, a few of them for
servers that were silent, and one time for each; mail never waits for a try, nor a try for mail.
What is measured is told to the core, and decides nothing here.

Source: docs/mx.md, *Measured in place of distance*.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Protocol

from common.clock import Clock
from common.preferences import Kind, Preferences
from common.preferences.bodies import RouteBody
from common.preferences.deliver_to import Target, parse_deliver_to
from common.round_trips import TARGETS_MAX, RoundTrip
from common.tasks import spawn_beside
from satellite.delivery.decisions.reply import BadReply
from satellite.delivery.decisions.routing import Destination, Via
from satellite.delivery.hop.host_order import HopUnreachable, not_found_in_time
from satellite.delivery.hop.session import Hop
from satellite.delivery.hop.wire import ConnectionEnded, Wire
from satellite.delivery.measured_targets import MeasuredTargets

LOOK_S = 1.0  # between two looks at what is due
PLACES = {False: 24, True: 8}  # tries at once, of those that talked, and of those that were silent
TRY_S = 10.0  # for one address: servers that let strangers wait before they greet take six
ADDRESSES_MAX = 2  # of one target, in one try
TARGETS_S = 60.0  # between two looks at the routes, of which there may be a hundred thousand


class FindsHops(Protocol):
    """Where a destination's hosts are, as far as measuring is concerned."""

    async def hops(
        self, destination: Destination, targets: list[Target], *, asked_before: bool
    ) -> list[Hop]: ...


class Measuring:
    """What one worker measures for its node.

    Args:
        finder: finds the addresses of a target.
        clock: for what is due.
        preferences: returns those that are applied now.
        every_s: between two tries of one target; 0: nothing is measured.
        spread: gives a number from 0 up to 1, drawn anew each time.
    """

    def __init__(
        self,
        finder: FindsHops,
        clock: Clock,
        *,
        preferences: Callable[[], Preferences],
        every_s: float,
        spread: Callable[[], float],
    ) -> None:
        self._finder = finder
        self._clock = clock
        self._preferences = preferences
        self._every_s = every_s
        self._targets = MeasuredTargets(every_s=every_s, spread=spread)
        self._seen: Preferences | None = None
        self._look_s = float("-inf")  # at the routes, not sooner
        self._under_way = {False: 0, True: 0}

    def reached(self, target: Target, connect_s: float) -> None:
        """Take in that mail has reached a host, and how long its connect took."""
        now_s = self._clock.monotonic_s()
        self._targets.reached(str(target), round(connect_s * 1e6), now_s=now_s)

    def untold(self) -> tuple[RoundTrip, ...]:
        """Return what was measured since the last call, a part of it when it is much."""
        return self._targets.untold(now_s=self._clock.monotonic_s())

    async def run(self) -> None:
        """Measure until cancelled."""
        if not self._every_s:
            return
        async with asyncio.TaskGroup() as group:
            while True:
                await self._look_for_targets()
                for silent, places in PLACES.items():
                    self._begin(group, silent=silent, places=places)
                await self._clock.sleep(LOOK_S)

    async def _look_for_targets(self) -> None:
        preferences, now_s = self._preferences(), self._clock.monotonic_s()
        if preferences is self._seen or now_s < self._look_s:
            return
        found = await asyncio.to_thread(targets_of_routes, preferences)
        self._targets.take(found, now_s=self._clock.monotonic_s())
        self._seen, self._look_s = preferences, now_s + min(TARGETS_S, self._every_s)

    def _begin(self, group: asyncio.TaskGroup, *, silent: bool, places: int) -> None:
        now_s = self._clock.monotonic_s()
        while self._under_way[silent] < places:
            target = self._targets.begin(now_s=now_s, silent=silent)
            if target is None:
                return
            self._under_way[silent] += 1
            spawn_beside(group, self._try(target, silent=silent), name="delivery.measuring")

    async def _try(self, target: str, *, silent: bool) -> None:
        rtt_us, is_silent = None, False
        try:
            hops = await self._hops(target)
            for hop in hops[:ADDRESSES_MAX]:
                try:
                    rtt_us = await _greeted(hop)
                except TimeoutError:
                    is_silent = True
                if rtt_us is not None:
                    break
        except HopUnreachable as error:
            if not error.is_away:  # our DNS failed, which says nothing of the server
                self._targets.unasked(target, now_s=self._clock.monotonic_s())
                return
        except BaseException:  # cancelled too: it is tried again
            self._targets.unasked(target, now_s=self._clock.monotonic_s())
            raise
        finally:
            self._under_way[silent] -= 1
        self._targets.ended(target, rtt_us, now_s=self._clock.monotonic_s(), silent=is_silent)

    async def _hops(self, target: str) -> list[Hop]:
        found = parse_deliver_to(target)
        where = Destination(Via.ROUTE, found.host)  # named in reasons alone
        try:
            async with asyncio.timeout(TRY_S):
                return await self._finder.hops(where, [found], asked_before=True)
        except TimeoutError:
            raise not_found_in_time(where) from None


def targets_of_routes(preferences: Preferences) -> list[str]:
    """Return the targets of all routes, at most ``TARGETS_MAX``: those of the most domains."""
    entries = Counter(
        entry
        for document in preferences.each_document(Kind.ROUTE)
        for entry in document.body_as(RouteBody).deliver_to
    )
    domains: Counter[str] = Counter()
    for entry, count in entries.items():  # the same one may be written in several ways
        domains[str(parse_deliver_to(entry))] += count
    return sorted(domains, key=lambda target: (-domains[target], target))[:TARGETS_MAX]


async def _greeted(hop: Hop) -> int | None:
    """Return how many microseconds a connect took; None: there was none, or no greeting.

    Raises:
        TimeoutError: it took all its time.
    """
    try:
        async with asyncio.timeout(TRY_S):
            wire = await Wire.connect(hop.address, hop.target.port)
            try:
                line = await wire.line(wire.due_s(TRY_S))
                wire.write(b"QUIT\r\n")
                wire.close()
            except BaseException:  # cancelled too: what was begun is undone
                wire.abort()
                raise
    except TimeoutError:  # an OSError, too
        raise
    except (OSError, BadReply, ConnectionEnded):
        return None
    return round(wire.connect_s * 1e6) if line.startswith(b"220") else None
