"""Who is away is told of by name, and from the one moment to the next no more is looked at."""

from __future__ import annotations

from common.ids import MessageId
from satellite.delivery.decisions.hold import Hold
from satellite.delivery.decisions.routing import Destination, Via
from satellite.delivery.decisions.terms import Terms
from satellite.delivery.queue.entries import QueueEntry
from satellite.delivery.queue.held import HELD_MAX
from satellite.delivery.queue.lanes import Lanes

DESTINATIONS = 2 * HELD_MAX
SIZE = 10  # octets of a body


def named(number: int) -> Destination:
    return Destination(Via.ROUTE, f"d{number:05}.example")


def held_by(lanes: Lanes, destination: Destination) -> QueueEntry:
    """Put a message into a lane and that on hold; return the message."""
    entry = QueueEntry(
        id=MessageId(f"m-{destination.mark}"),
        destination=destination,
        body_bytes=SIZE,
        born_s=0.0,
        until_us=0,
    )
    lanes.put(entry, due_s=0.0, now_s=0.0, is_held=True)
    lanes.away(destination, Hold(1, "timed out"), next_probe_s=45.0)
    return entry


def names(lanes: Lanes) -> list[str]:
    return [held.destination.name for held in lanes.on_hold.first()]


def test_the_first_by_name_are_told_of_and_all_are_counted() -> None:
    lanes = Lanes(most=5, terms=lambda _: Terms())
    for number in range(DESTINATIONS):
        held_by(lanes, named(number * 7 % DESTINATIONS))  # in no order

    assert names(lanes) == [named(number).name for number in range(HELD_MAX)]
    assert lanes.on_hold.in_all() == (DESTINATIONS, DESTINATIONS, DESTINATIONS * SIZE)


def test_who_returns_or_has_no_mail_any_more_is_not_told_of() -> None:
    lanes = Lanes(most=5, terms=lambda _: Terms())
    for number in range(3):
        held_by(lanes, named(number))
    by_mx = Destination(Via.MX, named(1).name)  # the same name, found in another way
    entry = held_by(lanes, by_mx)

    lanes.returned(named(1))
    assert names(lanes) == [named(0).name, by_mx.name, named(2).name]

    lanes.withdraw(entry.id, [by_mx])
    assert names(lanes) == [named(0).name, named(2).name]
    lanes.take(now_s=0.0)
    assert len(lanes.on_hold) == 2
    lanes.returned(by_mx)
    held_by(lanes, named(1))
    assert names(lanes) == [named(number).name for number in range(3)]
