"""What waits for destinations that are away?

Pure. There may be ten thousand of them, and this is asked every second: only the first by name are
told of one by one.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

from common.frozen import dataclass
from common.ids import ulid_ms
from satellite.delivery.decisions.hold import Hold, HoldInfo
from satellite.delivery.decisions.routing import Destination, Via
from satellite.delivery.queue.entries import QueueEntry
from satellite.delivery.queue.lane import Lane

HELD_MAX = 1000  # destinations that are told of one by one
_SECOND_US = 1_000_000


@dataclass(frozen=True, slots=True)
class Held:
    """One destination on hold and what waits for it."""

    destination: Destination
    customer: str
    hold: Hold
    messages: int
    bytes: int
    oldest: QueueEntry
    hold_s: float

    def info(self, *, now_us: int, now_s: float) -> HoldInfo:
        """Return it as an operator sees it, at a wall clock time and a monotonic one."""
        left_s = max(0.0, self.oldest.born_s + self.hold_s - now_s)
        return HoldInfo(
            customer=self.customer,
            destination=self.destination.name,
            since_us=self.hold.since_us,
            reason=self.hold.reason,
            messages=self.messages,
            bytes=self.bytes,
            oldest_us=ulid_ms(self.oldest.id) * 1000,
            expires_us=now_us + round(left_s * _SECOND_US),
        )


class HeldInAll(NamedTuple):
    """How much waits for destinations that are away."""

    destinations: int
    messages: int
    bytes: int


class LanesOnHold:
    """The lanes that are on hold, by the names of their destinations.

    They are kept in order, since to sort ten thousand at each report takes the event loop longer
    than all that is told of them; to put one in its place moves some kilobytes.
    """

    def __init__(self) -> None:
        self._keys: list[tuple[str, Via]] = []
        self._lanes: dict[tuple[str, Via], Lane] = {}

    def __len__(self) -> int:
        return len(self._keys)

    def add(self, lane: Lane) -> None:
        """Take in a lane whose hold has begun."""
        key = _key(lane)
        insort(self._keys, key)
        self._lanes[key] = lane

    def remove(self, lane: Lane) -> None:
        """Let go of a lane whose hold has ended, or that is no more."""
        key = _key(lane)
        del self._keys[bisect_left(self._keys, key)]
        del self._lanes[key]

    def first(self, limit: int = HELD_MAX) -> Iterator[Held]:
        """Return the destinations that have mail, by name, the first ``limit``."""
        return islice(filter(None, map(_held, map(self._lanes.__getitem__, self._keys))), limit)

    def in_all(self) -> HeldInAll:
        """Return how much waits for all of them."""
        destinations = messages = octets = 0
        for lane in self._lanes.values():
            if lane.entries:
                destinations += 1
                messages += len(lane.entries)
                octets += lane.bytes
        return HeldInAll(destinations, messages, octets)


def _held(lane: Lane) -> Held | None:
    oldest = lane.oldest()
    if lane.hold is None or oldest is None:
        return None
    return Held(
        destination=lane.destination,
        customer=lane.terms.customer,
        hold=lane.hold,
        messages=len(lane.entries),
        bytes=lane.bytes,
        oldest=oldest,
        hold_s=lane.terms.hold_s,
    )


def _key(lane: Lane) -> tuple[str, Via]:
    return lane.destination.name, lane.destination.via
