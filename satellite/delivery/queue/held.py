"""What waits for destinations that are away?

Pure. There may be ten thousand of them, and this is asked every second: only the first by name are
told of one by one.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from common.ids import ulid_ms
from satellite.delivery.decisions.hold import Hold, HoldInfo
from satellite.delivery.decisions.routing import Destination
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


def held_for(lanes: Iterable[Lane], *, limit: int = HELD_MAX) -> Iterator[Held]:
    """Return the destinations that are away and have mail, by name.

    Args:
        lanes: of all destinations.
        limit: the first so many.
    """
    away = [lane for lane in lanes if lane.hold is not None and lane.entries]
    for lane in heapq.nsmallest(limit, away, key=_name):
        oldest = lane.oldest()
        if lane.hold is None or oldest is None:
            continue
        yield Held(
            destination=lane.destination,
            customer=lane.terms.customer,
            hold=lane.hold,
            messages=len(lane.entries),
            bytes=lane.bytes,
            oldest=oldest,
            hold_s=lane.terms.hold_s,
        )


def held_in_all(lanes: Iterable[Lane]) -> HeldInAll:
    """Return how much waits for destinations that are away."""
    destinations = messages = octets = 0
    for lane in lanes:
        if lane.hold is not None and lane.entries:
            destinations += 1
            messages += len(lane.entries)
            octets += lane.bytes
    return HeldInAll(destinations, messages, octets)


def _name(lane: Lane) -> str:
    return lane.destination.name
